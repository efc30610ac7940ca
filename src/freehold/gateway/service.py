"""The service tier that a caller asks for; what it costs depends on it."""

import msgspec

from freehold.core import usage
from freehold.core.request import Request

FIELDS = ("service_tier", "serviceTier")
"""The member that names it: OpenAI, Anthropic; Bedrock, Gemini."""


def service(request: Request) -> str:
    """Its name in price lists; '' where the caller names none."""
    for field in FIELDS:
        raw = request.fields.get(field)
        if raw is not None:
            try:
                return usage.service(msgspec.json.decode(raw))
            except msgspec.DecodeError:
                return ""
    return ""
