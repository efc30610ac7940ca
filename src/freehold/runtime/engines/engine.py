"""Engines: what serves weights on this machine. Loaded when somebody asks, unloaded when nobody does."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from msgspec import Struct

MIB = 1 << 20
OVERHEAD = 1.2
"""Memory of a loaded model for each byte of its weights: room for activations and the cache of a short context."""


class EngineLimits(Struct, frozen=True, kw_only=True):
    """Seconds and bytes. `start`: until the weights must be loaded; `idle`: unused until they are unloaded; `grace`:
    to end by itself. `memory`: the most it may hold; None: what the machine has. A crashed engine is started again
    `restarts` times, `backoff` seconds after the first crash, twice as long after each further one."""

    start: float = 600.0
    idle: float = 900.0
    grace: float = 10.0
    memory: int | None = None
    restarts: int = 3
    backoff: float = 0.5
    look: float = 5.0


class Engine(Protocol):
    """One model, served in the OpenAI chat dialect. To be used in one event loop."""

    @property
    def model(self) -> str:
        """What the engine calls the model: the `model` of a request's body."""
        ...

    async def ensure_ready(self) -> str:
        """Have the weights loaded; the address to which `/chat/completions` is appended.

        Many may ask at once; one start serves them all. SettingsWrong says what to install; Overloaded, that it does
        not fit into memory; Unreachable or TimedOut, that it did not start, with the last it said.
        """
        ...

    def using(self) -> AbstractContextManager[None]:
        """While something is asked of it, it is not unloaded."""
        ...

    async def unload(self) -> None:
        """Give the memory back. The next `ensure_ready` loads again."""
        ...

    async def close(self) -> None:
        """End it for good."""
        ...


def weights_bytes(path: Path) -> int:
    """Bytes of the weights in a file or folder: those of one format, where it holds several."""
    if path.is_file():
        return path.stat().st_size
    sizes = [sum(p.stat().st_size for p in path.rglob(f"*.{kind}")) for kind in ("safetensors", "gguf", "bin")]
    return max(sizes)


def memory_needed(path: Path) -> int:
    """Bytes that a model takes when loaded, estimated."""
    return round(weights_bytes(path) * OVERHEAD)


def memory_free() -> int | None:
    """Bytes that processes could still get without swapping; None where nobody tells (not Linux)."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def memory_held(pid: int) -> int:
    """Bytes resident for a process and all that it started; 0 where nobody tells."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    own = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), 0)
    return own + sum(memory_held(int(child)) for child in children)
