"""How fast a model runs: a roofline, corrected by coefficients learned from measured runs, as an interval.

The roofline (Williams, Waterman, Patterson 2009) divides the bytes that a token must read by the memory's bandwidth,
and the work of a prompt by the arithmetic throughput. What engines reach of it is learned: a linear model of the
logarithm of the measured speed over the roofline's (`coefficients.json`, made by `python -m bench.fit --write`). Its
interval is made to hold 80 % of the runs of a family of models that was left out while learning.
"""

from functools import cache
from math import exp, log, log1p
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

Backend = Literal["cuda", "rocm", "vulkan", "metal", "cpu"]
Runner = Literal["llama.cpp", "ollama", "vllm", "mlx", "hipfire"]
What = Literal["decode", "prefill"]

GB = 1_000_000_000
HOST_BANDWIDTH = 50.0
"""GB/s of main memory where nothing better is known: two channels of DDR4 or one and a half of DDR5."""

HOST_TFLOPS = 1.0
SPILL_BANDWIDTH = 25.0
"""GB/s at which a run gets through what its GPUs cannot hold: the host's memory, and its processor's work."""

HELD = 0.94
"""The part of a device's memory that weights and cache can take; the rest of them is read from main memory."""

LAUNCH_S = 0.0015
"""Seconds a token that a GPU waits for its host, whatever the model."""


class Running(Struct, frozen=True, kw_only=True):
    """A model as it runs.

    Bytes: `weights` are all of them, `active` those read for one token (for dense models the same), `cache_a_token` is
    read for each token of context; `memory` is one device's, None for the host's. `parameters` that work on a token, in
    billions, of `total`. `bandwidth` in GB/s and `tflops` are one device's. `depth` is the context in tokens when the
    answer starts, `prompt` how many of them are read now. `scheme` is the quantisation's name, as files carry it.
    """

    weights: int
    active: int
    parameters: float
    total: float
    scheme: str
    bandwidth: float
    tflops: float
    backend: Backend
    runner: Runner = "llama.cpp"
    cache_a_token: int = 0
    depth: int = 0
    prompt: int = 512
    memory: int | None = None
    devices: int = 1
    parallel: int = 1
    speculative: bool = False

    @property
    def sparse(self) -> bool:
        return self.parameters < self.total * 0.75

    @property
    def spilled(self) -> float:
        """The part of the weights that the devices cannot hold."""
        if self.memory is None:
            return 0.0
        room = self.memory * self.devices * HELD
        whole = self.weights + self.cache_a_token * self.depth
        return min(max(whole - room, 0.0) / self.weights, 1.0)


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
    """Weights of the features by name, and by kind of run the 10th and 90th percentile of log(measured/predicted)."""

    weights: dict[str, float]
    spread: dict[str, tuple[float, float]]


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
    correction = sum(learned.weights.get(name, 0.0) * value for name, value in features(run, what).items())
    middle = roofline(run, what) * exp(correction)
    low, high = learned.spread[kind(run)]
    return Interval(low=middle * exp(low), middle=middle, high=middle * exp(high))


@cache
def coefficients() -> Coefficients:
    """What was learned, from the file in the package."""
    return msgspec.json.decode(Path(__file__).with_name("coefficients.json").read_bytes(), type=Coefficients)


def kind(run: Running) -> str:
    """The group whose errors say how wide the interval is."""
    if run.speculative:
        return "speculative"
    if run.spilled > 0:
        return "spilled"
    return "sparse" if run.sparse else "dense"


def roofline(run: Running, what: What) -> float:
    """Tokens a second that the hardware allows."""
    return 1 / (_read_s(run) if what == "decode" else _work_s(run))


def features(run: Running, what: What) -> dict[str, float]:
    """What the correction is linear in; logarithms of ratios, and flags as 0 or 1."""
    scheme = run.scheme.lower().removeprefix("ud-")
    seconds = _read_s(run)
    bits = 8 * run.weights / (run.total * GB)
    found = {
        "one": 1.0,
        "launch": 0.0 if run.backend == "cpu" else log1p(LAUNCH_S / seconds),
        "sparsity": log(run.total / run.parameters),
        "apple": float(run.backend == "metal"),
        "amd": float(run.backend in ("rocm", "vulkan")),
        "vulkan": float(run.backend == "vulkan"),
        "cpu": float(run.backend == "cpu"),
        "server": float(run.runner == "vllm"),
        "ollama": float(run.runner == "ollama"),
        "mlx": float(run.runner == "mlx"),
        "hipfire": float(run.runner == "hipfire"),
        "codebook": float(scheme.startswith("iq")),
        "small float": float(scheme.startswith(("nvfp", "mxfp", "fp8"))),
        "under 4 bits": max(4 - bits, 0.0),
        "over 4 bits": log(max(bits, 4.0) / 4),
        "speculative": float(run.speculative),
        "split": float(run.devices > run.parallel),
        "parallel": log(run.parallel),
        "depth": log1p(run.depth / 4096),
    }
    if what == "prefill":
        found |= {
            "sparse": float(run.sparse),
            "spilled": float(run.spilled > 0),
            "spill": run.spilled,
            "short": log1p(256 / max(run.prompt, 1)),
            "long": log1p(run.prompt / 8192),
        }
    return found


def _read_s(run: Running) -> float:
    """Seconds to read what a token needs: on the devices, and from main memory what they cannot hold."""
    spilled = run.spilled
    read = run.active + run.cache_a_token * run.depth
    near = read * (1 - spilled) / (run.bandwidth * run.parallel)
    return (near + read * spilled / min(SPILL_BANDWIDTH, run.bandwidth)) / GB


def _work_s(run: Running) -> float:
    """Seconds of arithmetic for one token of a prompt: a multiplication and an addition for each parameter."""
    work = 2 * run.parameters * GB
    return work / (run.tflops * run.parallel * 1e12)
