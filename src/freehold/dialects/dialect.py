"""What every dialect offers: a public API shape, read and written, pure. The gateway knows no more of any of them."""

from typing import Protocol

from freehold.core.errors import FreeholdError, ProviderError
from freehold.core.events import Event
from freehold.core.ports import Headers
from freehold.core.request import Message, Request
from freehold.dialects.quirks import Quirks


class StreamDecoder(Protocol):
    """Reads one streamed answer. Raises a ProviderError where it is broken or carries an error.

    What a piece says before an error is given out first: the error then stands in `error`, and is raised by the next
    piece or the end.
    """

    @property
    def error(self) -> ProviderError | None: ...

    def feed(self, piece: bytes) -> list[Event]: ...

    def finish(self) -> list[Event]:
        """The body is over; Broken where the answer is not."""
        ...


class Encoder(Protocol):
    """Writes one answer for a caller, streamed or whole as its request asked."""

    def encode(self, event: Event) -> bytes: ...

    def end(self) -> bytes: ...


class Dialect(Protocol):
    """A public API shape."""

    @property
    def name(self) -> str: ...

    def decode_request(self, body: bytes) -> Request: ...

    def encode_request(self, request: Request, *, model: str, quirks: Quirks) -> bytes: ...

    def messages(self, request: Request) -> tuple[Message, ...]: ...

    def stream_decoder(self, quirks: Quirks) -> StreamDecoder: ...

    def decode_answer(self, body: bytes, quirks: Quirks) -> Event: ...

    def decode_error(self, status: int, headers: Headers, body: bytes, *, provider: str) -> ProviderError: ...

    def encoder(self, request: Request, *, id: str, at: int) -> Encoder: ...

    def encode_error(self, error: FreeholdError) -> bytes: ...

    def encode_stream_error(self, error: FreeholdError) -> bytes: ...
