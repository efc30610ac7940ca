"""What this machine is good for: which numbers to compute in, and what computing costs in energy."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec

from freehold.core.errors import SettingsWrong
from freehold.flywheel.tuning.lora.libraries import torch, transformers

WATTS_OF_CORE = 10.0
"""A busy core of a server with its share of memory and fans, roughly: an estimate, said to be one wherever shown."""

LARGE = 1_000_000_000
"""Weights from which activations are computed again rather than kept."""


def number_type() -> Any:
    """bfloat16 where the hardware multiplies it: CUDA since Ampere, CPUs with AMX. Without, it is slower than f32."""
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if "amx_bf16" in _cpu_flags() else torch.float32


def quantization(kind: Literal["none", "4bit"]) -> Any:
    """NF4 with double quantisation (Dettmers et al. 2023), or None; SettingsWrong where this machine cannot."""
    if kind == "none":
        return None
    if not torch.cuda.is_available() or not transformers.utils.is_bitsandbytes_available():
        way = (
            "pip install bitsandbytes" if torch.cuda.is_available() else "leave quantize out on a machine without CUDA"
        )
        raise SettingsWrong(f"4-bit weights need CUDA and the package bitsandbytes: {way}")
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=number_type(),
    )


def _cpu_flags() -> frozenset[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        return frozenset()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return frozenset(line.split())


class Meter:
    """Estimates energy in joules over all tries of a job; what earlier tries used lies in `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._before = msgspec.json.decode(path.read_bytes(), type=float)
        except (OSError, msgspec.DecodeError):
            self._before = 0.0
        self._cpu = time.process_time()
        self._gpu = 0.0
        self._at = time.monotonic()

    def look(self) -> None:
        """Between two looks, the GPU is taken to draw what it draws now."""
        now = time.monotonic()
        if torch.cuda.is_available():
            with suppress(ModuleNotFoundError, RuntimeError):  # no NVML: the GPU's share stays unknown
                self._gpu += torch.cuda.power_draw() / 1000 * (now - self._at)
        self._at = now

    def joules(self) -> float:
        return self._before + (time.process_time() - self._cpu) * WATTS_OF_CORE + self._gpu

    def save(self) -> None:
        self._path.write_bytes(msgspec.json.encode(self.joules()))
