"""The gateway as a running process: rooms put together, kept up to date, and taken down in order."""

import asyncio
import random
import signal
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from freehold.app.explain import rule_of
from freehold.app.home import NODE, Home
from freehold.core.errors import FreeholdError, SettingsWrong
from freehold.core.ids import RandomIds
from freehold.core.ports import Upstream
from freehold.dialects.dialect import Dialect
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks
from freehold.gateway.http import Connection, Door, DoorLimits
from freehold.gateway.metrics import Metrics
from freehold.gateway.pages import application, pages
from freehold.gateway.pipeline import Pipeline
from freehold.gateway.world import Account, Resolved, Retry, World
from freehold.governance.budget import Budgets
from freehold.governance.keys import Keyring
from freehold.governance.limits import Limits
from freehold.ledger.book import Recovery
from freehold.ledger.entry import Act
from freehold.providers.discovery import Found, from_environment, local_servers
from freehold.providers.pool import Pool
from freehold.providers.simulated.upstream import Simulated
from freehold.routing.health import Breaker, HealthBoard
from freehold.settings.book import Book
from freehold.settings.load import load
from freehold.settings.resolve import resolve
from freehold.settings.tables import Settings, SimulatedSettings

HOT: Mapping[bytes, Dialect] = {b"/v1/chat/completions": OPENAI_CHAT}
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
SIMULATED = "simulated"
KEYS_EVERY = 1.0
FLUSH_EVERY = 1.0
SURRENDER_EVERY = 30.0
PROJECT_EVERY = 0.5
BUSY = 200
"""Inferences between two looks above which the tables wait for a calmer moment: readers catch up themselves."""

Told = Callable[[str], None]
"""Takes one line for the operator."""


class Started(Struct, frozen=True, kw_only=True):
    """What the start-up text tells."""

    url: str
    settings: Settings
    found: tuple[Found, ...]
    book: Book
    recovery: Recovery
    open_door: bool
    simulated: bool


