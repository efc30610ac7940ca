"""A full check of a log: every frame, every leaf, every signed checkpoint, and that each promise was kept once.

It only reads, and may run while the log is being written.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from freehold.core.errors import LedgerDamaged
from freehold.core.inference import Accepted, Inference
from freehold.ledger.checkpoint import Verifier
from freehold.ledger.entry import CHECKPOINT, OPENED, Act, decode
from freehold.ledger.merkle import HASH_BYTES, leaf_hash
from freehold.ledger.report import Finding, Report
from freehold.ledger.segment import HEADER_BYTES, Frame, existing, frames, header_at, path_of, rest
from freehold.ledger.tiles import WIDTH, Rows, Tree

_FLUSH = 4096
_ID = re.compile(rb'"id":"([^"\\]{1,64})"')


def verify(
    home: Path,
    *,
    key: str | None = None,
    witnessed: Iterable[bytes] = (),
    told: Callable[[int], None] = lambda read: None,
) -> Report:
    """Check the log in a node's folder.

    `key`: the verifier key, where it was kept elsewhere (default: `key.pub` of the folder, which whoever can rewrite
    the log can replace too). `witnessed`: signed notes of this log that were kept elsewhere; they show when a log was
    cut short together with its own checkpoints. `told` hears now and then how many bytes of the log have been read.
    """
    audit = _Audit(home, told)
    audit.read_checkpoints(key, witnessed)  # before the log, which may be growing
    audit.read_log()
    return audit.report()


class _Audit:
    """One check while it goes on. `whole`: nothing before this point is missing, so leaves can be numbered."""

    def __init__(self, home: Path, told: Callable[[int], None]) -> None:
        self.home = home
        self.told = told
        self.findings: list[Finding] = []
        self.key = ""
        self.signed: dict[int, tuple[bytes, str, int | None]] = {}  # size -> root, and the place of its note
        self.matched: list[int] = []
        self.tree = Tree()
        self.leaves: list[tuple[str, int, str | None]] = []  # file, offset and id of those not flushed yet
        self.open: dict[str, tuple[str, int]] = {}
        self.outcomes: dict[str, int] = {}
        self.whole = self.comparing = self.matching = True
        self.segments = self.bytes = self.frames = self.accepted = self.acts = self.unfinished = 0

    def found(self, what: str, file: str, offset: int | None = None, id: str | None = None) -> None:
        self.findings.append(Finding(what=what, file=file, offset=offset, id=id))

    def broken(self, what: str, file: str, offset: int, id: str | None = None) -> None:
        self.found(what, file, offset, id)
        self.whole = False

    def read_checkpoints(self, key: str | None, witnessed: Iterable[bytes]) -> None:
        try:
            verifier = Verifier.parse(key if key is not None else (self.home / "key.pub").read_text())
        except (OSError, ValueError) as error:
            self.found(f"No checkpoint can be checked: {error}", "key.pub")
            return
        self.key = str(verifier)
        for number, note in enumerate(witnessed, start=1):
            self._note(verifier, note, f"witnessed checkpoint {number}", None)
        newest, all_ = self.home / "checkpoint", self.home / "checkpoints"
        if newest.exists():
            self._note(verifier, newest.read_bytes(), newest.name, None)
        if not all_.exists():
            self.found("The file is missing", all_.name)
            return
        for frame in self._good(all_, 0, sealed=False):
            if frame.kind == CHECKPOINT:
                self._note(verifier, frame.payload, all_.name, frame.offset)
            else:
                self.found("The frame is not a checkpoint", all_.name, frame.offset)

    def _note(self, verifier: Verifier, note: bytes, file: str, offset: int | None) -> None:
        try:
            checkpoint = verifier.open(note)
        except ValueError as error:
            self.found(str(error), file, offset)
            return
        root, other, _ = self.signed.setdefault(checkpoint.size, (checkpoint.root, file, offset))
        if root != checkpoint.root:
            self.found(f"Another root was signed over {checkpoint.size} leaves in {other}", file, offset)

    def read_log(self) -> None:
        """Read all frames and compare what they add up to with what was signed."""
        self.whole = True
        rows = Rows(self.home / "rows")
        numbers = existing(self.home)
        if not numbers:
            self.found("There is no log here", path_of(self.home, 1).name)
        for before, number in zip([0, *numbers], numbers, strict=False):
            path = path_of(self.home, number)
            if number != before + 1:
                self.broken("The segment is missing", path_of(self.home, before + 1).name, 0)
            self._head(path)
            for frame in self._good(path, HEADER_BYTES, sealed=number != numbers[-1]):
                self.frames += 1
                self._frame(path.name, frame)
                if len(self.leaves) >= _FLUSH:
                    self._flush(rows)
                    self.told(self.bytes + frame.end)
            self.segments += 1
            self.bytes += path.stat().st_size
            self.told(self.bytes)
        self._flush(rows)
        rows.close()
        newest = max(self.signed, default=0)
        if self.whole and newest > self.tree.size:
            _, file, offset = self.signed[newest]
            self.found(f"It covers {newest} leaves, the log has {self.tree.size}: its end is missing", file, offset)

    def _head(self, path: Path) -> None:
        try:
            header = header_at(path)
        except LedgerDamaged as error:
            self.broken(error.message, path.name, 0)
            return
        if self.whole and header.leaves != self.tree.size:
            self.broken(f"The header says {header.leaves} leaves before it, not {self.tree.size}", path.name, 0)

    def _good(self, path: Path, offset: int, *, sealed: bool) -> Iterator[Frame]:
        """The good frames of a file; each stretch between them is a finding."""
        fd = os.open(path, os.O_RDONLY)
        try:
            while True:
                for frame in frames(fd, offset):
                    offset = frame.end
                    yield frame
                left = rest(fd, offset)
                if left.state == "torn" and not sealed:
                    self.unfinished += len(left.data)
                if left.state == "clean" or (left.state == "torn" and not sealed):
                    return
                if left.next != offset:
                    damaged = left.data[: left.next - offset] if left.state == "damaged" else left.data
                    id_ = _ID.search(damaged)
                    self.broken(
                        f"{len(damaged)} bytes are damaged", path.name, offset, id_ and id_[1].decode(errors="replace")
                    )
                if left.state == "torn":
                    return
                offset = left.next
        finally:
            os.close(fd)

    def _frame(self, file: str, frame: Frame) -> None:
        try:
            entry = decode(frame.kind, frame.payload, where=file)
        except LedgerDamaged as error:
            self.broken(error.message, file, frame.offset)
            return
        match entry:
            case Accepted():
                self.accepted += 1
                if entry.id in self.open:
                    self.found("Accepted twice", file, frame.offset, entry.id)
                self.open[entry.id] = file, frame.offset
            case Inference():
                self._record(file, frame, entry)
                self._leaf(file, frame, entry.id)
            case Act():
                self.acts += 1
                if entry.verb == OPENED:
                    for id_, (where, offset) in self.open.items():
                        self.found("Accepted before a restart and never closed", where, offset, id_)
                    self.open.clear()
                self._leaf(file, frame, None)

    def _record(self, file: str, frame: Frame, inference: Inference) -> None:
        self.outcomes[inference.outcome] = self.outcomes.get(inference.outcome, 0) + 1
        known = self.open.pop(inference.id, None)
        if known is None and inference.outcome != "refused" and self.whole:
            self.found(
                "The record is the second of its inference, or of none that was accepted",
                file,
                frame.offset,
                inference.id,
            )

    def _leaf(self, file: str, frame: Frame, id: str | None) -> None:
        if not self.whole:
            return
        self.tree.append(leaf_hash(frame.payload))
        self.leaves.append((file, frame.offset, id))
        size = self.tree.size
        if self.matching and size in self.signed:
            root, where, offset = self.signed[size]
            self.matching = root == self.tree.root()
            if self.matching:
                self.matched.append(size)
            else:
                self.found(f"The first {size} leaves are not those that it signs", where, offset)

    def _flush(self, rows: Rows) -> None:
        """Compare the hashes of the leaves read since the last time with those kept when they were written."""

        def compare(level: int, offset: int, hashes: bytes) -> None:
            kept = rows.at(level, offset, len(hashes))
            if not self.comparing or kept == hashes:
                return
            at = next(
                i for i in range(0, len(hashes), HASH_BYTES) if kept[i : i + HASH_BYTES] != hashes[i : i + HASH_BYTES]
            )
            number = (offset + at) // HASH_BYTES
            if len(kept) < at + HASH_BYTES and number >= max(self.signed, default=0) // WIDTH**level:
                return  # beyond the newest checkpoint: not written yet
            self.comparing = False
            if level:
                self.found("The hash differs from that of the leaves below it", f"rows/{level}", offset + at)
            else:
                file, where, id_ = self.leaves[at // HASH_BYTES]
                self.found(f"Leaf {number} differs from its hash in rows/0", file, where, id_)

        self.tree.flush(compare)
        self.leaves.clear()

    def report(self) -> Report:
        return Report(
            ok=not self.findings,
            home=str(self.home),
            key=self.key,
            segments=self.segments,
            bytes=self.bytes,
            frames=self.frames,
            accepted=self.accepted,
            acts=self.acts,
            outcomes=self.outcomes,
            size=self.tree.size,
            root=self.tree.root().hex(),
            checkpoints=len(self.signed),
            matched=len(self.matched),
            signed=max(self.matched, default=0),
            unfinished=self.unfinished,
            open=tuple(self.open),
            findings=tuple(self.findings),
        )
