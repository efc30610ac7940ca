"""Requests of the shape of Responses where chat completions are expected: Cursor sends them there."""

from typing import Any

import msgspec

from freehold.core.errors import InvalidRequest
from freehold.dialects.openai_chat.loose import members
from freehold.dialects.openai_chat.prompting import write
from freehold.dialects.openai_responses import reading
from freehold.dialects.openai_responses.request import decode
from freehold.dialects.quirks import Quirks
from freehold.dialects.strict_json import read

_PLAIN = Quirks(stream_usage=False)
_SAID = reading.KNOWN - {"stream_options", "user"}


def as_chat(body: bytes) -> bytes | None:
    """The body of chat completions that means the same; None for one that is not of this shape.

    Members that Responses do not know are those of chat completions already.
    """
    try:
        value = members(read(body))
    except InvalidRequest:
        return None
    if "messages" in value or not isinstance(value.get("input"), str | list):
        return None
    request = decode(body)
    chat: dict[str, Any] = members(
        msgspec.json.decode(write(reading.read(request), model=request.model, quirks=_PLAIN).body)
    )
    rest = {name: member for name, member in value.items() if name not in _SAID and name not in chat}
    return msgspec.json.encode(chat | rest)
