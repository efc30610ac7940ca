"""What a model keeps for each sequence while it answers: keys and values, latents, windows, states of linear layers.

Sources: latent attention: DeepSeek-V2 (arXiv:2405.04434); the sparse indexer: DeepSeek-V3.2's report; the gated delta
rule: arXiv:2412.06464; Mamba-2: arXiv:2405.21060.
"""

from fractions import Fraction
from typing import Literal, assert_never

from msgspec import Struct

CacheType = Literal["bf16", "fp8", "q8_0", "q4_0"]
ELEMENT: dict[CacheType, Fraction] = {
    "bf16": Fraction(2),
    "fp8": Fraction(1),
    "q8_0": Fraction(34, 32),
    "q4_0": Fraction(18, 32),
}
"""Bytes of one element of the cache. The q types have a scale of two bytes for every 32 elements (ggml)."""

CONVOLUTION_BYTES = 2
"""Bytes of an element that a short convolution remembers; engines keep it in bf16."""


class Full(Struct, frozen=True, kw_only=True, tag="full"):
    """Layers of grouped-query attention over the whole context. `tensors` is 1 where the value is the key."""

    layers: int
    kv_heads: int
    head_dim: int
    tensors: int = 2


class Sliding(Struct, frozen=True, kw_only=True, tag="sliding"):
    """Layers that look back `window` tokens, or stay within a chunk of as many."""

    layers: int
    kv_heads: int
    head_dim: int
    window: int


class Latent(Struct, frozen=True, kw_only=True, tag="latent"):
    """Layers of multi-head latent attention: one vector a token, which tensor parallelism cannot divide."""

    layers: int
    rank: int
    rope_dim: int


class Indexer(Struct, frozen=True, kw_only=True, tag="indexer"):
    """The keys by which sparse attention finds tokens: one fp8 vector and its scale of 4 bytes each.

    It saves reading, not memory.
    """

    layers: int
    head_dim: int
    top: int


class Linear(Struct, frozen=True, kw_only=True, tag="linear"):
    """Layers of linear attention: a matrix a head and what a short convolution remembers, whatever the context."""

    layers: int
    heads: int
    k_dim: int
    v_dim: int
    conv_dim: int
    conv_kernel: int
    state_bytes: int = 4


class Mamba2(Struct, frozen=True, kw_only=True, tag="mamba2"):
    """Layers with a state-space state a head and what a short convolution remembers, whatever the context."""

    layers: int
    heads: int
    head_dim: int
    state: int
    groups: int
    conv_kernel: int
    state_bytes: int = 4


Layers = Full | Sliding | Latent | Indexer | Linear | Mamba2


def bytes_a_token(layers: tuple[Layers, ...], *, cache: CacheType = "bf16") -> int:
    """Bytes that one more token of context takes, beyond every window: rounded up."""
    far = 1 << 40
    return cache_bytes(layers, far + 1, cache=cache) - cache_bytes(layers, far, cache=cache)


def fixed_bytes(layers: tuple[Layers, ...], *, cache: CacheType = "bf16") -> int:
    """Bytes that a sequence takes however long it is: full windows and states."""
    far = 1 << 40
    return cache_bytes(layers, far, cache=cache) - far * bytes_a_token(layers, cache=cache)


def cache_bytes(
    layers: tuple[Layers, ...], tokens: int, *, cache: CacheType = "bf16", parallel: int = 1, chunk: int = 0
) -> int:
    """Bytes on one of `parallel` devices for one sequence of `tokens`, rounded up for each kind of layer.

    `chunk` is how many tokens an engine takes in at once: it keeps them beside a window.
    """
    return sum(_bytes(kind, tokens, ELEMENT[cache], parallel, chunk) for kind in layers)


def read_bytes(layers: tuple[Layers, ...], tokens: int, *, cache: CacheType = "bf16") -> int:
    """Bytes read to write one token after `tokens`: sparse attention reads few of the latents, and every index key."""
    top = min((kind.top for kind in layers if isinstance(kind, Indexer)), default=tokens)
    seen = min(tokens, top)
    return sum(_bytes(kind, seen if isinstance(kind, Latent) else tokens, ELEMENT[cache], 1, 0) for kind in layers)


def _bytes(kind: Layers, tokens: int, element: Fraction, parallel: int, chunk: int) -> int:
    match kind:
        case Full(layers=n, kv_heads=heads, head_dim=dim, tensors=tensors):
            return _up(n * tensors * _share(heads, parallel) * dim * tokens * element)
        case Sliding(layers=n, kv_heads=heads, head_dim=dim, window=window):
            return _up(n * 2 * _share(heads, parallel) * dim * min(tokens, window + chunk) * element)
        case Latent(layers=n, rank=rank, rope_dim=rope):
            return _up(n * (rank + rope) * tokens * element)
        case Indexer(layers=n, head_dim=dim):
            return n * (dim + 4) * tokens
        case Linear():
            matrix = _share(kind.heads, parallel) * kind.k_dim * kind.v_dim * kind.state_bytes
            return kind.layers * (matrix + _convolution(kind.conv_dim, kind.conv_kernel, parallel))
        case Mamba2():
            matrix = _share(kind.heads, parallel) * kind.head_dim * kind.state * kind.state_bytes
            wide = kind.heads * kind.head_dim + 2 * kind.groups * kind.state
            return kind.layers * (matrix + _convolution(wide, kind.conv_kernel, parallel))
        case _:
            assert_never(kind)


def _convolution(width: int, kernel: int, parallel: int) -> int:
    return _share(width, parallel) * (kernel - 1) * CONVOLUTION_BYTES


def _share(heads: int, parallel: int) -> int:
    """Heads on the fullest device: with more devices than heads each keeps one."""
    return -(-heads // parallel)


def _up(amount: Fraction | int) -> int:
    return -(-amount // 1)
