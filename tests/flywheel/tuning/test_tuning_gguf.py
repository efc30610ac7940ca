"""A model as GGUF: every tensor and every token where llama.cpp looks for it, and the same words out of llama.cpp."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import msgspec
import numpy as np
import pytest

from flywheel.tuning.tiny_model import TEXTS, gguf, tiny, tokenizers, torch, transformers
from flywheel.tuning.tuning_world import read
from freehold.core.errors import InvalidRequest
from freehold.runtime.gguf.export import supported, write

pytestmark = [pytest.mark.filterwarnings("ignore")]
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


def fields(path: Path) -> dict[str, Any]:
    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}


def numbers(path: Path) -> dict[str, Any]:
    return {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(path).tensors}


def halves(pairs: Any, heads: int) -> Any:
    """Undo llama.cpp's order of rotated rows."""
    rows, columns = pairs.shape
    return pairs.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def test_every_tensor_and_hyperparameter_is_read_back(tmp_path: Path) -> None:
    base = tiny(tmp_path / "base")
    path = write(base, tmp_path / "model.gguf")
    model = transformers.AutoModelForCausalLM.from_pretrained(base).state_dict()
    found = numbers(path)
    assert len(found) == len(model) == 21
    names = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
        "model.layers.1.self_attn.v_proj.weight": "blk.1.attn_v.weight",
        "model.layers.1.self_attn.o_proj.weight": "blk.1.attn_output.weight",
        "model.layers.0.mlp.gate_proj.weight": "blk.0.ffn_gate.weight",
        "model.layers.0.mlp.up_proj.weight": "blk.0.ffn_up.weight",
        "model.layers.0.mlp.down_proj.weight": "blk.0.ffn_down.weight",
        "model.layers.0.input_layernorm.weight": "blk.0.attn_norm.weight",
        "model.layers.0.post_attention_layernorm.weight": "blk.0.ffn_norm.weight",
    }
    for ours, theirs in names.items():
        np.testing.assert_array_equal(found[theirs], model[ours].numpy(), err_msg=ours)
    q, k = "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight"
    np.testing.assert_array_equal(halves(found["blk.0.attn_q.weight"], 4), model[q].numpy())
    np.testing.assert_array_equal(halves(found["blk.0.attn_k.weight"], 2), model[k].numpy())
    said = fields(path)
    assert said["general.architecture"] == "llama"
    assert said["llama.block_count"] == 2
    assert said["llama.attention.head_count_kv"] == 2
    assert said["llama.embedding_length"] == 64
    assert said["llama.rope.freq_base"] == 10_000.0


