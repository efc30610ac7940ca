"""The plan: who may serve, in which order, and why not; held against rules written a second time, the plain way."""

from fnmatch import fnmatchcase
from fractions import Fraction
from itertools import pairwise
from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.decision import Decision, Health, Inputs
from freehold.core.deployment import Deployment
from freehold.core.label import Clearance, Label, Sensitivity
from freehold.core.money import Price
from freehold.core.tariff import flat
from freehold.routing.plan import Rule, plan

STEADY = settings(max_examples=200, deadline=None, derandomize=True)
OBJECTIVES = ["cheapest", "fastest", "best", "balanced"]
NEEDS = ["tools", "image", "stream", "json_schema"]
maybe = lambda values: st.none() | values  # noqa: E731

prices = st.builds(Price, input=st.integers(0, 10**11), output=st.integers(0, 10**11))
clearances = st.builds(
    Clearance,
    ceiling=st.sampled_from(Sensitivity),
    refuses=st.frozensets(st.sampled_from(["pii", "phi"])),
    zone=maybe(st.sampled_from(["eu", "us"])),
    sovereign=st.booleans(),
)
labels = st.builds(
    Label,
    sensitivity=st.sampled_from(Sensitivity),
    categories=st.frozensets(st.sampled_from(["pii", "phi"])),
    zones=maybe(st.frozensets(st.sampled_from(["eu", "us"]))),
    sovereign=st.booleans(),
)
healths = st.builds(
    Health,
    open=st.booleans(),
    error_rate=st.sampled_from([0.0, 0.0, 0.3, 1.0]),
    ttft_ms=maybe(st.floats(1, 5000)),
    tokens_per_second=maybe(st.floats(1, 500)),
)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Inputs, tuple[Deployment, ...]]:
    count = draw(st.integers(1, 6))
    candidates = tuple(
        Deployment(
            id=f"d{n}",
            provider="p",
            model=f"m{n % 3}",
            lacks=draw(st.frozensets(st.sampled_from(NEEDS), max_size=2)),  # type: ignore[arg-type]
            context_window=draw(maybe(st.integers(1, 5000))),
            max_output_tokens=draw(maybe(st.integers(1, 2000))),
            tariff=draw(maybe(prices.map(flat))),
            quality=draw(maybe(st.floats(0, 1))),
            ttft_ms=draw(maybe(st.floats(1, 5000))),
            tokens_per_second=draw(maybe(st.floats(1, 500))),
            clearance=draw(clearances | st.just(Clearance())),
        )
        for n in range(count)
    )
    inputs = Inputs(
        settings="s",
        asked="r",
        candidates=tuple(d.id for d in candidates),
        needs=tuple(draw(st.frozensets(st.sampled_from(NEEDS), max_size=2))),  # type: ignore[arg-type]
        prompt_tokens=draw(st.integers(0, 4000)),
        output_tokens=draw(st.integers(0, 2000)),
        allowed=draw(maybe(st.lists(st.sampled_from(["d1", "d[23]", "m0", "m*", "x"]), max_size=2).map(tuple))),
        label=draw(labels | st.just(Label())),
        budgeted=draw(st.booleans()),
        health=draw(st.dictionaries(st.sampled_from([d.id for d in candidates]), healths, max_size=3)),
        draw=draw(st.floats(0, 1, exclude_max=True)),
    )
    return inputs, candidates


def grounds(d: Deployment, i: Inputs) -> set[str]:
    """Every ground on which a deployment is out, by the words of design and settings."""
    found: set[str] = set()
    window, most = d.context_window, d.max_output_tokens
    if set(i.needs) & d.lacks:
        found.add("ability")
    if window is not None and i.prompt_tokens + i.output_tokens > window:
        found.add("context")
    if most is not None and i.output_tokens > most:
        found.add("ability")
    if i.allowed is not None and not any(fnmatchcase(d.id, p) or fnmatchcase(d.model, p) for p in i.allowed):
        found.add("key")
    label, clear = i.label, d.clearance
    if label.sensitivity > clear.ceiling or label.categories & clear.refuses:
        found.add("label")
    if (label.zones is not None and clear.zone not in label.zones) or (label.sovereign and not clear.sovereign):
        found.add("label")
    if i.budgeted and d.tariff is None:
        found.add("price")
    if i.health.get(d.id, Health()).open:
        found.add("health")
    return found


def expected_cost(d: Deployment, i: Inputs) -> float:
    price = None if d.tariff is None else d.tariff.rows[0].rates
    if price is None:
        return inf
    return round(Fraction(i.prompt_tokens * price.input + (i.output_tokens or 256) * price.output, 1_000_000))


def quality(d: Deployment, i: Inputs) -> float:
    well = max(1 - i.health.get(d.id, Health()).error_rate, 0.01)
    return (0.5 if d.quality is None else d.quality) * well


