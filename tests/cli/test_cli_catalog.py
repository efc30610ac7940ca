"""`freehold catalog`: snapshots taken from files and from a URL, looked at, accepted and taken back."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from freehold.catalog.fetch import allowed
from freehold.core.errors import CatalogRefused
from freehold.ledger.entry import Act
from freehold.ledger.reader import read
from snapshots_world import NOON, OTHERS, OURS, Draft, write_signed

OWN = f'[catalog]\nkeys = ["{OURS.verifier}"]\n'


@pytest.fixture(autouse=True)
def _on_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """2026-11-24 12:00 UTC."""
    monkeypatch.setattr("freehold.cli.catalog.time_ns", lambda: NOON)
    monkeypatch.setattr("freehold.cli.models.time.time_ns", lambda: NOON)


@pytest.fixture
def own(freehold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file of every command; it trusts who signs here."""
    monkeypatch.setenv("FREEHOLD_SETTINGS", "own.toml")
    (tmp_path / "own.toml").write_text(OWN)
    return tmp_path / "own.toml"


@pytest.fixture
def file(own: Path) -> Path:
    """A signed snapshot: GPT-5 a fifth dearer, Claude Opus ten times."""
    draft = Draft()
    for name, factor in (("openai/gpt-5", 1.2), ("anthropic/claude-opus-4-6", 10)):
        draft.scale(name, factor)
    return write_signed(own.with_name("november.json"), draft.data)


def acts(folder: Path) -> list[Act]:
    """What the ledgers of a data folder say was done to the catalog."""
    every = (entry for node in sorted((folder / "ledger").iterdir()) for _, entry in read(node))
    return [e for e in every if isinstance(e, Act) and e.verb.startswith("catalog.")]


def asks(freehold, model: str, provider: str) -> list[str]:
    """What a provider asks for input and output, as `freehold models show` has it."""
    row = next(line for line in freehold("models", "show", model).out.splitlines() if line.startswith(f"{provider}/"))
    return row.split()[1:3]


def test_an_update_prints_every_price_that_changes_and_what_it_holds_back(freehold, file: Path) -> None:
    told = freehold("catalog", "update", "--offline", str(file), "--why", "list of November")

    assert told.code == 0, told.err
    lines = told.out.splitlines()
    assert "openai/gpt-5 standard input by models.dev: $1.25/M -> $1.50/M (+20.0 %)" in lines
    assert not any(line.startswith("anthropic/claude-opus-4-6 ") for line in lines)
    held = next(line for line in lines if line.startswith("offer  anthropic/claude-opus-4-6"))
    assert "standard input was $5.00/M and is $50.00/M, 10 times" in held
    assert any(line.startswith("Changed: ") and line.endswith("holds from 2026-11-24T12:00:00Z.") for line in lines)
    assert asks(freehold, "gpt-5", "openai") == ["$1.50", "$12.00"]
    assert asks(freehold, "claude-opus-4-6", "anthropic") == ["$5.00", "$25.00"]
    assert "held back: " in freehold("models", "show", "claude-opus-4-6").out


def test_every_change_is_an_act_of_the_ledger_with_who_why_and_which_price(freehold, file: Path) -> None:
    freehold("catalog", "update", "--offline", str(file), "--why", "list of November", "--as", "ann")
    freehold("catalog", "accept", "anthropic/claude-opus-4-6", "--as", "bob")
    freehold("catalog", "rollback", "--as", "ann")
    done = acts(Path("freehold-data"))

    assert [(a.actor, a.verb) for a in done] == [
        ("ann", "catalog.updated"),
        ("bob", "catalog.accepted"),
        ("ann", "catalog.rolled_back"),
    ]
    assert len({a.subject for a in done}) == 1
    assert "openai/gpt-5 standard input by models.dev: $1.25/M -> $1.50/M (+20.0 %)" in done[0].detail
    assert "held back: offer anthropic/claude-opus-4-6: " in done[0].detail
    assert "anthropic/claude-opus-4-6 standard input by models.dev: $5.00/M -> $50.00/M" in done[1].detail
    assert freehold("verify").code == 0


def test_what_is_held_back_is_listed_accepted_and_taken_back(freehold, file: Path) -> None:
    freehold("catalog", "update", "--offline", str(file))
    (held,) = freehold("catalog", "held", "--json").json
    assert (held["kind"], held["subject"]) == ("offer", "anthropic/claude-opus-4-6")
    assert freehold("catalog", "held").out.splitlines()[1].startswith("offer  anthropic/claude-opus-4-6  litellm: ")

    accepted = freehold("catalog", "accept", "--all", "--json").json
    assert {c["subject"] for c in accepted["changes"]} == {"anthropic/claude-opus-4-6"}
    assert accepted["held"] == []
    assert freehold("catalog", "held").out == "Nothing is held back.\n"
    assert asks(freehold, "claude-opus-4-6", "anthropic") == ["$50.00", "$250.00"]
    freehold("catalog", "rollback")
    assert asks(freehold, "claude-opus-4-6", "anthropic") == ["$5.00", "$25.00"]
    nothing = freehold("catalog", "accept")
    assert (nothing.code, nothing.err) == (
        1,
        "freehold: Say what to accept: names of `freehold catalog held`, or --all\n",
    )


