"""How speed is learned: rows are read as their inputs say, known coefficients are found again, and intervals hold."""

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from freehold.catalog.fit.speed import Learned, estimate
from freehold.catalog.fit.terms import GB, Running, factors

learning = pytest.importorskip("bench.fit_learn")
rows = pytest.importorskip("bench.fit_runs")

ROW = rows.Row(
    model="somebody/Some-8B-GGUF",
    moe=False,
    engine="llama.cpp",
    quant="Q8_0",
    gpus=1,
    prompt_tokens=512,
    output_tokens=128,
    decode_tps=50,
    spec=False,
    mtp=False,
    ctx=32_768,
    gpu="RTX 4090",
    mem_gb=24,
    backend="cuda",
)


def read(row: Any) -> Running:
    found: Running | None = rows.running(row)
    assert found is not None
    return found


def test_a_reserved_context_is_not_read_and_one_that_was_filled_is() -> None:
    assert read(ROW).depth == 512 + 64
    assert read(replace(ROW, batch=2048)).depth == 512 + 64
    assert read(replace(ROW, batch=2048, backend=None)).depth == 32_768 - 64
    assert read(replace(ROW, batch=2048, backend=None, gpu_layers=99)).depth == 512 + 64


def test_a_batch_counts_answers_of_a_server_and_tokens_elsewhere() -> None:
    assert read(replace(ROW, engine="vllm", quant="fp8", batch=12)).requests == 12
    assert read(replace(ROW, batch=12)).requests == 1
    assert read(replace(ROW, engine="vllm", quant="fp8", batch=2048)).requests == 1


def test_a_narrow_cache_is_smaller_and_what_drafts_is_told_apart() -> None:
    wide = read(ROW).cache_a_token

    assert read(replace(ROW, kv_dtype="fp8")).cache_a_token == wide // 2
    assert read(replace(ROW, kv_dtype="q8_0")).cache_a_token == pytest.approx(wide * 8.5 / 16, abs=1)
    assert [read(replace(ROW, spec=a, mtp=b)).draft for a, b in [(False, False), (True, False), (True, True)]] == [
        "none",
        "model",
        "heads",
    ]


def test_a_models_card_says_more_than_its_name() -> None:
    named = read(replace(ROW, model="Qwen/Qwen3-8B", kv_dtype="f16"))
    packed = read(replace(ROW, model="openai/gpt-oss-20b", moe=True))

    assert (named.total, named.layers, named.cache_a_token) == (8.19, 36, 147_456)
    assert (packed.weights, packed.sparse) == (12_100_000_000, True)
    assert read(replace(ROW, engine="vllm", quant="fp16", model="a/Some-8B-int4")).weights == pytest.approx(4.7 * GB)
    assert read(ROW).layers is None


def test_embeddings_stay_wide_in_small_files_of_narrow_formats() -> None:
    small = read(replace(ROW, model="a/Some-0.5B", quant="Q2_K"))
    large = read(replace(ROW, model="a/Some-70B", quant="Q2_K", gpus=4))

    assert 8 * small.weights / (0.5 * GB) > 4.5
    assert 8 * large.weights / (70 * GB) == pytest.approx(3.1, abs=0.05)


@pytest.mark.parametrize(
    "row",
    [
        replace(ROW, gpu="Voodoo 3"),
        replace(ROW, quant="?"),
        replace(ROW, model="nobody/knows", params_b=None),
        replace(ROW, moe=True, active_b=None),
        replace(ROW, engine="something else"),
    ],
)
def test_a_row_that_does_not_say_enough_is_left_out(row: Any) -> None:
    assert rows.running(row) is None


