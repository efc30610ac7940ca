"""Tune a student: examples in, a folder with a small model out, in seconds on a CPU.

Each head is learnt in full, and some rounds more with rows held back; what the held rows show sets the temperature,
the calibration and the threshold from which the student answers. Everything follows from the examples and the seed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from freehold.core.dataset import Example
from freehold.core.errors import InvalidRequest
from freehold.flywheel.tuning.student.infer import contract as inferred
from freehold.flywheel.tuning.student.learn import Progress, learn, tensors
from freehold.flywheel.tuning.student.lesson import prepared
from freehold.flywheel.tuning.student.measure import Aims, measured
from freehold.flywheel.tuning.student.rounds import rounds
from freehold.runtime.encoder.named import STATIC, encoder
from freehold.runtime.student.artifact import Manifest, save

LEAST = 20
"""Examples without which nothing can be said about unseen ones."""


class Recipe(Struct, frozen=True, kw_only=True):
    """What is wanted of a student.

    `accuracy`: the share of its answers that shall be right. `out_of_scope`: labels that it never answers, and with
    them `keep`, the share of messages in scope that shall be let through. `schema`: a JSON schema of the answers.
    `dataset`: the digest of the examples. `encoder`: a name that `encoder.named` knows; None: n-grams alone.
    """

    name: str
    dataset: str = ""
    accuracy: float = 0.97
    out_of_scope: tuple[str, ...] = ()
    keep: float = 0.95
    schema: dict[str, Any] | None = None
    encoder: str | None = STATIC
    seed: int = 0
    threads: int = 2


def tune(
    examples: Sequence[Example],
    recipe: Recipe,
    folder: Path,
    *,
    progress: Progress = lambda share, what: None,
) -> Path:
    """Learn from the examples whose split is `train`; the path of the student, inside `folder`.

    InvalidRequest where a student cannot learn this: too few examples, or a field of free text.
    """
    examples = [e for e in examples if e.split == "train" and e.weight > 0]
    if len(examples) < LEAST:
        raise InvalidRequest(f"{len(examples)} training examples are too few for a student: give at least {LEAST}")
    progress(0.0, "reading the examples")
    contract = inferred(examples, recipe.schema)
    unknown = set(recipe.out_of_scope) - {v for enum in contract.enums[:1] for v in enum.values}
    if unknown:
        raise InvalidRequest(f"No example has the label {', '.join(sorted(unknown))}", param="out_of_scope")
    lesson = prepared(examples, contract, None if recipe.encoder is None else encoder(recipe.encoder), seed=recipe.seed)
    progress(0.1, "learning")
    plan = rounds(examples, seed=recipe.seed)
    if contract.spans:
        plan = plan[:1]
    aims = Aims(accuracy=recipe.accuracy, out_of_scope=recipe.out_of_scope, keep=recipe.keep)
    with threadpool_limits(1):
        learnt = learn(lesson, plan, seed=recipe.seed, threads=recipe.threads, hear=progress)
        result = measured(lesson, plan, learnt, aims)
    manifest = Manifest(
        name=recipe.name,
        contract=contract,
        kinds=tuple(g.kind for g in lesson.kinds),
        rules=result.rules,
        dataset=recipe.dataset,
        seed=recipe.seed,
        rows=len(examples),
        metrics=result.metrics,
        encoder=recipe.encoder,
        encoder_size=0 if lesson.sense is None else len(lesson.sense.centre),
        meaning=lesson.weight,
        soft=lesson.soft,
    )
    path = save(folder, manifest, tensors(lesson, learnt, result.scales))
    progress(1.0, "done")
    return path
