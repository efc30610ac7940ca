"""Health: the circuit breaker on a clock of the test's own, and what a view shows."""

from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.decision import Health
from freehold.routing.health import FRESH, SECOND, Breaker, HealthBoard

STEADY = settings(max_examples=200, deadline=None, derandomize=True)
START = 1_764_547_200 * SECOND
BREAKER = Breaker(failures=3, error_rate=0.5, window=16.0, open=10.0)


def board(breaker: Breaker = BREAKER) -> HealthBoard:
    return HealthBoard(breaker)


def fail(health: HealthBoard, times: int, now: int = START) -> None:
    for _ in range(times):
        health.observe("d", ok=False, now=now)


def test_who_was_never_called_may_be_called() -> None:
    health = board()

    assert health.admit("d", START)
    assert health.view(START) == {}


def test_a_breaker_opens_at_the_failure_that_fills_the_measure() -> None:
    health = board()
    fail(health, 2)
    assert health.admit("d", START)
    fail(health, 1)

    assert not health.admit("d", START)
    assert health.view(START)["d"].open


def test_failures_among_many_successes_do_not_open_it() -> None:
    health = board()
    for _ in range(10):
        health.observe("d", ok=True, now=START)
    fail(health, 9)

    assert health.admit("d", START)
    assert health.view(START)["d"] == Health(error_rate=0.47)
    fail(health, 1)
    assert not health.admit("d", START)  # now they are half of all


def test_a_failure_counts_for_just_the_window() -> None:
    within, beyond = board(), board()
    for health, seconds in ((within, 15), (beyond, 16)):
        fail(health, 1)
        fail(health, 2, START + seconds * SECOND)

    assert not within.admit("d", START + 15 * SECOND)
    assert beyond.admit("d", START + 16 * SECOND)


def test_failures_older_than_the_window_are_forgotten() -> None:
    health = board()
    fail(health, 2)
    later = START + 17 * SECOND
    fail(health, 2, later)

    assert health.admit("d", later)
    assert health.view(later)["d"] == Health(error_rate=1.0)
    assert health.view(later + 17 * SECOND) == {}


def test_after_the_pause_one_probe_goes_out_and_its_success_closes_the_breaker() -> None:
    health = board()
    fail(health, 3)
    almost, after = START + 10 * SECOND - 1, START + 10 * SECOND

    assert not health.admit("d", almost)
    assert [health.admit("d", after) for _ in range(3)] == [True, False, False]
    assert health.view(after + FRESH)["d"].open  # while the probe is out the plan has other deployments
    health.observe("d", ok=True, now=after)
    assert [health.admit("d", after) for _ in range(3)] == [True] * 3
    assert health.view(after) == {}
    fail(health, 2, after)
    assert health.admit("d", after)  # what was before counts no more


def test_a_failed_probe_opens_it_for_another_pause() -> None:
    health = board(Breaker(failures=3, error_rate=0.5, window=5.0, open=10.0))
    fail(health, 3)
    after = START + 10 * SECOND  # the failures from before are out of the window
    assert health.admit("d", after)
    fail(health, 1, after)

    assert not health.admit("d", after + 10 * SECOND - 1)
    assert health.admit("d", after + 10 * SECOND)


def test_a_probe_whose_caller_left_may_be_repeated() -> None:
    health = board()
    fail(health, 3)
    after = START + 10 * SECOND
    assert health.admit("d", after)
    health.abandon("d")

    assert health.admit("d", after)
    assert not health.admit("d", after)


def test_one_deployment_does_not_answer_for_another() -> None:
    health = board()
    fail(health, 3)

    assert health.admit("e", START)
    assert set(health.view(START)) == {"d"}


def test_a_view_is_the_same_object_until_something_has_changed() -> None:
    health = board()
    health.observe("d", ok=True, now=START, ttft_ms=101.0, tokens_per_second=40.0)
    first, version = health.view(START), health.version
    for n in range(50):
        health.observe("d", ok=True, now=START + n, ttft_ms=100.0 + n % 3)  # noise of a few per cent

    assert health.view(START + FRESH) is first
    assert health.version == version
    fail(health, 60, START + FRESH)
    assert health.view(START + FRESH)["d"].open
    assert health.version == version + 1


def test_times_are_smoothed_and_given_in_two_digits() -> None:
    health = board()
    for ttft in (100.0, 200.0):
        health.observe("d", ok=True, now=START, ttft_ms=ttft, tokens_per_second=ttft / 2)

    assert health.view(START)["d"] == Health(ttft_ms=110.0, tokens_per_second=55.0)


steps = st.lists(
    st.tuples(st.sampled_from(["ok", "fail", "admit", "abandon"]), st.integers(0, 12 * SECOND)), max_size=60
)


@STEADY
@given(steps=steps)
def test_an_open_breaker_lets_at_most_one_call_through_at_a_time(steps: list[tuple[str, int]]) -> None:
    health, now = board(), START
    out = 0  # probes that were let through and are not over
    for step, wait in steps:
        now += wait
        match step:
            case "ok":
                health.observe("d", ok=True, now=now)
                out = 0
                assert health.admit("d", now)
                assert not health.view(now).get("d", Health()).open
            case "fail":
                health.observe("d", ok=False, now=now)
                out = 0
            case "abandon":
                health.abandon("d")
                out = 0
            case _:
                closed = not health._states.get("d") or not health._states["d"].open_until
                if health.admit("d", now) and not closed:
                    out += 1
        assert out <= 1


@STEADY
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5 * SECOND)), max_size=80))
def test_it_opens_exactly_when_the_measure_is_full(calls: list[tuple[bool, int]]) -> None:
    """Against a count of every call of the window, kept the slow way."""
    health, now = board(), START
    seen: list[tuple[int, bool]] = []
    for ok, wait in calls:
        now += wait
        seen = [(slot, good) for slot, good in seen if slot > now // SECOND - 16]
        seen.append((now // SECOND, ok))
        health.observe("d", ok=ok, now=now)
        failures = sum(not good for _, good in seen)
        if not ok and failures >= 3 and failures >= 0.5 * len(seen):
            assert not health.admit("d", now)
            return
        assert health.admit("d", now)
