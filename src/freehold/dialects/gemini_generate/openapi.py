"""Gemini's subset of OpenAPI's schemas, as the JSON Schema that it means (ai.google.dev/api/caching#Schema)."""

from typing import Any, cast

from freehold.dialects.gemini_generate.spelling import camel
from freehold.dialects.openai_chat.loose import items, members, number

Schema = dict[str, Any]
_INTEGERS = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})
"""Counts, which are written as text (64-bit integers are, in JSON of protocol buffers)."""
_LISTS = frozenset({"anyOf", "prefixItems"})
_OWN_NAMES = {"defs": "$defs", "ref": "$ref"}
_HERE_ALONE = frozenset({"type", "nullable", "propertyOrdering", "example"})


def json_schema(value: object) -> Schema:
    """The JSON schema that one of the subset means; one that is JSON Schema already stays as it is."""
    schema = {name if name.startswith("$") else camel(name): inner for name, inner in members(value).items()}
    taken: Schema = {}
    kind = schema.get("type")
    if isinstance(kind, str) and kind != "TYPE_UNSPECIFIED":
        taken["type"] = kind.lower()
    elif isinstance(kind, list):
        taken["type"] = kind
    for name, inner in schema.items():
        if name not in _HERE_ALONE and (name, inner) != ("format", "enum"):
            taken[_OWN_NAMES.get(name, name)] = _word(name, inner, schema)
    if "example" in schema:
        taken["examples"] = [schema["example"]]
    return _nullable(taken) if schema.get("nullable") is True else taken


def _word(name: str, value: Any, schema: Schema) -> Any:
    if name in ("properties", "defs", "$defs"):
        return {n: json_schema(v) for n, v in _ordered(members(value), schema).items()}
    if name in _LISTS:
        return [json_schema(one) for one in items(value)]
    if name in ("items", "additionalProperties") and isinstance(value, dict):
        return json_schema(cast("object", value))
    if name in _INTEGERS and (count := number(value)) is not None:
        return count
    return value


def _ordered(properties: Schema, schema: Schema) -> Schema:
    """The properties in the order that is wished for."""
    first = [name for name in items(schema.get("propertyOrdering")) if name in properties]
    return {name: properties[name] for name in (*first, *(n for n in properties if n not in first))}


def _nullable(schema: Schema) -> Schema:
    """The same, or null."""
    if isinstance(schema.get("enum"), list):
        schema["enum"] = [*schema["enum"], None]
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    elif "anyOf" in schema:
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return schema
