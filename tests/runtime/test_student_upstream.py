"""A student as an upstream: chat completions out of this process, or an abstention."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from student_world import inbox

from freehold.core.errors import Abstained, FreeholdError
from freehold.core.ports import Headers, Sending
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks
from freehold.runtime.student.upstream import StudentUpstream

pytestmark = pytest.mark.anyio

PATH = "/chat/completions"
SOON = 60


class Heard:
    """A sink that remembers."""

    def __init__(self, react: Callable[["Heard", str], None] = lambda heard, call: None) -> None:
        self.calls: list[str] = []
        self.status = 0
        self.headers: Headers = {}
        self.body = b""
        self.error: FreeholdError | None = None
        self.sending: Sending | None = None
        self.over = asyncio.Event()
        self._react = react

    def head(self, status: int, headers: Headers) -> None:
        self.status, self.headers = status, headers
        self._heard("head")

    def data(self, piece: bytes) -> None:
        self.body += piece
        self._heard("data")

    def done(self) -> None:
        self._heard("done")
        self.over.set()

    def failed(self, error: FreeholdError) -> None:
        self.error = error
        self._heard("failed")
        self.over.set()

    def _heard(self, call: str) -> None:
        self.calls.append(call)
        self._react(self, call)

    async def end(self) -> "Heard":
        async with asyncio.timeout(SOON):
            await self.over.wait()
        return self


def body(text: str, **more: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": text}], **more}).encode()


@pytest.fixture(scope="module")
def upstream(student_folder: Path) -> StudentUpstream:
    return StudentUpstream(student_folder, clock=lambda: 1_700_000_000_000_000_000)


def send(upstream: StudentUpstream, asked: bytes, heard: Heard | None = None, path: str = PATH) -> Heard:
    heard = heard or Heard()
    heard.sending = upstream.send(path, (), asked, heard)
    assert heard.calls == [], "the sink was called before send returned"
    return heard


async def test_an_answer_is_a_completion_with_the_label_an_honest_name_and_its_usage(upstream: StudentUpstream) -> None:
    heard = await send(upstream, body("hello, i lost the card")).end()

    value = json.loads(heard.body)
    assert (heard.calls, heard.status) == (["head", "data", "done"], 200)
    assert heard.headers["content-type"] == "application/json"
    assert value["object"] == "chat.completion"
    assert value["created"] == 1_700_000_000
    assert value["model"] == upstream.model
    assert upstream.model.startswith("inbox-")
    assert value["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "card_lost", "refusal": None},
            "finish_reason": "stop",
        }
    ]
    usage = value["usage"]
    assert usage["completion_tokens"] == 3  # nine characters, four to a token
    assert usage["total_tokens"] == usage["prompt_tokens"] + 3 > 3


async def test_a_stream_says_the_same_and_ends_as_streams_do(upstream: StudentUpstream) -> None:
    asked = body("hello, i lost the card", stream=True, stream_options={"include_usage": True})
    heard = await send(upstream, asked).end()

    assert heard.headers["content-type"] == "text/event-stream"
    assert heard.body.endswith(b"data: [DONE]\n\n")
    decoder = OPENAI_CHAT.stream_decoder(Quirks())
    deltas = [d for event in [*decoder.feed(heard.body), *decoder.finish()] for d in event.deltas]
    assert "".join(getattr(d, "text", "") for d in deltas) == "card_lost"
    assert [d.usage.output_tokens for d in deltas if type(d).__name__ == "Used"] == [3]


async def test_several_choices_are_the_same_answer_several_times(upstream: StudentUpstream) -> None:
    heard = await send(upstream, body("hello, i lost the card", n=2)).end()

    value = json.loads(heard.body)
    assert [c["message"]["content"] for c in value["choices"]] == ["card_lost", "card_lost"]
    assert value["usage"]["completion_tokens"] == 6


async def test_only_the_last_thing_that_the_user_said_is_read(upstream: StudentUpstream) -> None:
    turns = [
        {"role": "system", "content": "Name the topic."},
        {"role": "user", "content": "set a new pin code"},
        {"role": "assistant", "content": "pin_change"},
        {"role": "user", "content": [{"type": "text", "text": "hello, i lost the card"}]},
    ]
    heard = await send(upstream, json.dumps({"model": "m", "messages": turns}).encode()).end()

    assert json.loads(heard.body)["choices"][0]["message"]["content"] == "card_lost"


@pytest.mark.parametrize("text", ["play some jazz please", "zq xv kwj", ""])
async def test_what_is_none_of_its_business_it_leaves_to_others(upstream: StudentUpstream, text: str) -> None:
    heard = await send(upstream, body(text)).end()

    assert heard.calls == ["failed"]
    assert isinstance(heard.error, Abstained)
    assert heard.error.code == "model_abstained"
    assert not heard.error.retryable
    assert "add another deployment" in heard.error.message


@pytest.mark.parametrize(
    ("path", "asked", "says"),
    [
        ("/embeddings", body("hi"), "answers /chat/completions"),
        (PATH, b'{"model":"m"}', "messages"),
        (PATH, b"{", "JSON"),
    ],
)
async def test_what_is_no_chat_completion_is_refused_in_the_dialect(
    upstream: StudentUpstream, path: str, asked: bytes, says: str
) -> None:
    heard = await send(upstream, asked, path=path).end()

    assert (heard.calls, heard.status) == (["head", "data", "done"], 400)
    assert says in json.loads(heard.body)["error"]["message"]


async def test_after_a_cancel_the_sink_hears_nothing_more(upstream: StudentUpstream) -> None:
    def leave(heard: Heard, call: str) -> None:
        assert heard.sending is not None
        heard.sending.cancel()

    left = send(upstream, body("hello, i lost the card", stream=True), Heard(leave))
    at_once = send(upstream, body("hello, i lost the card"))
    assert at_once.sending is not None
    at_once.sending.cancel()
    await send(upstream, body("hello, i lost the card")).end()  # sent later, so answered later

    assert left.calls == ["head"]
    assert at_once.calls == []


async def test_a_pause_holds_the_answer_until_it_is_wanted(upstream: StudentUpstream) -> None:
    def wait(heard: Heard, call: str) -> None:
        if call == "head":
            assert heard.sending is not None
            heard.sending.pause()

    heard = send(upstream, body("hello, i lost the card"), Heard(wait))
    await send(upstream, body("hello, i lost the card")).end()
    assert heard.calls == ["head"]
    assert heard.sending is not None
    heard.sending.resume()
    await heard.end()

    assert heard.calls == ["head", "data", "done"]


def test_a_text_gets_the_same_answer_after_every_load(upstream: StudentUpstream, student_folder: Path) -> None:
    again = StudentUpstream(student_folder)

    texts = [e.text for e in inbox(30, seed=9, strange=5)]
    assert again.model == upstream.model
    assert [again.student.predict(t) for t in texts] == [upstream.student.predict(t) for t in texts]
