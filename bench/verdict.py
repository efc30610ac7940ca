"""How often verdicts and guards are wrong, and how soon they are right, on simulated traffic: python -m bench.verdict

Every row is a simulation of the shipped code, looked at after every pair or block, beside what people do without it:
a usual test looked at after every pair, a judge alone, yesterday's figure as the line.
"""

import math
import sys
from collections.abc import Callable, Iterator

import click
import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from freehold.flywheel.verdict.betting import Floats, bets, log_factors, log_wealth
from freehold.flywheel.verdict.delay import delay
from freehold.flywheel.verdict.forecast import plan
from freehold.flywheel.verdict.guard import Guard, run_length, step
from freehold.flywheel.verdict.judge import REACH, rectified
from freehold.flywheel.verdict.ratio import FEWEST, width

ALPHA = 0.05
THRESHOLD = -math.log(ALPHA)
VALUES = np.array([-1.0, 0.0, 1.0])
NEVER = 10**9
EACH = 10
CHUNK = 500
DAY = 10_000


class Row(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One figure. `must`: the bound that the product promises, and whether it is an upper one; None: for comparison."""

    part: str
    figure: str
    value: float | None
    must: float | None = None
    upper: bool = True
    trials: int = 0

    def holds(self) -> bool:
        """Within the bound, or within what chance does to a simulation of this size (3.1 standard deviations)."""
        if self.must is None or self.value is None:
            return self.must is None
        slack = 3.1 * math.sqrt(self.must * (1 - self.must) / self.trials) if self.trials else 0.0
        return self.value <= self.must + slack if self.upper else self.value >= self.must - slack


def differences(rng: np.random.Generator, shape: tuple[int, int], discordance: float, mean: float) -> Floats:
    u = rng.random(shape)
    return np.where(u < (discordance + mean) / 2, 1.0, np.where(u < discordance, -1.0, 0.0))


def betting(d: Floats, margin: float) -> NDArray[np.bool_]:
    """Whether the verdict approves, after each pair."""
    counts = np.stack([(d == value).cumsum(axis=1) for value in VALUES], axis=-1).astype(np.float64)
    return log_wealth(counts, log_factors(VALUES, np.ones(3), -margin, bets(margin))) >= THRESHOLD


def usual(d: Floats, margin: float) -> NDArray[np.bool_]:
    """Whether a one-sided t test at 5 % would, from the 30th pair on."""
    return _scores(d, margin) > 1.645


def asymptotic(d: Floats, margin: float) -> NDArray[np.bool_]:
    """Whether an asymptotic confidence sequence would, as platforms for A/B tests use, from the 30th pair on."""
    reach = [width(k, 2 * ALPHA) * math.sqrt(k) for k in range(1, d.shape[1] + 1)]
    return _scores(d, margin) > np.array(reach)


def _scores(d: Floats, margin: float) -> Floats:
    n: Floats = np.arange(1.0, d.shape[1] + 1)
    mean: Floats = d.cumsum(axis=1) / n
    deviation = np.sqrt(np.maximum((d * d).cumsum(axis=1) / n - mean**2, 1e-9))
    scores: Floats = (mean + margin) / deviation * np.sqrt(n)
    scores[:, :29] = -math.inf
    return scores


def stops(
    seed: int, runs: int, pairs: int, world: tuple[float, float, float], test: Callable[..., NDArray[np.bool_]]
) -> NDArray[np.int64]:
    """After how many pairs each replay of `world` (margin, discordance, mean) is approved; NEVER."""
    margin, discordance, mean = world
    rng = np.random.default_rng(seed)
    found: list[NDArray[np.int64]] = []
    for start in range(0, runs, CHUNK):
        size = min(CHUNK, runs - start)
        found.append(first(test(differences(rng, (size, pairs), discordance, mean), margin)))
    return np.concatenate(found)


def first(hit: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The pair, from 1, after which each row is first so; NEVER."""
    return np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, NEVER)


def verdicts(runs: int) -> Iterator[Row]:
    part = "verdict"
    for margin, discordance in ((0.02, 0.05), (0.02, 0.2), (0.05, 0.1), (0.05, 0.2)):
        for below in (0.0, 0.01):
            world = (margin, discordance, -margin - below)
            name = f"false approvals, margin {margin}, discordance {discordance}, {below} below the line"
            wrong = float((stops(1, runs, 3000, world, betting) < NEVER).mean())
            yield Row(part=part, figure=name, value=wrong, must=ALPHA, trials=runs)
    world = (0.05, 0.2, -0.05)
    for name, test in (("a t test after every pair", usual), ("an asymptotic confidence sequence", asymptotic)):
        wrong = float((stops(1, runs, 3000, world, test) < NEVER).mean())
        yield Row(part=part, figure=f"the same on the line by {name}, margin 0.05, discordance 0.2", value=wrong)


