"""Snapshots: the catalog files of a data folder, and which of them holds from when on.

    catalog/snapshots/<sha256>.json            a file, as it was signed; never changed
    catalog/snapshots/<sha256>.json.manifest   its signed manifest
    catalog/standings/00000001.json            which file holds from when on, and what of it is held back; never changed
    catalog/current                            the number of the newest standing
    catalog/key, key.pub                       what `freehold catalog sign` signs with

A change is a new standing, and `current` renamed into its place: whoever reads at any moment sees the one or the other.
"""

import fcntl
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from freehold.catalog.held import Held
from freehold.catalog.manifest import SUFFIX
from freehold.core.errors import InUse, InvalidRequest, StoreFailed

PACKAGED = "packaged"
"""The name of the catalog that comes with Freehold."""

RESTORE = "Restore the folder from a copy, or move it away: the catalog of the package holds then"


class Standing(Struct, frozen=True, kw_only=True):
    """Which snapshot holds from an instant on. `snapshot` is the digest of its file, or 'packaged'.

    `at` and `made_at` are UTC nanoseconds. `before` is the standing that was the newest until then, `back` the one that
    a rollback returns to.
    """

    number: int
    at: int
    made_at: int
    snapshot: str
    held: tuple[Held, ...] = ()
    actor: str = ""
    why: str = ""
    before: int = 0
    back: int = 0


FIRST = Standing(number=0, at=0, made_at=0, snapshot=PACKAGED)
"""Before anything was changed."""


class Snapshots:
    """The snapshots of a data folder. Nothing is written, and no folder made, before the first change."""

    def __init__(self, data: Path | str) -> None:
        self.folder = Path(data).absolute() / "catalog"

    def newest(self) -> Standing:
        """The last one that was decided; it may hold only from a later instant on."""
        try:
            number = int(self._read(self.folder / "current"))
        except FileNotFoundError:
            return FIRST
        except ValueError:
            raise StoreFailed(f"{self.folder / 'current'} does not hold a number. {RESTORE}") from None
        return self.numbered(number)

    def history(self) -> Iterator[Standing]:
        """All, the newest first."""
        one = self.newest()
        while one.number:
            yield one
            one = self.numbered(one.before)
        yield FIRST

    def standing(self, at: int) -> Standing:
        """The one that holds at an instant (UTC nanoseconds)."""
        return next((one for one in self.history() if one.at <= at), FIRST)

    def numbered(self, number: int) -> Standing:
        if number == 0:
            return FIRST
        path = self._path(number)
        try:
            one = msgspec.json.decode(self._read(path), type=Standing)
        except (FileNotFoundError, msgspec.DecodeError) as error:
            raise StoreFailed(f"{path} is missing or damaged: {error}. {RESTORE}") from None
        if one.number != number or one.before >= number:
            raise StoreFailed(f"{path} is another standing. {RESTORE}")
        return one

    def digests(self) -> tuple[str, ...]:
        """The snapshots that are kept here."""
        return tuple(sorted(path.stem for path in (self.folder / "snapshots").glob("*.json")))

    def find(self, name: str) -> str:
        """The snapshot that is meant by 'packaged', or by the beginning of a digest."""
        found = [d for d in (*self.digests(), PACKAGED) if d.startswith(name)] if name else []
        if len(found) != 1:
            why = "No snapshot begins" if not found else f"{len(found)} snapshots begin"
            raise InvalidRequest(f"{why} with {name!r}; `freehold catalog list` shows them")
        return found[0]

    def data(self, digest: str) -> bytes:
        """A snapshot's file; StoreFailed where it is not what it was."""
        path = self._file(digest)
        way_out = "`freehold catalog rollback` takes the one before it, `freehold catalog update` gets it again"
        try:
            data = self._read(path)
        except FileNotFoundError:
            raise StoreFailed(f"{path} is missing; {way_out}") from None
        if sha256(data).hexdigest() != digest:
            raise StoreFailed(f"{path} was changed: its digest is not its name any more; {way_out}")
        return data

    def note(self, digest: str) -> bytes:
        """A snapshot's signed manifest."""
        try:
            return self._read(self._manifest(digest))
        except FileNotFoundError as error:
            raise StoreFailed(f"{error.filename} is missing. {RESTORE}") from None

    def has(self, digest: str) -> bool:
        """Whether a snapshot is here, and whole."""
        try:
            return bool(self.data(digest))
        except StoreFailed:
            return False

    # changes

    @contextmanager
    def changing(self) -> Generator[None]:
        """One change at a time; InUse where another process makes one."""
        with self._failing():
            for name in ("snapshots", "standings"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUse(f"Another command changes {self.folder} at the moment; try again") from None
            yield
        finally:
            os.close(lock)

    def keep(self, digest: str, data: bytes, note: bytes) -> None:
        """Write a snapshot and its manifest. Nothing holds it yet."""
        with self._failing():
            if not self.has(digest):
                _write(self._file(digest), data)
            _write(self._manifest(digest), note)

    def prepare(self, standing: Standing) -> Standing:
        """Write a standing under the next free number. It holds only once `turn` was called."""
        with self._failing():
            taken = (int(path.stem) for path in (self.folder / "standings").glob("*.json"))
            numbered = msgspec.structs.replace(standing, number=max(taken, default=0) + 1)
            _write(self._path(numbered.number), msgspec.json.encode(numbered))
        return numbered

    def turn(self, standing: Standing) -> None:
        """Make a prepared standing the newest, in one rename."""
        with self._failing():
            _write(self.folder / "current", f"{standing.number}\n".encode(), mode=0o644)

    def _path(self, number: int) -> Path:
        return self.folder / "standings" / f"{number:08}.json"

    def _file(self, digest: str) -> Path:
        return self.folder / "snapshots" / f"{digest}.json"

    def _manifest(self, digest: str) -> Path:
        return self.folder / "snapshots" / f"{digest}.json{SUFFIX}"

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StoreFailed(f"{path} cannot be read: {error.strerror}") from error

    @contextmanager
    def _failing(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise StoreFailed(f"The catalog in {self.folder} cannot be changed: {error}") from error


def _write(path: Path, data: bytes, *, mode: int = 0o444) -> None:
    """Write a file so that it is there whole or not at all, whatever happens meanwhile."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
