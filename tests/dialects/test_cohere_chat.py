"""Cohere's v2 chat: recorded exchanges read, sent on and translated; requests written for it; answers written in it."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from messages_world import folded, valid_message
from messages_world import told as messages_told
from messages_world import write as write_message
from recorded import REQUESTS as CHAT_REQUESTS
from recorded import STREAMS as CHAT_STREAMS
from recorded import WHOLE as CHAT_WHOLE
from recorded import Row, compact, name, needs_recordings, rows
from recorded import asked as chat_asked
from test_messages_cross import chat_events

from freehold.core.errors import Broken, ProviderError, Rejected
from freehold.core.events import Event, Finish, Reasoning, Text, ToolCall, collect
from freehold.core.money import Price
from freehold.core.prompt import Format, Prompt, Thinking, Tool, ToolChoice
from freehold.core.request import CallPart, MediaPart, Message, ReasoningPart, Request, ResultPart, TextPart
from freehold.core.tariff import flat
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.cohere_chat.dialect import COHERE_CHAT
from freehold.dialects.dialect import Source
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks
from freehold.dialects.translate import translate

ALL: list[Row] = list(rows("cohere-v2"))
HI = [{"role": "user", "content": "hi"}]
HELLO = Message("user", (TextPart("Hello"),))


def asked(row: Row) -> dict[str, Any] | None:
    return (row["request"] or {}).get("body")


def failed(row: Row) -> bool:
    return (row["response"]["status"] or 200) != 200


REQUESTS = [row for row in ALL if asked(row) is not None]
STREAMS = [row for row in ALL if "body" not in row["response"]]
WHOLE = [row for row in ALL if "body" in row["response"] and not failed(row)]
ERRORS = [row for row in ALL if "body" in row["response"] and failed(row)]
each_request = pytest.mark.parametrize("row", REQUESTS, ids=name)
each_answer = pytest.mark.parametrize("row", [*WHOLE, *STREAMS], ids=name)


def stream_of(row: Row) -> bytes:
    text = row["response"].get("text")
    if text is not None:
        return text.encode()
    lines = row["response"]["events_jsonl"].splitlines()
    return sse(*(json.loads(line) for line in lines if line.strip()))


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), compact(e)) for e in events)


def told(body: bytes) -> list[dict[str, Any]]:
    lines = body.replace(b"\r\n", b"\n").split(b"\n")
    return [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]


def read(pieces: Iterable[bytes]) -> tuple[list[Event], ProviderError | None]:
    decoder, events = COHERE_CHAT.stream_decoder(Quirks()), list[Event]()
    try:
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.finish()
    except ProviderError as error:
        return events, error
    return events, None


def request(**members: Any) -> Request:
    return COHERE_CHAT.decode_request(compact({"model": "m", "messages": HI, **members}))


def write(events: Iterable[Event], *, streamed: bool, foreign: bool = False) -> bytes:
    source = Source("openai-chat", "acme") if foreign else None
    encoder = COHERE_CHAT.encoder(request(stream=streamed), id="i-1", at=0, source=source)
    return b"".join([encoder.encode(event) for event in events]) + encoder.end()


def wrote(*messages: Message, **more: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    written = COHERE_CHAT.write(Prompt(messages=messages or (HELLO,), **more), model="command-a", quirks=Quirks())
    return json.loads(written.body), written.losses


# recorded requests


@needs_recordings
def test_there_are_thirty_recorded_exchanges() -> None:
    assert len(REQUESTS) >= 20
    assert len(STREAMS) + len(WHOLE) + len(ERRORS) == len(ALL) >= 30


@each_request
def test_a_recorded_request_is_sent_on_as_it_was_written(row: Row) -> None:
    body = asked(row)
    assert body is not None
    text = compact(body)
    assert COHERE_CHAT.encode_request(COHERE_CHAT.decode_request(text), model=body["model"], quirks=Quirks()) == text
    spaced = COHERE_CHAT.decode_request(json.dumps(body, indent=1).encode())
    assert json.loads(COHERE_CHAT.encode_request(spaced, model="x", quirks=Quirks())) == {**body, "model": "x"}


@each_request
def test_a_recorded_request_read_and_written_again_asks_the_same(row: Row) -> None:
    body = asked(row)
    assert body is not None
    prompt = COHERE_CHAT.read(COHERE_CHAT.decode_request(compact(body)))
    again = json.loads(COHERE_CHAT.write(prompt, model=body["model"], quirks=Quirks()).body)
    assert prompt.losses == ()
    assert again.get("tools") == body.get("tools")
    for member in ("temperature", "tool_choice", "response_format"):
        assert again.get(member) == body.get(member)
    assert [plain(turn) for turn in again["messages"]] == [plain(turn) for turn in body["messages"]]


def plain(turn: dict[str, Any]) -> dict[str, Any]:
    """A turn with its text as blocks, and without what is null."""
    content = turn.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    return {n: v for n, v in {**turn, "content": blocks}.items() if v}


@each_request
def test_a_recorded_request_is_translated_with_all_its_calls_and_results(row: Row) -> None:
    body = asked(row)
    assert body is not None
    request = COHERE_CHAT.decode_request(compact(body))
    calls = [c["id"] for m in body["messages"] for c in m.get("tool_calls") or ()]
    chat = json.loads(translate(request, COHERE_CHAT, OPENAI_CHAT, model="gpt", quirks=Quirks(), account="o").body)
    assert [c["id"] for m in chat["messages"] for c in m.get("tool_calls") or ()] == calls
    assert [m["tool_call_id"] for m in chat["messages"] if m["role"] == "tool"] == calls
    messages = json.loads(
        translate(request, COHERE_CHAT, ANTHROPIC_MESSAGES, model="claude", quirks=Quirks(), account="a").body
    )
    blocks = [b for m in messages["messages"] for b in m["content"]]
    assert [b["id"] for b in blocks if b["type"] == "tool_use"] == calls


@pytest.mark.parametrize("row", CHAT_REQUESTS, ids=name)
def test_a_recorded_chat_request_is_written_for_cohere(row: Row) -> None:
    body = chat_asked(row)
    assert body is not None
    request = OPENAI_CHAT.decode_request(compact(body))
    written = translate(request, OPENAI_CHAT, COHERE_CHAT, model="command-a", quirks=Quirks(), account="c")
    sent = json.loads(written.body)
    COHERE_CHAT.decode_request(written.body)
    sdk = pytest.importorskip("cohere.types")
    for turn in sent["messages"]:
        assert turn["role"] in {"system", "user", "assistant", "tool"}
        assert turn.get("content") or turn.get("tool_calls") or turn["role"] == "tool"
    for tool in sent.get("tools", ()):
        sdk.ToolV2.model_validate(tool)
    calls = [c["function"]["name"] for m in body["messages"] for c in m.get("tool_calls") or ()]
    assert [c["function"]["name"] for m in sent["messages"] for c in m.get("tool_calls") or ()][: len(calls)] == calls


# recorded answers


@pytest.mark.parametrize("row", STREAMS, ids=name)
def test_a_recorded_stream_passes_byte_for_byte_whatever_the_split(row: Row) -> None:
    body = stream_of(row)
    at_once, _ = read([body])
    for size in (1, 7, 4096):
        events, error = read(body[i : i + size] for i in range(0, len(body), size))
        assert error is None
        assert write(events, streamed=True) == body
        assert events == at_once


@pytest.mark.parametrize("row", WHOLE, ids=name)
def test_a_recorded_answer_is_written_as_it_came(row: Row) -> None:
    body = compact(row["response"]["body"])
    assert write([COHERE_CHAT.decode_answer(body, Quirks())], streamed=False) == body


def events_of(row: Row) -> list[Event]:
    if "body" in row["response"]:
        return [COHERE_CHAT.decode_answer(compact(row["response"]["body"]), Quirks())]
    events, error = read([stream_of(row)])
    assert error is None
    return events


def said(row: Row) -> tuple[str, str, list[tuple[str, Any]], str, dict[str, Any]]:
    """Text, thoughts and plan, calls, finish and usage, by an oracle of the test's own."""
    if "body" in row["response"]:
        body = row["response"]["body"]
        message = body["message"]
        blocks = message.get("content") or []
        thought = message.get("tool_plan", "") + "".join(b.get("thinking", "") for b in blocks)
        calls = [(c["function"]["name"], c["function"]["arguments"]) for c in message.get("tool_calls", ())]
        text = "".join(b.get("text", "") for b in blocks)
        return text, thought, loaded(calls), body["finish_reason"], body["usage"]
    text = thought = ""
    made: dict[int, list[str]] = {}
    end: dict[str, Any] = {}
    for event in told(stream_of(row)):
        delta = event.get("delta") or {}
        message = delta.get("message") or {}
        if event["type"].startswith("content"):
            content = message.get("content") or {}
            text, thought = text + content.get("text", ""), thought + content.get("thinking", "")
        thought += message.get("tool_plan", "") if event["type"] == "tool-plan-delta" else ""
        if event["type"] in {"tool-call-start", "tool-call-delta"}:
            function = message["tool_calls"]["function"]
            call = made.setdefault(event["index"], [function.get("name", ""), ""])
            call[1] += function.get("arguments", "")
        end = delta if event["type"] == "message-end" else end
    return text, thought, loaded([(c[0], c[1]) for c in made.values()]), end["finish_reason"], end["usage"]


