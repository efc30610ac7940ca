"""`freehold batches` beside a real gateway: what is left to it is answered, and one sees how far it is."""

import json
from pathlib import Path

import pytest

from batch_world import line, lines
from command_world import ALONE, up

SETTINGS = ALONE + '[simulated.sim]\nreply = "Hello there"\nprice = { input = "1.00", output = "2.00" }\n'
MODEL = "sim/simulated"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the commands run, with settings and an input of three requests, of which one asks for what is not here."""
    (tmp_path / "freehold.toml").write_text(SETTINGS)
    three = lines(*(line(f"r{n}", model=MODEL if n else "nothing-like-it") for n in range(3)))
    (tmp_path / "in.jsonl").write_bytes(three)
    return tmp_path


def test_a_file_that_is_left_to_the_gateway_is_answered_and_its_results_are_read(freehold, folder: Path) -> None:
    with up(folder, "--settings", "freehold.toml"):
        made = freehold("batches", "create", "in.jsonl", "--json").json
        over = freehold("batches", "show", made["id"], "--wait", "--json").json
        shown = freehold("batches", "show", made["id"]).out
        good = freehold("batches", "results", made["id"]).out
        bad = freehold("batches", "results", made["id"], "--errors").out
        listed = freehold("batches", "list").out.splitlines()
        again = freehold("batches", "cancel", made["id"])

    assert (made["status"], over["status"]) == ("validating", "completed")
    assert (over["total"], over["completed"], over["failed"]) == (3, 2, 1)
    assert [json.loads(one)["custom_id"] for one in good.splitlines()] == ["r1", "r2"]
    assert [json.loads(one)["custom_id"] for one in bad.splitlines()] == ["r0"]
    assert "2 of 3 answered, 1 failed, 0 never sent" in shown
    assert f"`freehold batches results {made['id']} --errors`" in shown
    assert [listed[1].split()[0], listed[1].split()[1]] == [made["id"], "completed"]
    assert "3 of 3" in listed[1]
    assert (again.code, again.err) == (1, "freehold: Cannot cancel a batch with status 'completed'.\n")


def test_a_batch_is_cancelled_from_the_terminal_before_a_gateway_sends_it(freehold, folder: Path) -> None:
    freehold("keys", "create", "ann")
    freehold("keys", "create", "bob")
    refused = freehold("batches", "create", "in.jsonl")
    unknown = freehold("batches", "create", "in.jsonl", "--key", "carl")
    made = freehold("batches", "create", "in.jsonl", "--key", "ann", "--json").json
    cancelled = freehold("batches", "cancel", made["id"])
    early = freehold("batches", "results", made["id"])
    row = freehold("batches", "list").out.splitlines()[1]
    with up(folder, "--settings", "freehold.toml"):
        over = freehold("batches", "show", made["id"], "--wait", "--json").json

    assert (refused.code, "--key" in refused.err) == (1, True)
    assert (unknown.code, "'carl'" in unknown.err) == (1, True)
    assert cancelled.out == f"Batch {made['id']} is cancelling\n"
    assert (early.code, "--wait" in early.err) == (1, True)
    assert (row.split()[1], "ann" in row) == ("cancelling", True)
    assert (over["status"], over["completed"], over["unsent"]) == ("cancelled", 0, 3)


def test_a_file_with_wrong_lines_is_refused_at_once_and_they_are_named(freehold, folder: Path) -> None:
    (folder / "wrong.jsonl").write_bytes(lines(line("a", model=MODEL), line("a", model=MODEL)) + b"no json\n")
    said = freehold("batches", "create", "wrong.jsonl")

    assert said.code == 1
    assert "line 2: " in said.err
    assert "line 3: " in said.err
    assert not (folder / "freehold-data").exists()


def test_an_unknown_batch_says_where_the_known_ones_are(freehold, folder: Path) -> None:
    freehold("keys", "create", "ann")
    for command in ("show", "cancel", "results"):
        said = freehold("batches", command, "batch_x")
        assert (said.code, said.err) == (1, "freehold: There is no batch batch_x; `freehold batches list` shows them\n")
    assert freehold("batches", "list").out.startswith("There are no batches yet")
