"""Why an answer ended, in Converse's words and in ours (docs.aws.amazon.com, API_runtime_Converse, stopReason)."""

from freehold.core.events import Finish, FinishReason

REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
WORDS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
    "error": "malformed_model_output",
    "other": "end_turn",
}


def reason(said: object) -> FinishReason:
    return REASONS.get(said, "other") if isinstance(said, str) else "other"


def stop_reason(finish: Finish | None, *, called: bool, refused: bool) -> str:
    """Converse's word for how an answer ended that came in another dialect. `called`: it calls tools, whatever its
    provider says of the end; `refused`: what it says is a refusal."""
    if refused:
        return "content_filtered"
    if finish is None:
        return "tool_use" if called else "end_turn"
    if called and finish.reason in ("stop", "other", "tool_calls"):
        return "tool_use"
    if finish.said in REASONS and finish.said != "tool_use":
        return finish.said
    return "end_turn" if finish.reason == "tool_calls" else WORDS[finish.reason]
