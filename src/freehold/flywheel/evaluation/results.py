"""Results: what replies were worth, by deployment, scorer and slice, and each deployment against the first. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import ceil, sqrt
from statistics import fmean

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from freehold.core.dataset import Example
from freehold.flywheel.evaluation.replay import Reply
from freehold.flywheel.evaluation.scorers import Scorer
from freehold.flywheel.verdict.pairs import Pairs
from freehold.flywheel.verdict.ratio import Interval, Ratio
from freehold.flywheel.verdict.verdict import Design, Verdict, verdict

Z = 1.959964
"""The normal quantile of a two-sided 95 % interval."""

RESAMPLES = 2_000
SLICES = 40
"""Targets, at most, by which results are told apart; with more there are none."""


class Measured(Struct, frozen=True, kw_only=True):
    """A mean score with its 95 % interval: Wilson (1927) for right or wrong, a bootstrap (Efron 1979) for grades.

    For one look at a finished sample; a decision rests on the verdict, which may be looked at any time.
    """

    mean: float
    low: float
    high: float


class Line(Struct, frozen=True, kw_only=True):
    """One deployment. `scores` by scorer. `answered`: the share of questions that got an answer; one that got none
    scores 0. `own`: the share that the deployment answered itself, where another may take over.

    Costs are nano-dollars for a question (None: some are unknown), latencies nanoseconds of answers that were not
    remembered (None: there are none).
    """

    deployment: str
    questions: int
    answered: float
    own: float
    scores: dict[str, Measured]
    slices: dict[str, Measured]
    cost: float | None
    latency_p50: int | None
    latency_p95: int | None
    errors: dict[str, int]


class Comparison(Struct, frozen=True, kw_only=True):
    """A deployment against the first, question by question, by the first scorer. `judged`: the verdict with a judge."""

    incumbent: str
    candidate: str
    verdict: Verdict
    cost: Interval | None
    latency: Interval | None
    judged: Verdict | None = None


class Results(Struct, frozen=True, kw_only=True):
    """Everything that one evaluation found."""

    scorers: tuple[str, ...]
    lines: tuple[Line, ...]
    comparisons: tuple[Comparison, ...]
    disagreements: tuple[tuple[str, str, tuple[str, ...]], ...]
    """Questions on which the scores differ: the user's words, the target, and each deployment's answer."""


def results(
    examples: Sequence[Example],
    replies: Mapping[str, Sequence[Reply]],
    scorers: Sequence[Scorer],
    *,
    margin: float,
    alpha: float,
    shown: int = 50,
) -> Results:
    """The results of asking every deployment every example, in the order of `examples`.

    Where a deployment abstained, it is judged as on a route: by the answer of the first, and the cost of both.
    """
    incumbent, *others = replies
    replies = {incumbent: replies[incumbent], **{d: handed_on(replies[d], replies[incumbent]) for d in others}}
    scored = {d: {s.name: scores_of(examples, r, s) for s in scorers} for d, r in replies.items()}
    first = scorers[0].name
    lines = tuple(_line(d, examples, replies[d], scored[d], scorers) for d in replies)
    comparisons = tuple(
        compared(examples, (incumbent, replies[incumbent]), (d, replies[d]), scorers[0], margin=margin, alpha=alpha)
        for d in others
    )
    differing = [i for i in range(len(examples)) if len({scored[d][first][i] for d in replies}) > 1]
    return Results(
        scorers=tuple(s.name for s in scorers),
        lines=lines,
        comparisons=comparisons,
        disagreements=tuple(
            (examples[i].text, examples[i].target, tuple(replies[d][i].text for d in replies))
            for i in differing[:shown]
        ),
    )


def handed_on(replies: Sequence[Reply], incumbent: Sequence[Reply]) -> list[Reply]:
    """Replies as callers of a route would have got them: those not given, by the incumbent, after asking both."""
    return [_handed_on(one, other) if one.abstained else one for one, other in zip(replies, incumbent, strict=True)]


def _handed_on(one: Reply, other: Reply) -> Reply:
    cost = None if one.cost is None and other.cost is None else (one.cost or 0) + (other.cost or 0)
    return replace(other, cost=cost, latency=one.latency + other.latency, cached=one.cached or other.cached)


def compared(
    examples: Sequence[Example],
    a: tuple[str, Sequence[Reply]],
    b: tuple[str, Sequence[Reply]],
    scorer: Scorer,
    *,
    margin: float,
    alpha: float,
) -> Comparison:
    """Two deployments, by name and replies, on the same examples; what the second did not answer, the first did."""
    b = (b[0], handed_on(b[1], a[1]))
    scores = (scores_of(examples, a[1], scorer), scores_of(examples, b[1], scorer))
    return Comparison(
        incumbent=a[0],
        candidate=b[0],
        verdict=verdict(Design(margin=margin, alpha=alpha), pairs(*scores, examples)),
        cost=_ratio(_amounts(a[1], b[1], "cost")).totals(alpha),
        latency=_ratio(_amounts(a[1], b[1], "latency")).typical(alpha),
    )


def pairs(a: Sequence[float], b: Sequence[float], examples: Sequence[Example]) -> Pairs:
    """Pairs of scores, one for each conversation: of several questions in one episode, their means."""
    episodes: dict[str, list[int]] = {}
    for i, example in enumerate(examples):
        episodes.setdefault(example.episode or f"example {i}", []).append(i)
    counted = Pairs()
    for members in episodes.values():
        counted.add(fmean(a[i] for i in members), fmean(b[i] for i in members))
    return counted


def scores_of(examples: Sequence[Example], replies: Sequence[Reply], scorer: Scorer) -> list[float]:
    """One score for each reply; 0 where none came."""
    return [scorer.score(e, r.text) if r.outcome == "answered" else 0.0 for e, r in zip(examples, replies, strict=True)]


def _line(
    deployment: str,
    examples: Sequence[Example],
    replies: Sequence[Reply],
    scored: Mapping[str, Sequence[float]],
    scorers: Sequence[Scorer],
) -> Line:
    costs = [r.cost for r in replies if r.cost is not None]
    latencies = sorted(r.latency for r in replies if r.outcome == "answered" and not r.cached)
    answered = sum(r.outcome == "answered" for r in replies)
    return Line(
        deployment=deployment,
        questions=len(replies),
        answered=answered / len(replies),
        own=sum(r.by == deployment for r in replies) / len(replies),
        scores={s.name: measured(scored[s.name], binary=s.binary) for s in scorers},
        slices=_sliced(examples, scored[scorers[0].name], binary=scorers[0].binary),
        cost=fmean(costs) if len(costs) == answered and costs else None,
        latency_p50=_quantile(latencies, 0.5),
        latency_p95=_quantile(latencies, 0.95),
        errors=dict(Counter(r.error or r.outcome for r in replies if r.outcome != "answered").most_common(5)),
    )


def _sliced(examples: Sequence[Example], scores: Sequence[float], *, binary: bool) -> dict[str, Measured]:
    """By target, where there are few different ones."""
    groups: dict[str, list[float]] = {}
    for example, score in zip(examples, scores, strict=True):
        groups.setdefault(example.target, []).append(score)
    if not 1 < len(groups) <= SLICES:
        return {}
    return {name: measured(those, binary=binary) for name, those in sorted(groups.items())}


def measured(scores: Sequence[float], *, binary: bool) -> Measured:
    """Mean and interval of scores; at least one."""
    n, mean = len(scores), fmean(scores)
    if binary:
        centre = (mean + Z * Z / (2 * n)) / (1 + Z * Z / n)
        reach = Z * sqrt(mean * (1 - mean) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
        return Measured(mean=mean, low=max(centre - reach, 0.0), high=min(centre + reach, 1.0))
    values = np.asarray(scores)
    rng = np.random.default_rng(0)
    means = np.array([values[rng.integers(0, n, n)].mean() for _ in range(RESAMPLES)])
    low, high = np.quantile(means, [0.025, 0.975])
    return Measured(mean=mean, low=float(low), high=float(high))


def _quantile(ordered: Sequence[int], share: float) -> int | None:
    return ordered[max(ceil(share * len(ordered)) - 1, 0)] if ordered else None


def _amounts(a: Sequence[Reply], b: Sequence[Reply], what: str) -> Iterator[tuple[float, float]]:
    """Pairs of what two replies cost or took, where both are known; remembered answers took no time."""
    for one, other in zip(a, b, strict=True):
        if one.outcome == other.outcome == "answered":
            if what == "cost" and one.cost is not None and other.cost is not None:
                yield one.cost, other.cost
            elif what == "latency" and not (one.cached or other.cached):
                yield one.latency, other.latency


def _ratio(amounts: Iterator[tuple[float, float]]) -> Ratio:
    ratio = Ratio()
    for a, b in amounts:
        ratio.add(a, b)
    return ratio
