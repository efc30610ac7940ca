"""The command line in this process: what a command prints, and the code with which it ends."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from command_world import environment
from freehold.cli.main import main


@dataclass
class Said:
    """The end of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return msgspec.json.decode(self.out)


Freehold = Callable[..., Said]


@pytest.fixture
def freehold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Freehold:
    """`freehold(*arguments)` runs the command in an empty folder, with nothing set in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ.keys() - environment().keys() - {"PYTEST_CURRENT_TEST"}:
        monkeypatch.delenv(name)

    def command(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["freehold", *arguments])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return command
