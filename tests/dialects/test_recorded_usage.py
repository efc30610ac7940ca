"""Usage in every recorded answer, against an oracle that is written the long way from the providers' references."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from recorded import STREAMS, WHOLE, Row, chunks, compact, name, needs_recordings, quirks, stream

from freehold.core.events import Used, collect
from freehold.core.usage import Usage
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.providers.known import KNOWN

pytestmark = needs_recordings
Counts = dict[str, Any]


SERVICES = {
    "default": "standard",
    "standard": "standard",
    "on_demand": "standard",
    "provisioned": "provisioned",
    None: "",
    "": "",
}


def told(row: Row) -> Counts | None:
    """The last usage that an answer states, wherever its provider puts it, with the service tier beside it."""
    found: list[Counts] = []
    for chunk in [row["response"]["body"]] if "body" in row["response"] else chunks(row):
        places = [chunk.get("usage"), (chunk.get("x_groq") or {}).get("usage")]
        places += [choice.get("usage") for choice in chunk.get("choices") or ()]
        said = [place for place in places[:1] + places[2:] + places[1:2] if place][:1]
        found += [{**place, "service_tier": chunk.get("service_tier") or place.get("service_tier")} for place in said]
    return found[-1] if found else None


def oracle(u: Counts) -> Usage:
    prompt, completion, total = u["prompt_tokens"], u["completion_tokens"], u["total_tokens"]
    within, spent = u.get("prompt_tokens_details") or {}, u.get("completion_tokens_details") or {}
    read = within.get("cached_tokens") or 0
    for old in ("cached_tokens", "num_cached_tokens", "prompt_cache_hit_tokens"):
        read = read or u.get(old) or 0
    write = within.get("cache_write_tokens") or u.get("cache_creation_input_tokens") or 0
    reasoning = spent.get("reasoning_tokens") or 0
    if total > prompt + completion:  # xAI and Gemini count reasoning in the total alone
        assert reasoning in {0, total - prompt - completion}
        reasoning = total - prompt - completion
        output = completion + reasoning
    elif "market_cost" in u:  # Vercel's gateway leaves it out of both, as its cost shows
        output = completion + reasoning
    else:
        output = max(completion, reasoning)
    return Usage(
        input_tokens=prompt + read if read > prompt else prompt,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=reasoning,
        input_audio_tokens=within.get("audio_tokens") or 0,
        input_image_tokens=within.get("image_tokens") or 0,
        output_audio_tokens=spent.get("audio_tokens") or 0,
        output_image_tokens=spent.get("image_tokens") or 0,
        searches=u.get("num_search_queries")
        or (u.get("server_tool_use_details") or {}).get("web_search_requests")
        or 0,
        service=SERVICES[u["service_tier"]],
        stated_cost=nano(u),
    )


def nano(u: Counts) -> int | None:
    if u.get("cost_in_usd_ticks"):  # ten thousand million ticks to the dollar
        return int((Decimal(u["cost_in_usd_ticks"]) / 10).to_integral_value(ROUND_HALF_EVEN))
    cost = u.get("cost")
    if isinstance(cost, dict):
        cost = cost["total_cost"]
    return None if cost is None else int((Decimal(repr(cost)) * 10**9).to_integral_value(ROUND_HALF_EVEN))


@pytest.mark.parametrize("row", [*WHOLE, *STREAMS], ids=name)
def test_the_usage_of_a_recorded_answer_is_brought_into_one_form(row: Row) -> None:
    if "body" in row["response"]:
        events = [OPENAI_CHAT.decode_answer(compact(row["response"]["body"]), quirks(row))]
    else:
        events = OPENAI_CHAT.stream_decoder(quirks(row)).feed(stream(row))
    usage, raw = collect(events).usage, told(row)

    assert usage == (None if raw is None else oracle(raw))
    if usage is not None:
        assert usage.cache_read_tokens + usage.cache_write_tokens <= usage.input_tokens
        assert usage.reasoning_tokens <= usage.output_tokens


def test_the_recordings_hold_every_place_and_kind_of_usage() -> None:
    seen = [oracle(raw) for row in (*WHOLE, *STREAMS) if (raw := told(row)) is not None]

    assert sum(u.cache_read_tokens > 0 for u in seen) > 50
    assert sum(u.cache_write_tokens > 0 for u in seen) >= 5
    assert sum(u.reasoning_tokens > 0 for u in seen) > 50
    assert sum((u.stated_cost or 0) > 0 for u in seen) > 80
    assert sum(u.input_audio_tokens + u.input_image_tokens > 0 for u in seen) >= 3
    assert sum(u.searches > 0 for u in seen) >= 4
    assert {u.service for u in seen} == set(SERVICES.values())


def test_a_provider_that_is_not_asked_for_usage_states_it_all_the_same() -> None:
    silent = [row for row in STREAMS if not quirks(row).stream_usage]

    assert {row["provider"] for row in silent} == {id for id, known in KNOWN.items() if not known.quirks.stream_usage}
    for row in silent:
        events = OPENAI_CHAT.stream_decoder(quirks(row)).feed(stream(row))
        assert any(isinstance(d, Used) for event in events for d in event.deltas), name(row)
