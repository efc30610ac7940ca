"""A model that might run here: its layers and its weights by quantisation, from the catalog or from files."""

import re
from pathlib import Path
from typing import Literal

from msgspec import Struct

from freehold.catalog import schema
from freehold.catalog.fit import layout
from freehold.catalog.fit.cache import Full, Indexer, Latent, Layers, Linear, Mamba2, Sliding
from freehold.catalog.fit.schemes import BITS, bits
from freehold.catalog.fit.weights import About, weights

GB = 1_000_000_000
LADDER = ("q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m", "q2_k", "iq2_m")
"""Quantisations in which people publish GGUF files of nearly every model."""

MARGIN = 1.1
"""Times that an estimated size is taken larger than parameters and bits make it: some tensors stay wider."""

Origin = Literal["file", "published", "estimated"]


class Form(Struct, frozen=True, kw_only=True):
    """A quantisation with the bytes of its weights. `origin` says whether they were counted in headers, published, or
    estimated from parameters and bits (then with `MARGIN`)."""

    scheme: str
    weights: int
    origin: Origin


class Candidate(Struct, frozen=True, kw_only=True):
    """A model with what its memory and speed depend on. None is unknown.

    `total` and `active` parameters in billions; `share` is the part of the weights that one token reads; `context` in
    tokens, the longest that it was made for.
    """

    id: str
    name: str
    layers: tuple[Layers, ...] | None
    forms: tuple[Form, ...]
    total: float | None = None
    active: float | None = None
    share: float | None = None
    context: int | None = None


def candidate(model: schema.Model) -> Candidate:
    """A model of the catalog: in its published sizes, and where nothing is published in a format of GGUF, estimated."""
    total, active = model.parameters, model.active_parameters or model.parameters
    known = {name: int(size * GB) for name, size in model.weights_gb.items()}
    forms = [Form(scheme=name, weights=size, origin="published") for name, size in known.items()]
    if total is not None and model.attention:
        published = [8 * size / (total * GB) for name, size in known.items() if is_gguf(name)]
        for name in LADDER:
            width = BITS[name]
            if all(abs(width - other) > 0.5 for other in published):
                forms.append(Form(scheme=name, weights=int(total * GB * width / 8 * MARGIN), origin="estimated"))
    return Candidate(
        id=model.id,
        name=model.name,
        layers=tuple(_layers(kind) for kind in model.attention) or None,
        forms=tuple(sorted(forms, key=lambda f: -f.weights)),
        total=total,
        active=active,
        share=active / total if total and active else None,
        context=model.context,
    )


def opened(path: Path) -> Candidate:
    """A model of a .gguf or .safetensors file or a folder, from headers alone; ValueError says what is wrong."""
    found = weights(path)
    scheme = _scheme(path, found.about, found.bytes, found.elements)
    width = bits(scheme)
    packed = "quantization_config" in found.about and width is not None
    total = found.bytes * 8 / width / GB if packed and width else found.elements / GB
    share = None if found.active is None else found.active / found.bytes
    form = Form(scheme=scheme, weights=found.bytes, origin="file")
    return Candidate(
        id=path.name,
        name=path.name,
        layers=layout.layers(found.about),
        forms=(form,),
        total=total,
        active=None if share is None else total * share,
        share=share,
        context=_context(found.about),
    )


def is_gguf(scheme: str) -> bool:
    """Whether a quantisation is one of llama.cpp's formats."""
    return re.match(r"(ud-)?i?q\d", scheme.lower()) is not None


def _layers(kind: schema.Layers) -> Layers:
    """The catalog's row as the cache counts it; ValueError where a figure is missing."""
    n = kind.layers
    match kind.kind:
        case "gqa":
            return Full(layers=n, kv_heads=_told(kind.kv_heads), head_dim=_told(kind.head_dim))
        case "gqa_k_eq_v":
            return Full(layers=n, kv_heads=_told(kind.kv_heads), head_dim=_told(kind.head_dim), tensors=1)
        case "swa":
            heads, dim, window = _told(kind.kv_heads), _told(kind.head_dim), _told(kind.window)
            return Sliding(layers=n, kv_heads=heads, head_dim=dim, window=window)
        case "mla":
            return Latent(layers=n, rank=_told(kind.kv_lora_rank), rope_dim=_told(kind.rope_dim))
        case "dsa_indexer":
            return Indexer(layers=n, head_dim=_told(kind.index_head_dim), top=_told(kind.index_topk))
        case "linear":
            return Linear(
                layers=n,
                heads=_told(kind.v_heads),
                k_dim=_told(kind.k_dim),
                v_dim=_told(kind.v_dim),
                conv_dim=_told(kind.conv_dim),
                conv_kernel=_told(kind.conv_kernel),
                state_bytes=_told(kind.state_bytes),
            )
        case "mamba2":
            return Mamba2(
                layers=n,
                heads=_told(kind.heads),
                head_dim=_told(kind.head_dim),
                state=_told(kind.state),
                groups=_told(kind.groups),
                conv_kernel=_told(kind.conv_kernel),
                state_bytes=_told(kind.state_bytes),
            )
        case other:
            raise ValueError(f"the catalog has layers of the unknown kind {other!r}")


def _told(figure: int | None) -> int:
    if figure is None:
        raise ValueError("the catalog has layers without a figure that their cache depends on")
    return figure


def _scheme(path: Path, about: About, size: int, elements: int) -> str:
    """The quantisation's name: in the configuration, in the file's name, else that of the nearest width."""
    said = str(about.get("quantization_config", ""))
    names = (said, path.name.lower())
    found = next((name for text in names for name in BITS if name in text.lower()), None)
    if found is not None:
        return found
    width = 8 * size / max(elements, 1)
    return min(("f32", "bf16", "fp8", "q6_k", "q4_k_m", "iq2_m"), key=lambda name: abs(BITS[name] - width))


def _context(about: About) -> int | None:
    family = about.get("general.architecture")
    for name in (f"{family}.context_length", "max_position_embeddings"):
        if isinstance(found := about.get(name), int):
            return found
    return None
