"""The data policies of a model's offers, for people."""

from collections.abc import Iterable

from rich.markup import escape
from rich.table import Table

from freehold.catalog.book import Published
from freehold.catalog.schema import DataPolicy
from freehold.providers.known import KNOWN


def policies(offers: Iterable[Published]) -> Table:
    """What each provider does with what it is sent, under whose law its operator is, and where that is written."""
    heads = ("provider", "operator in", "keeps", "trains on it", "zone", "source", "read", "note")
    table = Table(*heads, box=None, pad_edge=False)
    told = {(o.provider, o.region, o.policy) for o in offers}
    for provider, region, policy in sorted(told, key=lambda one: (one[0], one[1] or "")):
        known = KNOWN.get(provider)
        said = policy or DataPolicy()
        cells = (
            provider,
            (known and known.jurisdiction) or "unknown",
            _days(said.retention_days),
            "unknown" if said.trains is None else "yes" if said.trains else "no",
            said.zone or region or "unknown",
            said.source,
            said.read,
            said.note,
        )
        table.add_row(*map(escape, cells))
    return table


def _days(days: int | None) -> str:
    return "unknown" if days is None else "nothing" if days == 0 else f"{days} days"
