"""Media by URL behind a running gateway: who takes links gets them, who does not gets what they lead to."""

import base64
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gateway_world import Answered, House, house, post
from scripted_upstream import LEAVE, SOON, Upstream, always, completion, sized

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
PDF = b"%PDF-1.7\n" + bytes(200)
INLINE = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
BYTES = base64.b64encode(PNG).decode()
SECRET = "X-Amz-Signature=5ec7e7"

GEMINI = {"candidates": [{"content": {"role": "model", "parts": [{"text": "seen"}]}, "finishReason": "STOP"}],
          "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 1, "totalTokenCount": 5}}  # fmt: skip
OLLAMA = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", "content": "seen"},
          "done": True, "done_reason": "stop", "prompt_eval_count": 4, "eval_count": 1}  # fmt: skip
CONVERSE = {"output": {"message": {"role": "assistant", "content": [{"text": "seen"}]}}, "stopReason": "end_turn",
            "usage": {"inputTokens": 4, "outputTokens": 1, "totalTokens": 5}, "metrics": {"latencyMs": 1}}  # fmt: skip
CLAUDE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
          "content": [{"type": "text", "text": "seen"}], "stop_reason": "end_turn", "stop_sequence": None,
          "usage": {"input_tokens": 4, "output_tokens": 1}}  # fmt: skip
ON = "fetch_media = true\nhttp = true\n"


def site(body: bytes = PNG, kind: str = "image/png") -> Upstream:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    return Upstream(always(head.encode() + body))


def reply(body: dict[str, Any]) -> Upstream:
    return Upstream(always(sized(json.dumps(body).encode(), "connection: close")))


def settings(
    port: int, *, kind: str, model: str, dialect: str = "", media: int = 0, egress: str = ON, more: str = ""
) -> str:
    named = f'dialect = "{dialect}"\n' if dialect else ""
    private = f'private = ["127.0.0.1:{media}"]\n' if media else ""
    return f"""
[providers.up]
kind = "{kind}"
base_url = "http://127.0.0.1:{port}/v1"
{named}{more}
[deployments.seeing]
provider = "up"
model = "{model}"
price = {{ input = "1.00", output = "2.00" }}
[retry]
backoff_ms = 1
[egress]
{egress}{private}"""


@contextmanager
def seeing(folder: Path, media: Upstream, said: dict[str, Any], **how: Any) -> Generator[tuple[House, Upstream]]:
    """A gateway over a provider that says this, and may fetch from the site of media; and that provider."""
    with reply(said) as up, house(folder, settings(up.port, media=media.port, **how)) as home:
        yield home, up


def shown(url: str, **more: Any) -> bytes:
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    return post({"model": "seeing", "messages": [{"role": "user", "content": content}], **more})


def link(media: Upstream, path: str = "/cat.png") -> str:
    return f"http://127.0.0.1:{media.port}{path}?{SECRET}"


def sent(up: Upstream) -> Any:
    return json.loads(up.asked[-1])


CHAT = json.loads(completion("seen"))
LIKE_OPENAI: dict[str, Any] = {"kind": "openai-compatible", "model": "m"}
BEDROCK: dict[str, Any] = {
    "kind": "bedrock",
    "model": "anthropic.claude-opus-4-6",
    "more": 'values = { region = "eu-central-1" }',
}
GOES = [
    pytest.param("openai-compatible", "gemini-2.0-flash", "gemini-generate", GEMINI, id="gemini"),
    pytest.param("openai-compatible", "llava", "ollama-chat", OLLAMA, id="ollama"),
    pytest.param("ollama", "llava", "", CHAT, id="ollama-spoken-to-in-chat"),
    pytest.param("bedrock", "anthropic.claude-opus-4-6", "", CONVERSE, id="bedrock"),
]


def told(home: House, answer: Answered) -> list[str]:
    """What an answer and its record say about it, which is the same."""
    home.idle()
    warnings = list(home.record(answer).warnings)
    assert answer.headers.get("x-freehold-warnings", "") == ", ".join(warnings)
    return warnings


