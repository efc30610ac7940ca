"""Answers for callers of Gemini: written from other dialects, patched where a stage touched them, broken off."""

import json
from base64 import b64decode
from typing import Any

import pytest
from gemini_world import (
    HI,
    STREAM_PATH,
    WHOLE_PATH,
    every,
    parts_of,
    read,
    request,
    responses,
    sse,
    valid_response,
    write,
)
from msgspec.structs import replace

from freehold.core.errors import Broken, Overloaded, ProviderError, Rejected, Throttled
from freehold.core.events import Begun, Delta, Event, Finish, Reasoning, Refusal, Text, ToolCall, Used, collect
from freehold.core.seal import Seal
from freehold.core.usage import Usage
from freehold.dialects.dialect import Source
from freehold.dialects.gemini_generate.dialect import GEMINI_GENERATE
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks

HOWS = ["sse", "array", "whole"]


def candidate(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"content": {"parts": list(parts), "role": "model"}, "index": 0, **more}


def chunk(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"candidates": [candidate(*parts, **more)], "modelVersion": "g", "responseId": "r1"}


def said(*deltas: Delta, how: str = "sse") -> list[Any]:
    events = [Event((delta,), content=True) for delta in deltas]
    body = write(events, how=how, foreign="acme")
    written = responses(body)
    for response in written:
        valid_response(response)
    return written


# from another dialect


@pytest.mark.parametrize("how", HOWS)
def test_an_answer_of_another_dialect_is_told_in_parts_with_usage_and_reason_in_the_last_response(how: str) -> None:
    written = said(
        Begun("id-1", "gpt"),
        Reasoning("let me "),
        Reasoning("think"),
        Text("It is "),
        Text("warm"),
        ToolCall(0, "c1", "weather", '{"city":'),
        ToolCall(1, "c2", "time", ""),
        ToolCall(0, arguments='"Oslo"}'),
        Finish("tool_calls"),
        Used(Usage(input_tokens=10, output_tokens=7, reasoning_tokens=3, cache_read_tokens=4)),
        how=how,
    )
    parts = [part for response in written for part in parts_of(response)]
    assert "".join(p["text"] for p in parts if p.get("thought")) == "let me think"
    assert "".join(p["text"] for p in parts if "text" in p and not p.get("thought")) == "It is warm"
    assert [p["functionCall"] for p in parts if "functionCall" in p] == [
        {"id": "c1", "name": "weather", "args": {"city": "Oslo"}},
        {"id": "c2", "name": "time", "args": {}},
    ]
    assert [r["candidates"][0].get("finishReason") for r in written] == [None] * (len(written) - 1) + ["STOP"]
    assert written[-1]["usageMetadata"] == {
        "promptTokenCount": 10,
        "candidatesTokenCount": 4,
        "totalTokenCount": 17,
        "thoughtsTokenCount": 3,
        "cachedContentTokenCount": 4,
    }
    assert {(r["responseId"], r["modelVersion"]) for r in written} == {("id-1", "gpt")}
    if how == "whole":
        assert [sorted(p) for p in parts] == [["text", "thought"], ["text"], ["functionCall"], ["functionCall"]]


@pytest.mark.parametrize("how", HOWS)
def test_several_answers_are_several_candidates(how: str) -> None:
    written = said(Text("a", 0), Text("b", 1), Finish("stop", "", 0), Finish("length", "", 1), how=how)
    for index, text in enumerate("ab"):
        assert "".join(p["text"] for r in written for p in parts_of(r, index)) == text
    assert [(c["index"], c["finishReason"]) for c in written[-1]["candidates"]] == [(0, "STOP"), (1, "MAX_TOKENS")]


@pytest.mark.parametrize(
    ("finish", "word"),
    [
        (Finish("stop"), "STOP"),
        (Finish("tool_calls", "tool_use"), "STOP"),
        (Finish("length", "max_tokens"), "MAX_TOKENS"),
        (Finish("content_filter", "refusal"), "SAFETY"),
        (Finish("content_filter", "RECITATION"), "RECITATION"),
        (Finish("error"), "OTHER"),
        (Finish("other", "pause_turn"), "OTHER"),
    ],
)
def test_every_reason_has_a_word_of_gemini(finish: Finish, word: str) -> None:
    assert said(Text("x"), finish, how="whole")[0]["candidates"][0]["finishReason"] == word


