"""A rollout: a candidate's way into a route, step by step, and the rules by which it moves. Pure.

shadow -> canary, share by share -> full          and from everywhere: rolled back
"""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from freehold.core.deployment import Rollout
from freehold.core.errors import InvalidRequest

Step = Literal["shadow", "canary", "full", "rolled_back"]


class Plan(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far and under which conditions a rollout moves.

    `shares` of the conversations in each canary. `margin`: by how much quality, a score from 0 to 1, may be lower;
    `alpha`: the chance of approving a worse candidate. A guard takes the candidate back when errors or refusals rise by
    more than `tolerance` (a share of requests), when quality falls by `drop`, or when latency or cost exceed the
    incumbent's by more than those ratios (None: not watched). At `requests_a_day` all guards together raise at most
    one false alarm in `quiet_days`, on average.

    Copies: in shadow and canary `shadow_share` of the incumbent's requests also go to the candidate; once it is full,
    `control_share` of its requests also go to the incumbent. `copy_budget` in nano-dollars pays for them (None: no
    bound). `automatic`: it moves on by itself, from shadow when the verdict approves, from a canary after
    `canary_conversations` with the candidate and no alarm.
    """

    shares: tuple[float, ...] = (0.05, 0.25)
    margin: float = 0.02
    alpha: float = 0.05
    drop: float = 0.05
    tolerance: float = 0.05
    latency_ratio: float | None = 2.0
    cost_ratio: float | None = 1.5
    requests_a_day: float = 10_000.0
    quiet_days: float = 30.0
    shadow_share: float = 1.0
    control_share: float = 0.02
    copy_budget: int | None = None
    canary_conversations: int = 200
    automatic: bool = False


class Move(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One move: where to, who or what moved it, and why. `at`: UTC nanoseconds."""

    at: int
    step: Step
    share: float
    actor: str
    why: str


class Proposal(Struct, frozen=True, kw_only=True):
    """A promotion that waits for a second person."""

    at: int
    actor: str
    why: str


class RolloutState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rollout on one route; the last of its `moves` is where it stands. `incumbent`: the candidate of the rollout
    before it that went full, and still serves."""

    id: str
    route: str
    candidate: str
    plan: Plan
    moves: tuple[Move, ...]
    two_people: bool = False
    proposal: Proposal | None = None
    incumbent: str | None = None

    @property
    def now(self) -> Move:
        return self.moves[-1]

    @property
    def step(self) -> Step:
        return self.now.step

    @property
    def running(self) -> bool:
        """Whether it still has somewhere to go."""
        return self.step in {"shadow", "canary"}

    def routed(self) -> Rollout | None:
        """What routing has to know of it."""
        step = self.step
        if step == "rolled_back":
            return None if self.incumbent is None else Rollout(candidate=self.incumbent, step="full", salt=self.id)
        return Rollout(
            candidate=self.candidate, step=step, share=self.now.share, salt=self.id, incumbent=self.incumbent
        )


def start(
    *,
    id: str,
    route: str,
    candidate: str,
    plan: Plan,
    actor: str,
    at: int,
    two_people: bool,
    before: RolloutState | None,
) -> RolloutState:
    """A new rollout, in shadow. InvalidRequest where one is running on the route or the plan makes no sense."""
    if before is not None and before.running:
        raise InvalidRequest(
            f"Route {route} already rolls out {before.candidate} ({before.step}); promote it or roll it back first"
        )
    if not plan.shares or any(not 0 < s <= 1 for s in plan.shares) or list(plan.shares) != sorted(set(plan.shares)):
        raise InvalidRequest(f"The shares of the canaries rise from above 0 to at most 1, unlike {plan.shares}")
    if not (0 < plan.margin < 1 and 0 < plan.alpha < 0.5):
        raise InvalidRequest("The margin is between 0 and 1, and alpha between 0 and 0.5")
    incumbent = None if before is None else before.candidate if before.step == "full" else before.incumbent
    if candidate == incumbent:
        raise InvalidRequest(f"{candidate} serves {route} already, by an earlier rollout")
    move = Move(at=at, step="shadow", share=0.0, actor=actor, why="started")
    return RolloutState(
        id=id,
        route=route,
        candidate=candidate,
        plan=plan,
        moves=(move,),
        two_people=two_people,
        incumbent=incumbent,
    )


def promote(state: RolloutState, *, actor: str, at: int, why: str) -> RolloutState:
    """The next step; with two people, the first only proposes and another one makes the move."""
    if not state.running:
        raise InvalidRequest(
            f"The rollout of {state.candidate} on {state.route} is {_said(state.step)}; it has no next step"
        )
    if state.two_people:
        if state.proposal is None:
            return replace(state, proposal=Proposal(at=at, actor=actor, why=why))
        if state.proposal.actor == actor:
            raise InvalidRequest(f"{actor} proposed this promotion; a second person has to make it")
        actor, why = f"{state.proposal.actor} and {actor}", f"{state.proposal.why}; {why}"
    step, share = _next(state)
    return _moved(state, Move(at=at, step=step, share=share, actor=actor, why=why))


def roll_back(state: RolloutState, *, actor: str, at: int, why: str) -> RolloutState:
    """Take the candidate out, from wherever it stands. One person is enough, and so is a guard."""
    if state.step == "rolled_back":
        raise InvalidRequest(f"The rollout of {state.candidate} on {state.route} is rolled back already")
    return _moved(state, Move(at=at, step="rolled_back", share=0.0, actor=actor, why=why))


def _next(state: RolloutState) -> tuple[Step, float]:
    larger = [s for s in state.plan.shares if s > state.now.share]
    if larger and larger[0] < 1:
        return "canary", larger[0]
    return "full", 1.0


def _moved(state: RolloutState, move: Move) -> RolloutState:
    return replace(state, moves=(*state.moves, move), proposal=None)


def _said(step: Step) -> str:
    return step.replace("_", " ")
