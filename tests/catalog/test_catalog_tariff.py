"""Tariffs: every token is billed once, at the row that holds for its prompt, its service and its hour."""

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from freehold.catalog.book import catalog
from freehold.catalog.tariff import PARTS, Hours, Rates, Row, Tariff, Use, bill
from freehold.core.money import MILLION, Price, cost
from freehold.core.usage import Usage

COUNT = st.integers(0, 3_000_000)
RATE = st.integers(0, 200_000_000_000)
KINDS = ("cache_read", "cache_write", "cache_write_1h", "input_audio", "output_audio", "reasoning")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def usage(**counts: int) -> st.SearchStrategy[Usage]:
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
    return st.builds(Usage, **{name: COUNT for name in names})


USES = st.builds(
    Use,
    usage=usage(),
    cache_write_1h_tokens=COUNT,
    input_audio_tokens=COUNT,
    output_audio_tokens=COUNT,
)


def flat(rates: Rates) -> Tariff:
    return Tariff(rows=(Row(rates=rates),))


def nanos(use: Use, tariff: Tariff, when: int = 0) -> int:
    billed = bill(use, tariff, when)
    assert billed is not None
    return billed.amount


@given(USES, st.integers(0, 200_000))
def test_no_token_is_billed_twice_or_not_at_all_whatever_the_counts_say(use: Use, rate: int) -> None:
    same = rate * MILLION
    everywhere = Rates(input=same, output=same, **dict.fromkeys(KINDS, same))

    assert nanos(use, flat(everywhere)) == rate * (use.usage.input_tokens + use.usage.output_tokens)
    assert nanos(use, flat(Rates(input=same, output=same))) == nanos(use, flat(everywhere))


@given(USES, st.lists(st.integers(0, 200_000), min_size=5, max_size=5), st.booleans())
def test_a_bill_is_never_above_the_dearest_rate_for_all_tokens_nor_below_the_cheapest(
    use: Use, five: list[int], input_only: bool
) -> None:
    a, b, c, d, e = (rate * MILLION for rate in five)
    if input_only:
        rates = Rates(input=a, output=0, cache_read=b, cache_write=c, cache_write_1h=d, input_audio=e)
        tokens = use.usage.input_tokens
    else:
        rates = Rates(input=0, output=a, reasoning=b, output_audio=c)
        tokens, five = use.usage.output_tokens, five[:3]

    assert min(five) * tokens <= nanos(use, flat(rates)) <= max(five) * tokens


@given(
    st.tuples(COUNT, COUNT, COUNT, COUNT, COUNT, COUNT),
    st.builds(Rates, input=RATE, output=RATE, **{kind: RATE for kind in KINDS}),
)
def test_each_kind_of_token_is_billed_at_its_own_rate(counts: tuple[int, ...], r: Rates) -> None:
    plain, read, short, hour, audio, thought = counts
    counted = Usage(
        input_tokens=plain + read + short + hour + audio,
        output_tokens=plain + thought + audio,
        cache_read_tokens=read,
        cache_write_tokens=short + hour,
        reasoning_tokens=thought,
    )
    use = Use(usage=counted, cache_write_1h_tokens=hour, input_audio_tokens=audio, output_audio_tokens=audio)
    whole = plain * (r.input + r.output)
    for tokens, rates in ((read, (r.cache_read,)), (short, (r.cache_write,)), (hour, (r.cache_write_1h,))):
        whole += tokens * sum(rate or 0 for rate in rates)
    whole += thought * (r.reasoning or 0) + audio * ((r.input_audio or 0) + (r.output_audio or 0))

    assert abs(nanos(use, flat(r)) * MILLION - whole) * 2 <= MILLION


@given(
    st.tuples(COUNT, COUNT, COUNT, COUNT),
    st.builds(Price, input=RATE, output=RATE, cache_read=st.none() | RATE, cache_write=st.none() | RATE),
)
def test_a_flat_tariff_bills_what_the_gateway_computes(counts: tuple[int, ...], price: Price) -> None:
    plain, read, write, out = counts
    counted = Usage(
        input_tokens=plain + read + write, output_tokens=out, cache_read_tokens=read, cache_write_tokens=write
    )
    tariff = flat(Rates(**msgspec.structs.asdict(price)))

    assert nanos(Use(usage=counted), tariff) == cost(counted, price)
    assert tariff.price(0) == price


def test_a_prompt_past_the_threshold_is_billed_whole_at_the_longer_row() -> None:
    tariff = Tariff(
        rows=(
            Row(rates=Rates(input=1_250_000_000, output=10_000_000_000)),
            Row(rates=Rates(input=2_500_000_000, output=15_000_000_000), above=200_000),
        )
    )

    assert nanos(Use(usage=Usage(input_tokens=200_000, output_tokens=1000)), tariff) == 260_000_000
    assert nanos(Use(usage=Usage(input_tokens=200_001, output_tokens=1000)), tariff) == 515_002_500


def test_a_service_without_a_price_is_unknown_and_not_the_standard_one() -> None:
    tariff = Tariff(
        rows=(
            Row(rates=Rates(input=10_000_000, output=20_000_000)),
            Row(rates=Rates(input=5_000_000, output=10_000_000), service="batch"),
        )
    )
    counted = Usage(input_tokens=1_000_000)

    assert nanos(Use(usage=counted, service="batch"), tariff) == 5_000_000
    assert bill(Use(usage=counted, service="priority"), tariff, 0) is None


def test_a_region_multiplies_the_sum_and_is_rounded_once() -> None:
    tariff = Tariff(rows=(Row(rates=Rates(input=MILLION, output=MILLION)),), regions={"us": PARTS * 11 // 10})

    assert nanos(Use(usage=Usage(input_tokens=15), region="us"), tariff) == 16  # 16.5, half to even
    assert nanos(Use(usage=Usage(input_tokens=25), region="us"), tariff) == 28  # 27.5
    assert nanos(Use(usage=Usage(input_tokens=15)), tariff) == 15


def test_deepseek_is_cheaper_outside_its_weekday_peaks() -> None:
    offer = catalog().offer("deepseek", "deepseek-v4-flash", "2026-11-24")
    assert offer is not None
    tariff = offer.tariff.value
    assert tariff is not None
    million = Use(usage=Usage(input_tokens=1_000_000))
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
    one, other = Row(rates=Rates(input=1, output=2)), Row(rates=Rates(input=1, output=3))
    billed = bill(Use(usage=Usage(input_tokens=1)), Tariff(rows=(one,)), 0)

    assert billed is not None
    assert billed.row == one.digest
    assert len({one.digest, other.digest, Row(rates=one.rates, above=5).digest}) == 3
