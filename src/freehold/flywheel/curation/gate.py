"""A gate: one reason for which candidates are kept out of a dataset, or changed on their way; counted and sampled."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from freehold.flywheel.curation.candidate import Candidate

SAMPLES = 5


class Kept(Struct, frozen=True, kw_only=True):
    """What a gate let through, in order and perhaps changed, and what it kept out and why."""

    rows: list[Candidate]
    out: list[tuple[Candidate, str]] = []
    changed: int = 0
    notes: dict[str, int] = {}


class Gate(Protocol):
    @property
    def name(self) -> str: ...

    def pass_through(self, rows: Sequence[Candidate]) -> Kept: ...


class Sample(Struct, frozen=True, kw_only=True):
    """One candidate that was kept out: its inference (None: from a file), why, and how its prompt begins."""

    inference: str | None
    reason: str
    text: str


class Passage(Struct, frozen=True, kw_only=True):
    """What one gate did: `rows_in` = `rows_out` + the sum of `reasons`. `changed`: rows that went on changed; `notes`:
    what else it counted."""

    gate: str
    rows_in: int
    rows_out: int
    changed: int = 0
    reasons: dict[str, int] = {}
    notes: dict[str, int] = {}
    samples: tuple[Sample, ...] = ()


class Each(Struct, frozen=True):
    """A gate that judges each candidate for itself: why it is kept out, or None."""

    name: str
    judge: Callable[[Candidate], str | None]

    def pass_through(self, rows: Sequence[Candidate]) -> Kept:
        kept: list[Candidate] = []
        out: list[tuple[Candidate, str]] = []
        for row in rows:
            reason = self.judge(row)
            if reason is None:
                kept.append(row)
            else:
                out.append((row, reason))
        return Kept(rows=kept, out=out)


def run(
    gates: Sequence[Gate], rows: Sequence[Candidate], told: Callable[[str], None]
) -> tuple[list[Candidate], list[Passage]]:
    """Send candidates through gates, one after the other. `told` hears the name of each before it begins."""
    passages: list[Passage] = []
    left = list(rows)
    for gate in gates:
        told(gate.name)
        kept = gate.pass_through(left)
        if len(kept.rows) + len(kept.out) != len(left):
            raise AssertionError(f"The gate {gate.name} lost rows: {len(left)} in, {len(kept.rows)} out")
        passages.append(_passage(gate.name, len(left), kept))
        left = kept.rows
    return left, passages


def _passage(name: str, rows_in: int, kept: Kept) -> Passage:
    """Samples show each reason before any of them twice."""
    seen: Counter[str] = Counter()
    ranked: list[tuple[int, int, Sample]] = []
    for place, (row, reason) in enumerate(kept.out):
        seen[reason] += 1
        if seen[reason] <= SAMPLES:
            sample = Sample(inference=row.example.inference, reason=reason, text=_beginning(row.example.text))
            ranked.append((seen[reason], place, sample))
    ranked.sort(key=lambda one: one[:2])
    return Passage(
        gate=name,
        rows_in=rows_in,
        rows_out=len(kept.rows),
        changed=kept.changed,
        reasons=dict(sorted(seen.items(), key=lambda one: (-one[1], one[0]))),
        notes=kept.notes,
        samples=tuple(sample for *_, sample in ranked[:SAMPLES]),
    )


def _beginning(text: str) -> str:
    line = " ".join(text[:400].split())
    return line if len(line) <= 100 else line[:97] + "..."
