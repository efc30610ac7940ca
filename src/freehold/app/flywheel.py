"""The flywheel put together: datasets from traffic, models from datasets, evaluations and verdicts, as jobs."""

import hmac
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from freehold.app.asker import asker
from freehold.app.control import laid_over
from freehold.app.home import NODE, Home
from freehold.app.on_demand import on_demand
from freehold.app.tuners import Workbench, served_as
from freehold.core.dataset import Example, Split
from freehold.core.errors import InvalidRequest, SettingsWrong
from freehold.core.interaction import Body
from freehold.core.request import Message
from freehold.core.tuned import Method, Run, Tuned
from freehold.dialects.dialect import Dialect
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.flywheel.curation.build import Built, Preview, build, preview
from freehold.flywheel.curation.candidate import Archive, Query
from freehold.flywheel.curation.dataset import load
from freehold.flywheel.curation.gates import Policy, Rules, imported_gates
from freehold.flywheel.curation.importing import Imported, imported
from freehold.flywheel.curation.labelling import Pick, sample
from freehold.flywheel.curation.terms import OWN, terms
from freehold.flywheel.evaluation.replay import Asker, Cached
from freehold.flywheel.evaluation.run import evaluate, swap
from freehold.flywheel.evaluation.traffic import Judged, judged
from freehold.flywheel.feedback.observe import observe
from freehold.flywheel.jobs.job import Json, Kinds, Steps
from freehold.flywheel.tuning.tuner import Task
from freehold.ledger.checkpoint import Signer, signer_at
from freehold.ledger.entry import Act
from freehold.providers.discovery import from_environment
from freehold.settings.book import Book
from freehold.settings.load import load as load_settings
from freehold.settings.resolve import resolve
from freehold.settings.tables import Settings
from freehold.store.datasets import Listed, SqlDatasets

DIALECTS: Mapping[str, Dialect] = {OPENAI_CHAT.name: OPENAI_CHAT}
WATTS = 12.0
"""What a busy core is taken to draw, for estimates of energy; a laptop's draws less, a server's more."""

CONVERSATION = 24 * 3600 * 1_000_000_000
"""Nanoseconds that a conversation may have begun before the time that is looked at."""

Progress = Callable[[float, str], None]


class Tuning(Struct, frozen=True, kw_only=True):
    """The parameters of a tuning job. `params` are the method's own."""

    name: str
    dataset: str
    method: Method = "student"
    seed: int = 0
    params: dict[str, Any] = {}


