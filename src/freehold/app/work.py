"""The work of jobs: models from datasets, evaluations, and verdicts on a route's own traffic."""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from freehold.app.asker import asker
from freehold.app.flywheel import Flywheel, messages
from freehold.app.tuners import Workbench, served_as
from freehold.core.errors import InvalidRequest
from freehold.core.tuned import Method, Run, Tuned
from freehold.flywheel.evaluation.replay import Asker, Cached
from freehold.flywheel.evaluation.run import evaluate, read_comparison, read_results, swap
from freehold.flywheel.evaluation.traffic import Judged, judged
from freehold.flywheel.jobs.job import Json, Steps
from freehold.flywheel.rollout.withdrawn import counts
from freehold.flywheel.tuning.tuner import Made, Task
from freehold.settings.load import load as load_settings

WATTS = 12.0
"""What a busy core is taken to draw, for estimates of energy; a laptop's draws less, a server's more."""


class Tuning(Struct, frozen=True, kw_only=True):
    """The parameters of a tuning job. `params` are the method's own; `replaces`: in whose place it is made."""

    name: str
    dataset: str
    method: Method = "student"
    seed: int = 0
    params: dict[str, Any] = {}
    replaces: str | None = None


class Work:
    """Does jobs on one data folder."""

    def __init__(self, flywheel: Flywheel) -> None:
        self.flywheel = flywheel
        self.home = flywheel.home

    def tune(self, params: Json, steps: Steps) -> Json:
        """Make a model and register it under its name."""
        wanted = msgspec.convert(params, Tuning)

        def begin() -> Json:
            self.free(wanted.name)
            return {"at": time.time_ns()}

        begun = steps.step("begin", begin)["at"]
        reference = self._reference(wanted.dataset)
        given = dict(wanted.params)
        method = served_as(wanted.method, given)
        tuner = self._workbench().tuner(wanted.method, given)
        run = f"tune-{wanted.name}-{begun}"
        work = self.home.folder / "work" / run
        work.mkdir(parents=True, exist_ok=True)
        task = Task(
            name=wanted.name,
            dataset=reference,
            train=self.flywheel.load(reference, "train"),
            validation=self.flywheel.load(reference, "validation"),
            work=work,
            artifacts=self.flywheel.artifacts,
            seed=wanted.seed,
            params=given,
        )
        before = time.process_time()
        made = tuner.tune(task, steps)
        energy = (time.process_time() - before) * WATTS

        def registered() -> Json:
            at = time.time_ns()
            done = Run(
                id=run,
                kind="tune",
                started_at=begun,
                ended_at=at,
                params=wanted.params,
                method=wanted.method,
                dataset=reference,
                made=wanted.name,
                seed=wanted.seed,
                cost=made.cost,
                energy=energy,
                metrics=made.metrics,
            )
            known = self.home.runs.get(run)  # a worker that was killed in this step has begun it
            self.home.runs.put(run, done, version=0 if known is None else known[1], at=at)
            self._register(_tuned(wanted, made, done, method))
            self.flywheel.act("model.tuned", wanted.name, f"{made.digest[:12]} from {reference} by {wanted.method}")
            return {"model": wanted.name, "digest": made.digest, "path": made.path, "run": run, "metrics": made.metrics}

        return steps.step("register", registered)

    def evaluate(self, params: Json, steps: Steps) -> Json:
        """Ask deployments the examples of a dataset, and compare."""
        reference = steps.step("dataset", lambda: {"is": self._reference(str(params["dataset"]))})["is"]
        done = evaluate(
            {**params, "dataset": reference},
            steps,
            load=self.flywheel.load,
            asker=self._asker,
            reports=self.flywheel.reports,
            clock=time.time_ns,
        )

        def told() -> Json:
            self.home.send("reports", Path(done["report"]))
            found = read_results(done)
            words = [f"{c.candidate} against {c.incumbent}: {_word(c.verdict)}" for c in found.comparisons]
            asked = ", ".join(line.deployment for line in found.lines)
            self.flywheel.act("evaluation.ended", reference, "; ".join(words) or asked)
            return {}

        steps.step("told", told)
        return done

    def swap(self, params: Json, steps: Steps) -> Json:
        """Replay a route's judged traffic until it is decided who serves better."""
        done = swap(params, steps, judged=self._judged, asker=self._asker)

        def told() -> Json:
            c = read_comparison(done)
            detail = f"{c.candidate} against {c.incumbent}: {_word(c.verdict)} on {c.verdict.evidence.pairs} pairs"
            self.flywheel.act("swap.ended", str(params["route"]), detail)
            return {}

        steps.step("told", told)
        return done

    def _reference(self, dataset: str) -> str:
        listed = self.flywheel.datasets.find(dataset)
        if listed is None:
            raise InvalidRequest(f"There is no dataset {dataset!r}; `freehold datasets list` shows them")
        if listed.state != "active":
            raise InvalidRequest(f"Dataset {dataset} is {listed.state}: {listed.reason}. Build it anew")
        return f"{listed.name}@{listed.digest[:12]}"

    def free(self, name: str) -> None:
        """InvalidRequest where a new model must not have this name."""
        taken = self.flywheel.change(load_settings(self.flywheel.path, self.flywheel.env))
        if any(name in t for t in (taken.routes, taken.deployments, taken.providers, taken.simulated, taken.local)):
            raise InvalidRequest(f"The settings have something called {name!r} already; choose another name")
        for state in self.home.rollouts.all():
            if name == state.incumbent or (name == state.candidate and state.step != "rolled_back"):
                raise InvalidRequest(
                    f"{name} is on route {state.route} by a rollout, and a model earns its traffic: "
                    "give the new one another name, and roll that out"
                )

    def _register(self, tuned: Tuned) -> None:
        """Write a model under its name; an older one of that name makes room, its run and artifact stay."""
        self.free(tuned.name)
        self.home.send("models", Path(tuned.path))
        known = self.home.models.get(tuned.name)
        self.home.models.put(tuned.name, tuned, version=0 if known is None else known[1], at=tuned.created_at)

    def _workbench(self) -> Workbench:
        return Workbench(
            self.flywheel.book,
            bodies=self.home.bodies,
            feedback=self.home.feedback,
            messages=messages,
            terms=lambda: self.flywheel.rules((), frozenset()).terms,
            asker=self._asker,
        )

    def _judged(self, route: str, since: int, candidate: str) -> Sequence[Judged]:
        """The route's judged traffic, the newest first, but for what the candidate has learned from."""
        known = self.home.models.get(candidate)
        learned: set[str | None] = set()
        if known is not None:
            learned = {e.inference for e in self.flywheel.load(known[0].dataset) if e.split != "test"}
        bodies = self.home.bodies.scan(since=since, route=route)
        found = judged(bodies, self.home.feedback, messages, self.flywheel.distrusts())
        unseen = [one for one in found if one.example.inference not in learned]
        return sorted(unseen, key=lambda one: one.example.at, reverse=True)

    @contextmanager
    def _asker(self, name: str, budget: int | None) -> Generator[Asker]:
        """Asks at low priority, and remembers by content what was answered under these deployments."""
        flywheel = self.flywheel
        key = f"{name}-{time.time_ns()}"
        with asker(flywheel.path, flywheel.env, change=flywheel.change, name=key, budget=budget, told=_quiet) as asking:
            settings = flywheel.book().settings
            deployments = msgspec.json.encode(settings.deployments, enc_hook=str, order="sorted")
            local = msgspec.json.encode(settings.local, order="sorted")
            epoch = sha256(deployments + local).hexdigest()
            yield Cached(asking, self.home.replays, epoch=epoch, withdrawals=counts(self.home.withdrawn.all()))


def _tuned(wanted: Tuning, made: Made, run: Run, method: Method) -> Tuned:
    return Tuned(
        name=wanted.name,
        digest=made.digest,
        method=method,
        path=made.path,
        dataset=run.dataset or "",
        run=run.id,
        created_at=run.ended_at,
        base=made.base,
        provider=wanted.params.get("provider") if method == "provider" else None,
        deployment=made.deployment,
        metrics=made.metrics,
        replaces=wanted.replaces,
    )


def _word(verdict: object) -> str:
    return {"Approve": "approve", "Reject": "reject"}.get(type(verdict).__name__, "not enough data")


def _quiet(line: str) -> None:
    """What the engine of a replay has to say is not for the screen of a job."""
