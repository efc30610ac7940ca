"""Speed as an interval: what is faster on paper is predicted faster, and the interval holds on measured runs."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from freehold.catalog.fit.schemes import bits
from freehold.catalog.fit.speed import Interval, Learned, coefficients, kind, speed
from freehold.catalog.fit.terms import GB, Running, What, factors, seconds

GIB = 1 << 30
DENSE = Running(
    weights=5 * GB,
    active=5 * GB,
    parameters=8,
    total=8,
    scheme="Q4_K_M",
    bandwidth=936,
    tflops=71,
    backend="cuda",
    cache_a_token=131_072,
    memory=24 * GIB,
)
SPARSE = replace(DENSE, weights=18 * GB, active=2 * GB, parameters=3, total=30)
RUNS = st.builds(
    replace,
    st.sampled_from([DENSE, SPARSE]),
    bandwidth=st.floats(50, 8000),
    tflops=st.floats(1, 2000),
    depth=st.integers(0, 200_000),
    prompt=st.integers(1, 100_000),
    memory=st.sampled_from([None, 8 * GIB, 24 * GIB]),
    backend=st.sampled_from(["cuda", "rocm", "vulkan", "metal", "cpu"]),
    runner=st.sampled_from(["llama.cpp", "ollama", "vllm", "mlx", "hipfire"]),
    layers=st.one_of(st.none(), st.floats(1, 200)),
    draft=st.sampled_from(["none", "model", "heads"]),
    requests=st.integers(1, 64),
)


def ordered(found: Interval) -> bool:
    return 0 < found.low < found.middle < found.high


@given(run=RUNS)
def test_every_answer_is_an_interval_around_its_middle(run: Running) -> None:
    found = speed(run)

    assert ordered(found.decode)
    assert ordered(found.prefill)
    assert ordered(found.first_token)


@given(run=RUNS, times=st.floats(1, 4))
def test_more_bandwidth_is_never_slower(run: Running, times: float) -> None:
    assert speed(replace(run, bandwidth=run.bandwidth * times)).decode.middle >= speed(run).decode.middle * 0.999


def test_a_small_model_gains_less_from_bandwidth_than_a_large_one() -> None:
    small = replace(DENSE, weights=GB // 2, active=GB // 2, parameters=0.8, total=0.8)

    def gain(run: Running) -> float:
        return speed(replace(run, bandwidth=1872)).decode.middle / speed(run).decode.middle

    assert 1 < gain(small) < gain(DENSE) < 2


def test_a_long_context_is_slower_and_what_does_not_fit_the_gpu_much_slower() -> None:
    spilled = replace(DENSE, memory=3 * GIB)

    assert speed(replace(DENSE, depth=40_000)).decode.middle < speed(DENSE).decode.middle * 0.6
    assert speed(spilled).decode.middle < speed(DENSE).decode.middle / 3
    assert [kind(r, "decode") for r in (DENSE, SPARSE, spilled)] == ["dense", "sparse", "spilled"]


def test_an_engine_that_starts_fewer_kernels_gains_most_where_layers_are_many_and_small() -> None:
    def gain(run: Running) -> float:
        return speed(replace(run, runner="vllm")).decode.middle / speed(run).decode.middle

    small = replace(DENSE, weights=GB // 2, active=GB // 2, parameters=0.8, total=0.8, layers=28)

    assert gain(small) > gain(replace(small, layers=7)) > gain(replace(DENSE, layers=7))


@given(run=RUNS, more=st.floats(1, 100))
def test_more_layers_are_never_faster(run: Running, more: float) -> None:
    few = speed(replace(run, layers=20.0))
    many = speed(replace(run, layers=20.0 + more))

    assert many.decode.middle <= few.decode.middle
    assert many.prefill.middle <= few.prefill.middle


@given(run=RUNS, more=st.integers(1, 64))
def test_answers_at_once_are_slower_each_and_faster_together(run: Running, more: int) -> None:
    one = replace(run, requests=1, draft="none")
    many = replace(one, requests=1 + more)

    assert speed(many).decode.middle <= speed(one).decode.middle
    assert speed(many).decode.middle * (1 + more) >= speed(one).decode.middle * 0.999


def test_a_batch_of_a_sparse_model_reads_more_experts_but_never_more_than_all_weights() -> None:
    assert SPARSE.touched(1) == pytest.approx(SPARSE.active)
    assert SPARSE.active < SPARSE.touched(4) < 4 * SPARSE.active
    assert SPARSE.touched(10_000) == pytest.approx(SPARSE.weights)
    assert DENSE.touched(64) == DENSE.weights


def test_what_a_dense_model_cannot_keep_takes_its_cache_along_and_experts_leave_it() -> None:
    long = replace(DENSE, memory=3 * GIB, depth=40_000)
    sparse = replace(SPARSE, memory=3 * GIB, depth=40_000, cache_a_token=DENSE.cache_a_token)

    assert seconds(long, "decode")["spill cache"] > 0
    assert seconds(sparse, "decode")["spill cache"] == 0
    assert seconds(sparse, "decode")["cache"] == pytest.approx(40_000 * 131_072 / (936 * GB))


def test_a_draft_speeds_up_a_dense_model_and_is_told_with_a_wider_interval() -> None:
    alone = speed(DENSE)
    for draft in ("model", "heads"):
        found = speed(replace(DENSE, draft=draft))
        assert found.decode.middle > alone.decode.middle * 1.3
        assert found.decode.high / found.decode.low > alone.decode.high / alone.decode.low
        assert found.prefill == alone.prefill


def test_the_interval_is_wider_on_hardware_whose_runs_are_predicted_worse() -> None:
    def width(run: Running) -> float:
        return speed(run).decode.high / speed(run).decode.low

    assert width(DENSE) < width(replace(DENSE, backend="rocm")) < width(replace(DENSE, backend="metal", memory=None))


@given(run=RUNS)
def test_every_cause_and_flag_of_a_run_has_a_coefficient_and_no_cause_gives_time_back(run: Running) -> None:
    found = coefficients()
    both: tuple[tuple[What, Learned], ...] = (("decode", found.decode), ("prefill", found.prefill))

    for what, learned in both:
        causes = seconds(run, what)
        assert set(causes) == set(learned.seconds)
        assert set(factors(run, what)) == set(learned.factors)
        assert kind(run, what) in learned.spread
        assert run.site in learned.scale
        assert all(value >= 0 for value in causes.values())
        assert all(value > 0 for value in learned.seconds.values())


def test_a_sparse_model_decodes_faster_than_a_dense_one_of_its_size() -> None:
    dense = replace(SPARSE, active=SPARSE.weights, parameters=SPARSE.total)

    assert speed(SPARSE).decode.middle > speed(dense).decode.high


@given(run=RUNS, devices=st.integers(2, 8))
def test_devices_together_are_not_faster_than_their_sum(run: Running, devices: int) -> None:
    one = replace(run, runner="vllm", devices=1, parallel=1, memory=None)
    many = replace(one, devices=devices, parallel=devices)

    assert speed(many).decode.middle <= devices * speed(one).decode.middle * 1.001
    assert speed(many).prefill.middle <= devices * speed(one).prefill.middle * 1.001


def test_a_second_device_helps_a_model_that_reads_much_and_hardly_one_that_reads_little() -> None:
    def gain(run: Running) -> float:
        one = replace(run, runner="vllm")
        return speed(replace(one, devices=2, parallel=2)).decode.middle / speed(one).decode.middle

    large = replace(DENSE, weights=40 * GB, active=40 * GB, parameters=70, total=70, memory=None)

    assert gain(large) > 1.6
    assert gain(SPARSE) < 1.2


def test_the_first_token_waits_for_the_whole_prompt() -> None:
    found = speed(replace(DENSE, prompt=20_000))

    assert found.first_token.middle == pytest.approx(20_000 / found.prefill.middle)
    assert found.first_token.high > 20_000 / found.prefill.low


@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        ("UD-Q4_K_XL", 5.0),
        ("Q4_K_S", 4.7),
        ("Q8_0", 8.5),
        ("FP8 dynamic", 8.3),
        ("bf16", 16),
        ("IQ2_XXS", 2.4),
        ("?", None),
    ],
)
def test_a_scheme_is_known_by_the_longest_name_in_it(scheme: str, width: float | None) -> None:
    assert bits(scheme) == width


def test_the_intervals_of_plain_runs_are_narrower_than_those_of_speculation_and_spilling() -> None:
    spread = coefficients().decode.spread

    assert max(spread["dense"], spread["sparse"]) < spread["speculative"] < spread["spilled"]


def test_measured_runs_of_families_not_seen_are_predicted_within_the_goal_and_their_interval_holds() -> None:
    pytest.importorskip("numpy")
    fit = pytest.importorskip("bench.fit")
    if not fit.DATA.exists():
        pytest.skip(f"{Path(fit.DATA).name} is not here")
    np = fit.np
    s = fit.sample(list(fit.runs(fit.DATA)), "decode")
    judged = fit.judge(s)
    error = np.abs(np.exp(s.time - judged.middle) - 1)
    holds = np.abs(s.time - judged.middle) <= judged.width
    rows = fit.groups(s)

    assert np.median(error[rows["dense, possible, no draft"]]) < 0.165
    assert np.median(error[rows["MoE, possible, no draft"]]) < 0.15
    for name in ("dense, possible", "MoE, possible", "spilled", "speculative"):
        assert holds[rows[name]].mean() > 0.78, name
    assert fit.learn(s) == coefficients().decode
