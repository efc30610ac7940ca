"""Home: the data folder, and what is kept in it."""

import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile

import msgspec

from freehold.core.errors import Changed, InUse, SettingsWrong, StoreFailed
from freehold.core.inference import Accepted, Inference
from freehold.core.principal import Key
from freehold.core.tuned import Run, Tuned
from freehold.flywheel.rollout.state import RolloutState
from freehold.governance.budget import period
from freehold.ledger import reader
from freehold.ledger.book import Recovery
from freehold.ledger.journal import Journal
from freehold.ledger.segment import START, Position
from freehold.settings.snapshot import restore, snapshot
from freehold.settings.tables import Settings
from freehold.store.bodies.files import BodyFiles
from freehold.store.bodies.writer import WritingBodies
from freehold.store.budgets import SqlBudgets
from freehold.store.database import Database
from freehold.store.documents import SqlDocuments
from freehold.store.feedback import SqlConsents, SqlFeedback
from freehold.store.inferences import SqlInferences
from freehold.store.keys import SqlKeys

NODE = "main"
NODES = 64
"""Processes beside the gateway that one data folder may have at the same time, each with a ledger of its own."""
ELSEWHERE = "Choose another with --data or FREEHOLD_DATA"
BATCH = 2_000


class Home:
    """A data folder: `freehold.sqlite` (unless another database is set), `ledger/`, `settings/` by digest."""

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
        self.models = SqlDocuments(self.database, "model", Tuned)
        self.rollouts = SqlDocuments(self.database, "rollout", RolloutState)
        self.runs = SqlDocuments(self.database, "run", Run)
        self.bodies = BodyFiles(self.folder / "bodies")
        self.feedback = SqlFeedback(self.database)
        self.consents = SqlConsents(self.database)
        self.ledger = self.folder / "ledger"

    def move(self, before: RolloutState | None, after: RolloutState) -> None:
        """Write where a rollout stands; `Changed` where it does not stand at `before` any more."""
        known = self.rollouts.get(after.route)
        if (None if known is None else known[0]) != before:
            raise Changed(
                f"The rollout on {after.route} was moved by somebody else meanwhile; look at it and try again"
            )
        self.rollouts.put(after.route, after, version=0 if known is None else known[1], at=after.now.at)

    def generation(self) -> tuple[int, int]:
        """Changes with the control state that is laid over the settings; two small reads."""
        return self.models.generation(), self.rollouts.generation()

    def close(self) -> None:
        self.database.close()

    def open_journal(self, node: str) -> tuple[Journal, Recovery]:
        """The ledger, for writing. Leases that a dead process left are settled from what the ledger says it spent."""
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


def _entries(home: Path, after: str) -> Iterator[tuple[str, Inference | None]]:
    start = msgspec.json.decode(after, type=Position) if after else START
    for position, entry in reader.read(home, start):
        text = msgspec.json.encode(position).decode()
        yield text, entry if isinstance(entry, Inference) else None
