"""The pool of connections: made, used again, closed, and what it makes of servers that are gone."""

import asyncio
import datetime
import ssl
from ipaddress import ip_address
from pathlib import Path

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from upstream_world import LOOPS, SOON, Caller, Heard, Pooled, RawServer, answering, ask, nobody, raw_server, sized

from freehold.core.errors import TimedOut, Unreachable
from freehold.providers.connection import PoolLimits
from freehold.providers.pool import Pool
from freehold.providers.simulated.serving import serve
from freehold.providers.simulated.simulation import Simulation
from freehold.providers.simulated.upstream import Simulated

pytestmark = pytest.mark.anyio


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


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
