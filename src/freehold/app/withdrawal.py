"""Withdrawal: what was made of data that may be used no more serves no more, and gets successors made without it."""

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from freehold.app.flywheel import Flywheel
from freehold.app.work import Work
from freehold.core.dataset import Example
from freehold.core.errors import Changed, InvalidRequest
from freehold.core.interaction import Consent
from freehold.core.tuned import Tuned
from freehold.flywheel.curation.candidate import PEOPLE
from freehold.flywheel.curation.gates import Policy
from freehold.flywheel.curation.terms import Stance
from freehold.flywheel.evaluation.run import Evaluation, read_results
from freehold.flywheel.jobs.job import Json, Kinds, Steps
from freehold.flywheel.rollout.state import RolloutState, roll_back, start
from freehold.flywheel.verdict.verdict import Reject
from freehold.store.datasets import Listed


class Touched(Struct, frozen=True, kw_only=True):
    """What is in quarantine now, by name; and the routes from which its models were taken back."""

    datasets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()


class Retuning(Struct, frozen=True, kw_only=True):
    """The parameters of a retuning: the quarantined model that gets a successor."""

    model: str


class Waiting(Struct, frozen=True, kw_only=True):
    """The rollouts that ended because their candidate was put in quarantine, and what serves their routes meanwhile."""

    rollouts: tuple[RolloutState, ...]
    serving: tuple[str, ...]


# what is withdrawn


def consent(flywheel: Flywheel, subject: str, *, allowed: bool) -> Touched:
    """A subject says whether its data may be learned from; what was made of it is touched where it may not."""
    flywheel.home.project()
    flywheel.home.consents.put(Consent(subject=subject, purpose="training", allowed=allowed, at=time.time_ns()))
    flywheel.act("consent.allowed" if allowed else "consent.denied", flywheel.pseudonym()(subject), "training")
    return Touched() if allowed else erased(flywheel, subject, "a subject withdrew its consent")


def erased(flywheel: Flywheel, subject: str, reason: str = "a subject was erased") -> Touched:
    """What a subject said may be used no more. Call it once the bodies, of which datasets are made, are gone."""
    inferences = flywheel.home.inferences.ids(subject=subject)
    return withdrawn(flywheel, flywheel.datasets.made_from(inferences), (), reason)


def stance(flywheel: Flywheel, account: str, *, allowed: bool) -> Touched:
    """The owner says, for good, whether the answers of an account may be learned from."""
    kinds, book = flywheel.accounts(), flywheel.book()
    ours = {*book.settings.local, "local"}
    known = {*kinds, *kinds.values(), *(d.provider for d in book.deployments.values())} - ours
    if account not in known:
        there = ", ".join(sorted(known)) or "none"
        raise InvalidRequest(f"There is no account or kind of provider {account!r}; there are {there}")
    home = flywheel.home
    before = home.terms.get(account)
    at = time.time_ns()
    home.terms.put(
        account, Stance(account=account, allowed=allowed, at=at), version=0 if before is None else before[1], at=at
    )
    flywheel.act("terms.accepted" if allowed else "terms.withdrawn", account)
    if allowed:
        return Touched()

    def its(deployment: str | None) -> bool:
        found = None if deployment is None else book.deployment(deployment)
        return found is not None and account in {found.provider, kinds.get(found.provider)}

    datasets = [d for d in flywheel.datasets.all() if _learned(flywheel, d, its)]
    taught = [r.made for r in home.runs.all() if r.made and r.method == "distil" and its(r.params.get("teacher"))]
    return withdrawn(flywheel, datasets, taught, f"the terms of {account} were withdrawn")


def _learned(flywheel: Flywheel, listed: Listed, theirs: Callable[[str | None], bool]) -> bool:
    """Whether a dataset has answers of such deployments in it, right ones or rejected ones."""
    reference = f"{listed.name}@{listed.digest}"
    if listed.state != "active" or not any(theirs(d) for d in flywheel.bill(reference).deployments):
        return False

    def has(e: Example) -> bool:
        return theirs(e.deployment) and (e.source not in PEOPLE or e.rejected is not None)

    return any(has(e) for e in flywheel.load(reference))


