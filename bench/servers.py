"""What stands in the bench, each a real process: the mock upstream, the naive proxy, Freehold with everything on."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from bench.machine import Cores, free_port, process, wait_ready
from bench.native import program

SETTINGS = """
[data]
folder = "{folder}"

[discovery]
environment = false
local = false

[providers.mock]
base_url = "http://127.0.0.1:{port}/v1"

[providers.spare] # the same place by another name and dearer, so that there is something to decide
base_url = "http://127.0.0.1:{port}/v1"
"""
DEPLOYMENT = """
[deployments.{provider}-{model}]
provider = "{provider}"
model = "{model}"
price = {{ input = "{input}", output = "{output}" }}
context_window = 1000000
max_output_tokens = 16384
"""
MODELS = ("mock-1", "mock-100k", "mock-1m")
KEY = (
    *("--route", "mock-*", "--model", "mock-*", "--budget", "1000000", "--period", "month"),
    *("--requests-per-minute", "10000000", "--tokens-per-minute", "10000000000"),
)
"""Everything that a key can have: scopes, both rates and a budget, so high that they are counted and never refuse."""


class Target(Struct, frozen=True, kw_only=True):
    """Something that answers chat completions. `pid` is watched; `ready`: seconds from its start."""

    name: str
    port: int
    pid: int
    headers: tuple[str, ...] = ()
    ready: float = 0.0


class Site(Struct, frozen=True, kw_only=True):
    """Where the processes run. `folder` takes settings, data and what they print."""

    cores: Cores
    folder: Path
    upstream: Target

    @contextmanager
    def naive(self) -> Generator[Target]:
        port, log = free_port(), self.folder / "naive.log"
        env = os.environ | {"BENCH_UPSTREAM": f"http://127.0.0.1:{self.upstream.port}"}
        words = ("bench.naive:app", "--port", str(port), "--no-access-log", "--log-level", "warning")
        with process((sys.executable, "-m", "uvicorn", *words), core=self.cores.measured, log=log, env=env) as running:
            wait_ready(running, port, path=None, log=log)
            yield Target(name="naive", port=port, pid=running.pid)

    def prepare(self, name: str, *, key: bool = True) -> "Home":
        """Settings with a data folder of their own; with a key in it, unless it is to be new."""
        folder = self.folder / name
        folder.mkdir()
        settings = folder / "freehold.toml"
        text = SETTINGS.format(folder=folder / "data", port=self.upstream.port)
        for provider, prices in {"mock": ("0.15", "0.60"), "spare": ("0.30", "1.20")}.items():
            for model in MODELS:
                text += DEPLOYMENT.format(provider=provider, model=model, input=prices[0], output=prices[1])
        settings.write_text(text)
        return Home(settings=settings, key=_key(settings) if key else "", log=folder / "freehold.log")

    @contextmanager
    def freehold(self, home: "Home") -> Generator[Target]:
        """`freehold up`, as anybody would start it."""
        port = free_port()
        command = (*FREEHOLD, "up", "--settings", str(home.settings), "--port", str(port))
        begun = time.monotonic()
        with process(command, core=self.cores.measured, log=home.log) as running:
            ready = wait_ready(running, port, path="/readyz", log=home.log) - begun
            bearer = f"Authorization: Bearer {home.key}"
            yield Target(name="freehold", port=port, pid=running.pid, headers=(bearer,), ready=ready)


class Home(Struct, frozen=True, kw_only=True):
    """What `Site.freehold` starts from."""

    settings: Path
    key: str
    log: Path


def _key(settings: Path) -> str:
    command = (*FREEHOLD, "keys", "create", "bench", *KEY, "--settings", str(settings), "--json")
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["secret"]


FREEHOLD = (sys.executable, "-m", "freehold")


@contextmanager
def site(folder: Path, *, chunks: int, interval_ms: int) -> Generator[Site]:
    """The place, with its upstream, whose streams have `chunks` chunks, one each `interval_ms`."""
    cores, port, log = Cores.of_this_machine(), free_port(), folder / "upstream.log"
    words = ("--port", str(port), "--chunks", str(chunks), "--interval-ms", str(interval_ms))
    with process((program("upstream"), *words), core=cores.around, log=log) as running:
        wait_ready(running, port, path=None, log=log)
        yield Site(cores=cores, folder=folder, upstream=Target(name="direct", port=port, pid=running.pid))
