"""Guards: when a candidate gets worse than the incumbent beside it."""

import math

import msgspec
import numpy as np
import pytest
from verdict_world import sequences

from freehold.flywheel.verdict.betting import BETS, Floats
from freehold.flywheel.verdict.delay import Delay, blocks, delay
from freehold.flywheel.verdict.guard import LONGEST, Guard, Watch, blocks_a_request, difference_of, run_length, step

DAY = 10_000  # requests, of which a tenth goes to the candidate
MONTH = run_length(requests_a_day=DAY, share=0.1)
ERRORS = Guard(kind="harm", tolerated=0.01, run_length=MONTH)


def alarms(guard: Guard, differences: Floats) -> Floats:
    """The block of each row's (runs, blocks) first alarm, from 1; infinite without one."""
    wealth = np.tile(guard.start(), (len(differences), 1))
    found = np.full(len(differences), math.inf)
    for block in range(differences.shape[1]):
        wealth = step(wealth, differences[:, block], guard.allowed)
        alarm = wealth.mean(axis=-1) >= guard.limit
        found[alarm & ~np.isfinite(found)] = block + 1
        wealth[alarm] = 0.0
    return found


def daily(requests: Floats) -> Floats:
    """How often requests go wrong over the day, by number of the request: from 2 % at night to 18 % at noon."""
    return 0.1 + 0.08 * np.sin(2 * np.pi * requests / DAY)


def month_of_traffic(seed: int, runs: int) -> tuple[Floats, Floats]:
    """Control and candidate harm, (runs, blocks), in blocks of nine and one, both following the day."""
    rng = np.random.default_rng(seed)
    numbers = np.arange(30 * DAY).reshape(-1, 10)
    control = np.zeros((runs, len(numbers)))
    for column in range(9):
        control += rng.random((runs, len(numbers))) < daily(numbers[:, column])
    return control / 9, (rng.random((runs, len(numbers))) < daily(numbers[:, 9])).astype(np.float64)


def test_thirty_days_of_a_sound_candidate_bring_at_most_one_false_alarm_though_traffic_follows_the_day() -> None:
    control, candidate = month_of_traffic(51, runs=40)
    guard = Guard(kind="harm", tolerated=0.0, run_length=MONTH)  # on the line: what is hardest

    false_alarms = np.isfinite(alarms(guard, candidate - control)).sum()

    assert false_alarms <= 40 * 0.75  # 1 - 1/e of the runs, were the bound sharp; Poisson noise on top


