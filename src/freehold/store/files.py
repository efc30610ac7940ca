"""Files of callers: rows in SQL, bytes in the data folder by their digest. What is the same is kept once."""

import fcntl
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, delete, func, select

from freehold.core.batch import UNDER_WAY, StoredFile
from freehold.store.database import Database
from freehold.store.schema import batches, files

_decode = msgspec.json.Decoder(StoredFile).decode


class SqlFiles:
    """The port `Files`, of the data folder with this id."""

    def __init__(self, database: Database, folder: Path, home: str) -> None:
        self._database = database
        self._folder = folder
        self._home = home

    def put(self, file: StoredFile, content: bytes | Path) -> StoredFile:
        if isinstance(content, Path):
            with content.open("rb") as made:
                digest, size = file_digest(made, "sha256").hexdigest(), content.stat().st_size
            draft = content
        else:
            digest, size = sha256(content).hexdigest(), len(content)
            draft = self.draft()
            with draft.open("wb") as made:
                made.write(content)
        with draft.open("rb") as made:
            os.fsync(made.fileno())
        whole = replace(file, digest=digest, size=size, home=self._home)
        path = self.path(whole)
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._alone():
            draft.rename(path)
            _sync(path.parent)
            with self._database.write() as connection:
                connection.execute(delete(files).where(files.c.id == file.id))
                connection.execute(self._database.insert(files).values(_row(whole)))
        return whole

    def draft(self) -> Path:
        """A new file to write, beside those that are kept."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{uuid4().hex}.draft"

    def path(self, file: StoredFile) -> Path:
        return self._folder / file.digest[:2] / file.digest

    def get(self, id: str, *, now: int) -> StoredFile | None:
        with self._database.read() as connection:
            text = connection.scalar(select(files.c.record).where(files.c.id == id, _alive(now)))
        return None if text is None else _decode(text)

    def page(
        self, owner: str | None, *, now: int, purpose: str | None, after: str | None, most: int, newest: bool
    ) -> Sequence[StoredFile]:
        chosen = select(files.c.record).where(_alive(now)).limit(most)
        if owner is not None:
            chosen = chosen.where(files.c.owner == owner)
        if purpose is not None:
            chosen = chosen.where(files.c.purpose == purpose)
        if after is not None:
            chosen = chosen.where(files.c.id < after if newest else files.c.id > after)
        chosen = chosen.order_by(files.c.id.desc() if newest else files.c.id)
        with self._database.read() as connection:
            return [_decode(text) for text in connection.scalars(chosen)]

    def held(self, owner: str) -> int:
        with self._database.read() as connection:
            return int(connection.scalar(select(func.sum(files.c.size)).where(files.c.owner == owner)) or 0)

    def remove(self, id: str) -> bool:
        with self._alone():
            with self._database.write() as connection:
                text = connection.scalar(select(files.c.record).where(files.c.id == id))
                if text is None:
                    return False
                connection.execute(delete(files).where(files.c.id == id))
                file = _decode(text)
                last = self._last(connection, file)
            if last:
                self.path(file).unlink(missing_ok=True)
        return True

    def expire(self, now: int) -> int:
        needed = select(batches.c.input).where(batches.c.status.in_(UNDER_WAY))
        gone = select(files.c.id).where(
            files.c.expires_at <= now, files.c.home == self._home, files.c.id.not_in(needed)
        )
        with self._database.read() as connection:
            ids = list(connection.scalars(gone))
        return sum(self.remove(id_) for id_ in ids)

    def _last(self, connection: Connection, file: StoredFile) -> bool:
        """Whether nobody else has these bytes here."""
        same = (files.c.digest == file.digest, files.c.home == self._home)
        return file.home == self._home and not connection.scalar(select(func.count()).select_from(files).where(*same))

    @contextmanager
    def _alone(self) -> Generator[None]:
        """One process and thread at a time: what one takes for the last of its bytes, no other adds meanwhile."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _alive(now: int) -> Any:
    return files.c.expires_at.is_(None) | (files.c.expires_at > now)


def _sync(folder: Path) -> None:
    """Make a new name in a folder survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _row(file: StoredFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "owner": file.owner,
        "at": file.at,
        "expires_at": file.expires_at,
        "purpose": file.purpose,
        "home": file.home,
        "digest": file.digest,
        "size": file.size,
        "record": msgspec.json.encode(file).decode(),
    }
