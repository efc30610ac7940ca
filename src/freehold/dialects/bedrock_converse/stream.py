"""Streams of Converse, read: messages of AWS's event stream to events."""

from freehold.core.errors import Broken, ProviderError
from freehold.core.events import Event
from freehold.dialects.bedrock_converse.answer import Reader
from freehold.dialects.bedrock_converse.errors import error_in_stream
from freehold.dialects.bedrock_converse.eventstream import Message, Messages


class StreamDecoder:
    """Reads one stream. It is whole when the reason why the answer ended has come; usage follows it.

    What a piece says before it breaks is given out; the error follows with the next piece or the end. It stands in
    `error` at once.
    """

    __slots__ = ("_messages", "_reader", "error")

    def __init__(self) -> None:
        self._messages = Messages()
        self._reader = Reader()
        self.error: ProviderError | None = None

    def feed(self, piece: bytes) -> list[Event]:
        """What has become whole; a ProviderError where it is broken or an error."""
        if self.error is not None:
            raise self.error
        events: list[Event] = []
        messages: list[Message] = []
        broken: ProviderError | None = None
        try:
            self._messages.feed(piece, messages)
        except ProviderError as error:
            broken = error
        try:
            for message in messages:
                events.append(self._event(message))
            if broken is not None:
                raise broken
        except ProviderError as error:
            self.error = error
            if not events:
                raise
        return events

    def _event(self, message: Message) -> Event:
        headers = message.headers
        kind = headers.get(":message-type")
        if kind in ("exception", "error"):
            raise error_in_stream(headers, message.payload)
        return self._reader.read(headers.get(":event-type", ""), message.payload, message.raw)

    def finish(self) -> list[Event]:
        """The connection has nothing more; Broken where the answer is cut."""
        if self.error is not None:
            raise self.error
        if not self._reader.finished:
            raise Broken("The provider broke off in the middle of its answer")
        return []
