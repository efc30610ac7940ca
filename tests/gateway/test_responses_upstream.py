"""Responses through a running gateway to providers that speak them too: verbatim, and what they hold stays there."""

import json
import threading
from pathlib import Path
from typing import Any

import openai
import pytest
from gateway_world import house, post
from openai import OpenAI
from scripted_upstream import END, KEEP, STREAM, Upstream, chunked, completion, sized, turns

SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA-sealed"}


def settings(*ports: int, dialects: tuple[str, ...] = ()) -> str:
    """A route `rN` to each provider, which speaks Responses unless another dialect is said."""
    out = ["[retry]\nbackoff_ms = 1\n"]
    for number, port in enumerate(ports):
        dialect = dialects[number] if dialects else "openai-responses"
        out.append(f'[providers.up{number}]\nbase_url = "http://127.0.0.1:{port}/v1"\ndialect = "{dialect}"\n')
        out.append(f'[deployments.d{number}]\nprovider = "up{number}"\nmodel = "m{number}"\n')
        out.append(f'[routes.r{number}]\ndeployments = ["d{number}"]\n')
    return "".join(out)


def response(id_: str, text: str = "good", *, store: bool = True, before: tuple[Any, ...] = ()) -> dict[str, Any]:
    """A whole response of a provider, with a member that nobody here knows."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    item = {"id": f"msg_{id_}", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    return {
        "id": id_,
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "m0",
        "output": [*before, item],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "store": store,
        "x_new": {"kept": [1, None]},
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 15,
        },
    }


def answer(*args: Any, **more: Any) -> list[Any]:
    return [sized(json.dumps(response(*args, **more)).encode()), KEEP]


def streamed(id_: str) -> list[Any]:
    whole = response(id_)
    events = [
        {
            "type": "response.created",
            "sequence_number": 0,
            "response": {**whole, "status": "in_progress", "output": []},
        },
        {"type": "response.new_thing", "sequence_number": 1, "odd": True},
        {"type": "response.output_item.added", "sequence_number": 2, "output_index": 0, "item": whole["output"][0]},
        {
            "type": "response.output_text.delta",
            "sequence_number": 3,
            "output_index": 0,
            "content_index": 0,
            "item_id": f"msg_{id_}",
            "delta": "good",
            "logprobs": [],
        },
        {"type": "response.output_item.done", "sequence_number": 4, "output_index": 0, "item": whole["output"][0]},
        {"type": "response.completed", "sequence_number": 5, "response": whole},
    ]
    frames = [b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events]
    return [STREAM + chunked(*frames) + END, KEEP]


def asked(up: Upstream, number: int = -1) -> Any:
    return json.loads(up.asked[number])


def client_of(home: Any) -> OpenAI:
    return OpenAI(base_url=home.base_url, api_key="none", max_retries=0)


def test_a_request_and_its_answer_pass_verbatim(tmp_path: Path) -> None:
    body = {"model": "r0", "input": [{"role": "user", "content": "hi"}], "x_other": {"deep": [1.5, None]}, "top_p": 0.5}
    with Upstream(turns(answer("resp_a"))) as up, house(tmp_path, settings(up.port)) as home:
        got = home.ask(post(body, path="/v1/responses"))
        home.idle()
        (record,) = home.records()

        assert got.json == response("resp_a")
        assert asked(up) == {**body, "model": "m0"}
        assert record.usage is not None
        assert (record.usage.input_tokens, record.usage.cache_read_tokens, record.usage.reasoning_tokens) == (10, 4, 2)


def test_a_stream_passes_as_it_came_and_is_kept(tmp_path: Path) -> None:
    with (
        Upstream(turns(streamed("resp_s"))) as up,
        house(tmp_path, settings(up.port)) as home,
        client_of(home) as client,
    ):
        got = home.ask(post({"model": "r0", "input": "hi", "stream": True}, path="/v1/responses"))

        frames = streamed("resp_s")[0].split(b"\r\n\r\n", 1)[1]
        assert [line for line in bytes(got.body).split(b"\n") if line] == [
            line for line in frames.split(b"\n") if line.startswith((b"event", b"data"))
        ]
        assert client.responses.retrieve("resp_s").output_text == "good"


def test_the_account_that_holds_a_response_gets_its_name_and_any_other_its_history(tmp_path: Path) -> None:
    first = answer("resp_1", "one", before=(SEALED,))
    with (
        Upstream(turns(first, answer("resp_2", "two"))) as one,
        Upstream(turns(answer("resp_3", "three"))) as other,
        Upstream(turns([sized(completion("four")), KEEP])) as chat,
        house(
            tmp_path,
            settings(one.port, other.port, chat.port, dialects=("openai-responses", "openai-responses", "openai-chat")),
        ) as home,
        client_of(home) as client,
    ):
        made = client.responses.create(model="r0", input="a")
        client.responses.create(model="r0", input="b", previous_response_id=made.id)
        client.responses.create(model="r1", input="c", previous_response_id=made.id)
        fourth = client.responses.create(model="r2", input="d", previous_response_id=made.id)

        assert asked(one) == {"model": "m0", "input": "b", "previous_response_id": "resp_1"}
        said = response("resp_1", "one")["output"]
        user = [{"role": "user", "content": text} for text in "ac"]
        assert asked(other) == {"model": "m1", "input": [user[0], *said, user[1]]}
        assert [m["content"] for m in asked(chat)["messages"]] == ["a", "one", "d"]
        assert fourth.id.startswith("resp_fh")
        assert fourth.previous_response_id == "resp_1"


def test_reasoning_that_a_provider_does_not_hold_goes_back_to_its_own_account_alone(tmp_path: Path) -> None:
    first = answer("resp_1", "one", store=False, before=(SEALED,))
    with (
        Upstream(turns(first, answer("resp_2", "two"))) as one,
        Upstream(turns(answer("resp_3", "three"))) as other,
        house(tmp_path, settings(one.port, other.port)) as home,
        client_of(home) as client,
    ):
        client.responses.create(model="r0", input="a")
        client.responses.create(model="r0", input="b", previous_response_id="resp_1")
        client.responses.create(model="r1", input="c", previous_response_id="resp_1")

        assert [item.get("type") for item in asked(one)["input"]] == [None, "reasoning", "message", None]
        assert asked(one)["input"][1] == SEALED
        assert "previous_response_id" not in asked(one)
        assert [item.get("type") for item in asked(other)["input"]] == [None, "message", None]


def test_what_was_begun_with_chat_completions_goes_on_with_responses(tmp_path: Path) -> None:
    with (
        Upstream(turns([sized(completion("one")), KEEP])) as chat,
        Upstream(turns(answer("resp_2", "two"))) as up,
        house(tmp_path, settings(chat.port, up.port, dialects=("openai-chat", "openai-responses"))) as home,
        client_of(home) as client,
    ):
        made = client.responses.create(model="r0", input="a")
        client.responses.create(model="r1", input="b", previous_response_id=made.id)

        items = asked(up)["input"]
        assert [
            (i["role"], i["content"] if isinstance(i["content"], str) else i["content"][0]["text"]) for i in items
        ] == [
            ("user", "a"),
            ("assistant", "one"),
            ("user", "b"),
        ]
        assert b"freehold" not in up.asked[-1]


def test_a_background_response_of_a_provider_that_knows_them_runs_here(tmp_path: Path) -> None:
    with Upstream(turns(answer("resp_x"))) as up, house(tmp_path, settings(up.port)) as home, client_of(home) as client:
        made = client.responses.create(model="r0", input="a", background=True)
        while made.status == "queued":
            made = client.responses.retrieve(made.id)

        assert (made.output_text, made.background) == ("good", True)
        assert made.id.startswith("resp_fh")
        assert asked(up) == {"model": "m0", "input": "a"}


def test_an_error_in_a_stream_is_the_providers_own(tmp_path: Path) -> None:
    failed = {"id": "resp_f", "object": "response", "status": "failed", "model": "m", "output": []}
    failed["error"] = {"code": "rate_limit_exceeded", "message": "slow down"}
    event = {"type": "response.failed", "sequence_number": 0, "response": failed}
    frames = [STREAM + chunked(b"event: response.failed\ndata: %b\n\n" % json.dumps(event).encode()) + END, KEEP]
    with Upstream(turns(frames)) as up, house(tmp_path, settings(up.port)) as home, client_of(home) as client:
        with pytest.raises(openai.RateLimitError) as caught:  # no content had left
            list(client.responses.create(model="r0", input="a", stream=True))

        assert caught.value.code == "provider_rate_limited"
        assert "slow down" in caught.value.message


def test_a_chat_client_is_served_by_responses(tmp_path: Path) -> None:
    call = {
        "id": "fc_1",
        "type": "function_call",
        "call_id": "c1",
        "name": "f",
        "arguments": "{}",
        "status": "completed",
    }
    whole = {**response("resp_1"), "output": [SEALED, call]}
    with (
        Upstream(turns([sized(json.dumps(whole).encode()), KEEP], answer("resp_2", "done"))) as up,
        house(tmp_path, settings(up.port)) as home,
        client_of(home) as client,
    ):
        tools: Any = [
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
        ]
        given: Any = [{"role": "user", "content": "x"}]
        first = client.chat.completions.create(model="r0", messages=given, tools=tools, reasoning_effort="low")
        message = first.choices[0].message.model_dump(exclude_none=True)
        result = {"role": "tool", "tool_call_id": "c1", "content": "ok"}
        client.chat.completions.create(model="r0", messages=[*given, message, result], tools=tools)

        assert first.choices[0].finish_reason == "tool_calls"
        assert asked(up, 0)["include"] == ["reasoning.encrypted_content"]
        assert asked(up, 0)["store"] is False
        assert [i.get("type") for i in asked(up)["input"]] == [
            None,
            "reasoning",
            "function_call",
            "function_call_output",
        ]
        assert asked(up)["input"][1] == SEALED


def test_reasoning_of_two_accounts_in_one_conversation_goes_back_to_each_alone(tmp_path: Path) -> None:
    theirs = {**SEALED, "id": "rs_2", "encrypted_content": "gAAAA-other"}
    with (
        Upstream(turns(answer("resp_1", "one", store=False, before=(SEALED,)))) as one,
        Upstream(turns(answer("resp_2", "two", store=False, before=(theirs,)), answer("resp_3"))) as other,
        house(tmp_path, settings(one.port, other.port)) as home,
        client_of(home) as client,
    ):
        client.responses.create(model="r0", input="a")
        client.responses.create(model="r1", input="b", previous_response_id="resp_1")
        client.responses.create(model="r1", input="c", previous_response_id="resp_2")

        assert [i for i in asked(other)["input"] if i.get("type") == "reasoning"] == [theirs]


def test_a_response_can_be_continued_as_soon_as_its_stream_says_that_it_is_over(tmp_path: Path) -> None:
    frames, _ = streamed("resp_s")
    read = threading.Event()
    slow: list[Any] = [frames.removesuffix(END), read, END, KEEP]
    with (
        Upstream(turns(slow, answer("resp_2"))) as up,
        house(tmp_path, settings(up.port)) as home,
        client_of(home) as client,
    ):
        for event in client.responses.create(model="r0", input="a", stream=True):
            if event.type == "response.completed":
                assert client.responses.retrieve("resp_s").output_text == "good"
                read.set()
        client.responses.create(model="r0", input="b", previous_response_id="resp_s")

        assert asked(up) == {"model": "m0", "input": "b", "previous_response_id": "resp_s"}
