"""The engine: the rooms put together into a pipeline, kept up to date, and taken down in order. It serves no port: the
gateway puts a door in front of one, and a worker runs one for replays. Each has a ledger of its own, named by its node.
"""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from freehold.app.control import laid_over
from freehold.app.home import Home
from freehold.app.on_demand import on_demand
from freehold.app.world import Worlds
from freehold.core.errors import FreeholdError
from freehold.core.events import Answer
from freehold.core.ids import RandomIds
from freehold.core.interaction import Body
from freehold.flywheel.rollout.state import RolloutState
from freehold.gateway.exchange import Exchange
from freehold.gateway.metrics import Metrics
from freehold.gateway.pipeline import Pipeline
from freehold.governance.budget import Budgets
from freehold.governance.keys import Keyring
from freehold.governance.limits import Limits
from freehold.ledger.book import Recovery
from freehold.ledger.entry import Act
from freehold.providers.discovery import Found, from_environment, local_servers
from freehold.routing.health import Breaker, HealthBoard
from freehold.settings.book import Book
from freehold.settings.load import load
from freehold.settings.resolve import resolve
from freehold.settings.tables import Settings, SimulatedSettings

if TYPE_CHECKING:
    from freehold.app.rollouts import Rollouts

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
SIMULATED = "simulated"
LOOK_EVERY = 0.5
FLUSH_EVERY = 1.0
SURRENDER_EVERY = 30.0
PROJECT_EVERY = 0.5
BUSY = 200
"""Inferences between two looks above which the tables wait for a calmer moment: readers catch up themselves."""

SLICE = 500
"""Ledger entries that are brought into the tables at a time."""

Told = Callable[[str], None]
"""Takes one line for the operator."""


class Opened(Struct, frozen=True, kw_only=True):
    """What a start found."""

    settings: Settings
    found: tuple[Found, ...]
    book: Book
    recovery: Recovery