class Gateway:
    """One gateway process. `start`, then `serve` until a signal; `stop` drains and closes in order."""

    def __init__(
        self, path: Path | None, env: Mapping[str, str], *, change: Callable[[Settings], Settings], told: Told
    ) -> None:
        self._path = path
        self._env = env
        self._change = change
        self._told = told
        self._tasks: list[asyncio.Task[None]] = []
        self._upstreams: list[Upstream] = []
        self._stopped = asyncio.Event()

    async def start(self) -> Started:
        settings, found = await self._settings()
        self.home = Home(settings)
        self._journal, recovery = self.home.open_journal()
        book = Book(settings)
        self._book = book
        world = self._world(book)
        required = settings.server.host not in LOOPBACK
        self.metrics = Metrics()
        self._budgets = Budgets(self.home.budgets, node=NODE)
        breaker = settings.breaker
        self.pipeline = Pipeline(
            world=world,
            keyring=Keyring.load(self.home.keys, required=required),
            ledger=self._journal,
            limits=Limits(),
            budgets=self._budgets,
            health=HealthBoard(
                Breaker(
                    failures=breaker.failures,
                    error_rate=breaker.error_rate,
                    window=breaker.window_seconds,
                    open=breaker.open_seconds,
                )
            ),
            metrics=self.metrics,
            clock=time.time_ns,
            ids=RandomIds(time.time_ns),
            random=random.random,
        )
        self._required = required
        self.home.remember(settings, book.digest)
        self._act("settings.loaded", book.digest)
        url = await self._listen(settings)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(work) for work in (self._keys(), self._flush(), self._project())]
        return Started(
            url=url,
            settings=settings,
            found=found,
            book=book,
            recovery=recovery,
            open_door=self.pipeline.keyring.open,
            simulated=SIMULATED in settings.simulated,
        )

    async def serve(self) -> None:
        """Until SIGTERM or SIGINT; SIGHUP loads the settings again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopped.set)
        loop.add_signal_handler(signal.SIGHUP, self._hangup)
        await self._stopped.wait()

    async def stop(self) -> None:
        """Take no new work, let streams finish, settle money and ledger, close."""
        self._server.close()
        await self.door.drain(self._drain_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for upstream in self._upstreams:
            await upstream.close()
        await asyncio.to_thread(self._budgets.close)
        await asyncio.to_thread(self._journal.stop)
        await asyncio.to_thread(self.home.project)
        self.home.close()

    # settings

    async def _settings(self) -> tuple[Settings, tuple[Found, ...]]:
        settings = self._change(load(self._path, self._env))
        found: list[Found] = []
        if settings.discovery.environment:
            found += from_environment(self._env)
        if settings.discovery.local:
            found += await local_servers()
        whole = resolve(settings, found)
        if not whole.deployments and not whole.providers:
            whole = resolve(_with_simulated(settings), found)
        return whole, tuple(found)

    def _world(self, book: Book) -> World:
        accounts: dict[str, Account] = {}
        for name, endpoint in book.endpoints.items():
            upstream = Pool(endpoint.base_url, name=name, limits=endpoint.limits)
            accounts[name] = Account(
                provider=name,
                upstream=upstream,
                path=endpoint.path,
                headers=(("content-type", "application/json"), *endpoint.headers()),
                dialect=OPENAI_CHAT,
                quirks=endpoint.quirks,
            )
        for name, simulated in book.settings.simulated.items():
            accounts[name] = Account(
                provider=name,
                upstream=Simulated(simulated),
                path="/v1/chat/completions",
                headers=(),
                dialect=OPENAI_CHAT,
                quirks=Quirks(),
            )
        self._upstreams = [account.upstream for account in accounts.values()]
        retry = book.settings.retry
        return World(
            settings=book.digest,
            resolve=_resolver(book),
            nearest=book.nearest,
            models=tuple((listed.id, listed.owner) for listed in book.models()),
            accounts=accounts,
            retry=Retry(
                attempts=retry.attempts,
                backoff=retry.backoff_ms / 1000,
                max_backoff=retry.max_backoff_ms / 1000,
                ratio=retry.budget_ratio,
            ),
        )

    def _hangup(self) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(self.reload()))

    async def reload(self) -> None:
        """Use the settings as they are now; where they are wrong, say so and keep the old ones.

        Requests under way end in the world in which they began. Address, data folder and breaker need a restart.
        """
        before = self._upstreams
        try:
            settings, _ = await self._settings()
            book = Book(settings)
            world = self._world(book)
        except FreeholdError as error:
            self._upstreams = before
            self._told(f"Settings not changed:\n{error.message}")
            self._act("settings.refused", self._book.digest, error.message)
            return
        self.home.remember(settings, book.digest)
        self._act("settings.loaded", book.digest)
        self._book, self.pipeline.world = book, world
        self._told(f"Settings {book.digest[:12]} loaded: {len(book.models())} names served")
        for upstream in before:
            await upstream.close()

    def _act(self, verb: str, subject: str, detail: str = "") -> None:
        self._journal.act(Act(at=time.time_ns(), actor="freehold", verb=verb, subject=subject, detail=detail))

    # listening

    async def _listen(self, settings: Settings) -> str:
        server = settings.server
        self._drain_seconds = server.drain_seconds
        limits = DoorLimits(
            max_body=server.max_body,
            max_head=server.max_head,
            head=server.head_seconds,
            body=server.body_seconds,
            idle=server.idle_seconds,
            connections=server.max_connections,
        )
        every = pages(self.pipeline, self.metrics, started_at=time.time_ns())
        app = application(self.pipeline, every, OPENAI_CHAT, [path.decode() for path in HOT])
        self.door = Door(self.pipeline, app, HOT, limits=limits, metrics=self.metrics)
        self.metrics.gauge("freehold_connections", "Open connections of callers", lambda: len(self.door.connections))
        try:
            tls = _tls(server.tls_cert, server.tls_key)
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self.door), server.host, server.port, ssl=tls, backlog=2048
            )
        except (OSError, ssl.SSLError) as error:
            self._journal.stop()
            raise SettingsWrong(f"Cannot listen on {server.host}:{server.port}: {error.strerror or error}") from error
        port = self._server.sockets[0].getsockname()[1]
        host = "127.0.0.1" if server.host in {"0.0.0.0", "localhost"} else server.host
        if ":" in host:
            host = f"[{host}]"
        return f"{'https' if tls else 'http'}://{host}:{port}"

    # what goes on beside requests

    async def _keys(self) -> None:
        """Keys made or revoked by another process hold within a second."""
        while True:
            await asyncio.sleep(KEYS_EVERY)
            await self._quietly(self._renew_keys())

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
        """Tables follow the ledger while it is calm; a second process that reads catches up by itself."""
        before = 0
        while True:
            await asyncio.sleep(PROJECT_EVERY)
            count = self.metrics.count
            if 0 < count - before < BUSY or (count == before and count > self._projected):
                await self._quietly(asyncio.to_thread(self.home.project))
                self._projected = count
            before = count

    _projected = 0

    async def _quietly(self, work: Coroutine[object, object, object]) -> None:
        """Something in the background that failed is told once a time, and tried again the next."""
        try:
            await work
        except FreeholdError as error:
            self._told(error.message)


def _resolver(book: Book) -> Callable[[str], Resolved | None]:
    """Names resolved once: a bounded memory in front of the book."""
    known: dict[str, Resolved | None] = {}

    def resolved(name: str) -> Resolved | None:
        found = known.get(name)
        if found is None:
            target = book.target(name)
            if target is None:
                return None
            if len(known) >= 10_000:
                known.clear()
            route = target.route
            found = known[name] = Resolved(route=route.name, candidates=target.deployments, rule=rule_of(route))
        return found

    return resolved


def _with_simulated(settings: Settings) -> Settings:
    return replace(settings, simulated={SIMULATED: SimulatedSettings(name=SIMULATED)})


def _tls(cert: str | None, key: str | None) -> ssl.SSLContext | None:
    if cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context
