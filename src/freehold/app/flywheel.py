"""The flywheel on a data folder: what there is, datasets from traffic and feedback, and acts about them."""

import hmac
import os
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import file_digest, sha256
from pathlib import Path

import msgspec

from freehold.app.control import laid_over
from freehold.app.home import Home
from freehold.app.on_demand import on_demand
from freehold.core.dataset import Example, Split
from freehold.core.errors import InvalidRequest, SettingsWrong
from freehold.core.interaction import Body
from freehold.core.request import Message
from freehold.dialects.dialect import Dialect
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.flywheel.curation.build import Built, Preview, build, preview, silent
from freehold.flywheel.curation.candidate import Archive, Query
from freehold.flywheel.curation.dataset import Bill, find, load, read_bill
from freehold.flywheel.curation.gates import Policy, Rules, imported_gates
from freehold.flywheel.curation.importing import Imported, imported
from freehold.flywheel.curation.labelling import Pick, import_labels, sample
from freehold.flywheel.curation.terms import OWN, terms
from freehold.flywheel.feedback.importing import Report
from freehold.flywheel.feedback.observe import observe
from freehold.flywheel.rollout.withdrawn import Distrust, distrust
from freehold.ledger.checkpoint import Signer, signer_at
from freehold.ledger.entry import Act
from freehold.providers.discovery import from_environment
from freehold.settings.book import Book
from freehold.settings.load import load as load_settings
from freehold.settings.resolve import resolve
from freehold.settings.tables import Settings
from freehold.store.datasets import Listed, SqlDatasets

DIALECTS: Mapping[str, Dialect] = {OPENAI_CHAT.name: OPENAI_CHAT}
CONVERSATION = 24 * 3600 * 1_000_000_000
"""Nanoseconds that a conversation may have begun before the time that is looked at."""

Progress = Callable[[float, str], None]


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
        self.path = path
        self.env = env
        self.change = change

    # what there is

    def book(self) -> Book:
        """What is served now, as far as no server has to be asked."""
        settings = laid_over(
            self.change(load_settings(self.path, self.env)), self.home.served(), self.home.rollouts.all()
        )
        found = from_environment(self.env) if settings.discovery.environment else ()
        return Book(resolve(settings, found))

    def load(self, reference: str, split: str | None = None) -> list[Example]:
        """The examples of a dataset, or of one split of it; fetched where another data folder made it."""
        wanted = None if split is None else msgspec.convert(split, Split)
        listed = self.datasets.find(reference)
        if listed is not None:
            reference = self.home.fetch("datasets", listed.folder).name
        return list(load(self.folder, reference, wanted))

    def bill(self, reference: str) -> Bill:
        """What a dataset was made of."""
        listed = self.datasets.find(reference)
        if listed is not None:
            reference = self.home.fetch("datasets", listed.folder).name
        return read_bill(find(self.folder, reference))

    # datasets

    def preview(self, query: Query, policy: Policy, *, held_out: Sequence[str], accepted: frozenset[str]) -> Preview:
        self.home.project()
        return preview(query, archive=self.archive(query), policy=policy, rules=self.rules(held_out, accepted))

    def build(
        self,
        name: str,
        query: Query,
        policy: Policy,
        *,
        held_out: Sequence[str] = (),
        accepted: frozenset[str] = frozenset(),
        progress: Progress = silent,
    ) -> Built:
        """Make a dataset from traffic and feedback."""
        self.home.project()
        built = build(
            name,
            query,
            folder=self.folder,
            archive=self.archive(query),
            policy=policy,
            rules=self.rules(held_out, accepted),
            held_out=held_out,
            accepted=accepted,
            at=time.time_ns(),
            sign=self.signer().sign,
            progress=progress,
        )
        self._list(built)
        listed = self.datasets.find(built.bill.reference)
        if listed is not None and listed.state == "quarantined":  # all of it passed today's gates: it was given back
            self.datasets.mark(listed.digest, "active", "")
            self.act("dataset.released", built.bill.reference, listed.reason)
        return built

    def import_file(self, path: Path, name: str, policy: Policy, *, progress: Progress) -> Imported:
        """Make a dataset of a labelled file."""
        found = imported(
            path,
            name,
            folder=self.folder,
            at=time.time_ns(),
            sign=self.signer().sign,
            through=imported_gates(policy, self.rules((), frozenset())),
            pseudonym=self.pseudonym(),
            progress=progress,
        )
        self._list(found.built)
        return found

    def _list(self, built: Built) -> None:
        bill = built.bill
        listed = Listed(digest=bill.digest, name=bill.name, at=bill.at, examples=bill.examples, folder=built.home.name)
        self.home.send("datasets", built.home)
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
        path = self.home.fetch("models", Path(known[0].path).name)
        student = on_demand("freehold.runtime.student.student", "Student").load(str(path))
        return lambda examples: [1.0 - student.answer(e.messages).confidence for e in examples]

    def archive(self, query: Query) -> Archive:
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
            pseudonym=self.pseudonym(),
            reliability=observed.reliability,
        )

    def rules(self, held_out: Sequence[str], accepted: frozenset[str]) -> Rules:
        """What the gates ask. `accepted`: accounts whose terms are settled, beside those that are for good."""
        stances = self.home.terms.all()
        settled = frozenset(s.account for s in stances if s.allowed)
        refused = frozenset(s.account for s in stances if not s.allowed)
        return Rules(
            consents=self.home.consents.known("training"),
            terms=terms(kinds=self.accounts(), accepted=accepted | settled | OWN, refused=refused),
            held_out=[e for reference in held_out for e in self.load(reference, "test")],
            distrusts=self.distrusts(),
        )

    def accounts(self) -> dict[str, str]:
        """What kind of provider each account is."""
        settings = self.book().settings
        kinds = {name: p.kind or name for name, p in settings.providers.items()}
        return kinds | dict.fromkeys(settings.simulated, "simulated") | dict.fromkeys(settings.local, "local")

    def distrusts(self) -> Distrust:
        """Answers of candidates that were taken back are evidence of nothing."""
        return distrust(self.home.withdrawn.all())

    # feedback

    def import_feedback(self, path: Path) -> Report:
        """Take judgements from a table; one act tells of all of them."""
        report = import_labels(path, self.home.feedback, now=time.time_ns())
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        counts = f"{report.accepted} of {report.rows} rows, {report.judgements} judgements"
        self.act("feedback.imported", digest, f"{path.name}: {counts}")
        return report

    def pseudonym(self) -> Callable[[str], str]:
        """Subjects in datasets are digests under a key of this data folder: equal within it, meaningless outside."""
        path = self.home.folder / "subjects.key"
        if not path.exists():
            draft = path.with_suffix(f".{os.getpid()}")
            draft.touch(mode=0o600)
            draft.write_bytes(os.urandom(32))
            draft.rename(path)
        key = path.read_bytes()
        return lambda subject: hmac.new(key, subject.encode(), sha256).hexdigest()[:32]

    def signer(self) -> Signer:
        """The key of the gateway's ledger in this data folder."""
        node = self.home.settings.data.node
        folder = self.home.ledger / node
        folder.mkdir(parents=True, exist_ok=True)
        return signer_at(folder / "key", name=f"freehold/{node}", seed=os.urandom(32))

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


def messages(body: Body) -> tuple[Message, ...]:
    """The messages of a kept request, in whatever dialect it was."""
    dialect = DIALECTS.get(body.dialect)
    if dialect is None:
        raise SettingsWrong(f"This Freehold does not read requests in {body.dialect}")
    return dialect.messages(dialect.decode_request(body.request))
