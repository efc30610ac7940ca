"""What tests of engines share: a recipe for the scripted server, and a process that starts one and can be killed."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from freehold.runtime.engines.engine import MIB, EngineLimits
from freehold.runtime.engines.process import Launch, ProcessEngine, Recipe

SCRIPT = Path(__file__).with_name("engine_script.py")
LIMITS = EngineLimits(start=60, idle=3600, grace=5, restarts=2, backoff=0.01, look=0.05)


LONGEST = 60.0
"""Seconds after which a test gives up waiting."""


class Scripted:
    """Starts the script. `absent` is what is missing."""

    def __init__(self, folder: Path, *, mode: str = "well", model: str = "tuned-1", need: int = MIB) -> None:
        self.model = model
        self.need = need
        self.mode = mode
        self.absent: str | None = None
        self.notes = folder / f"{model}.notes"

    def missing(self) -> str | None:
        return self.absent

    def launch(self, port: int) -> Launch:
        return Launch(command=(sys.executable, str(SCRIPT), str(port), self.mode, str(self.notes)))

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.notes.read_text().splitlines()] if self.notes.exists() else []

    def starts(self) -> list[int]:
        """Process ids, one a start."""
        return [one["start"] for one in self.said() if "start" in one]


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that happens in another process; TimeoutError where it does not."""
    async with asyncio.timeout(LONGEST):
        while not true():  # noqa: ASYNC110 - it tells no event of ours
            await asyncio.sleep(0.01)


class Looking(ProcessEngine):
    """An engine that tells each time it has looked whether somebody uses it."""

    def __init__(self, recipe: Recipe, *, log: Path, limits: EngineLimits) -> None:
        super().__init__(recipe, log=log, limits=limits)
        self.looked = asyncio.Event()

    def _unused(self) -> None:
        super()._unused()
        self.looked.set()


async def main() -> None:
    engine = ProcessEngine(Scripted(Path(sys.argv[1])), log=Path(sys.argv[1]) / "log", limits=LIMITS)
    print(await engine.ensure_ready(), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