def test_the_list_says_which_snapshot_is_in_use_and_how_it_came_to_be(freehold, file: Path) -> None:
    assert [line.split()[:2] for line in freehold("catalog", "list").out.splitlines()] == [
        ["snapshot", "as"],
        ["packaged", "2026-11-23"],
    ]
    digest = freehold("catalog", "update", "--offline", str(file), "--why", "why not", "--as", "ann", "--json").json[
        "snapshot"
    ]
    told = freehold("catalog", "list").out.splitlines()

    used = next(line for line in told if line.startswith(digest[:12]))
    assert used.split() == [
        *(digest[:12], "2026-11-24", "2026-11-24T12:00:00Z", "company/catalog", "1,250", "2,985", "in", "use"),
    ]
    assert told[-1].split() == ["2026-11-24T12:00:00Z", digest[:12], "1", "ann", "why", "not"]
    whole = freehold("catalog", "list", "--json").json
    assert {one["snapshot"]: one["in_use"] for one in whole["snapshots"]} == {"packaged": False, digest: True}
    assert [s["number"] for s in whole["standings"]] == [1, 0]


def test_a_diff_is_between_the_last_two_or_any_two_snapshots_or_files(freehold, file: Path) -> None:
    digest = freehold("catalog", "update", "--offline", str(file), "--json").json["snapshot"]
    last = freehold("catalog", "diff").out.splitlines()
    raw = freehold("catalog", "diff", "packaged", digest[:8], "--json").json

    assert {line.split()[0] for line in last[:-1]} == {"openai/gpt-5"}
    assert last[-1].startswith("Changed: ")
    assert {c["subject"] for c in raw} == {"openai/gpt-5", "anthropic/claude-opus-4-6"}
    assert freehold("catalog", "diff", "packaged", str(file), "--json").json == raw
    assert freehold("catalog", "diff", "packaged", "packaged").out == "Nothing changed.\n"
    wrong = freehold("catalog", "diff", "packaged", "nowhere")
    assert wrong.err == "freehold: No snapshot begins with 'nowhere'; `freehold catalog list` shows them\n"


def test_a_later_instant_is_named_and_the_price_stays_until_then(freehold, file: Path) -> None:
    told = freehold("catalog", "update", "--offline", str(file), "--from", "2026-12-01T06:00:00+01:00")

    assert "holds from 2026-12-01T05:00:00Z." in told.out
    assert asks(freehold, "gpt-5", "openai") == ["$1.25", "$10.00"]
    assert freehold("catalog", "update", "--offline", str(file), "--from", "soon").code == 2


