"""The crossing: where two costs meet, no sooner and no later; its band, its sensitivities, its picture."""

from xml.etree import ElementTree

import pytest
from breakeven_world import LEVEL, costs, h100, small, taking, traffic
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from freehold.catalog.book import catalog
from freehold.catalog.breakeven.answer import Report, crossing, first, report
from freehold.catalog.breakeven.assumptions import assumptions
from freehold.catalog.breakeven.capacity import capacity
from freehold.catalog.breakeven.costs import Asks
from freehold.catalog.breakeven.plot import OPTIONS, characters, count, money, svg
from freehold.catalog.breakeven.replica import LEVELS, replica
from freehold.catalog.fit.candidate import candidate
from freehold.catalog.fit.machine import named
from freehold.core.money import NANO

SEEN = traffic(600, rate=3)
REPLICA = small()


def answered(dollars: float, **given: float) -> Report:
    """The report where the API takes so many dollars a month for `SEEN`."""
    return report(
        SEEN,
        REPLICA,
        Asks(input=round(dollars * 0.6 * NANO), output=round(dollars * 0.4 * NANO)),
        names=("Gemma", "H100", "an API"),
        level=LEVEL,
        assumed=assumptions(h100(), given),
        hits=0.0,
    )


@pytest.fixture(scope="module")
def usual() -> Report:
    return answered(8_000)


@given(dollars=st.floats(500, 1e6), staff=st.floats(0, 40))
def test_the_crossing_is_where_both_cost_the_same_and_before_it_the_api_is_cheaper(
    dollars: float, staff: float
) -> None:
    book = costs(dollars, staff_owned=staff)
    found = first(book, "owned")
    if found is None:
        return

    owned, before = book.owned(found), book.owned(found * 0.99)
    assert owned is not None
    assert before is not None
    assert owned.total < book.api(found).total
    assert owned.total == pytest.approx(book.api(found).total, rel=0.01)
    for part in (0.99, 0.7, 0.3, 0.05):
        cheaper = book.owned(found * part)
        assert cheaper is not None
        assert cheaper.total >= book.api(found * part).total


@given(dollars=st.floats(500, 1e5), dearer=st.floats(1, 10))
def test_a_dearer_api_is_crossed_no_later(dollars: float, dearer: float) -> None:
    one, other = first(costs(dollars), "owned"), first(costs(dollars * dearer), "owned")

    assert (one or float("inf")) >= (other or float("inf")) * (1 - 0.002)


def test_a_free_api_is_never_crossed() -> None:
    assert first(costs(0), "owned") is None
    assert crossing(costs(0), "rented", 1e9) is None


def test_where_a_further_replica_loses_the_lead_the_crossing_is_not_yet_for_good() -> None:
    book = costs(1_900, capacity=taking((2.0, 4.0, 8.0, 16.0)))
    found = crossing(book, "owned", 1e9)

    assert found is not None
    assert found.for_good is not None
    assert found.for_good > found.times
    edge = book.capacity.takes(found.replicas) * 1.0001
    after = book.owned(edge)
    assert after is not None
    assert after.total > book.api(edge).total
    for times in (1.01, 1.5, 3, 10, 40):
        later = book.owned(found.for_good * times)
        assert later is not None
        assert later.total <= book.api(found.for_good * times).total


def test_the_load_at_the_crossing_is_the_part_of_what_the_replicas_take() -> None:
    book = costs(8_000)
    found = crossing(book, "owned", 1e9)

    assert found is not None
    assert found.tokens == found.times * 1e9
    assert found.load == found.times / book.capacity.takes(found.replicas)
    assert 0 < found.load <= 1


def test_the_report_is_the_same_again_and_adds_up(usual: Report) -> None:
    assert answered(8_000) == usual
    for option in usual.options.values():
        assert option.total == sum(option.spent.parts.values())
    assert usual.options["api"].per_million == round(usual.options["api"].total / usual.traffic.tokens_a_month * 1e6)
    assert usual.serving.takes_low <= usual.serving.takes <= usual.serving.takes_high


def test_the_band_lies_around_the_crossing_and_narrows_to_it_where_all_is_given(usual: Report) -> None:
    band, crossed = usual.bands["owned"], usual.crossings["owned"]
    assert crossed is not None
    assert band.low is not None
    assert band.low < crossed.times
    assert band.high is None or band.high > crossed.times
    exact = answered(8_000, **{one.name: one.value for one in usual.assumptions})

    assert exact.crossings["owned"] == crossed
    assert [swing.name for swing in exact.swings] == ["speed"]


