"""Streams of Responses, read: SSE frames to events."""

from freehold.core.errors import Broken, ProviderError
from freehold.core.events import Event
from freehold.dialects.openai_responses.answer import Reader
from freehold.dialects.openai_responses.errors import error_in_answer
from freehold.dialects.quirks import Quirks
from freehold.dialects.sse import Frames

DONE = b"[DONE]"


class StreamDecoder:
    """Reads one stream. It is whole when its last event has come, which has the response in it.

    What a piece says before it breaks is given out; the error follows with the next piece or the end. It stands in
    `error` at once.
    """

    __slots__ = ("_frames", "_reader", "error")

    def __init__(self, quirks: Quirks) -> None:
        self._frames = Frames()
        self._reader = Reader(quirks)
        self.error: ProviderError | None = None

    def feed(self, piece: bytes) -> list[Event]:
        """What has become whole; a ProviderError where it is broken or an error."""
        if self.error is not None:
            raise self.error
        events: list[Event] = []
        reader = self._reader
        if reader.ended:
            return events
        try:
            for raw, data in self._frames.feed(piece):
                event = reader.read(data, raw) if data[:1] == b"{" else self._other(raw, data)
                if event.raw or event.deltas:
                    events.append(event)
                if reader.error is not None:
                    raise reader.error
                if reader.ended:
                    break
        except ProviderError as error:
            self.error = error
            if not events:
                raise
        return events

    def finish(self) -> list[Event]:
        """The connection has nothing more; Broken where the answer is cut."""
        events: list[Event] = []
        reader = self._reader
        if self.error is None and not reader.ended and self._frames.rest().strip():
            events = self.feed(b"\n\n")  # a last frame without its blank line
        if self.error is not None:
            raise self.error
        if not reader.ended:
            raise Broken("The provider broke off in the middle of its answer")
        return events

    def _other(self, raw: bytes, data: bytes) -> Event:
        """What a frame says that has no object for its data."""
        if data and not data.isspace():
            # '[DONE]' is no part of this dialect, and is not passed on
            return Event(()) if data.strip() == DONE else self._reader.read(data, raw)
        start = raw.strip()
        if start[:1] == b"{":  # servers that fail in the middle write their error without the field
            self._reader.error = error_in_answer(start)
            return Event(())
        if start[:1] == b"<":
            raise Broken("The provider sent a page of HTML in place of an answer")
        return Event((), raw)
