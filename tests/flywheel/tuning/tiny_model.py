"""A language model small enough to be made in a test: a Llama with byte-level BPE, from a seed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from freehold.core.dataset import Example
from freehold.core.request import Message, TextPart
from freehold.flywheel.jobs.job import Json

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
WORDS = {"parcel": "delivery", "money": "refund", "password": "login"}


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
    }
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**shape, **more}))
    model.save_pretrained(folder)
    return folder


def example(text: str, target: str, **more: Any) -> Example:
    messages = (Message("user", (TextPart(text),)),)
    return Example(id=f"{text}/{target}", messages=messages, target=target, source="label", **more)


def examples(count: int) -> Sequence[Example]:
    """Questions about three things; the answer is one word for each."""
    words = list(WORDS)
    return [example(f"Please help, {words[i % 3]} number {i}.", WORDS[words[i % 3]]) for i in range(count)]


class Told:
    """Steps that are kept in memory, and what was told of progress."""

    def __init__(self) -> None:
        self.results: dict[str, bytes] = {}
        self.said: list[tuple[float, str]] = []
        self.ran: list[str] = []

    def step(self, name: str, function: Any) -> Any:
        if name not in self.results:
            self.ran.append(name)
            self.results[name] = msgspec.json.encode(function())
        return msgspec.json.decode(self.results[name])

    def progress(self, share: float, text: str) -> None:
        self.said.append((share, text))


def read(path: str | Path) -> Json:
    return msgspec.json.decode(Path(path).read_bytes())
