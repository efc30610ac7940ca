"""What a rollout has shown so far: pairs and guards, fed by what both arms answer. Pure but for its own state.

Where both deployments answered one request (a copy in shadow; a copy for the incumbent once the candidate is full), the
two are compared directly. In a canary each conversation has one arm, and the arms are compared block by block.
"""

from collections import OrderedDict
from typing import Literal

from msgspec import Struct, field

from freehold.flywheel.feedback.settle import same
from freehold.flywheel.rollout.state import Plan, RolloutState, Step
from freehold.flywheel.verdict.guard import Guard, Watch, run_length
from freehold.flywheel.verdict.pairs import Pairs
from freehold.flywheel.verdict.ratio import Ratio
from freehold.flywheel.verdict.verdict import Design, Verdict, verdict

Arm = Literal["incumbent", "candidate"]

WAITING = 20_000
"""Answers that wait for a judgement, at most; the oldest go first."""


class Seen(Struct, frozen=True, kw_only=True):
    """One request that a deployment answered or did not. Times are nanoseconds, `cost` nano-dollars or unknown.

    `abstained`: it was not sure and handed on to another.
    """

    inference: str
    episode: str | None
    text: str
    ok: bool
    refused: bool = False
    latency: int = 0
    cost: int | None = None
    abstained: bool = False


class Shown(Struct, kw_only=True):
    """The evidence of one rollout on one node, as it is kept: plain counts, which may be merged and go on after a
    restart. `guards` are those of the step that `step` and `share` name."""

    rollout: str
    step: Step
    share: float
    pairs: Pairs = field(default_factory=Pairs)
    cost: Ratio = field(default_factory=Ratio)
    latency: Ratio = field(default_factory=Ratio)
    guards: dict[str, Watch] = field(default_factory=dict[str, Watch])
    incumbent: int = 0
    candidate: int = 0
    copies: int = 0
    abstained: int = 0

    def merge(self, other: "Shown") -> None:
        """Count what another node saw; guards stay with the node that ran them."""
        self.pairs.merge(other.pairs)
        self.cost.merge(other.cost)
        self.latency.merge(other.latency)
        self.incumbent += other.incumbent
        self.candidate += other.candidate
        self.copies += other.copies
        self.abstained += other.abstained


def guards(plan: Plan, step: Step, share: float) -> dict[str, Guard]:
    """The guards of a step. Together they raise at most one false alarm in `plan.quiet_days`, on average."""
    paired = step != "canary"
    kinds: dict[str, tuple[Literal["harm", "ratio"], float]] = {
        "quality": ("harm", plan.drop / 2),  # half the drop that must be found: the rest is what is noticed fast
        "errors": ("harm", plan.tolerance),
        "refusals": ("harm", plan.tolerance),
    }
    if plan.latency_ratio is not None:
        kinds["latency"] = ("ratio", plan.latency_ratio)
    if plan.cost_ratio is not None:
        kinds["cost"] = ("ratio", plan.cost_ratio)
    if paired:
        length = max(int(plan.quiet_days * plan.requests_a_day * len(kinds)), 1)
    else:
        inside = min(max(share, 0.001), 0.999)
        length = run_length(requests_a_day=plan.requests_a_day, share=inside, days=plan.quiet_days, guards=len(kinds))
    return {name: Guard(kind=kind, tolerated=tolerated, run_length=length) for name, (kind, tolerated) in kinds.items()}


