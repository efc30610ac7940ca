"""Manners: what clients of a dialect find around a body. They read the head of an answer, and wait for its next word,
each in the way of the provider whose SDK they are."""

from collections.abc import Mapping

from msgspec import Struct

from freehold.core.errors import FreeholdError, ProviderError
from freehold.governance.limits import Words

OVERLOADED = 529
"""Anthropic's own status for having too much to do (docs.claude.com/en/api/errors)."""


class Manners(Struct, frozen=True, kw_only=True):
    """`words`: whose rate-limit headers; `id_header`: a second name of the request's id; `ping`: what a stream says
    while its model thinks, '' where nothing can be said between two events."""

    words: Words = "openai"
    id_header: bytes = b""
    ping: bytes = b""
    overloaded: int = 503

    def status(self, error: FreeholdError) -> int:
        """The status of an error, as these clients tell them apart."""
        return self.overloaded if error.status == 503 and isinstance(error, ProviderError) else error.status


_OPENAI = Manners(ping=b": keep-alive\n\n")
_ANTHROPIC = Manners(
    words="anthropic",
    id_header=b"request-id",
    ping=b'event: ping\ndata: {"type":"ping"}\n\n',
    overloaded=OVERLOADED,
)
_OTHER = Manners()
MANNERS: Mapping[str, Manners] = {
    "openai-chat": _OPENAI,
    "openai-responses": _OPENAI,
    "anthropic-messages": _ANTHROPIC,
}


def manners(dialect: str) -> Manners:
    """Those of the clients of a dialect."""
    return MANNERS.get(dialect, _OTHER)
