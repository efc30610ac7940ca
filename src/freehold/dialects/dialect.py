"""What every dialect offers: a public API shape, read and written, pure. The gateway knows no more of any of them."""

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct

from freehold.core.errors import FreeholdError, ProviderError
from freehold.core.events import Event
from freehold.core.ports import Headers
from freehold.core.request import MediaPart, Message, Request
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
    """Writes one answer for a caller, streamed or whole as its request asked. `media_type` is that of the body."""

    @property
    def media_type(self) -> bytes: ...

    def encode(self, event: Event) -> bytes: ...

    def end(self) -> bytes: ...

    def fail(self, error: FreeholdError) -> bytes:
        """What closes a stream that was cut, in place of `end`."""
        ...


class Source(Struct, frozen=True):
    """Where an answer in another dialect than the caller's comes from: that dialect, and the provider account."""

    dialect: str
    account: str


class Written(Struct, frozen=True):
    """A request written for a provider. `losses` name what could not be carried, each as the caller calls it; `links`
    are those of them that could be, if they were inline."""

    body: bytes
    losses: tuple[str, ...] = ()
    links: tuple[MediaPart, ...] = ()


class Dialect(Protocol):
    """A public API shape.

    A caller's dialect needs `decode_request`, `messages`, `read`, `encoder` and the errors; one that providers are
    called in needs `path`, `encode_request`, `write`, the decoders and `decode_error`.
    """

    @property
    def name(self) -> str: ...

    @property
    def passes(self) -> tuple[bytes, ...]:
        """Headers of a caller that go on to a provider of the same dialect; names in lower case."""
        ...

    def decode_request(self, body: bytes, target: str = "") -> Request:
        """The request in a body; `target` is the path and query it was sent to, where that says something too."""
        ...

    def encode_request(self, request: Request, *, model: str, quirks: Quirks) -> bytes:
        """A request of this dialect for a provider that speaks it: verbatim but for what has to change."""
        ...

    def messages(self, request: Request) -> tuple[Message, ...]: ...

    def read(self, request: Request) -> Any:
        """A request of this dialect, in none: a `Prompt`, or `Inputs` or a `Ranking` for the dialects that are about
        those; InvalidRequest where it is malformed."""
        ...

    def write(self, prompt: Any, *, model: str, quirks: Quirks) -> Written:
        """A request for a provider that speaks this dialect, valid in it; from what `read` gives in its family."""
        ...

    def path(self, base: str, *, model: str, stream: bool) -> str:
        """Where a request goes, below the provider's address; `base` is what settings or the known row say."""
        ...

    def stream_decoder(self, quirks: Quirks) -> StreamDecoder: ...

    def decode_answer(self, body: bytes, quirks: Quirks) -> Event: ...

    def decode_error(self, status: int, headers: Headers, body: bytes, *, provider: str) -> ProviderError: ...

    def encoder(self, request: Request, *, id: str, at: int, source: Source | None = None) -> Encoder:
        """For one answer. `source` is None where it comes in this dialect; else the bytes of its events are foreign,
        and only what they say is written."""
        ...

    def encode_error(self, error: FreeholdError) -> bytes: ...

    def encode_stream_error(self, error: FreeholdError) -> bytes: ...


Passed = Mapping[bytes, bytes]
"""Headers of a caller."""
