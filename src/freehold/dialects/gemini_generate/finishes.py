"""Why an answer ended, in Gemini's words and in ours (ai.google.dev/api/generate-content#FinishReason)."""

from freehold.core.events import Finish, FinishReason

_NUMBERS = (
    "FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "LANGUAGE", "BLOCKLIST",
    "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL",
)  # fmt: skip
"""The words by their number, which is said where a client asks for numbers."""
NOT_YET = frozenset({"", "FINISH_REASON_UNSPECIFIED"})

_REASONS: dict[FinishReason, tuple[str, ...]] = {
    "stop": ("STOP",),
    "length": ("MAX_TOKENS",),
    "content_filter": (
        "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION", "MODEL_ARMOR", "JAILBREAK",
    ),
    "error": (
        "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
    ),
    "other": ("OTHER", "LANGUAGE", "IMAGE_OTHER", "NO_IMAGE", "ESCALATION", "CONTINUATION"),
}  # fmt: skip
REASONS: dict[str, FinishReason] = {word: reason for reason, words in _REASONS.items() for word in words}
WORDS: dict[FinishReason, str] = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "error": "OTHER",
    "other": "OTHER",
}


def word_of(said: object) -> str:
    """Gemini's word, also where it says a number; '' where the answer has not ended yet."""
    if isinstance(said, int) and not isinstance(said, bool):
        said = _NUMBERS[said] if 0 <= said < len(_NUMBERS) else "OTHER"
    return "" if not isinstance(said, str) or said in NOT_YET else said


def reason(word: str, *, called: bool) -> FinishReason:
    """Ours for Gemini's word. `called`: the answer calls functions, of which Gemini says STOP."""
    found = REASONS.get(word, "other")
    return "tool_calls" if found == "stop" and called else found


def said(finish: Finish | None, *, refused: bool) -> str:
    """Gemini's word for how an answer ended that came in another dialect; `refused`: what it says is a refusal."""
    if finish is None:
        return "SAFETY" if refused else "STOP"
    if finish.said in REASONS:
        return finish.said
    return "SAFETY" if refused and finish.reason == "stop" else WORDS[finish.reason]
