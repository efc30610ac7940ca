"""Scorers: how good an answer is, from 0 to 1, against what was right. Pure, but for those that name a tool.

Named in commands by a word, and what it needs after a colon: `exact`, `normalised`, `contains`, `json`, `json:intent`,
`schema:FILE`, `regex:PATTERN`, `numeric:0.01`, `code:FILE`, `your_module:your_function`. A judge is no scorer: it
compares two answers, and only together with a sample that people labelled (see `judge`).
"""

import importlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from math import inf, isclose
from pathlib import Path
from typing import Any, cast

import msgspec
from jsonschema import Draft202012Validator, SchemaError
from msgspec import Struct

from freehold.core.dataset import Example
from freehold.core.errors import InvalidRequest
from freehold.flywheel.evaluation.code import passes

Score = Callable[[Example, str], float]
"""An example and the text that was answered; 1 is right. It never raises for what a model may say."""


class Scorer(Struct, frozen=True):
    """A named score. `binary`: it is 0 or 1, never between."""

    name: str
    score: Score
    binary: bool = True


def scorer(spec: str) -> Scorer:
    """The scorer that a word names; InvalidRequest lists the words."""
    word, _, rest = spec.partition(":")
    made = _MAKERS.get(word)
    if made is not None:
        return made(spec, rest)
    if rest and word.replace("_", "").replace(".", "").isalnum():
        return _custom(spec, word, rest)
    raise InvalidRequest(f"There is no scorer {spec!r}; there are {', '.join(_MAKERS)}, or MODULE:FUNCTION of your own")


def normalised(text: str) -> str:
    """Case, accents' encoding, punctuation at the ends and runs of white space put aside."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(text.split()).strip(" .,;:!?\"'`*")


def value(text: str) -> Any:
    """The JSON value in a text, also inside a fenced block or after some words; None where there is none."""
    text = text.strip()
    fenced = re.search(r"```(?:json)?\s*(.*?)```", text, re.S)
    if fenced:
        text = fenced.group(1).strip()
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    start = min((i for i in (text.find("{"), text.find("[")) if i >= 0), default=-1)
    if start < 0:
        return None
    try:
        return json.JSONDecoder().raw_decode(text[start:])[0]
    except (ValueError, RecursionError):
        return None


def number(text: str) -> float | None:
    """The last number in a text, thousands separators and a percent sign put aside."""
    found = re.findall(r"-?\d[\d,_]*(?:\.\d+)?(?:[eE][+-]?\d+)?", text)
    try:
        return float(found[-1].replace(",", "").replace("_", "")) if found else None
    except ValueError:
        return None


def _exact(spec: str, _: str) -> Scorer:
    return Scorer(spec, lambda example, text: float(text.strip() == example.target.strip()))


def _normalised(spec: str, _: str) -> Scorer:
    return Scorer(spec, lambda example, text: float(normalised(text) == normalised(example.target)))


def _contains(spec: str, _: str) -> Scorer:
    return Scorer(spec, lambda example, text: float(normalised(example.target) in normalised(text)))


def _json(spec: str, field: str) -> Scorer:
    """Without a field: the share of the right object's members that are right; 1 only where nothing is added."""
    if field:
        return Scorer(
            spec, lambda example, text: float(_member(value(text), field) == _member(value(example.target), field))
        )

    def score(example: Example, text: str) -> float:
        said, right = value(text), value(example.target)
        if not isinstance(right, dict):
            return float(said == right and said is not None)
        if not isinstance(said, dict):
            return 0.0
        a, b = cast(Mapping[str, Any], said), cast(Mapping[str, Any], right)
        names = a.keys() | b.keys()
        same = sum(_same(a.get(n), b.get(n)) for n in names)
        return same / len(names) if names else 1.0

    return Scorer(spec, score, binary=False)


def _member(held: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(held, dict):
            return None
        held = cast(Mapping[str, Any], held).get(name)
    return normalised(held) if isinstance(held, str) else held


def _same(a: Any, b: Any) -> bool:
    return normalised(a) == normalised(b) if isinstance(a, str) and isinstance(b, str) else a == b


def _schema(spec: str, file: str) -> Scorer:
    if not file:
        raise InvalidRequest("The scorer schema needs a file with a JSON schema: schema:FILE")
    try:
        schema = msgspec.json.decode(Path(file).read_bytes())
        Draft202012Validator.check_schema(schema)
    except (OSError, msgspec.DecodeError, SchemaError) as error:
        raise InvalidRequest(f"The schema {file} cannot be used: {error}") from None
    validator: Any = Draft202012Validator(schema)
    return Scorer(spec, lambda _, text: float((held := value(text)) is not None and validator.is_valid(held)))


def _regex(spec: str, pattern: str) -> Scorer:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InvalidRequest(f"{pattern!r} is not a regular expression: {error}") from None
    if not pattern:
        raise InvalidRequest("The scorer regex needs a pattern: regex:PATTERN")
    return Scorer(spec, lambda _, text: float(compiled.search(text) is not None))


def _numeric(spec: str, tolerance: str) -> Scorer:
    try:
        share = float(tolerance or 0)
    except ValueError:
        share = inf
    if not 0 <= share < 1:
        raise InvalidRequest(
            f"The tolerance of numeric is a share of the right number, such as 0.01, not {tolerance!r}"
        )

    def score(example: Example, text: str) -> float:
        said, right = number(text), number(example.target)
        return float(said is not None and right is not None and isclose(said, right, rel_tol=share, abs_tol=1e-12))

    return Scorer(spec, score)


def _code(spec: str, file: str) -> Scorer:
    """Runs the answer's Python together with a test file, see `code.passes`."""
    if not file or not Path(file).is_file():
        raise InvalidRequest(f"The scorer code needs a file of tests that exists: code:FILE, not {file!r}")
    tests = Path(file).read_text()
    return Scorer(spec, lambda _, text: float(passes(text, tests)))


def _custom(spec: str, module: str, name: str) -> Scorer:
    """A function of the owner: (example, text) to a number from 0 to 1."""
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InvalidRequest(f"The scorer {spec} cannot be loaded: {error}") from None

    def score(example: Example, text: str) -> float:
        given = float(function(example, text))
        if not 0 <= given <= 1:
            raise InvalidRequest(f"The scorer {spec} gave {given}; a score is from 0 to 1")
        return given

    return Scorer(spec, score, binary=False)


_MAKERS: Mapping[str, Callable[[str, str], Scorer]] = {
    "exact": _exact,
    "normalised": _normalised,
    "contains": _contains,
    "json": _json,
    "schema": _schema,
    "regex": _regex,
    "numeric": _numeric,
    "code": _code,
}
