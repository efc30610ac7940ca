"""How the coefficients of speed are learned, and how wide their intervals must be for models not seen.

The logarithm of a token's time is that of a sum of seconds by cause, each times a coefficient, plus flags. Coefficients
stay positive and near what physics suggests (`CAUSES`) unless runs say otherwise; errors above `ROBUST` count by their
size, and a model's runs together count once.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from bench.fit_runs import Run
from freehold.catalog.fit.speed import Learned, kind
from freehold.catalog.fit.terms import GB, What, factors, roofline, seconds

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Names = NDArray[np.str_]

ROBUST = 0.2
PULL = 0.03
"""How much one standard deviation of a coefficient from what was expected weighs against the errors."""

CAUSES: dict[What, dict[str, tuple[float, float]]] = {
    "decode": {
        "read": (0.1, 0.1),
        "cache": (0.3, 0.3),
        "work cuda": (1.0, 0.7),
        "work amd": (1.0, 0.7),
        "work metal": (-0.5, 0.7),
        "work cpu": (0.0, 0.7),
        "launch cuda": (1.6, 0.5),
        "launch server": (1.0, 0.5),
        "launch amd": (1.6, 0.5),
        "launch metal": (1.6, 0.5),
        "experts": (0.5, 1.0),
        "experts server": (0.0, 1.0),
        "token": (-1.5, 1.0),
        "token cpu": (-2.0, 1.0),
        "spill": (0.7, 0.4),
        "spill experts": (0.0, 0.4),
        "spill cache": (1.5, 1.0),
        "sync": (0.5, 0.7),
        "hop": (0.0, 0.7),
    },
    "prefill": {
        "work cuda": (0.4, 0.4),
        "work amd": (0.8, 0.5),
        "work metal": (0.4, 0.4),
        "work cpu": (0.0, 0.5),
        "experts": (0.0, 0.7),
        "read": (0.2, 0.5),
        "attention": (0.3, 0.7),
        "launch": (1.6, 0.7),
        "prompt": (-1.0, 1.0),
        "spill": (0.0, 0.7),
        "spill cache": (0.0, 1.0),
        "sync": (1.0, 0.7),
    },
}
"""What the logarithm of a cause's coefficient is expected to be, and its standard deviation."""

FACTORS: dict[str, float] = {"draft model": 0.7, "metal": 0.5, "amd": 0.5, "cpu": 0.5, "two at once": 0.5}
FACTOR = 0.4
"""Standard deviation of a flag's coefficient around zero, where `FACTORS` has none of its own."""

PLAIN = 1.1
"""Times the roofline: what is faster was not plain decoding as its row says. A tenth is for what names round."""

PLAIN_CPU = 3.0
"""The same of processors, of whose memory no row says how fast it is."""

ABSURD = 2.0
"""Times what arithmetic allows: a long prompt that is read faster was cached, or read by another model."""

LONG = 256
"""Tokens of a prompt from which on its speed says that."""

SITES = ("cuda", "server", "amd", "metal", "cpu")
INSIDE = 0.8
FEWEST = 2
"""Units that a kind must have for an interval of its own; else it has that of all."""

COMMON = 5
"""Units that a site must have for its own errors to count as much as everybody's."""


class Sample(Struct, frozen=True):
    """The runs with one speed measured: logarithms of seconds a token, terms and flags by row, who they are.

    `possible` are not absurd; `plain` of them teach. `units` are left out together.
    """

    what: What
    causes: tuple[str, ...]
    flags: tuple[str, ...]
    spent: Array
    times: Array
    time: Array
    roof: Array
    models: Names
    units: Names
    kinds: Names
    sites: Names
    sparse: Flags
    possible: Flags
    plain: Flags


class Judged(Struct, frozen=True):
    """Predictions without the run's own unit: logarithm of seconds, and how far the interval goes to each side."""

    middle: Array
    width: Array


