"""Gates over all rows at once: the same prompt with another target, the same again, and what evaluation sets hold."""

from collections import defaultdict
from collections.abc import Sequence

from freehold.core.dataset import Example
from freehold.flywheel.curation.candidate import PEOPLE, Candidate
from freehold.flywheel.curation.gate import Kept
from freehold.flywheel.curation.minhash import even, pairs, signatures, template
from freehold.flywheel.feedback.settle import same

LABEL = 64
"""Characters up to which a target is a label, one of few, rather than one of many ways to say something."""

MAJORITY = 2 / 3
"""Share of the weight that one of several targets needs to be believed."""


def prompt(example: Example) -> str:
    """What was asked, without the system's instructions: by it two examples are alike."""
    turns = [m for m in example.messages if m.role != "system"]
    if len(turns) == 1:
        return turns[0].text
    return "\n".join(f"{m.role}: {m.text}" for m in turns)


class Contradictions:
    """The same prompt with different labels: the label with two thirds of the weight is believed, or none. What people
    said counts, and where they did, what models answered does not."""

    name = "contradictions"

    def pass_through(self, rows: Sequence[Candidate]) -> Kept:
        groups: dict[str, list[int]] = defaultdict(list)
        for i, row in enumerate(rows):
            groups[even(prompt(row.example))].append(i)
        out: dict[int, str] = {}
        for members in groups.values():
            if len(members) > 1:
                out |= _contradicting(rows, members)
        return Kept(
            rows=[row for i, row in enumerate(rows) if i not in out],
            out=[(rows[i], reason) for i, reason in sorted(out.items())],
        )


def _contradicting(rows: Sequence[Candidate], members: Sequence[int]) -> dict[int, str]:
    spoken = [i for i in members if rows[i].example.source in PEOPLE]
    judged = spoken or [i for i in members if len(rows[i].example.target) <= LABEL]
    weights: dict[str, float] = defaultdict(float)
    for i in judged:
        weights[even(rows[i].example.target)] += rows[i].example.weight or 1e-9
    if not weights:
        return {}
    best, weight = max(weights.items(), key=lambda one: (one[1], one[0]))
    sure = weight >= MAJORITY * sum(weights.values())
    out: dict[int, str] = {}
    for i in members if spoken else judged:
        if even(rows[i].example.target) == best and sure:
            continue
        if not sure and i in judged:
            out[i] = "the same prompt has different targets, and none has two thirds of the weight"
        elif rows[i].example.source in PEOPLE or not spoken:
            out[i] = "most of those with the same prompt say something else"
        else:
            out[i] = "people say something else to the same prompt"
    return out


class Duplicates:
    """The same example again, or nearly: the one that is trusted most stays, the earlier one where that is equal."""

    name = "duplicates"

    def __init__(self, near: float) -> None:
        self._near = near

    def pass_through(self, rows: Sequence[Candidate]) -> Kept:
        order = sorted(range(len(rows)), key=lambda i: (-rows[i].example.weight, rows[i].example.at, i))
        texts = [prompt(rows[i].example) for i in order]
        out: dict[int, str] = {}
        first: set[tuple[str, str]] = set()
        for i, text in zip(order, texts, strict=True):
            key = (even(text), even(rows[i].example.target))
            if key in first:
                out[i] = "the same prompt and target are already there"
            first.add(key)
        left = [(i, text) for i, text in zip(order, texts, strict=True) if i not in out]
        remaining = [text for _, text in left]
        for a, b, _ in pairs(signatures(remaining, ignore=template(remaining)), self._near):
            i, j = left[a][0], left[b][0]
            if i not in out and j not in out and _interchangeable(rows[i].example.target, rows[j].example.target):
                out[j] = f"another prompt overlaps by {self._near:.0%} or more"
        return Kept(
            rows=[row for i, row in enumerate(rows) if i not in out],
            out=[(rows[i], reason) for i, reason in sorted(out.items())],
        )


def _interchangeable(one: str, other: str) -> bool:
    """Whether two near-duplicates teach the same: the same label, or two free texts."""
    return same(one, other) or (len(one) > LABEL and len(other) > LABEL)


class Contamination:
    """What evaluation sets hold, word for word or nearly, is not learned."""

    name = "contamination"

    def __init__(self, held_out: Sequence[Example], threshold: float) -> None:
        self._held_out = held_out
        self._threshold = threshold

    def pass_through(self, rows: Sequence[Candidate]) -> Kept:
        if not self._held_out or not rows:
            return Kept(rows=list(rows))
        texts, others = [prompt(row.example) for row in rows], [prompt(one) for one in self._held_out]
        known = {even(other) for other in others}
        common = template(texts)
        near = {
            i
            for i, *_ in pairs(
                signatures(texts, ignore=common), self._threshold, other=signatures(others, ignore=common)
            )
        }
        out = [i for i, text in enumerate(texts) if i in near or even(text) in known]
        gone = set(out)
        reason = f"an evaluation set holds it, or {self._threshold:.0%} of it"
        return Kept(rows=[row for i, row in enumerate(rows) if i not in gone], out=[(rows[i], reason) for i in out])
