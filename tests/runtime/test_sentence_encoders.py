"""Sentence encoders: the table that comes along, and BERT folders run in numpy."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.core.errors import SettingsWrong
from freehold.runtime.encoder.bert import Bert
from freehold.runtime.encoder.named import encoder
from freehold.runtime.encoder.soft import SoftWords
from freehold.runtime.encoder.static import static64
from freehold.runtime.encoder.wordpiece import WordPiece
from freehold.runtime.tensors import read_safetensors, safetensors

VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "the",
    "cat",
    "##s",
    "sat",
    "un",
    "##want",
    "##ed",
    "!",
    "é",
    "e",
    "猫",
]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("The CATS sat!", ["the", "cat", "##s", "sat", "!"]),
        ("unwanted", ["un", "##want", "##ed"]),
        ("unwanting cat", ["[UNK]", "cat"]),
        ("É", ["e"]),  # accents go before the vocabulary is asked
        ("猫猫cat", ["猫", "猫", "cat"]),
        ("a" * 101, ["[UNK]"]),
        (" \n", []),
    ],
)
def test_a_text_is_cut_into_the_longest_pieces(text: str, pieces: list[str]) -> None:
    cut = WordPiece(VOCABULARY)

    assert cut.ids(text) == cut.ids(text) == [VOCABULARY.index(p) for p in pieces]


def test_the_table_that_comes_along_puts_like_texts_close() -> None:
    vectors = encoder("static64").encode(
        ["my card was stolen", "somebody took my credit card", "what is the weather like", ""]
    )

    assert vectors.shape == (4, 64)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1, 0], abs=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def soft_words(seed: int = 0) -> SoftWords:
    dice = np.random.default_rng(seed)
    tensors = {
        "turn": dice.normal(size=(64, 512)) * 2,
        "phase": dice.random(512) * 2 * np.pi,
        "axes": np.linalg.qr(dice.normal(size=(512, 256)))[0],
        "centre": np.zeros(256),
    }
    return SoftWords(static64(), tensors)


def test_soft_words_put_texts_close_whose_words_mean_the_same() -> None:
    texts = ["my card was stolen", "card stolen", "somebody took my credit card", "what is the weather like"]

    vectors = soft_words().encode(texts)

    near = vectors @ vectors.T
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert near[0, 1] > near[0, 2] > near[0, 3]


def test_soft_words_do_not_depend_on_what_was_read_before() -> None:
    once, again = soft_words(), soft_words()
    again.encode(["the weather in rome", "stolen goods"])

    assert np.array_equal(once.encode(["my card was stolen", ""]), again.encode(["my card was stolen", ""]))
    assert not again.encode([""]).any()


def bert(folder: Path, **config: Any) -> Path:
    """A small BERT with random weights."""
    dice = np.random.default_rng(0)
    size, inner = 8, 12
    shapes = {
        "embeddings.word_embeddings.weight": (len(VOCABULARY), size),
        "embeddings.position_embeddings.weight": (16, size),
        "embeddings.token_type_embeddings.weight": (2, size),
        "embeddings.LayerNorm.weight": (size,),
        "embeddings.LayerNorm.bias": (size,),
    }
    for i in range(2):
        for name, out, into in [
            ("attention.self.query", size, size),
            ("attention.self.key", size, size),
            ("attention.self.value", size, size),
            ("attention.output.dense", size, size),
            ("intermediate.dense", inner, size),
            ("output.dense", size, inner),
        ]:
            shapes[f"encoder.layer.{i}.{name}.weight"] = (out, into)
            shapes[f"encoder.layer.{i}.{name}.bias"] = (out,)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"encoder.layer.{i}.{name}.weight"] = shapes[f"encoder.layer.{i}.{name}.bias"] = (size,)
    folder.mkdir()
    tensors = {name: dice.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    (folder / "model.safetensors").write_bytes(safetensors(tensors))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    shape = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": size, "layer_norm_eps": 1e-12}
    (folder / "config.json").write_text(json.dumps(shape | config))
    return folder


def by_hand(folder: Path, ids: list[int]) -> list[float]:
    """The same model, token by token and number by number, from the paper (Vaswani et al. 2017, Devlin et al. 2018):
    its last layer and its first of two."""
    t = {n: x.astype(np.float64) for n, x in read_safetensors(folder / "model.safetensors").items()}

    def norm(x: Any, name: str) -> Any:
        return (x - x.mean()) / math.sqrt(x.var() + 1e-12) * t[name + ".weight"] + t[name + ".bias"]

    def dense(x: Any, name: str) -> Any:
        return t[name + ".weight"] @ x + t[name + ".bias"]

    e = "embeddings."
    rows = [
        t[e + "word_embeddings.weight"][i]
        + t[e + "position_embeddings.weight"][at]
        + t[e + "token_type_embeddings.weight"][0]
        for at, i in enumerate(ids)
    ]
    rows = [norm(x, e + "LayerNorm") for x in rows]
    found: list[list[float]] = []
    for layer in range(2):
        p = f"encoder.layer.{layer}."
        q, k, v = ([dense(x, f"{p}attention.self.{n}") for x in rows] for n in ("query", "key", "value"))
        after: list[Any] = []
        for at, x in enumerate(rows):
            seen = np.zeros(8)
            for head in (slice(0, 4), slice(4, 8)):
                scores = np.exp([q[at][head] @ other[head] / 2 for other in k])
                seen[head] = sum(s * other[head] for s, other in zip(scores / scores.sum(), v, strict=True))
            mixed = norm(x + dense(seen, p + "attention.output.dense"), p + "attention.output.LayerNorm")
            up = np.array([y * 0.5 * (1 + math.erf(y / math.sqrt(2))) for y in dense(mixed, p + "intermediate.dense")])
            after.append(norm(mixed + dense(up, p + "output.dense"), p + "output.LayerNorm"))
        rows = after
        mean: Any = np.mean(np.array(rows), axis=0)
        found.append((mean / np.linalg.norm(mean)).tolist())
    return found[-1] + found[0]


def test_a_bert_folder_is_run_as_the_papers_say(tmp_path: Path) -> None:
    folder = bert(tmp_path / "model")

    vectors = Bert(folder).encode(["the cats sat!", "the cat sat", "unwanted cats", ""])

    assert vectors.dtype == np.float32
    for vector, ids in zip(
        vectors, ([2, 4, 5, 6, 7, 11, 3], [2, 4, 5, 7, 3], [2, 8, 9, 10, 5, 6, 3], [2, 3]), strict=True
    ):
        assert vector.tolist() == pytest.approx(by_hand(folder, ids), abs=1e-5)


def test_a_text_longer_than_the_model_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    model = Bert(bert(tmp_path / "model"))

    assert np.array_equal(model.encode(["the cat " * 100]), model.encode(["the cat " * 7]))


@pytest.mark.parametrize("config", [{"hidden_act": "relu"}, {"model_type": "roberta"}])
def test_another_architecture_is_refused(tmp_path: Path, config: dict[str, str]) -> None:
    with pytest.raises(SettingsWrong, match="take a BERT with gelu"):
        Bert(bert(tmp_path / "model", **config))


def test_a_folder_that_lacks_something_is_refused_by_its_name(tmp_path: Path) -> None:
    folder = bert(tmp_path / "model", num_hidden_layers=3)

    with pytest.raises(SettingsWrong, match=r"lacks the tensor 'encoder\.layer\.2"):
        Bert(folder)
    with pytest.raises(SettingsWrong, match="is no sentence encoder"):
        Bert(tmp_path)
    with pytest.raises(SettingsWrong, match="There is no sentence encoder nowhere"):
        encoder("nowhere")
