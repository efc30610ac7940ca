"""JSON schemas for structured output, as Anthropic takes them: objects are closed, and some words are not known
(docs.claude.com/en/docs/build-with-claude/structured-outputs)."""

from typing import Any, cast

UNKNOWN = frozenset({
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems",
    "uniqueItems", "minProperties", "maxProperties",
})  # fmt: skip
"""What bounds values beyond their type; a schema that says it is refused."""
_NAMED = frozenset({"properties", "$defs", "definitions", "patternProperties"})
"""Members whose own members are names, not words of the language."""
_VALUES = frozenset({"enum", "const", "default", "examples"})


def closed(schema: Any) -> tuple[Any, list[str]]:
    """The schema as it is taken, and the words that were left out."""
    dropped: dict[str, None] = {}
    return _closed(schema, dropped), list(dropped)


def _closed(schema: Any, dropped: dict[str, None]) -> Any:
    if isinstance(schema, list):
        return [_closed(one, dropped) for one in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    taken: dict[str, Any] = {}
    for word, value in cast("dict[str, Any]", schema).items():
        if word in UNKNOWN or (word == "minItems" and value not in (0, 1)):
            dropped[word] = None
        elif word in _NAMED and isinstance(value, dict):
            taken[word] = {name: _closed(one, dropped) for name, one in cast("dict[str, Any]", value).items()}
        else:
            taken[word] = value if word in _VALUES else _closed(value, dropped)
    if taken.get("type") == "object" or "properties" in taken:
        if taken.get("additionalProperties") not in (None, False):
            dropped["additionalProperties"] = None
        taken["additionalProperties"] = False
    return taken
