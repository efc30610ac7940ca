"""The dialects that count tokens, and the pages at which they do."""

from freehold.dialects.anthropic_messages.counting import PATH, counted, encode_count
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.anthropic_messages.errors import is_error
from freehold.gateway.counting import Counter, counting
from freehold.gateway.pages import Page
from freehold.gateway.pipeline import Pipeline

MESSAGES = Counter(dialect=ANTHROPIC_MESSAGES, path=PATH, encode=encode_count, counted=counted, is_error=is_error)


def count_pages(pipeline: Pipeline) -> tuple[Page, ...]:
    answer = counting(pipeline, MESSAGES)
    return (Page(path="/v1/messages/count_tokens", permission="key", answer=answer, methods=("POST",)),)
