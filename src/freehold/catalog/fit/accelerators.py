"""What accelerators can do: memory bandwidth and dense half-precision throughput, by name.

From the data sheets of NVIDIA, AMD, Intel and Apple; dense figures, without sparsity. Where one name stands for several
cards the slower one is meant.
"""

from msgspec import Struct


class Accelerator(Struct, frozen=True, kw_only=True):
    """`bandwidth` in GB/s (10^9 bytes), `tflops` dense with 16-bit inputs and 32-bit sums."""

    name: str
    bandwidth: float
    tflops: float


_TABLE = """
rtx 5090,1792,210|rtx 5080,960,113|rtx 5070 ti,896,88|rtx 5070,672,62|rtx 5060 ti,448,47|rtx 5060,448,38
rtx 4090,1008,165|rtx 4080 super,736,104|rtx 4080,717,97|rtx 4070 ti super,672,88|rtx 4070 ti,504,80
rtx 4070 super,504,71|rtx 4070,504,58|rtx 4060 ti,288,44|rtx 4060,272,30
rtx 3090 ti,1008,80|rtx 3090,936,71|rtx 3080 ti,912,68|rtx 3080,760,60|rtx 3070 ti,608,43|rtx 3070,448,41
rtx 3060 ti,448,32|rtx 3060,360,25|rtx 2080 ti,616,54|rtx 2080,448,40|rtx 2070,448,30|rtx 2060,336,26
rtx pro 6000,1792,250|rtx 6000 ada,960,182|rtx a6000,768,77|rtx a5000,768,56|rtx a4000,448,38|rtx 4000 ada,360,53
b300,7700,2250|b200,7700,2250|gb300,8000,2500|gb200,8000,2500|gb10,273,62|h200,4800,989|gh200,4000,989
h100 pcie,2039,756|h100 nvl,3938,835|h100 80gb hbm3,3350,989|h100 sxm,3350,989|h100,2039,756
a100-sxm4-80gb,2039,312|a100 sxm,1555,312|a100 80gb pcie,1935,312|a100,1555,312|a40,696,75|a30,933,165|a10g,600,70
a10,600,125|a2,200,18|l40s,864,362|l40,864,181|l4,300,121|t4,320,65|v100,900,112|p100,732,19|p40,347,6
mi355x,8000,2300|mi325x,6000,1307|mi300x,5300,1307|mi250x,3277,383|mi210,1638,181|mi100,1229,184
rx 9070 xt,640,97|rx 9070,640,72|rx 7900 xtx,960,61|rx 7900 xt,800,52|rx 7900 gre,576,46|rx 7800 xt,624,37
rx 7700 xt,432,35|rx 7600,288,22|rx 6950 xt,576,47|rx 6900 xt,512,46|rx 6800 xt,512,41|rx 6800,512,32
radeon 8060s,256,30|radeon 890m,120,12|radeon 780m,90,8|arc b580,456,58|arc a770,560,69
m5 max,614,70|m5 pro,307,35|m5,153,17|m4 max,410,17|m4 pro,273,9|m4,120,4|m3 ultra,819,28|m3 max,300,14|m3 pro,150,7
m3,100,4|m2 ultra,800,27|m2 max,400,13|m2 pro,200,7|m2,100,3.6|m1 ultra,800,21|m1 max,400,10|m1 pro,200,5|m1,68,2.6
"""


def _read() -> tuple[Accelerator, ...]:
    cells = [cell.split(",") for cell in _TABLE.replace("\n", "|").split("|") if cell]
    found = [Accelerator(name=name, bandwidth=float(speed), tflops=float(work)) for name, speed, work in cells]
    return tuple(sorted(found, key=lambda a: -len(a.name)))


ACCELERATORS = _read()
"""Longer names first: 'rtx 3090 ti' is not an 'rtx 3090'."""


def accelerator(name: str) -> Accelerator | None:
    """The one whose words stand together in `name` ('NVIDIA GeForce RTX 3090 Ti'), None where we know none."""
    words = f" {' '.join(name.lower().split())} "
    return next((a for a in ACCELERATORS if f" {a.name} " in words or f" {a.name}-" in words), None)
