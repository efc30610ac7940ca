"""The catalog's file: models, and their offers as each source lists them."""

from collections.abc import Iterable

import msgspec
from msgspec import Raw, Struct

from freehold.catalog.observation import Source
from freehold.core.tariff import Tariff


class Layers(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Layers of one kind of attention, with the figures that its cache depends on.

    `kind`: 'gqa', 'gqa_k_eq_v' (keys serve as values), 'swa' (a sliding `window`), 'mla' (one latent of `kv_lora_rank`
    and `rope_dim`), 'dsa_indexer' (keys of `index_head_dim` beside it), 'linear' and 'mamba2' (a fixed state).
    """

    kind: str
    layers: int
    kv_heads: int | None = None
    head_dim: int | None = None
    window: int | None = None
    kv_lora_rank: int | None = None
    rope_dim: int | None = None
    index_head_dim: int | None = None
    index_topk: int | None = None
    heads: int | None = None
    v_heads: int | None = None
    k_dim: int | None = None
    v_dim: int | None = None
    state: int | None = None
    groups: int | None = None
    state_bytes: int | None = None
    conv_dim: int | None = None
    conv_kernel: int | None = None


class Model(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A set of weights, or a closed model, by name. None means unknown.

    `parameters` and `active_parameters` in billions; `kv_bytes_per_token` and `kv_bytes_per_sequence` in bf16;
    `weights_gb` in 10^9 bytes by format. `tools` and `json`: 'yes', 'no' or 'host' where it depends on who serves it.
    `reasoning`: 'no', 'always', 'switch' or 'effort'. `note` says what the figures cannot.
    """

    id: str
    name: str
    maker: str | None = None
    sources: tuple[str, ...]
    open_weights: bool | None = None
    repository: str | None = None
    parameters: float | None = None
    active_parameters: float | None = None
    release: str | None = None
    context: int | None = None
    max_input: int | None = None
    max_output: int | None = None
    modalities: tuple[str, ...] = ()
    tools: str | None = None
    json: str | None = None
    reasoning: str | None = None
    licence: str | None = None
    attention: tuple[Layers, ...] = ()
    kv_bytes_per_token: int | None = None
    kv_bytes_per_sequence: int | None = None
    weights_gb: dict[str, float] = {}
    note: str | None = None


class Sighting(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An offer as one source lists it. `context` counts prompt and answer, `max_input` the prompt alone."""

    source: str
    tariff: Tariff | None = None
    context: int | None = None
    max_input: int | None = None
    max_output: int | None = None
    tools: bool | None = None
    json: bool | None = None
    reasoning: bool | None = None
    vision: bool | None = None
    ends: str | None = None
    valid_from: str | None = None
    valid_to: str | None = None


class DataPolicy(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a provider does with what it is sent. `retention_days` 0 keeps nothing; None means unknown.

    `source` is its own page, `read` the ISO date on which we read it; `note` what the figures cannot say.
    """

    retention_days: int | None = None
    trains: bool | None = None
    zone: str | None = None
    source: str = ""
    read: str = ""
    note: str = ""


class Listing(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A model at a provider, under the provider's `id` for it, as all sources list it. `mode`: 'chat', 'embedding' …"""

    provider: str
    id: str
    model: str
    sightings: tuple[Sighting, ...]
    mode: str = "chat"
    region: str | None = None
    policy: DataPolicy | None = None


class Alias(Struct, frozen=True, array_like=True):
    """A name that stands for a model from a day until another (ISO, None: open), at a provider or (None) at all."""

    name: str
    model: str
    since: str | None = None
    until: str | None = None
    provider: str | None = None
    source: str | None = None


class File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole catalog. `listings` are those of each model, decoded when somebody asks for that model.

    `current` are the ids of those offers of each provider that are served where settings name none.
    """

    as_of: str
    sources: dict[str, Source]
    models: tuple[Model, ...]
    listings: dict[str, Raw]
    aliases: tuple[Alias, ...] = ()
    current: dict[str, tuple[str, ...]] = {}

    def listed(self, model: str) -> tuple[Listing, ...]:
        """What the sources list for a model."""
        raw = self.listings.get(model)
        return () if raw is None else msgspec.json.decode(raw, type=tuple[Listing, ...])

    def every(self) -> Iterable[Listing]:
        """What the sources list, of all models."""
        return (one for model in self.listings for one in self.listed(model))

    def offers(self) -> int:
        """How many offers are listed."""
        return sum(1 for _ in self.every())
