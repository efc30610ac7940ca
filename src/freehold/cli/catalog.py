"""freehold catalog: another snapshot of what models cost and allow, looked at before it holds; and back again."""

import os
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import time_ns

import click
from msgspec import Struct
from rich.markup import escape
from rich.table import Table

from freehold.app.home import Home
from freehold.catalog.book import filed, stood
from freehold.catalog.diff import Change, changes
from freehold.catalog.fetch import fetch
from freehold.catalog.held import Held
from freehold.catalog.manifest import SUFFIX, Manifest, described, kept
from freehold.catalog.schema import File
from freehold.catalog.snapshots import PACKAGED, Snapshots, Standing
from freehold.catalog.update import Decision, Found, Record, Turned, accept, rollback, update
from freehold.catalog.validity import read
from freehold.cli.context import DATA, JSON, SETTINGS, chosen, home, print_json, screen
from freehold.core.errors import InvalidRequest, SettingsWrong, StoreFailed
from freehold.core.money import NANO
from freehold.ledger.checkpoint import Verifier, signer_at
from freehold.ledger.entry import Act
from freehold.settings.tables import Settings

KEY = "freehold/catalog"
"""The name of the key with which this data folder signs."""

ACTOR = click.option("--as", "actor", default=lambda: os.environ.get("USER", "operator"), help="Who does it.")
WHY = click.option("--why", default="", help="The reason, for the ledger.")


