"""An instance of a JSON schema: the smallest honest value that fits, for tool arguments and structured output.

Knows what function schemas use (JSON Schema 2020-12): type, enum, const, $ref within the document, anyOf, oneOf, allOf,
properties, required, items, prefixItems and the limits of numbers, lengths and formats. Not `pattern`, `not` or `if`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from freehold.providers.simulated.dice import Dice

Schema = Mapping[str, Any]

DEEP = 6
"""Below this depth only what is required is filled, so that a schema that contains itself ends."""

FORMATS = {
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "date-time": "2026-01-31T12:00:00Z",
    "duration": "PT1H",
    "email": "simulated@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/simulated",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
"""A text for each format; names and addresses are those reserved for examples (RFC 2606, RFC 5737, RFC 3849)."""


def instance(schema: Schema, dice: Dice) -> Any:
    """A value that fits `schema`; `dice` choose among the members of an enum."""
    return _Maker(schema, dice).make(schema, 0)


class _Maker:
    def __init__(self, root: Schema, dice: Dice) -> None:
        self._root = root
        self._dice = dice
        self._types: dict[str, Callable[[Schema, int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._integer,
            "number": self._number,
            "boolean": lambda schema, depth: True,
            "null": lambda schema, depth: None,
        }

    def make(self, schema: object, depth: int) -> Any:
        if not isinstance(schema, Mapping) or depth > 4 * DEEP:  # `true`: anything fits; or it never ends
            return None
        schema = self._plain(cast(Schema, schema), depth)
        if "const" in schema:
            return schema["const"]
        if members := schema.get("enum"):
            return members[self._dice.below(len(members))]
        return self._types.get(_type(schema, depth), self._string)(schema, depth)

    def _plain(self, schema: Schema, depth: int) -> Schema:
        """The same without $ref, anyOf, oneOf and allOf at its top."""
        for _ in range(4 * DEEP):  # a $ref may lead to the next one, and in a circle
            rest = {k: v for k, v in schema.items() if k not in {"$ref", "anyOf", "oneOf", "allOf"}}
            if "$ref" in schema:
                schema = {**self._target(str(schema["$ref"])), **rest}
            elif choices := schema.get("anyOf") or schema.get("oneOf"):
                schema = _merged(rest, [_chosen(choices, depth), *schema.get("allOf", ())])
            elif parts := schema.get("allOf"):
                schema = _merged(rest, parts)
            else:
                return schema
        return {"type": "null"}

    def _target(self, ref: str) -> Schema:
        found: Any = self._root
        for step in ref.lstrip("#/").split("/") if ref != "#" else ():
            key = step.replace("~1", "/").replace("~0", "~")  # RFC 6901 section 4
            found = cast(Schema, found).get(key) if isinstance(found, Mapping) else None
        return cast(Schema, found) if isinstance(found, Mapping) else {}

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties: Schema = schema.get("properties") or {}
        required: Sequence[str] = schema.get("required") or ()
        wanted = dict.fromkeys(required) if required or depth >= DEEP else properties
        return {name: self.make(properties.get(name, {}), depth + 1) for name in wanted}

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        first: list[Any] = schema.get("prefixItems") or []
        least = int(schema.get("minItems", 0))
        most = int(schema.get("maxItems", max(least, len(first), 1)))
        count = min(max(least, len(first), 0 if depth >= DEEP else 1), most)
        kinds = [*first, *[schema.get("items", {"type": "string"})] * max(count - len(first), 0)][:count]
        made = [self.make(kind, depth + 1) for kind in kinds]
        if schema.get("uniqueItems"):
            made = [value for at, value in enumerate(made) if value not in made[:at]]
        return made

    def _string(self, schema: Schema, depth: int) -> str:
        text = FORMATS.get(str(schema.get("format")), "simulated")
        text = text.ljust(int(schema.get("minLength", 0)), "x")
        return text[: int(schema["maxLength"])] if "maxLength" in schema else text

    def _integer(self, schema: Schema, depth: int) -> int:
        return int(_bounded(schema, step=schema.get("multipleOf") or 1))

    def _number(self, schema: Schema, depth: int) -> float:
        return _bounded(schema, step=schema.get("multipleOf"))


def _type(schema: Schema, depth: int) -> str:
    named = schema.get("type")
    if isinstance(named, list):  # null is the last resort, and the way out of a schema that contains itself
        kinds = cast(list[str], named)
        named = "null" if "null" in kinds and depth >= DEEP else next((k for k in kinds if k != "null"), "null")
    if named is not None:
        return str(named)
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _chosen(choices: Sequence[Schema], depth: int) -> Schema:
    nulls = [c for c in choices if c.get("type") == "null"]
    others = [c for c in choices if c.get("type") != "null"]
    return nulls[0] if nulls and (depth >= DEEP or not others) else others[0]


def _merged(schema: Schema, parts: Sequence[Schema]) -> Schema:
    whole = dict(schema)
    for part in parts:
        for key, value in part.items():
            if key == "properties":
                whole[key] = {**whole.get(key, {}), **value}
            elif key == "required":
                whole[key] = [*whole.get(key, ()), *value]
            else:
                whole.setdefault(key, value)
    return whole


def _bounded(schema: Schema, *, step: float | None) -> float:
    """A number within the limits, 1 where they allow it."""
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    grain = step or 2.0**-10
    if (above := schema.get("exclusiveMinimum")) is not None and above >= low:
        low = above + grain
    if (below := schema.get("exclusiveMaximum")) is not None and below <= high:
        high = below - grain
    value = min(max(1, low), high)
    if not step:
        return value
    return math.ceil(value / step) * step if math.ceil(value / step) * step <= high else math.floor(value / step) * step
