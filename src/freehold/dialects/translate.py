"""From one dialect to another: read by the one, written by the other, through what both can say."""

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


def translate(
    request: Request, caller: Dialect, provider: Dialect, *, model: str, quirks: Quirks, account: str
) -> Written:
    """A request of the caller's dialect, written in the provider's. Every loss is named once."""
    prompt = own(caller.read(request), account, FORMS.get(provider.name, ""))
    written = provider.write(prompt, model=model, quirks=quirks)
    return Written(written.body, tuple(dict.fromkeys((*prompt.losses, *written.losses))))