@pytest.mark.parametrize(("kind", "model", "dialect", "said"), GOES)
def test_an_image_by_url_reaches_a_provider_that_takes_only_bytes(
    tmp_path: Path, kind: str, model: str, dialect: str, said: dict[str, Any]
) -> None:
    more = 'values = { region = "eu-central-1" }' if kind == "bedrock" else ""
    with site() as media, reply(said) as up:
        text = settings(up.port, kind=kind, model=model, dialect=dialect, media=media.port, more=more)
        with house(tmp_path, text) as home:
            answer = home.ask(shown(link(media)))
            notes = told(home, answer)

    assert answer.status == 200, answer.body
    assert answer.json["choices"][0]["message"]["content"] == "seen"
    assert BYTES in up.asked[0].decode()
    assert b"127.0.0.1" not in up.asked[0]
    assert notes == [f"fetched: image 1 from 127.0.0.1 ({len(PNG)} bytes)"]


def test_a_name_of_the_house_is_looked_up_and_asked_where_the_operator_allows_it(tmp_path: Path) -> None:
    with site() as media, reply(CONVERSE) as up:
        text = settings(up.port, **BEDROCK, egress=f'{ON}private = ["localhost:{media.port}"]\n')
        with house(tmp_path, text) as home:
            answer = home.ask(shown(link(media).replace("127.0.0.1", "localhost")))
            notes = told(home, answer)

    assert sent(up)["messages"][0]["content"][1] == {"image": {"format": "png", "source": {"bytes": BYTES}}}
    assert notes == [f"fetched: image 1 from localhost ({len(PNG)} bytes)"]


def test_a_request_in_the_providers_own_dialect_is_changed_in_its_media_alone(tmp_path: Path) -> None:
    with site() as media, seeing(tmp_path, media, CHAT, kind="ollama", model="llava") as (home, up):
        url = link(media)
        said = [
            {"role": "user", "content": "1.0 \u00e9", "odd": [1.50, {"url": url}]},
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": url, "detail": "low"}, "own": 1}],
            },
            {"role": "user", "content": [{"type": "image_url", "image_url": url}, {"type": "text", "text": url}]},
        ]
        home.ask(post({"model": "seeing", "messages": said, "keep_alive": "5m"}))

    said[1]["content"][0]["image_url"] = {"url": INLINE, "detail": "low"}  # type: ignore[index]
    said[2]["content"][0]["image_url"] = INLINE  # type: ignore[index]
    assert sent(up) == {"model": "llava", "messages": said, "keep_alive": "5m"}
    assert len(media.asked) == 1  # once, however often it is named


def test_a_client_of_messages_is_served_by_a_cloud_that_takes_no_links(tmp_path: Path) -> None:
    content = [
        {"type": "image", "source": {"type": "url", "url": "URL"}, "cache_control": {"type": "ephemeral"}},
        {
            "type": "tool_result",
            "tool_use_id": "t",
            "content": [{"type": "image", "source": {"type": "url", "url": "URL"}}],
        },
    ]
    with site() as media, reply(CLAUDE) as up:
        text = settings(
            up.port, kind="openai-compatible", model="m", dialect="anthropic-messages", media=media.port,
            more="quirks = { links = false }",
        )  # fmt: skip
        with house(tmp_path, text) as home:
            asked = json.dumps({"model": "seeing", "max_tokens": 9, "messages": [{"role": "user", "content": content}]})
            answer = home.ask(post(asked.replace("URL", link(media)).encode(), path="/v1/messages"))

    assert answer.json["content"][0]["text"] == "seen"
    source = {"type": "base64", "media_type": "image/png", "data": BYTES}
    got = sent(up)["messages"][0]["content"]
    assert got == [content[0] | {"source": source}, content[1] | {"content": [{"type": "image", "source": source}]}]


