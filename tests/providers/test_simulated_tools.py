"""How the simulated provider calls tools."""

from typing import Any

import pytest
from simulated_world import ADD, WEATHER, answer, called, chunks, provider, said
from upstream_world import PATH, ask

from freehold.providers.simulated.simulation import Rule, ToolUse


def test_a_rule_calls_the_tools_that_are_offered() -> None:
    rule = Rule(
        regex=r"weather in (\w+) and (\w+)",
        reply="Sunny in both",
        tool_calls=(
            ToolUse(name="get_weather", arguments={"city": r"\1", "days": [1, r"\2"]}),
            ToolUse(name="get_weather"),
            ToolUse(name="not_offered"),
        ),
    )
    simulated = provider(rules=(rule,))
    text = "the weather in Rome and Oslo"

    calls = [("get_weather", {"city": "Rome", "days": [1, "Oslo"]}), ("get_weather", {"city": "simulated"})]
    assert called(simulated, text, tools=[WEATHER]) == calls
    assert called(simulated, text, tools=[WEATHER], parallel_tool_calls=False) == calls[:1]
    assert called(simulated, text, tools=[ADD]) == []
    assert said(simulated, text, tools=[WEATHER], tool_choice="none") == "Sunny in both"
    assert said(simulated, text) == "Sunny in both"


def test_the_results_of_tools_are_answered_with_the_reply() -> None:
    use = ToolUse(name="get_weather", arguments={"city": "Rome"})
    turns = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "get_weather", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "18 degrees"},
        {"role": "tool", "tool_call_id": "2", "content": "20 degrees"},
    ]

    with_reply = provider(rules=(Rule(contains="weather", reply="Mild", tool_calls=(use,)),))
    assert said(with_reply, messages=turns, tools=[WEATHER]) == "Mild"
    without = "simulated answer to: weather? (the tools said: 18 degrees; 20 degrees)"
    assert said(provider(), messages=turns, tools=[WEATHER]) == without


def test_a_prompt_that_names_tools_gets_them_called() -> None:
    assert called(provider(), "use get_weather, then add", tools=[WEATHER, ADD]) == [
        ("get_weather", {"city": "simulated"}),
        ("add", {}),
    ]
    assert called(provider(), "get_weather_now, or addition", tools=[WEATHER, ADD]) == []


@pytest.mark.parametrize(
    ("choice", "calls"),
    [
        ("required", [("get_weather", {"city": "simulated"})]),
        ({"type": "function", "function": {"name": "add"}}, [("add", {})]),
        ("auto", []),
        ("none", []),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}, []),
    ],
)
def test_a_caller_that_insists_gets_a_call(choice: object, calls: list[tuple[str, Any]]) -> None:
    assert called(provider(), "hello", tools=[WEATHER, ADD], tool_choice=choice) == calls


def test_a_stream_carries_tool_calls_in_pieces() -> None:
    body = ask("get_weather and add", tools=[WEATHER, ADD])
    whole = answer(provider(), body)["choices"][0]["message"]

    told = chunks(provider().script(PATH, ask("get_weather and add", tools=[WEATHER, ADD], stream=True)))

    calls: dict[int, dict[str, str]] = {}
    for chunk in told:
        for piece in chunk["choices"][0]["delta"].get("tool_calls", []):
            call = calls.setdefault(piece["index"], {"name": "", "arguments": ""})
            for key, text in piece["function"].items():
                call[key] += text
    assert list(calls.values()) == [call["function"] for call in whole["tool_calls"]]
    assert whole["content"] is None
    assert told[0]["choices"][0]["delta"] == {"role": "assistant", "content": None}
    assert told[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_tool_calls_longer_than_allowed_are_cut() -> None:
    choice = answer(provider(), ask("get_weather and add", tools=[WEATHER, ADD], max_tokens=5))["choices"][0]

    assert choice["finish_reason"] == "length"
    assert [c["function"] for c in choice["message"]["tool_calls"]] == [
        {"name": "get_weather", "arguments": '{"city":'}
    ]
