"""A worker in a process of its own, for tests that kill it. Its jobs write what they do into a file."""

import sys
import time
from pathlib import Path

from freehold.flywheel.jobs.job import Json, Steps
from freehold.flywheel.jobs.queue import Jobs
from freehold.flywheel.jobs.system import address
from freehold.flywheel.jobs.worker import Fenced, Worker
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
                try:
                    steps.progress(number / params["steps"], f"waiting in {number}")
                except Fenced:
                    note(params, f"fenced in {number}")
                    raise
                time.sleep(0.02)
            if number == params.get("fail") and not Path(params["go"]).exists():
                raise ValueError(f"step {number} went wrong")
            note(params, f"end {number}")
            return number

        total += steps.step(f"step {number}", one)
        steps.progress((number + 1) / params["steps"], f"did {number}")
    return {"total": total}


KINDS = {"count": count}


class Place:
    """A data folder and its queue. `server`: the URL of a PostgreSQL that keeps both instead of the folder."""

    def __init__(self, folder: Path, server: str | None) -> None:
        self.database = Database.open(server or folder / "freehold.sqlite")
        self.progress = SqlProgress(self.database)
        self.workers = SqlWorkers(self.database)
        self.url = address(folder, server)
        self.jobs = Jobs(self.url, self.progress)

    def close(self) -> None:
        self.jobs.close()
        self.database.close()


def main() -> None:
    folder, id, server = Path(sys.argv[1]), sys.argv[2], sys.argv[3] or None
    place = Place(folder, server)
    worker = Worker(
        place.url,
        KINDS,
        id=id,
        home=sys.argv[4] or None,
        jobs=place.jobs,
        workers=place.workers,
        progress=place.progress,
        lease=3600,
        beat=0.1,
    )
    worker.start()
    print("started", flush=True)
    worker.fenced.wait()
    print("fenced", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
