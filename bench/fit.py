"""How well speed is predicted for models not seen: `python -m bench.fit`; `--write` makes the coefficients that ship.

Every family of models is predicted from coefficients and intervals learned without it. A run that is faster than
memory or arithmetic permits (by speculation or a cached prompt that its row keeps quiet about) teaches nothing; it is
counted under "all".
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.fit_runs import Run, runs
from freehold.catalog.fit.speed import Coefficients, Learned, What, features, kind, roofline

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "catalog" / "throughput.dev.jsonl"
FILE = ROOT / "src" / "freehold" / "catalog" / "fit" / "coefficients.json"

RIDGE = 0.5
ROBUST = 0.1
"""Residuals above it (of a logarithm) count by their size instead of its square."""

POSSIBLE: dict[What, dict[str, float]] = {
    "decode": {"dense": 1.1, "sparse": 1.1, "spilled": 2.2},
    "prefill": {"dense": 1.1, "sparse": 1.1},
}
"""Times the roofline, by kind: above is not plain decoding. A tenth is for what names round off; two channels of
DDR4 are twice what the roofline takes for a spilled run."""

HELD = 0.8
ENDS = (0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)
"""Where an interval may end, as a part of the errors; what unseen families add to 0.9 is learned by leaving out."""

FEWEST = 12
"""Runs that a kind must have for an interval of its own; else it has that of all."""

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Sample(Struct, frozen=True):
    """The runs with one speed measured: logarithms of speed and roofline, features by row, and which rows are plain."""

    what: What
    names: tuple[str, ...]
    rows: Array
    speed: Array
    roof: Array
    models: tuple[str, ...]
    families: tuple[str, ...]
    kinds: tuple[str, ...]
    sparse: Flags
    plain: Flags


class Judged(Struct, frozen=True):
    """Predictions of each run by coefficients that have not seen its family: logarithms of middle, low and high."""

    middle: Array
    low: Array
    high: Array


def sample(found: Sequence[Run], what: What) -> Sample:
    """The runs with that speed measured."""
    pairs = [(r, r.decode if what == "decode" else r.prefill) for r in found]
    kept = [(r, tps) for r, tps in pairs if tps]
    names = tuple(features(kept[0][0].running, what))
    speed: Array = np.log(np.array([tps for _, tps in kept], dtype=np.float64))
    roof: Array = np.log(np.array([roofline(r.running, what) for r, _ in kept], dtype=np.float64))
    kinds = tuple(kind(r.running) for r, _ in kept)
    fast = speed - roof > np.log([POSSIBLE[what].get(name, np.inf) for name in kinds])
    return Sample(
        what=what,
        names=names,
        rows=np.array([[features(r.running, what)[n] for n in names] for r, _ in kept]),
        speed=speed,
        roof=roof,
        models=tuple(r.model for r, _ in kept),
        families=tuple(r.family for r, _ in kept),
        kinds=kinds,
        sparse=np.array([r.running.sparse for r, _ in kept]),
        plain=~fast,
    )


def solve(s: Sample, use: Flags) -> Array:
    """Ridge regression, robust (Huber's weights) and with a model's rows counting as the root of their number.

    What speculation gains is the median of what is left of its runs: they teach nothing else.
    """
    fast = np.array(s.kinds) == "speculative"
    count = Counter(s.models)
    weight = np.array([count[m] ** -0.5 for m in s.models])[use & ~fast]
    wanted = s.speed - s.roof
    rows, quiet = s.rows[use & ~fast], wanted[use & ~fast]
    penalty = np.diag([1e-6 if n == "one" else RIDGE for n in s.names])
    now, found = weight, np.zeros(len(s.names), dtype=np.float64)
    for _ in range(20):
        moment = rows.T @ (rows * now[:, None]) + penalty
        found = np.linalg.solve(moment, rows.T @ (now * quiet)).astype(np.float64)
        now = weight * np.minimum(1, ROBUST / np.maximum(np.abs(quiet - rows @ found), 0.02))
    parallel = s.names.index("parallel")
    found[parallel] = min(found[parallel], 0.0)  # devices together are never faster than their sum
    found[s.names.index("speculative")] = np.median((wanted - s.rows @ found)[use & fast])
    return found


def judge(s: Sample) -> Judged:
    """Leave one family out; the interval of a family comes from the errors made on the others."""
    families = np.array(s.families)
    middle = s.roof.copy()
    for family in sorted(set(s.families)):
        out = families == family
        middle[out] += s.rows[out] @ solve(s, ~out & s.plain)
    errors = s.speed - middle
    low, high = middle.copy(), middle.copy()
    for family, name in sorted(set(zip(s.families, s.kinds, strict=True))):
        kinds = np.array(s.kinds) == name
        out = kinds & (families == family)
        spread = spreads(s, errors, (families != family) & s.plain)[name]
        low[out] += spread[0]
        high[out] += spread[1]
    return Judged(middle, low, high)


def spreads(s: Sample, errors: Array, use: Flags) -> dict[str, tuple[float, float]]:
    """By kind an interval of the errors that holds 80 % of those of a family left out, among the families used."""
    kinds = np.array(s.kinds)
    found: dict[str, tuple[float, float]] = {}
    for name in ("dense", "sparse", "spilled", "speculative"):
        rows = use & (kinds == name)
        rows = rows if rows.sum() >= FEWEST else use
        families = np.array(s.families)[rows]
        low, high = next(
            (_tails(errors[rows], families, end) for end in ENDS if _held(errors[rows], families, end) >= HELD),
            (float(errors[rows].min()), float(errors[rows].max())),
        )
        found[name] = (round(min(low, -0.05), 4), round(max(high, 0.05), 4))
    return found


def _held(errors: Array, families: NDArray[np.str_], end: float) -> float:
    """The part of the errors within the tails of the errors of other families."""
    inside = 0
    for family in np.unique(families):
        out = families == family
        if not out.all():
            low, high = _tails(errors[~out], families[~out], end)
            inside += int(((errors[out] >= low) & (errors[out] <= high)).sum())
    return inside / len(errors)


def _tails(errors: Array, families: NDArray[np.str_], end: float) -> tuple[float, float]:
    """What cuts off 1 - `end` of the errors on each side; a family's rows count as the root of their number."""
    _, of, number = np.unique(families, return_inverse=True, return_counts=True)
    order = np.argsort(errors)
    reached = np.cumsum((number[of] ** -0.5)[order])
    found = np.searchsorted(reached / reached[-1], [1 - end, end])
    return float(errors[order][found[0]]), float(errors[order][min(int(found[1]), len(errors) - 1)])


def learn(s: Sample) -> Learned:
    """What ships: coefficients from every plain run, intervals from errors on families left out."""
    weights = dict(zip(s.names, (round(float(w), 4) for w in solve(s, s.plain)), strict=True))
    return Learned(weights=weights, spread=spreads(s, s.speed - judge(s).middle, s.plain))


def report(s: Sample, judged: Judged) -> Table:
    """Median error, that of a one-factor roofline, how often the interval holds, its high over its low."""
    table = Table(title=f"{s.what}, of what was not seen")
    for column in (
        "runs",
        "number",
        "median error",
        "median of models",
        "one-factor roofline",
        "80 % interval holds",
        "width",
    ):
        table.add_column(column)
    unmarked = np.array(s.kinds) != "speculative"
    quiet = s.plain & unmarked
    groups: dict[str, Flags] = {
        "dense, all": ~s.sparse,
        "dense, not marked speculative": ~s.sparse & unmarked,
        "dense, plain": ~s.sparse & quiet,
        "MoE, all": s.sparse,
        "MoE, not marked speculative": s.sparse & unmarked,
        "MoE, plain": s.sparse & quiet,
        "spilled, plain": (np.array(s.kinds) == "spilled") & s.plain,
        "speculative": np.array(s.kinds) == "speculative",
    }
    error = np.abs(np.exp(judged.middle - s.speed) - 1)
    holds = (judged.low <= s.speed) & (s.speed <= judged.high)
    for name, rows in groups.items():
        if rows.any():
            flat = s.roof[rows] + np.median((s.speed - s.roof)[rows])
            naive = np.median(np.abs(np.exp(flat - s.speed[rows]) - 1))
            models = np.median([np.median(error[rows & (np.array(s.models) == m)]) for m in _models(s, rows)])
            width = np.exp(np.median((judged.high - judged.low)[rows]))
            cells = (f"{np.median(error[rows]):.1%}", f"{models:.1%}", f"{naive:.1%}", f"{holds[rows].mean():.0%}")
            table.add_row(name, str(rows.sum()), *cells, f"x{width:.1f}")
    return table


def _models(s: Sample, rows: Flags) -> list[str]:
    return sorted({s.models[i] for i in np.flatnonzero(rows)})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fit", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--write", action="store_true", help="write the coefficients that ship")
    parser.add_argument("--by", choices=("family", "model"), default="family", help="what is left out together")
    options = parser.parse_args()
    found = list(runs(options.data))
    decode, prefill = sample(found, "decode"), sample(found, "prefill")
    for s in (decode, prefill):
        left = s if options.by == "family" else replace(s, families=s.models)
        Console(width=140).print(report(left, judge(left)))
    if options.write:
        learned = Coefficients(decode=learn(decode), prefill=learn(prefill))
        FILE.write_bytes(msgspec.json.format(msgspec.json.encode(learned), indent=2) + b"\n")


if __name__ == "__main__":
    main()
