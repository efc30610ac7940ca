"""`freehold inferences`, `explain`, `verify` and `rebuild` on what a real gateway recorded."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from command_world import shell, up

SETTINGS = """
[simulated.weak]
error_rate = 1
price = { input = "1.00", output = "2.00" }
[simulated.strong]
price = { input = "3.00", output = "6.00" }
[deployments.cheap]
provider = "weak"
model = "m"
[deployments.dear]
provider = "strong"
model = "m"
context_window = 100000
[routes.support]
deployments = ["cheap", "dear"]
objective = "cheapest"
[routes.doomed]
deployments = ["cheap"]
[retry]
attempts = 2
backoff_ms = 0
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one answer after a fallback, one failure and one refusal, in this order."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "freehold.toml").write_text(SETTINGS)
    with up(folder, "--settings", "freehold.toml", "--data", "data") as gateway:
        for model in ("support", "doomed", "nothing-like-it"):
            body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}]})
            url = f"{gateway.url}/v1/chat/completions"
            shell(f"curl -s {url} -H 'content-type: application/json' -d '{body}'", folder)
    return folder / "data"


@pytest.fixture
def data(recorded: Path, tmp_path: Path) -> str:
    """A copy of it, for each test its own."""
    shutil.copytree(recorded, tmp_path / "data")
    return str(tmp_path / "data")


def test_the_list_shows_the_newest_first_with_whole_ids_costs_and_outcomes(freehold, data: str) -> None:
    rows = freehold("inferences", "list", "--data", data, "--json").json
    header, *lines = freehold("inferences", "list", "--data", data).out.splitlines()

    assert [row["outcome"] for row in rows] == ["refused", "failed", "answered"]
    assert rows[2]["deployment"] == "dear"
    assert rows[2]["cost"] == 2 * 3000 + 7 * 6000
    assert header.split() == ["id", "at", "(UTC)", "outcome", "route", "deployment", "tokens", "cost", "ms"]
    assert [line.split()[0] for line in lines] == [row["id"] for row in rows]
    assert "answered" in lines[2]
    assert "2 + 7" in lines[2]
    assert "$0.000048" in lines[2]
    assert "failed: provider_overloaded" in lines[1]
    assert "refused: model_not_found" in lines[0]


@pytest.mark.parametrize(
    ("options", "outcomes"),
    [
        (["--outcome", "failed"], ["failed"]),
        (["--route", "support"], ["answered"]),
        (["--deployment", "dear"], ["answered"]),
        (["--limit", "1"], ["refused"]),
        (["--since", "30d"], ["refused", "failed", "answered"]),
        (["--since", "0s"], []),
        (["--key", "nobody"], []),
        (["--team", "nobody"], []),
    ],
)
def test_the_list_can_be_narrowed(freehold, data: str, options: list[str], outcomes: list[str]) -> None:
    rows = freehold("inferences", "list", "--data", data, "--json", *options).json

    assert [row["outcome"] for row in rows] == outcomes


def test_one_record_is_shown_whole_and_an_unknown_id_is_named(freehold, data: str) -> None:
    rows = freehold("inferences", "list", "--data", data, "--json").json

    assert freehold("inferences", "show", rows[2]["id"], "--data", data).json == rows[2]
    unknown = freehold("inferences", "show", "nobody", "--data", data)
    assert (unknown.code, unknown.out) == (1, "")
    assert unknown.err == "freehold: No inference has the id nobody; `freehold inferences list` shows the newest\n"


def test_a_fallback_is_explained_and_recomputed_to_the_same_decision(freehold, data: str) -> None:
    (row,) = freehold("inferences", "list", "--data", data, "--json", "--outcome", "answered").json

    told = freehold("explain", row["id"], "--data", data).out
    explained = freehold("explain", row["id"], "--data", data, "--json").json

    assert "plan: cheap -> dear   cheapest:" in told
    assert "call 1: cheap  503" in told
    assert "call 2: dear  200" in told
    assert "cost $0.000048" in told
    assert "recomputed from the record: the same decision" in told
    assert explained["same"] is True
    assert explained["recomputed"] == explained["decision"]


