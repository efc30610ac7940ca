"""The data policies of a model's offers, for people."""

from collections.abc import Iterable

from freehold.catalog.book import Published
from freehold.catalog.schema import DataPolicy
from freehold.providers.known import KNOWN


def policies(offers: Iterable[Published]) -> Iterable[str]:
    """What each provider does with what it is sent, under whose law its operator is, and where that is written."""
    by_provider: dict[str, DataPolicy | None] = {}
    zones: dict[str, set[str]] = {}
    for o in offers:
        by_provider[o.provider] = by_provider.get(o.provider) or o.policy
        zones.setdefault(o.provider, set()).update({z for z in (o.region, o.policy and o.policy.zone) if z})
    silent = sorted(name for name, policy in by_provider.items() if policy is None)
    yield "What providers do with what they are sent, by their own pages:"
    for name, policy in sorted(by_provider.items()):
        if policy is not None:
            yield f"  {_operator(name)}: {_keeps(policy)}; {_trains(policy)}; served {_where(zones[name])}"
            yield f"    {policy.source}, read {policy.read}{f': {policy.note}' if policy.note else ''}"
    if silent:
        told = (f"{_operator(name)}{f' {_where(zones[name])}' if zones[name] else ''}" for name in silent)
        yield f"  unknown of {', '.join(told)}"


def _operator(provider: str) -> str:
    """A provider, and whose law its operator is under."""
    known = KNOWN.get(provider)
    return f"{provider} [{(known and known.jurisdiction) or 'jurisdiction unknown'}]"


def _keeps(policy: DataPolicy) -> str:
    days = policy.retention_days
    return "how long it keeps it is unknown" if days is None else f"keeps it {days} days" if days else "keeps nothing"


def _trains(policy: DataPolicy) -> str:
    return {None: "whether it trains on it is unknown", True: "trains on it", False: "does not train on it"}[
        policy.trains
    ]


def _where(zones: set[str]) -> str:
    return f"in {', '.join(sorted(zones))}" if zones else "in places unknown"
