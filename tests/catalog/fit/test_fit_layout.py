"""Layers from a model's own configuration; the configurations carry the published dimensions of the models named."""

import pytest

from freehold.catalog.fit.cache import bytes_a_token, fixed_bytes
from freehold.catalog.fit.layout import layers

MINIMAX = {
    "num_hidden_layers": 62,
    "num_attention_heads": 48,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_size": 3072,
}
DEEPSEEK = {
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "kv_lora_rank": 512,
    "qk_rope_head_dim": 64,
    "index_head_dim": 128,
    "index_topk": 2048,
}
QWEN = {
    "num_hidden_layers": 48,
    "num_attention_heads": 32,
    "num_key_value_heads": 2,
    "head_dim": 256,
    "layer_types": (["linear_attention"] * 3 + ["full_attention"]) * 12,
    "linear_num_value_heads": 64,
    "linear_value_head_dim": 128,
    "linear_num_key_heads": 16,
    "linear_key_head_dim": 128,
    "linear_conv_kernel_dim": 4,
}
GRANITE = {
    "num_hidden_layers": 40,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_size": 4096,
    "layer_types": (["mamba"] * 9 + ["attention"]) * 4,
    "mamba_n_heads": 128,
    "mamba_d_head": 64,
    "mamba_d_state": 128,
    "mamba_n_groups": 1,
    "mamba_d_conv": 4,
}
SCOUT = {
    "num_hidden_layers": 48,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "layer_types": (["chunked_attention"] * 3 + ["full_attention"]) * 12,
    "attention_chunk_size": 8192,
}
GGUF = {
    "general.architecture": "qwen3",
    "qwen3.block_count": 36,
    "qwen3.attention.head_count": 32,
    "qwen3.attention.head_count_kv": 8,
    "qwen3.attention.key_length": 128,
    "qwen3.embedding_length": 2560,
}


@pytest.mark.parametrize(
    ("about", "token", "fixed"),
    [
        (MINIMAX, 253_952, 0),
        (DEEPSEEK, 78_324, 0),
        (QWEN, 24_576, 153_649_152),
        (GRANITE, 16_384, 152_819_712),
        (SCOUT, 49_152, 1_207_959_552),
        (GGUF, 147_456, 0),
    ],
    ids=["MiniMax-M2.5", "DeepSeek-V3.2", "Qwen3.5-122B", "Granite 4.0 H Small", "Llama 4 Scout", "Qwen3-4B as GGUF"],
)
def test_the_cache_of_a_model_follows_from_its_configuration(about: dict[str, object], token: int, fixed: int) -> None:
    found = layers(about)

    assert found is not None
    assert (bytes_a_token(found), fixed_bytes(found)) == (token, fixed)


@pytest.mark.parametrize(
    "about",
    [
        {},
        {"num_hidden_layers": 4},
        QWEN | {"layer_types": ["retention"] * 48},
        QWEN | {"layer_types": ["full_attention"] * 47},
        QWEN | {"linear_num_key_heads": None},
        GRANITE | {"mamba_d_state": "128"},
        MINIMAX | {"full_attention_interval": 4},
        GGUF | {"general.architecture": "qwen35moe"},
        GGUF | {"qwen3.attention.head_count_kv": [8, 0, 8], "qwen3.attention.head_count": [32, 0, 32]},
    ],
)
def test_a_design_that_is_not_told_in_full_is_unknown(about: dict[str, object]) -> None:
    assert layers(about) is None


def test_a_window_that_is_not_said_is_no_window() -> None:
    found = layers(SCOUT | {"attention_chunk_size": None})

    assert found is not None
    assert bytes_a_token(found) == 48 * 2 * 8 * 128 * 2
