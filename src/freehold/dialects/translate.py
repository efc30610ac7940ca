"""From one dialect to another: read by the one, written by the other, through what both can say."""

from freehold.core.prompt import Prompt
from freehold.core.request import Request
from freehold.dialects.dialect import Dialect, Written
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
    request: Request, caller: Dialect, provider: Dialect, *, model: str, quirks: Quirks, account: str
) -> Written:
    """A request of the caller's dialect, written in the provider's of the same family. Every loss is named once."""
    prompt = caller.read(request)
    if isinstance(prompt, Prompt):
        prompt = own(prompt, account, FORMS.get(provider.name, ""))
    written = provider.write(prompt, model=model, quirks=quirks)
    return Written(written.body, tuple(dict.fromkeys((*prompt.losses, *written.losses))))
