"""What several commands share: the options for settings and data, and the open data folder."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec.structs import replace

from freehold.app.home import Home
from freehold.settings.load import load
from freehold.settings.tables import Settings

SETTINGS = click.option(
    "--settings",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The TOML file (default: $FREEHOLD_SETTINGS, else none).",
)
DATA = click.option("--data", type=click.Path(file_okay=False), help="The data folder (default: ./freehold-data).")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def placed(settings: Settings, data: str | None) -> Settings:
    """The settings with the data folder of the command line."""
    return settings if data is None else replace(settings, data=replace(settings.data, folder=data))


@contextmanager
def home(settings: Path | None, data: str | None) -> Generator[Home]:
    """The data folder, open for a command."""
    opened = Home(placed(load(settings, os.environ), data))
    try:
        yield opened
    finally:
        opened.close()


def print_json(value: Any) -> None:
    """One JSON value, indented, on standard output."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
