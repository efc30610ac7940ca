"""The pool of connections: how many, for how long, and who waits for whom."""

import asyncio

import anyio
import pytest
from upstream_world import LOOPS, SOON, Caller, Heard, Pooled, RawServer, answering, ask, nobody, raw_server, sized

from freehold.core.errors import Overloaded, TimedOut, Unreachable
from freehold.providers.simulated.serving import serve
from freehold.providers.simulated.simulation import Simulation
from freehold.providers.simulated.upstream import Simulated

pytestmark = pytest.mark.anyio


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


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
