"""The tuner that trains nothing: it puts the nearest answered requests before a question to an existing deployment."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from freehold.core.dataset import Example
from freehold.core.errors import InvalidRequest
from freehold.core.tuned import Method
from freehold.flywheel.jobs.job import Steps
from freehold.flywheel.tuning.artifact import seal
from freehold.flywheel.tuning.tuner import Made, Task
from freehold.runtime.fewshot.index import Index
from freehold.runtime.fewshot.shots import Rules, Shot, Shots, save

COUNTS = (1, 2, 4, 8, 16)
USUAL = 4
"""Examples shown where the validation split cannot say: answers in free words are never quite the same."""

GOOD_ENOUGH = 0.99
"""The fewest examples are taken that find this share of what the most find: each costs tokens in every request."""


class PromptParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`base`: the deployment that answers. `count`: examples shown; None: as many as the validation split asks for."""

    base: str
    count: Annotated[int, Meta(ge=1, le=100)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] = 2000


class PromptTuner:
    method: Method = "prompt"

    def tune(self, task: Task, steps: Steps) -> Made:
        try:
            how = msgspec.convert(task.params, PromptParams, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"Parameters of {task.name}: {error}") from None
        shots = distinct(task.train)
        if not shots:
            raise InvalidRequest(f"{task.dataset} has no examples with words of a user to show")

        def choose() -> dict[str, float]:
            return _found(shots, task.validation, how, steps)

        found = steps.step("choose", choose)
        rules = Rules(base=how.base, count=int(found["count"]), max_tokens=how.max_tokens)
        about = {
            "method": self.method,
            "base": how.base,
            "dataset": task.dataset,
            "seed": task.seed,
            "params": task.params,
            "metrics": found,
        }

        def write() -> list[str]:
            def fill(folder: Path) -> None:
                save(folder, rules, shots)

            return [str(x) for x in seal(task.name, task.artifacts, about, fill)]

        digest, path = steps.step("write", write)
        return Made(digest=digest, path=path, metrics=found, base=how.base)


def distinct(examples: Sequence[Example]) -> list[Shot]:
    """One of each question and answer; of a question with several answers, the most trusted, then the latest."""
    best: dict[str, Example] = {}
    for example in examples:
        text = example.text.strip()
        known = best.get(text)
        if text and (known is None or (example.weight, example.at) > (known.weight, known.at)):
            best[text] = example
    return [Shot(text, e.target) for text, e in best.items()]


def _found(shots: Sequence[Shot], validation: Sequence[Example], how: PromptParams, steps: Steps) -> dict[str, float]:
    """How many examples to show, and in which share of the validation split the right answer is among them."""
    index = Index.of([s.text for s in shots])
    counts = COUNTS if how.count is None else (how.count,)
    asked = [e for e in validation if e.text.strip()]
    hits = dict.fromkeys(counts, 0)
    for number, example in enumerate(asked):
        for count in counts:
            view = Shots(Rules(base=how.base, count=count, max_tokens=how.max_tokens), shots, index)
            hits[count] += any(s.target == example.target for s in view.nearest(example.text))
        steps.progress(number / len(asked), f"looked at {number + 1} of {len(asked)} validation examples")
    best = max(hits.values())
    enough = next((c for c in counts if hits[c] >= GOOD_ENOUGH * best), counts[0]) if best else min(USUAL, counts[-1])
    count = how.count or enough
    share = hits.get(count, 0) / len(asked) if asked else 0.0
    return {"count": float(count), "examples": float(len(shots)), "answer_among_examples": share}
