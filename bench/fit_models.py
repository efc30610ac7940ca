"""What measured rows leave out of the models they name: sizes, layers and cache, from cards and configurations.

Facts of models, no speeds: the same that the catalog knows of the models it describes.
"""

from msgspec import Struct


class Facts(Struct, frozen=True):
    """Parameters in billions, in all and for one token; bytes of cache a token in bf16; bytes of weights in 10^9 where
    every file of the model has about the same, whatever its name says.

    `layers` have a mixer and a feed-forward part: a layer with one of them counts half, and a short convolution little.
    """

    total: float
    active: float
    layers: float
    cache: int
    weights: float | None = None


_DENSE = """
qwen3-0.6b 0.6 28 114688|qwen3-1.7b 1.72 28 114688|qwen3-4b 4.02 36 147456|qwen3-8b 8.19 36 147456
qwen3-14b 14.8 40 163840|qwen3-32b 32.8 64 262144
qwen2.5-0.5b 0.49 24 12288|qwen2.5-1.5b 1.54 28 28672|qwen2.5-3b 3.09 36 36864|qwen2.5-7b 7.62 28 57344
qwen2.5-14b 14.8 48 196608|qwen2.5-32b 32.8 64 262144|qwen2.5-72b 72.7 80 327680
qwen2.5-coder-0.5b 0.49 24 12288|qwen2.5-coder-1.5b 1.54 28 28672|qwen2.5-coder-3b 3.09 36 36864
qwen2.5-coder-7b 7.62 28 57344|qwen2.5-coder-14b 14.8 48 196608|qwen2.5-coder-32b 32.8 64 262144
qwen3.5-0.8b 0.8 24 12288|qwen3.5-4b 4.2 32 32768|qwen3.5-9b 9 32 32768|carnice-9b 9 32 32768
3.5-27b 27 64 65536|3.6-27b 27 64 65536|btl-3 27 64 65536|ornstein-hermes-3.6-27b 27 64 65536
llama-2-7b 6.74 32 524288|llama-2-13b 13 40 819200|meta-llama-3-8b 8.03 32 131072|llama-3.1-8b 8.03 32 131072
llama-3.1-70b 70.6 80 327680|llama-3.3-70b 70.6 80 327680|llama-3.2-1b 1.24 16 32768|llama-3.2-3b 3.21 28 114688
phi-4 14.7 40 204800|phi-4-mini 3.84 32 131072|phi-3.5-mini 3.82 32 393216
gemma-3-270m 0.268 18 3072|functiongemma-270m 0.268 18 3072|gemma-3-1b 1 26 4096|gemma-3-4b 3.88 34 20480
gemma-4-12b 12 48 16384|gemma-4-31b 31 60 40960
mistral-7b 7.25 32 131072|mistral-nemo 12.25 40 163840
smollm2-360m 0.362 32 40960|smollm2-1.7b 1.71 24 196608|olmo-2-0425-1b 1.48 16 131072
lfm2.5-230m 0.23 11 12288|lfm2.5-350m 0.354 12 12288|lfm2-700m 0.74 12 12288|lfm2.5-1.2b 1.17 12 12288
falcon-h1-0.5b 0.52 36 18432|falcon-h1-tiny 0.09 24 8192|granite-4.0-1b 1.63 40 81920
h2o-danube3-500m 0.514 16 36864|minicpm5-1b 1.08 24 24576|ternary-bonsai-8b 8.19 36 147456
"""
_SPARSE = """
qwen3-30b-a3b 30.5 3.3 48 98304|qwen3-coder-30b 30.5 3.3 48 98304|qwen3-235b 235 22 94 192512
35b-a3b 35 3 40 20480|btl-4 35 3 40 20480|agents-a1 35 3 40 20480|qwen3.5-122b 122 10 48 24576
qwen3-next-80b 80 3 48 24576|qwen3-coder-next 80 3 48 24576
gemma-4-e2b 5.1 2.3 35 8192|gemma-4-e4b 8 4.5 42 16384|gemma-4-26b 25.2 3.8 30 10240|diffusiongemma 25.2 3.8 30 10240
lfm2-8b-a1b 8.3 1.5 18 12288|lfm2.5-8b-a1b 8.3 1.5 18 12288|trinity-mini 26 3.5 32 16384
nemotron-cascade-2-30b 31.6 3.2 26 6144|minimax-m2 230 10 62 253952|mixtral-8x7b 46.7 12.9 32 131072
glm-4.5-air 106 12 46 188416
"""
_PACKED = """
gpt-oss-20b 20.9 3.6 24 24576 12.1|gpt-oss-120b 117 5.1 36 36864 63.4
"""


def _facts() -> dict[str, Facts]:
    found: dict[str, Facts] = {}
    for cells in (cell.split() for cell in _DENSE.strip().replace("\n", "|").split("|")):
        name, total, layers, cache = cells
        found[name] = Facts(float(total), float(total), float(layers), int(cache))
    for cells in (cell.split() for cell in (_SPARSE.strip() + _PACKED.rstrip()).replace("\n", "|").split("|")):
        name, total, active, layers, cache, *weights = cells
        found[name] = Facts(
            float(total), float(active), float(layers), int(cache), float(weights[0]) if weights else None
        )
    found["deepseek-v4-flash"] = Facts(284, 13, 43, 40_000)
    return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))


FACTS = _facts()
"""By a part of the name, the longest first."""

FP8_V4_FLASH = 160.0
"""10^9 bytes of DeepSeek-V4-Flash as published: its experts have four bits in what is called FP8."""

FAMILIES = (
    "qwen3.6-27b",
    "qwen3.6-35b",
    "qwen3.5-27b",
    "nemotron-cascade",
    "lfm2",
    "trinity",
    "gpt-oss",
    "gemma-4-12b",
    "gemma-4-31b",
    "gemma-4",
    "gemma-3",
    "falcon-h1",
    "tess",
    "btl",
    "qwopus",
    "tinystories",
    "deepseek",
    "phi-4-mini",
    "llama-3.2",
    "llama-3",
    "qwen2.5-coder",
    "qwen2.5",
    "qwen3-",
    "qwen3.5",
    "granite",
    "mistral",
)
"""What is left out together: names that stand for the same design. A model in none is a family of its own."""


def facts(names: str) -> Facts | None:
    """What is known of a model by its lower-case names."""
    return next((found for name, found in FACTS.items() if name in names), None)


def family(names: str, model: str) -> str:
    """The family of a model by its lower-case names."""
    return next((name for name in FAMILIES if name in names), model)