def loaded(calls: list[tuple[str, str]]) -> list[tuple[str, Any]]:
    return [(called, json.loads(arguments or "null") or {}) for called, arguments in calls]


REASONS = {"COMPLETE": "stop", "TOOL_CALL": "tool_calls", "MAX_TOKENS": "length"}


@each_answer
def test_a_recorded_answer_says_what_it_says_and_what_it_took(row: Row) -> None:
    text, thought, calls, finish, counted = said(row)
    events = events_of(row)
    answer = collect(events)
    choice, usage = answer.choices[0], answer.usage
    assert (choice.text, choice.reasoning) == (text, thought)
    assert [(c.name, json.loads(c.arguments)) for c in choice.tool_calls] == calls
    assert [d.reason for e in events for d in e.deltas if isinstance(d, Finish)] == [REASONS[finish]]
    assert usage is not None
    tokens, billed = counted["tokens"], counted["billed_units"]
    assert usage.input_tokens == tokens["input_tokens"] + tokens.get("image_tokens", 0)
    assert usage.output_tokens == tokens["output_tokens"]
    assert usage.input_tokens - usage.free_input_tokens == billed["input_tokens"]
    assert usage.output_tokens - usage.free_output_tokens == billed["output_tokens"]
    assert usage.cache_read_tokens == counted.get("cached_tokens", 0)