def test_every_token_keeps_its_id(tmp_path: Path) -> None:
    base = tiny(tmp_path / "base", template="{{ messages }}", vocab_size=420)
    said = fields(write(base, tmp_path / "model.gguf"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    count = len(tokenizer)
    assert said["tokenizer.ggml.tokens"][:count] == tokenizer.convert_ids_to_tokens(list(range(count)))
    assert said["tokenizer.ggml.tokens"][count:] == [f"[PAD{i}]" for i in range(count, 420)]
    assert said["tokenizer.ggml.token_type"][:3] == [3, 3, 1]
    assert said["tokenizer.ggml.pre"] == "gpt-2"
    assert said["tokenizer.ggml.eos_token_id"] == 1
    assert said["tokenizer.ggml.add_bos_token"] is False
    assert said["tokenizer.chat_template"] == "{{ messages }}"


def test_bfloat16_stays_bfloat16_and_the_file_is_half_the_size(tmp_path: Path) -> None:
    base = tiny(tmp_path / "base")
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    model.save_pretrained(tmp_path / "half")
    transformers.AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "half")
    path = write(tmp_path / "half", tmp_path / "half.gguf")
    kinds = {t.name: t.tensor_type.name for t in gguf.GGUFReader(path).tensors}
    assert kinds["blk.0.attn_q.weight"] == "BF16"
    assert kinds["blk.0.attn_norm.weight"] == "F32"
    want = model.state_dict()["lm_head.weight"].float().numpy()
    np.testing.assert_array_equal(numbers(path)["output.weight"], want)


@pytest.mark.parametrize(
    "more", [{}, {"rope_parameters": LLAMA3}, {"attention_bias": True, "tie_word_embeddings": True}], ids=str
)
def test_llama_cpp_reads_the_same_tokens_and_says_the_same(more: dict[str, Any], tmp_path: Path) -> None:
    base = tiny(tmp_path / "base", **more)
    path = write(base, tmp_path / "model.gguf")
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    with llama(path) as ask:
        for text in [*TEXTS, "  two spaces\n\nand lines", "Größe 12345 ¿qué? 日本語"]:
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            assert ask("/tokenize", {"content": text})["tokens"] == ids
            with torch.no_grad():
                want = model.generate(
                    torch.tensor([ids]),
                    attention_mask=torch.ones(1, len(ids)),
                    max_new_tokens=12,
                    do_sample=False,
                    suppress_tokens=[1],
                    pad_token_id=1,
                )[0, len(ids) :].tolist()
            greedy = {"n_predict": 12, "temperature": 0, "return_tokens": True, "ignore_eos": True}
            assert ask("/completion", {"prompt": ids, **greedy})["tokens"] == want, text


@contextmanager
def llama(path: Path) -> Generator[Callable[[str, dict[str, Any]], Any]]:
    """llama.cpp with this file loaded, and how to ask it."""
    xllamacpp: Any = pytest.importorskip("xllamacpp", reason="llama.cpp is tried where xllamacpp is installed")
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel = 256, 1
    params.cpuparams.n_threads = 1
    # whole numbers throughout, as in transformers: halves decide otherwise where two tokens are about as likely
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(params)

    def ask(where: str, body: dict[str, Any]) -> Any:
        url = f"{server.listening_address}{where}"
        request = Request(url, msgspec.json.encode(body), {"content-type": "application/json"})
        with urlopen(request) as reply:
            return msgspec.json.decode(reply.read())

    yield ask


def test_a_tokenizer_that_splits_otherwise_is_refused(tmp_path: Path) -> None:
    base = tiny(tmp_path / "base")
    assert supported(base)
    spec = read(base / "tokenizer.json")
    spec["pre_tokenizer"] = {"type": "Whitespace"}
    (base / "tokenizer.json").write_bytes(msgspec.json.encode(spec))
    assert not supported(base)
    with pytest.raises(InvalidRequest, match="llama\\.cpp has no name"):
        write(base, tmp_path / "model.gguf")
    assert list(tmp_path.glob("*.gguf")) == []


def test_another_architecture_is_refused_by_name(tmp_path: Path) -> None:
    base = tiny(tmp_path / "base")
    config = read(base / "config.json") | {"architectures": ["MambaForCausalLM"]}
    (base / "config.json").write_bytes(msgspec.json.encode(config))
    with pytest.raises(InvalidRequest, match="MambaForCausalLM"):
        write(base, tmp_path / "model.gguf")


def sentencepiece(folder: Path) -> Path:
    """The same words as a tokenizer with byte fallback, as Llama 2 and Mistral have it."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = tokenizers.normalizers.Sequence(
        [tokenizers.normalizers.Prepend("▁"), tokenizers.normalizers.Replace(" ", "▁")]
    )
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))],
        show_progress=False,
    )
    tokenizer.train_from_iterator([t.replace(" ", "▁") for t in TEXTS] * 3, trainer)
    spec = msgspec.json.decode(tokenizer.to_str())
    spec["added_tokens"] = spec["added_tokens"][:3]  # bytes are pieces, not special tokens
    tokenizer = tokenizers.Tokenizer.from_str(msgspec.json.encode(spec).decode())
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)
    return folder


def test_sentencepiece_tokens_come_out_the_same_in_llama_cpp(tmp_path: Path) -> None:
    base = sentencepiece(tiny(tmp_path / "base", vocab_size=420))
    path = write(base, tmp_path / "model.gguf")
    assert fields(path)["tokenizer.ggml.model"] == "llama"
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    with llama(path) as ask:
        for text in [*TEXTS, "  two spaces", "Größe 12345 ¿qué? 日本語"]:
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            assert ask("/tokenize", {"content": text})["tokens"] == ids, text
