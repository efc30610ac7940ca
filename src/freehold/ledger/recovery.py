"""What a start finds in a log: it goes on from the newest checkpoint, cuts a torn tail, and sees what stayed open."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from freehold.core.errors import LedgerDamaged
from freehold.ledger.book import Book, Found, Recovery, Resume, Torn, Written
from freehold.ledger.checkpoint import Verifier
from freehold.ledger.entry import ACCEPTED, CHECKPOINT, RECORD, accepted, identify
from freehold.ledger.merkle import leaf_hash
from freehold.ledger.reader import damage, walk
from freehold.ledger.segment import HEADER_BYTES, START, Position, frames, header_at, numbers, path_of, rest
from freehold.ledger.tiles import Rows, Tree

_FLUSH = 4096


def recover(home: Path, rows: Rows, verifier: Verifier) -> Found:
    """Bring a log in order after whatever ended its last process.

    LedgerDamaged, with nothing changed, if there is damage other than an incomplete end, or if the log no longer
    reaches, or differs from, what a signed checkpoint covers.
    """
    torn = _unborn(home)
    resume, book = _resumed(home, rows, verifier)
    notes, signed, torn_notes = _notes(home, verifier, resume)
    rows.cut(book.tree.size)
    replayed = 0
    for written in _replay(home, book.position):
        book.take(written)
        replayed += 1
        size = book.tree.size
        if written.leaf and size in signed and book.tree.root() != signed[size]:
            raise LedgerDamaged(
                f"The first {size} leaves in {home} are not those that were signed. Restore the log from a copy "
                "(`freehold verify` names the first that differs)"
            )
        if written.leaf and not size % _FLUSH:
            book.tree.flush(rows.write)
    newest = max(signed, default=0)
    if newest > book.tree.size:
        raise LedgerDamaged(
            f"The log in {home} has {book.tree.size} leaves, but a checkpoint over {newest} was signed: "
            "its end is missing. Restore it from a copy"
        )
    torn += torn_notes + _torn_tail(home, book.position)
    unclosed = tuple(book.open.values())
    recovery = Recovery(
        torn=torn,
        closed=tuple(accepted.id for accepted in unclosed),
        replayed=replayed,
        rebuilt=resume is None and bool(signed),
        size=book.tree.size,
    )
    return Found(book=book, unclosed=unclosed, notes=notes, signed=newest, recovery=recovery)


def _resumed(home: Path, rows: Rows, verifier: Verifier) -> tuple[Resume | None, Book]:
    """Where the newest checkpoint stands, if what is kept of it leads to its signed root; otherwise the very start."""
    try:
        resume = msgspec.json.decode((home / "resume").read_bytes(), type=Resume)
        checkpoint = verifier.open(resume.note)
        tree = Tree.resume(rows, checkpoint.size)
    except (FileNotFoundError, ValueError, LedgerDamaged):  # msgspec's errors are ValueErrors
        return None, Book(Tree(), {}, START)
    if tree.root() != checkpoint.root:
        return None, Book(Tree(), {}, START)
    return resume, Book(tree, {a.id: a for a in resume.open}, resume.position)


def _notes(home: Path, verifier: Verifier, resume: Resume | None) -> tuple[int, dict[int, bytes], tuple[Torn, ...]]:
    """The length of the file of checkpoints, the roots by size that it and `checkpoint` hold from `resume` on, and
    its torn end."""
    path = home / "checkpoints"
    path.touch(mode=0o640)
    offset = resume.notes if resume else 0
    notes: list[bytes] = [resume.note] if resume else []
    newest = home / "checkpoint"
    if newest.exists():
        notes.append(newest.read_bytes())
    fd = os.open(path, os.O_RDONLY)
    try:
        if offset > os.fstat(fd).st_size:
            raise LedgerDamaged(f"{path} ends before offset {offset}, which was there. Restore it from a copy")
        for frame in frames(fd, offset):
            if frame.kind != CHECKPOINT:
                raise damage(path, frame.offset)
            notes.append(frame.payload)
            offset = frame.end
        left = rest(fd, offset)
    finally:
        os.close(fd)
    if left.state == "damaged":
        raise damage(path, offset)
    try:
        signed = {checkpoint.size: checkpoint.root for checkpoint in map(verifier.open, notes)}
    except ValueError as error:
        raise LedgerDamaged(f"A checkpoint in {home} is not signed with this node's key: {error}") from error
    return offset, signed, (_cut(path, offset, left.data),) if left.data else ()


def _replay(home: Path, start: Position) -> Iterator[Written]:
    for number, frame in walk(home, start):
        payload = frame.payload
        try:
            if frame.kind == ACCEPTED:
                yield Written(number, frame.end, accepted(payload))
            elif frame.kind == RECORD:
                yield Written(number, frame.end, None, leaf_hash(payload), identify(payload).id)
            else:
                yield Written(number, frame.end, None, leaf_hash(payload))
        except msgspec.MsgspecError as error:
            raise damage(path_of(home, number), frame.offset) from error


def _unborn(home: Path) -> tuple[Torn, ...]:
    """Set aside a newest segment whose header never reached the disk and which holds no frame (a power loss)."""
    existing = numbers(home)
    if not existing:
        return ()
    path = path_of(home, existing[-1])
    try:
        header_at(path)
    except LedgerDamaged:
        fd = os.open(path, os.O_RDONLY)
        try:
            left = rest(fd, 0)
        finally:
            os.close(fd)
        if left.state == "damaged" or len(left.data) > HEADER_BYTES:
            raise
        torn = _cut(path, 0, left.data)
        path.unlink()
        return (torn,)
    return ()


def _torn_tail(home: Path, reached: Position) -> tuple[Torn, ...]:
    """Cut what follows the last good frame of the newest segment."""
    existing = numbers(home)
    if not existing:
        return ()
    path = path_of(home, existing[-1])
    offset = reached.offset if reached.segment == existing[-1] else HEADER_BYTES
    fd = os.open(path, os.O_RDONLY)
    try:
        left = rest(fd, offset)
    finally:
        os.close(fd)
    return (_cut(path, offset, left.data),) if left.data else ()


def _cut(path: Path, offset: int, data: bytes) -> Torn:
    """Keep `data`, the end of a file from `offset` on, in a file of its own; then cut it off."""
    count, saved = 1, path.with_name(f"{path.name}.{offset}.torn")
    while saved.exists() and saved.read_bytes() != data:
        count, saved = count + 1, path.with_name(f"{path.name}.{offset}-{count + 1}.torn")
    with saved.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    with path.open("r+b") as file:
        file.truncate(offset)
        os.fsync(file.fileno())
    return Torn(file=path.name, offset=offset, bytes=len(data), saved=saved.name)
