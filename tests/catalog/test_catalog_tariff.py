"""Tariffs: every token is billed once, at the row that holds for its prompt, its service and its hour."""

from datetime import UTC, datetime
from fractions import Fraction

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from freehold.catalog.book import catalog
from freehold.core.money import MILLION, NANO, Price
from freehold.core.tariff import INPUT_KINDS, OUTPUT_KINDS, PARTS, Hours, Later, Row, Tariff, flat
from freehold.core.usage import Usage

COUNT = st.integers(0, 3_000_000)
RATE = st.integers(0, 200_000_000_000)
KINDS = (
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "input_audio",
    "input_image",
    "output_audio",
    "output_image",
    "reasoning",
)
COUNTS = ("input_tokens", "output_tokens", *(f"{kind}_tokens" for kind in KINDS))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


USES = st.builds(Usage, **{name: COUNT for name in COUNTS})


def nanos(usage: Usage, tariff: Tariff, when: int = 0, asked: str = "") -> int:
    billed = tariff.bill(usage, when, asked)
    assert billed is not None
    return billed.amount


@given(USES, st.integers(0, 200_000))
def test_no_token_is_billed_twice_or_not_at_all_whatever_the_counts_say(use: Usage, rate: int) -> None:
    same = rate * MILLION
    everywhere = Price(input=same, output=same, **dict.fromkeys(KINDS, same))

    assert nanos(use, flat(everywhere)) == rate * (use.input_tokens + use.output_tokens)
    assert nanos(use, flat(Price(input=same, output=same))) == nanos(use, flat(everywhere))


@given(USES, st.lists(st.integers(0, 200_000), min_size=6, max_size=6), st.booleans())
def test_a_bill_is_never_above_the_dearest_rate_for_all_tokens_nor_below_the_cheapest(
    use: Usage, six: list[int], input_only: bool
) -> None:
    a, b, c, d, e, f = (rate * MILLION for rate in six)
    if input_only:
        rates = Price(input=a, output=0, cache_read=b, cache_write=c, cache_write_1h=d, input_audio=e, input_image=f)
        tokens = use.input_tokens
    else:
        rates = Price(input=0, output=a, reasoning=b, output_audio=c, output_image=d)
        tokens, six = use.output_tokens, six[:4]

    assert min(six) * tokens <= nanos(use, flat(rates)) <= max(six) * tokens


@given(
    st.tuples(COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT),
    st.builds(Price, input=RATE, output=RATE, **{kind: RATE for kind in KINDS}),
)
def test_each_kind_of_token_is_billed_at_its_own_rate(counts: tuple[int, ...], r: Price) -> None:
    plain, read, short, hour, audio, image, thought = counts
    used = Usage(
        input_tokens=plain + read + short + hour + audio + image,
        output_tokens=plain + thought + audio + image,
        cache_read_tokens=read,
        cache_write_tokens=short + hour,
        cache_write_1h_tokens=hour,
        input_audio_tokens=audio,
        input_image_tokens=image,
        output_audio_tokens=audio,
        output_image_tokens=image,
        reasoning_tokens=thought,
    )
    rates = msgspec.to_builtins(r)
    kinds = {"cache_read": read, "cache_write": short, "cache_write_1h": hour, "reasoning": thought}
    kinds |= {"input_audio": audio, "output_audio": audio, "input_image": image, "output_image": image}
    whole = plain * (r.input + r.output) + sum(tokens * rates[kind] for kind, tokens in kinds.items())

    assert abs(nanos(used, flat(r)) * MILLION - whole) * 2 <= MILLION


@given(
    st.tuples(COUNT, COUNT, COUNT, COUNT),
    st.builds(Price, input=RATE, output=RATE, cache_read=st.none() | RATE, cache_write=st.none() | RATE),
)
def test_a_cached_kind_without_a_rate_is_plain_input_and_the_sum_is_rounded_half_to_even(
    counts: tuple[int, ...], price: Price
) -> None:
    plain, read, write, out = counts
    used = Usage(input_tokens=plain + read + write, output_tokens=out, cache_read_tokens=read, cache_write_tokens=write)
    reading = price.input if price.cache_read is None else price.cache_read
    writing = price.input if price.cache_write is None else price.cache_write
    exact = Fraction(plain * price.input + read * reading + write * writing + out * price.output, MILLION)

    assert nanos(used, flat(price)) == round(exact)


@given(USES, st.builds(Price, input=RATE, output=RATE, **{kind: st.none() | RATE for kind in KINDS}), st.booleans())
def test_however_a_price_list_is_laid_out_it_bills_the_same(use: Usage, price: Price, hours: bool) -> None:
    """The rows of one price, once for all hours and once cut by length, hour, region and date."""
    always = Hours(spans=((0, 700), (700, 1440))) if hours else Hours(spans=((0, 1440),))
    cut = Tariff(
        rows=(
            Row(rates=price),
            Row(rates=price, above=1000),
            Row(rates=price, hours=(always,)),
            Row(rates=price, service="batch"),
        ),
        regions={"elsewhere": 2 * PARTS},
        later=(Later(since=at("2026-01-01T00:00:00"), rows=(Row(rates=price),)),),
    )

    for when in (at("2025-06-01T12:00:00"), at("2026-06-01T12:00:00")):
        assert nanos(use, cut, when) == nanos(use, flat(price), when)
    assert nanos(use, cut, 0, "batch") == nanos(use, flat(price))