class Flywheel:
    """The flywheel on one data folder. `change` is laid over the settings of the file."""

    def __init__(
        self, home: Home, path: Path | None, env: Mapping[str, str], *, change: Callable[[Settings], Settings]
    ) -> None:
        self.home = home
        self.datasets = SqlDatasets(home.database)
        self.folder = home.folder / "datasets"
        self.artifacts = home.folder / "models"
        self.reports = home.folder / "reports"
        self._path = path
        self._env = env
        self._change = change

    # what there is

    def book(self) -> Book:
        """What is served now, as far as no server has to be asked."""
        settings = laid_over(
            self._change(load_settings(self._path, self._env)), self.home.models.all(), self.home.rollouts.all()
        )
        found = from_environment(self._env) if settings.discovery.environment else ()
        return Book(resolve(settings, found))

    def load(self, reference: str, split: str | None = None) -> list[Example]:
        """The examples of a dataset, or of one split of it."""
        wanted = None if split is None else msgspec.convert(split, Split)
        return list(load(self.folder, reference, wanted))

    # datasets

    def preview(self, query: Query, policy: Policy, *, held_out: Sequence[str], accepted: frozenset[str]) -> Preview:
        self.home.project()
        return preview(query, archive=self._archive(query), policy=policy, rules=self._rules(held_out, accepted))

    def build(
        self,
        name: str,
        query: Query,
        policy: Policy,
        *,
        held_out: Sequence[str] = (),
        accepted: frozenset[str] = frozenset(),
        progress: Progress,
    ) -> Built:
        """Make a dataset from traffic and feedback."""
        self.home.project()
        built = build(
            name,
            query,
            folder=self.folder,
            archive=self._archive(query),
            policy=policy,
            rules=self._rules(held_out, accepted),
            at=time.time_ns(),
            sign=self._signer().sign,
            progress=progress,
        )
        self._list(built)
        return built

    def import_file(self, path: Path, name: str, policy: Policy, *, progress: Progress) -> Imported:
        """Make a dataset of a labelled file."""
        found = imported(
            path,
            name,
            folder=self.folder,
            at=time.time_ns(),
            sign=self._signer().sign,
            through=imported_gates(policy, self._rules((), frozenset())),
            pseudonym=self._pseudonym(),
            progress=progress,
        )
        self._list(found.built)
        return found

    def _list(self, built: Built) -> None:
        bill = built.bill
        listed = Listed(digest=bill.digest, name=bill.name, at=bill.at, examples=bill.examples, folder=built.home.name)
        self.datasets.add(listed, built.inferences)
        if built.new:
            self.act("dataset.built", bill.reference, f"{bill.examples} of {bill.rows_in} rows")

    def sample(self, query: Query, policy: Policy, budget: int, model: str | None) -> list[Pick]:
        """The answers that teach most if people judge them: unlike each other, and where the student `model` is least
        sure."""
        found = self.preview(query, policy, held_out=(), accepted=frozenset())
        return sample(found.examples, budget, None if model is None else self._doubts(model))

    def _doubts(self, model: str) -> Callable[[Sequence[Example]], list[float]]:
        known = self.home.models.get(model)
        if known is None or known[0].method != "student":
            raise InvalidRequest(f"There is no student {model!r}; `freehold tune` makes one")
        student = on_demand("freehold.runtime.student.student", "Student").load(known[0].path)
        return lambda examples: [1.0 - student.answer(e.messages).confidence for e in examples]

    def _archive(self, query: Query) -> Archive:
        """Where interactions are read; what happened after each answer is read off first."""
        book = self.book()
        observed = observe(
            self.home.bodies,
            self.home.feedback,
            DIALECTS,
            since=max(query.since - CONVERSATION, 0),
            until=query.until,
            route=query.route,
        )
        return Archive(
            bodies=self.home.bodies,
            inferences=self.home.inferences.many,
            feedback=self.home.feedback,
            deployment=book.deployment,
            dialects=DIALECTS,
            pseudonym=self._pseudonym(),
            reliability=observed.reliability,
        )

    def _rules(self, held_out: Sequence[str], accepted: frozenset[str]) -> Rules:
        settings = self.book().settings
        kinds = {name: p.kind or name for name, p in settings.providers.items()}
        kinds |= dict.fromkeys(settings.simulated, "simulated") | dict.fromkeys(settings.local, "local")
        examples = [e for reference in held_out for e in self.load(reference, "test")]
        return Rules(
            consents=self.home.consents.known("training"),
            terms=terms(kinds=kinds, accepted=accepted | OWN),
            held_out=examples,
        )

    def _pseudonym(self) -> Callable[[str], str]:
        """Subjects in datasets are digests under a key of this data folder: equal within it, meaningless outside."""
        path = self.home.folder / "subjects.key"
        if not path.exists():
            draft = path.with_suffix(f".{os.getpid()}")
            draft.touch(mode=0o600)
            draft.write_bytes(os.urandom(32))
            draft.rename(path)
        key = path.read_bytes()
        return lambda subject: hmac.new(key, subject.encode(), sha256).hexdigest()[:32]

    def _signer(self) -> Signer:
        folder = self.home.ledger / NODE
        folder.mkdir(parents=True, exist_ok=True)
        return signer_at(folder / "key", name=f"freehold/{NODE}", seed=os.urandom(32))

    # jobs

    def kinds(self) -> Kinds:
        """The work of each kind of job."""
        return {"tune": self._tune, "evaluate": self._evaluate, "swap": self._swap}

    def _tune(self, params: Json, steps: Steps) -> Json:
        wanted = msgspec.convert(params, Tuning)
        begun = steps.step("begin", lambda: {"at": time.time_ns()})["at"]
        listed = self.datasets.find(wanted.dataset)
        if listed is None:
            raise InvalidRequest(f"There is no dataset {wanted.dataset!r}; `freehold datasets list` shows them")
        if listed.state != "active":
            raise InvalidRequest(f"Dataset {wanted.dataset} is {listed.state}: {listed.reason}. Build it anew")
        reference = f"{listed.name}@{listed.digest[:12]}"
        params = dict(wanted.params)
        method = served_as(wanted.method, params)
        account = params.get("provider") if method == "provider" else None
        tuner = self._workbench().tuner(wanted.method, params)
        run = f"tune-{wanted.name}-{begun}"
        work = self.home.folder / "work" / run
        work.mkdir(parents=True, exist_ok=True)
        task = Task(
            name=wanted.name,
            dataset=reference,
            train=self.load(reference, "train"),
            validation=self.load(reference, "validation"),
            work=work,
            artifacts=self.artifacts,
            seed=wanted.seed,
            params=params,
        )
        before = time.process_time()
        made = tuner.tune(task, steps)
        energy = (time.process_time() - before) * WATTS

        def registered() -> Json:
            at = time.time_ns()
            tuned = Tuned(
                name=wanted.name,
                digest=made.digest,
                method=method,
                path=made.path,
                dataset=reference,
                run=run,
                created_at=at,
                base=made.base,
                provider=account,
                deployment=made.deployment,
                metrics=made.metrics,
            )
            self._register(tuned)
            done = Run(
                id=run,
                kind="tune",
                started_at=begun,
                ended_at=at,
                params={k: v for k, v in wanted.params.items() if isinstance(v, str | int | float | bool | None)},
                dataset=reference,
                made=wanted.name,
                seed=wanted.seed,
                cost=made.cost,
                energy=energy,
                metrics=made.metrics,
            )
            self.home.runs.put(run, done, version=0, at=at)
            self.act("model.tuned", wanted.name, f"{made.digest[:12]} from {reference} by {wanted.method}")
            return {"model": wanted.name, "digest": made.digest, "path": made.path, "run": run, "metrics": made.metrics}

        return steps.step("register", registered)

    def _workbench(self) -> Workbench:
        return Workbench(
            self.book,
            bodies=self.home.bodies,
            feedback=self.home.feedback,
            messages=_messages,
            terms=lambda: self._rules((), frozenset()).terms,
            asker=self._asker,
        )

    def _register(self, tuned: Tuned) -> None:
        """Write a model under its name; an older one of that name makes room, its run and artifact stay."""
        taken = self._change(load_settings(self._path, self._env))
        if any(
            tuned.name in t for t in (taken.routes, taken.deployments, taken.providers, taken.simulated, taken.local)
        ):
            raise InvalidRequest(f"The settings have something called {tuned.name!r} already; choose another --name")
        known = self.home.models.get(tuned.name)
        self.home.models.put(tuned.name, tuned, version=0 if known is None else known[1], at=tuned.created_at)

    def _evaluate(self, params: Json, steps: Steps) -> Json:
        return evaluate(params, steps, load=self.load, asker=self._asker, reports=self.reports, clock=time.time_ns)

    def _swap(self, params: Json, steps: Steps) -> Json:
        return swap(params, steps, judged=self._judged, asker=self._asker)

    def _judged(self, route: str, since: int, candidate: str) -> Sequence[Judged]:
        """The route's judged traffic, the newest first, but for what the candidate has learned from."""
        known = self.home.models.get(candidate)
        learned: set[str | None] = set()
        if known is not None:
            learned = {e.inference for e in self.load(known[0].dataset) if e.split != "test"}
        found = list(judged(self.home.bodies.scan(since=since, route=route), self.home.feedback, _messages))
        unseen = [one for one in found if one.example.inference not in learned]
        return sorted(unseen, key=lambda one: one.example.at, reverse=True)

    @contextmanager
    def _asker(self, name: str, budget: int | None) -> Generator[Asker]:
        """Asks at low priority, and remembers by content what was answered under these deployments."""
        key = f"{name}-{time.time_ns()}"
        with asker(self._path, self._env, change=self._change, name=key, budget=budget, told=_quiet) as asking:
            deployments = msgspec.json.encode(self.book().settings.deployments, enc_hook=str, order="sorted")
            local = msgspec.json.encode(self.book().settings.local, order="sorted")
            epoch = sha256(deployments + local).hexdigest()
            yield Cached(asking, self.home.folder / "cache" / "replays", epoch=epoch)

    # the ledger

    def act(self, verb: str, subject: str, detail: str = "") -> None:
        """Write an act into a ledger of this data folder that no other process has open."""
        with self.home.journal_beside() as journal:
            journal.act(
                Act(
                    at=time.time_ns(),
                    actor=os.environ.get("USER", "freehold"),
                    verb=verb,
                    subject=subject,
                    detail=detail,
                )
            )


