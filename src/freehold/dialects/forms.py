"""The form of an answer, and of what a tool takes, for dialects that have fewer words for them."""

from typing import Any, cast

import msgspec
from msgspec import Raw

from freehold.core.prompt import Format, Tool
from freehold.dialects.openai_chat.loose import members, word

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
TEXT_ARGUMENT = "input"
"""The one argument of the function that stands for a tool which takes plain text."""
PLAIN_TEXT: dict[str, Any] = {
    "type": "object",
    "properties": {TEXT_ARGUMENT: {"type": "string"}},
    "required": [TEXT_ARGUMENT],
    "additionalProperties": False,
}
"""The schema of that function."""


def described(form: Format) -> Any:
    """The schema of an answer, decoded. What the answer is stands in it, since there is no other place."""
    value: Any = None if form.schema is None else _decode(form.schema)
    if form.description and isinstance(value, dict) and "description" not in value:
        return {"description": form.description, **members(cast("object", value))}
    return cast("object", value)


def grammar(original: Raw | None) -> dict[str, Any]:
    """The grammar of the text that a custom tool takes (`syntax`, `definition`), wherever its dialect says it; empty
    without one."""
    said = members(None if original is None else _decode(original))
    form = members(said.get("format") or members(said.get("custom")).get("format"))
    return (members(form.get("grammar")) or form) if form.get("type") == "grammar" else {}


def as_function(tool: Tool) -> tuple[Tool, str]:
    """A custom tool as the function that stands for it, and the loss that this is, '' if none.

    The model is told the grammar of the text, which nobody enforces then.
    """
    rules = grammar(tool.original)
    told = tool.description
    if rules:
        told = f"{told}\n\nThe text has to follow this grammar ({word(rules.get('syntax'))}):\n".lstrip()
        told += word(rules.get("definition"))
    function = Tool(name=tool.name, description=told, schema=Raw(_encode(PLAIN_TEXT)), cache=tool.cache)
    return function, f"tools[{tool.name}].format" if rules else ""