def test_a_refusal_is_text_that_ended_for_safety() -> None:
    (response,) = said(Refusal("I will not"), Finish("stop"), how="whole")
    assert parts_of(response) == [{"text": "I will not"}]
    assert response["candidates"][0]["finishReason"] == "SAFETY"


@pytest.mark.parametrize("arguments", ["not json", "[1]", '"text"', "7"])
def test_arguments_that_are_no_object_are_the_one_argument_of_their_call(arguments: str) -> None:
    (response,) = said(ToolCall(0, "c", "f", arguments), Finish("tool_calls"), how="whole")
    (part,) = parts_of(response)
    assert part["functionCall"]["args"].keys() == {"input"}


def test_a_tool_of_plain_text_gets_it_whole() -> None:
    (response,) = said(ToolCall(0, "c", "f", "{1", custom=True), Finish("tool_calls"), how="whole")
    assert parts_of(response)[0]["functionCall"]["args"] == {"input": "{1"}


@pytest.mark.parametrize("how", HOWS)
def test_seals_of_another_provider_come_back_through_the_caller_to_the_account_that_issued_them(how: str) -> None:
    signed, hidden = Seal("anthropic", "SIG=="), Seal("anthropic", "DATA", redacted=True)
    called = Seal("openai", "ENC", id="rs_1")
    written = said(
        Reasoning("hm"),
        Reasoning("", seal=signed),
        Reasoning("", seal=hidden, block=1),
        Text("so"),
        ToolCall(0, "c1", "f", "{}", seal=called),
        Finish("tool_calls"),
        how=how,
    )
    parts = [part for response in written for part in parts_of(response) if part != {"text": ""}]
    for part in parts:
        if "thoughtSignature" in part:
            assert b64decode(part["thoughtSignature"], validate=True).startswith(b"fh1.acme.")
    prompt = GEMINI_GENERATE.read(request(contents=[*HI, {"role": "model", "parts": parts}]))
    back = prompt.messages[1].parts
    assert [(getattr(p, "text", ""), p.seal) for p in back] == [  # type: ignore[union-attr]
        ("hm", replace(signed, account="acme")),
        ("", replace(hidden, account="acme")),
        ("so", None),
        ("", replace(called, account="acme")),
    ]


def test_an_empty_answer_is_still_a_stream_with_an_end() -> None:
    (response,) = said(Finish("stop"))
    assert response["candidates"] == [candidate({"text": ""}, finishReason="STOP")]


# broken off


@pytest.mark.parametrize("foreign", ["", "acme"])
def test_a_stream_that_was_cut_ends_in_googles_error_in_either_framing(foreign: str) -> None:
    error = Throttled("slow down", retry_after=1.5)
    for path in (STREAM_PATH, STREAM_PATH.partition("?")[0]):
        source = Source("openai-chat", foreign) if foreign else None
        encoder = GEMINI_GENERATE.encoder(request(path), id="i", at=0, source=source)
        raw = b"" if foreign else sse(chunk({"text": "a"}))
        out = encoder.encode(Event((Text("a"),), raw, True)) + encoder.fail(error)
        first, last = responses(out)
        assert parts_of(first) == [{"text": "a"}]
        assert (last["error"]["code"], last["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
        assert {d["@type"].rpartition(".")[2]: d for d in last["error"]["details"]}["RetryInfo"]["retryDelay"] == "1.5s"


def test_what_google_rejected_inside_a_stream_is_one_frame_however_it_was_written() -> None:
    body = json.dumps([{"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}], indent=2).encode()
    frame = GEMINI_GENERATE.encode_stream_error(Rejected("bad", body=body))
    (told,) = responses(frame)
    assert told == {"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}


# read and touched


def test_an_error_in_a_stream_comes_after_what_was_said_before_it() -> None:
    error = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
    for body in (sse(chunk({"text": "a"}), error), sse(chunk({"text": "a"}), [error])):
        for size in (1, len(body)):
            events, broken = read(every(body, size))
            assert collect(events).text == "a"
            assert isinstance(broken, Overloaded)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        sse(chunk({"text": "a"})),
        sse(chunk({"text": "a"}))[:-9],
        b"data: {]\r\n\r\n",
        b"<html>gone</html>\n\n",
        sse(chunk({"text": "a"}, index=5000)),
    ],
)
def test_a_stream_that_is_cut_or_no_stream_at_all_is_broken(body: bytes) -> None:
    _, broken = read([body])
    assert isinstance(broken, Broken)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b"no", b'{"candidates":[]}', b'{"candidates":5}', b"[" * 5000])
def test_a_body_that_is_no_answer_is_broken(body: bytes) -> None:
    with pytest.raises(ProviderError):
        GEMINI_GENERATE.decode_answer(body, Quirks())


def test_a_prompt_that_was_blocked_is_filtered_and_says_why() -> None:
    blocked = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "no"},
        "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3},
    }
    event = GEMINI_GENERATE.decode_answer(json.dumps(blocked).encode(), Quirks())
    answer = collect([event])
    assert (answer.choices[0].finish, answer.choices[0].refusal) == ("content_filter", "no")
    assert answer.usage == Usage(input_tokens=3)
    events, error = read([sse(blocked)])
    assert error is None
    assert events[0].content


