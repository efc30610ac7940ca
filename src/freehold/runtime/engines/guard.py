"""Runs a command that must not outlive whoever started this: when standard input ends, the command is ended.

    python -m freehold.runtime.engines.guard GRACE COMMAND...

A gateway that is killed closes its end of the pipe, whatever killed it.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from types import FrameType

PR_SET_PDEATHSIG = 1


def main() -> int:
    grace, command = float(sys.argv[1]), sys.argv[2:]
    child = subprocess.Popen(  # no thread runs here yet, so that code between fork and exec is safe
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509
    )

    def end(*_: int | FrameType | None) -> None:
        _signal(child.pid, signal.SIGTERM)
        timer = threading.Timer(grace, _signal, (child.pid, signal.SIGKILL))
        timer.daemon = True
        timer.start()

    def watch() -> None:
        while os.read(0, 1024):  # not `sys.stdin`, whose lock this thread would hold when the process ends
            pass
        end()

    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=watch, daemon=True).start()
    code = child.wait()
    _signal(child.pid, signal.SIGKILL)  # what it started itself
    return code if code >= 0 else 128 - code


def _die_with_parent() -> None:
    """Where this guard itself is killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main())