def test_an_explanation_names_the_missing_input(freehold, data: str) -> None:
    (row,) = freehold("inferences", "list", "--data", data, "--json", "--outcome", "answered").json
    (kept,) = Path(data, "settings").iterdir()
    kept.unlink()

    told = freehold("explain", row["id"], "--data", data)

    assert told.code == 0
    assert f"not recomputed: The settings {row['settings'][:12]} are missing" in told.out


def test_an_explanation_that_no_longer_agrees_ends_with_an_error(freehold, data: str) -> None:
    (row,) = freehold("inferences", "list", "--data", data, "--json", "--outcome", "answered").json
    (kept,) = Path(data, "settings").iterdir()
    settings = msgspec.json.decode(kept.read_bytes())
    settings["deployments"]["cheap"]["context_window"] = 1
    kept.write_bytes(msgspec.json.encode(settings))

    told = freehold("explain", row["id"], "--data", data)

    assert told.code == 1
    assert "recomputed differently: dear" in told.out


def test_the_ledger_is_verified_for_people_and_for_scripts(freehold, data: str) -> None:
    told = freehold("verify", "--data", data)
    report = freehold("verify", "--data", data, "--json").json["main"]

    assert told.code == 0
    assert told.out.startswith(f"main: Verified: {data}/ledger/main\n")
    assert told.err == ""
    assert report["ok"] is True
    assert report["outcomes"] == {"answered": 1, "failed": 1, "refused": 1}


def test_a_changed_byte_is_found_and_named(freehold, data: str) -> None:
    log = Path(data, "ledger", "main", "00000001.log")
    written = bytearray(log.read_bytes())
    written[written.index(b'"route":"support"') + 9] ^= 1
    log.write_bytes(written)

    told = freehold("verify", "--data", data)

    assert told.code == 1
    assert told.out.startswith("main: NOT VERIFIED")
    assert "! 00000001.log:" in told.out


def test_a_ledger_is_held_to_a_key_and_a_checkpoint_that_were_kept_elsewhere(
    freehold, data: str, tmp_path: Path
) -> None:
    node = Path(data, "ledger", "main")
    shutil.copy(node / "checkpoint", tmp_path / "kept")
    key = (node / "key.pub").read_text().strip()
    foreign = "freehold/main+04762d9c+Abv1okp/0iqgA6aK6ghTiRzrMvBIewXDrUka4S6RZjkg"

    assert freehold("verify", "--data", data, "--key", key, "--checkpoint", str(tmp_path / "kept")).code == 0
    other = freehold("verify", "--data", data, "--key", foreign)
    assert other.code == 1
    assert "no signature by freehold/main" in other.out
    absent = freehold("verify", "--data", data, "--checkpoint", "nowhere")
    assert absent.code == 2


def test_the_tables_are_made_anew_from_the_ledger(freehold, data: str) -> None:
    before = freehold("inferences", "list", "--data", data, "--json").json

    told = freehold("rebuild", "--data", data)
    counted = freehold("rebuild", "--data", data, "--json").json

    assert told.out == f"{counted['entries']} ledger entries read\n"
    assert freehold("inferences", "list", "--data", data, "--json").json == before


def test_long_work_shows_how_far_it_is_on_a_terminal_only(freehold, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert freehold("verify", "--data", data).err == freehold("rebuild", "--data", data).err == ""

    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes standard error for a terminal then
    assert "Verifying main" in freehold("verify", "--data", data).err
    assert "Reading the ledger" in freehold("rebuild", "--data", data).err


@pytest.mark.parametrize(
    "command",
    [
        ["inferences", "list"],
        ["inferences", "show", "x"],
        ["explain", "x"],
        ["verify"],
        ["rebuild"],
        ["keys", "list"],
        ["keys", "revoke", "x"],
        ["keys", "rotate", "x"],
    ],
)
def test_a_data_folder_that_is_not_there_is_named_and_not_made(freehold, command: list[str]) -> None:
    refused = freehold(*command, "--data", "typo")

    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("freehold: There is no data folder typo: `freehold up` makes it.")
    assert not Path("typo").exists()


def test_nothing_to_verify_is_no_success(freehold, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    told = freehold("verify", "--data", "empty")

    assert told.code == 1
    assert told.err == "freehold: There is no ledger in empty/ledger to verify; `freehold up` begins one\n"
