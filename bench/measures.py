"""What is measured: each function gives the figures of one subject.

"Per core" divides by the CPU seconds that the measured process used (all its threads, user and system), so that a busy
machine does not lower it; "wall" figures divide by the clock. Every figure is the median of several rounds, in which
direct access, the naive proxy and Freehold take turns.
"""

from collections.abc import Callable, Iterator, Sequence
from statistics import median

from msgspec import Struct

from bench.asks import Asks
from bench.figures import Figure
from bench.load import Ask, Run, load
from bench.machine import cpu_seconds, moved, resident
from bench.servers import Site, Target

CHUNKS_A_SECOND = 50
"""Of each paced stream; the upstream sends one each 20 ms."""

Told = Callable[[str], None]
"""Takes a line about what is going on."""


class Bench(Struct, frozen=True, kw_only=True):
    """What every measure works with. `seconds` for one run, of which there are `rounds`."""

    site: Site
    asks: Asks
    rounds: int
    seconds: float
    told: Told

    def fire(self, target: Target, ask: Ask, *, connections: int, rate: float = 0, ramp: float = 0) -> Run:
        settle = 0.3 if ramp == 0 else 0.5
        return load(
            target,
            ask,
            cores=self.site.cores,
            connections=connections,
            seconds=self.seconds,
            settle=settle,
            ramp=ramp,
            rate=rate,
        )

    def rates(self, targets: Sequence[Target], ask: Ask, *, connections: int, what: str) -> dict[str, "Rate"]:
        """Closed loop, in turns: requests a second of each target."""
        runs: dict[str, list[Run]] = {target.name: [] for target in targets}
        for number in range(self.rounds):
            self.told(f"{what}, {connections} connections: round {number + 1} of {self.rounds}")
            for target in targets:
                runs[target.name].append(self.fire(target, ask, connections=connections))
        return {name: Rate.of(some) for name, some in runs.items()}


class Rate(Struct, frozen=True, kw_only=True):
    """Requests a second, by the CPU time and by the clock; bytes of bodies by the CPU time; latencies in us."""

    core: float
    wall: float
    p50: float
    p99: float

    @classmethod
    def of(cls, runs: Sequence[Run]) -> "Rate":
        return cls(
            core=median(run.requests / run.cpu_seconds for run in runs),
            wall=median(run.requests / run.seconds for run in runs),
            p50=median(run.latency.p50 for run in runs),
            p99=median(run.latency.p99 for run in runs),
        )


def throughput(bench: Bench, freehold: Target, naive: Target) -> Iterator[Figure]:
    """JSON requests at 64 connections, as fast as they go."""
    found = bench.rates((bench.site.upstream, naive, freehold), bench.asks.json, connections=64, what="JSON")
    direct, slow, ours = found["direct"], found["naive"], found["freehold"]
    name = "JSON requests, 64 connections"
    yield Figure(
        name=f"{name}, per core",
        unit="1/s",
        value=ours.core,
        better="high",
        must=12_000,
        direct=direct.core,
        naive=slow.core,
    )
    yield Figure(name=f"{name}, wall", unit="1/s", value=ours.wall, better="high", direct=direct.wall, naive=slow.wall)


def latency(bench: Bench, freehold: Target, naive: Target) -> Iterator[Figure]:
    """What stands between adds: at one connection, and at 30 % of what Freehold can do.

    At one connection a request costs little but the wakings of cores that sleep. With caller and provider on one core
    the direct way has none of them, and all count as added; apart, as they are in life, it has its own.
    """
    targets = (bench.site.upstream, naive, freehold)
    alone = bench.rates(targets, bench.asks.json, connections=1, what="Latency")
    yield from _added("one connection", alone, p50=0.25, p99=None)
    with moved(bench.site.upstream.pid, bench.site.cores.measured):
        apart = bench.rates(targets, bench.asks.json, connections=1, what="Latency, provider on another core")
    yield from _added("one connection, provider apart", apart, p50=0.25, p99=None)
    most = bench.fire(freehold, bench.asks.json, connections=64)
    rate = 0.3 * most.requests / most.seconds
    paced: dict[str, list[Run]] = {"direct": [], "freehold": []}
    for number in range(bench.rounds):
        bench.told(f"Latency at {rate:,.0f} requests/s: round {number + 1} of {bench.rounds}")
        for target in (bench.site.upstream, freehold):
            paced[target.name].append(bench.fire(target, bench.asks.json, connections=64, rate=rate))
    yield from _added(f"{rate:,.0f}/s (30 %)", {name: Rate.of(some) for name, some in paced.items()}, p50=None, p99=1.0)


def _added(name: str, found: dict[str, Rate], *, p50: float | None, p99: float | None) -> Iterator[Figure]:
    direct, ours, slow = found["direct"], found["freehold"], found.get("naive")
    for quantile, must in (("p50", p50), ("p99", p99)):
        base = getattr(direct, quantile)
        yield Figure(
            name=f"Added latency, {name}, {quantile}",
            unit="ms",
            value=(getattr(ours, quantile) - base) / 1e3,
            better="low",
            must=must,
            naive=None if slow is None else (getattr(slow, quantile) - base) / 1e3,
        )


