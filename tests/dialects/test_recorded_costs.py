"""What the price lists bill, beside what providers and gateways state that they charged in recorded answers."""

from collections import Counter
from collections.abc import Iterator

from recorded import STREAMS, WHOLE, Row, compact, needs_recordings, quirks, stream

from freehold.catalog.book import catalog
from freehold.catalog.offering import offering
from freehold.core.events import collect
from freehold.core.tariff import Tariff
from freehold.core.usage import Usage
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT

pytestmark = needs_recordings
NOW = 1_795_521_600_000_000_000
"""2026-11-24; the recordings have no date of their own."""

APART = {
    ("openrouter", "moonshotai/kimi-k2.5"): "it chose a dearer host than the one whose price it lists",
    ("openrouter", "qwen/qwen3-30b-a3b-instruct-2507"): "it chose a dearer host than the one whose price it lists",
    ("openrouter", "z-ai/glm-4.6"): "it chose a dearer host than the one whose price it lists",
    ("openrouter", "openai/gpt-5.1-codex-mini"): "a plug-in was charged for, which usage does not count",
    ("openrouter", "openai/gpt-4o-mini"): "a plug-in was charged for, which usage does not count",
    ("openai", "gpt-4.1-mini"): "another service that speaks its dialect answered",
    ("xai", "grok-code-fast-1"): "recorded before its price rose, which no source dates",
}


def stated() -> Iterator[tuple[Row, Usage, Tariff]]:
    """Recorded answers that state a cost, with the price list of their offer, where the catalog has one."""
    for row in (*WHOLE, *STREAMS):
        if "body" in row["response"]:
            events = [OPENAI_CHAT.decode_answer(compact(row["response"]["body"]), quirks(row))]
        else:
            events = OPENAI_CHAT.stream_decoder(quirks(row)).feed(stream(row))
        usage = collect(events).usage
        if usage is not None and usage.stated_cost:
            offer = offering(catalog(), row["provider"], row["model"] or "", NOW)
            if offer is not None and offer.tariff is not None:
                yield row, usage, offer.tariff


def test_the_bill_of_a_recorded_answer_is_the_cost_that_its_provider_states() -> None:
    """Within a nano-dollar, in which OpenRouter rounds each part; where not, why is known."""
    equal, unknown = Counter[str](), list[tuple[int, str]]()
    for row, usage, tariff in stated():
        provider, model = row["provider"], row["model"]
        bill = tariff.bill(usage, NOW)
        assert usage.stated_cost is not None
        if bill is None:
            unknown.append((usage.searches, usage.service))
        elif abs(bill.amount - usage.stated_cost) <= 1:
            equal[provider] += 1
        else:
            assert (provider, model) in APART, (provider, model, bill.amount, usage.stated_cost)

    assert equal == {"openrouter": 28, "vercel-gateway": 27}
    # A search without a price, and a service without one: nobody knows what these cost, so that no bill is made up.
    assert sorted(unknown) == [(0, "provisioned"), (1, ""), (1, ""), (1, "standard"), (1, "standard")]