def sample(found: Sequence[Run], what: What, by: str = "family") -> Sample:
    """The runs with that speed measured; what is left out together is one `by`: family, model or hardware."""
    pairs = [(r, r.decode if what == "decode" else r.prefill) for r in found]
    kept = [(r, tps) for r, tps in pairs if tps]
    causes, flags = tuple(CAUSES[what]), tuple(factors(kept[0][0].running, what))
    spent = [seconds(r.running, what) for r, _ in kept]
    times = [factors(r.running, what) for r, _ in kept]
    possible = np.array([_possible(r) if what == "decode" else not _cached(r) for r, _ in kept])
    return Sample(
        what=what,
        causes=causes,
        flags=flags,
        spent=np.array([[one[name] for name in causes] for one in spent]),
        times=np.array([[one[name] for name in flags] for one in times]),
        time=-np.log(np.array([tps for _, tps in kept], dtype=np.float64)).astype(np.float64),
        roof=-np.log(np.array([roofline(r.running, what) for r, _ in kept], dtype=np.float64)).astype(np.float64),
        models=np.array([r.model for r, _ in kept]),
        units=np.array([getattr(r, by) for r, _ in kept]),
        kinds=np.array([kind(r.running, what) for r, _ in kept]),
        sites=np.array([r.running.site for r, _ in kept]),
        sparse=np.array([r.running.sparse for r, _ in kept]),
        possible=possible,
        plain=possible & np.array([what == "prefill" or _plain(r) for r, _ in kept]),
    )


def solve(s: Sample, use: Flags, start: Array | None = None) -> Array:
    """Coefficients by Gauss and Newton's method: logarithms of the causes', then the flags'."""
    expected = np.array([CAUSES[s.what][name] for name in s.causes])
    around: Array = np.concatenate([expected[:, 0], np.zeros(len(s.flags), dtype=np.float64)])
    spread: Array = np.concatenate([expected[:, 1], [FACTORS.get(name, FACTOR) for name in s.flags]])
    held = PULL / spread**2
    spent, times, time = s.spent[use], s.times[use], s.time[use]
    weight = _shares(s.models[use])
    found: Array = around.copy() if start is None else start.copy()
    for _ in range(30):
        part: Array = spent * np.exp(found[: len(s.causes)])
        whole: Array = part.sum(axis=1)
        error: Array = time - np.log(whole) - times @ found[len(s.causes) :]
        now: Array = weight * np.minimum(1, ROBUST / np.maximum(np.abs(error), 1e-9))
        slope: Array = np.hstack([part / whole[:, None], times])
        moment: Array = slope.T @ (slope * now[:, None]) + np.diag(held)
        step: Array = np.linalg.solve(moment, slope.T @ (now * error) - held * (found - around)).astype(np.float64)
        largest = float(np.abs(step).max())
        found = found + step / max(largest, 1.0)
        if largest < 1e-4:
            break
    return found


def predict(s: Sample, found: Array) -> Array:
    """Logarithms of seconds a token, of every run."""
    causes = len(s.causes)
    predicted: Array = np.log(s.spent @ np.exp(found[:causes])) + s.times @ found[causes:]
    return predicted


def errors(s: Sample, use: Flags, start: Array) -> Array:
    """Measured less predicted logarithms, each unit by coefficients without it."""
    found = np.zeros(len(s.time), dtype=np.float64)
    for out in _units(s, use):
        found[out] = (s.time - predict(s, solve(s, use & s.plain & ~out, start)))[out]
    return found


def judge(s: Sample) -> Judged:
    """Leave one unit out; the interval of a unit comes from the errors made on others, each of them left out too."""
    every = np.ones(len(s.time), dtype=np.bool_)
    start = solve(s, s.plain)
    middle, width = s.roof.copy(), np.zeros(len(s.time), dtype=np.float64)
    for out in _units(s, every):
        found = solve(s, s.plain & ~out, start)
        middle[out] = predict(s, found)[out]
        use = s.possible & ~out
        spread, scale = spreads(s, errors(s, use, found), use)
        width[out] = [spread[k] * scale[at] for k, at in zip(s.kinds[out], s.sites[out], strict=True)]
    return Judged(middle, width)


