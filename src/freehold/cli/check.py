"""freehold check: are the settings right, and what do they serve?"""

import os
import time
from pathlib import Path

import click
from msgspec import Struct
from rich.markup import escape
from rich.table import Table

from freehold.cli.context import JSON, SETTINGS, print_json, screen
from freehold.core.money import dollars
from freehold.providers.discovery import from_environment
from freehold.settings.book import Book
from freehold.settings.licensed import open_points
from freehold.settings.load import load
from freehold.settings.resolve import resolve


class Served(Struct, frozen=True, kw_only=True):
    """What right settings serve: deployments, those of each route, the settings' digest, what licences ask."""

    source: str | None
    deployments: tuple[str, ...]
    routes: dict[str, tuple[str, ...]]
    digest: str
    licences: tuple[str, ...]


@click.command()
@SETTINGS
@JSON
def check(settings: Path | None, as_json: bool) -> None:
    """Validate the settings and say what they serve. Servers on this machine are not looked for."""
    loaded = load(settings, os.environ)
    book = Book(resolve(loaded, from_environment(os.environ) if loaded.discovery.environment else ()))
    source = str(settings) if settings is not None else os.environ.get("FREEHOLD_SETTINGS") or None
    routes = {name: route.deployments for name, route in book.settings.routes.items()}
    served = Served(
        source=source,
        deployments=tuple(book.deployments),
        routes=routes,
        digest=book.digest,
        licences=tuple(point.message for point in open_points(book.settings)),
    )
    if as_json:
        print_json(served)
    else:
        _tell(served, book)


def _tell(served: Served, book: Book) -> None:
    of = served.source or "no settings file: the defaults, and what the environment has keys for"
    print(f"Settings are right ({of}): {len(served.deployments)} deployments, {len(served.routes)} routes.")
    print(f"Digest {served.digest}")
    if served.routes:
        table = Table("route", "objective", "deployments", box=None, pad_edge=False)
        for name, route in book.settings.routes.items():
            how = "ordered" if route.ordered else "weights" if route.weights else route.objective
            table.add_row(*map(escape, (name, how, ", ".join(route.deployments))))
        _show(table)
    table = Table("deployment", "provider", "model", "input/M", "output/M", box=None, pad_edge=False)
    for name in book.settings.deployments:
        deployment = book.deployments[name]
        price = None if deployment.tariff is None else deployment.tariff.price(time.time_ns())
        asks = ("unknown", "unknown") if price is None else (dollars(price.input), dollars(price.output))
        table.add_row(*map(escape, (name, deployment.provider, deployment.model, *asks)))
    if served.deployments:
        _show(table)
    if served.licences:
        print("\nLicences:")
        print("\n".join(f"  {point}" for point in served.licences))


def _show(table: Table) -> None:
    print()
    screen().print(table)
