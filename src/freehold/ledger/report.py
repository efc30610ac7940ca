"""What a check of a log found, for people and as JSON."""

from msgspec import Struct

_SHOWN = 20


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong: in which file of the log's folder, at which offset, about which inference."""

    what: str
    file: str
    offset: int | None = None
    id: str | None = None

    def __str__(self) -> str:
        place = self.file if self.offset is None else f"{self.file}:{self.offset}"
        return f"{place}: {self.what}" + (f" (inference {self.id})" if self.id else "")


class Report(Struct, frozen=True, kw_only=True):
    """What a check of one log saw. `msgspec.json.encode(report)` is its JSON form.

    `size`, `root` (hex): the tree recomputed over all leaves. `checkpoints`: how many sizes were signed; `matched`: at
    how many of them the recomputed root is the signed one; `signed`: leaves under the newest of these.
    `outcomes` counts records. `open`: accepted, not closed yet: in flight while the gateway runs, else closed as
    `unknown` at the next start. `unfinished`: bytes of last writes that did not end; the next start cuts them off.
    """

    ok: bool
    home: str
    key: str
    segments: int
    bytes: int
    frames: int
    accepted: int
    acts: int
    outcomes: dict[str, int]
    size: int
    root: str
    checkpoints: int
    matched: int
    signed: int
    unfinished: int
    open: tuple[str, ...]
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        outcomes = ", ".join(f"{count} {kind}" for kind, count in sorted(self.outcomes.items())) or "none"
        lines = [
            f"{'Verified' if self.ok else 'NOT VERIFIED'}: {self.home}",
            f"  key          {self.key}",
            f"  log          {self.frames} frames, {self.bytes} bytes, segments: {self.segments}",
            f"  tree         {self.size} leaves, root {self.root}",
            f"  checkpoints  {self.matched} of {self.checkpoints} match, the newest over {self.signed} leaves",
            f"  inferences   {sum(self.outcomes.values())}: {outcomes}",
            f"  acts         {self.acts}",
        ]
        if self.open:
            lines.append(f"  open         {len(self.open)} accepted and not closed yet")
        if self.unfinished:
            lines.append(f"  unfinished   {self.unfinished} bytes of a write that did not end")
        lines += [f"  ! {finding}" for finding in self.findings[:_SHOWN]]
        if len(self.findings) > _SHOWN:
            lines.append(f"  ! and {len(self.findings) - _SHOWN} more")
        return "\n".join(lines)
