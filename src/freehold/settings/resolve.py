"""Resolve: what the settings leave open is written out, from what was found here and from the catalog.

The result is again `Settings`. Its snapshot therefore holds all that a decision was made from, whatever the machine,
the environment or the catalog look like later.
"""

from collections.abc import Iterable
from functools import cached_property
from ipaddress import ip_address
from time import time_ns
from urllib.parse import urlsplit

from msgspec.structs import replace

from freehold.catalog.book import Catalog, catalog
from freehold.catalog.offering import Offering, offering
from freehold.core.errors import SettingsWrong
from freehold.core.money import Price
from freehold.core.request import Need
from freehold.core.tariff import Tariff
from freehold.providers.discovery import Found
from freehold.providers.known import KNOWN
from freehold.providers.provider import Provider
from freehold.settings.accounts import GENERIC
from freehold.settings.licensed import licensed
from freehold.settings.tables import DeploymentSettings, ProviderSettings, Settings

FREE = Price(input=0, output=0)
HERE: frozenset[Need] = frozenset({"tools", "json_object", "image", "audio", "file", "logprobs", "n"})
"""What models that run here lack."""


class Shelf:
    """The catalog as it holds for some settings at an instant. It is read when something is first asked of it."""

    def __init__(self, settings: Settings, at: int, book: Catalog | None) -> None:
        self._settings = settings
        self._at = at
        self._given = book

    @cached_property
    def _book(self) -> Catalog:
        book = catalog(self._settings.data.folder, self._at) if self._given is None else self._given
        overrides = self._settings.catalog.overrides
        return book.under(overrides) if overrides else book

    def offering(self, provider: str, model: str) -> Offering | None:
        return offering(self._book, provider, model, self._at)

    def current(self, provider: str) -> Iterable[str]:
        """The models that a provider offers where nobody names one."""
        return self._book.file.current.get(provider, ())


def resolve(
    settings: Settings, found: Iterable[Found] = (), *, at: int | None = None, book: Catalog | None = None
) -> Settings:
    """The same settings with providers for all that was found, every deployment named, and every known fact filled in.

    Facts are those of `book` (None: the catalog of the data folder) at an instant (UTC nanoseconds; None: now). A
    provider is open, unless its table says otherwise, while no deployment of the file names it: then it offers the
    models that its server listed, or the current ones of the catalog.
    """
    found = tuple(found)
    known = Shelf(settings, time_ns() if at is None else at, book)
    providers = _joined(settings, found)
    named = {d.provider for d in settings.deployments.values()}
    providers = {
        name: replace(p, any_model=name not in named if p.any_model is None else p.any_model)
        for name, p in providers.items()
    }
    deployments = dict(settings.deployments)
    for name, provider in providers.items():
        for model in _listed(provider, known) if provider.any_model else ():
            deployments.setdefault(f"{name}/{model}", DeploymentSettings(provider=name, model=model))
    for name in settings.simulated.keys() - named:
        deployments[f"{name}/simulated"] = DeploymentSettings(provider=name, model="simulated")
    for name in settings.local.keys() - named:
        deployments[name] = DeploymentSettings(provider=name, model=name)

    def known_facts(d: DeploymentSettings) -> DeploymentSettings:
        if d.provider in settings.simulated:
            return _simulated(d, settings)
        if d.provider in settings.local:
            base = deployments.get(settings.local[d.provider].base or "")
            return _local(d, settings, None if base is None or base.provider in settings.local else known_facts(base))
        return _known(d, providers[d.provider], known)

    here = {*providers, *settings.simulated, *settings.local}
    for id, d in deployments.items():
        if d.provider not in here:
            raise SettingsWrong(f"[deployments.{id}] provider: {d.provider} {_absent(d.provider, found)}")

    whole = {id: known_facts(d) for id, d in sorted(deployments.items())}
    resolved = replace(settings, providers=dict(sorted(providers.items())), deployments=whole)
    return licensed(resolved, settings.deployments.keys())


