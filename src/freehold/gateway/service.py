"""The service tier that a caller asks for; what it costs depends on it."""

import msgspec

from freehold.core import usage
from freehold.core.request import Request

OPENAI, GEMINI = "service_tier", "serviceTier"
"""The member that names it: of OpenAI and Anthropic; of Gemini and Bedrock."""


def service(request: Request) -> str:
    """Its name in price lists; '' where the caller names none."""
    get = request.fields.get
    raw = get(OPENAI) or get(GEMINI)
    if raw is None:
        return ""
    try:
        return usage.service(msgspec.json.decode(raw))
    except msgspec.DecodeError:
        return ""
