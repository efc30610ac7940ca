"""Why an answer ended, in the words of many providers, and in ours."""

from freehold.core.events import FinishReason

_WORDS: dict[FinishReason, str] = {
    "stop": "stop eos eos_token end end_turn stop_sequence stop_str complete completed done",
    "length": "length max_tokens max_output_tokens model_length max_length token_limit context_length_exceeded "
    "model_context_window_exceeded",
    "tool_calls": "tool_calls tool-calls tool_call function_call tool_use",
    "content_filter": "content_filter content-filter content_filtered safety sensitive refusal recitation blocklist "
    "prohibited_content spii guardrail_intervened",
    "error": "error network_error insufficient_system_resource malformed_function_call abort cancelled",
}
REASONS: dict[str, FinishReason] = {word: reason for reason, words in _WORDS.items() for word in words.split()}
NOT_YET = frozenset({"", "null", "none"})
"""What some send where they mean null."""


def finish_reason(said: object) -> FinishReason | None:
    """Our word for the provider's; None where it has not ended yet."""
    if said is None:
        return None
    word = str(said).lower()
    return None if word in NOT_YET else REASONS.get(word, "other")
