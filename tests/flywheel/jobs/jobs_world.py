"""A worker in a process of its own, for tests that kill it. Its jobs write what they do into a file."""

import sys
import time
from pathlib import Path

from freehold.flywheel.jobs.job import Json, Steps
from freehold.flywheel.jobs.queue import Jobs
from freehold.flywheel.jobs.system import address
from freehold.flywheel.jobs.worker import Worker
from freehold.store.database import Database
from freehold.store.jobs import SqlProgress, SqlWorkers


def note(params: Json, line: str) -> None:
    with Path(params["notes"]).open("a") as file:
        file.write(line + "\n")


def count(params: Json, steps: Steps) -> Json:
    """Steps one after the other; step `hold` waits until the file `go` exists."""
    total = 0
    for number in range(params["steps"]):

        def one(number: int = number) -> int:
            note(params, f"begin {number}")
            while number == params.get("hold") and not Path(params["go"]).exists():
                steps.progress(number / params["steps"], f"waiting in {number}")
                time.sleep(0.02)
            if number == params.get("fail") and not Path(params["go"]).exists():
                raise ValueError(f"step {number} went wrong")
            note(params, f"end {number}")
            return number

        total += steps.step(f"step {number}", one)
        steps.progress((number + 1) / params["steps"], f"did {number}")
    return {"total": total}


KINDS = {"count": count}


def opened(folder: Path) -> tuple[str, Jobs, SqlWorkers, SqlProgress]:
    database = Database.open(folder / "freehold.sqlite")
    progress = SqlProgress(database)
    url = address(folder, None)
    return url, Jobs(url, progress), SqlWorkers(database), progress


def main() -> None:
    folder, id = Path(sys.argv[1]), sys.argv[2]
    url, jobs, workers, progress = opened(folder)
    worker = Worker(url, KINDS, id=id, jobs=jobs, workers=workers, progress=progress, lease=3600, beat=0.1)
    worker.start()
    print("started", flush=True)
    worker.fenced.wait()
    print("fenced", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
