"""A language model small enough to be made in a test: a Llama with byte-level BPE, from a seed."""

from pathlib import Path
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch", reason="needs the extra `train`")
transformers: Any = pytest.importorskip("transformers", reason="needs the extra `train`")
tokenizers: Any = pytest.importorskip("tokenizers", reason="needs the extra `train`")
gguf: Any = pytest.importorskip("gguf", reason="needs the extra `train`")
peft: Any = pytest.importorskip("peft", reason="needs the extra `train`")
pytest.importorskip("trl", reason="needs the extra `train`")

TEXTS = [
    "Where is my parcel? It was sent on Monday and has not come.",
    "User: I want my money back. Assistant: refund",
    "System: Answer with one word: delivery, refund or login.",
    "I cannot log in, the password is wrong. é 日本 123 4567",
]


def tiny(folder: Path, *, template: str | None = None, **more: Any) -> Path:
    """A model folder as the hub has it; `more` overrules the configuration."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.chat_template = template
    fast.save_pretrained(folder)
    torch.manual_seed(1)
    shape = {
        "vocab_size": len(fast),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "tie_word_embeddings": False,
        "initializer_range": 0.1,  # so that few steps teach it something
    }
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**shape, **more}))
    model.save_pretrained(folder)
    return folder