@pytest.mark.parametrize("row", ERRORS, ids=name)
def test_a_recorded_error_is_the_requests_own_fault(row: Row) -> None:
    response = row["response"]
    error = COHERE_CHAT.decode_error(response["status"], {}, compact(response["body"]), provider="cohere")
    assert isinstance(error, Rejected)
    assert response["body"]["message"] in error.message
    assert json.loads(COHERE_CHAT.encode_error(error)) == response["body"]


def in_chat(events: list[Event], *, stream: bool) -> bytes:
    body = {"model": "m", "messages": HI, "stream": stream}
    asked_ = OPENAI_CHAT.decode_request(
        compact({**body, "stream_options": {"include_usage": True}} if stream else body)
    )
    encoder = OPENAI_CHAT.encoder(asked_, id="i-1", at=0, source=Source("cohere-v2", "cohere"))
    return b"".join([encoder.encode(event) for event in events]) + encoder.end()


@each_answer
def test_a_recorded_answer_says_the_same_in_other_dialects(row: Row) -> None:
    events = events_of(row)
    before = collect(events).choices[0]
    decoder = OPENAI_CHAT.stream_decoder(Quirks())
    stream = in_chat(events, stream=True)
    whole = OPENAI_CHAT.decode_answer(in_chat(events, stream=False), Quirks())
    for after in (collect(decoder.feed(stream) + decoder.finish()), collect([whole])):
        one = after.choices[0]
        assert (one.text, one.reasoning, one.finish) == (before.text, before.reasoning, before.finish)
        assert [(c.id, c.arguments) for c in one.tool_calls] == [(c.id, c.arguments) for c in before.tool_calls]
    for message in (
        json.loads(write_message(events, streamed=False, foreign="cohere")),
        folded(messages_told(write_message(events, streamed=True, foreign="cohere"))),
    ):
        valid_message(message)
        assert "".join(b["text"] for b in message["content"] if b["type"] == "text") == before.text


