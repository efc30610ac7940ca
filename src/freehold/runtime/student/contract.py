"""The contract of a student: what its answers look like, and which parts of them it has to find out.

An answer is a bare label, or a JSON object whose leaves are fields. Each field becomes a head: `Enum` a classifier,
`Span` a tagger, `Constant` nothing at all. What is none of these is free text, which a student cannot write.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import msgspec
from msgspec import Struct

Path = tuple[str, ...]
"""Where a leaf is in the answer, from the outermost member inwards; () is the whole answer, a bare label."""

Value = str | int | float | bool | None


class Absent(Struct, frozen=True, tag="absent"):
    """A member that is not there."""


ABSENT = Absent()


class Enum(Struct, frozen=True, tag="enum"):
    """One of few values: strings, numbers, booleans, or null; `values` in the order of the classifier's classes.

    `optional`: class `len(values)` means that the member is absent.
    """

    path: Path
    values: tuple[Value, ...]
    optional: bool = False

    @property
    def classes(self) -> int:
        return len(self.values) + self.optional


class Span(Struct, frozen=True, tag="span"):
    """A piece of the text, verbatim. `many`: a list of pieces in their order. `number`: the piece as a number.

    `empty` is what stands there where the text has none: no member, null, or an empty list.
    """

    path: Path
    many: bool = False
    number: bool = False
    empty: Literal["absent", "null", "list"] = "absent"


class Constant(Struct, frozen=True, tag="constant"):
    """Always the same value."""

    path: Path
    value: msgspec.Raw


class Text(Struct, frozen=True, tag="text"):
    """Free text: no student writes it."""

    path: Path


Field = Enum | Span | Constant | Text


class Contract(Struct, frozen=True):
    """The fields of an answer, in the order in which they are written. A bare label is one `Enum` with path ()."""

    fields: tuple[Field, ...]

    @property
    def bare(self) -> bool:
        return len(self.fields) == 1 and not self.fields[0].path

    @property
    def enums(self) -> tuple[Enum, ...]:
        return tuple(f for f in self.fields if isinstance(f, Enum))

    @property
    def spans(self) -> tuple[Span, ...]:
        return tuple(f for f in self.fields if isinstance(f, Span))


def name(path: Path) -> str:
    """A field's name for people."""
    return ".".join(path) or "the answer"


def written(contract: Contract, found: Mapping[Path, object]) -> str:
    """The answer with these values, by path; spans that are not in `found` are absent."""
    if contract.bare:
        return str(found[()])
    root: dict[str, Any] = {}
    for field in contract.fields:
        value = _value(field, found)
        at = root
        for step in field.path[:-1]:
            at = at.setdefault(step, {})
        if value is not ABSENT:
            at[field.path[-1]] = value
    return msgspec.json.encode(root).decode()


def _value(field: Field, found: Mapping[Path, object]) -> object:
    match field:
        case Constant():
            return field.value
        case Enum():
            return found[field.path]
        case Span():
            pieces = cast(Sequence[str], found.get(field.path, ()))
            values = [number(p) for p in pieces] if field.number else list(pieces)
            if field.many and values:
                return values
            if values:
                return values[0]
            nothing: dict[str, object] = {"absent": ABSENT, "null": None, "list": []}
            return nothing[field.empty]
        case Text():
            raise ValueError(f"{name(field.path)} is free text")


def number(piece: str) -> int | float:
    """The number that a piece of text is."""
    plain = piece.replace(",", "")
    return int(plain) if plain.lstrip("+-").isdigit() else float(plain)


def leaves(value: object, path: Path = ()) -> dict[Path, object]:
    """The leaves of a JSON value by path. Lists are leaves; so is an object without members."""
    if isinstance(value, dict) and value:
        found: dict[Path, object] = {}
        for key, inner in cast(dict[str, object], value).items():
            found |= leaves(inner, (*path, key))
        return found
    return {path: value}


def read(contract: Contract, target: str) -> dict[Path, object]:
    """The leaves of an answer under this contract; ValueError where it is not an answer of this kind."""
    if contract.bare:
        return {(): target.strip()}
    try:
        value = msgspec.json.decode(target)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"the target is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("the target is no JSON object")
    return leaves(cast(object, value)) if value else {}
