"""What several commands share: the options for settings and data, the open data folder, and how things are printed."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from freehold.app.home import ELSEWHERE, Home
from freehold.core.errors import StoreFailed
from freehold.core.money import NANO
from freehold.settings.load import load
from freehold.settings.tables import Settings

SETTINGS = click.option(
    "--settings",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The TOML file (default: $FREEHOLD_SETTINGS, else none).",
)
DATA = click.option("--data", type=click.Path(file_okay=False), help="The data folder (default: ./freehold-data).")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
UNCUT = 10_000
"""Columns of a table that nobody looks at in a terminal: whoever reads it wants whole lines."""


class Duration(click.ParamType[int]):
    """'90d', '12h', '30m', '10s', as nanoseconds."""

    name = "duration"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        count = value[:-1]
        if value[-1:] not in UNITS or not (count.isascii() and count.isdigit() and len(count) < 7):
            self.fail(f"{value!r} is not a duration such as 90d, 12h, 30m or 10s", param, ctx)
        return int(count) * UNITS[value[-1]] * NANO


def placed(settings: Settings, data: str | None) -> Settings:
    """The settings with the data folder of the command line."""
    return settings if data is None else replace(settings, data=replace(settings.data, folder=data))


def chosen(settings: Path | None, data: str | None, *, new: bool = False) -> Settings:
    """The settings of a command. StoreFailed where their data folder does not exist, unless it may be `new`."""
    whole = placed(load(settings, os.environ), data)
    folder = Path(whole.data.folder)
    if not new and not folder.is_dir():
        raise StoreFailed(f"There is no data folder {folder}: `freehold up` makes it. {ELSEWHERE}")
    return whole


@contextmanager
def home(settings: Path | None, data: str | None, *, new: bool = False) -> Generator[Home]:
    """The data folder, open for a command."""
    opened = Home(chosen(settings, data, new=new))
    try:
        yield opened
    finally:
        opened.close()


def print_json(value: Any) -> None:
    """One JSON value, indented, on standard output."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def screen() -> Console:
    """Standard output for tables and text; as wide as it needs where it is not a terminal."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else UNCUT)


@contextmanager
def progress(what: str, unit: str) -> Generator[Progress]:
    """How far something long is, on standard error, and only where that is a terminal."""
    columns = (
        TextColumn(what),
        BarColumn(),
        TextColumn("{task.completed:,.0f} " + unit),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        yield shown
