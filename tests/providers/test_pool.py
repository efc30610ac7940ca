"""The pool of connections: what it makes of servers that are slow, gone, hostile or merely old-fashioned."""

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from ipaddress import ip_address
from pathlib import Path

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from upstream_world import LOOPS, SOON, Caller, Heard, RawServer, answering, ask, raw_server, sized

from freehold.core.errors import Broken, Internal, Overloaded, TimedOut, Unreachable
from freehold.providers.connection import PoolLimits
from freehold.providers.pool import Pool
from freehold.providers.simulated.serving import serve
from freehold.providers.simulated.simulation import Simulation
from freehold.providers.simulated.upstream import Simulated

pytestmark = pytest.mark.anyio

Pooled = Callable[..., Pool]


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture
async def pooled() -> AsyncGenerator[Pooled]:
    pools: list[Pool] = []

    def made(url: str, tls: ssl.SSLContext | None = None, **limits: float) -> Pool:
        pool = Pool(url, name="acme", limits=PoolLimits(**limits), tls=tls)  # type: ignore[arg-type]
        pools.append(pool)
        return pool

    yield made
    for pool in pools:
        await pool.close()


def nobody() -> str:
    """An address on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}"


# connecting


async def test_a_request_is_sent_as_it_should_be_written(pooled: Pooled) -> None:
    heads: list[bytes] = []

    async def handle(caller: Caller, server: RawServer) -> None:
        heads.append(await caller.read(4096))
        await caller.say(sized(b"ok"))

    async with raw_server(handle) as server:
        pool = pooled(server.url)
        heard = Heard()
        pool.send("/chat/completions?v=1", (("x-a", "1"), ("authorization", "Bearer k")), b'{"a":"\xc3\xa9"}', heard)
        await heard.end()

    host = server.url.removeprefix("http://").removesuffix("/v1")
    assert heads == [
        f"POST /v1/chat/completions?v=1 HTTP/1.1\r\nhost: {host}\r\nx-a: 1\r\nauthorization: Bearer k\r\n"
        'content-length: 10\r\n\r\n{"a":"é"}'.encode()
    ]


async def test_a_refused_connection_is_unreachable(pooled: Pooled) -> None:
    url = nobody()

    heard = await Heard().send(pooled(url)).end()

    assert heard.calls == ["failed"]
    assert isinstance(heard.error, Unreachable)
    assert heard.error.message.startswith(f"acme cannot be reached at {url.removeprefix('http://')}: ")


async def test_a_name_that_cannot_exist_is_unreachable(pooled: Pooled) -> None:
    heard = await Heard().send(pooled("http://a..b")).end()

    assert isinstance(heard.error, Unreachable)


@pytest.mark.parametrize("url", ["ftp://a", "localhost:80", "http://"])
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not an http"):
        Pool(url, name="acme", limits=PoolLimits())


async def test_a_connection_that_takes_too_long_times_out(pooled: Pooled) -> None:
    async def silent(caller: Caller, server: RawServer) -> None:
        await caller.closed()

    async with raw_server(silent) as server:
        heard = await Heard().send(pooled(server.url.replace("http:", "https:"), connect=0.05)).end()

    assert isinstance(heard.error, TimedOut)
    assert heard.error.message == "No connection to acme within 0.05 s"


# using connections again


async def test_one_connection_serves_one_request_after_the_other(pooled: Pooled) -> None:
    serving = await serve(Simulated(Simulation(name="sim")), "127.0.0.1", 0)
    pool = pooled(serving.url)

    for n in range(5):
        assert (await Heard().send(pool, ask(str(n), stream=n % 2 == 0)).end()).order == ["head", "data", "done"]

    assert serving.accepted == 1
    await pool.close()
    await serving.close()


@pytest.mark.parametrize("headers", [b"connection: close\r\n", b""], ids=["says close", "HTTP/1.0"])
async def test_a_connection_that_will_close_is_not_used_again(pooled: Pooled, headers: bytes) -> None:
    version = b"1.1" if headers else b"1.0"
    answer = b"HTTP/%b 200 OK\r\n%bcontent-length: 2\r\n\r\nok" % (version, headers)
    async with raw_server(answering(answer)) as server:
        pool = pooled(server.url)
        for _ in range(3):
            assert (await Heard().send(pool).end()).body == b"ok"

        assert server.accepted == 3


async def test_a_request_on_a_connection_that_had_died_is_sent_again_unnoticed(pooled: Pooled) -> None:
    async def handle(caller: Caller, server: RawServer) -> None:
        while (body := await caller.request()) is not None:
            server.requests.append(body)
            if caller.number == 1 and len(server.requests) == 2:
                return
            await caller.say(sized(b"ok"))

    async with raw_server(handle) as server:
        pool = pooled(server.url)
        await Heard().send(pool, b"one").end()
        heard = await Heard().send(pool, b"two").end()

        assert (heard.order, heard.body) == (["head", "data", "done"], b"ok")
        assert (server.requests, server.accepted) == ([b"one", b"two", b"two"], 2)


async def test_a_request_is_sent_again_once_only(pooled: Pooled) -> None:
    async def handle(caller: Caller, server: RawServer) -> None:
        """Every connection answers its first two requests together, then hangs up on each further one."""
        while (body := await caller.request()) is not None:
            server.requests.append(body)
            if len(server.requests) > 2:
                return
            await both.wait() if len(server.requests) == 1 else both.set()
            await caller.say(sized(b"ok"))

    both = asyncio.Event()
    async with raw_server(handle) as server:
        pool = pooled(server.url)
        first, second = Heard().send(pool, b"one"), Heard().send(pool, b"two")
        await first.end()
        await second.end()  # two idle connections, and both will turn out to be dead
        heard = await Heard().send(pool, b"three").end()

        assert isinstance(heard.error, Unreachable)
        assert server.requests.count(b"three") == 2


async def test_a_server_that_closes_without_an_answer_is_unreachable(pooled: Pooled) -> None:
    async def handle(caller: Caller, server: RawServer) -> None:
        await caller.request()

    async with raw_server(handle) as server:
        heard = await Heard().send(pooled(server.url)).end()

        assert isinstance(heard.error, Unreachable)
        assert server.accepted == 1


async def test_an_idle_connection_that_says_something_is_not_used_again(pooled: Pooled) -> None:
    speak, closed = asyncio.Event(), asyncio.Event()

    async def handle(caller: Caller, server: RawServer) -> None:
        await caller.request()
        await caller.say(sized(b"ok"))
        if caller.number == 1:
            await speak.wait()
            await caller.say(sized(b"for somebody else"))
            await caller.closed()
            closed.set()

    async with raw_server(handle) as server:
        pool = pooled(server.url)
        await Heard().send(pool).end()
        speak.set()
        with anyio.fail_after(SOON):
            await closed.wait()
        heard = await Heard().send(pool).end()

        assert (heard.body, server.accepted) == (b"ok", 2)


@pytest.mark.parametrize("more", [sized(b"for somebody else"), b"H", b"HTTP/1.1 200", b"garbage", b"\x00\x01"])
async def test_what_comes_behind_an_answer_never_reaches_the_next_request(pooled: Pooled, more: bytes) -> None:
    async with raw_server(answering(sized(b"first") + more, sized(b"second"))) as server:
        pool = pooled(server.url)
        second = Heard()

        def react(heard: Heard, call: str) -> None:
            if call == "done":
                second.send(pool)

        first = await Heard(react).send(pool).end()
        await second.end()

        assert (first.order, first.body) == (["head", "data", "done"], b"first")
        assert (second.order, second.body) == (["head", "data", "done"], b"second")
        assert server.accepted == 2


async def test_an_unused_connection_is_closed_after_a_while(pooled: Pooled) -> None:
    closed = asyncio.Event()

    async def handle(caller: Caller, server: RawServer) -> None:
        await caller.request()
        await caller.say(sized(b"ok"))
        await caller.closed()
        closed.set()

    async with raw_server(handle) as server:
        await Heard().send(pooled(server.url, keep=0.01)).end()
        with anyio.fail_after(SOON):
            await closed.wait()


# limits


async def test_requests_beyond_the_limit_of_connections_wait_for_a_free_one(pooled: Pooled) -> None:
    serving = await serve(Simulated(Simulation(name="sim", ttft_ms=1)), "127.0.0.1", 0)
    pool = pooled(serving.url, connections=2)

    all_heard = [Heard().send(pool, ask(str(n))) for n in range(20)]
    for heard in all_heard:
        await heard.end()

    assert [heard.order for heard in all_heard] == [["head", "data", "done"]] * 20
    assert serving.accepted == 2
    await pool.close()
    await serving.close()


async def test_requests_that_would_wait_behind_too_many_others_are_refused(pooled: Pooled) -> None:
    async with raw_server(answering(sized(b"ok"))) as server:
        pool = pooled(server.url, connections=1, waiting=1)
        first, second, third = (Heard().send(pool) for _ in range(3))

        assert (await third.end()).calls == ["failed"]
        assert isinstance(third.error, Overloaded)
        assert third.error.message == "All 1 connections to acme are busy; raise its max_connections"
        assert [(await heard.end()).body for heard in (first, second)] == [b"ok", b"ok"]


async def test_those_who_wait_try_themselves_when_a_connection_could_not_be_made(pooled: Pooled) -> None:
    pool = pooled(nobody(), connections=1)

    all_heard = [Heard().send(pool) for _ in range(3)]

    for heard in all_heard:
        assert isinstance((await heard.end()).error, Unreachable)


async def test_those_who_wait_get_the_place_of_one_who_left_while_connecting(pooled: Pooled) -> None:
    async with raw_server(answering(sized(b"ok"))) as server:
        pool = pooled(server.url, connections=1)
        first = Heard().send(pool)
        second, third = Heard().send(pool), Heard().send(pool)
        assert first.sending is not None
        assert second.sending is not None
        first.sending.cancel()
        second.sending.cancel()

        assert (await third.end()).body == b"ok"
        assert (first.calls, second.calls) == ([], [])


async def test_who_waits_gets_the_connection_of_an_answer_that_was_paused(pooled: Pooled) -> None:
    async with raw_server(answering(sized(b"ok"))) as server:
        pool = pooled(server.url, connections=1)

        def pause(heard: Heard, call: str) -> None:
            if call == "data":
                assert heard.sending is not None
                heard.sending.pause()

        first, second = Heard(pause).send(pool), Heard().send(pool)

        assert (await first.end()).body == b"ok"
        assert (await second.end()).body == b"ok"
        assert server.accepted == 1


# time


async def test_a_server_that_does_not_begin_times_out(pooled: Pooled) -> None:
    async def handle(caller: Caller, server: RawServer) -> None:
        await caller.request()
        await caller.closed()
        closed.set()

    closed = asyncio.Event()
    async with raw_server(handle) as server:
        pool = pooled(server.url, first_byte=0.05)
        heard = await Heard().send(pool).end()

        assert isinstance(heard.error, TimedOut)
        assert heard.error.message == "acme did not begin to answer within 0.05 s"
        with anyio.fail_after(SOON):
            await closed.wait()


async def test_a_server_that_stops_in_the_middle_times_out(pooled: Pooled) -> None:
    async def handle(caller: Caller, server: RawServer) -> None:
        await caller.request()
        await caller.say(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        await caller.closed()

    async with raw_server(handle) as server:
        heard = await Heard().send(pooled(server.url, idle=0.05)).end()

        assert (heard.order, heard.body) == (["head", "data", "failed"], b"half")
        assert isinstance(heard.error, TimedOut)
        assert heard.error.message == "acme sent nothing for 0.05 s in the middle of its answer"


async def test_an_answer_that_the_caller_paused_does_not_time_out(pooled: Pooled) -> None:
    go_on = asyncio.Event()

    async def handle(caller: Caller, server: RawServer) -> None:
        await caller.request()
        await caller.say(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n")
        if caller.number == 1:
            await go_on.wait()
            await caller.say(b"done")
        await caller.closed()

    def pause(heard: Heard, call: str) -> None:
        assert heard.sending is not None
        heard.sending.pause() if call == "head" else None

    async with raw_server(handle) as server:
        pool = pooled(server.url, idle=0.05)
        paused = Heard(pause)
        await paused.send(pool).until(lambda: bool(paused.calls))
        other = await Heard().send(pool).end()
        assert isinstance(other.error, TimedOut)
        assert paused.calls == ["head"]

        assert paused.sending is not None
        paused.sending.resume()
        go_on.set()
        assert (await paused.end()).body == b"done"


# flow


async def test_a_paused_answer_stalls_the_server(pooled: Pooled) -> None:
    piece, pieces = b"x" * 65536, 1024
    sent = 0
    stalled = asyncio.Event()

    async def handle(caller: Caller, server: RawServer) -> None:
        nonlocal sent
        await caller.request()
        await caller.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (len(piece) * pieces))
        for _ in range(pieces):
            sent += 1
            if caller.transport.get_write_buffer_size() > 0:
                stalled.set()
            await caller.say(piece)

    def pause(heard: Heard, call: str) -> None:
        assert heard.sending is not None
        heard.sending.pause() if call == "head" else None

    async with raw_server(handle) as server:
        heard = Heard(pause)
        await heard.send(pooled(server.url)).until(lambda: bool(heard.calls))
        with anyio.fail_after(SOON):
            await stalled.wait()
        stopped = sent
        assert stopped < pieces / 2
        assert not heard.over

        assert heard.sending is not None
        heard.sending.resume()
        await heard.end()

        assert (heard.order, len(heard.body)) == (["head", "data", "done"], len(piece) * pieces)


async def test_cancelling_closes_the_connection_to_the_server(pooled: Pooled) -> None:
    closed = asyncio.Event()

    async def handle(caller: Caller, server: RawServer) -> None:
        await caller.request()
        await caller.say(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        await caller.closed()
        closed.set()

    async with raw_server(handle) as server:
        heard = Heard()
        await heard.send(pooled(server.url)).until(lambda: bool(heard.pieces))
        assert heard.sending is not None
        heard.sending.cancel()
        with anyio.fail_after(SOON):
            await closed.wait()
        assert heard.calls == ["head", "data"]


async def test_an_answer_before_the_request_was_taken_is_heard_and_its_connection_not_used_again(
    pooled: Pooled,
) -> None:
    async def handle(caller: Caller, server: RawServer) -> None:
        await caller.read(1000)
        await caller.say(sized(b"too large").replace(b"200 OK", b"413 Content Too Large"))
        await asyncio.Event().wait()

    async with raw_server(handle) as server:
        pool = pooled(server.url)
        for _ in range(2):
            heard = await Heard().send(pool, b"x" * 32 * 1024 * 1024).end()
            assert (heard.status, heard.body) == (413, b"too large")

        assert server.accepted == 2


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


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1, signed by itself, and its key: one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "freehold test")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(signed.public_bytes(pem) + private)
    return path


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


async def test_answers_come_over_tls_too(pooled: Pooled, certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=certificate)
    large = b"x" * 1024 * 1024

    async with raw_server(answering(sized(b"ok"), sized(large)), tls=server_tls(certificate)) as server:
        pool = pooled(server.url, tls=trusting)
        assert (await Heard().send(pool, large).end()).body == b"ok"
        assert (await Heard().send(pool).end()).body == large

        assert (server.requests, server.accepted) == ([large, b"{}"], 1)
        await pool.close()


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(pooled: Pooled, certificate: Path) -> None:
    async with raw_server(answering(sized(b"ok")), tls=server_tls(certificate)) as server:
        heard = await Heard().send(pooled(server.url)).end()

    assert isinstance(heard.error, Unreachable)
    assert "certificate verify failed" in heard.error.message.lower()


# closing


async def test_what_is_sent_after_closing_goes_out_on_a_connection_of_its_own(pooled: Pooled) -> None:
    async with raw_server(answering(sized(b"ok"))) as server:
        pool = pooled(server.url)
        await Heard().send(pool).end()
        await pool.close()

        assert [(await Heard().send(pool).end()).body for _ in range(2)] == [b"ok", b"ok"]
        assert server.accepted == 3


async def test_an_answer_still_times_out_after_closing(pooled: Pooled) -> None:
    async def handle(caller: Caller, server: RawServer) -> None:
        await caller.request()
        await caller.closed()

    async with raw_server(handle) as server:
        pool = pooled(server.url, first_byte=0.05)
        heard = Heard().send(pool)
        await pool.close()

        assert isinstance((await heard.end()).error, TimedOut)