def withdrawn(flywheel: Flywheel, datasets: Sequence[Listed], models: Sequence[str], reason: str) -> Touched:
    """Put datasets, models, and the models made of those datasets, in quarantine: they serve no more.

    A model that is on a route by a rollout is taken back from it: what comes in its place has its traffic to earn.
    """
    fresh = [d for d in datasets if d.state == "active"]
    names = {f"{d.name}@{d.digest[:12]}" for d in datasets}
    for one in fresh:
        flywheel.datasets.mark(one.digest, "quarantined", reason)
        flywheel.act("dataset.quarantined", f"{one.name}@{one.digest[:12]}", reason)
    found = [m for m in flywheel.home.models.all() if m.state == "active" and (m.dataset in names or m.name in models)]
    routes: list[str] = []
    for model in found:
        _quarantine(flywheel, model, reason)
        routes += _taken_back(flywheel, model.name, reason)
    return Touched(
        datasets=tuple(f"{d.name}@{d.digest[:12]}" for d in fresh),
        models=tuple(m.name for m in found),
        routes=tuple(sorted(set(routes))),
    )


def _quarantine(flywheel: Flywheel, model: Tuned, reason: str) -> None:
    known = flywheel.home.models.get(model.name)
    if known is not None:
        changed = replace(known[0], state="quarantined", reason=reason)
        flywheel.home.models.put(model.name, changed, version=known[1], at=time.time_ns())
        flywheel.act("model.quarantined", model.name, reason)


def _taken_back(flywheel: Flywheel, model: str, reason: str) -> list[str]:
    """Roll a quarantined model back wherever it is a candidate; the routes."""
    standing = [s.route for s in flywheel.home.rollouts.all() if s.candidate == model and s.step != "rolled_back"]
    return [route for route in standing if _rolled_back(flywheel, route, model, reason)]


def _rolled_back(flywheel: Flywheel, route: str, model: str, reason: str) -> bool:
    why = f"{_mark(model)}{reason}"
    while True:
        known = flywheel.home.rollouts.get(route)
        if known is None or known[0].candidate != model or known[0].step == "rolled_back":
            return False
        try:
            state = roll_back(known[0], actor=_actor(), at=time.time_ns(), why=why)
            flywheel.home.move(known[0], state)
        except Changed:  # a guard or a person moved it meanwhile: look again
            continue
        flywheel.home.purge(model)
        flywheel.act("rollout.moved", route, f"{model} rolled_back 0: {why}")
        return True


def _mark(model: str) -> str:
    """How the reason of a rollback begins that came of a quarantine."""
    return f"{model} is in quarantine: "


def _actor() -> str:
    return os.environ.get("USER", "freehold")


# what comes in its place