def test_a_company_signs_its_own_file_and_another_gateway_takes_it_with_the_key_that_is_printed(
    freehold, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.json"
    draft = Draft()
    draft.scale("openai/gpt-5", 0.8)
    mine.write_bytes(draft.data)

    unsigned = freehold("catalog", "update", "--offline", "mine.json")
    signed = freehold("catalog", "sign", "mine.json", "--data", "office")
    stranger = freehold("catalog", "update", "--offline", "mine.json")
    (tmp_path / "own.toml").write_text(signed.out.partition("settings:\n")[2])
    taken = freehold("catalog", "update", "--offline", "mine.json", "--settings", "own.toml")
    own = freehold("catalog", "update", "--offline", "mine.json", "--data", "office")

    assert unsigned.err == (
        "freehold: mine.json.manifest does not exist: mine.json is not signed. "
        "`freehold catalog sign mine.json` signs it\n"
    )
    assert signed.out.startswith("Signed mine.json: 1,250 models, 2,985 offers, as of 2026-11-24.\n")
    assert stranger.err.startswith(
        "freehold: mine.json: no key is known that may sign catalogs. `freehold catalog sign"
    )
    assert (taken.code, own.code) == (0, 0), taken.err + own.err
    assert (tmp_path / "office" / "catalog" / "key").stat().st_mode & 0o077 == 0


def test_a_file_that_somebody_else_signed_or_that_is_no_catalog_is_refused(
    freehold, file: Path, tmp_path: Path
) -> None:
    write_signed(tmp_path / "theirs.json", Draft().data, signer=OTHERS)
    (tmp_path / "text.json").write_text("{}")

    refused = freehold("catalog", "update", "--offline", "theirs.json")
    assert refused.code == 1
    assert "theirs.json: The note has no signature by company/catalog" in refused.err
    assert "`freehold catalog sign FILE` signs with the key of this data folder" in refused.err
    assert freehold("catalog", "sign", "text.json").err.startswith(
        "freehold: The file is not a catalog of this version"
    )
    assert not (tmp_path / "text.json.manifest").exists()
    (tmp_path / "own.toml").write_text('[catalog]\nkeys = ["nonsense"]\n')
    assert "[catalog] keys: Verifier key" in freehold("catalog", "update", "--offline", str(file)).err


class Served(ThreadingHTTPServer):
    """Serves the files of a folder on loopback, and what it was asked for; `leads` redirects."""

    folder: Path
    asked: list[str]
    leads: dict[str, str]


class Handler(BaseHTTPRequestHandler):
    server: Served

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        file = self.server.folder / self.path.lstrip("/")
        if to := self.server.leads.get(self.path):
            self.send_response(302)
            self.send_header("location", to)
            self.end_headers()
            return
        self.send_response(200 if file.is_file() else 404)
        self.end_headers()
        self.wfile.write(file.read_bytes() if file.is_file() else b"")

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    with Served(("127.0.0.1", 0), Handler) as server:
        server.folder, server.asked, server.leads = folder, [], {}
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_an_update_by_url_asks_for_the_manifest_first_and_for_the_file_only_once(
    freehold, file: Path, tmp_path: Path
) -> None:
    with serving(tmp_path) as server:
        url = f"http://127.0.0.1:{server.server_port}/{file.name}"
        (tmp_path / "own.toml").write_text(f'{OWN}url = "{url}"\n')
        freehold("check")
        freehold("models")
        assert server.asked == []
        first = freehold("catalog", "update")
        again = freehold("catalog", "update")

    assert (first.code, again.code) == (0, 0), first.err
    assert again.out.startswith("Nothing changed. ")
    assert server.asked == [f"/{file.name}.manifest", f"/{file.name}", f"/{file.name}.manifest"]
    assert asks(freehold, "gpt-5", "openai") == ["$1.50", "$12.00"]


def test_what_a_url_does_not_have_or_where_it_may_not_lead_is_told(freehold, file: Path, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        base = f"http://127.0.0.1:{server.server_port}"
        server.leads = {"/far.json.manifest": "http://example.com/x", "/file.json.manifest": "file:///etc/passwd"}
        said: dict[str, str] = {}
        for name in ("none", "far", "file"):
            (tmp_path / "own.toml").write_text(f'{OWN}url = "{base}/{name}.json"\n')
            said[name] = freehold("catalog", "update").err

    assert said["none"] == (
        f"freehold: {base}/none.json.manifest answers 404 Not Found. "
        "`freehold catalog update --offline FILE` takes a file that came another way\n"
    )
    assert "over https://, or over http:// from this machine alone" in said["far"]
    assert "file:///etc/passwd" in said["file"]
    assert not (tmp_path / "freehold-data" / "catalog" / "current").exists()
    assert "cannot be fetched: " in freehold("catalog", "update").err
    (tmp_path / "own.toml").write_text(OWN)
    assert freehold("catalog", "update").err == (
        "freehold: [catalog] url is not set: set it, or take a file with --offline FILE\n"
    )


@pytest.mark.parametrize("url", ["http://example.com/c.json", "ftp://127.0.0.1/c.json", "file:///c.json", "c.json", ""])
def test_a_catalog_comes_over_tls_or_from_this_machine(url: str) -> None:
    with pytest.raises(CatalogRefused, match="over https://, or over http:// from this machine alone"):
        allowed(url)
    assert allowed("http://[::1]:8000/c.json")
    assert not allowed("https://example.com/c.json")


OVERRIDE = """
[catalog.overrides."openai/gpt-5"]
date = "2026-11-20"
reason = "contract 4711"
price = { input = "0.90", output = "7.00" }
context_window = 500000
"""


def test_what_the_operator_decided_counts_before_every_source_with_its_date_and_reason(
    freehold, file: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text(OWN + OVERRIDE)
    freehold("catalog", "update", "--offline", str(file))
    told = freehold("models", "show", "gpt-5").out
    row = next(line for line in told.splitlines() if line.startswith("openai/gpt-5 "))

    assert row.split()[1:3] == ["$0.90", "$7.00"]
    assert " 500k/" in row
    assert row.endswith("  operator 3 2 1")
    assert "\n  3: operator, seen 2026-11-20: contract 4711\n" in told


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('[catalog.overrides."openai/gpt-5"]\ndate = "2026-11-20"\n', "overrides.openai/gpt-5.reason: is missing"),
        (OVERRIDE.replace("2026-11-20", "20 November"), "[catalog] overrides.openai/gpt-5.date: "),
        (OVERRIDE.replace("2026-11-20", "2026-11-31"), "date: there is no day 2026-11-31"),
        (OVERRIDE.replace("openai/", "opnai/"), "is not PROVIDER/ID of a known provider; did you mean openai?"),
        (OVERRIDE.partition("price")[0], "decides nothing: give price, context_window or max_output_tokens"),
        ("[catalog]\noverrides = 1\n", "expected tables [catalog.overrides.NAME], got a number"),
    ],
)
def test_an_override_without_date_reason_or_offer_is_refused(freehold, own: Path, table: str, said: str) -> None:
    own.write_text(table)

    refused = freehold("check")
    assert refused.code == 1
    assert said in refused.err


def test_looking_makes_no_folder(freehold, own: Path) -> None:
    for command in ("list", "held", "diff"):
        assert freehold("catalog", command).code == 0
    assert os.listdir(own.parent) == ["own.toml"]
