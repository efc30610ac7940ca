"""An engine in a process of its own: started when asked, watched, started again when it crashes, unloaded when idle."""

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from freehold.core.errors import (
    Draining,
    FreeholdError,
    Overloaded,
    ProviderError,
    SettingsWrong,
    TimedOut,
    Unreachable,
)
from freehold.runtime.engines import talk
from freehold.runtime.engines.engine import MIB, EngineLimits, memory_free, memory_held

POLL = 0.1
STEADY = 60.0
"""Seconds after which an engine that crashes has not crashed at once."""

LOG_KEPT = 10 * MIB
Room = Callable[["ProcessEngine", int], Awaitable[None]]
"""Makes room for so many bytes, or raises Overloaded: `Fleet.room`."""


class Launch(Struct, frozen=True, kw_only=True):
    """A command and what it finds in its environment beside ours."""

    command: tuple[str, ...]
    env: Mapping[str, str] = {}


class Recipe(Protocol):
    """How one kind of engine is started for one model. `model`: what the engine calls it; `need`: bytes, estimated."""

    @property
    def model(self) -> str: ...

    @property
    def need(self) -> int: ...

    def missing(self) -> str | None:
        """What has to be installed first, and how."""
        ...

    def launch(self, port: int) -> Launch:
        """Serve on this port of 127.0.0.1; `/health` answers 200 when the weights are loaded."""
        ...


class ProcessEngine:
    """An `Engine`. What it says goes to `log`; the last run's before it to the same name with '.1'."""

    def __init__(
        self, recipe: Recipe, *, log: Path, limits: EngineLimits | None = None, room: Room | None = None
    ) -> None:
        self.recipe = recipe
        self.limits = limits or EngineLimits()
        self.log = log
        self.used_at = 0.0
        self.crashes = 0
        self._row = 0  # crashes one soon after the other
        self._room = room
        self._url: str | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._starting: asyncio.Task[str] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._uses = 0
        self._idle: asyncio.TimerHandle | None = None
        self._ending = False
        self._closed = False

    @property
    def model(self) -> str:
        return self.recipe.model

    @property
    def loaded(self) -> bool:
        return self._process is not None

    @property
    def starting(self) -> bool:
        return self._starting is not None

    @property
    def busy(self) -> bool:
        return self._uses > 0 or self.starting

    @property
    def pid(self) -> int | None:
        """The process that watches over the engine's."""
        return None if self._process is None else self._process.pid

    async def ensure_ready(self) -> str:
        if self._closed:
            raise Draining(f"The engine of '{self.model}' has been ended")
        self._touch()
        if self._url is not None:
            return self._url
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(self._started)
        return await asyncio.shield(self._starting)

    @contextlib.contextmanager
    def using(self) -> Generator[None]:
        self._uses += 1
        self._touch()
        try:
            yield
        finally:
            self._uses -= 1
            self._touch()

    async def unload(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        process, self._url = self._process, None
        if process is None:
            return
        self._ending = True
        if process.stdin is not None:
            process.stdin.close()  # its guard ends it
        try:
            await asyncio.wait_for(process.wait(), self.limits.grace + 5)
        except TimeoutError:
            process.kill()
            await process.wait()
        if self._watching is not None:
            await self._watching
        self._ending = False

    async def close(self) -> None:
        self._closed = True
        await self.unload()
        if self._idle is not None:
            self._idle.cancel()

    def tail(self, lines: int = 20) -> str:
        """The last that the engine said."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    # starting

    def _started(self, task: "asyncio.Task[str]") -> None:
        self._starting = None
        if not task.cancelled():
            task.exception()  # whoever waited has it; after a crash nobody may be waiting

    async def _start(self) -> str:
        missing = self.recipe.missing()
        if missing is not None:
            raise SettingsWrong(f"'{self.model}' cannot be served: {missing}")
        await self._fit()
        for attempt in range(self.limits.restarts + 1):
            try:
                return await self._launch()
            except Unreachable:
                if attempt == self.limits.restarts:
                    raise
                await asyncio.sleep(self.limits.backoff * 2**attempt)
        raise AssertionError  # the last attempt returns or raises

    async def _fit(self) -> None:
        need, most = self.recipe.need, self.limits.memory
        if most is not None and need > most:
            raise Overloaded(f"'{self.model}' needs about {need // MIB} MiB, its bound is {most // MIB} MiB")
        if self._room is not None:
            await self._room(self, need)
        free = memory_free()
        if free is not None and need > free:
            raise Overloaded(f"'{self.model}' needs about {need // MIB} MiB, {free // MIB} MiB of memory are free")

    async def _launch(self) -> str:
        port = _free_port()
        launch = self.recipe.launch(port)
        self._rotate()
        guard = (sys.executable, "-m", "freehold.runtime.engines.guard", str(self.limits.grace), *launch.command)
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *guard, stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log, env={**os.environ, **launch.env}
            )
        self._process = process
        base = f"http://127.0.0.1:{port}"
        try:
            await asyncio.wait_for(self._healthy(process, base), self.limits.start)
        except BaseException as error:
            await self._give_up(process)
            if isinstance(error, TimeoutError):
                raise TimedOut(
                    f"'{self.model}' was not loaded within {self.limits.start:g} s; see {self.log}"
                ) from None
            raise
        self._url = f"{base}/v1"
        self._watching = asyncio.create_task(self._watch(process))
        self._touch()
        return self._url

    async def _healthy(self, process: asyncio.subprocess.Process, base: str) -> None:
        ended = asyncio.create_task(process.wait())
        try:
            while not ended.done():
                with contextlib.suppress(ProviderError):
                    status, _ = await talk.ask("GET", f"{base}/health", seconds=5)
                    if status == 200:
                        return
                await asyncio.wait([ended], timeout=POLL)
        finally:
            ended.cancel()
        said = self.tail(1) or "it said nothing"
        raise Unreachable(f"'{self.model}' ended while it was loaded ({process.returncode}): {said}; see {self.log}")

    async def _give_up(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()
        self._process = None

    def _rotate(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_KEPT:
            self.log.replace(self.log.with_name(self.log.name + ".1"))

    # running

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Until it ends: keep it within its memory, and start it again where nobody ended it."""
        begun, ended, most = time.monotonic(), asyncio.create_task(process.wait()), self.limits.memory
        while not ended.done():
            await asyncio.wait([ended], timeout=self.limits.look)
            if not ended.done() and most is not None and (held := memory_held(process.pid)) > most:
                self._note(f"holds {held // MIB} MiB, more than its bound of {most // MIB} MiB: ended")
                if process.stdin is not None:
                    process.stdin.close()
        self._process = self._url = None
        if self._ending or self._closed:
            return
        self.crashes += 1
        self._row = 1 if time.monotonic() - begun > STEADY else self._row + 1
        again = self._row <= self.limits.restarts
        self._note(
            f"ended by itself ({process.returncode}): {'started again' if again else 'left until it is asked for'}"
        )
        if again and self._starting is None:
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(self._started)

    def _note(self, text: str) -> None:
        with self.log.open("a") as log:
            log.write(f"freehold: {self.model} {text}\n")

    def _touch(self) -> None:
        """Somebody needs it now: it is idle from here on."""
        self.used_at = time.monotonic()
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self.limits.idle, self._unused)

    def _unused(self) -> None:
        if self.busy:
            self._touch()
        else:
            self._unloading = asyncio.create_task(self.unload())


