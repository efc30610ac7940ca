"""Measured runs as the speed model sees them; what a row does not say of a known model is looked up by its name."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from freehold.catalog.fit.accelerators import accelerator
from freehold.catalog.fit.schemes import bits
from freehold.catalog.fit.speed import GB, HOST_BANDWIDTH, HOST_TFLOPS, Backend, Runner, Running

SIZES: dict[str, tuple[float, float]] = {
    "gpt-oss-20b": (20.9, 3.6),
    "gpt-oss-120b": (117, 5.1),
    "trinity-mini": (26, 3.5),
    "deepseek-v4-flash": (284, 13),
    "minimax-m2": (230, 10),
    "lfm2-8b-a1b": (8.3, 1.5),
    "lfm2.5-8b-a1b": (8.3, 1.5),
    "smollm2-360m": (0.36, 0.36),
    "granite-4.0-1b": (1.6, 1.6),
    "gemma-4-e2b": (5.1, 2.3),
    "gemma-4-e4b": (8, 4.5),
    "gemma-4-26b-a4b": (25.2, 3.8),
    "agents-a1": (35, 3),
    "tess-4-35b": (35, 3),
    "btl-4": (35, 3),
}
"""Billions of parameters, in all and for one token, where the name does not say them; from the models' cards."""

CACHES: dict[str, int] = {
    "qwen3-0.6b": 114_688,
    "qwen3-1.7b": 114_688,
    "qwen3-4b": 147_456,
    "qwen3-8b": 147_456,
    "qwen3-14b": 163_840,
    "qwen3-32b": 262_144,
    "qwen3-30b": 98_304,
    "qwen3-coder-30b": 98_304,
    "llama-3.2-3b": 114_688,
    "llama-3.2-1b": 32_768,
    "llama-3": 131_072,
    "llama-2-7b": 524_288,
    "qwen2.5-7b": 57_344,
    "qwen2.5-coder-7b": 57_344,
    "qwen2.5-14b": 196_608,
    "qwen2.5-0.5b": 12_288,
    "3.5-27b": 65_536,
    "3.6-27b": 65_536,
    "btl-3": 65_536,
    "35b": 20_480,
    "btl-4": 20_480,
    "agents-a1": 20_480,
    "qwen3.5-9b": 32_768,
    "qwen3.5-4b": 32_768,
    "qwen3.5-0.8b": 12_288,
    "phi-4-mini": 131_072,
    "phi-4": 204_800,
    "gpt-oss-20b": 24_576,
    "lfm2": 12_288,
    "trinity": 16_384,
    "nemotron-cascade": 6_144,
    "gemma-3-1b": 4_096,
    "gemma-4": 16_384,
    "mistral-nemo": 163_840,
    "smollm2-360m": 40_960,
    "deepseek": 40_000,
}
"""Bytes of cache a token in bf16, from the models' configurations."""

TYPICAL_CACHE = 30_000
FAMILIES = (
    "qwen3.6-27b",
    "qwen3.6-35b",
    "qwen3.5-27b",
    "nemotron-cascade",
    "lfm2",
    "trinity",
    "gpt-oss",
    "gemma-4-12b",
    "gemma-4-31b",
    "gemma-4",
    "gemma-3",
    "falcon-h1",
    "tess",
    "btl",
    "qwopus",
    "tinystories",
    "deepseek",
    "phi-4-mini",
    "llama-3.2",
    "llama-3",
    "qwen2.5-coder",
    "qwen2.5",
    "qwen3-",
    "qwen3.5",
    "granite",
    "mistral",
)
"""What is left out together: names that stand for the same design. A model in none is a family of its own."""

RUNNERS: dict[str, Runner] = {
    "llama.cpp": "llama.cpp",
    "ollama": "ollama",
    "lmstudio": "ollama",
    "vllm": "vllm",
    "sglang": "vllm",
    "mlx": "mlx",
    "hipfire": "hipfire",
}
SMALLEST_GB = 0.02
"""Models below it are toys that stay in a processor's cache."""


