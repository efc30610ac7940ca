"""How well speed is predicted for models not seen: `python -m bench.fit`; `--write` makes the coefficients that ship.

Every family of models is predicted from coefficients and intervals learned without it (`--by model` or `hardware`: one
of these). `--judge FILE` instead holds the coefficients that ship to the runs of another file.
"""

import argparse
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.fit_learn import Array, Flags, Judged, Sample, judge, learn, sample
from bench.fit_runs import Run, runs
from freehold.catalog.fit.speed import Coefficients, coefficients, estimate
from freehold.catalog.fit.terms import What

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "catalog" / "throughput.dev.jsonl"
FILE = ROOT / "src" / "freehold" / "catalog" / "fit" / "coefficients.json"
COLUMNS = ("runs", "number", "models", "error", "of models", "one factor", "interval holds", "of models", "width")
WHATS: tuple[What, ...] = ("decode", "prefill")


def groups(s: Sample) -> dict[str, Flags]:
    """The runs that are told of together."""
    quiet = s.possible & (s.kinds != "speculative")
    found: dict[str, Flags] = {}
    for name, rows in (("dense", ~s.sparse), ("MoE", s.sparse)):
        found[f"{name}, all"] = rows
        found[f"{name}, possible"] = rows & s.possible
        found[f"{name}, possible, no draft"] = rows & quiet
        found[f"{name}, and all on the device"] = rows & quiet & (s.kinds != "spilled")
    found["spilled"] = quiet & (s.kinds == "spilled")
    found["speculative"] = s.possible & (s.kinds == "speculative")
    return found


def table(s: Sample, judged: Judged, title: str) -> Table:
    """Median error, that of a one-factor roofline, how often the interval holds, its high over its low.

    `of models`: the median of models' medians, and the mean of models' shares.
    """
    found = Table(title=title)
    for column in COLUMNS:
        found.add_column(column)
    error: Array = np.abs(np.exp(s.time - judged.middle) - 1).astype(np.float64)
    holds = (np.abs(s.time - judged.middle) <= judged.width).astype(np.float64)
    for name, rows in groups(s).items():
        if rows.any():
            flat = np.median((s.time - s.roof)[rows])
            naive = np.median(np.abs(np.exp((s.time - s.roof)[rows] - flat) - 1))
            names = sorted(set(s.models[rows].tolist()))
            medians = [float(np.median(error[rows & (s.models == one)])) for one in names]
            shares = [float(holds[rows & (s.models == one)].mean()) for one in names]
            found.add_row(
                name,
                str(int(rows.sum())),
                str(len(names)),
                f"{np.median(error[rows]):.1%}",
                f"{np.median(medians):.1%}",
                f"{naive:.1%}",
                f"{holds[rows].mean():.0%}",
                f"{np.mean(shares):.0%}",
                f"x{np.exp(2 * np.median(judged.width[rows])):.1f}",
            )
    return found


def shipped(found: list[Run], what: What) -> Judged:
    """What the coefficients that ship say of these runs."""
    kept = [r.running for r in found if (r.decode if what == "decode" else r.prefill)]
    said = [estimate(run, what, getattr(coefficients(), what)) for run in kept]
    middle: Array = -np.log(np.array([one.middle for one in said], dtype=np.float64)).astype(np.float64)
    width: Array = np.log(np.array([one.high / one.middle for one in said], dtype=np.float64)).astype(np.float64)
    return Judged(middle, width)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fit", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--write", action="store_true", help="write the coefficients that ship")
    parser.add_argument("--by", choices=("family", "model", "hardware"), default="family", help="left out together")
    parser.add_argument("--judge", type=Path, help="hold the coefficients that ship to the runs of this file")
    options = parser.parse_args()
    screen = Console(width=140)
    if options.judge is not None:
        found = list(runs(options.judge))
        for what in WHATS:
            screen.print(table(sample(found, what), shipped(found, what), f"{what}, as it ships"))
        return
    found = list(runs(options.data))
    for what in WHATS:
        s = sample(found, what, options.by)
        screen.print(table(s, judge(s), f"{what}, each {options.by} left out"))
    if options.write:
        learned = Coefficients(decode=learn(sample(found, "decode")), prefill=learn(sample(found, "prefill")))
        FILE.write_bytes(msgspec.json.format(msgspec.json.encode(learned), indent=2) + b"\n")


if __name__ == "__main__":
    main()
