"""Continuous batching: no token is lost or made, a lone request takes what its steps take, and more is never faster."""

import pytest
from breakeven_world import LEVEL, PACE, TUNING, asked, small
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from freehold.catalog.breakeven.replica import LEVELS, Tuning, tuned
from freehold.catalog.breakeven.serving import serve
from freehold.catalog.breakeven.traffic import Asked

REPLICA = small()
REQUESTS = st.lists(
    st.builds(
        Asked,
        at=st.floats(0, 60),
        input=st.integers(1, 20_000),
        output=st.integers(0, 800),
        blocks=st.lists(st.integers(0, 20), max_size=6).map(tuple),
    ),
    min_size=1,
    max_size=60,
).map(lambda found: sorted(found, key=lambda one: one.at))


def mean(values: tuple[float, ...]) -> float:
    return sum(values) / len(values)


@settings(deadline=None, max_examples=60)
@given(requests=REQUESTS, count=st.integers(1, 3), hits=st.floats(0, 0.9), burst=st.booleans())
def test_every_token_is_read_reused_written_or_sent_elsewhere_exactly_once(
    requests: list[Asked], count: int, hits: float, burst: bool
) -> None:
    found = serve(requests, REPLICA, PACE, TUNING, LEVEL, count=count, hits=hits, burst=burst, patient=True)

    gone = [requests[number] for number in found.elsewhere]
    assert found.read + found.reused + sum(a.input for a in gone) == sum(a.input for a in requests)
    assert found.written + sum(a.output for a in gone) == sum(a.output for a in requests)
    assert len(found.first_s) + len(gone) == len(requests)
    assert found.busy_s <= count * found.end_s + 1e-6


def test_a_lone_request_waits_for_its_prompt_and_then_for_a_step_a_token() -> None:
    pace = replace(PACE, context=0.0)
    found = serve([Asked(5.0, 1000, 11)], REPLICA, pace, TUNING, LEVEL)

    assert found.first_s == (pytest.approx(1000 * 0.0001),)
    assert found.token_s == (pytest.approx(0.01),)
    assert found.end_s == pytest.approx(5.0 + 0.1 + 10 * 0.01)


def test_a_prompt_and_the_answers_beside_it_make_each_other_wait() -> None:
    """2,000 tokens in four chunks of 0.05 s, with a step of the other answer after each."""
    pace = replace(PACE, context=0.0)
    found = serve([Asked(0.0, 1, 101), Asked(0.2, 2000, 1)], REPLICA, pace, TUNING, LEVEL)

    assert found.first_s[1] == pytest.approx(4 * (0.05 + 0.01), abs=0.011)
    assert found.end_s == pytest.approx(100 * 0.01 + 2000 * 0.0001, abs=0.001)


def test_a_batch_shares_its_steps() -> None:
    """Eight dense answers at once take the steps of one."""
    pace = replace(PACE, context=0.0, prompt=1e-9)
    together = serve([Asked(0.0, 1, 100)] * 8, REPLICA, pace, TUNING, LEVEL)
    one_by_one = serve([Asked(0.0, 1, 100)] * 8, REPLICA, pace, Tuning(sequences=1, chunk=500), LEVEL, patient=True)

    assert together.end_s == pytest.approx(99 * 0.01, rel=0.05)
    assert one_by_one.end_s == pytest.approx(8 * 99 * 0.01, rel=0.05)


def test_more_experts_are_read_by_a_larger_batch_but_never_more_than_all() -> None:
    pace = replace(PACE, share=0.1, weights=0.1, context=0.0, prompt=0.0)

    steps = [pace.step(size, 0.0) for size in (1, 2, 8, 64, 1000)]
    assert steps == sorted(steps)
    assert steps[0] == pytest.approx(0.01)
    assert steps[-1] == pytest.approx(0.01 + 0.09)


def test_a_prompt_that_shares_its_front_is_read_from_there_on() -> None:
    one, other = Asked(0.0, 1024, 1, blocks=(1, 2)), Asked(50.0, 1536, 1, blocks=(1, 2, 3))
    found = serve([one, other, Asked(99.0, 1024, 1, blocks=(9, 2))], REPLICA, PACE, TUNING, LEVEL)

    assert (found.read, found.reused) == (1024 + 512 + 1024, 1024)


def test_where_caches_find_no_room_requests_wait_until_others_end() -> None:
    tight = small(room=REPLICA.size(2000) * 2)
    crowd = [Asked(0.0, 1000, 1000)] * 6
    wide, narrow = (serve(crowd, one, PACE, TUNING, LEVEL, patient=True) for one in (REPLICA, tight))

    assert narrow.end_s > 2.5 * wide.end_s
    assert max(narrow.first_s) > 10 > max(wide.first_s)


@pytest.mark.parametrize("seed", range(5))
def test_more_replicas_and_slower_arrivals_never_make_the_average_wait_longer(seed: int) -> None:
    requests = asked(300, rate=20, seed=seed)
    waits = [
        mean(serve(requests, REPLICA, PACE, TUNING, LEVEL, count=count, patient=True).first_s) for count in (1, 2, 4)
    ]
    paced = [
        mean(serve(requests, REPLICA, PACE, TUNING, LEVEL, times=times, patient=True).first_s)
        for times in (2, 1, 0.5, 0.1)
    ]

    assert waits == sorted(waits, reverse=True)
    assert paced == sorted(paced, reverse=True)


def test_what_would_be_late_goes_elsewhere_so_that_the_rest_is_in_time() -> None:
    crowd = asked(500, rate=100)
    alone = serve(crowd, REPLICA, PACE, TUNING, LEVEL, patient=True)
    burst = serve(crowd, REPLICA, PACE, TUNING, LEVEL, burst=True)

    assert not alone.ok
    assert 0 < len(burst.elsewhere) < 500
    assert burst.ok


def test_a_hopeless_run_is_given_up_with_the_same_answer() -> None:
    crowd = asked(2000, rate=50)
    early, late = (serve(crowd, REPLICA, PACE, TUNING, LEVEL, patient=patient) for patient in (False, True))

    assert (early.ok, late.ok) == (False, False)
    assert len(early.first_s) < len(late.first_s)


def test_an_engine_is_set_so_that_a_token_comes_in_time_where_that_can_be() -> None:
    for level in LEVELS:
        pace = REPLICA.paces[level]
        setting = tuned(pace, context=1000, token_s=0.1, most=256)
        if setting.sequences > 1:
            assert pace.step(setting.sequences, setting.sequences * 1000) <= 0.05
        assert setting.chunk * pace.prompt <= 0.05 or setting.chunk == 256


def test_a_faster_machine_is_never_later_alone() -> None:
    found = [serve([Asked(0.0, 3000, 300)], REPLICA, REPLICA.paces[x], TUNING, LEVEL) for x in LEVELS]

    assert [f.end_s for f in found] == sorted((f.end_s for f in found), reverse=True)
