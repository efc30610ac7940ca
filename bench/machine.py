"""The machine: which core does what, and processes held to one of them."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

PATIENCE = 30.0
"""Seconds for a process to be ready."""


class Cores(Struct, frozen=True):
    """One core for what is measured; another for the upstream and the load generator, where there is one."""

    measured: int
    around: int

    @classmethod
    def of_this_machine(cls) -> "Cores":
        cores = sorted(os.sched_getaffinity(0))
        return cls(cores[0], cores[-1])


@contextmanager
def on(core: int) -> Generator[None]:
    """What is started inside stays on this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def moved(process: int, core: int) -> Generator[None]:
    """A running process on another core for the length of the block."""
    before = os.sched_getaffinity(process)
    os.sched_setaffinity(process, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(process, before)


@contextmanager
def process(
    command: Sequence[str | Path], *, core: int, log: Path, env: Mapping[str, str] | None = None
) -> Generator[subprocess.Popen[bytes]]:
    """A process for the length of the block; what it prints goes to `log`."""
    with log.open("wb") as out, on(core):
        running = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env)
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_ready(running: subprocess.Popen[bytes], port: int, *, path: str | None, log: Path) -> float:
    """Look every millisecond until the port takes connections, and a GET of `path` is answered with 200.

    The moment (monotonic seconds) at which it was so.
    """
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if running.poll() is not None:
            raise SystemExit(f"bench: {running.args!r} ended at once:\n{log.read_text()}")
        if _is_ready(port, path):
            return time.monotonic()
        time.sleep(0.001)
    raise SystemExit(f"bench: {running.args!r} was not ready within {PATIENCE:.0f} s:\n{log.read_text()}")


def _is_ready(port: int, path: str | None) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with suppress(OSError, http.client.HTTPException):
        connection.connect()
        if path is None:
            return True
        connection.request("GET", path)
        return connection.getresponse().status == 200
    return False


def cpu_seconds(pid: int) -> float:
    """CPU seconds that a process used so far, user and system, to a hundredth (fields 14 and 15 of /proc/PID/stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int:
    """Bytes of memory that a process holds now (VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"bench: process {pid} says nothing of its memory")
