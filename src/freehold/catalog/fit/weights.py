"""The weights of a model file or folder, from headers alone: how many bytes, and how many of them one token reads.

safetensors: https://github.com/huggingface/safetensors#format. A header is never believed beyond the size of its file.
"""

import re
from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from freehold.catalog.fit import gguf
from freehold.catalog.fit.gguf import Tensor

About = dict[str, object]
"""What a file says of its model: GGUF metadata or config.json."""

MOST_HEADER = 100_000_000
"""Bytes, the limit of the safetensors library."""

WIDTHS = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E8M0": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "I64": 64,
    "U64": 64,
    "F64": 64,
    "C64": 64,
}
"""Bits of an element by the format's name of the type."""

EXPERT = re.compile(r"\.experts\.|_exps\b")
LOOKED_UP = re.compile(r"(^|\.)(embed_tokens|token_embd|wte|per_layer_token_embd|embed_tokens_per_layer)\.")
HEAD = re.compile(r"(^|\.)(lm_head|output)\.weight$")
SHARD = re.compile(r"^(.*)-(\d{5})-of-(\d{5})\.gguf$")
PICKED = ("num_experts_per_tok", "experts_per_token", "num_experts_per_token", "moe_topk", "top_k_experts")
AVAILABLE = ("n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts")


class Weights(Struct, frozen=True, kw_only=True):
    """Bytes of all tensors, and of those that one token reads; None where the share of experts is not told.

    `elements` counts what is stored: of packed integers fewer than there are parameters.
    """

    bytes: int
    active: int | None
    elements: int
    about: About


class _Entry(Struct, frozen=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class _Index(Struct, frozen=True):
    weight_map: dict[str, str]


def weights(path: Path) -> Weights:
    """Of a .gguf or .safetensors file, a part of a split one, or a folder; ValueError says what is wrong."""
    if path.is_dir():
        return _folder(path)
    if path.suffix == ".gguf":
        return _ggufs(_shards(path))
    return _weights(_safetensors(path), _config(path.with_name("config.json")))


def safetensors(file: BinaryIO, size: int) -> tuple[Tensor, ...]:
    """The tensors that the header at the start of a file of `size` bytes names; ValueError where it does not add up."""
    first = file.read(8)
    length = int.from_bytes(first, "little")
    if len(first) < 8 or length > min(MOST_HEADER, size - 8):
        raise ValueError("not a safetensors file, or cut within its header")
    try:
        header = msgspec.json.decode(file.read(length), type=dict[str, msgspec.Raw])
        entries = {n: msgspec.json.decode(raw, type=_Entry) for n, raw in header.items() if n != "__metadata__"}
    except msgspec.DecodeError as error:
        raise ValueError(f"the safetensors header is not one: {error}") from None
    return tuple(_tensors(entries, size - 8 - length))


def _tensors(entries: dict[str, _Entry], room: int) -> Iterable[Tensor]:
    end = 0
    for name, entry in sorted(entries.items(), key=lambda pair: pair[1].data_offsets):
        begin, stop = entry.data_offsets
        if entry.dtype not in WIDTHS:
            raise ValueError(f"tensor {name!r} has the unknown type {entry.dtype}")
        elements = prod(entry.shape)
        if begin != end or (stop - begin) * 8 != elements * WIDTHS[entry.dtype]:
            raise ValueError(f"tensor {name!r} does not take the bytes that its shape says")
        yield Tensor(name, elements, stop - begin)
        end = stop
    if end != room:
        raise ValueError(f"the file has {room} bytes of tensors, its header says {end}: it is not whole")


def _folder(path: Path) -> Weights:
    index = path / "model.safetensors.index.json"
    if index.is_file():
        named = msgspec.json.decode(index.read_bytes(), type=_Index).weight_map
        if any("/" in name or name.startswith("..") for name in named.values()):
            raise ValueError(f"{index.name} names files outside of its folder")
        files = [path / name for name in sorted(set(named.values()))]
    else:
        files = sorted(path.glob("*.safetensors"))
        if not files:
            return _ggufs(_only(path))
    missing = [f.name for f in files if not f.is_file()]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}")
    return _weights([t for f in files for t in _safetensors(f)], _config(path / "config.json"))


def _only(path: Path) -> list[Path]:
    """The one model of a folder of GGUF files, in its parts; which quantisation is meant is not guessed."""
    models = {tuple(_shards(file)) for file in path.glob("*.gguf")}
    if len(models) != 1:
        raise ValueError(f"{path} holds {len(models)} models: name one file")
    return list(models.pop())


def _shards(path: Path) -> list[Path]:
    found = SHARD.match(path.name)
    if found is None:
        return [path]
    stem, _, last = found.groups()
    return [path.with_name(f"{stem}-{n:05}-of-{last}.gguf") for n in range(1, int(last) + 1)]


def _ggufs(files: list[Path]) -> Weights:
    tensors: list[Tensor] = []
    about: About = {}
    for path in files:
        if not path.is_file():
            raise ValueError(f"{path} is not there")
        with path.open("rb") as file:
            found = gguf.read(file)
        if found.end > path.stat().st_size:
            raise ValueError(f"{path.name} is not whole: its tensors end at {found.end}")
        tensors += found.tensors
        about |= {key: value for key, value in found.metadata.items() if not key.startswith("tokenizer.")}
    return _weights(tensors, about)


def _safetensors(path: Path) -> tuple[Tensor, ...]:
    if not path.is_file():
        raise ValueError(f"{path} is not there")
    with path.open("rb") as file:
        return safetensors(file, path.stat().st_size)


def _weights(tensors: Iterable[Tensor], about: About) -> Weights:
    """Embeddings are looked up, not read, unless they are the output head too; of experts only the picked ones are."""
    found = list(tensors)
    names = [t.name for t in found]
    if len(set(names)) != len(names):
        raise ValueError("two files hold the same tensor")
    experts = sum(t.bytes for t in found if EXPERT.search(t.name))
    untied = any(HEAD.search(name) for name in names)
    looked_up = sum(t.bytes for t in found if LOOKED_UP.search(t.name) and (untied or "per_layer" in t.name))
    whole = sum(t.bytes for t in found)
    share = _share(about) if experts else (0, 1)
    active = None if share is None else whole - experts - looked_up + -(-experts * share[0] // share[1])
    return Weights(bytes=whole, active=active, elements=sum(t.elements for t in found), about=about)


def _share(about: About) -> tuple[int, int] | None:
    """Experts that a token uses, of how many."""
    family = about.get("general.architecture")
    picked = _whole(about, [f"{family}.expert_used_count", *PICKED])
    of = _whole(about, [f"{family}.expert_count", *AVAILABLE])
    return None if picked is None or of is None or not 0 < picked <= of else (picked, of)


def _whole(about: About, names: Iterable[str]) -> int | None:
    return next((found for name in names if isinstance(found := about.get(name), int)), None)


def _config(path: Path) -> About:
    """A config.json; what it says of the text part of a model of several modalities stands beside the rest."""
    if not path.is_file():
        return {}
    try:
        about = msgspec.json.decode(path.read_bytes(), type=About)
        return about | msgspec.convert(about.get("text_config") or {}, About)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path} is not a configuration: {error}") from None
