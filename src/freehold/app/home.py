"""Home: the data folder, and what is kept in it."""

import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from freehold.app.on_demand import on_demand
from freehold.catalog.book import today
from freehold.catalog.snapshots import Snapshots
from freehold.core.errors import Changed, InUse, SettingsWrong, StoreFailed
from freehold.core.inference import Accepted, Inference
from freehold.core.principal import Key
from freehold.core.tuned import Run, Tuned
from freehold.flywheel.curation.terms import Stance
from freehold.flywheel.evaluation.replay import purge
from freehold.flywheel.rollout.state import RolloutState
from freehold.flywheel.rollout.withdrawn import Taken, Withdrawn
from freehold.governance.budget import period
from freehold.ledger import reader
from freehold.ledger.book import Recovery
from freehold.ledger.entry import RECORD
from freehold.ledger.journal import Journal
from freehold.ledger.segment import START, Position
from freehold.settings.snapshot import restore, snapshot
from freehold.settings.tables import Settings
from freehold.store.batches import SqlBatches
from freehold.store.bodies.files import BodyFiles
from freehold.store.bodies.writer import WritingBodies
from freehold.store.budgets import SqlBudgets
from freehold.store.database import Database
from freehold.store.documents import SqlDocuments
from freehold.store.feedback import SqlConsents, SqlFeedback
from freehold.store.files import SqlFiles
from freehold.store.inferences import SqlInferences
from freehold.store.keys import SqlKeys
from freehold.store.responses import SqlResponses
from freehold.store.spool import Spools

if TYPE_CHECKING:
    from freehold.store.parcels import SqlParcels

NODES = 64
"""Processes beside the gateway that one data folder may have at the same time, each with a ledger of its own."""
Parcel = Literal["datasets", "models", "reports"]
"""What travels between data folders that share a database, and the folder in which it lies."""

ELSEWHERE = "Choose another with --data or FREEHOLD_DATA"
BATCH = 2_000


class Claim(Struct, frozen=True, kw_only=True):
    """Whose the ledger of a node is: the id of a data folder."""

    home: str


