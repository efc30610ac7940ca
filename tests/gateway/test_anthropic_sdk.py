"""The real Anthropic SDK against a real gateway: messages, streams, tools, counts, models, errors."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gateway_world import house
from scripted_upstream import DONE, END, KEEP, STREAM, Upstream, always, chunked, completion, delta, providers, sized

anthropic = pytest.importorskip("anthropic")

HI: list[Any] = [{"role": "user", "content": "hi"}]
TOOL: dict[str, Any] = {
    "name": "weather",
    "description": "the weather somewhere",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
SIM = '[simulated.sim]\nreply = "Hello there"\nprice = { input = "1.00", output = "2.00" }\n'


@contextmanager
def client(tmp_path: Path, settings: str = SIM) -> Iterator[Any]:
    """The SDK with only its base URL and key changed."""
    with (
        house(tmp_path, settings) as home,
        anthropic.Anthropic(base_url=home.started.url, api_key="none", max_retries=0) as made,
    ):
        yield made


def test_a_message_is_created(tmp_path: Path) -> None:
    with client(tmp_path) as sdk:
        raw = sdk.messages.with_raw_response.create(model="auto", max_tokens=50, messages=HI, system="be kind")
    message = raw.parse()

    assert [block.text for block in message.content] == ["Hello there"]
    assert (message.role, message.stop_reason) == ("assistant", "end_turn")
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0
    assert raw.headers["request-id"] == message._request_id


def test_a_message_is_streamed(tmp_path: Path) -> None:
    with client(tmp_path) as sdk, sdk.messages.stream(model="auto", max_tokens=50, messages=HI) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()

    assert text == message.content[0].text == "Hello there"
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_a_tool_is_called_and_its_result_sent_back(tmp_path: Path, streamed: bool) -> None:
    arguments = '{"city": "Paris"}'
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    if streamed:
        start = {"index": 0, **call, "function": {"name": "weather", "arguments": ""}}
        pieces = [{"index": 0, "function": {"arguments": piece}} for piece in (arguments[:5], arguments[5:])]
        said = [delta(tool_calls=[one]) for one in (start, *pieces)]
        answer = [STREAM, chunked(*said, delta(finish="tool_calls"), DONE), END, KEEP]
    else:
        choice = {"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [call]}}
        whole = {"id": "c", "model": "m", "choices": [choice | {"finish_reason": "tool_calls"}]}
        answer = [sized(json.dumps(whole).encode()), KEEP]
    asked: dict[str, Any] = {"model": "r", "max_tokens": 50, "tools": [TOOL], "messages": HI}

    def say(number: int) -> Any:
        return answer if number == 0 else [sized(completion("sunny")), KEEP]

    with Upstream(say) as up, client(tmp_path, providers(up.port)) as sdk:
        if streamed:
            with sdk.messages.stream(**asked) as stream:
                message = stream.get_final_message()
        else:
            message = sdk.messages.create(**asked)
        use = message.content[0]
        result = {"type": "tool_result", "tool_use_id": use.id, "content": "sun"}
        back = [
            *HI,
            {"role": "assistant", "content": [block.model_dump() for block in message.content]},
            {"role": "user", "content": [result]},
        ]
        after = sdk.messages.create(**(asked | {"messages": back}))

    assert (use.type, use.name, use.input, message.stop_reason) == (
        "tool_use",
        "weather",
        {"city": "Paris"},
        "tool_use",
    )
    assert after.content[0].text == "sunny"
    sent = json.loads(up.asked[1])["messages"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == "call_1"
    assert sent[2] == {"role": "tool", "tool_call_id": "call_1", "content": "sun"}
    assert json.loads(sent[1]["tool_calls"][0]["function"]["arguments"]) == {"city": "Paris"}


def test_tokens_are_counted(tmp_path: Path) -> None:
    with client(tmp_path) as sdk:
        raw = sdk.messages.with_raw_response.count_tokens(model="auto", messages=HI, tools=[TOOL])

    assert raw.parse().input_tokens > 10
    assert raw.headers["x-freehold-estimated"] == "true"


def test_models_are_listed_and_found(tmp_path: Path) -> None:
    with client(tmp_path) as sdk:
        listed = [model.id for model in sdk.models.list(limit=1)]  # page after page
        one = sdk.models.retrieve("sim/simulated")
        with pytest.raises(anthropic.NotFoundError):
            sdk.models.retrieve("nobody")

    assert sorted(listed) == ["auto", "sim/simulated", "simulated"]
    assert (one.id, one.type, one.display_name) == ("sim/simulated", "model", "sim/simulated")
    assert one.created_at.year >= 2025


def test_errors_are_the_ones_that_the_sdk_knows(tmp_path: Path) -> None:
    failed = [STREAM, chunked(delta(content="Hel"), b'data: {"error":{"message":"hot","code":503}}\n\n'), END]
    with Upstream(always(*failed)) as up, client(tmp_path, providers(up.port)) as sdk:
        with pytest.raises(anthropic.NotFoundError) as unknown:
            sdk.messages.create(model="nobody", max_tokens=5, messages=HI)
        with pytest.raises(anthropic.BadRequestError, match=r"messages\.0\.role"):
            sdk.messages.create(model="r", max_tokens=5, messages=[{"role": "wizard", "content": "x"}])
        with (
            pytest.raises(anthropic.APIStatusError, match="hot"),
            sdk.messages.stream(model="r", max_tokens=5, messages=HI) as stream,
        ):
            stream.until_done()

    assert unknown.value.body["error"]["type"] == "not_found_error"
    assert unknown.value.request_id
