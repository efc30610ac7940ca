"""The front door with TLS: answers, streams, and callers that do not speak it."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from gateway_world import HI, SIM, Caller, House, chat, get, house, post


@pytest.fixture
def home(tmp_path: Path, certificate_file: Path) -> Iterator[House]:
    settings = f'{SIM}\n[server]\ntls_cert = "{certificate_file}"\ntls_key = "{certificate_file}"\n'
    with house(tmp_path, settings) as made:
        yield made


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def caller(home: House) -> Caller:
    made = Caller(home.address)
    made.socket = trusting().wrap_socket(made.socket)
    return made


def test_the_address_says_https_and_the_sdk_chats_and_streams(home: House) -> None:
    assert home.started.url.startswith("https://127.0.0.1:")
    http = openai.DefaultHttpxClient(verify=trusting())
    with openai.OpenAI(base_url=home.base_url, api_key="none", max_retries=0, http_client=http) as client:
        whole = client.chat.completions.create(model="auto", messages=HI)  # type: ignore[arg-type]
        stream = client.chat.completions.create(model="auto", messages=HI, stream=True)  # type: ignore[arg-type]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    assert whole.choices[0].message.content == text == "Hello there"


def test_pipelines_and_refusals_are_whole_over_tls(home: House) -> None:
    with caller(home) as one:
        answers = one.say(post(chat(stream=True)) + get("/healthz") + b"nonsense\r\n\r\n").rest()

    assert [a.status for a in answers] == [200, 200, 400]


def test_a_refusal_is_read_by_a_caller_that_is_still_sending(home: House) -> None:
    home.limit(max_body=1000)
    with caller(home) as one:
        one.say(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n", b"x" * 1500)
        assert one.answer().status == 413


@pytest.mark.parametrize("said", [get("/healthz"), b"\x16\x03\x01\xff\xff" + b"x" * 100, b""])
def test_who_speaks_no_tls_is_let_go_and_the_next_is_served(home: House, said: bytes) -> None:
    with Caller(home.address, strict=False) as plain:
        if said:
            plain.say(said).rest()
    with caller(home) as one:
        assert one.say(get("/healthz")).answer().status == 200


def test_a_handshake_that_does_not_come_is_timed_out(tmp_path: Path, certificate_file: Path) -> None:
    tls = f'tls_cert = "{certificate_file}"\ntls_key = "{certificate_file}"\n'
    quick = f"{SIM}\n[server]\nhead_seconds = 0.05\n{tls}"
    with house(tmp_path, quick) as home, Caller(home.address, strict=False) as silent:
        assert silent.rest() == []
