"""A model folder (config, safetensors, tokenizer) as one GGUF file, for llama.cpp and Ollama.

The Llama family: Llama, Mistral, Qwen 2 and 3. Names and layout follow llama.cpp's `convert_hf_to_gguf.py` (MIT).
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from freehold.core.errors import InvalidRequest
from freehold.runtime.gguf.library import gguf
from freehold.runtime.gguf.vocabulary import Vocabulary, vocabulary
from freehold.runtime.tensors import read_safetensors

ARCHITECTURES = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "llama",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
}
ROPES = {"default", "linear", "llama3"}
Tensor = NDArray[Any]


class Shape(Struct, frozen=True, kw_only=True):
    """The hyperparameters, as config.json has them. Old files keep `rope_theta` at the top, new ones in
    `rope_parameters`."""

    architectures: list[str]
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    vocab_size: int
    max_position_embeddings: int
    rms_norm_eps: float = 1e-6
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    rope_theta: float = 10_000.0
    rope_scaling: dict[str, Any] | None = None
    rope_parameters: dict[str, Any] | None = None

    @property
    def rope(self) -> dict[str, Any]:
        found = {"rope_theta": self.rope_theta, **(self.rope_scaling or {}), **(self.rope_parameters or {})}
        found.setdefault("rope_type", found.get("type", "default"))
        return found

    @property
    def head(self) -> int:
        return self.head_dim or self.hidden_size // self.num_attention_heads

    @property
    def kv_heads(self) -> int:
        return self.num_key_value_heads or self.num_attention_heads


def supported(folder: Path) -> bool:
    """Whether the model in this folder can be written as GGUF with the same token ids."""
    try:
        shape = _shape(folder)
        vocabulary(folder, shape.vocab_size)
    except InvalidRequest:
        return False
    return True


def write(folder: Path, to: Path) -> Path:
    """Write the model in `folder` as the GGUF file `to`, whole or not at all. One tensor is in memory at a time.

    Numbers stay as they are but for norms and biases, which llama.cpp wants as float32. InvalidRequest where the
    architecture, the position encoding or the tokenizer is one that llama.cpp would run otherwise.
    """
    shape = _shape(folder)
    arch = ARCHITECTURES[shape.architectures[0]]
    words = vocabulary(folder, shape.vocab_size)
    draft = to.with_name(f".{to.name}.draft")
    writer = gguf.GGUFWriter(str(draft), arch)
    _hyperparameters(writer, shape, folder.parent.name)
    _vocabulary(writer, words)
    for name, data, kind in _tensors(folder, shape, arch):
        writer.add_tensor_info(name, data.shape, data.dtype, data.nbytes, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for _, data, _ in _tensors(folder, shape, arch):
        writer.write_tensor_data(data)
    writer.close()
    return draft.rename(to)


def _shape(folder: Path) -> Shape:
    path = folder / "config.json"
    try:
        shape = msgspec.json.decode(path.read_bytes(), type=Shape)
    except (OSError, msgspec.ValidationError) as error:
        raise InvalidRequest(f"{path}: {error}") from None
    if not shape.architectures or shape.architectures[0] not in ARCHITECTURES:
        raise InvalidRequest(f"{shape.architectures} cannot be written as GGUF here, only {', '.join(ARCHITECTURES)}")
    if shape.rope["rope_type"] not in ROPES:
        raise InvalidRequest(f"Position encoding {shape.rope['rope_type']!r} is none of {', '.join(sorted(ROPES))}")
    return shape


def _hyperparameters(writer: Any, shape: Shape, name: str) -> None:
    writer.add_name(name)
    writer.add_block_count(shape.num_hidden_layers)
    writer.add_context_length(shape.max_position_embeddings)
    writer.add_embedding_length(shape.hidden_size)
    writer.add_feed_forward_length(shape.intermediate_size)
    writer.add_head_count(shape.num_attention_heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_layer_norm_rms_eps(shape.rms_norm_eps)
    writer.add_vocab_size(shape.vocab_size)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(float(shape.rope["rope_theta"]))
    if shape.rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(shape.rope["factor"]))


def _vocabulary(writer: Any, words: Vocabulary) -> None:
    writer.add_tokenizer_model(words.model)
    writer.add_tokenizer_pre(words.pre)
    writer.add_token_list(words.tokens)
    writer.add_token_types(words.kinds)
    if words.model == "gpt2":
        writer.add_token_merges(words.merges)
    else:
        writer.add_token_scores(words.scores)
        writer.add_add_space_prefix(words.space_first)
    writer.add_add_bos_token(words.add_bos)
    writer.add_add_eos_token(words.add_eos)
    roles = {
        "bos": writer.add_bos_token_id,
        "eos": writer.add_eos_token_id,
        "unk": writer.add_unk_token_id,
        "pad": writer.add_pad_token_id,
    }
    for role, id in words.special.items():
        roles[role](id)
    if words.template is not None:
        writer.add_chat_template(words.template)


def _tensors(folder: Path, shape: Shape, arch: str) -> Iterator[tuple[str, Tensor, Any]]:
    """Name, numbers and kind of every tensor, always in the same order."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[arch.upper()], shape.num_hidden_layers)
    if shape.rope["rope_type"] == "llama3":
        yield "rope_freqs.weight", _rope_factors(shape), None
    for path in sorted(folder.glob("*.safetensors")):
        for name, tensor in sorted(read_safetensors(path).items()):
            if name.endswith("rotary_emb.inv_freq"):  # computed from the hyperparameters
                continue
            found = names.get_name(name, try_suffixes=(".weight", ".bias"))
            if found is None:
                raise InvalidRequest(f"{path.name} holds {name}, for which llama.cpp has no place")
            attention = arch == "llama" and ".self_attn." in name
            yield found, *_numbers(_interleaved(name, tensor, shape) if attention else tensor)


def _numbers(tensor: Tensor) -> tuple[Tensor, Any]:
    if tensor.ndim < 2:
        return np.ascontiguousarray(tensor, np.float32), None
    if tensor.dtype == np.float32 and not (tensor.view(np.uint32) & 0xFFFF).any():  # it was bfloat16
        return gguf.quants.quantize(tensor, gguf.GGMLQuantizationType.BF16), gguf.GGMLQuantizationType.BF16
    return np.ascontiguousarray(tensor), None


def _interleaved(name: str, tensor: Tensor, shape: Shape) -> Tensor:
    """Rows of queries and keys in the order in which llama.cpp rotates them: pairs side by side, not in halves."""
    heads = {"q_proj": shape.num_attention_heads, "k_proj": shape.kv_heads}.get(name.split(".")[-2])
    if heads is None:
        return tensor
    halves = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
    return halves.swapaxes(1, 2).reshape(tensor.shape)


def _rope_factors(shape: Shape) -> Tensor:
    """By how much each frequency is stretched (Llama 3.1)."""
    rope = shape.rope
    factor, low, high = float(rope["factor"]), float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    old = float(rope["original_max_position_embeddings"])
    factors: list[float] = []
    for i in range(0, shape.head, 2):
        wave = 2 * math.pi * float(rope["rope_theta"]) ** (i / shape.head)
        if wave < old / high:
            factors.append(1.0)
        elif wave > old / low:
            factors.append(factor)
        else:
            smooth = (old / wave - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, np.float32)
