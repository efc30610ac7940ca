"""JSON schema, as far as models are asked for it: whether a value fits. Unknown keywords constrain nothing.

Source: https://json-schema.org/draft/2020-12, the keywords that structured outputs of the providers support.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

_DEEPEST = 64
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
    "number": (int, float),
    "integer": (int, float),
}


def misfit(value: Any, schema: Any) -> str | None:
    """Where and why a value does not fit a schema, or None where it does."""
    return next(_misfits(value, schema, "$", schema, 0), None)


def _misfits(value: Any, schema: Any, at: str, root: Any, depth: int) -> Iterator[str]:
    if schema is False:
        yield f"{at}: nothing is allowed here"
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return
    rules = cast("dict[str, Any]", schema)
    if isinstance(reference := rules.get("$ref"), str):
        yield from _misfits(value, _resolve(reference, root), at, root, depth + 1)
    yield from _kinds(value, rules, at)
    yield from _combined(value, rules, at, root, depth)
    if isinstance(value, dict):
        yield from _members(cast("dict[str, Any]", value), rules, at, root, depth)
    if isinstance(value, list):
        yield from _items(cast("list[Any]", value), rules, at, root, depth)
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield from _bounds(value, rules, at)
    if isinstance(value, str):
        yield from _lengths(len(value), rules, at, "minLength", "maxLength")


def _kinds(value: Any, rules: Mapping[str, Any], at: str) -> Iterator[str]:
    kinds = rules.get("type")
    wanted = [kinds] if isinstance(kinds, str) else cast("list[str]", kinds or [])
    if wanted and not any(_is(value, kind) for kind in wanted):
        yield f"{at}: expected {' or '.join(wanted)}, got {_name(value)}"
    if "const" in rules and not _equal(value, rules["const"]):
        yield f"{at}: is not {rules['const']!r}"
    if isinstance(rules.get("enum"), list) and not any(_equal(value, one) for one in rules["enum"]):
        yield f"{at}: {_shown(value)} is not among the values"


def _combined(value: Any, rules: Mapping[str, Any], at: str, root: Any, depth: int) -> Iterator[str]:
    for part in cast("list[Any]", rules.get("allOf") or []):
        yield from _misfits(value, part, at, root, depth + 1)
    for word in ("anyOf", "oneOf"):
        parts = cast("list[Any]", rules.get(word) or [])
        fitting = sum(1 for part in parts if next(_misfits(value, part, at, root, depth + 1), None) is None)
        if parts and (not fitting or (word == "oneOf" and fitting > 1)):
            yield f"{at}: fits {fitting} of the alternatives"


def _members(value: dict[str, Any], rules: Mapping[str, Any], at: str, root: Any, depth: int) -> Iterator[str]:
    known = cast("dict[str, Any]", rules.get("properties") or {})
    for name in cast("list[str]", rules.get("required") or []):
        if name not in value:
            yield f"{at}: {name!r} is missing"
    others = rules.get("additionalProperties", True)
    for name, one in value.items():
        if name in known:
            yield from _misfits(one, known[name], f"{at}.{name}", root, depth + 1)
        elif others is False:
            yield f"{at}: {name!r} is not expected"
        else:
            yield from _misfits(one, others, f"{at}.{name}", root, depth + 1)


def _items(value: list[Any], rules: Mapping[str, Any], at: str, root: Any, depth: int) -> Iterator[str]:
    yield from _lengths(len(value), rules, at, "minItems", "maxItems")
    first = cast("list[Any]", rules.get("prefixItems") or [])
    for i, one in enumerate(value):
        rule = first[i] if i < len(first) else rules.get("items", True)
        yield from _misfits(one, rule, f"{at}[{i}]", root, depth + 1)


def _bounds(value: float, rules: Mapping[str, Any], at: str) -> Iterator[str]:
    if "minimum" in rules and value < rules["minimum"]:
        yield f"{at}: {value} is below {rules['minimum']}"
    if "maximum" in rules and value > rules["maximum"]:
        yield f"{at}: {value} is above {rules['maximum']}"
    if "exclusiveMinimum" in rules and value <= rules["exclusiveMinimum"]:
        yield f"{at}: {value} is not above {rules['exclusiveMinimum']}"
    if "exclusiveMaximum" in rules and value >= rules["exclusiveMaximum"]:
        yield f"{at}: {value} is not below {rules['exclusiveMaximum']}"


def _lengths(size: int, rules: Mapping[str, Any], at: str, least: str, most: str) -> Iterator[str]:
    if size < rules.get(least, 0):
        yield f"{at}: {size} is fewer than {rules[least]}"
    if size > rules.get(most, size):
        yield f"{at}: {size} is more than {rules[most]}"


def _resolve(reference: str, root: Any) -> Any:
    """What '#/$defs/name' points at; True, which constrains nothing, where it points nowhere."""
    if not reference.startswith("#"):
        return True
    found = root
    for step in filter(None, reference.removeprefix("#").split("/")):
        key = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or key not in found:
            return True
        found = cast("dict[str, Any]", found)[key]
    return found


def _is(value: Any, kind: str) -> bool:
    types = _TYPES.get(kind)
    if types is None:
        return True
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, types) and (kind != "integer" or value == int(value))


def _equal(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _name(value: Any) -> str:
    return next((name for name in _TYPES if name != "number" and _is(value, name)), "number")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
