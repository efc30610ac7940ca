"""Split: which examples train, tune the training, and test it; so that nothing known while training is tested later.

What belongs together stays together: an episode, a subject, and prompts that are nearly the same, by however many
steps. The latest go to test, those before them to validation: a model is measured on what came after it learned.
"""

from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256

from msgspec import Struct

from freehold.core.dataset import Example, Split
from freehold.flywheel.curation.alike import prompt
from freehold.flywheel.curation.minhash import clusters, pairs, signatures, template

TOGETHER = 0.8
"""Overlap of prompts from which they stay on one side."""


class Shares(Struct, frozen=True, kw_only=True):
    """How much of the examples goes to validation and test; the rest trains."""

    validation: float = 0.1
    test: float = 0.1


EVEN_SHARES = Shares()


def split(examples: Sequence[Example], shares: Shares = EVEN_SHARES) -> list[Split]:
    """The split of each example. The same examples, in any order, are split the same.

    A group too large for what is left of a split goes to training, so that shares are met from below. Examples without
    a time (from a file) are drawn by the hash of their group.
    """
    groups = together(examples)
    members: dict[int, list[int]] = defaultdict(list)
    for i, group in enumerate(groups):
        members[group].append(i)
    ordered = sorted(members.values(), key=lambda some: _rank(examples, some), reverse=True)
    found: list[Split] = ["train"] * len(examples)
    left: dict[Split, int] = {
        "test": round(shares.test * len(examples)),
        "validation": round(shares.validation * len(examples)),
    }
    fields: tuple[Split, ...] = ("test", "validation")
    for some in ordered:
        for name in fields:
            if left[name] >= len(some):
                left[name] -= len(some)
                for i in some:
                    found[i] = name
                break
    return found


def together(examples: Sequence[Example]) -> list[int]:
    """For each example the number of its group."""
    linked: list[tuple[int, int]] = []
    for names in ([e.episode for e in examples], [e.subject for e in examples]):
        first: dict[str, int] = {}
        for i, name in enumerate(names):
            if name is not None:
                linked.append((first.setdefault(name, i), i))
    texts = [prompt(example) for example in examples]
    linked += [(i, j) for i, j, _ in pairs(signatures(texts, ignore=template(texts)), TOGETHER)]
    return clusters(len(examples), linked)


def _rank(examples: Sequence[Example], some: Sequence[int]) -> tuple[int, str]:
    latest = max(examples[i].at for i in some)
    return latest, sha256(min(examples[i].id for i in some).encode()).hexdigest()