def _joined(settings: Settings, found: Iterable[Found]) -> dict[str, ProviderSettings]:
    """The providers of the settings and those found; a server already described only adds the models it lists."""
    providers = dict(settings.providers)
    for one in found:
        if one.problem is not None or one.provider in settings.simulated:
            continue
        same = [name for name, p in providers.items() if p.base_url == one.base_url]
        for name in same:
            providers[name] = replace(providers[name], models=one.models or providers[name].models)
        if not same and one.provider not in providers:
            providers[one.provider] = ProviderSettings(
                kind=one.provider,
                base_url=one.base_url,
                path=KNOWN[one.provider].path,
                api_key=one.api_key,
                models=one.models,
                secret_key=one.secret_key,
                session_token=one.session_token,
            )
    return providers


def _absent(name: str, found: Iterable[Found]) -> str:
    """Why a provider that needs no table of its own is not here after all."""
    problem = next((one.problem for one in found if one.provider == name and one.problem is not None), None)
    return "was not found here" if problem is None else f"cannot be called: {problem}"


def _listed(provider: ProviderSettings, known: Shelf) -> Iterable[str]:
    return provider.models or known.current(provider.kind or GENERIC)


def _known(d: DeploymentSettings, provider: ProviderSettings, known: Shelf) -> DeploymentSettings:
    kind = KNOWN[provider.kind or GENERIC]
    own = kind.port is not None or kind.id == GENERIC  # no catalog knows a server of one's own
    offer = None if own else known.offering(kind.id, d.model)
    price = d.price
    if price is None and runs_here(kind, provider, d.model):
        price = FREE
    if offer is None:
        return replace(d, price=price, lacks=kind.lacks if d.lacks is None else d.lacks)
    return replace(
        d,
        names=d.names or tuple(name for name in (offer.model, *offer.names) if name != d.model),
        price=price,
        tariff=_tariff(offer.tariff, provider) if d.tariff is None and price is None else d.tariff,
        context_window=d.context_window or offer.context_window,
        max_output_tokens=d.max_output_tokens or offer.max_output_tokens,
        lacks=offer.lacks | kind.lacks if d.lacks is None else d.lacks,
    )


def _tariff(tariff: Tariff | None, provider: ProviderSettings) -> Tariff | None:
    """The price list, in the region that the address names, where that has a price of its own (eu.api.openai.com)."""
    region = (urlsplit(provider.base_url or "").hostname or "").partition(".")[0]
    return replace(tariff, region=region) if tariff is not None and region in tariff.regions else tariff


def _simulated(d: DeploymentSettings, settings: Settings) -> DeploymentSettings:
    model = settings.simulated[d.provider]
    return replace(
        d,
        price=model.price if d.price is None else d.price,
        quality=model.skill if d.quality is None and model.answers is not None else d.quality,
        ttft_ms=model.ttft_ms if d.ttft_ms is None else d.ttft_ms,
        tokens_per_second=d.tokens_per_second or model.tokens_per_second,
        lacks=frozenset() if d.lacks is None else d.lacks,
    )


def _local(d: DeploymentSettings, settings: Settings, base: DeploymentSettings | None) -> DeploymentSettings:
    """What runs here costs nothing and cannot do everything; with examples before it, a base stays what it is."""
    model = settings.local[d.provider]
    price = model.price if d.price is None else d.price
    if model.engine == "prompt" and base is not None:
        price = base.price if price is None else price
        return replace(base, names=d.names, price=price, quality=model.quality, provider=d.provider)
    return replace(
        d,
        price=FREE if price is None else price,
        quality=model.quality if d.quality is None else d.quality,
        lacks=HERE if d.lacks is None else d.lacks,
    )


def runs_here(kind: Provider, provider: ProviderSettings, model: str) -> bool:
    """Whether an engine on this machine runs the model, so that no token costs anything.

    Ollama passes models that end in '-cloud' or ':cloud' on to its own service.
    """
    host = urlsplit(provider.base_url or "").hostname or ""
    try:
        loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        loopback = False
    return kind.port is not None and loopback and not model.endswith(("-cloud", ":cloud"))
