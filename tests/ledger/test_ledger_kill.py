"""A real process, killed with SIGKILL at random moments while it writes: every promise it gave is kept."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ledger_world import NODE, opened

from freehold.core.inference import Accepted, Inference
from freehold.ledger.reader import read
from freehold.ledger.verify import verify

WRITER = """
import os, sys, time
from pathlib import Path
from freehold.core.ids import RandomIds
from freehold.core.inference import Accepted, Inference
from freehold.ledger.journal import Journal
from freehold.ledger.notary import Pace

pace = Pace(sync_seconds=0.001, checkpoint_leaves=50)
journal, _ = Journal.open(Path(sys.argv[1]), node=sys.argv[2], clock=time.time_ns, pace=pace, segment_bytes=20_000)
ids, waiting = RandomIds(time.time_ns), []
while True:
    id = ids()
    journal.accept(Accepted(id=id, at=time.time_ns(), route="fast"))
    os.write(1, b"+" + id.encode())
    waiting.append(id)
    if len(waiting) > 5:
        id = waiting.pop(2)
        journal.close(Inference(id=id, at=time.time_ns(), outcome="answered", route="fast", message="x" * 300))
        os.write(1, b"-" + id.encode())
"""


def run_and_kill(folder: Path, promises: int) -> tuple[set[str], set[str]]:
    """Start the writer, kill it when it has made some promises and is about to make more; what it said it did."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(folder), NODE], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = process.stdout.read(37 * promises)
        os.kill(process.pid, signal.SIGKILL)
        said += process.stdout.read()
    assert process.returncode == -signal.SIGKILL
    words = [said[i : i + 37].decode() for i in range(0, len(said) // 37 * 37, 37)]
    return {w[1:] for w in words if w[0] == "+"}, {w[1:] for w in words if w[0] == "-"}


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_process_loses_no_promise(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    promised: set[str] = set()
    closed: set[str] = set()
    for _ in range(4):
        accepted, answered = run_and_kill(tmp_path, draw.randint(1, 400))
        promised |= accepted
        closed |= answered

    with opened(tmp_path):
        pass
    entries = [e for _, e in read(tmp_path / NODE)]
    outcomes = {e.id: e.outcome for e in entries if isinstance(e, Inference)}
    assert promised <= {e.id for e in entries if isinstance(e, Accepted)}
    assert promised <= outcomes.keys()
    assert {outcomes[id_] for id_ in closed} == {"answered"}
    report = verify(tmp_path / NODE)
    assert (report.findings, report.open) == ((), ())
    assert report.accepted == len(outcomes)