class Observer:
    """Watches one rollout on one node. Feed it what ends; ask `alarm` and `verdict` at any time."""

    def __init__(self, state: RolloutState, shown: Shown | None = None) -> None:
        self.state = state
        self.shown = shown or Shown(rollout=state.id, step="shadow", share=-1.0)
        self._waiting: OrderedDict[str, tuple[Seen | None, Seen | None]] = OrderedDict()
        self._episodes: OrderedDict[str, None] = OrderedDict()
        self.moved(state)

    def moved(self, state: RolloutState) -> None:
        """Another step has other guards; what pairs have shown stays."""
        self.state = state
        shown, now = self.shown, state.now
        if (shown.step, shown.share) != (now.step, now.share):
            shown.step, shown.share = now.step, now.share
            shown.incumbent = shown.candidate = 0
            shown.guards = {n: Watch(guard=g) for n, g in guards(state.plan, now.step, now.share).items()}

    def one(self, arm: Arm, seen: Seen) -> None:
        """A request of one arm of a canary; the first of its conversation counts, as the others are not independent."""
        if not self._first(seen):
            return
        if arm == "candidate":
            self.shown.candidate += 1
        else:
            self.shown.incumbent += 1
        for name, amount in _amounts(seen).items():
            watch = self.shown.guards.get(name)
            if watch is not None:
                (watch.see_candidate if arm == "candidate" else watch.see_control)(amount)
        self._wait(seen.inference, (None, seen) if arm == "candidate" else (seen, None))

    def both(self, incumbent: Seen, candidate: Seen, *, asked: str) -> None:
        """A request that both answered; `asked` is the id of the inference that its caller knows."""
        shown = self.shown
        shown.copies += 1
        shown.abstained += candidate.abstained
        before, after = _amounts(incumbent), _amounts(candidate)
        for name, watch in shown.guards.items():
            if name in before and name in after:
                watch.see_both(before[name], after[name])
        if incumbent.ok and candidate.ok:
            shown.latency.add(incumbent.latency, candidate.latency)
            if incumbent.cost is not None and candidate.cost is not None:
                shown.cost.add(incumbent.cost, candidate.cost)
        self._wait(asked, (incumbent, candidate))

    def judged(self, inference: str, target: str) -> None:
        """What the answer to an inference should have been is known now."""
        incumbent, candidate = self._waiting.pop(inference, (None, None))
        quality = self.shown.guards.get("quality")
        if incumbent is not None and candidate is not None:
            a, b = _score(incumbent, target), _score(candidate, target)
            self.shown.pairs.add(a, b)
            if quality is not None:
                quality.see_both(1 - a, 1 - b)
        elif quality is not None and candidate is not None:
            quality.see_candidate(1 - _score(candidate, target))
        elif quality is not None and incumbent is not None:
            quality.see_control(1 - _score(incumbent, target))

    def said(self, inference: str) -> str | None:
        """What the caller was answered, where that still waits for a judgement."""
        incumbent, candidate = self._waiting.get(inference, (None, None))
        callers = candidate if self.state.step == "full" and candidate is not None else incumbent or candidate
        return None if callers is None else callers.text

    def alarm(self) -> str | None:
        """Which guard says that the candidate is worse, in words."""
        for name, watch in self.shown.guards.items():
            if watch.alarm is not None:
                return f"the guard of {name} raised an alarm after {watch.alarm} comparisons"
        return None

    def verdict(self) -> Verdict:
        plan = self.state.plan
        return verdict(Design(margin=plan.margin, alpha=plan.alpha), self.shown.pairs)

    def _first(self, seen: Seen) -> bool:
        if seen.episode is None:
            return True
        if seen.episode in self._episodes:
            self._episodes.move_to_end(seen.episode)
            return False
        self._episodes[seen.episode] = None
        if len(self._episodes) > WAITING:
            self._episodes.popitem(last=False)
        return True

    def _wait(self, inference: str, seen: tuple[Seen | None, Seen | None]) -> None:
        self._waiting[inference] = seen
        if len(self._waiting) > WAITING:
            self._waiting.popitem(last=False)


def _score(seen: Seen, target: str) -> float:
    return float(seen.ok and same(seen.text, target))


def _amounts(seen: Seen) -> dict[str, float]:
    """What guards compare. Free of charge counts as one nano-dollar: a ratio needs something to divide."""
    amounts: dict[str, float] = {"errors": float(not seen.ok), "refusals": float(seen.refused)}
    if seen.ok:
        amounts["latency"] = max(seen.latency, 1)
        if seen.cost is not None:
            amounts["cost"] = max(seen.cost, 1)
    return amounts