def test_the_largest_swing_comes_first_and_prices_pull_the_way_they_must(usual: Report) -> None:
    swings = {swing.name: swing for swing in usual.swings}
    for name in ("buy", "wage", "staff_owned", "power_price", "capital", "api_fall"):
        low, high = swings[name].at_low, swings[name].at_high
        assert low is not None, name
        assert high is None or low <= high, name
    assert (swings["years"].at_high or 0) <= (swings["years"].at_low or float("inf"))
    assert swings["carbon"].at_low == swings["carbon"].at_high
    assert usual.swings[-1].at_low == usual.swings[-1].at_high


def test_a_service_level_that_cannot_be_met_is_said_instead_of_priced() -> None:
    found = report(
        SEEN,
        REPLICA,
        Asks(input=NANO, output=NANO),
        names=("Gemma", "H100", "an API"),
        level=replace(LEVEL, token_s=0.0001),
        assumed=assumptions(h100(), {}),
        hits=0.0,
    )

    assert not found.reachable
    assert set(found.options) == {"api"}
    assert (found.crossings["owned"], found.crossings["rented"]) == (None, None)
    assert found.bands["owned"].never == 1.0
    assert list(characters(found)) == []
    with pytest.raises(ValueError, match="nothing to draw"):
        svg(found)


def test_more_replicas_take_more_and_a_slower_pace_less() -> None:
    found = [capacity(SEEN, REPLICA, REPLICA.paces[level], level=LEVEL, hits=0.0) for level in LEVELS]

    for one in found:
        assert list(one.most) == sorted(one.most)
        assert one.most[0] > 0
    assert [one.most[0] for one in found] == sorted(one.most[0] for one in found)


def test_cached_prompts_let_a_replica_take_more() -> None:
    without, with_ = (capacity(SEEN, REPLICA, REPLICA.paces["middle"], level=LEVEL, hits=h) for h in (0.0, 0.8))

    assert with_.most[0] > without.most[0]


def test_a_model_that_does_not_fit_gets_no_replica() -> None:
    deepseek = candidate(catalog().models["deepseek-r1"])
    with pytest.raises(ValueError, match=r"DeepSeek-R1 does not fit with 4,096 tokens of context"):
        replica(deepseek, named("2x H100 SXM"), longest=4096, prompt=1000, context=1200)
    model = candidate(catalog().models["minimax-m2.5"])
    minimax = replica(model, named("4x H100 SXM"), longest=4096, prompt=1000, context=1200)

    assert minimax.option.verdict == "fits"
    assert minimax.size(256) == 253_952 * 256 // minimax.devices


def test_the_picture_is_svg_with_a_title_and_a_line_for_each_option(usual: Report) -> None:
    root = ElementTree.fromstring(svg(usual))
    space = "{http://www.w3.org/2000/svg}"
    texts = [text.text for text in root.iter(f"{space}text")]
    drawn = [path for path in root.iter(f"{space}path") if (path.get("d") or "").count("L") > 100]

    assert "own hardware becomes cheaper than the API at" in (root.findtext(f"{space}title") or "")
    assert len(drawn) == len(OPTIONS)
    assert {"API", "own hardware", "rented hardware", "this traffic"} <= set(texts)
    assert len(root.findall(f"{space}circle")) == 1


def test_names_in_a_picture_cannot_break_it(usual: Report) -> None:
    root = ElementTree.fromstring(svg(replace(usual, model="<b>&'\"", api="</svg>")))

    assert any("<b>&'\" on H100, or </svg>" in (text.text or "") for text in root.iter())


def test_characters_draw_every_option_and_today(usual: Report) -> None:
    lines = list(characters(usual, wide=60, tall=12))

    assert "today" in lines[13]
    assert "^ owned" in "".join(lines[13:15])
    for sign in ("[red]a", "[yellow]r", "[blue]o", "[green]b"):
        assert any(sign in line for line in lines[:12]), sign


@pytest.mark.parametrize(
    ("amount", "said"), [(0.5, "$0.50"), (12, "$12"), (999, "$999"), (3400, "$3.4k"), (115_000, "$115k"), (2e6, "$2M")]
)
def test_money_is_said_in_few_characters(amount: float, said: str) -> None:
    assert money(amount) == said


@pytest.mark.parametrize(("tokens", "said"), [(950, "950"), (3400, "3.4k"), (12e6, "12M"), (130e9, "130B")])
def test_tokens_are_said_in_few_characters(tokens: float, said: str) -> None:
    assert count(tokens) == said
