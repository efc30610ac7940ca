"""Memory: worked examples of every kind of layer, and properties that keep "fits" honest."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.catalog.fit.cache import (
    Full,
    Indexer,
    Latent,
    Layers,
    Linear,
    Mamba2,
    Sliding,
    bytes_a_token,
    cache_bytes,
    fixed_bytes,
    read_bytes,
)
from freehold.catalog.fit.memory import GIB, Ask, fit, longest, need

MINIMAX = (Full(layers=62, kv_heads=8, head_dim=128),)
DEEPSEEK = (Latent(layers=61, rank=512, rope_dim=64), Indexer(layers=61, head_dim=128, top=2048))
SCOUT = (
    Full(layers=12, kv_heads=8, head_dim=128),
    Sliding(layers=36, kv_heads=8, head_dim=128, window=8192),
)
GEMMA = (
    Full(layers=5, kv_heads=2, head_dim=512, tensors=1),
    Sliding(layers=25, kv_heads=8, head_dim=256, window=1024),
)
QWEN = (
    Full(layers=12, kv_heads=2, head_dim=256),
    Linear(layers=36, heads=64, k_dim=128, v_dim=128, conv_dim=12288, conv_kernel=4),
)
GRANITE = (
    Full(layers=4, kv_heads=8, head_dim=128),
    Mamba2(layers=36, heads=128, head_dim=64, state=128, groups=1, conv_kernel=4),
)
LAYOUTS: st.SearchStrategy[tuple[Layers, ...]] = st.sampled_from([MINIMAX, DEEPSEEK, SCOUT, GEMMA, QWEN, GRANITE])
ASKS = st.builds(
    Ask,
    weights=st.integers(1, 700 * GIB),
    layers=LAYOUTS,
    context=st.integers(1, 1 << 20),
    sequences=st.integers(1, 64),
    cache=st.sampled_from(["bf16", "fp8", "q8_0", "q4_0"]),
    engine=st.sampled_from(["llama.cpp", "vllm", "mlx"]),
    parallel=st.integers(1, 16),
)


@pytest.mark.parametrize(
    ("layers", "token", "fixed"),
    [
        (MINIMAX, 62 * 2 * 8 * 128 * 2, 0),
        (DEEPSEEK, 61 * (576 * 2 + 132), 0),
        (SCOUT, 49_152, 1_207_959_552),
        (GEMMA, 10_240, 209_715_200),
        (QWEN, 24_576, 153_649_152),
        (GRANITE, 16_384, 152_819_712),
    ],
    ids=["gqa", "mla with an indexer", "chunked", "windows, value is key", "gated delta", "mamba2"],
)
def test_bytes_a_token_and_a_sequence_are_those_of_the_worked_example(
    layers: tuple[Layers, ...], token: int, fixed: int
) -> None:
    assert (bytes_a_token(layers), fixed_bytes(layers)) == (token, fixed)


def test_a_short_sequence_does_not_fill_a_window() -> None:
    assert cache_bytes(SCOUT, 100) == 100 * 48 * 2 * 8 * 128 * 2


def test_devices_divide_heads_but_keep_at_least_one_and_every_latent() -> None:
    assert cache_bytes(MINIMAX, 1000, parallel=4) * 4 == cache_bytes(MINIMAX, 1000)
    assert cache_bytes(MINIMAX, 1000, parallel=16) * 8 == cache_bytes(MINIMAX, 1000)
    assert cache_bytes(MINIMAX, 1000, parallel=3) == 62 * 2 * 3 * 128 * 2 * 1000
    assert cache_bytes(DEEPSEEK, 1000, parallel=8) == cache_bytes(DEEPSEEK, 1000)


def test_sparse_attention_saves_reading_and_not_memory() -> None:
    assert cache_bytes(DEEPSEEK, 100_000) == 100_000 * 78_324
    assert read_bytes(DEEPSEEK, 100_000) == 61 * (2048 * 1152 + 100_000 * 132)


@given(ask=ASKS, more=st.integers(0, 1 << 20))
def test_a_longer_context_never_needs_less(ask: Ask, more: int) -> None:
    longer = msgspec.structs.replace(ask, context=ask.context + more)
    assert total(longer) >= total(ask)


@given(ask=ASKS, more=st.integers(1 << 10, 50 * GIB))
def test_more_weights_or_one_more_sequence_need_more(ask: Ask, more: int) -> None:
    assert total(msgspec.structs.replace(ask, weights=(ask.weights or 0) + more)) > total(ask)
    assert total(msgspec.structs.replace(ask, sequences=ask.sequences + 1)) > total(ask)


@given(ask=ASKS)
def test_devices_together_never_hold_less_than_the_weights_and_the_cache(ask: Ask) -> None:
    assert ask.layers is not None
    assert ask.weights is not None
    whole = ask.weights + ask.sequences * cache_bytes(ask.layers, ask.context, cache=ask.cache)
    assert total(ask) * ask.parallel > whole


@given(ask=ASKS, memory=st.integers(1, 300 * GIB))
def test_what_fits_is_smaller_than_the_memory_and_still_fits_in_more(ask: Ask, memory: int) -> None:
    answer = fit(ask, memory)
    assert (answer.verdict == "fits") == (total(ask) <= answer.usable)
    assert answer.usable < memory
    if answer.verdict == "fits":
        assert fit(ask, memory + GIB).verdict == "fits"


@given(ask=ASKS, memory=st.integers(1, 300 * GIB))
def test_the_longest_context_fits_and_one_page_more_does_not(ask: Ask, memory: int) -> None:
    found = longest(ask, memory, limit=1 << 18)
    if found:
        assert fit(msgspec.structs.replace(ask, context=found), memory).verdict == "fits"
    if found < 1 << 18:
        assert fit(msgspec.structs.replace(ask, context=found + 1), memory).verdict == "too_large"


@pytest.mark.parametrize("missing", ["weights", "layers"])
def test_what_is_not_known_is_never_said_to_fit(missing: str) -> None:
    ask = Ask(weights=1, layers=MINIMAX, context=1)
    assert fit(msgspec.structs.replace(ask, **{missing: None}), 1 << 50).verdict == "unknown"


def test_a_context_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        need(Ask(weights=1, layers=MINIMAX, context=0))


def total(ask: Ask) -> int:
    wanted = need(ask)
    assert wanted is not None
    return wanted.total


def test_a_window_keeps_what_is_taken_in_at_once_beside_it() -> None:
    narrow = (Sliding(layers=1, kv_heads=1, head_dim=128, window=1024),)

    assert cache_bytes(narrow, 10_000, chunk=512) == 2 * 128 * 2 * (1024 + 512)
    assert cache_bytes(narrow, 1200, chunk=512) == 2 * 128 * 2 * 1200


def test_what_needs_all_of_the_memory_does_not_fit() -> None:
    ask = Ask(weights=10 * GIB, layers=MINIMAX, context=4096)

    assert fit(ask, total(ask)).verdict == "too_large"
    assert fit(ask, total(ask) * 11 // 10).verdict == "fits"
