"""A worker that tunes the tiny model in a process of its own, for a test that kills it."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from flywheel.tuning.tiny_model import torch
from flywheel.tuning.tuning_world import Told, examples
from freehold.flywheel.tuning.lora.tuner import LoraTuner
from freehold.flywheel.tuning.tuner import Task

STEPS = 12


def task(folder: Path, work: str) -> Task:
    return Task(
        name="support",
        dataset="support@abc",
        train=examples(24),
        validation=examples(3),
        work=folder / work,
        artifacts=folder / f"{work}-artifacts",
        seed=7,
        params={
            "base": str(folder / "base"),
            "steps": STEPS,
            "save_every": 4,
            "batch": 4,
            "max_tokens": 64,
            "dropout": 0.1,
            "learning_rate": 1e-2,
            "check": 1,
            "export": ["safetensors"],
        },
    )


class KilledAt(Told):
    """Steps that end this process at once, as `kill -9` does, where the training reaches a step."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._step = step

    def progress(self, share: float, text: str) -> None:
        if text.startswith(f"step {self._step} of"):
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> Any:
    torch.set_num_threads(1)
    LoraTuner().tune(task(Path(sys.argv[1]), "killed"), KilledAt(int(sys.argv[2])))


if __name__ == "__main__":
    main()
