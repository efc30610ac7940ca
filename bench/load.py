"""One run of the load generator against a target. Every answer is checked there; a single bad one fails the bench."""

import subprocess
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.machine import Cores, on
from bench.native import program
from bench.servers import Target


class Quantiles(Struct, frozen=True):
    """Microseconds."""

    p50: float
    p90: float
    p99: float
    p999: float
    max: float


class Errors(Struct, frozen=True):
    status: int
    incomplete: int
    closed: int


class Run(Struct, frozen=True, kw_only=True):
    """What was counted after settling. `cpu_seconds`: of the watched process, all its threads."""

    seconds: float
    requests: int
    bytes: int
    chunks: int
    cpu_seconds: float
    latency_us: Quantiles | None
    chunk_delay_us: Quantiles | None
    errors: Errors
    first_bad_status: int
    first_bad_body: str

    @property
    def latency(self) -> Quantiles:
        assert self.latency_us is not None
        return self.latency_us

    @property
    def delay(self) -> Quantiles:
        assert self.chunk_delay_us is not None
        return self.chunk_delay_us


class Ask(Struct, frozen=True, kw_only=True):
    """What is asked over and over: a body, and what shows that an answer is whole.

    `expect`: text at its end; `least`: bytes that its body has at least; `events`: chunks of a stream (0: no stream).
    `path`: where it is sent.
    """

    body: Path
    path: str = "/v1/chat/completions"
    expect: str = ""
    least: int = 0
    events: int = 0


def load(
    target: Target,
    ask: Ask,
    *,
    cores: Cores,
    connections: int,
    seconds: float = 1.0,
    settle: float = 0.5,
    ramp: float = 0.0,
    requests: int = 0,
    rate: float = 0.0,
) -> Run:
    """Load `target` from the other core. SystemExit where an answer was wrong, or nothing was counted."""
    numbers = {
        "--port": target.port,
        "--connections": connections,
        "--seconds": seconds,
        "--settle": settle,
        "--ramp": ramp,
        "--requests": requests,
        "--rate": rate,
        "--events": ask.events,
        "--least-body": ask.least,
        "--watch": target.pid,
    }
    command = [str(program("load")), "--body", str(ask.body), "--expect", ask.expect, "--path", ask.path]
    for option, number in numbers.items():
        command += [option, str(number)]
    for header in target.headers:
        command += ["--header", header]
    with on(cores.around):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: the load generator failed against {target.name}: {done.stderr}")
    run = msgspec.json.decode(done.stdout, type=Run)
    errors = run.errors
    if errors.status or errors.incomplete or errors.closed:
        raise SystemExit(
            f"bench: {target.name} gave {errors.status} wrong statuses, {errors.incomplete} incomplete answers and "
            f"{errors.closed} closed connections; the first was {run.first_bad_status}: {run.first_bad_body}"
        )
    if not (run.requests or run.chunks):
        raise SystemExit(f"bench: {target.name} answered nothing in {run.seconds:.1f} s")
    return run
