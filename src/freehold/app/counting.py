"""The dialects that count tokens, and the pages at which they do."""

from freehold.dialects.anthropic_messages.counting import PATH, counted, encode_count
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.anthropic_messages.errors import is_error
from freehold.dialects.gemini_generate import counting as gemini
from freehold.dialects.gemini_generate.dialect import GEMINI_GENERATE
from freehold.dialects.gemini_generate.errors import is_error as gemini_error
from freehold.dialects.openai_responses import counting as responses
from freehold.dialects.openai_responses.dialect import OPENAI_RESPONSES
from freehold.gateway.counting import Counter, counting
from freehold.gateway.exchange import Ask
from freehold.gateway.pages import Page
from freehold.gateway.pipeline import Pipeline
from freehold.gateway.responses.conversations import Conversations

MESSAGES = Counter(
    dialect=ANTHROPIC_MESSAGES,
    path=lambda path: path + PATH,
    encode=encode_count,
    counted=counted,
    is_error=is_error,
    told=lambda count: {"input_tokens": count},
)
GEMINI = Counter(
    dialect=GEMINI_GENERATE,
    path=lambda path: path.removesuffix("generateContent") + "countTokens",
    encode=gemini.encode_count,
    counted=gemini.counted,
    is_error=gemini_error,
    told=gemini.told,
    opened=gemini.opened,
)
RESPONSES = Counter(
    dialect=OPENAI_RESPONSES,
    path=lambda path: path + responses.PATH,
    encode=responses.encode_count,
    counted=responses.counted,
    is_error=responses.is_error,
    told=responses.told,
)


def count_pages(pipeline: Pipeline, conversations: Conversations) -> tuple[Page, ...]:
    async def recall(ask: Ask) -> Ask:
        return (await conversations.recalled(ask))[0]

    whole = counting(pipeline, RESPONSES, recall)
    answer = counting(pipeline, MESSAGES)
    geminis = counting(pipeline, GEMINI)
    return (
        Page(path="/v1/responses/input_tokens", permission="key", answer=whole, methods=("POST",)),
        Page(path="/v1/messages/count_tokens", permission="key", answer=answer, methods=("POST",)),
        Page(path="/v1beta/models/{name:path}:countTokens", permission="key", answer=geminis, methods=("POST",)),
        Page(path="/v1/models/{name:path}:countTokens", permission="key", answer=geminis, methods=("POST",)),
    )
