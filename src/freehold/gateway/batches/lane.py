"""The lane: works on the batches of this data folder, beside callers and behind them. One process holds each batch."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from freehold.core.batch import UNDER_WAY, Batch, Hold
from freehold.core.errors import FreeholdError
from freehold.gateway.batches.run import HELD, LOST, Desk, Run

TICK = 0.05
"""Seconds between two looks at the room that callers leave, while there is a batch."""
LOOK = 1.0
"""Seconds between two looks for batches that nobody holds."""
AT_ONCE = 16
"""Batches that are worked on at the same time."""


class Lane:
    """`holder` is this process by a name that no other bears at the same time; `home` its data folder."""

    def __init__(self, desk: Desk, *, holder: str, home: str, told: Callable[[str], None]) -> None:
        self._desk = desk
        self._holder = holder
        self._home = home
        self._told = told
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._new = asyncio.Event()
        self._working: asyncio.Task[None] | None = None
        desk.room.freed = self._wake

    async def start(self) -> None:
        """What a process of this name held before is free: it lives no more."""
        await asyncio.to_thread(self._desk.batches.release, self._holder)
        await asyncio.to_thread(self._sweep)
        self._working = asyncio.get_running_loop().create_task(self._work())

    def look(self) -> None:
        """There is a new batch."""
        self._new.set()

    def changed(self, id: str) -> None:
        """Somebody changed a batch."""
        run = self._runs.get(id)
        if run is not None:
            run.wake(fresh=True)

    async def close(self, seconds: float) -> None:
        """Send nothing more; let what was sent be answered, cut what is left after `seconds`."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        for run in self._runs.values():
            run.stop()
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=seconds)
            if left:
                for run in list(self._runs.values()):
                    run.cut()
                await asyncio.wait(left)
        with suppress(FreeholdError):
            await asyncio.to_thread(self._desk.batches.release, self._holder)

    def _wake(self) -> None:
        for run in list(self._runs.values()):
            run.wake()

    def _sweep(self) -> None:
        """Remove spools whose batch is over; its process died just then."""
        for id_ in self._desk.spools.batches():
            batch = self._desk.batches.get(id_)
            if batch is None or batch.status not in UNDER_WAY:
                self._desk.spools.remove(id_)

    async def _work(self) -> None:
        now = asyncio.get_running_loop().time
        looked = 0.0
        while True:
            if self._new.is_set() or now() >= looked + LOOK:
                self._new.clear()
                looked = now()
                await self._take()
            if not self._runs:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._new.wait(), LOOK)
                continue
            before = now()
            await asyncio.sleep(TICK)
            self._desk.room.late = now() - before - TICK
            self._wake()

    async def _take(self) -> None:
        desk, free = self._desk, AT_ONCE - len(self._runs)
        if not free:
            return
        now = desk.clock()
        try:
            taken = await asyncio.to_thread(
                desk.batches.take, self._holder, home=self._home, now=now, until=now + HELD, most=free
            )
        except FreeholdError as error:
            self._told(error.message)
            return
        for batch, hold in taken:
            if batch.id not in self._runs:
                self._begin(batch, hold)

    def _begin(self, batch: Batch, hold: Hold) -> None:
        run = self._runs[batch.id] = Run(self._desk, batch, hold)
        self._desk.room.runs = len(self._runs)
        task = asyncio.get_running_loop().create_task(self._run(run, batch.id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, run: Run, id_: str) -> None:
        """The run edge: a batch that cannot be worked on must not take the others with it."""
        try:
            await run.work()
        except LOST as error:
            self._told(error.message)
        except Exception as error:
            self._told(f"The batch {id_} is put off: {error!r}")
        finally:
            del self._runs[id_]
            self._desk.room.runs = len(self._runs)