def test_a_pdf_of_a_client_of_messages_reaches_a_provider_of_chats_as_a_file(tmp_path: Path) -> None:
    with site(PDF, "application/pdf") as media, seeing(tmp_path, media, CHAT, **LIKE_OPENAI) as (home, up):
        document = {"type": "document", "source": {"type": "url", "url": link(media)}, "title": "a.pdf"}
        body = {"model": "seeing", "max_tokens": 9, "messages": [{"role": "user", "content": [document]}]}
        answer = home.ask(post(body, path="/v1/messages"))
        notes = told(home, answer)

    file = {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{base64.b64encode(PDF).decode()}"}
    assert sent(up)["messages"][0]["content"] == [{"type": "file", "file": file}]
    assert notes == [f"fetched: file 1 from 127.0.0.1 ({len(PDF)} bytes)"]


def test_who_follows_links_gets_them_and_nothing_is_fetched(tmp_path: Path) -> None:
    with site() as media, seeing(tmp_path, media, CHAT, **LIKE_OPENAI) as (home, up):
        answer = home.ask(shown(link(media)))
        notes = told(home, answer)

    assert sent(up)["messages"][0]["content"][1]["image_url"]["url"] == link(media)
    assert (media.asked, notes) == ([], [])


def test_where_nothing_is_fetched_the_loss_names_the_setting_and_a_strict_request_is_refused(tmp_path: Path) -> None:
    with site() as media, reply(CONVERSE) as up, house(tmp_path, settings(up.port, **BEDROCK, egress="")) as home:
        answer = home.ask(shown(link(media)))
        notes = told(home, answer)
        strict = home.ask(shown(link(media)).replace(b"\r\n\r\n", b"\r\nx-freehold-strict: true\r\n\r\n", 1))

    assert answer.status == 200
    assert notes == ["lost: image by URL (egress.fetch_media is off)"]
    assert (strict.status, strict.error["code"]) == (422, "not_carried")
    assert "egress.fetch_media" in strict.error["message"]
    assert (media.asked, len(up.asked)) == ([], 1)


def test_a_strict_request_is_served_where_its_media_are_fetched(tmp_path: Path) -> None:
    with (
        site() as media,
        reply(CONVERSE) as up,
        house(tmp_path, settings(up.port, **BEDROCK, media=media.port)) as home,
    ):
        strict = home.ask(shown(link(media)).replace(b"\r\n\r\n", b"\r\nx-freehold-strict: true\r\n\r\n", 1))

    assert strict.status == 200
    assert BYTES in up.asked[0].decode()


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("127.0.0.1", "its host cannot be reached, or is none that media are fetched from"),
        ("nobody.invalid", "its host cannot be reached, or is none that media are fetched from"),
        ("169.254.169.254", "its host cannot be reached, or is none that media are fetched from"),
    ],
)
def test_what_may_not_be_fetched_is_the_callers_error_which_names_the_part_and_tells_nothing(
    tmp_path: Path, host: str, reason: str
) -> None:
    with site() as media, reply(CONVERSE) as up, house(tmp_path, settings(up.port, **BEDROCK)) as home:
        url = f"http://{host}:{media.port}/x?{SECRET}"
        content = [{"type": "image_url", "image_url": {"url": one}} for one in (INLINE, url)]
        answer = home.ask(post({"model": "seeing", "messages": [{"role": "user", "content": content}]}))
        home.idle()
        record = home.record(answer)

    assert (answer.status, answer.error["code"]) == (400, "media_not_fetched")
    assert answer.error["type"] == "invalid_request_error"
    assert answer.error["message"] == record.message == f"image 2 ({host}) cannot be fetched: {reason}"
    assert (media.asked, up.asked) == ([], [])
    assert [(call.error, call.status) for call in record.calls] == [("media_not_fetched", 0)]


TWO = """
[providers.one]
kind = "bedrock"
base_url = "http://127.0.0.1:{one}"
values = {{ region = "eu-central-1" }}
[providers.two]
{second}
base_url = "http://127.0.0.1:{two}/v1"
[deployments.first]
provider = "one"
model = "anthropic.claude-opus-4-6"
[deployments.next]
provider = "two"
model = "m"
[routes.seeing]
deployments = ["first", "next"]
ordered = true
[retry]
backoff_ms = 1
[egress]
{egress}
"""


def test_a_failed_fetch_moves_on_to_a_deployment_that_follows_links(tmp_path: Path) -> None:
    with site() as media, reply(CONVERSE) as one, reply(CHAT) as two:
        text = TWO.format(one=one.port, two=two.port, second='kind = "openai-compatible"', egress=ON)
        with house(tmp_path, text) as home:
            answer = home.ask(shown(link(media)))
            home.idle()
            record = home.record(answer)

    assert answer.status == 200
    assert (one.asked, media.asked) == ([], [])
    assert sent(two)["messages"][0]["content"][1]["image_url"]["url"] == link(media)
    assert [(call.deployment, call.error) for call in record.calls] == [("first", "media_not_fetched"), ("next", None)]