def test_a_guard_against_yesterdays_figure_would_alarm_within_days() -> None:
    _, candidate = month_of_traffic(51, runs=5)

    found = alarms(ERRORS, candidate[:, :5000] - 0.1)

    assert (found <= 5 * DAY // 10).all()


@pytest.mark.parametrize(("mean", "tolerated"), [(0.2, 0.2), (0.1, 0.2), (0.0, 0.0), (-0.3, 0.0)])
def test_sums_grow_by_one_a_telling_block_on_the_line_and_by_less_below_it(mean: float, tolerated: float) -> None:
    """Exact, over every sequence of six blocks: so alarms are rare, by Doob's inequality and optional stopping."""
    atoms = [(1.0, 0.3 + mean / 2), (0.0, 0.4), (-1.0, 0.3 - mean / 2)]
    guard = Guard(kind="harm", tolerated=tolerated, run_length=100, early=0.1)
    expected = 0.0
    for drawn, chance in sequences(atoms, 6):
        wealth = guard.start()
        for difference in drawn:
            wealth = step(wealth, np.asarray(difference, dtype=np.float64), guard.allowed)
        expected += chance * float(wealth.mean())
    bound = float(guard.start().mean()) + 6 * (0.6 if tolerated == 0 else 1)

    assert (expected == pytest.approx(bound)) == (mean == tolerated)
    assert expected <= bound * (1 + 1e-9)


def test_two_arms_without_a_single_error_never_alarm() -> None:
    watch = Watch(guard=Guard(kind="harm", tolerated=0.0, run_length=100))

    assert not any(watch.see_both(0.0, 0.0) for _ in range(2000))


def test_false_alarms_are_as_rare_as_the_run_length_says() -> None:
    rng = np.random.default_rng(52)
    guard = Guard(kind="harm", tolerated=0.0, run_length=500, early=0.0)
    runs = 400

    found = alarms(guard, blocks(rng, runs * 3000, control=0.2, candidate=0.2, share=0.5).reshape(runs, 3000))

    assert np.minimum(found, 3000).mean() >= 500  # the mean is cut short at 3,000: the true one is longer still
    for within in (50, 150, 400):
        assert (found <= within).mean() <= within / 500 + 3.1 * math.sqrt(0.25 / runs)


@pytest.mark.parametrize(("base", "half", "most"), [(0.02, 4_000, 8_000), (0.1, 9_000, 18_000)])
def test_a_drop_of_five_points_is_found_within_the_stated_requests(base: float, half: int, most: int) -> None:
    found = delay(ERRORS, control=base, candidate=base + 0.05, share=0.1, at_start=True)
    later = delay(ERRORS, control=base, candidate=base + 0.05, share=0.1, at_start=False)

    assert found.half is not None
    assert found.most is not None
    assert later.half is not None
    assert found.half <= half
    assert found.most <= most
    assert found.half < later.half <= 1.6 * half


def test_what_a_plan_says_is_what_a_watch_sees() -> None:
    planned = delay(ERRORS, control=0.1, candidate=0.25, share=0.3, at_start=True)
    rng = np.random.default_rng(53)
    needed: list[int] = []
    for _ in range(60):
        watch = Watch(guard=ERRORS)
        requests, alarm = 0, False
        while not alarm:
            requests += 1
            to_candidate = rng.random() < 0.3
            wrong = float(rng.random() < (0.25 if to_candidate else 0.1))
            alarm = watch.see_candidate(wrong) if to_candidate else watch.see_control(wrong)
        needed.append(requests)

    assert planned.half is not None
    assert 0.75 < np.median(needed) / planned.half < 1.33


def test_a_candidate_as_bad_as_tolerated_is_rarely_found() -> None:
    assert delay(ERRORS, control=0.02, candidate=0.025, share=0.5, at_start=True) == Delay(half=None, most=None)


def test_a_slow_candidate_is_found_by_how_often_it_is_slower_whatever_the_tails() -> None:
    guard = Guard(kind="ratio", tolerated=1.2, run_length=MONTH)
    rng = np.random.default_rng(54)
    seconds = np.exp(rng.standard_normal((4, 3000))) + (rng.random((4, 3000)) < 0.01) * 1000  # some hang

    sound, slow = Watch(guard=guard), Watch(guard=guard)
    for a, b, c in zip(seconds[0], 1.15 * seconds[1], 2 * seconds[2], strict=True):
        sound.see_both(float(a), float(b))
        slow.see_both(float(a), float(c))

    assert sound.alarm is None
    assert slow.alarm is not None
    assert slow.alarm < 400


def test_a_block_ends_once_both_arms_are_in_it_and_uses_every_request_once() -> None:
    watch = Watch(guard=ERRORS)
    for harm in (1.0, 0.0, 0.0):
        watch.see_control(harm)
    assert (watch.blocks, watch.control) == (0, [1.0, 0.0, 0.0])

    watch.see_candidate(1.0)

    assert (watch.blocks, watch.control, watch.candidate) == (1, [], [])
    expected = step(ERRORS.start(), np.asarray(1 - 1 / 3), ERRORS.allowed)
    assert watch.wealth == pytest.approx(expected.tolist())


def test_an_arm_without_traffic_keeps_only_the_newest_of_the_other() -> None:
    watch = Watch(guard=ERRORS)
    for n in range(1000):
        watch.see_control(float(n >= 900))

    assert len(watch.control) == LONGEST
    assert sum(watch.control) == 100


def test_a_watch_saved_in_the_middle_goes_on_as_if_it_never_was() -> None:
    rng = np.random.default_rng(55)
    whole, parts = Watch(guard=ERRORS), Watch(guard=ERRORS)
    for _ in range(3000):
        harm, candidate = float(rng.random() < 0.2), rng.random() < 0.2
        for watch in (whole, parts):
            (watch.see_candidate if candidate else watch.see_control)(harm)
        if rng.random() < 0.01:
            parts = msgspec.json.decode(msgspec.json.encode(parts), type=Watch)

    assert parts == whole


def test_an_alarm_stays() -> None:
    watch = Watch(guard=ERRORS)
    while not watch.see_both(0.0, 1.0):
        pass
    raised = watch.alarm

    assert all(watch.see_both(1.0, 0.0) for _ in range(10_000))
    assert watch.alarm == raised


def test_wealth_falls_back_but_never_to_nothing() -> None:
    """A long good time does not have to be undone before a bad one shows."""
    watch = Watch(guard=ERRORS)
    for _ in range(5000):
        watch.see_both(1.0, 0.0)
    good = watch.blocks
    while not watch.see_both(0.0, 1.0):
        pass

    assert watch.blocks - good < 40


def test_a_ratio_counts_how_often_the_candidate_is_above_what_is_tolerated() -> None:
    guard = Guard(kind="ratio", tolerated=2.0, run_length=100)

    assert difference_of(guard, np.array([1.0, 1.0, 4.0, 1.0]), np.array([3.0])) == 0.5
    assert difference_of(guard, np.array([1.0]), np.array([2.0])) == 0.0


def test_a_free_candidate_is_never_too_dear() -> None:
    watch = Watch(guard=Guard(kind="ratio", tolerated=1.0, run_length=100))

    assert not any(watch.see_both(5.0, 0.0) for _ in range(1000))
    assert not any(watch.see_both(0.0, 0.0) for _ in range(1000))


@pytest.mark.parametrize(("share", "blocks_each"), [(0.1, 0.0989), (0.5, 1 / 3), (0.9, 0.0989)])
def test_blocks_come_as_often_as_stated(share: float, blocks_each: float) -> None:
    watch = Watch(guard=Guard(kind="harm", tolerated=0.5, run_length=10**9))
    rng = np.random.default_rng(56)
    for to_candidate in rng.random(20_000) < share:
        (watch.see_candidate if to_candidate else watch.see_control)(0.0)

    assert blocks_a_request(share) == pytest.approx(blocks_each, abs=1e-4)
    assert watch.blocks / 20_000 == pytest.approx(blocks_each, rel=0.05)
    assert run_length(requests_a_day=1000, share=share, days=2, guards=5) == math.ceil(10_000 * blocks_a_request(share))


def test_a_guard_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="tolerates 1"):
        Guard(kind="harm", tolerated=1.0, run_length=100)
    with pytest.raises(ValueError, match=r"tolerates 0\.9"):
        Guard(kind="ratio", tolerated=0.9, run_length=100)
    with pytest.raises(ValueError, match="run length of at least 1"):
        Guard(kind="harm", tolerated=0.1, run_length=0)
    with pytest.raises(ValueError, match="share is 1"):
        run_length(requests_a_day=1000, share=1.0)
    with pytest.raises(ValueError, match="harm is 2"):
        Watch(guard=ERRORS).see_control(2.0)
    with pytest.raises(ValueError, match="amount is -1"):
        Watch(guard=Guard(kind="ratio", tolerated=1.2, run_length=100)).see_candidate(-1.0)


def test_a_head_start_finds_what_is_bad_from_the_start_sooner() -> None:
    assert ERRORS.start().shape == (BETS,)
    patient = Guard(kind="harm", tolerated=0.01, run_length=MONTH, early=0.0)

    hurried = delay(ERRORS, control=0.1, candidate=0.2, share=0.5, at_start=True)
    calm = delay(patient, control=0.1, candidate=0.2, share=0.5, at_start=True)

    assert hurried.half is not None
    assert calm.half is not None
    assert hurried.half < 0.9 * calm.half
