"""A tokenizer of the `tokenizers` library as llama.cpp has it, with every token under the same id.

llama.cpp holds the ways to split a text in its code, each under a name; a tokenizer that splits otherwise than all of
them is refused, since its ids would come out differently.
"""

import re
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from freehold.core.errors import InvalidRequest
from freehold.dialects.openai_chat.loose import members

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""Kinds of tokens (llama.cpp, `llama_token_type`)."""

_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPLITS = {_WORDS + r"\p{N}{1,3}" + _REST: "llama-bpe", _WORDS + r"\p{N}" + _REST: "qwen2"}
"""Regular expressions of pre-tokenizers, and llama.cpp's names for them."""

WHOLE_WORDS_FIRST = {"llama-bpe"}
"""Those for which llama.cpp takes a word that is a token as it is, before any merge (`ignore_merges`)."""

Json = dict[str, Any]


class Vocabulary(Struct, frozen=True, kw_only=True):
    """`tokens[i]` is the text of token i. `model` is 'gpt2' for byte-level BPE (with `merges`, split as `pre` says),
    'llama' for SentencePiece (with `scores`). `special` holds ids by role: bos, eos, unk, pad."""

    model: Literal["gpt2", "llama"]
    tokens: list[str]
    kinds: list[int]
    special: dict[str, int]
    add_bos: bool
    add_eos: bool
    pre: str = "default"
    merges: list[str] = []
    scores: list[float] = []
    space_first: bool = False
    template: str | None = None


def vocabulary(folder: Path, size: int) -> Vocabulary:
    """The tokenizer of a model folder, filled up to `size` tokens, the rows of the embedding.

    InvalidRequest where llama.cpp could not give the same ids.
    """
    path = folder / "tokenizer.json"
    if not path.exists():
        raise InvalidRequest(f"{folder} has no tokenizer.json; only fast tokenizers can be exported to GGUF")
    spec: Json = msgspec.json.decode(path.read_bytes())
    config = _config(folder)
    model: Json = spec["model"]
    if model.get("type") != "BPE":
        raise InvalidRequest(f"A tokenizer of type {model.get('type')} cannot be exported to GGUF, only BPE")
    merges = [_pair(m) for m in model["merges"]]
    tokens, kinds = _tokens(spec, size)
    add_bos, add_eos = _ends(spec)
    special = _special(config, spec)
    common: Json = {"special": special, "add_bos": add_bos, "add_eos": add_eos, "template": _template(folder, config)}
    if model.get("byte_fallback"):
        unknown = special.get("unk")
        kinds = [_spm_kind(i, t, k, unknown) for i, (t, k) in enumerate(zip(tokens, kinds, strict=True))]
        return Vocabulary(
            model="llama",
            tokens=tokens,
            kinds=kinds,
            scores=_scores(tokens, merges),
            space_first=_space_first(spec),
            **common,
        )
    pre = _pre(spec)
    if bool(model.get("ignore_merges")) != (pre in WHOLE_WORDS_FIRST):
        raise InvalidRequest(f"The tokenizer merges otherwise than llama.cpp does for '{pre}'; its ids would differ")
    joined = [f"{a} {b}" for a, b in merges]
    return Vocabulary(model="gpt2", tokens=tokens, kinds=kinds, merges=joined, pre=pre, **common)


def _pair(merge: Any) -> tuple[str, str]:
    """Old files write a merge as 'a b', new ones as a pair."""
    a, b = merge.split(" ", 1) if isinstance(merge, str) else merge
    return a, b


def _tokens(spec: Json, size: int) -> tuple[list[str], list[int]]:
    by_id: dict[int, tuple[str, int]] = {i: (t, NORMAL) for t, i in spec["model"]["vocab"].items()}
    for added in spec.get("added_tokens", []):
        by_id[added["id"]] = (added["content"], CONTROL if added["special"] else USER_DEFINED)
    if max(by_id) >= size:
        raise InvalidRequest(f"The tokenizer has a token {max(by_id)}, the model only {size} rows; resize it first")
    filled = [by_id.get(i, (f"[PAD{i}]", UNUSED)) for i in range(size)]
    return [t for t, _ in filled], [k for _, k in filled]


def _pre(spec: Json) -> str:
    """llama.cpp's name for how a text is split before bytes are merged."""
    given: Json = spec.get("pre_tokenizer") or {}
    parts: list[Json] = given.get("pretokenizers", [given])
    shape = [p.get("type") for p in parts]
    last = parts[-1]
    if last.get("type") == "ByteLevel" and not last.get("add_prefix_space", True):
        if shape == ["ByteLevel"] and last.get("use_regex", True):
            return "gpt-2"
        if shape == ["Digits", "ByteLevel"] and parts[0].get("individual_digits") and last.get("use_regex", True):
            return "smollm"
        if shape == ["Split", "ByteLevel"] and not last.get("use_regex", True):
            name = SPLITS.get(parts[0].get("pattern", {}).get("Regex", ""))
            if name is not None and parts[0].get("behavior") == "Isolated" and not parts[0].get("invert"):
                return name
    raise InvalidRequest("The tokenizer splits text in a way that llama.cpp has no name for; its ids would differ")


def _scores(tokens: list[str], merges: list[tuple[str, str]]) -> list[float]:
    """SentencePiece merges the pair whose piece scores highest: earlier merges score higher."""
    rank: dict[str, int] = {}
    for i, (a, b) in enumerate(merges):
        rank.setdefault(a + b, i)
    return [-float(rank.get(t, len(merges))) for t in tokens]


def _spm_kind(id: int, token: str, kind: int, unknown: int | None) -> int:
    if id == unknown:
        return UNKNOWN
    return BYTE if kind == NORMAL and re.fullmatch(r"<0x[0-9A-F]{2}>", token) else kind


def _space_first(spec: Json) -> bool:
    normalizer: Json = spec.get("normalizer") or {}
    prepends = any(n.get("type") == "Prepend" for n in normalizer.get("normalizers", [normalizer]))
    pre: Json = spec.get("pre_tokenizer") or {}
    return prepends or (pre.get("type") == "Metaspace" and pre.get("prepend_scheme", "always") != "never")


def _ends(spec: Json) -> tuple[bool, bool]:
    """Whether a text gets a token put before it, and after it."""
    post: Json = spec.get("post_processor") or {}
    for part in post.get("processors", [post]):
        if part.get("type") == "TemplateProcessing":
            single: list[Json] = part["single"]
            return "SpecialToken" in single[0], "SpecialToken" in single[-1]
    return False, False


def _special(config: Json, spec: Json) -> dict[str, int]:
    ids: dict[str, int] = {**spec["model"]["vocab"], **{a["content"]: a["id"] for a in spec.get("added_tokens", [])}}
    found: dict[str, int] = {}
    for role in ("bos", "eos", "unk", "pad"):
        named: Any = config.get(f"{role}_token")
        text = str(members(named).get("content", named))
        if text in ids:
            found[role] = ids[text]
    return found


def _config(folder: Path) -> Json:
    path = folder / "tokenizer_config.json"
    return msgspec.json.decode(path.read_bytes()) if path.exists() else {}


def _template(folder: Path, config: Json) -> str | None:
    path = folder / "chat_template.jinja"
    if path.exists():
        return path.read_text()
    found = config.get("chat_template")
    return found if isinstance(found, str) else None