def spreads(s: Sample, error: Array, use: Flags) -> tuple[dict[str, float], dict[str, float]]:
    """By kind how far an interval must go to hold `INSIDE` of the runs of a unit not seen, in a site's typical errors;
    and these, over everybody's.

    The quantile is taken over units of equal weight and one more, the unseen, whose error may be anything.
    """
    scale = _scales(s, error, use)
    relative = np.abs(error) / np.array([scale[site] for site in s.sites])
    found: dict[str, float] = {}
    for name in sorted(set(s.kinds.tolist())):
        rows = use & (s.kinds == name)
        rows = rows if len(set(s.units[rows])) >= FEWEST else use
        number = len(set(s.units[rows]))
        share = _shares(s.units[rows]) / (number + 1)
        order = np.argsort(relative[rows])
        reached = np.cumsum(share[order])
        at = int(np.searchsorted(reached, INSIDE - 1e-9))
        found[name] = float(relative[rows][order][min(at, len(order) - 1)])
    return found, scale


def learn(s: Sample) -> Learned:
    """What ships: coefficients from every plain run, intervals from errors on units left out."""
    found = solve(s, s.plain)
    spread, scale = spreads(s, errors(s, s.possible, found), s.possible)
    names = len(s.causes)
    return Learned(
        seconds={name: round(float(np.exp(c)), 4) for name, c in zip(s.causes, found[:names], strict=True)},
        factors={name: round(float(c), 4) for name, c in zip(s.flags, found[names:], strict=True)},
        spread={name: round(value, 4) for name, value in spread.items()},
        scale={name: round(value, 4) for name, value in scale.items()},
    )


def _scales(s: Sample, error: Array, use: Flags) -> dict[str, float]:
    """By site the typical error of plain kinds of runs over everybody's, pulled to 1 where units are few.

    A site without runs errs like the worst of the others.
    """
    ordinary = use & np.isin(s.kinds, ["dense", "sparse", "whole"])
    units: list[str] = s.units.tolist()
    sites: list[str] = s.sites.tolist()
    pairs = [f"{unit}|{site}" for unit, site in zip(units, sites, strict=True)]
    of_site: Names = np.array(pairs)
    weight = np.zeros(len(s.time), dtype=np.float64)
    weight[ordinary] = _shares(of_site[ordinary])
    typical = _median(np.abs(error)[ordinary], weight[ordinary])
    found: dict[str, float] = {}
    for site in sorted(set(s.sites[ordinary].tolist())):
        rows = ordinary & (s.sites == site)
        number = len(set(s.units[rows]))
        own = _median(np.abs(error)[rows], weight[rows])
        found[site] = (number * own + COMMON * typical) / (number + COMMON) / typical
    return dict.fromkeys(SITES, max(found.values())) | found


def _median(values: Array, weight: Array) -> float:
    order = np.argsort(values)
    reached: Array = np.cumsum(weight[order])
    at = int(np.searchsorted(reached, float(reached[-1]) / 2))
    return float(values[order][at])


def _shares(names: Names) -> Array:
    """Weights of rows by which every name counts as one."""
    listed: list[str] = names.tolist()
    count = Counter(listed)
    return np.array([1 / count[name] for name in listed], dtype=np.float64)


def _units(s: Sample, use: Flags) -> Iterator[Flags]:
    for unit in sorted(set(s.units[use].tolist())):
        yield use & (s.units == unit)


def _cached(r: Run) -> bool:
    """Whether a prompt was read faster than arithmetic allows."""
    run = r.running
    if r.prefill is None or run.prompt < LONG or run.backend == "cpu":
        return False
    return r.prefill > ABSURD * run.tflops * 1e12 * run.devices / (2 * run.parameters * GB)


def _plain(r: Run) -> bool:
    """Whether a run that tells of no draft decodes as its memory allows."""
    run = r.running
    most = PLAIN_CPU if run.backend == "cpu" else PLAIN
    return run.draft != "none" or r.decode <= most * roofline(run, "decode")


def _possible(r: Run) -> bool:
    """False where memory cannot deliver the answer's speed nor arithmetic the prompt's: a row of another model."""
    return _plain(r) or not _cached(r)