class Home:
    """A data folder: `freehold.sqlite` (unless another database is set), `ledger/`, `settings/` by digest.

    Several data folders, each on its machine, may share a database; `id` tells them apart. What one makes and another
    needs travels through the database.
    """

    def __init__(self, settings: Settings) -> None:
        self.folder = Path(settings.data.folder)
        self.settings = settings
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreFailed(f"The data folder {self.folder} cannot be made: {error.strerror}. {ELSEWHERE}") from error
        try:
            TemporaryFile(dir=self.folder).close()
        except OSError as error:
            why = error.strerror
            raise StoreFailed(f"The data folder {self.folder} cannot be written: {why}. {ELSEWHERE}") from error
        url = settings.data.database_url
        self.database = Database.open(self.folder / "freehold.sqlite" if url is None else url.reveal())
        self.keys = SqlKeys(self.database)
        self.budgets = SqlBudgets(self.database)
        self.inferences = SqlInferences(self.database)
        self.responses = SqlResponses(self.database)
        self.models = SqlDocuments(self.database, "model", Tuned)
        self.rollouts = SqlDocuments(self.database, "rollout", RolloutState)
        self.runs = SqlDocuments(self.database, "run", Run)
        self.withdrawn = SqlDocuments(self.database, "withdrawn", Withdrawn)
        self.terms = SqlDocuments(self.database, "terms", Stance)
        self.bodies = BodyFiles(self.folder / "bodies")
        self.feedback = SqlFeedback(self.database)
        self.consents = SqlConsents(self.database)
        self.ledger = self.folder / "ledger"
        self.id = _id(self.folder / "home.id")
        self.files = SqlFiles(self.database, self.folder / "files", self.id)
        self.batches = SqlBatches(self.database)
        self.spools = Spools(self.folder / "batches")
        self._parcels: SqlParcels | None = None
        if url is not None:
            self._parcels = on_demand("freehold.store.parcels", "SqlParcels")(self.database)
        self._nodes = SqlDocuments(self.database, "node", Claim)
        self.replays = self.folder / "cache" / "replays"

    def move(self, before: RolloutState | None, after: RolloutState) -> None:
        """Write where a rollout stands; `Changed` where it does not stand at `before` any more.

        What a candidate that is taken back said until then is evidence of nothing from now on; `purge` removes what
        this data folder remembers of it.
        """
        known = self.rollouts.get(after.route)
        if (None if known is None else known[0]) != before:
            raise Changed(
                f"The rollout on {after.route} was moved by somebody else meanwhile; look at it and try again"
            )
        self.rollouts.put(after.route, after, version=0 if known is None else known[1], at=after.now.at)
        if after.step == "rolled_back":
            self._mark(after.candidate, Taken(route=after.route, at=after.now.at, why=after.now.why))

    def _mark(self, deployment: str, taken: Taken) -> None:
        while True:
            known, version = self.withdrawn.get(deployment) or (Withdrawn(deployment=deployment), 0)
            with suppress(Changed):  # it was taken back from another route at the same moment
                self.withdrawn.put(deployment, known.again(taken), version=version, at=taken.at)
                return

    def purge(self, deployment: str) -> int:
        """Remove the replies of a deployment, and of judges about it, that replays remember here; how many."""
        return purge(self.replays, deployment)

    def generation(self, at: int) -> tuple[int, int, int, str]:
        """Changes with what settings are resolved with at an instant: the control state, the catalog in use, and the
        day, on which aliases such as `mistral-large-latest` may stand for another model; a few small reads."""
        catalog = Snapshots(self.folder).standing(at).number
        return self.models.generation(), self.rollouts.generation(), catalog, today(at)

    def close(self) -> None:
        self.database.close()

    def open_journal(self, node: str) -> tuple[Journal, Recovery]:
        """The ledger, for writing. Leases that a dead process left are settled from what the ledger says it spent.

        InUse where another process writes it, or where it is that of another data folder on the same database: budgets
        and tables know a ledger by the name of its node.
        """
        self._claim(node)
        journal, recovery = Journal.open(self.ledger, node=node, clock=time.time_ns, sync=self.settings.data.durability)
        self._reconcile(node)
        return journal, recovery

    @contextmanager
    def journal_beside(self) -> Generator[Journal]:
        """A ledger beside that of the gateway, for a moment: of the first worker's name that nobody uses."""
        for number in range(1, NODES + 1):
            try:
                journal, _ = self.open_journal(f"worker-{number}")
            except InUse:
                continue
            try:
                yield journal
            finally:
                journal.stop()
            return
        raise StoreFailed(f"{NODES} workers have this data folder open; end some")

    def _claim(self, node: str) -> None:
        known = self._nodes.get(node)
        if known is None:
            with suppress(Changed):  # another one was faster, and may be we
                self._nodes.put(node, Claim(home=self.id), version=0, at=time.time_ns())
            known = self._nodes.get(node)
        if known is None or known[0].home != self.id:
            raise InUse(
                f"The ledger {node!r} is that of another data folder on this database. "
                f"Give the one of {self.folder} a name of its own: [data] node"
            )

    # what travels

    def send(self, kind: Parcel, path: Path) -> None:
        """Let other data folders on this database have something that lies in this one."""
        if self._parcels is not None:
            self._parcels.send(f"{kind}/{path.name}", path)

    def fetch(self, kind: Parcel, name: str) -> Path:
        """Where something lies in this data folder; fetched from the database where another one made it."""
        path = self.folder / kind / name
        if self._parcels is not None:
            self._parcels.fetch(f"{kind}/{name}", path)
        return path

    def served(self) -> Sequence[Tuned]:
        """The tuned models that may serve, each with its artifact in this data folder where it can be had."""
        found: list[Tuned] = []
        for model in self.models.all():
            if model.state == "active":
                here = self.fetch("models", Path(model.path).name)
                found.append(replace(model, path=str(here)) if here.exists() else model)
        return found

    def open_bodies(self, node: str, told: Callable[[str], None]) -> WritingBodies:
        """What routes collect, for writing."""
        return WritingBodies.open(self.folder / "bodies", node=node, told=told)

    def project(self, told: Callable[[int], None] = lambda added: None, *, most: int | None = None) -> int:
        """Bring the tables up to the ledger; the number of entries added. `told` hears it as it grows.

        After about `most` entries it stops, to be called again: where callers wait, a long backlog must not.
        """
        added = 0
        size = BATCH if most is None else min(most, BATCH)
        for home in reader.homes(self.ledger):
            after = self.inferences.position(home.name)
            while most is None or added < most:
                batch = list(islice(_entries(home, after), size))
                if not batch:
                    break
                after = self.inferences.project(home.name, after, batch)
                added += len(batch)
                told(added)
        return added

    def find(self, id_: str) -> Inference | Accepted | None:
        """An inference by its id: from the tables, else from the ledger itself."""
        inference = self.inferences.get(id_)
        if inference is not None:
            return inference
        found = (reader.find(home, id_) for home in reader.homes(self.ledger))
        return next((one[1] for one in found if one is not None), None)

    def inference(self, id_: str) -> Inference | None:
        """A finished inference by its id."""
        found = self.find(id_)
        return found if isinstance(found, Inference) else None

    def remember(self, settings: Settings, digest: str) -> None:
        """Keep a snapshot of the settings, so that their decisions can be computed again."""
        path = self.folder / "settings" / f"{digest}.json"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            draft = path.with_suffix(f".{os.getpid()}")
            draft.write_bytes(snapshot(settings))
            draft.rename(path)

    def recall(self, digest: str) -> Settings:
        """The settings with this digest; SettingsWrong where they are not kept here."""
        path = self.folder / "settings" / f"{digest}.json"
        if not path.exists():
            raise SettingsWrong(f"The settings {digest[:12]} are missing: {path} does not exist")
        return restore(path.read_bytes())

    def _reconcile(self, node: str) -> None:
        open_leases = self.budgets.outstanding(node)
        if open_leases:
            keys = {key.id: key for key in self.keys.all()}
            self.budgets.reconcile(node, _spent(reader.read(self.ledger / node), keys))


def _id(path: Path) -> str:
    """The id of a data folder, made once."""
    if not path.exists():
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(token_hex(16))
        with suppress(FileExistsError):  # another process was faster
            os.link(draft, path)
        draft.unlink()
    return path.read_text()


def _spent(entries: Iterator[tuple[Position, object]], keys: Mapping[str, Key]) -> dict[tuple[str, int], int]:
    """What each key spent in each period of its budget, in nano-dollars."""
    spent: dict[tuple[str, int], int] = {}
    for _, entry in entries:
        if isinstance(entry, Inference) and entry.key is not None and entry.cost:
            key = keys.get(entry.key)
            if key is not None and key.budget is not None:
                start = period(key.budget.period, entry.at)[0]
                spent[key.id, start] = spent.get((key.id, start), 0) + entry.cost
    return spent


def _entries(home: Path, after: str) -> Iterator[tuple[str, bytes | None]]:
    start = msgspec.json.decode(after, type=Position) if after else START
    for number, frame in reader.walk(home, start):
        position = msgspec.json.encode(Position(number, frame.end)).decode()
        yield position, frame.payload if frame.kind == RECORD else None
