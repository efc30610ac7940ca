"""What the frames of a log add up to, while it is written and when a start finds it again."""

from msgspec import Struct

from freehold.core.inference import Accepted
from freehold.ledger.segment import Position
from freehold.ledger.tiles import Tree


class Written(Struct, frozen=True, gc=False):
    """One frame that is in the log: where it ends, and what it accepted, or which leaf it is and whose record."""

    segment: int
    end: int
    accepted: Accepted | None = None
    leaf: bytes = b""
    closed: str | None = None


class Book:
    """What the frames of a log up to a position add up to: the tree, and the accepted inferences still open."""

    __slots__ = ("_end", "_segment", "open", "tree")

    def __init__(self, tree: Tree, open: dict[str, Accepted], position: Position) -> None:
        self.tree = tree
        self.open = open
        self._segment, self._end = position.segment, position.offset

    @property
    def position(self) -> Position:
        return Position(self._segment, self._end)

    def take(self, written: Written) -> None:
        self._segment, self._end = written.segment, written.end
        if written.accepted is not None:
            self.open[written.accepted.id] = written.accepted
            return
        self.tree.append(written.leaf)
        if written.closed is not None:
            self.open.pop(written.closed, None)


class Resume(Struct, frozen=True, kw_only=True):
    """Where a start goes on: the note of a checkpoint, the position it covers, what was open there, and the length
    of the file of checkpoints with it."""

    note: bytes
    position: Position
    open: tuple[Accepted, ...]
    notes: int


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
        said = [
            f"cut {t.bytes} bytes of an unfinished write off {t.file} at {t.offset}, kept in {t.saved}"
            for t in self.torn
        ]
        if self.closed:
            said.append(f"closed {len(self.closed)} inferences as unknown")
        if self.rebuilt:
            said.append(f"rebuilt the tree from {self.replayed} frames")
        return "; ".join(said)


class Found(Struct, frozen=True, kw_only=True):
    """A log in order, ready to be written to: what it adds up to, what is still open, the length of the file of
    checkpoints, the size of the newest one, and what had to be done."""

    book: Book
    unclosed: tuple[Accepted, ...]
    notes: int
    signed: int
    recovery: Recovery