@needs_recordings
@pytest.mark.parametrize("row", [*CHAT_WHOLE, *CHAT_STREAMS], ids=name)
def test_a_recorded_chat_answer_becomes_a_valid_one_of_cohere_that_says_the_same(row: Row) -> None:
    events = chat_events(row)
    before = collect(events).choices[0]
    stream, whole = write(events, streamed=True, foreign=True), write(events, streamed=False, foreign=True)
    back, error = read([stream])
    assert error is None
    for after in (collect(back), collect([COHERE_CHAT.decode_answer(whole, Quirks())])):
        one = after.choices[0]
        assert (one.text, one.reasoning) == (before.text or before.refusal, before.reasoning)
        assert [(c.name, json.loads(c.arguments)) for c in one.tool_calls] == [
            (c.name, json.loads(c.arguments or "{}") or {}) for c in before.tool_calls
        ]
    kinds = [event["type"] for event in told(stream)]
    assert (kinds[0] if kinds[0] != "message-end" else "message-start") == "message-start"
    assert kinds.count("message-end") == 1
    assert kinds.count("content-start") == kinds.count("content-end")
    assert kinds.count("tool-call-start") == kinds.count("tool-call-end")
    sdk = pytest.importorskip("cohere.v2.types.v2chat_response")
    sdk.V2ChatResponse.model_validate_json(whole)


@each_answer
def test_a_recorded_answer_costs_what_cohere_bills(row: Row) -> None:
    billed = said(row)[4]["billed_units"]
    usage = collect(events_of(row)).usage
    assert usage is not None
    bill = flat(Price(input=2_500_000_000, output=10_000_000_000)).bill(usage, 0)
    assert bill is not None
    assert bill.amount == billed["input_tokens"] * 2500 + billed["output_tokens"] * 10_000


# what is written


def test_a_turn_with_calls_has_its_thoughts_as_plan_and_results_stand_alone() -> None:
    body, lost = wrote(
        Message("system", (TextPart("be brief"),)),
        HELLO,
        Message("assistant", (ReasoningPart("I look"), CallPart("c1", "f", '{"a":1}'))),
        Message("tool", (ResultPart("c1", "2"),)),
    )
    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "Hello"},
        {
            "role": "assistant",
            "tool_plan": "I look",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
    ]
    assert lost == ()


@pytest.mark.parametrize(
    ("choice", "said", "names"),
    [
        (None, None, ["f", "g"]),
        (ToolChoice("auto"), None, ["f", "g"]),
        (ToolChoice("none"), "NONE", ["f", "g"]),
        (ToolChoice("required"), "REQUIRED", ["f", "g"]),
        (ToolChoice("named", "g"), "REQUIRED", ["g"]),
    ],
)
def test_a_tool_that_is_named_is_offered_alone(choice: ToolChoice | None, said: str | None, names: list[str]) -> None:
    body, _ = wrote(tools=(Tool(name="f"), Tool(name="g")), tool_choice=choice)
    assert body.get("tool_choice") == said
    assert [tool["function"]["name"] for tool in body["tools"]] == names


def test_options_have_coheres_names_and_stay_in_its_bounds() -> None:
    body, lost = wrote(
        max_output_tokens=9, temperature=0.5, top_p=1.0, top_k=4, seed=1, stop=("x",), presence_penalty=-1.0,
        frequency_penalty=0.5, logprobs=True, thinking=Thinking(budget=100), format=Format(kind="json_object"),
    )  # fmt: skip
    assert {n: v for n, v in body.items() if n not in {"model", "messages"}} == {
        "max_tokens": 9, "temperature": 0.5, "p": 0.99, "k": 4, "seed": 1, "stop_sequences": ["x"],
        "presence_penalty": 0.0, "frequency_penalty": 0.5, "logprobs": True,
        "thinking": {"type": "enabled", "token_budget": 100}, "response_format": {"type": "json_object"},
    }  # fmt: skip
    assert lost == ("presence_penalty outside 0 to 1",)


