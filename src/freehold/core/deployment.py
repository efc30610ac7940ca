"""A deployment: a model reachable at a provider; and a route, the name that an application asks for."""

from typing import Literal

from msgspec import Struct

from freehold.core.label import ANYTHING, Clearance
from freehold.core.request import Need
from freehold.core.tariff import Tariff

Objective = Literal["cheapest", "fastest", "best", "balanced"]


class Deployment(Struct, frozen=True, kw_only=True):
    """A model at a provider. `id` is 'provider/model' unless the settings give a name.

    None means unknown, never zero or unlimited: an unknown tariff ranks last under `cheapest` and is refused under a
    budget. `quality` (0 to 1, chance of a good answer), `ttft_ms` (time to first token) and `tokens_per_second` are
    priors, used until something was measured.
    """

    id: str
    provider: str
    model: str
    lacks: frozenset[Need] = frozenset()
    context_window: int | None = None
    max_output_tokens: int | None = None
    tariff: Tariff | None = None
    quality: float | None = None
    ttft_ms: float | None = None
    tokens_per_second: float | None = None
    clearance: Clearance = ANYTHING


class Rollout(Struct, frozen=True, kw_only=True):
    """A candidate on its way into a route.

    shadow: it gets copies, no caller sees it; canary: `share` (0 to 1) of the conversations ask it first; full: all do.
    `salt` makes this rollout's draw of conversations its own. `incumbent` came here by an earlier rollout: it is asked
    first where the candidate is not, and next where it is.
    """

    candidate: str
    step: Literal["shadow", "canary", "full"]
    share: float = 0.0
    salt: str = ""
    incumbent: str | None = None


class Route(Struct, frozen=True, kw_only=True):
    """A name for callers. With `ordered` the deployments are tried as written; `weights` draw the first one.

    `collect` keeps what is said there, for datasets and replays.
    """

    name: str
    deployments: tuple[str, ...]
    objective: Objective = "balanced"
    ordered: bool = False
    weights: dict[str, float] = {}
    strict: bool = False
    collect: bool = False
    rollout: Rollout | None = None
