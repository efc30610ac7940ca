"""Judged pairs: a judge may be biased, and gold pairs decide."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from verdict_world import NEVER, VALUES, at_most, differences, first, looks, sequences

from freehold.flywheel.verdict.betting import Floats, bets, log_e
from freehold.flywheel.verdict.judge import REACH, Judged, folded, rectified, rectified_outcomes, verdict_of_judged
from freehold.flywheel.verdict.pairs import Stratum
from freehold.flywheel.verdict.verdict import Approve, Design, NotEnough, Reject

MARGIN = 0.05
DESIGN = Design(margin=MARGIN)
THRESHOLD = math.log(20)
EACH = 10


def judged_by(rng: np.random.Generator, truth: Floats, *, right: float, bias: float) -> Floats:
    """A judge that sees the truth with chance `right`, else guesses, and says 'B' anyway with chance `bias`."""
    said = np.where(rng.random(truth.shape) < right, truth, rng.choice(VALUES, truth.shape))
    return np.where(rng.random(truth.shape) < bias, 1.0, said)


def gold_looks(truth: Floats, judge: Floats, mean: Floats, *, mirrored: bool = False) -> Floats:
    """Log e-values after each gold pair, (runs, pairs), by the code that gives verdicts."""
    value, reach = rectified(truth, judge, mean, np.full(truth.shape, float(EACH)))
    value, line = (-value, MARGIN) if mirrored else (value, -MARGIN)
    ratio = (value + reach) / (line + reach)
    each = np.stack([np.log1p(f * (ratio - 1)).cumsum(axis=-1) for f in bets(MARGIN, REACH)])
    top = each.max(axis=0)
    return top + np.log(np.exp(each - top).mean(axis=0))


def world(
    seed: int, *, mean: float, bias: float, runs: int = 1000, pairs: int = 600
) -> tuple[Floats, Floats, Floats, Floats]:
    """Truth and judge on gold pairs, the judge's means beside them, and the judge on every pair."""
    rng = np.random.default_rng(seed)
    truth = differences(rng, runs, pairs, discordance=0.2, mean=mean)
    judge = judged_by(rng, truth, right=0.85, bias=bias)
    others = judged_by(rng, differences(rng, runs, pairs * EACH, discordance=0.2, mean=mean), right=0.85, bias=bias)
    return truth, judge, others.reshape(runs, pairs, EACH).mean(axis=-1), others


@pytest.mark.parametrize("mean", [-MARGIN, -0.1])
def test_a_judge_biased_towards_the_candidate_promotes_no_worse_one_once_there_is_gold(mean: float) -> None:
    truth, judge, means, others = world(31, mean=mean, bias=0.1)

    alone = (looks(others[:, :2000], margin=MARGIN) >= THRESHOLD).any(axis=1).mean()
    corrected = (gold_looks(truth, judge, means) >= THRESHOLD).any(axis=1).mean()

    assert alone > 0.18
    assert corrected <= at_most(0.05, 1000)


def test_a_judge_biased_against_a_sound_candidate_does_not_sink_it() -> None:
    truth, judge, means, others = world(32, mean=MARGIN, bias=0.0)
    judge, means, others = judge - 0.15, means - 0.15, others - 0.15

    rejected = (gold_looks(truth, np.maximum(judge, -1), means, mirrored=True) >= THRESHOLD).any(axis=1).mean()

    assert rejected <= at_most(0.05, 1000)
    assert others.mean() < -MARGIN


def test_a_good_judge_saves_gold() -> None:
    truth, judge, means, _ = world(33, mean=0.0, bias=0.05, pairs=900)

    alone = first(looks(truth, margin=MARGIN) >= THRESHOLD)
    helped = first(gold_looks(truth, judge, means) >= THRESHOLD)

    assert np.median(helped) < 0.85 * np.median(alone)
    assert (helped == NEVER).mean() < (alone == NEVER).mean()


def test_the_wealth_of_a_biased_judge_neither_grows_nor_shrinks_on_average_on_the_margin() -> None:
    """Exact: every sequence of five gold pairs of a judge that is often wrong, always in favour of B."""
    margin = 0.2
    kinds = [((1.0, 1.0), 0.2), ((0.0, 1.0), 0.4), ((-1.0, 1.0), 0.2), ((-1.0, -1.0), 0.2)]  # truth and judge
    judge_mean = sum(said * chance for (_, said), chance in kinds)
    atoms = [((d, f, judge_mean + g), chance / 2) for (d, f), chance in kinds for g in (-0.3, 0.3)]
    assert sum(d * chance for (d, _, _), chance in atoms) == pytest.approx(-margin)

    columns: list[tuple[object, ...]] = []
    chances: list[float] = []
    for drawn, chance in sequences(atoms, 5):
        columns.append(drawn)
        chances.append(chance)
    truth, judge, mean = np.moveaxis(np.array(columns, dtype=np.float64), -1, 0)
    value, reach = rectified(truth, judge, mean, np.full(truth.shape, 4.0))
    ratio = (value + reach) / (-margin + reach)
    wealth = np.mean([np.prod(1 + f * (ratio - 1), axis=1) for f in bets(margin, REACH)], axis=0)

    assert float(np.array(chances) @ wealth) == pytest.approx(1)
    assert (np.abs(value) <= reach).all()


