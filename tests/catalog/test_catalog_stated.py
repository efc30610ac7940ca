"""What the price lists bill, beside what two gateways said they charged in recorded exchanges."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freehold.catalog.book import catalog
from freehold.core.money import stated
from freehold.dialects.openai_chat.usage import normal
from freehold.providers.known import KNOWN

WIRE = Path(__file__).parents[3] / "shared" / "data" / "wire"


def recorded() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Provider, model and the last usage of each recorded chat answer that states a cost."""
    for provider in ("openrouter", "vercel-gateway"):
        for line in (WIRE / f"{provider}.jsonl").read_text().splitlines():
            row = json.loads(line)
            text = (row["response"] or {}).get("text") or ""
            chunks = [part[6:] for part in text.splitlines() if part.startswith("data: {")] or [text]
            usages = [chunk["usage"] for chunk in map(parsed, chunks) if (chunk.get("usage") or {}).get("cost")]
            if row["wire"] == "openai-chat" and usages:
                yield provider, row["model"], usages[-1]


def parsed(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


@pytest.mark.skipif(not WIRE.exists(), reason="the recorded exchanges of the shared data are not here")
def test_the_bill_of_a_recorded_answer_is_the_stated_cost_or_less_where_more_than_tokens_was_sold() -> None:
    """Less: a search was sold too, or another host or model answered than the one whose price is listed."""
    exact, less = 0, 0
    for provider, model, usage in recorded():
        offer = catalog().offer(provider, model, "2026-11-24")
        if offer is None or offer.tariff.value is None:
            continue
        counted = normal(usage, KNOWN[provider].quirks)
        assert counted is not None
        billed, said = offer.tariff.value.bill(counted, 0), stated(usage["cost"])
        assert billed is not None
        assert billed.amount <= said + 1, (provider, model)
        exact += abs(billed.amount - said) <= 1
        less += billed.amount < said - 1

    assert (exact, less) == (26, 5)
