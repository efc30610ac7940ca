"""How much a model should think, in Gemini's words, which differ between its generations.

Gemini 2.5 takes a budget in tokens, later ones a level; those before do not think, Gemma does not say
(ai.google.dev/gemini-api/docs/thinking; the levels of words are those of ai.google.dev/gemini-api/docs/openai).
"""

from typing import Any

from msgspec import Struct

from freehold.core.prompt import Effort, Thinking
from freehold.dialects.gemini_generate.foreign import version
from freehold.dialects.openai_chat.loose import number, word

BUDGETS: dict[Effort, int] = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576, "max": 24_576}
LEVELS: dict[Effort, str] = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "max": "HIGH"}
EFFORTS: dict[str, Effort] = {"MINIMAL": "minimal", "LOW": "low", "MEDIUM": "medium", "HIGH": "high", "XHIGH": "max"}
AS_IT_LIKES = -1
LEAST_OF_PRO, MOST_OF_PRO, MOST = 128, 32_768, 24_576
"""What a budget of Gemini 2.5 may be: Pro always thinks."""


class Thought(Struct, frozen=True):
    """The `thinkingConfig` to send, if any; and what could not be said, '' if all was."""

    config: dict[str, Any] | None
    lost: str = ""


def read(config: dict[str, Any]) -> Thinking | None:
    """What a `thinkingConfig` asks for; None where it asks for nothing."""
    summary = "auto" if config.get("includeThoughts") is True else ""
    budget = number(config.get("thinkingBudget"))
    effort = EFFORTS.get(word(config.get("thinkingLevel")).upper())
    if budget == 0:
        return Thinking(enabled=False)
    if budget is not None and budget > 0:
        return Thinking(budget=budget, effort=effort, summary=summary)
    if effort is None and budget is None and not summary:
        return None
    return Thinking(effort=effort, summary=summary)


def thought(asked: Thinking | None, model: str) -> Thought:
    """How a request to this model says what its caller wants thought."""
    if asked is None:
        return Thought(None)
    generation = version(model)
    off = not asked.enabled or asked.effort == "none"
    if generation < (2, 5):
        return Thought(None, "" if off else "thinking")
    config, lost = _level(asked, model, off) if generation >= (3, 0) else _budget(asked, model, off)
    if asked.summary and not off:
        config["includeThoughts"] = True
    return Thought(config or None, lost)


def _level(asked: Thinking, model: str, off: bool) -> tuple[dict[str, Any], str]:
    pro = "pro" in model.lower()
    if off:
        return {"thinkingLevel": "LOW" if pro else "MINIMAL"}, "thinking (cannot be switched off)"
    effort = asked.effort or (None if asked.budget is None else effort_of(asked.budget))
    if effort is None:
        return {}, ""
    level = LEVELS[effort]
    if pro:  # its least is low; the first of the third generation knows no middle either
        level = "LOW" if level == "MINIMAL" else level
        level = "HIGH" if level == "MEDIUM" and version(model) == (3, 0) else level
    return {"thinkingLevel": level}, ""


def _budget(asked: Thinking, model: str, off: bool) -> tuple[dict[str, Any], str]:
    pro = "pro" in model.lower()
    if off:
        lost = "thinking (cannot be switched off)" if pro else ""
        return {"thinkingBudget": LEAST_OF_PRO if pro else 0}, lost
    if asked.budget is not None:
        budget = asked.budget
    elif asked.effort is not None:
        budget = MOST_OF_PRO if pro and asked.effort == "max" else BUDGETS[asked.effort]
    else:
        budget = AS_IT_LIKES
    least, most = (LEAST_OF_PRO, MOST_OF_PRO) if pro else (512 if "lite" in model.lower() else 1, MOST)
    return {"thinkingBudget": budget if budget == AS_IT_LIKES else min(max(budget, least), most)}, ""


def effort_of(budget: int) -> Effort:
    """The word for a budget in tokens."""
    return "low" if budget <= 4096 else "medium" if budget <= 16_384 else "high"
