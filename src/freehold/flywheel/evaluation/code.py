"""Code answers, tried: the answer's Python runs together with tests in a process of its own that can do little.

The process has bounded time, memory and files, an empty folder, no environment and Python's isolated mode. It is no
jail against an attacker: use it for models that you chose to evaluate, on a machine that holds nothing else.
"""

import re
import resource
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 10
MEMORY = 1 << 30
FILE = 1 << 20


def program(answer: str) -> str:
    """The Python in an answer: its fenced blocks, else all of it."""
    blocks = re.findall(r"```(?:python|py)?\s*\n(.*?)```", answer, re.S)
    return "\n\n".join(blocks) if blocks else answer


def passes(answer: str, tests: str) -> bool:
    """Whether the tests, run after the answer's code, end without an error in time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "answer.py")
        reached = 100 + secrets.randbelow(100)  # the exit status by which the last line says that it was reached
        path.write_text(f"{program(answer)}\n\n{tests}\n\nraise SystemExit({reached})\n")
        try:
            done = subprocess.run(
                [sys.executable, "-I", str(path)],
                cwd=folder,
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS,
                preexec_fn=_bounded,
                start_new_session=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == reached


def _bounded() -> None:
    for what, most in (
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