def test_calls_without_ids_get_their_own_by_the_answer_that_they_stand_in() -> None:
    call: dict[str, Any] = {"functionCall": {"name": "f", "args": {"a": 1}}}
    named: dict[str, Any] = {"functionCall": {"name": "g", "id": "x1"}}
    stream = sse(chunk(call, call), chunk(named, finishReason="STOP"))
    whole = chunk(call, call, named, finishReason="STOP")
    calls = collect(read([stream])[0]).choices[0].tool_calls
    assert calls == collect([GEMINI_GENERATE.decode_answer(json.dumps(whole).encode(), Quirks())]).choices[0].tool_calls
    assert [(c.id, c.name, c.arguments) for c in calls] == [
        ("call_fhr1_0", "f", '{"a":1}'),
        ("call_fhr1_1", "f", '{"a":1}'),
        ("x1", "g", "{}"),
    ]


def test_arguments_in_pieces_are_put_together_wherever_they_belong() -> None:
    def piece(*args: dict[str, Any], on: bool = True, **call: Any) -> dict[str, Any]:
        return {"functionCall": {**call, "partialArgs": list(args), **({"willContinue": True} if on else {})}}

    stream = sse(
        chunk(piece(name="f", id="c1")),
        chunk(piece({"jsonPath": "$.who.names[0]", "stringValue": "Al", "willContinue": True})),
        chunk(piece({"jsonPath": "$.who.names[0]", "stringValue": "ice"}, {"jsonPath": "$.who.age", "numberValue": 7})),
        chunk(
            piece({"jsonPath": "$['odd name']", "boolValue": True}, {"jsonPath": "$.none", "nullValue": "NULL_VALUE"})
        ),
        chunk(piece({"jsonPath": "$.x[999999999]", "numberValue": 1}, {"jsonPath": "nowhere", "numberValue": 1})),
        chunk({"functionCall": {}}),
        chunk({"functionCall": {"name": "g", "args": {"b": 2}}}, finishReason="STOP"),
    )
    for size in (1, len(stream)):
        events, error = read(every(stream, size))
        assert error is None
        choice = collect(events).choices[0]
        assert [(c.name, json.loads(c.arguments)) for c in choice.tool_calls] == [
            ("f", {"who": {"names": ["Alice"], "age": 7}, "odd name": True, "none": None}),
            ("g", {"b": 2}),
        ]
        assert choice.finish == "tool_calls"
        assert write(events) == stream


def test_a_thought_ends_where_something_else_is_said_or_its_signature_stands() -> None:
    thinking = {"thought": True}
    stream = sse(
        chunk(
            {"text": "a", **thinking}, {"text": "b", "thoughtSignature": "c2ln", **thinking}, {"text": "c", **thinking}
        ),
        chunk({"text": "said"}, {"text": "d", **thinking}, finishReason="STOP"),
    )
    choice = collect(read([stream])[0]).choices[0]
    assert [(t.text, t.seal.data if t.seal else None) for t in choice.thoughts] == [
        ("ab", "c2ln"),
        ("c", None),
        ("d", None),
    ]


def touched(event: Event, *deltas: Delta) -> Event:
    return replace(event, deltas=deltas, touched=True)


