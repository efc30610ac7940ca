"""Parcels: folders and files on their way between machines that share a database and no disk.

What is sent never changes and is named by its digest or its time: a name that is there already is the same thing.
"""

import os
import shutil
import tarfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from sqlalchemy import select

from freehold.core.errors import StoreFailed
from freehold.store.database import Database
from freehold.store.schema import parcel_parts, parcels

PART = 1 << 20
"""Bytes in one row."""


class SqlParcels:
    """Sends and fetches. Names have the form `kind/name`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def send(self, name: str, path: Path) -> None:
        """Put a folder or a file into the database, whole or not at all; what is there already stays."""
        if self._digest(name) is not None:
            return
        with _packed(path) as file:
            whole = sha256()
            for part in _parts(file):
                whole.update(part)
            values = {"name": name, "digest": whole.hexdigest(), "size": file.tell()}
            file.seek(0)
            with self._database.write() as connection:
                insert = self._database.insert(parcels).values(**values).on_conflict_do_nothing()
                if connection.execute(insert.returning(parcels.c.name)).first() is None:
                    return  # somebody else has just sent it
                for number, part in enumerate(_parts(file)):
                    row = {"parcel": name, "number": number, "data": part}
                    connection.execute(self._database.insert(parcel_parts).values(**row))

    def fetch(self, name: str, path: Path) -> bool:
        """Write it to `path`, whole or not at all; False where nobody sent it, nothing to do where it is there.

        StoreFailed where what arrives is not what was sent, or cannot be written.
        """
        if path.exists():
            return True
        digest = self._digest(name)
        if digest is None:
            return False
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=path.parent) as file:
                self._receive(name, digest, file)
                file.seek(0)
                with tarfile.open(fileobj=file, mode="r:") as tar:
                    tar.extractall(draft, filter="data")
            (draft / "it").rename(path)
        except OSError as error:
            if not path.exists():  # else somebody else has just fetched the same
                raise StoreFailed(f"{path} cannot be written: {error.strerror}") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return True

    def _receive(self, name: str, digest: str, file: IO[bytes]) -> None:
        whole, number = sha256(), 0
        while True:
            chosen = select(parcel_parts.c.data).where(parcel_parts.c.parcel == name, parcel_parts.c.number == number)
            with self._database.read() as connection:
                part = connection.scalar(chosen)
            if part is None:
                break
            whole.update(part)
            file.write(part)
            number += 1
        if whole.hexdigest() != digest:
            raise StoreFailed(f"What the store holds as {name} is not what was sent: it was changed or damaged")

    def _digest(self, name: str) -> str | None:
        with self._database.read() as connection:
            return connection.scalar(select(parcels.c.digest).where(parcels.c.name == name))


def _parts(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(PART), b"")


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without what tells whose it was."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


@contextmanager
def _packed(path: Path) -> Generator[IO[bytes]]:
    """A folder or a file as one stream of bytes."""
    try:
        with TemporaryFile(dir=path.parent) as file:
            with tarfile.open(fileobj=file, mode="w:") as tar:
                tar.add(path, arcname="it", filter=_nobodys)
            file.seek(0)
            yield file
    except OSError as error:
        raise StoreFailed(f"{path} cannot be sent: {error.strerror}") from error