def test_what_cohere_has_no_words_for_is_named() -> None:
    picture = MediaPart("image", url="https://x/y.png")
    _, lost = wrote(
        Message("user", (TextPart("a"), picture, MediaPart("audio", url="data:audio/wav;base64,aGk="))),
        Message("assistant", (CallPart("c", "f", "{}"),)),
        Message("tool", (ResultPart("c", "", (picture,), error=True),)),
        choices=2,
        subject="ann",
        parallel_tools=False,
        tools=(Tool(name="search", kind="builtin"),),
    )
    assert set(lost) == {
        "audio", "image in a tool result", "error of a tool result", "choices", "subject", "parallel_tools",
        "tools[search] (builtin)",
    }  # fmt: skip


def test_documents_and_citations_of_a_caller_are_named_as_lost() -> None:
    prompt = COHERE_CHAT.read(request(documents=["a"], safety_mode="STRICT", citation_options={"mode": "FAST"}))
    assert prompt.losses == ("documents", "safety_mode", "citation_options")


# streams that are odd


START = {"type": "message-start", "id": "x", "delta": {"message": {"role": "assistant"}}}
END = {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}


def call(index: int, *pieces: str) -> list[dict[str, Any]]:
    begun = {"id": f"c{index}", "type": "function", "function": {"name": "f", "arguments": ""}}
    out: list[dict[str, Any]] = [
        {"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": begun}}}
    ]
    for piece in pieces:
        function = {"function": {"arguments": piece}}
        out.append({"type": "tool-call-delta", "index": index, "delta": {"message": {"tool_calls": function}}})
    return [*out, {"type": "tool-call-end", "index": index}]


@pytest.mark.parametrize(
    ("pieces", "arguments"),
    [((), "{}"), (("null",), "{}"), (("nu", "ll"), "{}"), (('{"a"', ":1}"), '{"a":1}'), (("{", "}"), "{}")],
)
def test_a_call_without_arguments_has_an_empty_object(pieces: tuple[str, ...], arguments: str) -> None:
    events, error = read([sse(START, *call(0, *pieces), END)])
    assert error is None
    assert collect(events).choices[0].tool_calls[0].arguments == arguments


def test_a_stream_that_ends_without_its_last_event_is_broken() -> None:
    events, error = read([sse(START, {"type": "content-delta", "delta": {"message": {"content": {"text": "a"}}}})])
    assert isinstance(error, Broken)
    assert collect(events).text == "a"


def test_an_error_at_the_end_of_a_stream_is_one() -> None:
    end = {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "out of memory"}}
    _, error = read([sse(START, end)])
    assert isinstance(error, Broken)
    assert "out of memory" in error.message


def test_a_touched_event_keeps_every_other_value() -> None:
    said_ = {"type": "content-delta", "index": 3, "x": 1, "delta": {"message": {"content": {"text": "a"}}}}
    event = read([sse(START, said_, END)])[0][1]
    touched = Event((Text("b"),), event.raw, True, touched=True)
    assert told(write([touched], streamed=True)) == [{**said_, "delta": {"message": {"content": {"text": "b"}}}}]


def test_a_whole_answer_where_a_stream_was_asked_for_becomes_one() -> None:
    body = {
        "id": "a",
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "tool_plan": "p", "content": [{"type": "text", "text": "t"}]},
    }
    events, error = read([write([COHERE_CHAT.decode_answer(compact(body), Quirks())], streamed=True)])
    assert error is None
    assert (collect(events).text, collect(events).choices[0].reasoning) == ("t", "p")


def test_two_calls_and_a_thought_are_written_as_blocks_in_their_order() -> None:
    events = [
        Event((Reasoning("hm"),), content=True),
        Event((Text("so"),), content=True),
        Event((ToolCall(0, "a", "f", "{}"),), content=True),
        Event((ToolCall(1, "b", "g", '{"x":'), ToolCall(1, arguments="1}")), content=True),
        Event((Finish("stop"),), content=True),
    ]
    written = told(write(events, streamed=True, foreign=True))
    assert [(e["type"], e.get("index")) for e in written] == [
        ("message-start", None),
        ("content-start", 0), ("content-delta", 0), ("content-end", 0),
        ("content-start", 1), ("content-delta", 1), ("content-end", 1),
        ("tool-call-start", 0), ("tool-call-delta", 0), ("tool-call-end", 0),
        ("tool-call-start", 1), ("tool-call-delta", 1), ("tool-call-delta", 1), ("tool-call-end", 1),
        ("message-end", None),
    ]  # fmt: skip
    assert written[-1]["delta"]["finish_reason"] == "TOOL_CALL"
