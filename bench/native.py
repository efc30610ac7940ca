"""The two programs in C that stand around what is measured, compiled on the spot: a mock upstream and a load generator.

Python would be the bottleneck itself: a load generator must be several times faster than what it loads.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parent
CACHE = SOURCES.parent / "build" / "bench"
PROGRAMS = {"upstream": ("upstream.c", "wire.c"), "load": ("load.c", "answer.c", "wire.c")}


def program(name: str) -> Path:
    """The program by its name, compiled where it is missing or older than its sources."""
    target = CACHE / name
    sources = [SOURCES / source for source in PROGRAMS[name]]
    newest = max(source.stat().st_mtime for source in [*sources, *SOURCES.glob("*.h")])
    if not target.exists() or target.stat().st_mtime < newest:
        _compile(target, sources)
    return target


def _compile(target: Path, sources: list[Path]) -> None:
    if not sys.platform.startswith("linux"):
        raise SystemExit("bench: the load generator needs Linux (epoll); run the bench there or in a container")
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SystemExit("bench: no C compiler was found; install gcc or clang, or name one with CC=/path/to/cc")
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [compiler, "-O2", "-std=gnu11", "-o", str(target), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(command)} failed:\n{done.stderr}")
