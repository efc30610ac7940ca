"""This machine: processor, memory and accelerators, read from the texts that the system gives.

The functions that parse are pure; `here` is the one that asks the system.
"""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from msgspec import Struct

from freehold.catalog.fit.accelerators import spoken

MIB = 1 << 20
KIB = 1 << 10
TIMEOUT_S = 10
SYSTEM = 2 << 30
"""Bytes of main memory that the system of a machine that is only thought of keeps."""

MOST_GPUS = 72
"""Accelerators of the largest machine that shares one fast link (GB200 NVL72)."""

FEATURES = (
    "amx_tile",
    "avx512_bf16",
    "avx512_vnni",
    "avx512f",
    "avx_vnni",
    "avx2",
    "avx",
    "f16c",
    "asimddp",
    "i8mm",
    "sve",
)
"""What inference on a processor gains from, as /proc/cpuinfo names it."""

NVIDIA = (
    "nvidia-smi",
    "--query-gpu=name,memory.total,memory.used,compute_cap,mig.mode.current",
    "--format=csv,noheader,nounits",
)
SYSCTL = ("sysctl", "-a")


class Gpu(Struct, frozen=True, kw_only=True):
    """An accelerator: bytes of memory, and of those what is in use now."""

    name: str
    memory: int
    used: int
    capability: str = ""

    @property
    def free(self) -> int:
        return max(self.memory - self.used, 0)


class Machine(Struct, frozen=True, kw_only=True):
    """What models could run on. `memory` and `available` in bytes; `limit` is a container's, None where there is none.

    `unified` is the part of the memory that a GPU which shares it may take (of an Apple chip: wire), None elsewhere.
    """

    system: str
    processor: str
    cores: int
    features: tuple[str, ...] = ()
    memory: int
    available: int
    limit: int | None = None
    gpus: tuple[Gpu, ...] = ()
    unified: int | None = None

    @property
    def free(self) -> int:
        """Bytes of main memory that a model may take now."""
        return min(self.available, self.limit if self.limit is not None else self.available)


def linux(cpuinfo: str, meminfo: str, *, cgroup: str = "max", used: str = "0", gpus: tuple[Gpu, ...] = ()) -> Machine:
    """From /proc/cpuinfo, /proc/meminfo and a cgroup's memory.max and memory.current; ValueError without memory."""
    sizes = {name: int(kib) * KIB for name, kib in re.findall(r"^(\w+):\s+(\d+) kB$", meminfo, re.MULTILINE)}
    if "MemTotal" not in sizes:
        raise ValueError("/proc/meminfo names no MemTotal")
    flags = _field(cpuinfo, "flags") or _field(cpuinfo, "Features")
    limit = int(cgroup) - int(used) if cgroup.strip().isdigit() else None
    return Machine(
        system="Linux",
        processor=_field(cpuinfo, "model name") or "unknown",
        cores=_cores(cpuinfo),
        features=tuple(f for f in FEATURES if f in flags.split()),
        memory=sizes["MemTotal"],
        available=sizes.get("MemAvailable", sizes.get("MemFree", 0)),
        limit=None if limit is None else max(limit, 0),
        gpus=gpus,
    )


def macos(sysctl: str) -> Machine:
    """From `sysctl -a`. The GPU may wire `iogpu.wired_limit_mb`, or where that is 0 two thirds of up to 36 GiB, three
    quarters of more (Metal's recommendedMaxWorkingSetSize). ValueError without hw.memsize."""
    values = dict(re.findall(r"^([\w.]+): (.*)$", sysctl, re.MULTILINE))
    if "hw.memsize" not in values:
        raise ValueError("sysctl names no hw.memsize")
    memory = int(values["hw.memsize"])
    features = tuple(key.rpartition("FEAT_")[2].lower() for key, on in values.items() if "FEAT_" in key and on == "1")
    apple = values.get("hw.optional.arm64") == "1"
    wired = int(values.get("iogpu.wired_limit_mb", "0")) * MIB
    pages = int(values.get("vm.page_free_count", "0")) * int(values.get("hw.pagesize", "16384"))
    name = values.get("machdep.cpu.brand_string", "unknown")
    unified = min(wired or wirable(memory), memory) if apple else None
    return Machine(
        system="Darwin",
        processor=name,
        cores=int(values.get("hw.physicalcpu", "1")),
        features=features,
        memory=memory,
        available=pages or memory // 2,
        gpus=(Gpu(name=name, memory=unified, used=0),) if unified is not None else (),
        unified=unified,
    )


