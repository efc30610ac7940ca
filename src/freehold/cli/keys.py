"""freehold keys: create, list, revoke, rotate."""

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import click
from rich.markup import escape
from rich.table import Table

from freehold.app.home import Home
from freehold.cli.context import DATA, JSON, SETTINGS, Duration, home, print_json, screen
from freehold.core.errors import InvalidRequest
from freehold.core.money import NANO, dollars, nano
from freehold.core.principal import Budget, Key, Period
from freehold.governance.budget import period
from freehold.governance.keys import mint, revoke, rotate

MOST = 10**18
"""Nano-dollars: a billion dollars, so that sums of budgets stay within 64 bits."""


class Dollars(click.ParamType[int]):
    """An amount of dollars, as nano-dollars."""

    name = "dollars"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            amount = nano(value.removeprefix("$"))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not 0 < amount <= MOST:
            self.fail(f"{value!r} is not more than $0 and at most {dollars(MOST)}", param, ctx)
        return amount


@click.group()
def keys() -> None:
    """Keys of callers: who may ask for what, how fast, and for how much."""


@keys.command()
@click.argument("name")
@click.option("--team", help="Who pays.")
@click.option(
    "--route",
    "routes",
    multiple=True,
    help="A route or model name it may ask for; patterns such as 'gpt-*'. Repeatable.",
)
@click.option("--model", "models", multiple=True, help="A model or deployment that may serve it; patterns. Repeatable.")
@click.option("--requests-per-minute", type=click.IntRange(min=1), help="At most so many requests a minute.")
@click.option("--tokens-per-minute", type=click.IntRange(min=1), help="At most so many tokens a minute.")
@click.option("--budget", type=Dollars(), help="At most so many dollars.")
@click.option("--period", "every", type=click.Choice(get_args(Period)), help="The budget's period (default: total).")
@click.option("--expires", type=Duration(), help="After how long it ends: 90d, 12h.")
@click.option("--admin", is_flag=True, help="May see metrics and administer.")
@SETTINGS
@DATA
@JSON
def create(
    name: str,
    team: str | None,
    routes: tuple[str, ...],
    models: tuple[str, ...],
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
    budget: int | None,
    every: Period | None,
    expires: int | None,
    admin: bool,
    settings: Path | None,
    data: str | None,
    as_json: bool,
) -> None:
    """Make a key; its text is shown this once. A running gateway accepts it within a second."""
    if not name.strip() or not name.isprintable():
        raise InvalidRequest("A key needs a name of visible characters, so that people know whose it is")
    if every is not None and budget is None:
        raise InvalidRequest("--period is the period of a budget: give --budget too")
    now = time.time_ns()
    key, text = mint(
        name,
        now=now,
        random=os.urandom,
        team=team,
        routes=routes or None,
        models=models or None,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        budget=None if budget is None else Budget(limit=budget, period=every or "total"),
        admin=admin,
        expires_at=None if expires is None else now + expires,
    )
    with home(settings, data, new=True) as opened:
        opened.keys.put(key)
    _show(key, text, as_json=as_json)


@keys.command("list")
@SETTINGS
@DATA
@JSON
def list_keys(settings: Path | None, data: str | None, as_json: bool) -> None:
    """All keys, with what they may do and have spent."""
    with home(settings, data) as opened:
        rows = [(key, _spent(opened, key)) for key in opened.keys.all()]
    if as_json:
        print_json([_public(key) | {"spent": spent} for key, spent in rows])
        return
    if not rows:
        print("No keys yet: on loopback everybody may ask. `freehold keys create NAME` makes one.")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("id", "name", "team", "may ask for", "served by", "per minute", "budget", "state"):
        table.add_column(name, no_wrap=name == "id", overflow="fold")
    for key, spent in rows:
        rates = [f"{n} {unit}" for n, unit in ((key.requests_per_minute, "req"), (key.tokens_per_minute, "tok")) if n]
        money = (
            "" if key.budget is None else f"{dollars(spent or 0)} of {dollars(key.budget.limit)} {key.budget.period}"
        )
        routes, models = ("anything" if p is None else ", ".join(p) for p in (key.routes, key.models))
        told = (key.name, key.team or "", routes, models, ", ".join(rates), money, _state(key))
        table.add_row(key.id, *map(escape, told))
    screen().print(table)


@keys.command("revoke")
@click.argument("id_", metavar="ID")
@SETTINGS
@DATA
@JSON
def revoke_key(id_: str, settings: Path | None, data: str | None, as_json: bool) -> None:
    """End a key for good. A running gateway refuses it within a second."""
    with home(settings, data) as opened:
        key = revoke(_key(opened, id_), now=time.time_ns())
        opened.keys.put(key)
    if as_json:
        print_json(_public(key))
        return
    print(f"Key '{key.name}' ({key.id}) is revoked")


@keys.command("rotate")
@click.argument("id_", metavar="ID")
@click.option("--grace", type=Duration(), default=0, help="How long the old secret stays good: 10m, 24h.")
@SETTINGS
@DATA
@JSON
def rotate_key(id_: str, grace: int, settings: Path | None, data: str | None, as_json: bool) -> None:
    """Give a key a new secret; id, scopes and spending stay."""
    with home(settings, data) as opened:
        key, text = rotate(_key(opened, id_), now=time.time_ns(), random=os.urandom, grace=grace)
        opened.keys.put(key)
    _show(key, text, as_json=as_json)


def _key(opened: Home, id_: str) -> Key:
    """The key that is meant by an id, a name, or the text of the key itself."""
    wanted = id_.split("_")[1] if id_.startswith("fh_") and id_.count("_") >= 1 else id_
    found = [k for k in opened.keys.all() if wanted in {k.id, k.name}]
    if len(found) != 1:
        why = "No key has" if not found else f"{len(found)} keys have"
        raise InvalidRequest(f"{why} the id or name {wanted!r}; `freehold keys list` shows the ids")
    return found[0]


def _spent(opened: Home, key: Key) -> int | None:
    if key.budget is None:
        return None
    return opened.budgets.spent(key=key.id, period=period(key.budget.period, time.time_ns())[0])


def _state(key: Key) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None:
        day = datetime.fromtimestamp(key.expires_at // NANO, UTC).strftime("%Y-%m-%d")
        return f"expired {day}" if key.expires_at <= time.time_ns() else f"until {day}"
    return "admin" if key.admin else "good"


def _public(key: Key) -> dict[str, object]:
    """A key without its digests."""
    hidden = {"digest", "previous"}
    return {name: getattr(key, name) for name in key.__struct_fields__ if name not in hidden}


def _show(key: Key, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(_public(key) | {"secret": text})
        return
    print(text)
    told = f"Key '{key.name}' ({key.id}). Keep the line with fh_: it is not stored and will not be shown again."
    print(told, file=sys.stderr)
