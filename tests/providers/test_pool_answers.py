"""The pool of connections: what it makes of answers that are cut, odd or merely old-fashioned."""

import pytest
from upstream_world import LOOPS, Caller, Heard, Pooled, RawServer, answering, raw_server, sized

from freehold.core.errors import Broken, Internal

pytestmark = pytest.mark.anyio


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


# framing


@pytest.mark.parametrize("headers", [b"", b"connection: close\r\n", b"transfer-encoding: gzip\r\n"])
async def test_an_answer_without_a_length_ends_with_its_connection(pooled: Pooled, headers: bytes) -> None:
    async def handle(caller: Caller, server: RawServer) -> None:
        await caller.request()
        await caller.say(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\nall ", b"of it")

    async with raw_server(handle) as server:
        pool = pooled(server.url)
        for _ in range(2):
            heard = await Heard().send(pool).end()
            assert (heard.order, heard.body) == (["head", "data", "done"], b"all of it")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nhalf",
        b"HTTP/1.1 200 OK\r\ncontent-len",
    ],
)
async def test_an_answer_cut_in_the_middle_is_broken(pooled: Pooled, answer: bytes) -> None:
    async def handle(caller: Caller, server: RawServer) -> None:
        await caller.request()
        await caller.say(answer)

    async with raw_server(handle) as server:
        heard = await Heard().send(pooled(server.url)).end()

    assert heard.order == (["head", "data", "failed"] if b"half" in answer else ["failed"])
    assert isinstance(heard.error, Broken)
    assert heard.error.message == "acme closed the connection in the middle of its answer"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", "The answer of acme is not HTTP: "),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "acme switched to another"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", "The answer of acme is not HTTP: "),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "The answer of acme is not HTTP: "),
        (b"HTTP/1.1 200 OK\r\n" + b"x-a: %b\r\n\r\n" % (b"y" * 3000), "The headers of acme exceed 2000 bytes"),
        (b"HTTP/1.1 200 OK\r\nx-endless: " + b"y" * 3000, "The headers of acme exceed 2000 bytes"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 200, "The headers of acme exceed 2000 bytes"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-endless: " + b"y" * 600_000,
            "The headers of acme exceed 2000 bytes",
        ),
    ],
    ids=[
        "SSH",
        "upgrade",
        "two lengths",
        "bad chunk",
        "large head",
        "endless head",
        "interim flood",
        "endless trailer",
    ],
)
async def test_an_answer_that_is_not_http_is_broken(pooled: Pooled, answer: bytes, message: str) -> None:
    async def handle(caller: Caller, server: RawServer) -> None:
        await caller.request()
        await caller.say(*(answer[at : at + 1000] for at in range(0, len(answer), 1000)))
        await caller.closed()

    async with raw_server(handle) as server:
        heard = await Heard().send(pooled(server.url, max_head=2000)).end()

    assert heard.calls[-1:] == ["failed"]
    assert isinstance(heard.error, Broken)
    assert heard.error.message.startswith(message)


async def test_interim_answers_are_skipped(pooled: Pooled) -> None:
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\ncontent-length: 3\r\n\r\n"
    async with raw_server(answering(hints + sized(b"ok", b"x-real: yes"))) as server:
        pool = pooled(server.url)
        for _ in range(2):
            heard = await Heard().send(pool).end()
            assert (heard.order, heard.status, heard.body) == (["head", "data", "done"], 200, b"ok")
            assert heard.headers == {"x-real": "yes", "content-length": "2"}

        assert server.accepted == 1


async def test_a_trailer_is_not_taken_for_a_header_of_the_next_answer(pooled: Pooled) -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-checksum: 1\r\n\r\n"
    async with raw_server(answering(chunked, sized(b"ok"))) as server:
        pool = pooled(server.url)
        first, second = await Heard().send(pool).end(), await Heard().send(pool).end()

        assert first.headers == {"transfer-encoding": "chunked"}
        assert second.headers == {"content-length": "2"}
        assert server.accepted == 1


async def test_an_answer_without_content_is_whole_at_its_head(pooled: Pooled) -> None:
    async with raw_server(answering(b"HTTP/1.1 204 No Content\r\n\r\n", sized(b""))) as server:
        pool = pooled(server.url)

        assert [(await Heard().send(pool).end()).order for _ in range(2)] == [["head", "done"]] * 2
        assert server.accepted == 1


async def test_a_mistake_in_the_sink_is_not_blamed_on_the_provider(pooled: Pooled) -> None:
    def wrong(heard: Heard, call: str) -> None:
        if call == "data":
            raise KeyError("oops")

    async with raw_server(answering(sized(b"ok"))) as server:
        heard = await Heard(wrong).send(pooled(server.url)).end()

    assert heard.calls == ["head", "data", "failed"]
    assert isinstance(heard.error, Internal)
    assert heard.error.message == "Reading the answer of acme failed: KeyError('oops')"