class Fleet:
    """Engines that share the memory of one machine: who was not used for longest makes room."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._engines: list[ProcessEngine] = []
        self._granted: set[ProcessEngine] = set()
        self._one = asyncio.Lock()

    def add(self, recipe: Recipe, *, log: Path, limits: EngineLimits | None = None) -> ProcessEngine:
        engine = ProcessEngine(recipe, log=log, limits=limits, room=self.room)
        self._engines.append(engine)
        return engine

    async def room(self, engine: ProcessEngine, need: int) -> None:
        """Unload others until `need` bytes fit; Overloaded where those in use leave too little."""
        async with self._one:
            self._granted = {e for e in self._granted if e.starting and e is not engine}
            while (held := self._held(engine)) + need > self._memory:
                spare = [e for e in self._engines if e.loaded and not e.busy and e is not engine]
                if not spare:
                    left = f"{max(0, self._memory - held) // MIB} MiB are left by engines in use"
                    raise Overloaded(f"'{engine.model}' needs about {need // MIB} MiB, {left}")
                await min(spare, key=lambda e: e.used_at).unload()
            self._granted.add(engine)

    def _held(self, beside: ProcessEngine) -> int:
        """Bytes of the others: of those that are loaded, and of those that have been granted room and load now."""
        return sum(e.recipe.need for e in self._engines if e is not beside and (e.loaded or e in self._granted))

    async def close(self) -> None:
        errors = await asyncio.gather(*(e.close() for e in self._engines), return_exceptions=True)
        for error in errors:
            if isinstance(error, BaseException) and not isinstance(error, FreeholdError):
                raise error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
