"""A real `freehold up` in a process of its own, and a shell beside it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FREEHOLD = [sys.executable, "-m", "freehold"]
ALONE = "[discovery]\nenvironment = true\nlocal = false\n"
"""Settings under which nothing that happens to run on this machine is found."""


def environment(**more: str) -> dict[str, str]:
    """An environment in which nobody has set anything of ours or of a provider; `freehold` is on its path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    kept = {name: os.environ[name] for name in ("HOME", "PYTHONPATH") if name in os.environ}
    return {"PATH": path, "LANG": "C.UTF-8", **kept, **more}


@dataclass
class Up:
    """A gateway that runs. `text` is what it said when it started, `url` where it is."""

    process: "subprocess.Popen[str]"
    text: str
    url: str

    @property
    def curl(self) -> str:
        """The line that it offers."""
        return self.text.rstrip().rpartition("\n")[2].strip()


@contextmanager
def up(folder: Path, *arguments: str, **env: str) -> Iterator[Up]:
    """`freehold up` on a free port, started in `folder`; ended by SIGTERM, which it must survive in good order."""
    command = [*FREEHOLD, "up", "--port", "0", *arguments]
    said: list[str] = []
    with subprocess.Popen(
        command, cwd=folder, env=environment(**env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if line.lstrip().startswith("curl "):
                break
        text = "".join(said)
        assert "base_url " in text, text
        try:
            yield Up(process, text, text.split("base_url ")[1].split("/v1)")[0])
        finally:
            process.terminate()
            rest = process.stdout.read()
            code = process.wait(60)
    assert code == 0, rest


def shell(line: str, folder: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    """A line as somebody types it into bash."""
    return subprocess.run(
        ["bash", "-c", line],
        check=False,
        cwd=folder,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=300,
    )
