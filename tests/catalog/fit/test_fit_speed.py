"""Speed as an interval: what is faster on paper is predicted faster, and the interval holds on measured runs."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from freehold.catalog.fit.schemes import bits
from freehold.catalog.fit.speed import GB, Interval, Running, coefficients, kind, roofline, speed

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

    assert roofline(replace(DENSE, depth=40_000), "decode") < roofline(DENSE, "decode") * 0.6
    assert speed(spilled).decode.middle < speed(DENSE).decode.middle / 3
    assert [kind(r) for r in (DENSE, SPARSE, spilled)] == ["dense", "sparse", "spilled"]


def test_a_sparse_model_decodes_faster_than_a_dense_one_of_its_size() -> None:
    dense = replace(SPARSE, active=SPARSE.weights, parameters=SPARSE.total)

    assert speed(SPARSE).decode.middle > speed(dense).decode.high


def test_devices_together_are_not_faster_than_their_sum() -> None:
    one = replace(SPARSE, runner="vllm")
    two = replace(one, devices=2, parallel=2)

    assert speed(one).decode.middle < speed(two).decode.middle <= 2 * speed(one).decode.middle


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


def test_the_intervals_of_plain_runs_are_narrower_than_those_of_speculation() -> None:
    spread = coefficients().decode.spread
    widths = {name: high - low for name, (low, high) in spread.items()}

    assert widths["dense"] < widths["spilled"] < widths["speculative"]
    assert all(low < 0 < high for low, high in spread.values())


def test_measured_runs_of_families_not_seen_are_predicted_better_than_by_one_factor() -> None:
    pytest.importorskip("numpy")
    fit = pytest.importorskip("bench.fit")
    if not fit.DATA.exists():
        pytest.skip(f"{Path(fit.DATA).name} is not here")
    np = fit.np
    s = fit.sample(list(fit.runs(fit.DATA)), "decode")
    judged = fit.judge(s)
    error = np.abs(np.exp(judged.middle - s.speed) - 1)
    quiet = s.plain & (np.array(s.kinds) != "speculative")
    holds = (judged.low <= s.speed) & (s.speed <= judged.high)

    assert np.median(error[quiet & ~s.sparse]) < 0.17
    assert np.median(error[quiet & s.sparse]) < 0.17
    assert holds[quiet].mean() > 0.75
    assert fit.learn(s).weights == pytest.approx(coefficients().decode.weights, abs=0.001)