class Retuner:
    """Makes the successor of a quarantined model: its dataset built anew through today's gates, the same method and
    seed, an evaluation, and a rollout on each route from which the old one was taken."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._flywheel = work.flywheel
        self._home = work.home

    def run(self, params: Json, steps: Steps) -> Json:
        wanted = msgspec.convert(params, Retuning)
        old = self._old(wanted.model)
        made = steps.step("rebuild", lambda: self._rebuilt(old))
        run = self._home.runs.get(old.run)
        tuning = {
            "name": made["name"],
            "dataset": made["dataset"],
            "method": (None if run is None else run[0].method) or old.method,
            "seed": 0 if run is None else run[0].seed or 0,
            "params": {} if run is None else run[0].params,
            "replaces": old.name,
        }
        tuned = self._work.tune(tuning, steps)
        looked = msgspec.convert(steps.step("look", lambda: msgspec.to_builtins(self._waiting(old.name))), Waiting)
        evaluated = self._evaluated(made["dataset"], made["name"], looked, steps) if made["test"] else None
        offered = steps.step("offer", lambda: self._offered(made["name"], old.name, looked.rollouts, evaluated))
        return {**tuned, "dataset": made["dataset"], "replaces": old.name, "evaluated": evaluated, "routes": offered}

    def _old(self, name: str) -> Tuned:
        known = self._home.models.get(name)
        if known is None or known[0].state != "quarantined":
            state = "There is no model" if known is None else "Nothing was withdrawn from"
            raise InvalidRequest(f"{state} {name!r}; only a model in quarantine is made anew")
        return known[0]

    def _rebuilt(self, old: Tuned) -> Json:
        """The dataset built anew: the same query over the same time, through the gates as they are today."""
        bill = self._flywheel.bill(old.dataset)
        if bill.query is None:
            raise InvalidRequest(
                f"{old.dataset} came from a file; import it without what was withdrawn, and tune on that"
            )
        until = min(bill.at, bill.query.until or bill.at)
        policy = msgspec.convert(bill.policy, Policy, strict=False)
        accepted = frozenset(bill.accepted)
        query = replace(bill.query, until=until)
        built = self._flywheel.build(bill.name, query, policy, held_out=bill.against, accepted=accepted)
        if not built.bill.splits.get("train"):
            raise InvalidRequest(f"Without what was withdrawn nothing is left of {old.dataset} to learn from")
        return {
            "dataset": built.bill.reference,
            "name": self._name(old),
            "test": built.bill.splits.get("test", 0),
        }

    def _name(self, old: Tuned) -> str:
        """The next free name of the family: own, own-2, own-3."""
        family = re.sub(r"-\d+$", "", old.name) if old.replaces else old.name
        number = 2
        while True:
            name = f"{family}-{number}"
            if self._home.models.get(name) is None:
                self._work.free(name)
                return name
            number += 1

    def _waiting(self, old: str) -> Waiting:
        ended = [s for s in self._home.rollouts.all() if s.candidate == old and s.step == "rolled_back"]
        waiting = [s for s in ended if s.now.why.startswith(_mark(old))]
        routes = self._flywheel.book().settings.routes
        serving: dict[str, None] = {}
        for route in (routes[s.route] for s in waiting if s.route in routes):
            rollout = route.rollout
            full = rollout and (rollout.candidate if rollout.step == "full" else rollout.incumbent)
            serving[full or route.deployments[0]] = None
        return Waiting(rollouts=tuple(waiting), serving=tuple(serving))

    def _evaluated(self, dataset: str, name: str, looked: Waiting, steps: Steps) -> Json:
        """The new one beside what serves those routes meanwhile."""
        plan = looked.rollouts[0].plan if looked.rollouts else None
        wanted = Evaluation(
            dataset=dataset,
            deployments=(*looked.serving, name),
            scorers=("normalised",),
            budget=None if plan is None else plan.copy_budget,
        )
        if plan is not None:
            wanted = replace(wanted, margin=plan.margin, alpha=plan.alpha)
        return self._work.evaluate(msgspec.to_builtins(wanted), steps)

    def _offered(
        self, name: str, old: str, states: Sequence[RolloutState], evaluated: Json | None
    ) -> Mapping[str, str]:
        """A rollout of the new one for each of the old one; what became of each, by route."""
        comparisons = () if evaluated is None else read_results(evaluated).comparisons
        rejected = any(c.candidate == name and isinstance(c.verdict, Reject) for c in comparisons)
        said: dict[str, str] = {}
        for state in states:
            said[state.route] = "rejected by its evaluation" if rejected else self._begun(name, old, state)
        return said

    def _begun(self, name: str, old: str, before: RolloutState) -> str:
        known = self._home.rollouts.get(before.route)
        if known is not None and known[0].candidate == name:
            return "in shadow"  # a worker that was killed in this step has begun it
        state = start(
            id=f"{name}-{time.time_ns()}",
            route=before.route,
            candidate=name,
            plan=before.plan,
            actor=_actor(),
            at=time.time_ns(),
            two_people=before.two_people,
            before=before,
        )
        try:
            self._home.move(before, state)
        except Changed:
            return "another rollout has begun there; offer it with `freehold rollout start` afterwards"
        self._flywheel.act("rollout.moved", before.route, f"{name} shadow 0: in place of {old}")
        return "in shadow"


def kinds(flywheel: Flywheel) -> Kinds:
    """The work of each kind of job."""
    work = Work(flywheel)
    return {"tune": work.tune, "evaluate": work.evaluate, "swap": work.swap, "retune": Retuner(work).run}
