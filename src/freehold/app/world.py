"""The world of a moment, built from settings: names resolved once, accounts connected."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from freehold.app.explain import rule_of
from freehold.app.on_demand import on_demand
from freehold.core.errors import FreeholdError
from freehold.core.ports import Upstream
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks
from freehold.dialects.registry import DIALECTS
from freehold.gateway.world import Account, Resolved, Retry, Sign, World
from freehold.governance.egress.fetch import Egress, Rules
from freehold.providers.connection import PoolLimits
from freehold.providers.google import Tokened, Tokens, credential
from freehold.providers.pool import Pool
from freehold.providers.sigv4 import Credentials, signer
from freehold.providers.simulated.upstream import Simulated
from freehold.runtime.unready import Unready
from freehold.settings.book import Book, Endpoint
from freehold.settings.tables import EgressSettings, LocalSettings, Settings, SimulatedSettings

REMEMBERED = 10_000
"""Names whose meaning is kept."""


Origin = Endpoint | SimulatedSettings | LocalSettings


class _Connected(NamedTuple):
    """An account, and the settings it was made from."""

    origin: Origin
    account: Account


class Worlds:
    """Builds one world after the other. An account whose settings did not change keeps its upstream, and so its open
    connections; those that no world needs any more are closed by `retire`. Used inside a running event loop."""

    def __init__(self) -> None:
        self._connected: dict[str, _Connected] = {}
        self._retired: list[Upstream] = []
        self._fleet: Any = None
        self._egress: Egress | None = None

    def build(self, book: Book) -> World:
        """The world of a book. Until this returns, nothing has changed."""
        connected: dict[str, _Connected] = {}
        for name, endpoint in book.endpoints.items():
            connected[name] = self._kept(name, endpoint) or _Connected(endpoint, _provider(name, endpoint))
        for name, simulated in book.settings.simulated.items():
            connected[name] = self._kept(name, simulated) or _Connected(simulated, _simulated(name, simulated))
        for name, local in book.settings.local.items():
            connected[name] = self._kept(name, local) or _Connected(local, self._local(name, local))
        for name, local in book.settings.local.items():
            if local.engine == "prompt":  # made anew with each world, since its base may have moved
                connected[name] = _Connected(local, _prompting(name, local, book, connected))
        kept = {id(c.account) for c in connected.values()}
        self._retired += [u for c in self._connected.values() if id(c.account) not in kept for u in c.account.upstreams]
        self._connected = connected
        return World(
            settings=book.digest,
            resolve=_resolver(book),
            nearest=book.nearest,
            models=tuple((listed.id, listed.owner) for listed in book.models()),
            accounts={name: c.account for name, c in connected.items()},
            retry=_retry(book.settings),
            egress=self._egress_of(book.settings.egress),
        )

    def _egress_of(self, egress: EgressSettings) -> Egress | None:
        """What fetches for callers; kept while its rules are, with the bounds of all that is under way."""
        rules = Rules(
            http=egress.http,
            hosts=egress.hosts,
            deny=egress.deny,
            private=egress.private,
            max_bytes=egress.max_bytes,
            seconds=egress.timeout_seconds,
            at_once=egress.at_once,
            clearance=egress.clearance,
        )
        if not egress.fetch_media:
            return None
        if self._egress is None or self._egress.rules != rules:
            self._egress = Egress(rules)
        return self._egress

    def _local(self, name: str, local: LocalSettings) -> Account:
        """A model that runs here: in this process, or in one of its own that starts when it is first asked."""
        if local.engine == "student":
            return _ready(
                name, lambda: on_demand("freehold.runtime.student.upstream", "StudentUpstream")(local.artifact)
            )

        def weights() -> Upstream:
            artifact = Path(local.artifact)
            if self._fleet is None:
                self._fleet = on_demand("freehold.runtime.engines.process", "Fleet")(_memory())
            kind = on_demand("freehold.runtime.engines.choice", "usual")(artifact)
            engine = on_demand("freehold.runtime.engines.choice", "engine")
            running = engine(kind, artifact, fleet=self._fleet, logs=artifact.parent)
            upstream = on_demand("freehold.runtime.engines.upstream", "EngineUpstream")

            def connect(url: str) -> Upstream:
                return Pool(url, name=name, limits=PoolLimits())

            return upstream(running, connect)

        return _ready(name, weights)

    async def retire(self) -> None:
        """Close what only earlier worlds needed; answers under way are read to their end."""
        retired, self._retired = self._retired, []
        for upstream in retired:
            await upstream.close()

    async def close(self) -> None:
        await self.retire()
        for connected in self._connected.values():
            for upstream in connected.account.upstreams:
                await upstream.close()
        if self._fleet is not None:
            await self._fleet.close()

    def _kept(self, name: str, origin: Origin) -> _Connected | None:
        known = self._connected.get(name)
        return known if known is not None and known.origin == origin else None


def _provider(name: str, endpoint: Endpoint) -> Account:
    """An account, its connections shared by its dialects where they have one address."""
    pools: dict[str, Upstream] = {}
    connect = _tokened(name, endpoint) if endpoint.provider.auth == "google" else None

    def speaking(one: Endpoint) -> Account:
        pool = pools.get(one.base_url)
        if pool is None:
            pool = Pool(one.base_url, name=name, limits=one.limits)
            pool = pools[one.base_url] = pool if connect is None else connect(pool)
        return Account(
            provider=name,
            upstream=pool,
            path=one.path,
            headers=(("content-type", "application/json"), *one.headers()),
            dialect=DIALECTS[one.dialect],
            quirks=one.quirks,
            sign=_signed(one),
            models=one.models,
        )

    others = {one.dialect: speaking(one) for one in endpoint.others if one.dialect in DIALECTS}
    return replace(speaking(endpoint), others=others)


def _signed(one: Endpoint) -> Sign | None:
    """What signs the requests of an account that has an access key."""
    if one.secret_key is None or one.api_key is None:
        return None
    return signer(
        one.base_url,
        (("content-type", "application/json"), *one.headers()),
        region=one.region,
        service=one.provider.signs,
        credentials=Credentials(access_key=one.api_key, secret_key=one.secret_key, session_token=one.session_token),
        clock=time.time_ns,
    )


def _tokened(name: str, endpoint: Endpoint) -> Callable[[Upstream], Upstream]:
    """What makes an upstream send along the tokens of an account at Google."""

    def pool(url: str) -> Upstream:
        return Pool(url, name=f"{name} (tokens)", limits=PoolLimits(first_byte=30.0))

    try:
        known = credential(endpoint.api_key.reveal() if endpoint.api_key is not None else "{}")
    except ValueError as error:
        unready = Unready(f"{name} cannot be called: {error}")
        return lambda _: unready
    tokens = Tokens(known, name=name, connect=pool, now=time.time)
    return lambda upstream: Tokened(upstream, tokens)


def _simulated(name: str, simulated: SimulatedSettings) -> Account:
    return Account(
        provider=name,
        upstream=Simulated(simulated),
        path="/v1/chat/completions",
        headers=(),
        dialect=OPENAI_CHAT,
        quirks=Quirks(),
    )


def _prompting(name: str, local: LocalSettings, book: Book, connected: Mapping[str, _Connected]) -> Account:
    """The account of its base, asked with examples before each question, in chat completions where it speaks them.

    It is asked in one dialect alone: what comes in another is translated, so that everybody gets the examples.
    """
    base = book.deployment(local.base or "")
    found = None if base is None else connected.get(base.provider)
    if base is None or found is None:
        return _ready(name, lambda: Unready(f"The base {local.base!r} of {name} is not served"))
    spoken = found.account.speaking(OPENAI_CHAT.name, base.model)
    dialect = spoken.dialect

    def made() -> Upstream:
        nonlocal dialect
        shots = on_demand("freehold.runtime.fewshot.shots", "Shots").load(local.artifact)
        if dialect is OPENAI_CHAT and spoken.sign is None:  # the caller's own bytes, with turns put in
            return on_demand("freehold.runtime.fewshot.shots", "ShotsUpstream")(spoken.upstream, shots)
        dialect = on_demand("freehold.runtime.fewshot.shots", "Shown")(dialect, shots)
        return on_demand("freehold.runtime.fewshot.shots", "Lent")(spoken.upstream)

    upstream = _ready(name, made).upstream
    return replace(spoken, provider=name, upstream=upstream, dialect=dialect, models=(), others={})


def _ready(name: str, make: Callable[[], Upstream]) -> Account:
    """A model that cannot be loaded fails its calls and says why; the others are served."""
    try:
        upstream = make()
    except FreeholdError as error:
        upstream = Unready(f"The local model {name} is not ready: {error.message}")
    return Account(
        provider=name, upstream=upstream, path="/chat/completions", headers=(), dialect=OPENAI_CHAT, quirks=Quirks()
    )


def _memory() -> int:
    """Bytes that models may take together: six tenths of the machine's."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 6 // 10


def _retry(settings: Settings) -> Retry:
    retry = settings.retry
    return Retry(
        attempts=retry.attempts,
        backoff=retry.backoff_ms / 1000,
        max_backoff=retry.max_backoff_ms / 1000,
        ratio=retry.budget_ratio,
    )


def _resolver(book: Book) -> Callable[[str], Resolved | None]:
    """Names resolved once: a bounded memory in front of the book."""
    known: dict[str, Resolved] = {}

    def resolved(name: str) -> Resolved | None:
        found = known.get(name)
        if found is None:
            target = book.target(name)
            if target is None:
                return None
            if len(known) >= REMEMBERED:
                known.clear()
            route = target.route
            found = known[name] = Resolved(
                route=route.name,
                candidates=target.deployments,
                rule=rule_of(route),
                tracked=route.collect or route.rollout is not None,
                strict=route.strict,
            )
        return found

    return resolved