def invented(number: int, seed: int, *, spoiled: float = 0.0) -> list[Any]:
    """Runs of a world whose coefficients are known (`WORLD`), some of them spoiled."""
    drawn = np.random.default_rng(seed)
    found: list[Any] = []
    for n in range(number):
        total = float(np.exp(drawn.uniform(-0.5, 4)))
        weights = int(total * drawn.uniform(3, 16) / 8 * GB)
        run = Running(
            weights=weights,
            active=weights,
            parameters=total,
            total=total,
            scheme=str(drawn.choice(["q4_k_m", "q8_0", "iq2_m"])),
            bandwidth=float(np.exp(drawn.uniform(5, 8))),
            tflops=float(np.exp(drawn.uniform(3, 6))),
            backend="cuda",
            layers=float(drawn.integers(12, 80)),
            cache_a_token=int(drawn.integers(1, 200)) * 1000,
            depth=int(drawn.integers(0, 60_000)),
            prompt=int(drawn.integers(128, 8192)),
        )
        error = float(np.exp(drawn.uniform(-2, -0.5))) if drawn.random() < spoiled else 1.0
        decode = estimate(run, "decode", WORLD).middle * error
        found.append(rows.Run(f"model {n}", f"family {n}", "card", run, decode, None))
    return found


WORLD = Learned(
    seconds={name: float(np.exp(around)) for name, (around, _) in learning.CAUSES["decode"].items()}
    | {"read": 1.3, "cache": 2.0, "launch cuda": 9.0},
    factors=dict.fromkeys(factors(read(ROW), "decode"), 0.0),
    spread={"dense": 0.1},
    scale={"cuda": 1.0},
)


def coefficients_of(s: Any) -> dict[str, float]:
    return dict(zip(s.causes, np.exp(learning.solve(s, s.possible)).tolist(), strict=False))


@pytest.mark.parametrize("spoiled", [0.0, 0.1])
def test_known_coefficients_are_found_again_also_when_a_tenth_of_the_rows_is_wrong(spoiled: float) -> None:
    found = coefficients_of(learning.sample(invented(200, 1, spoiled=spoiled), "decode"))

    for name in ("read", "cache", "launch cuda"):
        assert found[name] == pytest.approx(WORLD.seconds[name], rel=0.08), name


def test_rows_of_one_model_count_as_one() -> None:
    many = invented(60, 2)
    loud = [replace(one, model="loud", family="loud", decode=one.decode / 2) for one in invented(1, 3) * 500]
    found = coefficients_of(learning.sample(many + loud, "decode"))

    assert found["read"] == pytest.approx(WORLD.seconds["read"], rel=0.05)


def blank(families: int, drawn: np.random.Generator) -> Any:
    """A sample of families with one to twenty rows each, without anything in it."""
    units = np.repeat([f"family {n}" for n in range(families)], drawn.integers(1, 20, families))
    count = len(units)
    nothing = np.zeros(count, dtype=np.float64)
    return learning.Sample(
        what="decode",
        causes=(),
        flags=(),
        spent=np.zeros((count, 0)),
        times=np.zeros((count, 0)),
        time=nothing,
        roof=nothing,
        models=units,
        units=units,
        kinds=np.full(count, "dense"),
        sites=np.full(count, "cuda"),
        sparse=np.zeros(count, dtype=np.bool_),
        possible=np.ones(count, dtype=np.bool_),
        plain=np.ones(count, dtype=np.bool_),
    )


@pytest.mark.parametrize("families", [5, 12, 40])
def test_the_interval_holds_four_of_five_runs_of_a_family_not_seen(families: int) -> None:
    inside, drawn = 0.0, np.random.default_rng(families)
    for _ in range(300):
        s = blank(families, drawn)
        own = dict(zip(sorted(set(s.units.tolist())), drawn.normal(0, 1, families).tolist(), strict=True))
        error = np.array([own[unit] for unit in s.units.tolist()]) + drawn.normal(0, 0.3, len(s.time))
        spread, scale = learning.spreads(s, error, s.possible)
        new = drawn.normal(0, 1) + drawn.normal(0, 0.3, 20)
        inside += float((np.abs(new) <= spread["dense"] * scale["cuda"]).mean())

    assert 0.77 < inside / 300 < 0.93
