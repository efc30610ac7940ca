"""The dialects that are spoken here, by name."""

from collections.abc import Mapping

from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.bedrock_converse.dialect import BEDROCK_CONVERSE
from freehold.dialects.cohere_chat.dialect import COHERE_CHAT
from freehold.dialects.dialect import Dialect
from freehold.dialects.gemini_generate.dialect import GEMINI_GENERATE
from freehold.dialects.ollama.dialect import OLLAMA_CHAT, OLLAMA_GENERATE
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.openai_completions.dialect import OPENAI_COMPLETIONS
from freehold.dialects.openai_responses.dialect import OPENAI_RESPONSES
from freehold.dialects.single.embeddings import COHERE_EMBED, GEMINI_EMBED, OLLAMA_EMBED, OPENAI_EMBEDDINGS
from freehold.dialects.single.rerank import MODERATIONS, RERANK, VOYAGE_RERANK

_CHATS: tuple[Dialect, ...] = (
    OPENAI_CHAT,
    ANTHROPIC_MESSAGES,
    OPENAI_RESPONSES,
    OPENAI_COMPLETIONS,
    OLLAMA_CHAT,
    OLLAMA_GENERATE,
    BEDROCK_CONVERSE,
    COHERE_CHAT,
)
_SINGLE: tuple[Dialect, ...] = (
    OPENAI_EMBEDDINGS,
    COHERE_EMBED,
    GEMINI_EMBED,
    OLLAMA_EMBED,
    RERANK,
    VOYAGE_RERANK,
    MODERATIONS,
)
DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (*_CHATS, GEMINI_GENERATE, *_SINGLE)}