def test_what_was_fetched_for_one_deployment_is_there_for_the_next_in_another_dialect(tmp_path: Path) -> None:
    with site() as media, Upstream(always(sized(b"{}", "connection: close", status=500))) as one, reply(OLLAMA) as two:
        private = f'{ON}private = ["127.0.0.1:{media.port}"]'
        second = 'kind = "openai-compatible"\ndialect = "ollama-chat"'
        with house(tmp_path, TWO.format(one=one.port, two=two.port, second=second, egress=private)) as home:
            answer = home.ask(shown(link(media)))
            notes = told(home, answer)

    assert answer.json["choices"][0]["message"]["content"] == "seen"
    assert BYTES in one.asked[0].decode()
    assert sent(two)["messages"][0]["images"] == [BYTES]
    assert len(media.asked) == 1
    assert notes == [f"fetched: image 1 from 127.0.0.1 ({len(PNG)} bytes)"]


def test_what_could_not_be_fetched_is_not_tried_again_for_the_next_deployment(tmp_path: Path) -> None:
    gone = b"HTTP/1.1 404 Gone\r\ncontent-length: 0\r\n\r\n"
    with Upstream(always(gone)) as media, reply(CONVERSE) as one, reply(OLLAMA) as two:
        private = f'{ON}private = ["127.0.0.1:{media.port}"]'
        second = 'kind = "openai-compatible"\ndialect = "ollama-chat"'
        with house(tmp_path, TWO.format(one=one.port, two=two.port, second=second, egress=private)) as home:
            answer = home.ask(shown(link(media)))
            home.idle()
            record = home.record(answer)

    assert answer.status == 400
    assert answer.error["message"].endswith("its server answers with the status 404")
    assert len(media.asked) == 1
    assert [call.error for call in record.calls] == ["media_not_fetched"] * 2


def test_a_caller_that_leaves_stops_the_fetch_and_others_are_served_meanwhile(tmp_path: Path) -> None:
    arrived = threading.Event()

    def silent(_: int) -> list[bytes | threading.Event]:
        arrived.set()
        return [LEAVE]

    patient = BEDROCK | {"egress": f"{ON}timeout_seconds = 1000\n"}
    with Upstream(silent) as media, seeing(tmp_path, media, CONVERSE, **patient) as (home, up):
        with home.caller() as caller:
            caller.say(shown(link(media)))
            assert arrived.wait(SOON)
            other = home.ask(post({"model": "seeing", "messages": [{"role": "user", "content": "hi"}]}))
            assert not media.left.is_set()
        assert media.left.wait(SOON)
        home.idle()
        records = home.records()

    assert other.status == 200
    assert len(up.asked) == 1
    assert sorted((r.outcome, len(r.calls)) for r in records) == [("answered", 1), ("cancelled", 1)]


def test_nothing_that_is_written_down_holds_the_query_of_a_url(tmp_path: Path) -> None:
    with (
        site() as media,
        reply(CONVERSE) as up,
        house(tmp_path, settings(up.port, **BEDROCK, media=media.port)) as home,
    ):
        good = home.ask(shown(link(media)))
        bad = home.ask(shown(f"http://10.0.0.1/x?{SECRET}"))
        home.idle()
        kept = b"".join(p.read_bytes() for p in (tmp_path / "data").rglob("*") if p.is_file())

    assert (good.status, bad.status) == (200, 400)
    assert b"fetched: image 1 from 127.0.0.1" in kept
    assert SECRET.encode() not in kept + bytes(bad.body) + str(good.headers).encode()


def test_a_stream_begins_when_its_media_are_there(tmp_path: Path) -> None:
    line = {**OLLAMA, "message": {"role": "assistant", "content": "seen"}}
    body = json.dumps(line).encode() + b"\n"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n"
    with site() as media, Upstream(always(head + body)) as up:
        text = settings(up.port, kind="openai-compatible", model="m", dialect="ollama-chat", media=media.port)
        with house(tmp_path, text) as home:
            answer = home.ask(shown(link(media), stream=True))

    assert answer.text == "seen"
    assert sent(up)["messages"][0]["images"] == [BYTES]
