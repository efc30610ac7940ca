"""The layers of a model from what its file says (`Weights.about`): Hugging Face's config.json or GGUF metadata.

None where the design is not one that we know: its cache is then unknown, never guessed.
"""

from collections.abc import Mapping

from freehold.catalog.fit.cache import Full, Indexer, Latent, Layers, Linear, Mamba2, Sliding

About = Mapping[str, object]

FULL = ("full_attention", "attention")
SLIDING = ("sliding_attention", "chunked_attention")
LINEAR = ("linear_attention",)
MAMBA = ("mamba", "mamba2")
KNOWN = frozenset((*FULL, *SLIDING, *LINEAR, *MAMBA))

PLAIN = frozenset(
    ("llama", "qwen2", "qwen3", "qwen3moe", "qwen2moe", "phi3", "mistral3", "minimax-m2", "granite", "olmo2")
)
"""GGUF architectures that attend in every layer, over the whole context."""


def layers(about: About) -> tuple[Layers, ...] | None:
    """The layers that keep something for each sequence; None where they cannot be told."""
    if "general.architecture" in about:
        return _gguf(about)
    count = _int(about, "num_hidden_layers")
    if count is None:
        return None
    if _int(about, "kv_lora_rank") is not None:
        return _latent(about, count)
    return _mixed(about, _kinds(about, count))


def _gguf(about: About) -> tuple[Layers, ...] | None:
    """Plain attention, or latent attention; of others the metadata do not say which layer is of which kind."""
    name = about["general.architecture"]
    count = _int(about, f"{name}.block_count")
    rank, rope = _int(about, f"{name}.attention.kv_lora_rank"), _int(about, f"{name}.rope.dimension_count")
    if count is None:
        return None
    if rank is not None:
        return None if rope is None or name != "deepseek2" else (Latent(layers=count, rank=rank, rope_dim=rope),)
    query, width = _int(about, f"{name}.attention.head_count"), _int(about, f"{name}.embedding_length")
    heads = _int(about, f"{name}.attention.head_count_kv") or query
    key = _int(about, f"{name}.attention.key_length") or (width // query if width and query else None)
    value = _int(about, f"{name}.attention.value_length") or key
    if name not in PLAIN or heads is None or key is None or value is None:
        return None
    return (Full(layers=count, kv_heads=heads, head_dim=max(key, value)),)


def _latent(about: About, count: int) -> tuple[Layers, ...] | None:
    rank, rope = _int(about, "kv_lora_rank"), _int(about, "qk_rope_head_dim")
    if rank is None or rope is None or "layer_types" in about or "linear_attn_config" in about:
        return None
    main = Latent(layers=count, rank=rank, rope_dim=rope)
    index, top = _int(about, "index_head_dim"), _int(about, "index_topk")
    return (main,) if index is None or top is None else (main, Indexer(layers=count, head_dim=index, top=top))


def _kinds(about: About, count: int) -> list[str] | None:
    """The kind of each layer by its name in `layer_types`, else every layer is the same."""
    for name in ("layer_types", "layers_block_type", "block_types"):
        listed = about.get(name)
        if isinstance(listed, list):
            kinds = [str(kind) for kind in listed]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            return kinds if len(kinds) == count and KNOWN.issuperset(kinds) else None
    hybrid = (
        "full_attention_interval",
        "attn_layer_period",
        "hybrid_override_pattern",
        "linear_attn_config",
        "attn_type_list",
    )
    if any(name in about for name in hybrid) or "mamba_d_state" in about or "ssm_cfg" in about:
        return None
    return ["full_attention"] * count


def _mixed(about: About, kinds: list[str] | None) -> tuple[Layers, ...] | None:
    heads, head_dim = _int(about, "num_key_value_heads") or _int(about, "num_attention_heads"), _head_dim(about)
    if kinds is None or heads is None or head_dim is None:
        return None
    number = {group: sum(kinds.count(kind) for kind in group) for group in (FULL, SLIDING, LINEAR, MAMBA)}
    wide = _int(about, "global_head_dim") or head_dim
    few = _int(about, "num_global_key_value_heads") or heads
    parts: list[Layers | None] = []
    if number[FULL]:
        parts.append(Full(layers=number[FULL], kv_heads=few, head_dim=wide))
    if number[SLIDING]:
        window = _int(about, "sliding_window") or _int(about, "attention_chunk_size")
        far = Full(layers=number[SLIDING], kv_heads=heads, head_dim=head_dim)  # a window that is not said is no window
        parts.append(Sliding(layers=far.layers, kv_heads=heads, head_dim=head_dim, window=window) if window else far)
    if number[LINEAR]:
        parts.append(_linear(about, number[LINEAR]))
    if number[MAMBA]:
        parts.append(_mamba(about, number[MAMBA]))
    told = tuple(part for part in parts if part is not None)
    return told if len(told) == len(parts) else None


def _linear(about: About, count: int) -> Linear | None:
    v_heads, v_dim = _int(about, "linear_num_value_heads"), _int(about, "linear_value_head_dim")
    k_heads, k_dim = _int(about, "linear_num_key_heads"), _int(about, "linear_key_head_dim")
    kernel = _int(about, "linear_conv_kernel_dim")
    if v_heads is None or v_dim is None or k_heads is None or k_dim is None or kernel is None:
        return None
    wide = 2 * k_heads * k_dim + v_heads * v_dim
    return Linear(layers=count, heads=v_heads, k_dim=k_dim, v_dim=v_dim, conv_dim=wide, conv_kernel=kernel)


def _mamba(about: About, count: int) -> Mamba2 | None:
    heads, dim, state = _int(about, "mamba_n_heads"), _int(about, "mamba_d_head"), _int(about, "mamba_d_state")
    groups, kernel = _int(about, "mamba_n_groups"), _int(about, "mamba_d_conv")
    if heads is None or dim is None or state is None or groups is None or kernel is None:
        return None
    return Mamba2(layers=count, heads=heads, head_dim=dim, state=state, groups=groups, conv_kernel=kernel)


def _head_dim(about: About) -> int | None:
    said, width, heads = (_int(about, name) for name in ("head_dim", "hidden_size", "num_attention_heads"))
    return said or (-(-width // heads) if width and heads else None)


def _int(about: About, name: str) -> int | None:
    found = about.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None
