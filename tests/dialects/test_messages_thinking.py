"""How much to think, said as each generation of models understands it."""

from typing import Any

import pytest
from messages_world import NEW, OLD, F, wrote

from freehold.core.prompt import Thinking, ToolChoice


@pytest.mark.parametrize(
    ("model", "asked", "most", "thinking", "effort", "limit"),
    [
        (NEW, Thinking(effort="high"), None, {"type": "adaptive"}, "high", 16_384),
        (NEW, Thinking(effort="minimal", summary="auto"), 50, {"type": "adaptive", "display": "summarized"}, "low", 50),
        (NEW, Thinking(budget=9000), None, {"type": "adaptive"}, "medium", 16_384),
        (NEW, Thinking(), None, {"type": "adaptive"}, None, 16_384),
        (NEW, Thinking(effort="none"), None, {"type": "disabled"}, None, 16_384),
        ("claude-next-9", Thinking(effort="max"), None, {"type": "adaptive"}, "max", 16_384),
        ("us.anthropic.claude-opus-5-20270101", Thinking(effort="low"), None, {"type": "adaptive"}, "low", 16_384),
        (OLD, Thinking(effort="high"), None, {"type": "enabled", "budget_tokens": 24_000}, None, 40_384),
        (OLD, Thinking(effort="high"), 8000, {"type": "enabled", "budget_tokens": 6000}, None, 8000),
        (OLD, Thinking(budget=3), 5000, {"type": "enabled", "budget_tokens": 1024}, None, 5000),
        ("claude-opus-4-20250514", Thinking(budget=2000), 5000, {"type": "enabled", "budget_tokens": 2000}, None, 5000),
        ("claude-3-7-sonnet-latest", Thinking(), None, {"type": "enabled", "budget_tokens": 10_000}, None, 26_384),
        ("glm-4.7", Thinking(effort="low"), None, {"type": "enabled", "budget_tokens": 4096}, None, 20_480),
        ("glm-4.7", Thinking(enabled=False), None, {"type": "disabled"}, None, 16_384),
        ("claude-3-5-haiku-latest", Thinking(enabled=False), None, None, None, 16_384),
    ],
)
def test_how_much_to_think_is_said_as_the_model_understands_it(  # noqa: PLR0917
    model: str, asked: Thinking, most: int | None, thinking: Any, effort: str | None, limit: int
) -> None:
    body, lost = wrote(model=model, thinking=asked, max_output_tokens=most)
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort
    assert (body["max_tokens"], lost) == (limit, ())
    assert (thinking or {}).get("budget_tokens", 0) < limit


@pytest.mark.parametrize(
    ("more", "lost"),
    [
        ({"model": "claude-3-5-haiku-latest"}, "thinking"),
        ({"max_output_tokens": 1000}, "thinking (max_tokens is too small for it)"),
        ({"tools": (F,), "tool_choice": ToolChoice("required")}, "thinking (a tool is demanded)"),
    ],
)
def test_thinking_that_cannot_be_had_is_named(more: dict[str, Any], lost: str) -> None:
    body, losses = wrote(thinking=Thinking(effort="high"), **more)
    assert "thinking" not in body
    assert losses == (lost,)
