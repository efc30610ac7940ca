"""Tongues that many providers share."""

from msgspec.structs import replace

from freehold.dialects.quirks import Quirks
from freehold.providers.provider import Tongue

BETAS = (
    "claude-code-20250219",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "extended-cache-ttl-2025-04-11",
    "fine-grained-tool-streaming-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "output-128k-2025-02-19",
    "prompt-caching-2024-07-31",
    "structured-outputs-2025-11-13",
    "token-efficient-tools-2025-02-19",
)
"""Of what a caller asks Anthropic to try, what means something to others that speak its dialect. The rest names tools
and services that run at Anthropic."""
VERSION = {"anthropic-version": "2023-06-01"}
_ELSEWHERE = Quirks(header_values={"anthropic-beta": BETAS})


def messages(*tail: str, links: bool = True) -> Tongue:
    """Anthropic's Messages at a provider that speaks them too; `tail` as in `Tongue`, `links` as in `Quirks`."""
    old, new = tail or ("", "")
    quirks = _ELSEWHERE if links else replace(_ELSEWHERE, links=False)
    return Tongue(dialect="anthropic-messages", tail=(old, new), headers=VERSION, quirks=quirks)


def responses(*tail: str, quirks: Quirks | None = None) -> Tongue:
    """OpenAI's Responses at a provider that speaks them too; `tail` as in `Tongue`."""
    old, new = tail or ("", "")
    return Tongue(dialect="openai-responses", tail=(old, new), quirks=quirks or Quirks())
