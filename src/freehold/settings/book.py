"""The book: resolved settings compiled for look-up, immutable. What a name stands for costs one dictionary look-up."""

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from freehold.core.deployment import Deployment, Route
from freehold.core.secret import Secret
from freehold.dialects.quirks import Quirks
from freehold.dialects.translate import family
from freehold.providers.connection import PoolLimits
from freehold.providers.known import KNOWN
from freehold.providers.provider import SPOKEN, Auth, Provider, Tongue, authorization
from freehold.providers.sigv4 import region_of
from freehold.settings.accounts import GENERIC
from freehold.settings.snapshot import digest
from freehold.settings.tables import DeploymentSettings, ProviderSettings, RouteSettings, Settings

AUTO = "auto"
"""The name that stands for every deployment, unless a route takes it."""

LONGEST_NAME = 200


COMPLETIONS = "openai-completions"
BESIDE = ("openai-embeddings", "rerank", "openai-moderations")
"""What servers that speak OpenAI's chat completions have beside it at the same address, where nothing else is known."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where and how a provider is called: POST to `base_url` + `path` with `headers()`, in a dialect; `others` are the
    same account in its other dialects. Where there is a `secret_key`, requests are signed for the `region`."""

    name: str
    provider: Provider
    base_url: str
    path: str
    limits: PoolLimits
    api_key: Secret | None = None
    plain_headers: dict[str, str] = {}
    secret_headers: dict[str, Secret] = {}
    quirks: Quirks = Quirks()
    dialect: str = SPOKEN
    auth: Auth | None = None
    models: tuple[str, ...] = ()
    others: tuple["Endpoint", ...] = ()
    secret_key: Secret | None = None
    session_token: Secret | None = None
    region: str = ""

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Authentication and extra headers, with their secrets revealed; names in lower case."""
        key = authorization(self.auth or self.provider.auth, self.api_key if self.secret_key is None else None)
        headers = {**key, **self.provider.headers, **self.plain_headers}
        headers.update((name, secret.reveal()) for name, secret in self.secret_headers.items())
        return tuple(headers.items())


class Target(Struct, frozen=True):
    """What a name stands for: how to choose, and among which deployments (in the order of the route)."""

    route: Route
    deployments: tuple[Deployment, ...]


class Listed(Struct, frozen=True):
    """A name for the list of models, and who stands behind it."""

    id: str
    owner: str


class Book:
    """Settings compiled. Give it resolved settings; the same settings always give an equal book.

    A name is, first match wins: a route, the id of a deployment, PROVIDER/MODEL at an open provider, a bare model name
    (the cheapest deployment that offers it), or 'auto' (all deployments, balanced).
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.digest = digest(settings)
        self.endpoints: Mapping[str, Endpoint] = MappingProxyType(
            {name: _endpoint(name, p) for name, p in settings.providers.items()}
        )
        self._deployments = {id: _deployment(id, d) for id, d in settings.deployments.items()}
        self._open = frozenset(name for name, p in settings.providers.items() if p.any_model)
        self._refused = frozenset(settings.deployer.refuses)
        self._routes = {name: self._routed(name, r) for name, r in settings.routes.items()}
        self._targets = self._compiled()

    @property
    def deployments(self) -> Mapping[str, Deployment]:
        """All deployments that were named, by id; `deployment` also knows those of open providers."""
        return MappingProxyType(self._deployments)

    def deployment(self, id: str) -> Deployment | None:
        """A deployment by id; one of an open provider that nobody named has no facts."""
        named = self._deployments.get(id)
        if named is not None:
            return named
        provider, slash, model = id.partition("/")
        if model.lower() in self._refused:
            return None
        if slash and model and provider in self._open and len(id) <= LONGEST_NAME and id.isprintable():
            return Deployment(id=id, provider=provider, model=model, lacks=self.endpoints[provider].provider.lacks)
        return None

    def target(self, name: str) -> Target | None:
        """What a caller means by `model`, or None where nothing has that name."""
        target = self._targets.get(name)
        if target is None and (deployment := self.deployment(name)) is not None:
            return _single(deployment)
        return target

    def candidates(self, name: str) -> tuple[Deployment, ...] | None:
        target = self.target(name)
        return None if target is None else target.deployments

    def nearest(self, name: str, count: int = 3) -> tuple[str, ...]:
        """Names most like one that nothing has."""
        return tuple(difflib.get_close_matches(name[:LONGEST_NAME], self._targets, n=count, cutoff=0.5))

    def models(self) -> tuple[Listed, ...]:
        """Every name a caller can use as `model`, for a list: routes first, then 'auto', deployments, bare names."""
        ranks = {name: 0 for name in self._routes} | {id: 2 for id in self._deployments}
        order = sorted(self._targets, key=lambda n: (ranks.get(n, 1 if n == AUTO else 3), n))
        return tuple(Listed(name, self._owner(name)) for name in order)

    def _owner(self, name: str) -> str:
        named = self._deployments.get(name)
        return named.provider if named is not None and name not in self._routes else "freehold"

    def _routed(self, name: str, route: RouteSettings) -> Target:
        rollout = route.rollout
        named = route.deployments
        if rollout is not None:
            come = (rollout.candidate, rollout.incumbent)
            named = (*named, *(id for id in come if id is not None and id not in named))
        found = tuple(d for id in named if (d := self.deployment(id)) is not None)
        return Target(
            Route(
                name=name,
                deployments=tuple(d.id for d in found),
                objective=route.objective,
                ordered=route.ordered,
                weights=route.weights,
                strict=route.strict,
                collect=route.collect,
                rollout=rollout,
            ),
            found,
        )

    def _compiled(self) -> dict[str, Target]:
        targets: dict[str, Target] = {}
        if self._deployments:
            every = tuple(self._deployments.values())
            targets[AUTO] = Target(Route(name=AUTO, deployments=tuple(self._deployments)), every)
        offering: dict[str, list[Deployment]] = {}
        for deployment in self._deployments.values():
            for name in (deployment.model, *self.settings.deployments[deployment.id].names):
                if self.deployment(name) is None:
                    offering.setdefault(name, []).append(deployment)
        for name, those in offering.items():
            ids = tuple(d.id for d in those)
            targets[name] = Target(Route(name=name, deployments=ids, objective="cheapest"), tuple(those))
        for id, deployment in self._deployments.items():
            targets[id] = _single(deployment)
        return targets | self._routes


