"""Streams of Gemini, read: SSE frames, of which each is a response, to events. There is no mark at the end: a stream is
whole when every candidate has said why it ended."""

from freehold.core.errors import Broken, ProviderError
from freehold.core.events import Event
from freehold.dialects.gemini_generate.answer import Reader
from freehold.dialects.gemini_generate.errors import error_in_answer
from freehold.dialects.sse import Frames, named


class StreamDecoder:
    """Reads one stream.

    What a piece says before it breaks is given out; the error follows with the next piece or the end. It stands in
    `error` at once.
    """

    __slots__ = ("_frames", "_reader", "error")

    def __init__(self) -> None:
        self._frames = Frames()
        self._reader = Reader()
        self.error: ProviderError | None = None

    def feed(self, piece: bytes) -> list[Event]:
        """What has become whole; a ProviderError where it is broken or an error."""
        if self.error is not None:
            raise self.error
        events: list[Event] = []
        reader = self._reader
        try:
            for raw, data in self._frames.feed(piece):
                event = reader.read(data, raw) if data[:1] == b"{" else self._other(raw, data)
                if event.raw or event.deltas:
                    events.append(event)
                if reader.error is not None:
                    raise reader.error
        except ProviderError as error:
            self.error = error
            if not events:
                raise
        return events

    def finish(self) -> list[Event]:
        """The connection has nothing more; Broken where the answer is cut."""
        events: list[Event] = []
        reader = self._reader
        if self.error is None and self._frames.rest().strip():
            try:
                events = self.feed(b"\n\n")  # a last frame without its blank line
            except Broken:
                if reader.error is not None or not reader.ended:
                    raise
                return []  # cut after the answer was whole
        if self.error is not None:
            raise self.error
        if not reader.ended:
            raise Broken("The provider broke off in the middle of its answer")
        return events

    def _other(self, raw: bytes, data: bytes) -> Event:
        """What a frame says that has no object for its data: an error in a list, a comment, or something broken."""
        told = data.strip() or raw.strip()
        if told[:1] == b"[" or named(raw) == b"error":
            if b'"error"' in told:
                self._reader.error = error_in_answer(told)
                return Event(())
            return Event((), raw) if told == b"[DONE]" else self._reader.read(told, raw)
        if told[:1] == b"{":  # servers that fail in the middle write their error without the field
            return self._reader.read(told, told)
        if told[:1] == b"<":
            raise Broken("The provider sent a page of HTML in place of an answer")
        return self._reader.read(data, raw) if data.strip() else Event((), raw)