def test_what_a_stage_changed_is_changed_on_the_wire_and_nothing_else() -> None:
    body = chunk(
        {"text": "hm Ann", "thought": True},
        {"text": "Hello Ann", "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "mail", "args": {"to": "Ann"}, "id": "1"}, "thoughtSignature": "c2ln"},
        {"executableCode": {"code": "1", "language": "PYTHON"}},
        finishReason="STOP",
        logprobsResult={"chosenCandidates": [{"token": "Ann"}]},
    ) | {"usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 1}, "unheard": [1]}
    event = GEMINI_GENERATE.decode_answer(json.dumps(body).encode(), Quirks())
    deltas = [
        replace(d, text=d.text.replace("Ann", "Bea"))
        if isinstance(d, Text | Reasoning)
        else replace(d, arguments=d.arguments.replace("Ann", "Bea"))
        if isinstance(d, ToolCall)
        else d
        for d in event.deltas
    ]
    (written,) = responses(write([touched(event, *deltas)], how="whole"))
    wanted = json.loads(json.dumps(body).replace("Ann", "Bea"))
    del wanted["candidates"][0]["logprobsResult"]
    assert written == wanted


def test_a_call_that_a_stage_took_out_is_gone_and_its_words_stay() -> None:
    call, other = ({"functionCall": {"name": n, "args": {}}} for n in "fg")
    (event,), _ = read([sse(chunk({"text": "a"}, call, other, finishReason="STOP"))])
    kept = [d for d in event.deltas if not (isinstance(d, ToolCall) and d.name == "f")]
    (written,) = responses(write([touched(event, *kept)]))
    assert parts_of(written) == [{"text": "a"}, other]


def test_text_that_a_stage_adds_is_a_response_of_its_own_in_either_framing() -> None:
    events, _ = read([sse(chunk({"text": "a"}, finishReason="STOP"))])
    for how in ("sse", "array"):
        first, second = responses(write([Event((Text("before"),), content=True), *events], how=how))
        assert (parts_of(first), parts_of(second)) == ([{"text": "before"}], [{"text": "a"}])


def test_comments_and_blank_frames_never_reach_a_client_that_cannot_read_them() -> None:
    events, error = read([b": ping\r\n\r\n" + sse(chunk({"text": "a"}, finishReason="STOP"))])
    assert error is None
    for how in ("sse", "array"):
        assert len(responses(write(events, how=how))) == 1


def test_a_whole_answer_has_the_type_of_json_and_a_stream_that_of_its_framing() -> None:
    for path, kind in (
        (WHOLE_PATH, b"application/json"),
        (STREAM_PATH, b"text/event-stream"),
        (STREAM_PATH.partition("?")[0], b"application/json"),
    ):
        for source in (None, Source("openai-chat", "acme")):
            encoder = GEMINI_GENERATE.encoder(request(path), id="i", at=0, source=source)
            assert encoder.media_type.startswith(kind)


def test_a_stream_of_chat_completions_becomes_one_of_gemini_with_the_same_words() -> None:
    def frame(**delta: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": delta.pop("finish", None)}
        return b"data: %b\n\n" % json.dumps({"id": "c1", "model": "m", "choices": [choice]}).encode()

    call = {"index": 0, "id": "t1", "type": "function", "function": {"name": "f", "arguments": ""}}
    usage = {"id": "c1", "model": "m", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
    stream = b"".join(
        [
            frame(role="assistant", content=""),
            frame(reasoning_content="hm"),
            frame(content="Hé"),
            frame(content="llo"),
            frame(tool_calls=[call]),
            frame(tool_calls=[{"index": 0, "function": {"arguments": '{"a":1}'}}]),
            frame(finish="tool_calls"),
            b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(usage).encode(),
        ]
    )
    decoder = OPENAI_CHAT.stream_decoder(Quirks())
    events = [*decoder.feed(stream), *decoder.finish()]
    body = write(events, foreign="acme")
    for response in responses(body):
        valid_response(response)
    after, before = collect(read([body])[0]), collect(events)
    assert (after.text, after.choices[0].reasoning) == ("Héllo", "hm")
    assert after.choices[0].tool_calls == before.choices[0].tool_calls
    assert (after.choices[0].finish, after.usage) == ("tool_calls", Usage(input_tokens=3, output_tokens=2))
