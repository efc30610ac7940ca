"""Results are computed from what was answered, failures and conversations included."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.dataset import Example
from freehold.core.request import Message, TextPart
from freehold.flywheel.evaluation.replay import Reply
from freehold.flywheel.evaluation.results import measured, pairs, results
from freehold.flywheel.evaluation.scorers import scorer
from freehold.flywheel.verdict.verdict import Approve, NotEnough, Reject


def example(number: int, target: str, episode: str | None = None) -> Example:
    said = (Message("user", (TextPart(f"question {number}"),)),)
    return Example(id=str(number), messages=said, target=target, source="label", episode=episode)


def said(text: str, *, by: str = "a", cost: int | None = 10, latency: int = 100, cached: bool = False) -> Reply:
    return Reply(text=text, outcome="answered", by=by, cost=cost, latency=latency, cached=cached)


FAILED = Reply(text="", outcome="failed", error="all is lost")


def test_a_line_tells_scores_costs_times_and_errors_of_a_deployment() -> None:
    examples = [example(n, "yes" if n < 3 else "no") for n in range(4)]
    replies = {
        "a": [said("yes"), said("yes", cost=30), said("no", latency=500), FAILED],
        "b": [said("yes", by="b"), said("yes", by="a"), said("yes", by="b", cached=True), said("no", by="b")],
    }

    found = results(examples, replies, [scorer("exact")], margin=0.02, alpha=0.05)

    a, b = found.lines
    assert (a.answered, a.own, a.scores["exact"].mean) == (0.75, 0.75, 0.5)
    assert (a.cost, a.latency_p50, a.latency_p95) == (pytest.approx(50 / 3), 100, 500)
    assert a.errors == {"all is lost": 1}
    assert a.slices["no"].mean == 0.0
    assert a.slices["yes"].mean == pytest.approx(2 / 3)
    assert (b.own, b.scores["exact"].mean, b.cost) == (0.75, 1.0, 10)
    assert found.disagreements == (
        ("question 2", "yes", ("no", "yes")),
        ("question 3", "no", ("", "no")),
    )


def test_an_unknown_cost_makes_the_mean_unknown_instead_of_smaller() -> None:
    found = results(
        [example(1, "x"), example(2, "x")],
        {"a": [said("x"), said("x", cost=None)]},
        [scorer("exact")],
        margin=0.1,
        alpha=0.05,
    )

    assert found.lines[0].cost is None


@pytest.mark.parametrize(("good", "kind"), [(1.0, Approve), (0.0, Reject)])
def test_a_clear_difference_is_decided_and_a_small_sample_is_not(good: float, kind: type) -> None:
    examples = [example(n, "yes") for n in range(400)]
    replies = {
        "a": [said("yes" if n % 10 else "no") for n in range(400)],
        "b": [said("yes" if n / 400 < good else "no", cost=1) for n in range(400)],
    }

    found = results(examples, replies, [scorer("exact")], margin=0.02, alpha=0.05)
    few = results(examples[:3], {d: r[:3] for d, r in replies.items()}, [scorer("exact")], margin=0.02, alpha=0.05)

    assert isinstance(found.comparisons[0].verdict, kind)
    assert found.comparisons[0].cost is not None
    assert found.comparisons[0].cost.high < 0.2
    assert isinstance(few.comparisons[0].verdict, NotEnough)


def test_questions_of_one_conversation_are_one_pair() -> None:
    examples = [example(1, "x", "talk"), example(2, "x", "talk"), example(3, "x")]

    assert pairs([1, 0, 1], [1, 1, 1], examples).counts == {"": {0.5: 1, 0.0: 1}}


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=60))
def test_an_interval_holds_its_mean_and_stays_in_range(scores: list[float]) -> None:
    for binary in (True, False):
        found = measured(scores, binary=binary)
        assert 0 <= found.low <= found.mean + 1e-12
        assert found.mean - 1e-12 <= found.high <= 1


def test_wilsons_interval_is_the_published_one() -> None:
    found = measured([1.0] * 8 + [0.0] * 2, binary=True)  # Brown, Cai and DasGupta 2001: 8 of 10

    assert (round(found.low, 3), round(found.high, 3)) == (0.490, 0.943)


def test_a_deployment_that_abstains_is_judged_as_on_a_route() -> None:
    examples = [example(n, "yes") for n in range(3)]
    unsure = Reply(text="", outcome="failed", error="not sure", cost=None, latency=7, abstained=True)
    replies = {
        "dear": [said("yes", by="dear"), said("no", by="dear"), said("yes", by="dear")],
        "own": [said("yes", by="own", cost=0), unsure, FAILED],
    }

    own = results(examples, replies, [scorer("exact")], margin=0.1, alpha=0.05).lines[1]

    assert (own.answered, own.own) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert own.scores["exact"].mean == pytest.approx(1 / 3)
    assert own.cost == 5  # nothing for the one it answered, the incumbent's price for the one it handed on
    assert own.errors == {"all is lost": 1}
