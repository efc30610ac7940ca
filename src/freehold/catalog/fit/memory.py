"""Whether a model fits: weights, cache and what the engine takes, against what a device has. Rounded against us.

"fits" is said only where weights and layers are known and the sum with its margins is below what can be used.
"""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from freehold.catalog.fit.cache import CacheType, Layers, cache_bytes

GIB = 1 << 30
MIB = 1 << 20

EngineName = Literal["llama.cpp", "vllm", "mlx"]
Verdict = Literal["fits", "too_large", "unknown"]

PAGE = 256
"""Tokens: a context is rounded up to whole pages. llama.cpp pads to 256, vLLM to 16."""

UNEVEN = 50
"""One part in 50 of the weights is added when they are divided: norms and routers are kept by every device."""


class Engine(Struct, frozen=True, kw_only=True):
    """What an engine takes besides weights and cache, on each device.

    `fixed` bytes (its libraries and contexts), `activations` in parts of a thousand of the weights it holds, `chunk`
    tokens taken in at once, and `usable` parts of a thousand of the memory that it lets itself use.
    """

    fixed: int
    activations: int
    chunk: int
    usable: int


ENGINES: dict[EngineName, Engine] = {
    "llama.cpp": Engine(fixed=2560 * MIB, activations=50, chunk=512, usable=960),
    "vllm": Engine(fixed=2500 * MIB, activations=60, chunk=8192, usable=900),
    "mlx": Engine(fixed=2048 * MIB, activations=50, chunk=2048, usable=950),
}
"""For llama.cpp above 93 of 100 measured peaks of whole cards (docs/lab-notes-fit.md); the others are
not measured. vLLM's 900 is its `--gpu-memory-utilization` of 0.90."""


class Ask(Struct, frozen=True, kw_only=True):
    """What is to run: `weights` in bytes, None where unknown; `layers` None where unknown; `context` in tokens.

    Every one of `sequences` may be as long as the context. `parallel` devices share the weights and the heads.
    """

    weights: int | None
    layers: tuple[Layers, ...] | None
    context: int
    sequences: int = 1
    cache: CacheType = "bf16"
    engine: EngineName = "llama.cpp"
    parallel: int = 1


class Need(Struct, frozen=True, kw_only=True):
    """Bytes needed on the fullest device, by what takes them."""

    weights: int
    cache: int
    engine: int

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.engine


class Fit(Struct, frozen=True, kw_only=True):
    """The answer for one device: what is needed (None where unknown), what may be used, and the verdict."""

    verdict: Verdict
    need: Need | None
    usable: int


def need(ask: Ask) -> Need | None:
    """Bytes on the fullest device; None where weights or layers are unknown. ValueError for an ask of nothing."""
    if min(ask.context, ask.sequences, ask.parallel) < 1:
        raise ValueError("context, sequences and parallel are at least 1")
    if ask.weights is None or ask.layers is None:
        return None
    engine = ENGINES[ask.engine]
    weights = _share(ask.weights, ask.parallel)
    tokens = -(-ask.context // PAGE) * PAGE
    one = cache_bytes(ask.layers, tokens, cache=ask.cache, parallel=ask.parallel, chunk=engine.chunk)
    return Need(
        weights=weights,
        cache=one * ask.sequences,
        engine=engine.fixed + -(-weights * engine.activations // 1000),
    )


def fit(ask: Ask, memory: int) -> Fit:
    """Whether each of `parallel` devices with `memory` bytes free for models can run it.

    `memory` is what is free or, on an empty device, all of it; the smallest device decides.
    """
    usable = memory * ENGINES[ask.engine].usable // 1000
    wanted = need(ask)
    if wanted is None:
        return Fit(verdict="unknown", need=None, usable=usable)
    return Fit(verdict="fits" if wanted.total <= usable else "too_large", need=wanted, usable=usable)


def longest(ask: Ask, memory: int, *, limit: int) -> int:
    """The longest context, at most `limit` tokens and in whole pages, that fits; 0 where none does."""
    low, high = 0, limit // PAGE
    while low < high:
        middle = (low + high + 1) // 2
        if fit(replace(ask, context=middle * PAGE), memory).verdict == "fits":
            low = middle
        else:
            high = middle - 1
    return low * PAGE


def _share(weights: int, parallel: int) -> int:
    if parallel == 1:
        return weights
    return -(-weights // parallel) + -(-weights // UNEVEN)
