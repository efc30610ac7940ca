"""What a start finds in a log: it goes on from the newest checkpoint, cuts a torn tail, and sees what stayed open."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from freehold.core.errors import LedgerDamaged
from freehold.core.inference import Accepted
from freehold.ledger.checkpoint import Checkpoint, Verifier
from freehold.ledger.entry import ACCEPTED, CHECKPOINT, RECORD, accepted, identify
from freehold.ledger.merkle import leaf_hash
from freehold.ledger.notary import Book, Resume, Written
from freehold.ledger.reader import damage, walk
from freehold.ledger.segment import HEADER_BYTES, START, Position, frames, header_at, numbers, path_of, rest
from freehold.ledger.tiles import Rows, Tree

_FLUSH = 4096


class Torn(Struct, frozen=True, kw_only=True):
    """An incomplete end that was cut off `file` at `offset`; its bytes are kept in `saved`."""

    file: str
    offset: int
    bytes: int
    saved: str


class Recovery(Struct, frozen=True, kw_only=True):
    """What a start found and did: tails cut, ids closed as `unknown`, and how many frames it had to read.

    `rebuilt`: the tree was made anew from the whole log, since there was no usable place to go on from.
    """

    torn: tuple[Torn, ...]
    closed: tuple[str, ...]
    replayed: int
    rebuilt: bool
    size: int

    def __str__(self) -> str:
        said = [f"cut {t.bytes} bytes of an unfinished write off {t.file} at {t.offset}, kept in {t.saved}" for t in self.torn]
        if self.closed:
            said.append(f"closed {len(self.closed)} inferences as unknown")
        if self.rebuilt and self.replayed:
            said.append(f"rebuilt the tree from {self.replayed} frames")
        return "; ".join(said)


class Found(Struct, frozen=True, kw_only=True):
    """The state of a log, ready to be written to again."""

    book: Book
    torn: tuple[Torn, ...]
    notes: int
    signed: int
    replayed: int
    rebuilt: bool


def recover(home: Path, rows: Rows, verifier: Verifier) -> Found:
    """Bring a log in order after whatever ended its last process.

    LedgerDamaged, with nothing changed, if there is damage other than an incomplete end, or if the log no longer
    reaches, or differs from, what a signed checkpoint covers.
    """
    torn_head = _unborn(home)
    book, resume = _resumed(home, rows, verifier)
    notes, signed = _notes(home, verifier, resume)
    rows.cut(book.tree.size)
    replayed = 0
    for written in _replay(home, book.position):
        book.take(written)
        replayed += 1
        size = book.tree.size
        if written.leaf and size in signed and book.tree.root() != signed[size].root:
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
    torn = [_cut(path_of(home, torn_head), 0)] if torn_head else []
    ...
    return Found(book=book, torn=tuple(torn), notes=notes, signed=newest, replayed=replayed, rebuilt=resume is None)