class Instant(click.ParamType[int]):
    """An ISO date or instant, as UTC nanoseconds; without an offset it is UTC."""

    name = "instant"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            at = datetime.fromisoformat(value.removesuffix("Z"))
        except ValueError:
            self.fail(f"{value!r} is not an instant such as 2026-12-01 or 2026-12-01T06:00:00Z", param, ctx)
        return int((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()) * NANO


class Listed(Struct, frozen=True, kw_only=True):
    """A snapshot that is kept here. `manifest` is None for the catalog of the package."""

    snapshot: str
    as_of: str
    in_use: bool
    manifest: Manifest | None


class Whole(Struct, frozen=True, kw_only=True):
    """The snapshots of a data folder, and every change, the newest first."""

    snapshots: tuple[Listed, ...]
    standings: tuple[Standing, ...]


@click.group()
def catalog() -> None:
    """Snapshots of the catalog: taken into use from a signed file, compared, and taken back."""


@catalog.command("list")
@SETTINGS
@DATA
@JSON
def list_snapshots(settings: Path | None, data: str | None, as_json: bool) -> None:
    """The snapshots that are here, which of them holds, and every change."""
    snapshots = _snapshots(chosen(settings, data, new=True))
    now = snapshots.standing(time_ns())
    standings = tuple(snapshots.history())
    packaged = Listed(
        snapshot=PACKAGED, as_of=filed(snapshots, PACKAGED).as_of, in_use=now.snapshot == PACKAGED, manifest=None
    )
    manifests = ((digest, kept(snapshots.note(digest))) for digest in snapshots.digests())
    every = (
        packaged,
        *(Listed(snapshot=d, as_of=m.as_of, in_use=d == now.snapshot, manifest=m) for d, m in manifests),
    )
    if as_json:
        print_json(Whole(snapshots=every, standings=standings))
        return
    table = Table("snapshot", "as of", "signed", "by", "models", "offers", "", box=None, pad_edge=False)
    for one in sorted(every, key=lambda one: one.as_of):
        m = one.manifest
        told = ("", "", "", "") if m is None else (_instant(m.signed_at), m.signer, f"{m.models:,}", f"{m.offers:,}")
        table.add_row(*map(escape, (one.snapshot[:12], one.as_of, *told, "in use" if one.in_use else "")))
    screen().print(table)
    table = Table("holds from", "snapshot", "held back", "by", "why", box=None, pad_edge=False)
    for one in standings[:-1]:
        row = (_instant(one.at), one.snapshot[:12], str(len(one.held)), one.actor, one.why)
        table.add_row(*map(escape, row))
    if table.row_count:
        print()
        screen().print(table)


@catalog.command("update")
@click.option(
    "--offline",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take this file, with FILE.manifest beside it, instead of asking [catalog] url.",
)
@click.option("--from", "since", type=Instant(), help="It holds from this instant on (default: at once).")
@WHY
@ACTOR
@SETTINGS
@DATA
@JSON
def update_catalog(
    offline: Path | None,
    since: int | None,
    why: str,
    actor: str,
    settings: Path | None,
    data: str | None,
    as_json: bool,
) -> None:
    """Take a signed snapshot into use. What changed suspiciously is held back until you accept it."""
    with home(settings, data, new=True) as opened:
        snapshots = _snapshots(opened.settings)
        found = _offered(opened.settings) if offline is None else _file(offline)
        decision = Decision(now=time_ns(), at=since, actor=actor, why=why)
        with _recorded(opened, actor) as record:
            turned = update(snapshots, found, _keys(opened.settings, snapshots), decision, record)
    _tell(Turned(standing=snapshots.newest()) if turned is None else turned, as_json=as_json)


@catalog.command("rollback")
@click.option("--to", help="The beginning of a snapshot's digest, or 'packaged' (default: before the newest change).")
@WHY
@ACTOR
@SETTINGS
@DATA
@JSON
def roll_back(to: str | None, why: str, actor: str, settings: Path | None, data: str | None, as_json: bool) -> None:
    """Go back to what held before. A running gateway follows within a second."""
    with home(settings, data) as opened, _recorded(opened, actor) as record:
        decision = Decision(now=time_ns(), actor=actor, why=why)
        turned = rollback(_snapshots(opened.settings), decision, record, to=to)
    _tell(turned, as_json=as_json)


@catalog.command("accept")
@click.argument("names", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Everything that is held back.")
@WHY
@ACTOR
@SETTINGS
@DATA
@JSON
def accept_held(
    names: tuple[str, ...],
    every: bool,
    why: str,
    actor: str,
    settings: Path | None,
    data: str | None,
    as_json: bool,
) -> None:
    """Let entries take effect that an update held back: NAMES as `freehold catalog held` has them."""
    if bool(names) == every:
        raise InvalidRequest("Say what to accept: names of `freehold catalog held`, or --all")
    with home(settings, data) as opened, _recorded(opened, actor) as record:
        decision = Decision(now=time_ns(), actor=actor, why=why)
        turned = accept(_snapshots(opened.settings), None if every else names, decision, record)
    _tell(turned, as_json=as_json)


@catalog.command("held")
@SETTINGS
@DATA
@JSON
def list_held(settings: Path | None, data: str | None, as_json: bool) -> None:
    """What of the newest snapshot is held back, and why."""
    newest = _snapshots(chosen(settings, data, new=True)).newest()
    if as_json:
        print_json(newest.held)
    elif not newest.held:
        print("Nothing is held back.")
    else:
        _held(newest.held)


@catalog.command("diff")
@click.argument("old", required=False)
@click.argument("new", required=False)
@SETTINGS
@DATA
@JSON
def show_diff(old: str | None, new: str | None, settings: Path | None, data: str | None, as_json: bool) -> None:
    """What NEW says otherwise than OLD: a digest of `freehold catalog list`, 'packaged', 'current' (what holds, without
    what is held back) or a file. Without them: what the newest change did."""
    snapshots = _snapshots(chosen(settings, data, new=True))
    newest = snapshots.newest()
    before = stood(snapshots, snapshots.numbered(newest.before)).file if old is None else _named(snapshots, old)
    found = changes(before, _named(snapshots, new or "current"))
    if as_json:
        print_json(found)
        return
    for change in found:
        print(change)
    print(_counts(found))


@catalog.command("sign")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@SETTINGS
@DATA
@JSON
def sign_file(file: Path, settings: Path | None, data: str | None, as_json: bool) -> None:
    """Sign a catalog FILE with the key of this data folder, made where there is none; writes FILE.manifest."""
    snapshots = _snapshots(chosen(settings, data, new=True))
    manifest = described(file.read_bytes(), at=time_ns())
    try:
        snapshots.folder.mkdir(parents=True, exist_ok=True)
        signer = signer_at(snapshots.folder / "key", name=KEY, seed=os.urandom(32))
        _manifest_of(file).write_bytes(signer.sign(manifest.text()))
    except OSError as error:
        raise StoreFailed(f"{_manifest_of(file)} cannot be written: {error.strerror}") from error
    if as_json:
        print_json({"manifest": manifest, "key": str(signer.verifier), "file": str(_manifest_of(file))})
        return
    print(f"Signed {file}: {manifest.models:,} models, {manifest.offers:,} offers, as of {manifest.as_of}.")
    print(f"{_manifest_of(file)} goes with it. Other gateways take it with this line in their settings:")
    print(f'  [catalog]\n  keys = ["{signer.verifier}"]')


def _snapshots(settings: Settings) -> Snapshots:
    return Snapshots(settings.data.folder)


def _keys(settings: Settings, snapshots: Snapshots) -> tuple[Verifier, ...]:
    """The keys of the settings, and that with which this data folder signs."""
    own = snapshots.folder / "key.pub"
    lines = (*settings.catalog.keys, *([own.read_text()] if own.exists() else []))
    try:
        return tuple(Verifier.parse(line) for line in lines)
    except ValueError as error:
        raise SettingsWrong(f"[catalog] keys: {error}. `freehold catalog sign` prints the line of a key") from None


def _offered(settings: Settings) -> Found:
    url = settings.catalog.url
    if url is None:
        raise SettingsWrong("[catalog] url is not set: set it, or take a file with --offline FILE")
    return Found(where=url, note=fetch(url + SUFFIX), data=lambda: fetch(url))


def _file(file: Path) -> Found:
    manifest = _manifest_of(file)
    if not manifest.exists():
        raise InvalidRequest(
            f"{manifest} does not exist: {file} is not signed. `freehold catalog sign {file}` signs it"
        )
    return Found(where=str(file), note=manifest.read_bytes(), data=file.read_bytes)


def _manifest_of(file: Path) -> Path:
    return file.with_name(file.name + SUFFIX)


@contextmanager
def _recorded(opened: Home, actor: str) -> Generator[Record]:
    """Writes acts into a ledger of the data folder that no other process has open."""

    def record(verb: str, subject: str, detail: str) -> None:
        with opened.journal_beside() as journal:
            journal.act(Act(at=time_ns(), actor=actor, verb=verb, subject=subject, detail=detail))

    yield record


def _named(snapshots: Snapshots, name: str) -> File:
    if name == "current":
        return stood(snapshots, snapshots.newest()).file
    if Path(name).is_file():
        return read(Path(name).read_bytes())
    return filed(snapshots, snapshots.find(name))


def _tell(turned: Turned, *, as_json: bool) -> None:
    if as_json:
        print_json(_plain(turned))
        return
    for change in turned.changes:
        if change.about != "other":
            print(change)
    standing = turned.standing
    print(f"{_counts(turned.changes)} {standing.snapshot[:12]} holds from {_instant(standing.at)}.")
    if standing.held:
        print("\nHeld back until you accept it; what held before stays:")
        _held(standing.held)
        print("`freehold catalog accept NAME` lets it take effect; `freehold catalog rollback` undoes all of this.")


def _plain(turned: Turned) -> dict[str, object]:
    return {
        "snapshot": turned.standing.snapshot,
        "at": turned.standing.at,
        "changes": turned.changes,
        "held": turned.standing.held,
    }


def _counts(found: Iterable[Change]) -> str:
    names = {"price": "prices", "limit": "limits", "licence": "licences", "other": "other facts"}
    counted = Counter(
        f"{change.kind}s {change.about}" if not change.fact else names.get(change.about, change.about)
        for change in found
    )
    said = ", ".join(f"{count:,} {what}" for what, count in counted.items())
    return f"Changed: {said}." if said else "Nothing changed."


def _held(those: Iterable[Held]) -> None:
    table = Table("what", "name", "why", box=None, pad_edge=False)
    for one in those:
        table.add_row(*map(escape, (one.kind, one.subject, "; ".join(one.why))))
    screen().print(table)


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at // NANO, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
