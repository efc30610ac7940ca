"""From one dialect to another: read by the one, written by the other, through what both can say."""

from collections.abc import Mapping

from freehold.core.prompt import Prompt
from freehold.core.request import Request
from freehold.dialects.dialect import Dialect, Written
from freehold.dialects.links import inlined
from freehold.dialects.quirks import Quirks
from freehold.dialects.seals import own

FORMS = {
    "anthropic-messages": "anthropic",
    "bedrock-converse": "anthropic",
    "gemini-generate": "gemini",
    "openai-responses": "openai",
    "openai-chat": "openrouter",
}
"""The form of the seals that a provider of a dialect issues."""


_FAMILIES = {
    "openai-embeddings": "embeddings",
    "cohere-embed": "embeddings",
    "gemini-embed": "embeddings",
    "ollama-embed": "embeddings",
    "rerank": "rerank",
    "voyage-rerank": "rerank",
    "openai-moderations": "moderations",
}


def family(dialect: str) -> str:
    """What a dialect is about; only those of one family can be translated into each other."""
    return _FAMILIES.get(dialect, "chat")


def translate(
    request: Request,
    caller: Dialect,
    provider: Dialect,
    *,
    model: str,
    quirks: Quirks,
    account: str,
    inline: Mapping[str, str] | None = None,
) -> Written:
    """A request of the caller's dialect, written in the provider's of the same family. Every loss is named once.

    `inline`: media (`data:` URLs) in place of those that it has by URL.
    """
    prompt = caller.read(request)
    if isinstance(prompt, Prompt):
        prompt = own(prompt, account, FORMS.get(provider.name, ""))
        if inline:
            prompt = inlined(prompt, inline)
    written = provider.write(prompt, model=model, quirks=quirks)
    return Written(written.body, tuple(dict.fromkeys((*prompt.losses, *written.losses))), written.links)