def wirable(memory: int) -> int:
    """Bytes of its memory that the GPU of an Apple chip may wire, unless somebody changed that."""
    return memory * 2 // 3 if memory <= 36 << 30 else memory * 3 // 4


def named(text: str) -> Machine:
    """A machine that people think of: '2x H100', 'M4 Max 64GB', 'RTX 4090 + 64GB RAM', '128GB RAM'.

    Nothing else runs on it, but its system keeps `SYSTEM` bytes of main memory. Without RAM, models have none of it.
    ValueError says what is not known.
    """
    gpus: list[Gpu] = []
    memory = 0
    unified: int | None = None
    for part in text.split("+"):
        ram = re.fullmatch(r"\s*(\d+) ?gb? ram\s*", part.lower())
        if ram:
            memory = int(ram[1]) << 30
            continue
        counted = re.fullmatch(r"\s*(\d+) ?x (.*)", part.lower())
        count, name = (int(counted[1]), counted[2]) if counted else (1, part)
        if not 1 <= count <= MOST_GPUS:
            raise ValueError(f"{count} accelerators are not one machine: 1 to {MOST_GPUS}")
        card, size = spoken(name)
        if card.sizes:
            free = card.memory(size)
        else:
            memory = size << 30
            free = unified = wirable(memory) if card.vendor == "apple" else max(memory - SYSTEM, 0)
        gpus += [Gpu(name=card.name.upper(), memory=free, used=0, capability=card.capability)] * count
    return Machine(
        system="as named",
        processor="unknown",
        cores=0,
        memory=memory,
        available=max(memory - SYSTEM, 0),
        gpus=tuple(gpus),
        unified=unified,
    )


def nvidia(text: str) -> tuple[Gpu, ...]:
    """From nvidia-smi's CSV. A GPU that is divided (MIG) or does not say its memory is left out: we would guess."""
    found: list[Gpu] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 5 and cells[1].isdigit() and cells[2].isdigit() and cells[4] != "Enabled":
            name, memory, used, capability, _ = cells
            found.append(Gpu(name=name, memory=int(memory) * MIB, used=int(used) * MIB, capability=capability))
    return tuple(found)


def amd(folder: Path) -> tuple[Gpu, ...]:
    """From /sys/class/drm: cards whose amdgpu driver says how much memory they have."""
    found: list[Gpu] = []
    for total in sorted(folder.glob("card*/device/mem_info_vram_total")):
        name = _text(total.with_name("product_name")).strip() or "AMD GPU"
        used = _text(total.with_name("mem_info_vram_used")).strip()
        found.append(Gpu(name=name, memory=int(total.read_text()), used=int(used or 0)))
    return tuple(found)


def here() -> Machine:
    """This machine, now."""
    if platform.system() == "Darwin":
        return macos(_said(SYSCTL))
    gpus = nvidia(_said(NVIDIA)) + amd(Path("/sys/class/drm"))
    cgroup = Path("/sys/fs/cgroup")
    return linux(
        _text(Path("/proc/cpuinfo")),
        _text(Path("/proc/meminfo")),
        cgroup=_text(cgroup / "memory.max").strip() or "max",
        used=_text(cgroup / "memory.current").strip() or "0",
        gpus=gpus,
    )


def _cores(cpuinfo: str) -> int:
    """Physical cores: hyper-threads share the units that do the work."""
    pairs = {
        (_field(block, "physical id"), _field(block, "core id"))
        for block in cpuinfo.split("\n\n")
        if _field(block, "core id")
    }
    return len(pairs) or len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE)) or os.cpu_count() or 1


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}[ \t]*:[ \t]*(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _said(command: tuple[str, ...]) -> str:
    program = shutil.which(command[0])
    if program is None:
        return ""
    try:
        ran = subprocess.run((program, *command[1:]), capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout if ran.returncode == 0 or command is SYSCTL else ""


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
