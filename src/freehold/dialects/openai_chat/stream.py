"""Streams of OpenAI chat completions, read: SSE frames to events."""

from freehold.core.errors import Broken, ProviderError
from freehold.core.events import Event
from freehold.dialects.openai_chat.answer import Reader
from freehold.dialects.openai_chat.errors import error_in_answer
from freehold.dialects.quirks import Quirks
from freehold.dialects.sse import Frames, named

DONE = b"[DONE]"


class StreamDecoder:
    """Reads one stream. It is whole when `[DONE]` has come, or every choice seen has finished (some never send it).

    What a piece says before it breaks is given out; the error follows with the next piece or the end. It stands in
    `error` at once.
    """

    __slots__ = ("_done", "_frames", "_reader", "error")

    def __init__(self, quirks: Quirks) -> None:
        self._frames = Frames()
        self._reader = Reader(quirks)
        self._done = False
        self.error: ProviderError | None = None

    def feed(self, piece: bytes) -> list[Event]:
        """What has become whole; a ProviderError where it is broken or an error."""
        if self.error is not None:
            raise self.error
        if self._done:
            return []
        events: list[Event] = []
        reader = self._reader
        try:
            for raw, data in self._frames.feed(piece):
                if data[:1] == b"{" and raw[:5] == b"data:":
                    event = reader.read(data, raw)
                elif data.strip() == DONE:
                    self._done = True
                    break
                else:
                    event = self._other(raw, data)
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
        if self.error is None and not self._done and self._frames.rest().strip():
            try:
                events = self.feed(b"\n\n")  # a last frame without its blank line
            except Broken:
                if self._reader.error is not None or not self._reader.ended:
                    raise
                return []  # cut after the answer was whole
        if self.error is not None:
            raise self.error
        if not (self._done or self._reader.ended):
            raise Broken("The provider broke off in the middle of its answer")
        return events

    def _other(self, raw: bytes, data: bytes) -> Event:
        """What a frame says that is more, or less, than a line of data."""
        if data and (raw[:5] == b"data:" or not data.isspace()):
            if raw[:5] != b"data:" and named(raw) == b"error":
                self._reader.error = error_in_answer(data)
                return Event(())
            return self._reader.read(data, raw)
        start = raw.strip()
        if start[:1] == b"{":  # servers that fail in the middle write their error without the field
            return self._reader.read(start, start)
        if start[:1] == b"<":
            raise Broken("The provider sent a page of HTML in place of an answer")
        return Event((), raw)
