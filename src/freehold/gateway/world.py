"""The world as the settings of this moment describe it: names resolved, accounts connected. Swapped whole on reload."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from freehold.core.deployment import Deployment
from freehold.core.ports import SendHeaders, Upstream
from freehold.dialects.dialect import Dialect
from freehold.dialects.quirks import Quirks
from freehold.dialects.translate import family
from freehold.governance.egress.fetch import Egress
from freehold.routing.plan import Rule

REMEMBERED = 1024

Sign = Callable[[str, bytes], SendHeaders]


class Account(Struct, frozen=True, kw_only=True):
    """An account at a provider, ready to be called in one dialect. `others`: the same account in its other dialects.

    `sign` gives the headers of a request where they depend on it: (path, body) -> all of them. `models`: how the names
    of those models begin that are called so and no other way; empty: it is for all that are not.
    """

    provider: str
    upstream: Upstream
    path: str
    headers: SendHeaders
    dialect: Dialect
    quirks: Quirks
    sign: Sign | None = None
    models: tuple[str, ...] = ()
    others: Mapping[str, "Account"] = {}

    def speaking(self, dialect: str, model: str) -> "Account":
        """The account as a caller of this dialect is served best: in the same one, where the provider speaks it and
        the model can be called in it, else in one of the same family, else as it is."""
        others = self.others
        if not others:
            return self
        asked = family(dialect)
        if asked != family(self.dialect.name):
            kin = [other for name, other in others.items() if family(name) == asked]
            return others.get(dialect) or next(iter(kin), self)
        for other in others.values():
            if other.models and model.startswith(other.models):
                return other
        found = others.get(dialect, self)
        return self if found.models else found

    @property
    def upstreams(self) -> tuple[Upstream, ...]:
        """Everything that it sends through, each once."""
        every = (self, *self.others.values())
        return tuple({id(one.upstream): one.upstream for one in every}.values())


class Resolved(Struct, frozen=True, kw_only=True):
    """What a caller's `model` means: the route (or the name itself), its candidates and how they are ranked.

    `tracked`: its conversations are told apart and its answers kept, since it collects or rolls out a candidate.
    `strict`: what cannot be carried to a deployment's dialect whole is not sent there.
    """

    route: str
    candidates: tuple[Deployment, ...]
    rule: Rule
    tracked: bool = False
    strict: bool = False


class Retry(Struct, frozen=True, kw_only=True):
    """At most `attempts` calls for an inference; waits in seconds; `ratio` of retries to first calls over all."""

    attempts: int = 3
    backoff: float = 0.1
    max_backoff: float = 2.0
    ratio: float = 0.2


class World(Struct, frozen=True, kw_only=True):
    """Immutable. A request keeps the world in which it began.

    `resolve` gives None for a name that nothing serves; `nearest` suggests names for it; `models` are (name, owner).
    `egress` is None where nothing is fetched that callers name.
    """

    settings: str
    resolve: Callable[[str], Resolved | None]
    nearest: Callable[[str], Sequence[str]]
    models: Sequence[tuple[str, str]]
    accounts: Mapping[str, Account]
    retry: Retry
    egress: Egress | None = None
    _called: dict[tuple[str, str, str], Account] = {}

    def account(self, provider: str, dialect: str, model: str) -> Account:
        """How a model of a provider is called for a caller of a dialect (see `Account.speaking`)."""
        called = self._called  # the same few are asked for again and again
        found = called.get((provider, dialect, model))
        if found is None:
            if len(called) >= REMEMBERED:
                called.clear()
            found = called[provider, dialect, model] = self.accounts[provider].speaking(dialect, model)
        return found
