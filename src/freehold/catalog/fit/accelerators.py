"""What accelerators can do: memory, bandwidth, dense half-precision throughput and power, by name (accelerators.csv).

Each row names its source. Where one name stands for several cards the slower one is meant, and the smaller memory.
"""

import csv
import re
from pathlib import Path
from typing import Literal

from msgspec import Struct

Vendor = Literal["nvidia", "amd", "intel", "apple"]
GIB = 1 << 30

ECC = (93, 100)
"""What is left at least of GDDR memory that keeps its check bits in itself: 23,028 MiB of an A10G's 24 GB."""

RESERVED = (98, 100)
"""What a driver shows at least of other memory: 81,559 MiB for an H100's 80 GB, 143,771 for an H200's 141."""


class Accelerator(Struct, frozen=True, kw_only=True):
    """`bandwidth` in GB/s (10^9 bytes), `tflops` dense with 16-bit inputs and 32-bit sums, `watts` at most for a board.

    `sizes` are the memories it is sold with, in GiB, smallest first; none where it shares the machine's.
    `capability` is CUDA's compute capability or AMD's architecture. `watts` None: its vendor does not say.
    """

    name: str
    bandwidth: float
    tflops: float
    vendor: Vendor
    source: str
    sizes: tuple[int, ...] = ()
    watts: float | None = None
    capability: str = ""
    ecc: bool = False

    def memory(self, size: int | None = None) -> int:
        """Bytes that a driver shows of one with `size` GiB (default: the smallest); ValueError for a size it lacks."""
        if not self.sizes:
            raise ValueError(f"{self.name} shares the memory of its machine: say how much, as in '{self.name} 64GB'")
        if size is not None and size not in self.sizes:
            raise ValueError(f"{self.name} is sold with {' or '.join(map(str, self.sizes))} GB, not {size}")
        part, whole = ECC if self.ecc else RESERVED
        return (size or self.sizes[0]) * GIB * part // whole


def _read() -> tuple[Accelerator, ...]:
    with Path(__file__).with_name("accelerators.csv").open(newline="", encoding="utf-8") as file:
        found = [
            Accelerator(
                name=row["name"],
                bandwidth=float(row["bandwidth_gb_s"]),
                tflops=float(row["tflops"]),
                vendor=_vendor(row["vendor"]),
                source=row["source"],
                sizes=tuple(int(size) for size in row["memory_gb"].split("/") if size),
                watts=float(row["watts"]) if row["watts"] else None,
                capability=row["capability"],
                ecc=row["ecc_in_memory"] == "yes",
            )
            for row in csv.DictReader(file)
        ]
    return tuple(sorted(found, key=lambda a: -len(a.name)))


def _vendor(name: str) -> Vendor:
    return next(known for known in ("nvidia", "amd", "intel", "apple") if known == name)


ACCELERATORS = _read()
"""Longer names first: 'rtx 3090 ti' is not an 'rtx 3090'."""


def accelerator(name: str) -> Accelerator | None:
    """The one whose words stand together in `name` ('NVIDIA GeForce RTX 3090 Ti'), None where we know none."""
    words = f" {' '.join(name.lower().split())} "
    return next((a for a in ACCELERATORS if f" {a.name} " in words or f" {a.name}-" in words), None)


def spoken(name: str) -> tuple[Accelerator, int]:
    """An accelerator as people write it ('H100', '4090', 'RTX 3060 12GB', 'M4 Max 64GB') and GiB of its memory.

    For one that shares its machine's memory that is the machine's. ValueError says what is not known of it.
    """
    said = re.search(r"(?<![\w.])(\d+) ?gb?\b", name.lower())
    bare = name if said is None else f"{name[: said.start()]} {name[said.end() :]}"
    tries = (name, bare, f"rtx {bare}", f"rx {bare}")
    found = next((a for one in tries if (a := accelerator(one)) is not None), None)
    if found is None:
        raise ValueError(f"no accelerator named {name.strip()!r} is known; names are like 'H100 SXM' or 'RTX 4090'")
    size = int(said[1]) if said else found.sizes[0] if found.sizes else None
    if found.sizes:
        found.memory(size)
    if size is None:
        raise ValueError(f"{found.name} shares the memory of its machine: say how much, as in '{found.name} 64GB'")
    return found, size
