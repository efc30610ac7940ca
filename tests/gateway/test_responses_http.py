"""Responses through a running gateway with the real OpenAI SDK, over a provider of chat completions: whole and
streamed, tools, schemas; kept, continued, shown, cancelled and deleted."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from gateway_world import House, get, house, post
from openai import OpenAI
from openai.types.responses import Response
from pydantic import BaseModel
from scripted_upstream import (
    DONE,
    END,
    KEEP,
    STREAM,
    Upstream,
    always,
    chunked,
    completion,
    delta,
    providers,
    sized,
    turns,
)

from freehold.governance.keys import mint
from freehold.ledger.entry import Act
from freehold.ledger.reader import read

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
"""
TOOLS: Any = [
    {
        "type": "function",
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "strict": False,
    }
]
ASK = "How is the weather in Oslo and in Rome?"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("responses"), SETTINGS) as made:
        yield made


@pytest.fixture
def client(home: House) -> Iterator[OpenAI]:
    with OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as made:
        yield made


def valid(response: Response) -> Response:
    Response.model_validate(response.model_dump())
    return response


def chat_asked(up: Upstream, number: int = -1) -> Any:
    return json.loads(up.asked[number])


# whole and streamed


def test_a_response_is_answered_whole_and_recorded(client: OpenAI, home: House) -> None:
    raw = client.responses.with_raw_response.create(
        model="support", input="hi", instructions="Be short.", metadata={"a": "b"}
    )
    response = valid(raw.parse())

    assert (response.output_text, response.status, response.instructions) == ("Hello there", "completed", "Be short.")
    assert response.id.startswith("resp_")
    assert response.metadata == {"a": "b"}
    assert response.usage is not None
    record = next(r for r in home.records() if r.id == raw.headers["x-freehold-inference"])
    assert (record.dialect, record.outcome, record.route) == ("openai-responses", "answered", "support")
    assert record.usage is not None
    assert (record.usage.input_tokens, record.usage.output_tokens) == (
        response.usage.input_tokens,
        response.usage.output_tokens,
    )


