"""freehold batches: files of requests that nobody waits for, which the gateway of a data folder answers."""

import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.table import Table

from freehold.app.home import Home
from freehold.cli.context import DATA, JSON, SETTINGS, home, print_json, screen
from freehold.core.batch import UNDER_WAY, Batch
from freehold.core.errors import InvalidRequest, NotThere
from freehold.core.ids import RandomIds
from freehold.core.money import NANO
from freehold.gateway.batches import made
from freehold.gateway.batches.lines import check

LOOK = 0.2
"""Seconds between looks at a batch that is waited for."""
MOST_ERRORS = 10
"""Wrong lines that are shown."""


@click.group()
def batches() -> None:
    """Files of requests that nobody waits for."""


@batches.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most so many.")
@SETTINGS
@DATA
@JSON
def list_batches(limit: int, settings: Path | None, data: str | None, as_json: bool) -> None:
    """The newest first, OpenAI's and Anthropic's."""
    with home(settings, data) as opened:
        pages = [opened.batches.page(None, after=None, most=limit, inline=inline) for inline in (False, True)]
        rows = sorted((batch for page in pages for batch in page), key=lambda batch: batch.at, reverse=True)[:limit]
        names = _names(opened)
    if as_json:
        print_json(rows)
        return
    table = Table("id", "status", "begun (UTC)", "how far", "failed", "key", "endpoint", box=None, pad_edge=False)
    for row in rows:
        bad = str(row.failed) if row.failed else ""
        table.add_row(row.id, row.status, _time(row.at), _far(row), bad, names.get(row.owner, row.owner), row.endpoint)
    screen().print(table if rows else "There are no batches yet; `freehold batches create` and clients make some.")


@batches.command()
@click.argument("id_", metavar="ID")
@click.option("--wait", is_flag=True, help="Return once it is over.")
@SETTINGS
@DATA
@JSON
def show(id_: str, wait: bool, settings: Path | None, data: str | None, as_json: bool) -> None:
    """One batch: how far it is, its files, what is wrong with its lines."""
    with home(settings, data) as opened:
        batch = _one(opened, id_)
        while wait and batch.status in UNDER_WAY:
            time.sleep(LOOK)
            batch = _one(opened, id_)
        _print(batch, opened, as_json=as_json)


@batches.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", "key", help="The key, by id or name, that asks and pays. Needed once there are keys.")
@click.option(
    "--endpoint", type=click.Choice(made.ENDPOINTS), default=made.ENDPOINTS[0], show_default=True,
    help="Where the requests go.",
)  # fmt: skip
@SETTINGS
@DATA
@JSON
def create(file: Path, key: str | None, endpoint: str, settings: Path | None, data: str | None, as_json: bool) -> None:
    """Take a file of requests, one JSON object a line, and leave it to the gateway of this data folder."""
    lines, errors = check(file, endpoint)
    if lines is None:
        more = f"\n... and {len(errors) - MOST_ERRORS} more" if len(errors) > MOST_ERRORS else ""
        told = "\n".join(f"line {error.line}: {error.message}" for error in errors[:MOST_ERRORS])
        raise InvalidRequest(f"{file} is no input of a batch:\n{told}{more}")
    lines.close()
    with home(settings, data) as opened:
        ids, now, owner = RandomIds(time.time_ns), time.time_ns(), _owner(opened, key)
        draft = opened.files.draft()
        shutil.copyfile(file, draft)
        kept = opened.files.put(made.requests(owner, file.name, ids=ids, now=now), draft)
        batch = made.batch(owner, ids=ids, now=now, home=opened.id, endpoint=endpoint, input_file=kept.id)
        opened.batches.add(batch)
        _print(batch, opened, as_json=as_json)


@batches.command()
@click.argument("id_", metavar="ID")
@SETTINGS
@DATA
def cancel(id_: str, settings: Path | None, data: str | None) -> None:
    """Send nothing more of a batch; what was sent is answered, within seconds."""
    with home(settings, data) as opened:
        _one(opened, id_)
        batch = opened.batches.change(id_, lambda current: made.cancelling(current, time.time_ns()))
    print(f"Batch {id_} is {'gone' if batch is None else batch.status}")


@batches.command()
@click.argument("id_", metavar="ID")
@click.option("--errors", is_flag=True, help="The lines that have no answer, and why.")
@SETTINGS
@DATA
def results(id_: str, errors: bool, settings: Path | None, data: str | None) -> None:
    """Write what was answered to standard output, a JSON object a line, in the order of the input."""
    with home(settings, data) as opened:
        batch = _one(opened, id_)
        if batch.status in UNDER_WAY:
            raise NotThere(f"{id_} is {batch.status}; `freehold batches show {id_} --wait` returns once it is over")
        named = batch.error_file if errors else batch.output_file
        kept = None if named is None else opened.files.get(named, now=time.time_ns())
        if named is not None and (kept is None or kept.home != opened.id):
            where = "is not kept any more" if kept is None else "lies in the data folder of another gateway"
            raise NotThere(f"The file {named} {where}")
        if kept is not None:
            with opened.files.path(kept).open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)


def _one(opened: Home, id_: str) -> Batch:
    batch = opened.batches.get(id_)
    if batch is None:
        raise NotThere(f"There is no batch {id_}; `freehold batches list` shows them")
    return batch


def _owner(opened: Home, wanted: str | None) -> str:
    """The id of the key that asks; '' where there are no keys, and so none is asked for."""
    live = [key for key in opened.keys.all() if key.revoked_at is None]
    if wanted is None:
        if live:
            raise InvalidRequest("Say with --key who asks; `freehold keys list` shows the keys")
        return ""
    found = [key for key in live if wanted in {key.id, key.name}]
    if len(found) != 1:
        raise InvalidRequest(f"{len(found) or 'No'} keys are called {wanted!r}; `freehold keys list` shows their ids")
    return found[0].id


def _names(opened: Home) -> dict[str, str]:
    return {key.id: key.name for key in opened.keys.all()}


def _far(batch: Batch) -> str:
    return f"{batch.completed + batch.failed} of {batch.total}" if batch.total else ""


def _print(batch: Batch, opened: Home, *, as_json: bool) -> None:
    if as_json:
        print_json(batch)
        return
    lines = [f"{batch.id}  {batch.status}  {batch.endpoint}"]
    owner = f" by {_names(opened).get(batch.owner, batch.owner)}" if batch.owner else ""
    lines.append(f"begun {_time(batch.at)} UTC{owner}; at the latest over {_time(batch.expires_at)}")
    if batch.total:
        lines.append(f"{batch.completed} of {batch.total} answered, {batch.failed} failed, {batch.unsent} never sent")
    lines += [f"line {error.line}: {error.message}" for error in batch.errors[:MOST_ERRORS]]
    if batch.status not in UNDER_WAY and batch.output_file:
        lines.append(f"answers: `freehold batches results {batch.id}`, or the file {batch.output_file}")
    if batch.status not in UNDER_WAY and batch.error_file:
        lines.append(f"errors: `freehold batches results {batch.id} --errors`, or the file {batch.error_file}")
    screen().print("\n".join(lines), markup=False)


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / NANO, UTC).strftime("%Y-%m-%d %H:%M:%S")