class Row(Struct, frozen=True):
    """A measured run, as the data's README says."""

    model: str
    moe: bool
    engine: str
    quant: str
    gpus: int
    prompt_tokens: int
    output_tokens: int
    decode_tps: float
    spec: bool
    mtp: bool
    base: str = ""
    gpu: str | None = None
    mem_gb: float | None = None
    backend: str | None = None
    gpu_layers: int | None = None
    params_b: float | None = None
    active_b: float | None = None
    prefill_tps: float | None = None


class Run(Struct, frozen=True):
    """A run with its speeds in tokens/s; `prefill` is None where it was not measured or the prompt was too short."""

    model: str
    family: str
    running: Running
    decode: float
    prefill: float | None


def runs(file: Path) -> Iterator[Run]:
    """Every row that says enough: a known accelerator or a processor, and the parameters that work on a token."""
    for line in file.read_bytes().splitlines():
        row = msgspec.json.decode(line, type=Row)
        found = running(row)
        if found is not None and row.decode_tps > 0:
            prefill = row.prefill_tps if row.prompt_tokens >= 16 else None
            yield Run(row.model, _family(row), found, row.decode_tps, prefill)


def running(row: Row) -> Running | None:
    """The row as a run, None where it does not say enough."""
    sizes, width, backend = _sizes(row), bits(row.quant), _backend(row)
    if sizes is None or width is None or backend is None or row.engine not in RUNNERS:
        return None
    total, active = sizes
    card = None if backend == "cpu" else accelerator(" ".join(dict.fromkeys((row.gpu or "").split())))
    runner = RUNNERS[row.engine]
    if (
        (card is None) != (backend == "cpu")
        or (backend == "cpu" and runner == "vllm")
        or total * width / 8 < SMALLEST_GB
    ):
        return None
    devices = 1 if card is None else row.gpus
    return Running(
        weights=int(total * width / 8 * GB),
        active=int(active * width / 8 * GB),
        parameters=active,
        total=total,
        scheme=row.quant,
        bandwidth=card.bandwidth if card else HOST_BANDWIDTH,
        tflops=card.tflops if card else HOST_TFLOPS,
        backend=backend,
        runner=runner,
        cache_a_token=next((c for name, c in CACHES.items() if name in _names(row)), TYPICAL_CACHE),
        depth=row.prompt_tokens + row.output_tokens // 2,
        prompt=max(row.prompt_tokens, 1),
        memory=int(row.mem_gb * (1 << 30)) if card and row.mem_gb else None,
        devices=devices,
        parallel=devices if runner == "vllm" else 1,
        speculative=row.spec or row.mtp,
    )


def _backend(row: Row) -> Backend | None:
    if row.backend == "cpu" or (row.gpu is None and row.gpu_layers == 0):
        return "cpu"
    if row.gpu is None:
        return None
    if "Apple" in row.gpu:
        return "metal"
    if row.backend == "vulkan":
        return "vulkan"
    return "rocm" if "RX" in row.gpu else "cuda"


def _sizes(row: Row) -> tuple[float, float] | None:
    """Billions of parameters, in all and active: of a model we know, else as its name says, else as the row says."""
    known = next((sizes for name, sizes in SIZES.items() if name in _names(row)), None)
    if known is not None:
        return known
    for name in (row.model.lower(), row.base.lower()):
        said = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", name)
        if said:
            total = float(said[1]) * (1 if said[2] == "b" else 0.001)
            part = re.search(r"a(\d+(?:\.\d+)?)b", name)
            return _pair(row, total, float(part[1]) if part else row.active_b)
    return None if row.params_b is None else _pair(row, row.params_b, row.active_b)


def _pair(row: Row, total: float, active: float | None) -> tuple[float, float] | None:
    if total <= 0 or (row.moe and active is None):
        return None
    return total, active or total


def _family(row: Row) -> str:
    return next((f for f in FAMILIES if f in _names(row)), row.model.lower())


def _names(row: Row) -> str:
    return f"{row.model} {row.base}".lower()
