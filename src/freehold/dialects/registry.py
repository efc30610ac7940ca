"""The dialects that are spoken here, by name."""

from collections.abc import Mapping

from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.dialect import Dialect
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT

DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (OPENAI_CHAT, ANTHROPIC_MESSAGES)}
