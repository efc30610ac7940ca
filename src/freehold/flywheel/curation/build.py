"""Build: from a query to a dataset, through gates and split; and a preview that writes nothing."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec
from msgspec import Struct

from freehold.core.dataset import Example
from freehold.flywheel.curation.candidate import Archive, Candidate, Query, Unreadable, candidates
from freehold.flywheel.curation.dataset import Bill, Sign, check_name, digest_of, write
from freehold.flywheel.curation.gate import Gate, Passage, Sample, run
from freehold.flywheel.curation.gates import Policy, Rules, gates
from freehold.flywheel.curation.split import EVEN_SHARES, Shares, split

Progress = Callable[[float, str], None]
"""How far (0 to 1), and with what."""

FIRST = 10
FEW = 50
"""Test examples below which an evaluation can say little."""


class Preview(Struct, frozen=True, kw_only=True):
    """What a build would make: every example, what each gate did, and what to know. Nothing is written."""

    examples: tuple[Example, ...]
    rows_in: int
    gates: tuple[Passage, ...]
    warnings: tuple[str, ...]

    @property
    def first(self) -> tuple[Example, ...]:
        return self.examples[:FIRST]


class Built(Struct, frozen=True, kw_only=True):
    """A dataset that now exists: its folder, and its bill. `inferences` are those it was made from, for lineage.
    `new`: it did not exist before."""

    home: Path
    bill: Bill
    inferences: tuple[str, ...]
    gates: tuple[Passage, ...]
    new: bool


def silent(share: float, text: str) -> None:
    """Nobody wants to know how far it is."""


def preview(
    query: Query,
    *,
    archive: Archive,
    policy: Policy,
    rules: Rules,
    shares: Shares = EVEN_SHARES,
    progress: Progress = silent,
) -> Preview:
    """What `build` would make of the same, and why not more."""
    progress(0.0, "reading interactions")
    rows: list[Candidate] = []
    unread: list[Unreadable] = []
    for row in candidates(query, archive):
        if isinstance(row, Unreadable):
            unread.append(row)
        else:
            rows.append(row)
    examples, passages = curate(rows, gates(policy, rules), shares=shares, progress=progress)
    reading = Passage(
        gate="readable",
        rows_in=len(rows) + len(unread),
        rows_out=len(rows),
        reasons=dict(Counter(u.reason for u in unread).most_common()),
        samples=tuple(Sample(inference=u.id, reason=u.reason, text="") for u in unread[:5]),
    )
    return Preview(
        examples=tuple(examples),
        rows_in=len(rows) + len(unread),
        gates=(reading, *passages),
        warnings=warnings(examples),
    )


def build(
    name: str,
    query: Query,
    *,
    folder: Path,
    archive: Archive,
    policy: Policy,
    rules: Rules,
    at: int,
    sign: Sign,
    held_out: Sequence[str] = (),
    accepted: Iterable[str] = (),
    shares: Shares = EVEN_SHARES,
    progress: Progress = silent,
) -> Built:
    """Make the dataset `name@digest` in `folder`. `at`: UTC nanoseconds now; `sign`: with the key of the ledger.

    `held_out` and `accepted`, of which `rules` were made, are kept in its bill: from there it can be made anew.
    """
    check_name(name)
    found = preview(query, archive=archive, policy=policy, rules=rules, shares=shares, progress=progress)
    bill = bill_of(name, found.examples, at=at, rows_in=found.rows_in, passages=found.gates, warned=found.warnings)
    bill = msgspec.structs.replace(
        bill,
        query=query,
        policy=msgspec.to_builtins(policy),
        held_out=len(rules.held_out),
        against=tuple(held_out),
        accepted=tuple(sorted(accepted)),
    )
    return keep(folder, found.examples, bill, sign, passages=found.gates, progress=progress)


def curate(
    rows: Sequence[Candidate], through: Sequence[Gate], *, shares: Shares, progress: Progress
) -> tuple[list[Example], list[Passage]]:
    """Candidates through gates, and split."""
    begun = 0

    def told(gate: str) -> None:
        nonlocal begun
        progress(0.2 + 0.6 * begun / len(through), f"gate {gate}")
        begun += 1

    left, passages = run(through, rows, told)
    progress(0.8, "splitting")
    examples = [row.example for row in left]
    sides = split(examples, shares)
    return [
        msgspec.structs.replace(example, split=side) for example, side in zip(examples, sides, strict=True)
    ], passages


def keep(
    folder: Path,
    examples: Sequence[Example],
    bill: Bill,
    sign: Sign,
    *,
    passages: Sequence[Passage],
    progress: Progress,
) -> Built:
    """Write what was curated."""
    progress(0.9, f"writing {bill.reference}")
    new = not (folder / bill.reference).exists()
    home, kept = write(folder, examples, bill, sign)
    progress(1.0, f"{kept.reference}: {kept.examples} examples")
    made_from = tuple(sorted({e.inference for e in examples if e.inference is not None}))
    return Built(home=home, bill=kept, inferences=made_from, gates=tuple(passages), new=new)


def bill_of(
    name: str,
    examples: Sequence[Example],
    *,
    at: int,
    rows_in: int,
    passages: Sequence[Passage],
    warned: Sequence[str],
) -> Bill:
    """The bill, all but query, policy and files. What was kept out is named by inference and reason, not by its words:
    those may be the very reason."""
    terms = next((p.notes for p in passages if p.gate == "terms"), dict[str, int]())
    return Bill(
        name=name,
        digest=digest_of(examples),
        at=at,
        code=version("freehold"),
        examples=len(examples),
        rows_in=rows_in,
        gates=tuple(_wordless(p) for p in passages),
        sources=dict(sorted(Counter(e.source for e in examples).items())),
        deployments=dict(sorted(Counter(e.deployment for e in examples if e.deployment is not None).items())),
        terms=terms,
        splits=dict(sorted(Counter(e.split for e in examples).items())),
        episodes=len({e.episode for e in examples if e.episode is not None}),
        inferences=len({e.inference for e in examples if e.inference is not None}),
        subjects=tuple(sorted({e.subject for e in examples if e.subject is not None})),
        warnings=tuple(warned),
    )


def _wordless(passage: Passage) -> Passage:
    samples = tuple(msgspec.structs.replace(sample, text="") for sample in passage.samples)
    return msgspec.structs.replace(passage, samples=samples)


def warnings(examples: Sequence[Example]) -> tuple[str, ...]:
    """What whoever tunes or evaluates on these should know."""
    found: list[str] = []
    counts = Counter(e.split for e in examples)
    if not examples:
        return ("nothing is left: the gates say why",)
    if counts["test"] < FEW:
        found.append(f"{counts['test']} test examples: too few for a verdict")
    if not counts["train"]:
        found.append("no example to train on: everything belongs together")
    trained = {e.target for e in examples if e.split == "train"}
    unseen = sum(1 for e in examples if e.split == "test" and len(e.target) <= 64 and e.target not in trained)
    if unseen:
        found.append(f"{unseen} test examples have a target that no training example has")
    return tuple(found)
