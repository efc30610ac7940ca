"""Measured runs as the speed model sees them: each row as its inputs say, never as its speed would suggest."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.fit_models import FP8_V4_FLASH, Facts, facts, family
from freehold.catalog.fit.accelerators import accelerator
from freehold.catalog.fit.schemes import bits
from freehold.catalog.fit.terms import GB, HOST_BANDWIDTH, HOST_TFLOPS, Backend, Draft, Runner, Running

TYPICAL_CACHE = 30_000
WIDER = {
    "q8_0": 8.5 / 16,
    "q8": 8.5 / 16,
    "q4_0": 4.5 / 16,
    "fp8": 0.5,
    "fp8_e4m3": 0.5,
    "turbo2": 0.16,
    "turbo3": 0.22,
}
"""A cache's size as a part of bf16's, by its type."""

EMBEDDED = (0.25, 0.6)
"""The part of the parameters that are embeddings: this over their billions, at most that."""

EMBEDDING_BITS = 6.6
"""Bits of an embedding's weight in files whose name promises fewer."""

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

LEAST = 128
"""Tokens of a prompt from which on its speed is one of reading; that of a shorter one tells how a request starts."""

BLOCK = 256
"""A `batch` from here on is llama.cpp's block of prompt tokens; below it counts the answers at once of a server."""


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
    ctx: int = 0
    batch: int = 1
    base: str = ""
    gpu: str | None = None
    mem_gb: float | None = None
    backend: str | None = None
    gpu_layers: int | None = None
    kv_dtype: str | None = None
    params_b: float | None = None
    active_b: float | None = None
    prefill_tps: float | None = None

    @property
    def names(self) -> str:
        return f"{self.model} {self.base}".lower()


class Run(Struct, frozen=True):
    """A run with its speeds in tokens/s, of one answer; `prefill` None: not measured, or the prompt was too short."""

    model: str
    family: str
    hardware: str
    running: Running
    decode: float
    prefill: float | None


def runs(file: Path) -> Iterator[Run]:
    """Every row that says enough: a known accelerator or a processor, and the parameters that work on a token."""
    for line in file.read_bytes().splitlines():
        row = msgspec.json.decode(line, type=Row)
        found = running(row)
        if found is not None and row.decode_tps > 0:
            yield Run(
                model=row.model,
                family=family(row.names, row.model.lower()),
                hardware=row.gpu or "processor",
                running=found,
                decode=row.decode_tps / found.requests,
                prefill=row.prefill_tps if row.prompt_tokens >= LEAST else None,
            )


def running(row: Row) -> Running | None:
    """The row as a run, None where it does not say enough."""
    known = facts(row.names)
    sizes = (known.total, known.active) if known else _sizes(row)
    width, backend = _width(row), _backend(row)
    if sizes is None or width is None or backend is None or row.engine not in RUNNERS:
        return None
    total, active = sizes
    card = None if backend == "cpu" else accelerator(" ".join(dict.fromkeys((row.gpu or "").split())))
    runner = RUNNERS[row.engine]
    if (card is None) != (backend == "cpu") or (backend == "cpu" and runner == "vllm"):
        return None
    weights = _weights(row, known, total, width, runner)
    if weights < SMALLEST_GB * GB:
        return None
    devices = 1 if card is None else row.gpus
    cache = known.cache if known else TYPICAL_CACHE
    return Running(
        weights=int(weights),
        active=int(weights * active / total),
        parameters=active,
        total=total,
        scheme=row.quant,
        bandwidth=card.bandwidth if card else HOST_BANDWIDTH,
        tflops=card.tflops if card else HOST_TFLOPS,
        backend=backend,
        runner=runner,
        layers=known.layers if known else None,
        cache_a_token=int(cache * WIDER.get((row.kv_dtype or "").lower(), 1.0)),
        depth=_depth(row),
        prompt=max(row.prompt_tokens, 1),
        memory=int(row.mem_gb * (1 << 30)) if card and row.mem_gb else None,
        devices=devices,
        parallel=devices if runner == "vllm" else 1,
        requests=row.batch if runner == "vllm" and row.batch < BLOCK else 1,
        draft=_draft(row),
    )


def _depth(row: Row) -> int:
    """Tokens of context in the middle of the answer.

    One contributor fills the whole context before measuring: rows with a block size and nothing on backend or layers.
    Everybody else's context is what was reserved.
    """
    if row.backend is None and row.gpu_layers is None and row.batch >= BLOCK:
        return max(row.ctx - 64, row.prompt_tokens)
    return row.prompt_tokens + row.output_tokens // 2


def _draft(row: Row) -> Draft:
    return "heads" if row.mtp else "model" if row.spec else "none"


def _width(row: Row) -> float | None:
    """Bits a weight. Where the row names a type that the model's own name contradicts, the model's name is right."""
    name = row.model.lower()
    if "w8a16" in name:
        return bits("int8")
    if "int4" in name and row.quant.lower() in ("fp16", "bf16"):
        return bits("int4")
    return bits(row.quant)


def _weights(row: Row, known: Facts | None, total: float, width: float, runner: Runner) -> float:
    """Bytes of all weights; files of llama.cpp keep embeddings wide, which counts in small models."""
    if known is not None and known.weights is not None:
        return known.weights * GB
    if "deepseek-v4-flash" in row.names and row.quant == "FP8":
        return FP8_V4_FLASH * GB
    if runner in ("llama.cpp", "ollama") and width < EMBEDDING_BITS:
        part, most = EMBEDDED
        width += (EMBEDDING_BITS - width) * min(part / total, most)
    return total * width / 8 * GB


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
    """Billions of parameters, in all and active: as the model's name says, else as the row says."""
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
