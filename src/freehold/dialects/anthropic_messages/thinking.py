"""How much a model should think, in Anthropic's words, which differ between generations of Claude.

Models before Claude 4.6 take a budget in tokens; later ones think as much as they like, guided by a word for the
effort; those before 3.7 do not think (docs.claude.com/en/docs/build-with-claude/extended-thinking).
Others that speak this dialect take the budget.
"""

import re
from typing import Any, Literal

from msgspec import Struct

from freehold.core.prompt import Effort, Prompt
from freehold.dialects.anthropic_messages.request import DEFAULT_TOKENS

LEAST = 1024
BUDGETS: dict[Effort, int] = {"minimal": 1024, "low": 4096, "medium": 10_000, "high": 24_000, "max": 32_000}
WORDS: dict[Effort, str] = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "max": "max"}
_NEW_NAME = re.compile(r"(?:opus|sonnet|haiku)-(\d)(?!\d)(?:[-.](\d)(?!\d))?")
_OLD_NAME = re.compile(r"claude-(?:instant|v?(\d)(?:[-.](\d)(?!\d))?)")

Way = Literal["effort", "budget", "none"]


class Thought(Struct, frozen=True, kw_only=True):
    """What to send. `body`: of `thinking`; `effort`: of `output_config`; `lost`: what could not be said, '' if all."""

    max_tokens: int | None
    body: dict[str, Any] | None = None
    effort: str | None = None
    lost: str = ""

    @property
    def thinks(self) -> bool:
        return self.body is not None and self.body["type"] != "disabled"


def way(model: str) -> Way:
    """How a model is asked to think."""
    name = model.lower()
    if found := _NEW_NAME.search(name):
        return "effort" if (int(found[1]), int(found[2] or 0)) >= (4, 6) else _manual(int(found[1]))
    if found := _OLD_NAME.search(name):
        return "budget" if (int(found[1] or 0), int(found[2] or 0)) >= (3, 7) else "none"
    return "effort" if "claude" in name else "budget"


def _manual(major: int) -> Way:
    return "budget" if major >= 4 else "none"


def thought(prompt: Prompt, model: str, *, forced: bool) -> Thought:
    """How the request says what its caller wants thought. `forced`: it demands a call, which excludes thinking."""
    asked, most = prompt.thinking, prompt.max_output_tokens
    if asked is None:
        return Thought(max_tokens=most)
    if not asked.enabled or asked.effort == "none":
        return Thought(max_tokens=most, body=None if way(model) == "none" else {"type": "disabled"})
    if forced:
        return Thought(max_tokens=most, lost="thinking (a tool is demanded)")
    how = way(model)
    if how == "none":
        return Thought(max_tokens=most, lost="thinking")
    if how == "effort":
        effort = asked.effort or (None if asked.budget is None else _nearest(asked.budget))
        body: dict[str, Any] = {"type": "adaptive"}
        if asked.summary:
            body["display"] = "summarized"
        return Thought(max_tokens=most, body=body, effort=None if effort is None else WORDS[effort])
    budget = max(asked.budget or BUDGETS[asked.effort or "medium"], LEAST)
    if most is None:
        return Thought(max_tokens=DEFAULT_TOKENS + budget, body={"type": "enabled", "budget_tokens": budget})
    if most <= LEAST:
        return Thought(max_tokens=most, lost="thinking (max_tokens is too small for it)")
    budget = min(budget, max(LEAST, most * 3 // 4))  # the limit counts thinking too: leave room for the answer
    return Thought(max_tokens=most, body={"type": "enabled", "budget_tokens": budget})


def _nearest(budget: int) -> Effort:
    """The word for a budget in tokens."""
    for word, tokens in BUDGETS.items():
        if budget <= tokens:
            return word
    return "max"
