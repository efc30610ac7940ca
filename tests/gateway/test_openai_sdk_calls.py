"""The unmodified OpenAI SDK, sync and async: tools, schemas, models, typed errors, cancelling, timeouts, headers."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from gateway_world import HI, House, get, house
from openai import APIStatusError, AsyncOpenAI, OpenAI
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel
from scripted_upstream import LEAVE, STREAM, Upstream, always, chunked, delta, providers, sized

from freehold.core.principal import Budget
from freehold.governance.keys import mint

SETTINGS = """
[simulated.sim]
price = { input = "1.00", output = "2.00" }
[[simulated.sim.rules]]
contains = "weather"
tool_calls = [{ name = "weather", arguments = { city = "Oslo" } }, { name = "weather", arguments = { city = "Rome" } }]
reply = "Cold and warm"
[[simulated.sim.rules]]
contains = "hi"
reply = "Hello there"
[routes.support]
deployments = ["here"]
[deployments.here]
provider = "sim"
model = "simulated"
names = ["small-talk"]
"""
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
ASK: Any = [{"role": "user", "content": "How is the weather in Oslo and in Rome?"}]
HELLO: Any = HI
LETTER: Any = [{"role": "user", "content": "My card was stolen"}]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("sdk"), SETTINGS) as made:
        yield made


@pytest.fixture
def client(home: House) -> Iterator[OpenAI]:
    with OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as made:
        yield made


def test_parallel_tools_are_called_and_their_results_answered(client: OpenAI) -> None:
    first = client.chat.completions.create(model="support", messages=ASK, tools=TOOLS)
    message = first.choices[0].message
    calls = message.tool_calls or []
    assert first.choices[0].finish_reason == "tool_calls"
    assert [json.loads(c.function.arguments)["city"] for c in calls if c.type == "function"] == ["Oslo", "Rome"]

    results: Any = [{"role": "tool", "tool_call_id": c.id, "content": "fine"} for c in calls]
    messages: Any = [*ASK, message.model_dump(exclude_none=True), *results]
    second = client.chat.completions.create(model="support", messages=messages, tools=TOOLS)
    assert second.choices[0].message.content == "Cold and warm"


def test_streamed_parallel_tools_come_together_in_the_sdk(client: OpenAI) -> None:
    with client.chat.completions.stream(model="support", messages=ASK, tools=TOOLS) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()

    calls = final.choices[0].message.tool_calls or []
    assert [json.loads(c.function.arguments) for c in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert len({c.id for c in calls}) == 2
    assert "tool_calls.function.arguments.delta" in kinds


class Ticket(BaseModel):
    intent: str
    urgent: bool
    amounts: list[int]


@pytest.mark.parametrize("streamed", [False, True])
def test_output_by_schema_is_parsed_into_its_type(client: OpenAI, streamed: bool) -> None:
    if streamed:
        with client.chat.completions.stream(model="support", messages=LETTER, response_format=Ticket) as stream:
            parsed = stream.get_final_completion().choices[0].message.parsed
    else:
        answer = client.chat.completions.parse(model="support", messages=LETTER, response_format=Ticket)
        parsed = answer.choices[0].message.parsed

    assert isinstance(parsed, Ticket)


def test_usage_comes_at_the_end_of_a_stream_only_where_it_was_asked_for(client: OpenAI) -> None:
    asked = client.chat.completions.create(
        model="support", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    with_usage = [c.usage for c in asked if c.usage is not None]
    without = list(client.chat.completions.create(model="support", messages=HELLO, stream=True))

    assert len(with_usage) == 1
    assert with_usage[0].completion_tokens > 0
    assert all(c.usage is None for c in without)
    assert all(c.choices for c in without)


def test_models_are_listed_and_retrieved_by_each_of_their_names(client: OpenAI) -> None:
    listed = [m.id for m in client.models.list()]

    assert set(listed) >= {"support", "auto", "small-talk"}
    for name in listed:
        assert client.models.retrieve(name).id == name
    with pytest.raises(openai.NotFoundError, match="No route, model or deployment is called 'nobody'"):
        client.models.retrieve("nobody")


@pytest.mark.parametrize("model", ["support", "small-talk", "here", "auto"])
def test_a_route_a_name_a_deployment_and_auto_are_all_models(client: OpenAI, model: str) -> None:
    answer = client.chat.completions.with_raw_response.create(model=model, messages=HELLO)

    assert answer.parse().choices[0].message.content == "Hello there"
    assert answer.headers["x-freehold-deployment"] == "here"
    assert answer.headers["x-freehold-route"] == model


def test_the_headers_of_an_answer_are_those_of_its_record(client: OpenAI, home: House) -> None:
    raw = client.chat.completions.with_raw_response.create(model="support", messages=HELLO)
    record = next(r for r in home.records() if r.id == raw.headers["x-freehold-inference"])

    assert int(raw.headers["x-freehold-cost"]) == record.cost
    assert record.cost == (raw.parse().usage.prompt_tokens * 1000 + raw.parse().usage.completion_tokens * 2000)  # type: ignore[union-attr]
    assert raw.headers["x-freehold-route"] == record.route == "support"
    assert raw.headers["x-freehold-deployment"] == record.deployment == "here"
    assert raw.headers["x-freehold-cache"] == "none"


def test_wrong_requests_raise_the_typed_errors_of_the_sdk(client: OpenAI) -> None:
    wrong: Any = client.chat.completions.create
    with pytest.raises(openai.BadRequestError) as bad:
        wrong(model="support", messages="hi")
    with pytest.raises(openai.NotFoundError) as missing:
        wrong(model="no-such-model", messages=HELLO)
    with pytest.raises(openai.NotFoundError) as nowhere:
        client.images.generate(model="support", prompt="x")

    assert (bad.value.code, bad.value.param, bad.value.type) == ("invalid_request", "messages", "invalid_request_error")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    assert nowhere.value.code == "unknown_path"


STATUS: list[tuple[int, type[APIStatusError], str | None]] = [
    (400, openai.BadRequestError, "nope"),
    (401, openai.InternalServerError, "provider_credential_refused"),
    (429, openai.RateLimitError, "provider_rate_limited"),
    (500, openai.InternalServerError, "provider_broken"),
    (503, openai.InternalServerError, "provider_overloaded"),
]


@pytest.mark.parametrize(("status", "kind", "code"), STATUS)
def test_a_providers_error_is_typed_and_the_sdk_does_not_multiply_our_tries(
    tmp_path: Path, status: int, kind: type[APIStatusError], code: str
) -> None:
    body = b'{"error":{"message":"said no","type":"t","param":null,"code":"nope"}}'
    with (
        Upstream(always(sized(body, status=status))) as up,
        house(tmp_path, providers(up.port)) as home,
        OpenAI(base_url=home.base_url, api_key="none", max_retries=5) as client,
        pytest.raises(kind) as caught,
    ):
        client.chat.completions.create(model="r", messages=HELLO)

    assert caught.value.code == code
    assert "said no" in caught.value.message
    assert len(up.asked) == (1 if status < 429 else 3)


def test_keys_limits_and_budgets_raise_the_typed_errors_of_the_sdk(tmp_path: Path) -> None:
    limited, limited_text = mint("l", now=time.time_ns(), random=os.urandom, requests_per_minute=1)
    scoped, scoped_text = mint("s", now=time.time_ns(), random=os.urandom, routes=("other",))
    poor, poor_text = mint("p", now=time.time_ns(), random=os.urandom, budget=Budget(limit=1, period="total"))
    with house(tmp_path, SETTINGS) as home:
        home.keys(limited, scoped, poor)

        def ask(text: str) -> None:
            with OpenAI(base_url=home.base_url, api_key=text, max_retries=0) as client:
                client.chat.completions.create(model="support", messages=HELLO)

        with pytest.raises(openai.AuthenticationError) as unknown:
            ask("sk-something-else")
        with pytest.raises(openai.PermissionDeniedError):
            ask(scoped_text)
        with pytest.raises(openai.RateLimitError) as spent:
            ask(poor_text)
        ask(limited_text)
        with pytest.raises(openai.RateLimitError) as fast:
            ask(limited_text)

    assert unknown.value.code == "invalid_api_key"
    assert (spent.value.code, spent.value.type) == ("insufficient_quota", "insufficient_quota")
    assert fast.value.code == "rate_limit_exceeded"
    assert fast.value.response.headers["x-ratelimit-remaining-requests"] == "0"


def test_a_stream_that_breaks_raises_in_the_sdk(tmp_path: Path) -> None:
    cut = STREAM + chunked(delta(content="so"))
    heard: list[str | None] = []

    def listen(client: OpenAI) -> None:
        for chunk in client.chat.completions.create(model="r", messages=HELLO, stream=True):
            heard.append(chunk.choices[0].delta.content)

    with (
        Upstream(always(cut)) as up,
        house(tmp_path, providers(up.port)) as home,
        OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as client,
        pytest.raises(openai.APIError) as caught,
    ):
        listen(client)

    assert heard == ["so"]
    assert caught.value.code == "provider_broken"


def test_a_stream_that_is_closed_early_ends_the_call_of_the_provider(tmp_path: Path) -> None:
    endless = STREAM + chunked(delta(content="so"))
    with Upstream(always(endless, LEAVE)) as up, house(tmp_path, providers(up.port)) as home:
        with OpenAI(base_url=home.base_url, api_key="none") as client:
            with client.chat.completions.create(model="r", messages=HELLO, stream=True) as stream:
                assert next(iter(stream)).choices[0].delta.content == "so"
            assert up.left.wait(60)
        home.idle()
        (record,) = home.records()

    assert (record.outcome, record.calls[0].error) == ("cancelled", "caller_left")


def test_a_timeout_of_the_sdk_ends_the_call_of_the_provider(tmp_path: Path) -> None:
    with Upstream(always(LEAVE)) as up, house(tmp_path, providers(up.port)) as home:
        patience = 0.1
        with OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as client:
            while not up.asked:  # a busy machine may not get that far in the first time
                patience *= 2
                with pytest.raises(openai.APITimeoutError):
                    client.chat.completions.create(model="r", messages=HELLO, timeout=patience)
            assert up.left.wait(60)
        home.idle()

        assert {r.outcome for r in home.records()} == {"cancelled"}


async def test_the_async_sdk_chats_streams_calls_tools_and_cancels(home: House, anyio_backend_name: str) -> None:
    async with AsyncOpenAI(base_url=home.base_url, api_key="none", max_retries=0) as client:
        whole = await client.chat.completions.create(model="support", messages=HELLO)
        stream = await client.chat.completions.create(model="support", messages=HELLO, stream=True)
        text = "".join([c.choices[0].delta.content or "" async for c in stream])
        tools = await client.chat.completions.create(model="support", messages=ASK, tools=TOOLS)
        listed = [m.id async for m in client.models.list()]
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="nobody", messages=HELLO)

    assert whole.choices[0].message.content == text == "Hello there"
    assert len(tools.choices[0].message.tool_calls or []) == 2
    assert "support" in listed


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_the_metrics_parse_and_count_what_happened(tmp_path: Path) -> None:
    with house(tmp_path, SETTINGS) as home:
        for _ in range(3):
            home.chat("support")
        home.chat("nobody")
        page = home.ask(get("/metrics"))
        records = home.records()

    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {f.name: f for f in text_string_to_metric_families(page.body.decode())}
    counted = {(s.labels["route"], s.labels["outcome"]): s.value for s in families["freehold_inferences"].samples}
    assert counted == {("support", "answered"): 3, ("", "refused"): 1}
    (cost,) = [s.value for s in families["freehold_cost_nano_usd"].samples if s.labels["route"] == "support"]
    assert cost == sum(r.cost or 0 for r in records)
    buckets = [s for s in families["freehold_inference_duration_seconds"].samples if s.labels.get("route") == "support"]
    assert [s.value for s in buckets if s.name.endswith("_count")] == [3]
    series = [s.value for s in buckets if s.name.endswith("_bucket")]
    assert series == sorted(series)
    assert families["freehold_connections"].samples[0].value >= 1