def test_a_stream_is_numbered_and_its_last_snapshot_is_what_the_sdk_put_together(client: OpenAI) -> None:
    with client.responses.stream(model="support", input="hi") as stream:
        events = list(stream)
        final = stream.get_final_response()

    assert [e.sequence_number for e in events] == list(range(len(events)))
    kinds = [e.type for e in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert text == final.output_text == "Hello there"


def test_parallel_tools_are_called_and_their_results_answered(client: OpenAI) -> None:
    first = client.responses.create(model="support", input=ASK, tools=TOOLS)
    calls = [item for item in valid(first).output if item.type == "function_call"]
    assert [json.loads(c.arguments)["city"] for c in calls] == ["Oslo", "Rome"]

    outputs: Any = [{"type": "function_call_output", "call_id": c.call_id, "output": "fine"} for c in calls]
    given: Any = [{"role": "user", "content": ASK}, *[i.model_dump(exclude_none=True) for i in first.output], *outputs]
    by_hand = client.responses.create(model="support", input=given, tools=TOOLS)
    by_name = client.responses.create(model="support", input=outputs, tools=TOOLS, previous_response_id=first.id)
    assert by_hand.output_text == by_name.output_text == "Cold and warm"


def test_streamed_tools_come_together_in_the_sdk(client: OpenAI) -> None:
    with client.responses.stream(model="support", input=ASK, tools=TOOLS) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_response()

    calls = [item for item in final.output if item.type == "function_call"]
    assert [json.loads(c.arguments) for c in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert "response.function_call_arguments.delta" in kinds


class Ticket(BaseModel):
    intent: str
    urgent: bool
    amounts: list[int]


@pytest.mark.parametrize("streamed", [False, True])
def test_output_by_schema_is_parsed_into_its_type(client: OpenAI, streamed: bool) -> None:
    if streamed:
        with client.responses.stream(model="support", input="My card was stolen", text_format=Ticket) as stream:
            parsed = stream.get_final_response().output_parsed
    else:
        parsed = client.responses.parse(model="support", input="My card was stolen", text_format=Ticket).output_parsed

    assert isinstance(parsed, Ticket)


def test_wrong_requests_raise_the_typed_errors_of_the_sdk(client: OpenAI) -> None:
    wrong: Any = client.responses.create
    with pytest.raises(openai.BadRequestError) as bad:
        wrong(model="support", input={"no": "list"})
    with pytest.raises(openai.BadRequestError) as empty:
        wrong(model="support")
    with pytest.raises(openai.NotFoundError) as missing:
        wrong(model="no-such-model", input="hi")

    assert (bad.value.code, bad.value.param, bad.value.type) == ("invalid_request", "input", "invalid_request_error")
    assert empty.value.param == "input"
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")


def test_a_stream_that_breaks_says_so_and_tells_its_response_as_failed(tmp_path: Path) -> None:
    cut = STREAM + chunked(delta(content="so"))
    with (
        Upstream(always(cut)) as up,
        house(tmp_path, providers(up.port)) as home,
        OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as client,
    ):
        events = list(client.responses.create(model="r", input="hi", stream=True))

    assert [e.sequence_number for e in events] == list(range(len(events)))
    error, failed = events[-2:]
    assert (error.type, failed.type) == ("error", "response.failed")
    assert error.type == "error"
    assert error.code == "provider_broken"
    assert failed.type == "response.failed"
    assert failed.response.error is not None
    assert (failed.response.status, failed.response.error.code) == ("failed", "server_error")
    assert failed.response.output_text == "so"


# kept and continued


def test_what_was_said_before_comes_with_its_name_alone(tmp_path: Path) -> None:
    with (
        Upstream(
            turns(
                [sized(completion("one")), KEEP], [sized(completion("two")), KEEP], [sized(completion("three")), KEEP]
            )
        ) as up,
        house(tmp_path, providers(up.port)) as home,
        OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as client,
    ):
        first = client.responses.create(model="r", input="a", instructions="First rule")
        second = client.responses.create(model="r", input="b", previous_response_id=first.id)
        stream = client.responses.create(model="r", input="c", previous_response_id=second.id, stream=True)
        last = next(e for e in stream if e.type == "response.completed").response

        assert [m["content"] for m in chat_asked(up, 0)["messages"]] == ["First rule", "a"]
        assert [(m["role"], m["content"]) for m in chat_asked(up)["messages"]] == [
            ("user", "a"),
            ("assistant", "one"),
            ("user", "b"),
            ("assistant", "two"),
            ("user", "c"),
        ]
        assert last.previous_response_id == second.id
        listed = client.responses.input_items.list(last.id, order="asc")
        texts = [p.text for i in listed if i.type == "message" for p in i.content if hasattr(p, "text")]
        assert texts == ["a", "one", "b", "two", "c"]
        page = client.responses.input_items.list(last.id, limit=2)
        assert (len(page.data), page.has_more) == (2, True)
        assert len(list(page)) == 5


def test_a_response_is_read_again_and_really_deleted(tmp_path: Path) -> None:
    secret = "a very particular phrase"
    with (
        Upstream(turns([sized(completion(secret)), KEEP])) as up,
        house(tmp_path, providers(up.port)) as home,
        OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as client,
    ):
        made = client.responses.create(model="r", input="tell me " + secret)
        again = client.responses.retrieve(made.id)
        replayed = list(client.responses.retrieve(made.id, stream=True))
        rest = list(client.responses.retrieve(made.id, stream=True, starting_after=3))

        assert again.model_dump() == made.model_dump()
        assert replayed[-1].type == "response.completed"
        assert [e.sequence_number for e in rest] == [e.sequence_number for e in replayed][4:]
        files = list((tmp_path / "data").glob("freehold.sqlite*"))
        assert any(secret.encode() in f.read_bytes() for f in files)

        client.responses.delete(made.id)
        acts = [e for _, e in read(tmp_path / "data" / "ledger" / "main") if isinstance(e, Act)]
        assert (acts[-1].verb, acts[-1].subject) == ("response.deleted", made.id)
        for gone in (client.responses.retrieve, client.responses.delete, client.responses.input_items.list):
            with pytest.raises(openai.NotFoundError) as missing:
                gone(made.id)
            assert missing.value.code == "not_found"
        with pytest.raises(openai.BadRequestError) as unknown:
            client.responses.create(model="r", input="b", previous_response_id=made.id)
        assert (unknown.value.code, unknown.value.param) == ("previous_response_not_found", "previous_response_id")
        assert not any(secret.encode() in f.read_bytes() for f in files if f.exists())


def test_a_response_that_the_caller_does_not_want_stored_is_not(client: OpenAI, home: House) -> None:
    whole = client.responses.create(model="support", input="hi", store=False)
    stream = client.responses.create(model="support", input="hi", store=False, stream=True)
    streamed = next(e for e in stream if e.type == "response.completed").response

    for id_ in (whole.id, streamed.id):
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(id_)
    assert whole.model_dump()["store"] is False


def test_a_stored_response_survives_a_restart(tmp_path: Path) -> None:
    with Upstream(turns([sized(completion("one")), KEEP], [sized(completion("two")), KEEP])) as up:
        with house(tmp_path, providers(up.port)) as home, OpenAI(base_url=home.base_url, api_key="none") as client:
            made = client.responses.create(model="r", input="a")
        with house(tmp_path, providers(up.port)) as home, OpenAI(base_url=home.base_url, api_key="none") as client:
            assert client.responses.retrieve(made.id).output_text == "one"
            client.responses.create(model="r", input="b", previous_response_id=made.id)

        assert [m["content"] for m in chat_asked(up)["messages"]] == ["a", "one", "b"]


def test_nothing_is_kept_where_the_settings_say_so(tmp_path: Path) -> None:
    with (
        house(tmp_path, SETTINGS + "[responses]\nkeep_days = 0\n") as home,
        OpenAI(base_url=home.base_url, api_key="none") as client,
    ):
        made = client.responses.create(model="support", input="hi")
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)


def test_one_key_never_sees_what_another_was_answered(tmp_path: Path) -> None:
    ann, ann_text = mint("ann", now=time.time_ns(), random=os.urandom)
    bob, bob_text = mint("bob", now=time.time_ns(), random=os.urandom)
    with (
        house(tmp_path, SETTINGS) as home,
        OpenAI(base_url=home.base_url, api_key=ann_text, max_retries=0) as hers,
        OpenAI(base_url=home.base_url, api_key=bob_text, max_retries=0) as his,
    ):
        home.keys(ann, bob)
        made = hers.responses.create(model="support", input="hi")

        for ask in (
            his.responses.retrieve,
            his.responses.delete,
            his.responses.cancel,
            his.responses.input_items.list,
        ):
            with pytest.raises(openai.NotFoundError):
                ask(made.id)
        with pytest.raises(openai.BadRequestError) as unknown:
            his.responses.create(model="support", input="and?", previous_response_id=made.id)
        assert unknown.value.code == "previous_response_not_found"
        hidden = json.dumps({"model": "support", "input": "and?", "previous_response_id": made.id})
        escaped = hidden.replace("previous_response", "previous\\u005fresponse").encode()
        answer = home.ask(post(escaped, f"authorization: Bearer {bob_text}", path="/v1/responses"))
        assert (answer.status, answer.error["code"]) == (400, "previous_response_not_found")
        named: Any = [{"type": "item_reference", "id": made.output[0].id}, {"role": "user", "content": "and?"}]
        with pytest.raises(openai.APIStatusError) as held:
            his.responses.create(model="support", input=named)
        assert held.value.code == "not_carried"
        assert home.ask(get(f"/v1/responses/{made.id}")).status == 401
        assert hers.responses.retrieve(made.id).output_text == "Hello there"


def test_items_that_are_only_named_are_found(tmp_path: Path) -> None:
    with (
        Upstream(turns([sized(completion("one")), KEEP], [sized(completion("two")), KEEP])) as up,
        house(tmp_path, providers(up.port)) as home,
        OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as client,
    ):
        made = client.responses.create(model="r", input="a")
        given: Any = [
            {"role": "user", "content": "a"},
            {"type": "item_reference", "id": made.output[0].id},
            {"role": "user", "content": "b"},
        ]
        client.responses.create(model="r", input=given)

        assert [m["content"] for m in chat_asked(up)["messages"]] == ["a", "one", "b"]


STREAMED = [STREAM + chunked(delta(role="assistant"), delta(content="good"), delta(finish="stop"), DONE) + END, KEEP]


def test_many_streams_at_once_are_all_kept(tmp_path: Path) -> None:
    with (
        Upstream(turns(STREAMED)) as up,
        house(tmp_path, providers(up.port)) as home,
        OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as client,
    ):
        open_streams = [client.responses.create(model="r", input="hi", stream=True) for _ in range(8)]
        last = [next(e for e in s if e.type == "response.completed").response for s in open_streams]

        assert {client.responses.retrieve(r.id).output_text for r in last} == {"good"}
        assert len({r.id for r in last}) == 8


def test_a_request_that_cannot_be_read_makes_no_deployment_unwell(home: House, client: OpenAI) -> None:
    for _ in range(12):
        got = home.ask(post({"model": "support", "input": "hi", "tools": [{"type": "function"}]}, path="/v1/responses"))
        assert (got.status, got.error["param"]) == (400, "tools")

    assert client.responses.create(model="support", input="hi").output_text == "Hello there"