pair = st.tuples(st.sampled_from([-1.0, 0.0, 1.0]), st.floats(-1, 1), st.floats(-1, 1))


@given(gold=st.lists(pair, min_size=1, max_size=20), truth=st.sampled_from([-1.0, 0.0, 1.0]), judge=st.floats(-1, 1))
def test_how_much_a_judge_weighs_is_settled_before_the_pair_is_seen(
    gold: list[tuple[float, float, float]], truth: float, judge: float
) -> None:
    columns = np.array(gold).T
    changed = columns.copy()
    changed[0, -1], changed[1, -1] = truth, judge
    count = np.full(len(gold), 5.0)

    value, reach = rectified(*columns, count)
    other, other_reach = rectified(*changed, count)

    assert (reach == other_reach).all()
    assert (value[:-1] == other[:-1]).all()


def test_a_judge_alone_never_decides() -> None:
    judged = Judged()
    for _ in range(100_000):
        judged.add_judged(1.0)

    found = verdict_of_judged(DESIGN, judged)

    assert isinstance(found, NotEnough)
    assert found.why.startswith("0 gold pairs beside 100000 that only a judge scored, and a judge decides nothing")
    assert found.evidence.pairs == 0
    assert found.more.likely is not None


def test_gold_pairs_decide_with_the_judge_or_against_it() -> None:
    for truth, kind in ((0.0, Approve), (-1.0, Reject)):
        judged = Judged(each=2)
        for n in range(600):
            judged.add_judged(1.0)
            judged.add_judged(0.0)
            judged.add_gold(truth if n % 5 == 0 else 0.0, 1.0)

        assert isinstance(verdict_of_judged(DESIGN, judged), kind)


def test_judged_pairs_saved_and_continued_give_the_same_verdict() -> None:
    rng = np.random.default_rng(34)
    whole, parts = Judged(each=3), Judged(each=3)
    for _ in range(200):
        said = [float(x) for x in rng.choice(VALUES, 4)]
        for judged in (whole, parts):
            for one in said[:3]:
                judged.add_judged(one)
            judged.add_gold(said[3], said[3])
        parts = msgspec.json.decode(msgspec.json.encode(parts), type=Judged)

    assert verdict_of_judged(DESIGN, parts) == verdict_of_judged(DESIGN, whole)


def test_the_verdict_of_judged_pairs_is_the_test_that_is_simulated() -> None:
    truth, judge, means, others = world(35, mean=0.0, bias=0.1, runs=1, pairs=120)
    judged = Judged(each=EACH)
    for n in range(120):
        for said in others[0, n * EACH : (n + 1) * EACH]:
            judged.add_judged(float(said))
        judged.add_gold(float(truth[0, n]), float(judge[0, n]))

    found = log_e(rectified_outcomes(judged), -MARGIN, bets(MARGIN, REACH))

    assert found == pytest.approx(float(gold_looks(truth, judge, means)[0, -1]))


def test_gold_without_judged_pairs_beside_it_counts_as_it_is() -> None:
    judged = Judged()
    for n in range(400):
        judged.add_gold([1.0, -1.0, 0.0, 0.0][n % 4], [-1.0, 1.0, 1.0, 0.0][n % 4])

    seen = rectified_outcomes(judged)

    assert list(seen.value[:4]) == [1.0, -1.0, 0.0, 0.0]
    assert (seen.reach == 1).all()


@pytest.mark.parametrize(
    ("second", "first_", "difference"), [(1.0, 1.0, 1.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0), (1.0, 0.5, 0.5)]
)
def test_a_judge_asked_in_both_orders_gives_one_difference(second: float, first_: float, difference: float) -> None:
    assert folded(second, first_) == difference


def test_what_is_no_judgement_is_refused() -> None:
    with pytest.raises(ValueError, match=r"preference is 1\.5"):
        folded(1.5, 0.0)
    with pytest.raises(ValueError, match="difference is nan"):
        Judged().add_judged(math.nan)
    with pytest.raises(ValueError, match="not stratified"):
        verdict_of_judged(Design(margin=0.1, strata={"a": Stratum(weight=1, share=1)}), Judged())