def seconds(d: Deployment, i: Inputs) -> float:
    health = i.health.get(d.id, Health())
    ttft = health.ttft_ms or d.ttft_ms or 800.0
    speed = health.tokens_per_second or d.tokens_per_second or 50.0
    return (ttft / 1000 + (i.output_tokens or 256) / speed) / max(1 - health.error_rate, 0.01)


rules = st.builds(Rule, objective=st.sampled_from(OBJECTIVES), ordered=st.booleans())


@STEADY
@given(worlds(), rules)
def test_every_candidate_is_in_the_plan_or_left_out_for_a_reason_that_is_true(
    world: tuple[Inputs, tuple[Deployment, ...]], rule: Rule
) -> None:
    inputs, candidates = world
    decision = plan(inputs, rule, candidates)

    out = {e.deployment: e for e in decision.excluded}
    assert sorted([*decision.order, *out]) == sorted(inputs.candidates)
    for deployment in candidates:
        true = grounds(deployment, inputs)
        if deployment.id in out:
            assert out[deployment.id].ground in true
            assert out[deployment.id].reason
        else:
            assert not true
    assert bool(decision.why) == bool(decision.order) or rule.ordered


@STEADY
@given(worlds(), st.sampled_from(OBJECTIVES))
def test_each_objective_puts_first_what_it_says(world: tuple[Inputs, tuple[Deployment, ...]], objective: str) -> None:
    inputs, candidates = world
    decision = plan(inputs, Rule(objective=objective), candidates)  # type: ignore[arg-type]

    by_id = {d.id: d for d in candidates}
    for before, after in pairwise(by_id[i] for i in decision.order):
        match objective:
            case "cheapest":
                assert expected_cost(before, inputs) <= expected_cost(after, inputs)
            case "fastest":
                assert seconds(before, inputs) <= seconds(after, inputs)
            case "best":
                assert quality(before, inputs) >= quality(after, inputs)
            case _:
                worse = (
                    quality(before, inputs) < quality(after, inputs)
                    and expected_cost(before, inputs) > expected_cost(after, inputs)
                    and seconds(before, inputs) > seconds(after, inputs)
                )
                assert not worse
    if decision.order:
        assert decision.why.startswith(f"{objective}: ")


@STEADY
@given(worlds(), st.sampled_from(OBJECTIVES), st.randoms(use_true_random=False))
def test_the_same_inputs_give_the_same_plan_in_whatever_order_the_candidates_come(
    world: tuple[Inputs, tuple[Deployment, ...]], objective: str, random: object
) -> None:
    inputs, candidates = world
    rule = Rule(objective=objective)  # type: ignore[arg-type]
    shuffled = list(candidates)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, two = plan(inputs, rule, candidates), plan(inputs, rule, shuffled)

    assert one == plan(inputs, rule, candidates)
    assert one.order == two.order
    assert set(one.excluded) == set(two.excluded)


@STEADY
@given(worlds(), st.sampled_from(OBJECTIVES))
def test_an_ordered_route_keeps_its_order(world: tuple[Inputs, tuple[Deployment, ...]], objective: str) -> None:
    inputs, candidates = world
    order = plan(inputs, Rule(objective=objective, ordered=True), candidates).order  # type: ignore[arg-type]

    assert list(order) == [d.id for d in candidates if d.id in order]


def drawn(weights: dict[str, float], draw: float, ids: str = "abc", **health: Health) -> Decision:
    candidates = [Deployment(id=i, provider="p", model=i, tariff=flat(Price(input=1, output=1))) for i in ids]
    inputs = Inputs(settings="s", asked="r", candidates=tuple(ids), draw=draw, health=health)
    return plan(inputs, Rule(objective="cheapest", weights=weights), candidates)


@STEADY
@given(st.dictionaries(st.sampled_from("abc"), st.integers(0, 20), min_size=1), st.sampled_from([None, "a", "b"]))
def test_weights_are_drawn_in_their_proportion_among_those_that_are_well(
    weights: dict[str, float], ill: str | None
) -> None:
    health = {} if ill is None else {ill: Health(open=True)}
    turns = 2000
    firsts = [drawn(weights, n / turns, **health).order[0] for n in range(turns)]

    well = {i: w for i, w in weights.items() if w > 0 and i != ill}
    if not well:
        assert set(firsts) == {"b" if ill == "a" else "a"}  # nothing to draw from: the objective decides
        return
    for i in "abc":
        assert abs(firsts.count(i) / turns - well.get(i, 0) / sum(well.values())) <= 2 / turns


@STEADY
@given(st.floats(0, 1, exclude_max=True))
def test_whoever_is_drawn_the_others_follow_as_fallback(draw: float) -> None:
    decision = drawn({"a": 1, "b": 2, "c": 3}, draw)

    assert sorted(decision.order) == ["a", "b", "c"]
    assert list(decision.order[1:]) == sorted(decision.order[1:])
    assert decision.why == f"drawn by weight { {'a': 1, 'b': 2, 'c': 3}[decision.order[0]] }"
