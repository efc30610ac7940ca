"""The contract of an upstream, kept by the simulated provider in process and by a pool of connections to it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from upstream_world import LOOPS, PATH, QUICK, Heard, ask

from freehold.core.errors import Broken, FreeholdError, TimedOut, Unreachable
from freehold.core.ports import Upstream
from freehold.providers.connection import PoolLimits
from freehold.providers.pool import Pool
from freehold.providers.simulated.serving import serve
from freehold.providers.simulated.simulation import Fault, Simulation
from freehold.providers.simulated.upstream import Simulated

pytestmark = pytest.mark.anyio

Make = Callable[..., Awaitable[Upstream]]


def simulated(limits: PoolLimits | None = None, **settings: object) -> Simulated:
    simulation = Simulation(name="sim", **settings)  # type: ignore[arg-type]
    return Simulated(simulation, clock=lambda: 1_700_000_000_000_000_000, limits=limits)


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture(params=["in process", "over a socket"])
async def make(request: pytest.FixtureRequest) -> AsyncGenerator[Make]:
    async with AsyncExitStack() as stack:

        async def made(limits: PoolLimits | None = None, **settings: object) -> Upstream:
            limits = limits or PoolLimits()
            if request.param == "in process":
                return simulated(limits, **settings)
            serving = await serve(simulated(**settings), "127.0.0.1", 0)
            stack.push_async_callback(serving.close)
            pool = Pool(serving.url, name="sim", limits=limits)
            stack.push_async_callback(pool.close)
            return pool

        yield made


@pytest.mark.parametrize("body", [ask(), ask("a longer question " * 50, stream=True)], ids=["whole", "stream"])
async def test_an_answer_is_a_head_then_data_then_done(make: Make, body: bytes) -> None:
    heard = await Heard().send(await make(), body).end()

    expected = simulated().script(PATH, body)
    assert heard.order == ["head", "data", "done"]
    assert heard.status == 200
    assert dict(heard.headers).items() >= dict(expected.headers).items()
    assert heard.body == b"".join(expected.pieces)


async def test_an_error_status_is_an_answer(make: Make) -> None:
    upstream = await make(error_rate=1, error_status=429, retry_after=1.5)

    heard = await Heard().send(upstream, ask()).end()

    assert (heard.order, heard.status, heard.headers["retry-after"]) == (["head", "data", "done"], 429, "1.5")
    assert b'"type":"rate_limit_error"' in heard.body


TALE: dict[Fault, tuple[list[str], type[FreeholdError] | None]] = {
    "status": (["head", "data", "done"], None),
    "refused": (["failed"], Unreachable),
    "timeout": (["failed"], TimedOut),
    "html": (["head", "data", "done"], None),
    "cut": (["head", "data", "failed"], Broken),
    "cut_chunk": (["head", "data", "failed"], Broken),
    "half_character": (["head", "data", "failed"], Broken),
    "stalled": (["head", "data", "failed"], TimedOut),
    "error_in_stream": (["head", "data", "done"], None),
    "malformed": (["head", "data", "done"], None),
    "wrong_type": (["head", "data", "done"], None),
    "empty": (["head", "done"], None),
    "huge_header": (["failed"], Broken),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", TALE)
async def test_a_fault_is_heard_as_it_happened_and_failure_once(make: Make, fault: Fault, stream: bool) -> None:
    body = ask("tell me about faults", stream=stream)
    upstream = await make(QUICK, error_rate=1, fault=fault)

    heard = await Heard().send(upstream, body).end()

    order, error = TALE[fault]
    assert heard.order == order
    assert type(heard.error) is (error or type(None))
    if "head" in order:
        script = simulated(error_rate=1, fault=fault).script(PATH, body)
        assert (heard.status, heard.headers["content-type"]) == (script.status, dict(script.headers)["content-type"])
        assert heard.body == b"".join(script.pieces)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_answer_that_never_ends_goes_on_until_it_is_cancelled(make: Make, stream: bool) -> None:
    upstream = await make(error_rate=1, fault="endless")
    whole = len(b"".join(simulated().script(PATH, ask(stream=stream)).pieces))
    heard = Heard()

    await heard.send(upstream, ask(stream=stream)).until(lambda: len(heard.body) > whole + 20)

    assert not heard.over
    assert heard.sending is not None
    heard.sending.cancel()


def cancel_at(wanted: str) -> Callable[[Heard, str], None]:
    def react(heard: Heard, call: str) -> None:
        if call == wanted:
            cancel(heard)

    return react


def cancel(heard: Heard) -> None:
    assert heard.sending is not None
    heard.sending.cancel()


async def test_after_cancel_nothing_is_heard(make: Make) -> None:
    upstream = await make(tokens_per_second=10_000)
    at_once = Heard().send(upstream, ask("one", stream=True))
    cancel(at_once)
    at_head = Heard(cancel_at("head")).send(upstream, ask("two", stream=True))
    at_data = Heard(cancel_at("data")).send(upstream, ask("three", stream=True))

    other = await Heard().send(upstream, ask("four " * 20, stream=True)).end()

    assert other.order == ["head", "data", "done"]
    assert (at_once.calls, at_head.calls, at_data.calls) == ([], ["head"], ["head", "data"])


async def test_a_cancelled_request_does_not_fail_later(make: Make) -> None:
    upstream = await make(QUICK, error_rate=1, fault="timeout")
    cancelled = Heard().send(upstream, ask("one"))
    cancel(cancelled)

    assert (await Heard().send(upstream, ask("two")).end()).calls == ["failed"]
    assert cancelled.calls == []


async def test_cancelling_an_answer_that_has_ended_changes_nothing(make: Make) -> None:
    upstream = await make()
    first = await Heard().send(upstream, ask("one")).end()
    second = Heard().send(upstream, ask("two"))
    assert first.sending is not None
    first.sending.cancel()
    first.sending.pause()
    first.sending.resume()
    first.sending.pause()

    await second.end()

    assert second.order == ["head", "data", "done"]
    assert (await Heard().send(upstream, ask("three")).end()).order == ["head", "data", "done"]


async def test_a_paused_answer_waits_until_it_is_resumed(make: Make) -> None:
    reply = "a long answer " * 600_000
    upstream = await make(reply=reply)

    def pause(heard: Heard, call: str) -> None:
        if call == "head":
            assert heard.sending is not None
            heard.sending.pause()

    heard = Heard(pause)
    await heard.send(upstream, ask()).until(lambda: bool(heard.calls))
    for _ in range(3):
        assert (await Heard().send(upstream, ask("short", max_tokens=1)).end()).order == ["head", "data", "done"]

    assert not heard.over
    assert len(heard.body) < 1024 * 1024
    assert heard.sending is not None
    heard.sending.resume()
    await heard.end()
    assert heard.order == ["head", "data", "done"]
    assert len(heard.body) > len(reply)


async def test_a_request_can_be_paused_before_its_answer_begins(make: Make) -> None:
    upstream = await make()
    heard = Heard().send(upstream, ask())
    assert heard.sending is not None
    heard.sending.pause()
    await Heard().send(upstream, ask("another")).end()
    assert heard.calls == []

    heard.sending.resume()

    assert (await heard.end()).order == ["head", "data", "done"]


async def test_many_answers_at_once_do_not_mix(make: Make) -> None:
    upstream = await make(tokens_per_second=20_000, jitter=0.5)

    all_heard = [Heard().send(upstream, ask(f"question {n} " * 5, stream=True)) for n in range(200)]
    for heard in all_heard:
        await heard.end()

    for n, heard in enumerate(all_heard):
        script = simulated(tokens_per_second=20_000).script(PATH, ask(f"question {n} " * 5, stream=True))
        assert (heard.order, heard.body) == (["head", "data", "done"], b"".join(script.pieces))


async def test_a_sink_may_send_again_from_its_last_call(make: Make) -> None:
    upstream = await make()
    again = Heard()

    def react(heard: Heard, call: str) -> None:
        if call == "done":
            again.send(upstream, ask("two"))

    await Heard(react).send(upstream, ask("one")).end()

    assert (await again.end()).body == b"".join(simulated().script(PATH, ask("two")).pieces)


async def test_closing_lets_answers_on_their_way_end(make: Make) -> None:
    upstream = await make(tokens_per_second=2_000)
    begun = Heard()
    await begun.send(upstream, ask("one", stream=True)).until(lambda: "data" in begun.calls)
    just_sent = Heard().send(upstream, ask("two", stream=True))

    await upstream.close()
    await upstream.close()

    assert (await begun.end()).order == ["head", "data", "done"]
    assert (await just_sent.end()).order == ["head", "data", "done"]