def power(runs: int) -> Iterator[Row]:
    """Pairs are stated before: what `plan` says that 9 of 10 replays of an equal candidate need."""
    part = "power"
    for margin, discordance in ((0.05, 0.05), (0.05, 0.1), (0.05, 0.2), (0.02, 0.1)):
        pairs = plan(margin=margin, discordance=discordance).high or 0
        worlds = (("equal, 1 margin above the line", 0.0, 0.8), ("2 margins above the line", margin, 0.8))
        for name, mean, must in (("half a margin above the line", -margin / 2, None), *worlds):
            found = stops(2, runs // 2, pairs, (margin, discordance, mean), betting)
            figure = f"approved within {pairs} pairs, margin {margin}, discordance {discordance}: {name}"
            yield Row(part=part, figure=figure, value=float((found <= pairs).mean()), must=must, upper=False)
            if must:
                yield Row(part=part, figure="    pairs in half of the replays", value=float(np.median(found)))
    equal = stops(2, runs // 2, 3000, (0.05, 0.2, 0.0), asymptotic)
    figure = "pairs in half of the replays by an asymptotic confidence sequence, equal, margin 0.05, discordance 0.2"
    yield Row(part=part, figure=figure, value=float(np.median(equal)))


def judged(runs: int) -> Iterator[Row]:
    part = "judge"
    rng = np.random.default_rng(3)
    margin, pairs, size = 0.05, 600, min(runs, 1000)

    def said(truth: Floats, bias: float) -> Floats:
        guess = np.where(rng.random(truth.shape) < 0.85, truth, rng.choice(VALUES, truth.shape))
        return np.where(rng.random(truth.shape) < bias, 1.0, guess)

    for mean, bias in ((-0.05, 0.1), (-0.1, 0.1), (-0.1, 0.2), (0.0, 0.1)):
        truth = differences(rng, (size, pairs), 0.2, mean)
        judge = said(truth, bias)
        others = said(differences(rng, (size, pairs * EACH), 0.2, mean), bias)
        means = others.reshape(size, pairs, EACH).mean(axis=-1)
        alone = first(betting(others[:, :3000], margin))
        gold = first(betting(truth, margin))
        helped = first(_gold(truth, judge, means, margin))
        world = f"true difference {mean}, margin {margin}, judge says B anyway on {bias:.0%}"
        if mean < 0:
            yield Row(part=part, figure=f"false approvals by a judge alone: {world}", value=_share(alone))
            figure = f"false approvals with {pairs} gold pairs: {world}"
            yield Row(part=part, figure=figure, value=_share(helped), must=ALPHA, trials=size)
        else:
            yield Row(part=part, figure=f"approved with {pairs} gold pairs: {world}", value=_share(helped))
            yield Row(part=part, figure="    the same without the judge", value=_share(gold))
            for figure, found in (("    gold pairs in half of the replays", helped), ("    without the judge", gold)):
                yield Row(part=part, figure=figure, value=float(np.median(found)))


def _gold(truth: Floats, judge: Floats, means: Floats, margin: float) -> NDArray[np.bool_]:
    value, reach = rectified(truth, judge, means, np.full(truth.shape, float(EACH)))
    ratio = (value + reach) / (reach - margin)
    each = np.stack([np.log1p(f * (ratio - 1)).cumsum(axis=-1) for f in bets(margin, REACH)])
    top = each.max(axis=0)
    return top + np.log(np.exp(each - top).mean(axis=0)) >= THRESHOLD


def _share(found: NDArray[np.int64]) -> float:
    return float((found < NEVER).mean())


def ratios(runs: int) -> Iterator[Row]:
    rng = np.random.default_rng(4)
    size, pairs = min(runs, 1000), 4000
    n: Floats = np.arange(1.0, pairs + 1)
    reach = np.array([width(k, ALPHA) for k in range(1, pairs + 1)])
    for spread in (0.4, 1.0):
        a = np.exp(rng.standard_normal((size, pairs)))
        b = 0.2 * a * np.exp(spread * rng.standard_normal((size, pairs)) - spread**2 / 2)
        for name, z, must in (
            ("total", b - 0.2 * a, 0.06 if spread < 1 else None),
            ("typical", np.log(b / a) - np.log(0.2) + spread**2 / 2, ALPHA),
        ):
            mean = z.cumsum(axis=1) / n
            deviation = np.sqrt((z * z).cumsum(axis=1) / n - mean**2)
            missed = float((np.abs(mean) > reach * deviation)[:, FEWEST - 1 :].any(axis=1).mean())
            figure = f"{name} ratio outside its 95 % interval at some look, log amounts vary by {spread} around A's"
            yield Row(part="ratio", figure=figure, value=missed, must=must, trials=size)


def guards(runs: int) -> Iterator[Row]:
    part = "guard"
    month = run_length(requests_a_day=DAY, share=0.1)
    line = Guard(kind="harm", tolerated=0.0, run_length=month)
    size = max(runs // 40, 20)
    control, candidate = _month(5, size)
    figure = f"false alarms in 30 days of {DAY:,} requests, a tenth to an equal candidate, harm 2 to 18 % by the hour"
    yield Row(part=part, figure=figure, value=float(_alarms(line, candidate - control).sum()) / size, must=1.0)
    guard = Guard(kind="harm", tolerated=0.01, run_length=month)
    yield Row(part=part, figure="    with 1 point tolerated", value=_alarms(guard, candidate - control).sum() / size)
    fixed = float(_alarms(guard, candidate - 0.1).sum()) / size
    yield Row(part=part, figure="    against yesterday's figure, 1 point tolerated", value=fixed)
    for share, base, half, most in (
        (0.1, 0.02, 4000, 8000),
        (0.1, 0.1, 9000, 18000),
        (0.5, 0.02, 2000, 3500),
        (0.5, 0.1, 4500, 9000),
    ):
        watched = Guard(kind="harm", tolerated=0.01, run_length=run_length(requests_a_day=DAY, share=share, guards=5))
        for when in (True, False):
            found = delay(watched, control=base, candidate=base + 0.05, share=share, at_start=when)
            drop = f"5 points worse than {base:.0%} {'from the start' if when else 'from some day on'}, share {share}"
            figure = f"requests to the alarm in half of the rollouts, 5 guards: {drop}"
            yield Row(part=part, figure=figure, value=found.half, must=half if when else None)
            yield Row(part=part, figure="    in 9 of 10", value=found.most, must=most if when else None)
    slow = Guard(kind="ratio", tolerated=1.2, run_length=run_length(requests_a_day=DAY, share=0.5, guards=5))
    rng = np.random.default_rng(6)
    for factor in (1.5, 2.0):
        sign = np.sign(rng.standard_normal((size, 4000)) * math.sqrt(2) + math.log(factor / 1.2))
        blocks = np.median(_first_alarm(slow, sign))
        figure = f"shadow pairs to the alarm in half of the rollouts: {factor} times as slow, 1.2 tolerated"
        yield Row(part=part, figure=figure, value=float(blocks))


def _month(seed: int, size: int) -> tuple[Floats, Floats]:
    """Harm of both arms in 30 days of blocks of nine and one, from 2 % to 18 % over the day; each (size, blocks)."""
    rng = np.random.default_rng(seed)
    chance = 0.1 + 0.08 * np.sin(2 * np.pi * np.arange(30 * DAY).reshape(-1, 10) / DAY)
    control = np.zeros((size, len(chance)))
    for column in range(9):
        control += rng.random((size, len(chance))) < chance[:, column]
    return control / 9, (rng.random((size, len(chance))) < chance[:, 9]).astype(np.float64)


def _alarms(guard: Guard, differences: Floats) -> NDArray[np.int64]:
    """Alarms of each row (runs, blocks); the guard starts anew after each."""
    wealth = np.tile(guard.start(), (len(differences), 1))
    found = np.zeros(len(differences), dtype=np.int64)
    for block in range(differences.shape[1]):
        wealth = step(wealth, differences[:, block], guard.allowed)
        alarm = wealth.mean(axis=-1) >= guard.limit
        found += alarm
        wealth[alarm] = guard.start()
    return found


def _first_alarm(guard: Guard, differences: Floats) -> Floats:
    wealth = np.tile(guard.start(), (len(differences), 1))
    found = np.full(len(differences), math.inf)
    for block in range(differences.shape[1]):
        wealth = step(wealth, differences[:, block], guard.allowed)
        alarm = wealth.mean(axis=-1) >= guard.limit
        found[alarm & ~np.isfinite(found)] = block + 1
        wealth[alarm] = 0.0
    return found


PARTS = {"verdict": verdicts, "power": power, "judge": judged, "ratio": ratios, "guard": guards}


@click.command(help=__doc__)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--runs", default=2000, show_default=True, help="Simulated replays for each figure.")
@click.option("--part", "parts", multiple=True, type=click.Choice(list(PARTS)), help="Only this part; may be repeated.")
def main(as_json: bool, runs: int, parts: tuple[str, ...]) -> None:
    rows = [row for part in parts or PARTS for row in PARTS[part](runs)]
    if as_json:
        for row in rows:
            click.echo(msgspec.json.encode(row))
    else:
        show(rows)
    sys.exit(not all(row.holds() for row in rows))


def show(rows: list[Row]) -> None:
    table = Table("part", "figure", "measured", "must", "holds")
    for row in rows:
        must = "" if row.must is None else f"{'at most' if row.upper else 'at least'} {row.must:g}"
        measured = "never" if row.value is None or row.value >= NEVER else f"{row.value:.4g}"
        table.add_row(row.part, row.figure, measured, must, "" if row.must is None else "yes" if row.holds() else "NO")
    Console(width=180).print(table)


if __name__ == "__main__":
    main()
