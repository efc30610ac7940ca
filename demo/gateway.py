"""The gateway of the demo: a real process on a free port, with its settings and data in a folder that stays."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from demo.inbox import Message

FREEHOLD = [sys.executable, "-m", "freehold"]
SETTINGS = Path(__file__).with_name("freehold.toml")
DESK = Path(__file__).with_name("desk.toml")
WELL, DOWN = "error_rate = 0.0 #", "error_rate = 1.0 #"


def environment() -> dict[str, str]:
    """The environment without settings of a Freehold that the user runs for real."""
    return {name: value for name, value in os.environ.items() if not name.startswith("FREEHOLD_")}


class Labelled(Protocol):
    """A text and its label."""

    @property
    def text(self) -> str: ...

    @property
    def label(self) -> str: ...


class DemoFailed(Exception):
    """The demo cannot go on; says why."""


def prepare(folder: Path, messages: list[Message], *, more: str = "") -> Path:
    """A fresh folder for this run, in place of that of the run before; the path of its settings file.

    DemoFailed where the folder is not one that a demo has left.
    """
    settings, answers = folder / SETTINGS.name, folder / "answers.jsonl"
    if folder.exists() and any(folder.iterdir()):
        if not (settings.exists() and answers.exists()):
            raise DemoFailed(f"{folder} is not the folder of an earlier demo; remove it or say --folder ANOTHER")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings.write_text(SETTINGS.read_text() + more)
    answers.write_bytes(b"".join(msgspec.json.encode({"text": m.text, "reply": m.truth}) + b"\n" for m in messages))
    return settings


def prepare_desk(folder: Path, cases: Sequence[Labelled]) -> Path:
    """A fresh folder for the second story inside that of the first; the path of its settings file."""
    home = folder / "desk"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    settings = home / "freehold.toml"
    settings.write_text(DESK.read_text())
    rows = b"".join(msgspec.json.encode({"text": c.text, "reply": c.label}) + b"\n" for c in cases)
    (home / "answers.jsonl").write_bytes(rows)
    return settings


def freehold(settings: Path, *command: str, ok: tuple[int, ...] = (0,)) -> str:
    """What a command of Freehold prints; DemoFailed where it ends in another way than `ok`."""
    env = environment() | {"FREEHOLD_SETTINGS": str(settings), "COLUMNS": "100"}
    ran = subprocess.run([*FREEHOLD, *command], capture_output=True, text=True, env=env, check=False)
    if ran.returncode not in ok:
        raise DemoFailed(f"freehold {' '.join(command)}: {ran.stderr or ran.stdout}")
    return ran.stdout


class Gateway:
    """A running `freehold up`. `base_url` is where clients find it."""

    def __init__(self, settings: Path) -> None:
        self._settings = settings
        self._process = subprocess.Popen(
            [*FREEHOLD, "up", "--port", "0", "--settings", str(settings)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self.base_url = self._told("base_url ").partition("base_url ")[2].partition(")")[0]

    def outage(self, *, on: bool) -> None:
        """Take swift's provider down, or bring it back: by its settings, and a reload while requests go on."""
        text = self._settings.read_text()
        self._settings.write_text(text.replace(WELL, DOWN) if on else text.replace(DOWN, WELL))
        self._process.send_signal(signal.SIGHUP)
        self._told(" loaded: ")

    def stop(self) -> None:
        """Let answers finish, write everything down, end."""
        self._process.terminate()
        self._process.communicate()

    def _told(self, what: str) -> str:
        """The next line that the gateway prints with `what` in it."""
        assert self._process.stdout is not None
        lines: list[str] = []
        for line in self._process.stdout:
            lines.append(line)
            if what in line:
                return line
            if "not changed" in line:
                break
        self.stop()
        raise DemoFailed(f"The gateway said: {''.join(lines)}")


@contextmanager
def running(settings: Path) -> Generator[Gateway]:
    """A gateway, stopped at the end whatever happens."""
    gateway = Gateway(settings)
    try:
        yield gateway
    finally:
        gateway.stop()
