"""Counting the tokens of a request of Gemini (ai.google.dev/api/tokens)."""

from typing import Any

import msgspec
from msgspec import Raw

from freehold.core.request import Request
from freehold.dialects.gemini_generate.foreign import without_foreign
from freehold.dialects.gemini_generate.spelling import camel
from freehold.dialects.openai_chat.loose import members, number
from freehold.dialects.quirks import Quirks

_encode = msgspec.json.Encoder().encode
_fields = msgspec.json.Decoder(dict[str, Raw]).decode
WHOLE = "generateContentRequest"
"""The member under which a whole request may stand in place of contents."""


def opened(body: bytes) -> bytes:
    """The request of which a body asks the count, where it stands in a member of its own; else the body."""
    try:
        fields = {camel(name): raw for name, raw in _fields(body).items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body  # told by who reads it
    return bytes(fields[WHOLE]) if WHOLE in fields else body


def encode_count(request: Request, model: str, quirks: Quirks) -> bytes:
    """The body that asks a provider to count. Only as a whole request may it hold more than contents."""
    whole: dict[str, Any] = {"model": f"models/{model.removeprefix('models/')}"}
    for name, raw in request.fields.items():
        if camel(name) != "model":
            whole[name] = without_foreign(raw, model) if name == "contents" else raw
    if whole.keys() == {"model", "contents"}:
        return _encode({"contents": whole["contents"]})
    return _encode({WHOLE: whole})


def counted(body: bytes) -> int | None:
    """The count in an answer; None where there is none."""
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return number(members(value).get("totalTokens"))


def told(count: int) -> dict[str, Any]:
    """A count as clients of this dialect read it."""
    return {"totalTokens": count, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": count}]}