class Engine:
    """One pipeline with its state. `open` first; `run` starts what goes on beside requests; `close` ends in order.

    `node` names its ledger; None: the gateway's, as the settings call it.
    """

    home: Home
    pipeline: Pipeline
    metrics: Metrics

    def __init__(
        self,
        path: Path | None,
        env: Mapping[str, str],
        *,
        node: str | None = None,
        change: Callable[[Settings], Settings],
        told: Told,
    ) -> None:
        self._path = path
        self._env = env
        self._wanted_node = node
        self._change = change
        self._told = told
        self._worlds = Worlds()
        self.ids = RandomIds(time.time_ns)
        self._tasks: list[asyncio.Task[None]] = []
        self._projected = 0
        self._renewing = asyncio.Lock()
        self.rollouts: Rollouts | None = None
        self._standing: tuple[RolloutState, ...] = ()

    async def open(self) -> Opened:
        """Read the settings, open the data folder and its ledger, build the pipeline."""
        loaded = self._change(load(self._path, self._env))
        self.home = Home(loaded)
        self._node = self._wanted_node or loaded.data.node
        try:
            self._journal, recovery = self.home.open_journal(self._node)
            self.bodies = self.home.open_bodies(self._node, self._told)
        except FreeholdError:
            self.home.close()
            raise
        self._loaded, self._found = loaded, await self._discovered(loaded)
        settings = await self._whole()
        self._book = Book(settings)
        self._required = settings.server.host not in LOOPBACK
        self.metrics = Metrics()
        self._budgets = Budgets(self.home.budgets, node=self._node)
        self.pipeline = Pipeline(
            world=self._worlds.build(self._book),
            keyring=Keyring.load(self.home.keys, required=self._required),
            ledger=self._journal,
            limits=Limits(),
            budgets=self._budgets,
            health=HealthBoard(_breaker(settings)),
            metrics=self.metrics,
            clock=time.time_ns,
            ids=self.ids,
            random=random.random,
            kept=self._keep,
        )
        self._stand()
        self.home.remember(settings, self._book.digest)
        self.act("settings.loaded", self._book.digest)
        return Opened(settings=settings, found=self._found, book=self._book, recovery=recovery)

    def run(self) -> None:
        """Start the work beside requests: keys renewed, budgets flushed, tables brought up to the ledger."""
        self._tasks += [asyncio.create_task(work) for work in (self._watch(), self._flush(), self._project())]

    async def close(self) -> None:
        """Settle money and ledger. Requests must have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._worlds.close()
        await asyncio.to_thread(self._budgets.close)
        await asyncio.to_thread(self._journal.stop)
        await asyncio.to_thread(self.bodies.close)
        await asyncio.to_thread(self.home.project)
        self.home.close()

    def abandon(self) -> None:
        """Give up a start that failed after `open`."""
        self._journal.stop()
        self.bodies.close()

    def act(self, verb: str, subject: str, detail: str = "") -> None:
        """Write an act into the ledger."""
        self._journal.act(Act(at=time.time_ns(), actor="freehold", verb=verb, subject=subject, detail=detail))

    def _keep(self, exchange: Exchange, answer: Answer) -> None:
        """What a route collects goes to the bodies, once it was answered; rollouts learn from all."""
        if exchange.ask.purpose == "caller" and self.rollouts is not None:
            self.rollouts.ended(exchange, answer)
        record, route = exchange.inference, self._book.settings.routes.get(exchange.route)
        if record is not None and record.outcome == "answered" and route is not None and route.collect:
            self.bodies.put(
                Body(
                    id=record.id,
                    at=record.at,
                    route=record.route,
                    dialect=record.dialect,
                    request=exchange.ask.body,
                    answer=answer.choices[0],
                    episode=record.episode,
                    subject=record.subject,
                    deployment=record.deployment,
                )
            )

    # settings

    async def reload(self) -> None:
        """Use the settings as they are now; where they are wrong, say so and keep the old ones.

        Requests under way end in the world in which they began. Address, data folder and breaker need a restart.
        """
        try:
            loaded = self._change(load(self._path, self._env))
            found = await self._discovered(loaded)
        except FreeholdError as error:
            self._told(f"Settings not changed:\n{error.message}")
            self.act("settings.refused", self._book.digest, error.message)
            return
        self._loaded, self._found = loaded, found
        await self.renew()
        self._told(f"Settings {self._book.digest[:12]} loaded: {len(self._book.models())} names served")

    async def renew(self) -> None:
        """Serve what settings and control state say now: models that were tuned, rollouts that moved."""
        async with self._renewing:
            settings = await self._whole()
            self._stand()
            book = Book(settings)
            if book.digest == self._book.digest:
                return
            world = self._worlds.build(book)
            self.home.remember(settings, book.digest)
            self.act("settings.loaded", book.digest)
            self._book, self.pipeline.world = book, world
            await self._worlds.retire()

    def _stand(self) -> None:
        """Tell the rollouts where they stand; their part of the house is entered when the first one begins."""
        if self.rollouts is None and self._standing:
            made = on_demand("freehold.app.rollouts", "Rollouts")
            self.rollouts = made(
                self.home,
                self._node,
                self.pipeline,
                clock=time.time_ns,
                act=self.act,
                renew=lambda: asyncio.create_task(self.renew()),
            )
        if self.rollouts is not None:
            pinned = frozenset(name for name, route in self._loaded.routes.items() if route.pinned)
            self.rollouts.stand(self._standing, pinned)

    async def _discovered(self, settings: Settings) -> tuple[Found, ...]:
        found: list[Found] = []
        if settings.discovery.environment:
            found += from_environment(self._env)
        if settings.discovery.local:
            found += await local_servers()
        return tuple(found)

    async def _whole(self) -> Settings:
        """The settings of the file with control state laid over them, and everything open written out."""
        self._generation = await asyncio.to_thread(self.home.generation, time.time_ns())
        models, rollouts = await asyncio.to_thread(lambda: (self.home.served(), self.home.rollouts.all()))
        self._standing = tuple(state for state in rollouts if state.routed() is not None)
        settings = laid_over(self._loaded, models, rollouts)
        whole = resolve(settings, self._found)
        if not whole.deployments and not whole.providers:
            whole = resolve(_with_simulated(settings), self._found)
        return whole

    # what goes on beside requests

    async def _watch(self) -> None:
        """Keys, models and rollouts changed by another process hold within a second."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self._quietly(self._renew_keys())
            await self._quietly(self._renew_world())
            if self.rollouts is not None:
                await self._quietly(self.rollouts.look())

    async def _renew_world(self) -> None:
        if await asyncio.to_thread(self.home.generation, time.time_ns()) != self._generation:
            await self.renew()

    async def _renew_keys(self) -> None:
        if await asyncio.to_thread(self.home.keys.generation) != self.pipeline.keyring.generation:
            self.pipeline.guard(await asyncio.to_thread(Keyring.load, self.home.keys, required=self._required))

    async def _flush(self) -> None:
        turns = 0
        while True:
            await asyncio.sleep(FLUSH_EVERY)
            turns += 1
            if turns % int(SURRENDER_EVERY / FLUSH_EVERY) == 0:
                self._budgets.surrender()
            await self._quietly(asyncio.to_thread(self._budgets.flush, time.time_ns()))

    async def _project(self) -> None:
        """Tables follow the ledger while it is calm, a slice at a time, so that a backlog holds up no caller; a second
        process that reads catches up by itself."""
        before = 0
        while True:
            await asyncio.sleep(PROJECT_EVERY)
            count = self.metrics.count
            calm, before = count - before < BUSY, count
            while calm and count > self._projected:
                await self._quietly(self._project_slice(count))
                calm = self.metrics.count == count

    async def _project_slice(self, count: int) -> None:
        """One slice; after the last one the tables hold the first `count` inferences."""
        if await asyncio.to_thread(self.home.project, most=SLICE) < SLICE:
            self._projected = count

    async def _quietly(self, work: Coroutine[object, object, object]) -> None:
        """Something in the background that failed is told once a time, and tried again the next."""
        try:
            await work
        except FreeholdError as error:
            self._told(error.message)


def _breaker(settings: Settings) -> Breaker:
    breaker = settings.breaker
    return Breaker(
        failures=breaker.failures,
        error_rate=breaker.error_rate,
        window=breaker.window_seconds,
        open=breaker.open_seconds,
    )


def _with_simulated(settings: Settings) -> Settings:
    return replace(settings, simulated={SIMULATED: SimulatedSettings(name=SIMULATED)})
