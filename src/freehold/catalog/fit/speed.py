"""How fast a model runs, as an interval: seconds by cause (terms.py), each times what measured runs spend on it.

The coefficients (`coefficients.json`, made by `python -m bench.fit --write`) are learned by robust regression of the
logarithm of the time. The interval holds 80 % of the runs of a model of a family not seen: a quantile of the errors on
families left out while learning, corrected for their number and scaled by how well such hardware is predicted (Lee,
Barber, Willett 2023, "Distribution-free inference with hierarchical data").
"""

from functools import cache
from math import exp
from pathlib import Path

import msgspec
from msgspec import Struct

from freehold.catalog.fit.terms import Running, What, factors, seconds


class Interval(Struct, frozen=True, kw_only=True):
    """Between `low` and `high` lie 80 of 100 runs; `middle` is as often too high as too low."""

    low: float
    middle: float
    high: float


class Speed(Struct, frozen=True, kw_only=True):
    """Tokens a second of one answer and of reading a prompt; seconds to the first token of an answer to that prompt."""

    decode: Interval
    prefill: Interval
    first_token: Interval


class Learned(Struct, frozen=True, forbid_unknown_fields=True):
    """`seconds`: times each cause counts. `factors`: logarithms of time by flag.

    The interval is the logarithm of the middle plus and minus `spread` (by kind of run) times `scale` (by site).
    """

    seconds: dict[str, float]
    factors: dict[str, float]
    spread: dict[str, float]
    scale: dict[str, float]


class Coefficients(Struct, frozen=True, forbid_unknown_fields=True):
    decode: Learned
    prefill: Learned


def speed(run: Running) -> Speed:
    """How fast it will run, from the coefficients that ship."""
    learned = coefficients()
    prefill = estimate(run, "prefill", learned.prefill)
    decode = estimate(run, "decode", learned.decode)
    first = Interval(
        low=run.prompt / prefill.high,
        middle=run.prompt / prefill.middle,
        high=run.prompt / prefill.low + 1 / decode.low,
    )
    return Speed(decode=decode, prefill=prefill, first_token=first)


def estimate(run: Running, what: What, learned: Learned) -> Interval:
    """Tokens a second with given coefficients."""
    spent = sum(learned.seconds[name] * value for name, value in seconds(run, what).items())
    times = sum(learned.factors.get(name, 0.0) * value for name, value in factors(run, what).items())
    middle = 1 / (spent * exp(times))
    width = exp(learned.spread[kind(run, what)] * learned.scale[run.site])
    return Interval(low=middle / width, middle=middle, high=middle * width)


@cache
def coefficients() -> Coefficients:
    """What was learned, from the file in the package."""
    return msgspec.json.decode(Path(__file__).with_name("coefficients.json").read_bytes(), type=Coefficients)


def kind(run: Running, what: What) -> str:
    """The group whose errors say how wide the interval is."""
    if what == "decode" and run.draft != "none":
        return "speculative"
    if run.spilled > 0:
        return "spilled"
    if what == "prefill":
        return "whole"
    return "sparse" if run.sparse else "dense"