def _single(deployment: Deployment) -> Target:
    return Target(Route(name=deployment.id, deployments=(deployment.id,), ordered=True), (deployment,))


def _deployment(id: str, d: DeploymentSettings) -> Deployment:
    return Deployment(
        id=id,
        provider=d.provider,
        model=d.model,
        lacks=d.lacks or frozenset(),
        context_window=d.context_window,
        max_output_tokens=d.max_output_tokens,
        tariff=d.asks,
        quality=d.quality,
        ttft_ms=d.ttft_ms,
        tokens_per_second=d.tokens_per_second,
        clearance=d.clearance,
    )


def _endpoint(name: str, p: ProviderSettings) -> Endpoint:
    """How an account is called: in its native dialect, with its others beside it."""
    provider = KNOWN[p.kind or GENERIC]
    spoken = Endpoint(
        name=name,
        provider=provider,
        base_url=p.base_url or provider.base_url,
        path=p.path or provider.path,
        limits=PoolLimits(
            connect=p.connect_seconds,
            first_byte=p.first_byte_seconds,
            idle=p.idle_seconds,
            connections=p.max_connections,
        ),
        api_key=p.api_key,
        plain_headers=p.headers,
        secret_headers=p.secret_headers,
        quirks=replace(provider.quirks, **p.quirks),
        secret_key=p.secret_key,
        session_token=p.session_token,
        region=region_of(p.base_url or "") or p.values.get("region", ""),
    )
    every = [spoken] if SPOKEN in provider.dialects else []
    every += [_tongue(spoken, tongue) for tongue in provider.tongues]
    if COMPLETIONS in provider.dialects:
        every.append(_tongue(spoken, Tongue(dialect=COMPLETIONS)))
    if SPOKEN in provider.dialects:
        families = {family(one.dialect) for one in every}
        every += [_tongue(spoken, Tongue(dialect=name)) for name in BESIDE if family(name) not in families]
    native = p.dialect or provider.native
    first = next((e for e in every if e.dialect == native), None)
    if first is None:  # a server of one's own that speaks something else
        first = replace(spoken, dialect=native, path="" if spoken.path == provider.path else spoken.path)
        every = []
    return replace(first, others=tuple(e for e in every if e.dialect != first.dialect))


def _tongue(spoken: Endpoint, tongue: Tongue) -> Endpoint:
    return replace(
        spoken,
        dialect=tongue.dialect,
        base_url=tongue.base_url(spoken.base_url),
        path=tongue.path,
        auth=tongue.auth,
        plain_headers={**tongue.headers, **spoken.plain_headers},
        quirks=tongue.quirks,
        models=tongue.models,
    )