@given(
    USES,
    st.lists(st.builds(Price, input=RATE, output=RATE, **{kind: st.none() | RATE for kind in KINDS}), min_size=4),
    st.sampled_from(["", "priority"]),
    st.sampled_from(["2026-11-23T02:00:00", "2026-11-23T12:00:00", "2027-01-01T00:00:00"]),
)
def test_what_is_reserved_is_never_less_than_the_bill_whatever_the_hour_the_length_and_the_cache(
    use: Usage, prices: list[Price], asked: str, when: str
) -> None:
    one, long, hour, quick, *rest = prices
    tariff = Tariff(
        rows=(
            Row(rates=one),
            Row(rates=long, above=1_500_000),
            Row(rates=hour, hours=(Hours(spans=((60, 240),)),)),
            Row(rates=quick, service="priority"),
        ),
        regions={"us": 11 * PARTS // 10},
        later=(Later(since=at("2026-12-01T00:00:00"), rows=tuple(Row(rates=p) for p in rest[:1])),),
    )
    billed = tariff.bill(msgspec.structs.replace(use, region="us"), at(when), asked)
    most = tariff.most(use.input_tokens, use.output_tokens, asked=asked, kinds=INPUT_KINDS | OUTPUT_KINDS)

    assert billed is None or billed.amount <= most


def test_a_search_is_billed_where_it_has_a_price_and_makes_the_bill_unknown_where_it_has_none() -> None:
    used = Usage(input_tokens=1_000_000, searches=3)
    price = Price(input=10, output=20, search=10_000 * NANO)  # ten dollars for a thousand

    assert nanos(used, flat(price)) == 10 + 30_000_000
    assert flat(msgspec.structs.replace(price, search=None)).bill(used, 0) is None
    assert nanos(used, flat(Price(input=10, output=20, search=0))) == 10


def test_a_prompt_past_the_threshold_is_billed_whole_at_the_longer_row() -> None:
    tariff = Tariff(
        rows=(
            Row(rates=Price(input=1_250_000_000, output=10_000_000_000)),
            Row(rates=Price(input=2_500_000_000, output=15_000_000_000), above=200_000),
        )
    )

    assert nanos(Usage(input_tokens=200_000, output_tokens=1000), tariff) == 260_000_000
    assert nanos(Usage(input_tokens=200_001, output_tokens=1000), tariff) == 515_002_500


def test_a_service_without_a_price_is_unknown_and_not_the_standard_one() -> None:
    tariff = Tariff(
        rows=(
            Row(rates=Price(input=10_000_000, output=20_000_000)),
            Row(rates=Price(input=5_000_000, output=10_000_000), service="batch"),
        )
    )
    counted = Usage(input_tokens=1_000_000)

    assert nanos(counted, tariff, asked="batch") == 5_000_000
    assert nanos(Usage(input_tokens=1_000_000, service="batch"), tariff) == 5_000_000
    assert tariff.bill(counted, 0, "priority") is None
    assert tariff.bill(Usage(input_tokens=1_000_000, service="priority"), 0) is None


def test_a_request_is_billed_as_it_was_served_and_not_as_it_was_asked_for() -> None:
    tariff = Tariff(
        rows=(Row(rates=Price(input=10, output=20)), Row(rates=Price(input=25, output=50), service="priority"))
    )

    assert nanos(Usage(input_tokens=MILLION, service="standard"), tariff, asked="priority") == 10
    assert nanos(Usage(input_tokens=MILLION, service="priority"), tariff, asked="standard") == 25
    assert nanos(Usage(input_tokens=MILLION), tariff, asked="priority") == 25


def test_a_region_multiplies_the_sum_and_is_rounded_once() -> None:
    tariff = Tariff(rows=(Row(rates=Price(input=MILLION, output=MILLION)),), regions={"us": PARTS * 11 // 10})

    assert nanos(Usage(input_tokens=15, region="us"), tariff) == 16  # 16.5, half to even
    assert nanos(Usage(input_tokens=25, region="us"), tariff) == 28  # 27.5
    assert nanos(Usage(input_tokens=15), tariff) == 15


def test_deepseek_is_cheaper_outside_its_weekday_peaks() -> None:
    offer = catalog().offer("deepseek", "deepseek-v4-flash", "2026-11-24")
    assert offer is not None
    tariff = offer.tariff.value
    assert tariff is not None
    million = Usage(input_tokens=1_000_000)
    peak, off = 300_000_000, 150_000_000

    asked = {
        when: nanos(million, tariff, at(when))
        for when in (
            "2026-11-23T00:59:59",  # a Monday
            "2026-11-23T01:00:00",
            "2026-11-23T03:59:59",
            "2026-11-23T04:00:00",
            "2026-11-23T06:00:00",
            "2026-11-23T10:00:00",
            "2026-11-28T07:00:00",  # a Saturday
        )
    }

    assert list(asked.values()) == [off, peak, peak, off, peak, off, off]


def test_weekdays_are_those_of_the_calendar_of_the_price_list() -> None:
    monday = Hours(spans=((0, 1440),), weekdays=(1,), calendar_offset=8 * 60)

    assert not monday.hold(at("2026-11-22T15:59:00"))
    assert monday.hold(at("2026-11-22T16:00:00"))  # it is Monday in Shanghai
    assert not monday.hold(at("2026-11-23T16:00:00"))


def test_a_bill_names_the_row_it_was_made_from() -> None:
    one, other = Row(rates=Price(input=1, output=2)), Row(rates=Price(input=1, output=3))
    billed = Tariff(rows=(one,)).bill(Usage(input_tokens=1), 0)

    assert billed is not None
    assert billed.row == one.digest
    assert len({one.digest, other.digest, Row(rates=one.rates, above=5).digest}) == 3