def _messages(body: Body) -> tuple[Message, ...]:
    dialect = DIALECTS.get(body.dialect)
    if dialect is None:
        raise SettingsWrong(f"This Freehold does not read requests in {body.dialect}")
    return dialect.messages(dialect.decode_request(body.request))


def _quiet(line: str) -> None:
    """What the engine of a replay has to say is not for the screen of a job."""


def withdrawn(flywheel: Flywheel, inferences: Sequence[str], reason: str) -> tuple[list[str], list[str]]:
    """Quarantine the datasets and models in which any of these inferences is: the models serve no more.

    The names of both. Tune them anew from a dataset that is built anew.
    """
    datasets = flywheel.datasets.made_from(inferences)
    names = {f"{d.name}@{d.digest[:12]}" for d in datasets}
    for one in datasets:
        flywheel.datasets.mark(one.digest, "quarantined", reason)
    models = [m for m in flywheel.home.models.all() if m.dataset in names and m.state == "active"]
    for model in models:
        known = flywheel.home.models.get(model.name)
        if known is not None:
            changed = replace(known[0], state="quarantined", reason=reason)
            flywheel.home.models.put(model.name, changed, version=known[1], at=time.time_ns())
            flywheel.act("model.quarantined", model.name, reason)
    return sorted(names), [m.name for m in models]
