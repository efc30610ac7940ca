"""OpenAI's elder completions: recorded exchanges pass whole, and a chat model behind is asked and answers in text."""

import json
from typing import Any

import pytest
from openai.types import Completion
from recorded import WIRE, compact, data_lines, needs_recordings

from freehold.core.errors import Broken, InvalidRequest
from freehold.core.events import Begun, Event, Finish, Text, Used, collect
from freehold.core.prompt import Prompt
from freehold.core.request import Message, TextPart
from freehold.core.usage import Usage
from freehold.dialects.dialect import Source
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.openai_completions.dialect import OPENAI_COMPLETIONS, RAW
from freehold.dialects.quirks import Quirks
from freehold.dialects.translate import translate

PLAIN = Quirks()


def asked(**more: Any) -> Any:
    return OPENAI_COMPLETIONS.decode_request(compact({"model": "m", "prompt": "Once", **more}))


def test_a_text_is_asked_as_a_turn_and_every_loss_is_named() -> None:
    request = asked(max_tokens=5, stop="\n", echo=True, logit_bias={"1": 2}, suffix=None, temperature=0.5, best_of=3)
    written = translate(request, OPENAI_COMPLETIONS, OPENAI_CHAT, model="x", quirks=PLAIN, account="a")
    assert json.loads(written.body) == {
        "model": "x",
        "messages": [{"role": "user", "content": "Once"}],
        "max_completion_tokens": 5,
        "stop": ["\n"],
        "temperature": 0.5,
    }
    assert written.losses == (RAW, "echo", "best_of", "logit_bias")


@pytest.mark.parametrize("prompt", [["a", "b"], [1, 2], [[1], [2]], []])
def test_what_is_no_one_text_is_refused_where_it_would_have_to_be_translated(prompt: list[Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        OPENAI_COMPLETIONS.read(asked(prompt=prompt))
    assert refused.value.param == "prompt"
    assert (
        json.loads(OPENAI_COMPLETIONS.encode_request(asked(prompt=prompt), model="m", quirks=PLAIN))["prompt"] == prompt
    )


DELTAS = (
    Begun("i", "chat"),
    Text("up"),
    Text("on"),
    Finish("length", "length"),
    Used(Usage(input_tokens=2, output_tokens=3)),
)


def test_an_answer_of_a_chat_model_is_text_for_the_sdk() -> None:
    encoder = OPENAI_COMPLETIONS.encoder(asked(), id="7", at=5_000_000_000, source=Source("anthropic-messages", "a"))
    body = b"".join(encoder.encode(Event((d,), b"?", content=True)) for d in DELTAS) + encoder.end()
    whole = Completion.model_validate_json(body, strict=True)
    assert (whole.choices[0].text, whole.choices[0].finish_reason, whole.object) == (
        "upon",
        "length",
        "text_completion",
    )
    assert whole.usage is not None
    assert whole.usage.total_tokens == 5


def test_a_stream_of_a_chat_model_is_text_and_usage_comes_where_it_is_asked_for() -> None:
    for wants in (True, False):
        request = asked(stream=True, stream_options={"include_usage": wants})
        encoder = OPENAI_COMPLETIONS.encoder(request, id="7", at=0, source=Source("anthropic-messages", "a"))
        body = b"".join(encoder.encode(Event((d,), b"?", content=True)) for d in DELTAS) + encoder.end()
        *lines, done = data_lines(body)
        chunks = [json.loads(line) for line in lines]
        assert done == b"[DONE]"
        assert "".join(c["text"] for chunk in chunks for c in chunk["choices"]) == "upon"
        assert [c["finish_reason"] for chunk in chunks for c in chunk["choices"]] == [None, None, "length"]
        assert ("usage" in chunks[-1]) == wants


def test_a_conversation_becomes_one_text() -> None:
    one = Prompt(messages=(Message("system", (TextPart("Be brief"),)), Message("user", (TextPart("Hi"),))))
    written = OPENAI_COMPLETIONS.write(one, model="m", quirks=PLAIN)
    assert json.loads(written.body)["prompt"] == "system: Be brief\n\nuser: Hi\n\nassistant:"
    assert written.losses == ("turns of a conversation",)


def recorded() -> list[dict[str, Any]]:
    rows = [json.loads(line) for file in sorted(WIRE.glob("*.jsonl")) for line in file.read_text().splitlines()]
    return [row for row in rows if row["wire"] == "openai-completions" and row["fidelity"].startswith("http")]


@needs_recordings
@pytest.mark.parametrize("row", recorded(), ids=lambda r: f"{r['provider']}-{r['id']}")
def test_a_recorded_exchange_passes_whole(row: dict[str, Any]) -> None:
    body, response = row["request"]["body"], row["response"]
    request = OPENAI_COMPLETIONS.decode_request(compact(body))
    sent = json.loads(OPENAI_COMPLETIONS.encode_request(request, model=body["model"], quirks=PLAIN))
    assert {k: v for k, v in sent.items() if k != "stream_options"} == {
        k: v for k, v in body.items() if k != "stream_options"
    }
    if response["status"] != 200:
        assert OPENAI_COMPLETIONS.decode_error(response["status"], {}, compact(response["body"]), provider="p").message
        return
    encoder = OPENAI_COMPLETIONS.encoder(request, id="1", at=0)
    if "body" in response:
        event = OPENAI_COMPLETIONS.decode_answer(compact(response["body"]), PLAIN)
        assert json.loads(encoder.encode(event) + encoder.end()) == response["body"]
        assert collect([event]).text == response["body"]["choices"][0]["text"]
        return
    decoder, text = OPENAI_COMPLETIONS.stream_decoder(PLAIN), response["text"].encode()
    if row["provider"] == "writer":  # says {"value": ...}, which is no completion
        with pytest.raises(Broken):
            collect([*decoder.feed(text), *decoder.finish()])
        return
    events = [*decoder.feed(text), *decoder.finish()]
    said = [json.loads(line) for line in data_lines(text) if line != b"[DONE]"]
    assert collect(events).text == "".join(c["text"] for chunk in said for c in chunk["choices"])
    written = [json.loads(line) for line in data_lines(b"".join(map(encoder.encode, events))) if line != b"[DONE]"]
    assert written == [chunk for chunk in said if chunk["choices"]]
