"""Streams of OpenAI chat completions, read: SSE frames to events."""

from freehold.core.errors import Broken
from freehold.core.events import Event, Finish
from freehold.dialects.openai_chat.answer import decode
from freehold.dialects.quirks import Quirks
from freehold.dialects.sse import Frames

DONE = b"[DONE]"


class StreamDecoder:
    """Reads one stream. It is whole when `[DONE]` has come, or every choice seen has finished (some never send it)."""

    __slots__ = ("_begun", "_done", "_finished", "_frames", "_quirks")

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self._frames = Frames()
        self._begun = False
        self._finished = False
        self._done = False

    def feed(self, piece: bytes) -> list[Event]:
        """What has become whole; a ProviderError where it is broken or an error."""
        events: list[Event] = []
        for raw, data in self._frames.feed(piece):
            if data == DONE:
                self._done = True
            elif not data:
                events.append(Event((), raw))
            else:
                event = decode(data, raw, self._quirks, begin=not self._begun)
                self._begun = True
                events.append(event)
                if event.content and not self._finished:
                    self._finished = any(type(d) is Finish for d in event.deltas)
        return events

    def finish(self) -> list[Event]:
        """The connection has nothing more; Broken where the answer is cut."""
        events: list[Event] = []
        rest = self._frames.rest()
        if rest.strip():  # a last frame without its blank line
            events = self.feed(b"\n\n")
        if not (self._done or self._finished):
            raise Broken("The provider broke off in the middle of its answer")
        return events