def streams(bench: Bench, freehold: Target, naive: Target) -> Iterator[Figure]:
    """Paced streams, each chunk decoded on its way; the delay of a chunk counts from when the upstream wrote it.

    What a core carries shows where about that many are offered: 800 streams. With fewer the core sleeps in between, and
    each waking counts for few chunks. Where chunks are late by more than the time between two of them they arrive
    together and are cheaper; such a run says nothing about paced ones.
    """
    slow = [_streamed(bench, naive, 40, number) for number in range(bench.rounds)]
    for count in (200, 500, 800):
        runs = [_streamed(bench, freehold, count, number) for number in range(bench.rounds)]
        name = f"SSE chunks, {count} streams"
        late = median(run.delay.p90 for run in runs) > 1e6 / CHUNKS_A_SECOND
        yield Figure(
            name=f"{name}, per core",
            unit="1/s",
            value=median(run.chunks / run.cpu_seconds for run in runs),
            better="high",
            must=40_000 if count * CHUNKS_A_SECOND >= 40_000 else None,
            naive=median(run.chunks / run.cpu_seconds for run in slow),
            doubt="not paced: the machine is busy" if late else None,
        )
        wall = median(run.chunks / run.seconds for run in runs)
        yield Figure(name=f"{name}, wall of {count * CHUNKS_A_SECOND:,} offered", unit="1/s", value=wall, better="high")
        for quantile in ("p50", "p99"):
            delay = median(getattr(run.delay, quantile) for run in runs) / 1e3
            yield Figure(name=f"{name}, delay {quantile}", unit="ms", value=delay, better="low")


def _streamed(bench: Bench, target: Target, count: int, number: int) -> Run:
    bench.told(f"Streams: {count} through {target.name}, round {number + 1} of {bench.rounds}")
    return bench.fire(target, bench.asks.stream, connections=count, ramp=1.9)


def translated(bench: Bench, freehold: Target, naive: Target) -> Iterator[Figure]:
    """Callers that speak Anthropic's Messages, over a provider that speaks OpenAI's chat completions."""
    found = bench.rates((freehold,), bench.asks.messages, connections=64, what="Messages")["freehold"]
    yield Figure(name="Messages requests, per core", unit="1/s", value=found.core, better="high", must=6_000)
    runs: list[Run] = []
    for number in range(bench.rounds):
        bench.told(f"Translated streams: round {number + 1} of {bench.rounds}")
        runs.append(bench.fire(freehold, bench.asks.messages_stream, connections=400, ramp=1.9))
    late = median(run.delay.p90 for run in runs) > 1e6 / CHUNKS_A_SECOND
    yield Figure(
        name="Messages stream chunks, 400 streams, per core",
        unit="1/s",
        value=median(run.chunks / run.cpu_seconds for run in runs),
        better="high",
        must=20_000,
        doubt="not paced: the machine is busy" if late else None,
    )
    wall = median(run.chunks / run.seconds for run in runs)
    yield Figure(name="Messages stream chunks, wall of 20,000 offered", unit="1/s", value=wall, better="high")


def bodies(bench: Bench, freehold: Target, naive: Target) -> Iterator[Figure]:
    """Large bodies, up and down: megabytes a second per core."""
    for name, ask, size in bench.asks.large:
        found = bench.rates((bench.site.upstream, naive, freehold), ask, connections=16, what=name)
        rates = {who: rate.core * size / 1e6 for who, rate in found.items()}
        yield Figure(
            name=f"{name}, per core",
            unit="MB/s",
            value=rates["freehold"],
            better="high",
            direct=rates["direct"],
            naive=rates["naive"],
        )


def memory(bench: Bench) -> Iterator[Figure]:
    """Resident memory of a fresh process: ready, after 20,000 requests, and what the next 20,000 add."""
    with bench.site.freehold(bench.site.prepare("memory")) as target:
        sizes = [resident(target.pid)]
        for turn in ("first", "next"):
            bench.told(f"Memory: the {turn} 20,000 requests")
            load(
                target,
                bench.asks.json,
                cores=bench.site.cores,
                connections=64,
                settle=0,
                requests=20_000,
            )
            sizes.append(resident(target.pid))
    ready, first, then = (size / 1e6 for size in sizes)
    yield Figure(name="Memory when ready", unit="MB", value=ready, better="low")
    yield Figure(name="Memory after 20,000 requests", unit="MB", value=first, better="low", must=80)
    yield Figure(name="Memory that the next 20,000 add", unit="MB", value=then - first, better="low", must=1.0)


def start(bench: Bench) -> Iterator[Figure]:
    """From the command to /readyz: with a new data folder, whose tables have to be made, and on what that left."""
    found: dict[str, list[tuple[float, float]]] = {"new folder": [], "again": []}
    for number in range(bench.rounds):
        bench.told(f"Cold start: {number + 1} of {bench.rounds}")
        home = bench.site.prepare(f"start-{number}", key=False)
        for times in found.values():
            with bench.site.freehold(home) as target:
                times.append((target.ready, cpu_seconds(target.pid)))
    for name, times in found.items():
        wall, cpu = (median(some) for some in zip(*times, strict=True))
        yield Figure(name=f"Start to ready, {name}, wall", unit="s", value=wall, better="low", must=2.0)
        yield Figure(name=f"Start to ready, {name}, CPU", unit="s", value=cpu, better="low")
