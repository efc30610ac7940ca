"""A simulated provider and ways to ask it, for its tests."""

import json
from typing import Any

from upstream_world import PATH, ask

from freehold.providers.simulated.script import Script
from freehold.providers.simulated.simulation import Simulation
from freehold.providers.simulated.upstream import Simulated

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def provider(**settings: Any) -> Simulated:
    return Simulated(Simulation(name="sim", **settings), clock=lambda: 1_700_000_000_999_999_999)


def answer(simulated: Simulated, body: bytes) -> dict[str, Any]:
    """The whole answer to `body`."""
    script = simulated.script(PATH, body)
    assert dict(script.headers)["content-type"] == "application/json"
    return json.loads(b"".join(script.pieces))


def said(simulated: Simulated, text: str = "hello", **more: object) -> str:
    return answer(simulated, ask(text, **more))["choices"][0]["message"]["content"]


def called(simulated: Simulated, text: str, **more: object) -> list[tuple[str, Any]]:
    choice = answer(simulated, ask(text, **more))["choices"][0]
    calls = choice["message"].get("tool_calls", [])
    assert choice["finish_reason"] == ("tool_calls" if calls else "stop")
    return [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in calls]


def chunks(script: Script) -> list[dict[str, Any]]:
    """The decoded events of a stream that ends as it should."""
    events = b"".join(script.pieces).split(b"\n\n")
    assert events[-2:] == [b"data: [DONE]", b""]
    return [json.loads(event.removeprefix(b"data: ")) for event in events[:-2]]
