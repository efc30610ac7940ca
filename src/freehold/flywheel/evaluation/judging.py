"""A model as a judge of two answers: asked in both orders, and believed only as far as people's own judgements bear it.

What the judge says never decides by itself: it sharpens what is known from examples whose answer people gave (see
`verdict.judge`).
"""

import re
from collections.abc import Sequence

import msgspec

from freehold.core.dataset import Example
from freehold.flywheel.evaluation.replay import Question, Reply
from freehold.flywheel.verdict.judge import Judged, folded, verdict_of_judged
from freehold.flywheel.verdict.verdict import Design, Verdict

PEOPLE = frozenset({"label", "correction", "import"})
"""Sources of targets that people gave: gold."""

RULES = """\
You compare two answers to the same request. Judge which one serves the person better: right first, then complete, then
clear. Length and style count for nothing by themselves. Reply with one character only: 1 if the first is better, 2 if
the second is better, 0 if neither is."""


def asked(judge: str, example: Example, first: Reply, second: Reply) -> Question:
    """The question which of two answers is better. What they say is data: it is quoted, and the rules come last too."""
    words = msgspec.json.encode({"request": example.text, "answer 1": first.text, "answer 2": second.text}).decode()
    turns = [
        {"role": "system", "content": RULES},
        {"role": "user", "content": f"{words}\n\nWhich answer is better: 1, 2 or 0?"},
    ]
    body = {"model": judge, "messages": turns, "temperature": 0, "max_tokens": 8}
    quotes = tuple(r.by for r in (first, second) if r.by is not None)
    return Question(deployment=judge, body=msgspec.json.encode(body), of=example.inference, quotes=quotes)


def preference(text: str) -> float:
    """How strongly a judge's word prefers the second answer: 0, 0.5 or 1. What is no such word prefers neither."""
    found = re.findall(r"(?<![\w.])[012](?!\w|\.\d)", text)
    return {"1": 0.0, "2": 1.0}.get(found[0], 0.5) if len(set(found)) == 1 else 0.5


def both_orders(judge: str, example: Example, a: Reply, b: Reply) -> tuple[Question, Question]:
    """The two questions about one pair: B's answer second, and first."""
    return asked(judge, example, a, b), asked(judge, example, b, a)


def difference(b_second: Reply, b_first: Reply) -> float:
    """What the judge said of a pair, in [-1, 1]: above 0 where it likes B better, in whichever place."""
    return folded(preference(b_second.text), 1 - preference(b_first.text))


def judged_verdict(
    examples: Sequence[Example], said: Sequence[float], truth: Sequence[float], *, margin: float, alpha: float
) -> Verdict:
    """The verdict on pairs of which a judge said `said`; `truth` is the true difference, used where people gave it."""
    gold = sum(e.source in PEOPLE for e in examples)
    pairs = Judged(each=max(round((len(examples) - gold) / max(gold, 1)), 1))
    for example, one in zip(examples, said, strict=True):
        if example.source not in PEOPLE:
            pairs.add_judged(one)
    for example, one, true in zip(examples, said, truth, strict=True):
        if example.source in PEOPLE:
            pairs.add_gold(true, one)
    return verdict_of_judged(Design(margin=margin, alpha=alpha), pairs)
