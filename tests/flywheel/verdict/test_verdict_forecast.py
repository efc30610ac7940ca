"""How many more pairs: forecasts of tests in progress, held against what then happened."""

import numpy as np
import pytest
from verdict_world import differences, first, looks

from freehold.flywheel.verdict.forecast import HORIZON, plan
from freehold.flywheel.verdict.pairs import Pairs
from freehold.flywheel.verdict.verdict import Design, NotEnough, verdict

DESIGN = Design(margin=0.05)


def test_what_was_forecast_to_be_needed_mostly_is() -> None:
    rng = np.random.default_rng(21)
    start, inside, asked = 150, 0, 0
    for _ in range(60):
        mean = float(rng.normal(0, 0.04))  # traffic differs from owner to owner
        d = differences(rng, 1, 15_000, discordance=0.15, mean=mean)
        pairs = Pairs(counts={"": {float(v): int((d[0, :start] == v).sum()) for v in (-1.0, 0.0, 1.0)}})
        up, down = looks(d, margin=0.05), looks(d, margin=0.05, mirrored=True)
        needed = int(first(np.maximum(up, down) >= np.log(20))[0]) - start
        if needed <= 0:
            continue
        found = verdict(DESIGN, pairs)
        assert isinstance(found, NotEnough)
        asked += 1
        inside += (found.more.low or HORIZON) <= needed <= (found.more.high or HORIZON)

    assert asked >= 20
    assert inside >= 0.65 * asked


def test_a_forecast_shrinks_as_an_equal_candidate_keeps_being_equal() -> None:
    more: list[int] = []
    for n in (400, 1200):
        found = verdict(Design(margin=0.02), Pairs(counts={"": {1.0: n // 20, 0.0: n - n // 10, -1.0: n // 20}}))
        assert isinstance(found, NotEnough)
        assert found.more.high is not None
        more.append(found.more.high)

    assert more[1] < more[0]


def test_a_candidate_on_the_line_is_forecast_to_stay_undecided() -> None:
    found = verdict(DESIGN, Pairs(counts={"": {1.0: 50_000, 0.0: 895_000, -1.0: 100_000}}))

    assert isinstance(found, NotEnough)
    assert found.more.high is None


def test_the_same_pairs_give_the_same_forecast() -> None:
    pairs = Pairs(counts={"": {1.0: 9, 0.0: 100, -1.0: 8}})

    assert verdict(DESIGN, pairs) == verdict(DESIGN, pairs)


def test_a_smaller_margin_and_more_disagreement_need_more_pairs() -> None:
    likely = [
        plan(margin=margin, discordance=discordance).likely or HORIZON
        for margin, discordance in ((0.05, 0.05), (0.05, 0.2), (0.02, 0.2), (0.01, 0.2))
    ]

    assert likely == sorted(likely)
    assert likely[0] < likely[-1] / 20


def test_a_plan_for_a_difference_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a discordance"):
        plan(margin=0.05, discordance=0.1, difference=0.2)
