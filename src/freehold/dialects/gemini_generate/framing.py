"""How the responses of a stream are put together: as server-sent events, or as the elements of one JSON array, which is
what Gemini sends where `alt=sse` is not asked for."""

from freehold.core.request import Framing

SSE = b"text/event-stream"
JSON = b"application/json; charset=UTF-8"


class Frame:
    """Frames one stream, or nothing where the answer is whole (`framing` None)."""

    __slots__ = ("_begun", "sse")

    def __init__(self, framing: Framing) -> None:
        self.sse = framing == "sse"
        self._begun = False

    @property
    def media_type(self) -> bytes:
        return SSE if self.sse else JSON

    def put(self, response: bytes) -> bytes:
        """The bytes for one response."""
        if self.sse:
            return b"data: %b\r\n\r\n" % response
        begun, self._begun = self._begun, True
        return (b",\r\n" if begun else b"[") + response

    def end(self) -> bytes:
        """What closes the stream."""
        if self.sse:
            return b""
        return b"]" if self._begun else b"[]"
