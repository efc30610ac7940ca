"""The contract that examples follow: read off their targets, helped by a JSON schema where there is one."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from freehold.core.dataset import Example
from freehold.core.errors import InvalidRequest
from freehold.flywheel.tuning.student.align import places
from freehold.runtime.student.contract import (
    Constant,
    Contract,
    Enum,
    Field,
    Path,
    Span,
    Text,
    Value,
    name,
    read,
)
from freehold.runtime.student.tokens import tokens

OBJECT = Contract(())
MOST_VALUES = 1000
REPEATED = 3
"""How often the values of an enum occur on average, at least; what is rarer is free text."""

VERBATIM = 0.97
"""Share of a field's values that stand in their texts for it to be a span; the rest are typing errors."""

Seen = tuple[str, object]
"""A text and the value of a field there."""


def contract(examples: Sequence[Example], schema: dict[str, Any] | None = None) -> Contract:
    """The contract of these examples; InvalidRequest names the field that no student can write.

    `schema`: the JSON schema of an object with `enum`, `const` and `boolean` members; what it leaves open is inferred.
    """
    objects = [_object(e.target) for e in examples]
    if schema is None and not all(o is not None for o in objects):
        return _bare(examples)
    rows: list[tuple[str, dict[Path, object]]] = []
    for example, leaf in zip(examples, objects, strict=True):
        if leaf is None:
            raise InvalidRequest(f"Example {example.id[:12]}: its target is no JSON object, as the schema asks")
        rows.append((example.text, leaf))
    fields = tuple(_field(path, rows, _member(schema, path)) for path in _paths(rows))
    free = [name(f.path) for f in fields if isinstance(f, Text)]
    if free:
        raise InvalidRequest(
            f"No student can write {', '.join(free)}: it is free text, not one of few values and not copied from the "
            "message. Use --method lora, or leave it out of the answer",
            param=free[0],
        )
    return Contract(fields)


def _object(target: str) -> dict[Path, object] | None:
    try:
        return read(OBJECT, target)
    except ValueError:
        return None


def _bare(examples: Sequence[Example]) -> Contract:
    counts = Counter(e.target.strip() for e in examples)
    if len(counts) > MOST_VALUES or len(counts) * REPEATED > len(examples):
        raise InvalidRequest(
            f"The answers are free text ({len(counts)} different ones in {len(examples)} examples): a student answers "
            "with one of few labels or with JSON. Use --method lora",
            param="target",
        )
    return Contract((Enum((), tuple(sorted(counts))),))


def _paths(rows: list[tuple[str, dict[Path, object]]]) -> list[Path]:
    """All paths in the order of their first appearance; those within one object stay together. An object that is
    empty in some rows and not in others is no leaf."""
    found = dict.fromkeys(path for _, leaf in rows for path in leaf)
    inner = {path[:i] for path in found for i in range(1, len(path))}
    order = {prefix: at for at, prefix in reversed(list(enumerate(p[:1] for p in found)))}
    return sorted((p for p in found if p not in inner), key=lambda p: order[p[:1]])


def _member(schema: dict[str, Any] | None, path: Path) -> dict[str, Any]:
    """What the schema says of a path."""
    at: dict[str, Any] = schema or {}
    for step in path:
        at = cast(dict[str, dict[str, Any]], at.get("properties") or {}).get(step) or {}
    return at


def _field(path: Path, rows: list[tuple[str, dict[Path, object]]], said: dict[str, Any]) -> Field:
    seen: list[Seen] = [(text, leaf[path]) for text, leaf in rows if path in leaf]
    absent = len(seen) < len(rows)
    if "const" in said:
        return Constant(path, msgspec.Raw(msgspec.json.encode(said["const"])))
    if "enum" in said:
        return Enum(path, tuple(cast(list[Value], said["enum"])), absent)
    distinct = Counter(msgspec.json.encode(value) for _, value in seen)
    if len(distinct) == 1 and not absent:
        return Constant(path, msgspec.Raw(next(iter(distinct))))
    values = [v for _, v in seen]
    if any(isinstance(v, list | dict) for v in values):
        return _span(path, seen, many=True) if all(isinstance(v, list) or v is None for v in values) else Text(path)
    span = _span(path, seen, many=False)
    if isinstance(span, Span):
        return span
    if len(distinct) <= MOST_VALUES and len(distinct) * REPEATED <= len(seen):
        return Enum(path, tuple(msgspec.json.decode(v) for v in sorted(distinct)), absent)
    return Text(path)


def _span(path: Path, seen: list[Seen], *, many: bool) -> Span | Text:
    """A span where almost every value stands in its text."""
    number = False
    found = count = 0
    for text, value in seen:
        pieces = surfaces(value)
        number = number or any(isinstance(p, int | float) for p in pieces)
        if any(isinstance(p, bool) or not isinstance(p, str | int | float) for p in pieces):
            return Text(path)
        row = tokens(text)
        count += len(pieces)
        found += sum(bool(places(text, row, str(p))) for p in pieces)
    if not count or found < VERBATIM * count:
        return Text(path)
    empty = "list" if any(v == [] for _, v in seen) else "null" if any(v is None for _, v in seen) else "absent"
    return Span(path, many=many, number=number, empty=empty)


def surfaces(value: object) -> list[object]:
    """The pieces of text that a span field names."""
    if value is None:
        return []
    return cast(list[object], value) if isinstance(value, list) else [value]
