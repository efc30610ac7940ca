"""The commands of withdrawal and rollout, as somebody types them."""

import asyncio
import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from flywheel_world import messages, traffic, written

from command_world import shell
from freehold.app.engine import Engine
from freehold.ledger import reader
from freehold.ledger.entry import Act

Command = Callable[[str], str]


@pytest.fixture
def freehold(tmp_path: Path) -> Command:
    """A data folder with traffic, under settings by which what is withdrawn gets a successor."""
    file, change = written(tmp_path)
    file.write_text('[flywheel]\non_withdrawal = "retune"\n' + file.read_text())

    async def filled() -> None:
        engine = Engine(file, {}, change=change, told=print)
        await engine.open()
        await traffic(engine, messages()[:200])
        await engine.close()

    asyncio.run(filled())

    def command(line: str) -> str:
        done = shell(f"freehold {line}", tmp_path, FREEHOLD_SETTINGS=str(file), FREEHOLD_DATA=str(tmp_path / "data"))
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    return command


def test_by_policy_a_denial_leads_to_a_successor_on_the_same_route(freehold: Command) -> None:
    freehold("datasets build support --route support")
    freehold("tune own --dataset support --set accuracy=0.95 --set threads=1")
    assert "own is in shadow: it gets copies" in freehold("rollout start support --candidate own --shares 0.1")
    assert "own is a canary with 10% of the conversations" in freehold("rollout promote support")
    assert "own is full: it answers first" in freehold("rollout promote support")

    said = freehold("consents set u3 deny")

    assert "u3 denies training: 1 dataset and 1 model in quarantine now" in said
    assert "Route support goes on with its other deployments" in said
    assert "in place of own\n" in said
    assert "own-2 against sage: " in said
    assert "Route support: own-2 is in shadow" in said
    status = freehold("rollout rollback support")
    assert "own-2 is rolled back: the route's deployments serve" in status
    assert "is in rolled back" not in status
    lineage = freehold("lineage u3")
    assert "own-2" in lineage
    assert "under 0.1 Wh" in freehold("lineage own-2")
    assert "u3 allows training" in freehold("consents set u3 allow")


def test_a_table_of_feedback_leaves_one_act_and_says_what_nobody_filled_in(freehold: Command, tmp_path: Path) -> None:
    freehold("datasets sample judge.csv --route support --count 4")
    asked = freehold("inferences list --limit 3 --json")
    table = tmp_path / "judged.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["inference", "good", "author"])
        for row, good in zip(json.loads(asked), ("yes", "perhaps", ""), strict=True):
            writer.writerow([row["id"], good, "ann"])

    said = freehold("feedback import judged.csv")

    assert said.splitlines() == [
        "line 3: good: 'perhaps' is neither yes nor no (true, yes, 1, good, up; false, no, 0, bad, down)",
        "1 of 3 rows taken: 1 judgement; 1 not filled in yet",
    ]
    homes = reader.homes(tmp_path / "data" / "ledger")
    acts = [e for h in homes for _, e in reader.read(h) if isinstance(e, Act) and e.verb == "feedback.imported"]
    digest = shell("sha256sum judged.csv", tmp_path).stdout.split()[0]
    assert [(a.subject, a.detail) for a in acts] == [(digest, "judged.csv: 1 of 3 rows, 1 judgements")]
