"""The whole response of an answer, as its caller is told it, streamed or not."""

from typing import Any

import msgspec
from msgspec.structs import replace

from freehold.core.events import Event
from freehold.core.request import Request
from freehold.dialects.dialect import Source
from freehold.dialects.openai_chat.loose import members
from freehold.dialects.openai_responses.writing import Foreign, Own
from freehold.dialects.sse import payload

_decode = msgspec.json.Decoder().decode


class Snapshot:
    """Hears the events of one answer. What it gives has the ids that the caller was told."""

    def __init__(self, request: Request, *, id: str, at: int, source: Source | None) -> None:
        self._foreign: Foreign | None = None
        self._own = Own(stream=request.stream)
        self._last = b""
        if source is not None:
            self._foreign = Foreign(replace(request, stream=False), id=id, at=at, account=source.account)

    @property
    def foreign(self) -> bool:
        """Whether the answer comes in another dialect."""
        return self._foreign is not None

    def event(self, event: Event) -> None:
        if self._foreign is not None:
            self._foreign.encode(event)
        else:
            self._last = self._own.encode(event) or self._last

    def response(self) -> dict[str, Any]:
        """The response; empty where none came to its end."""
        if self._foreign is not None:
            return members(_decode(self._foreign.end()))
        last = self._last.rstrip(b"\n").rpartition(b"\n\n")[2] + b"\n\n"
        data = self._last if self._last[:1] == b"{" else payload(last)
        if data[:1] != b"{":
            return {}
        value = members(_decode(data))
        return members(value.get("response")) or (value if "output" in value else {})
