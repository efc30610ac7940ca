"""A BERT sentence encoder in numpy: reads a sentence-transformers folder and needs neither PyTorch nor ONNX.

The folder holds `config.json`, `vocab.txt` (uncased WordPiece) and `model.safetensors`, as all-MiniLM-L6-v2 does.
A text's vector is the mean over its tokens, scaled to unit length (Reimers and Gurevych 2019), and behind it the same
of the middle layer, where words still stand out: what tells labels apart is found in both.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from freehold.core.errors import SettingsWrong
from freehold.runtime.encoder.port import Matrix
from freehold.runtime.encoder.wordpiece import WordPiece
from freehold.runtime.tensors import read_safetensors

LONGEST = 256
"""Tokens of a text that are read, the two marks included; what follows is not seen."""

BATCH_TOKENS = 256
"""Tokens that go together: few enough that what is between two products stays in the processor's cache."""


class _Config(Struct):
    num_hidden_layers: int
    num_attention_heads: int
    hidden_size: int
    layer_norm_eps: float = 1e-12
    hidden_act: str = "gelu"
    model_type: str = "bert"
    position_embedding_type: str = "absolute"


class Bert:
    """Encodes texts; float32. SettingsWrong where the folder is not such a model."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        try:
            self._config = msgspec.json.decode((self.folder / "config.json").read_bytes(), type=_Config)
            vocabulary = (self.folder / "vocab.txt").read_text("utf-8").split("\n")
            tensors = read_safetensors(self.folder / "model.safetensors")
        except (OSError, msgspec.MsgspecError) as error:
            raise SettingsWrong(f"{self.folder} is no sentence encoder: {error}") from None
        config = self._config
        if (config.model_type, config.hidden_act, config.position_embedding_type) != ("bert", "gelu", "absolute"):
            raise SettingsWrong(
                f"{self.folder}: a {config.model_type} with {config.hidden_act} and {config.position_embedding_type} "
                "positions cannot be run here; take a BERT with gelu and absolute positions, such as all-MiniLM-L6-v2"
            )
        try:
            self._load({name.removeprefix("bert."): t.astype(np.float32) for name, t in tensors.items()})
        except KeyError as error:
            raise SettingsWrong(f"{self.folder}/model.safetensors lacks the tensor {error}") from None
        self._pieces = WordPiece(vocabulary)
        self._begin, self._end = self._pieces.id("[CLS]"), self._pieces.id("[SEP]")

    @property
    def size(self) -> int:
        return 2 * self._config.hidden_size

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Two unit vectors, one row for each text: float32 [texts, size]. Texts of one length go together, unpadded."""
        room = min(LONGEST, len(self._positions)) - 2
        ids = [[self._begin, *self._pieces.ids(text)[:room], self._end] for text in texts]
        out = np.empty((len(ids), self.size), np.float32)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        start = 0
        while start < len(order):
            length = len(ids[order[start]])
            stop = start
            while stop < len(order) and len(ids[order[stop]]) == length and (stop - start) * length < BATCH_TOKENS:
                stop += 1
            rows = order[start:stop]
            out[rows] = self._forward(np.array([ids[i] for i in rows]))
            start = stop
        return out

    def _load(self, t: dict[str, Any]) -> None:
        self._words = t["embeddings.word_embeddings.weight"]
        self._positions = t["embeddings.position_embeddings.weight"] + t["embeddings.token_type_embeddings.weight"][0]
        self._norm = (t["embeddings.LayerNorm.weight"], t["embeddings.LayerNorm.bias"])
        self._layers: list[dict[str, Matrix]] = []
        for index in range(self._config.num_hidden_layers):
            p = f"encoder.layer.{index}."
            a = p + "attention."
            heads = [a + f"self.{n}" for n in ("query", "key", "value")]
            self._layers.append(
                {
                    "qkv": np.concatenate([t[h + ".weight"] for h in heads]).T.copy(),
                    "qkv_b": np.concatenate([t[h + ".bias"] for h in heads]),
                    "o": t[a + "output.dense.weight"].T.copy(),
                    "o_b": t[a + "output.dense.bias"],
                    "n1": t[a + "output.LayerNorm.weight"],
                    "n1_b": t[a + "output.LayerNorm.bias"],
                    "up": t[p + "intermediate.dense.weight"].T.copy(),
                    "up_b": t[p + "intermediate.dense.bias"],
                    "down": t[p + "output.dense.weight"].T.copy(),
                    "down_b": t[p + "output.dense.bias"],
                    "n2": t[p + "output.LayerNorm.weight"],
                    "n2_b": t[p + "output.LayerNorm.bias"],
                }
            )

    def _forward(self, ids: Any) -> Matrix:
        """ids [batch, tokens] -> two unit vectors [batch, size]."""
        batch, tokens = ids.shape
        heads, size, eps = self._config.num_attention_heads, self._config.hidden_size, self._config.layer_norm_eps
        means: list[Matrix] = []
        x = _norm((self._words[ids] + self._positions[:tokens]).reshape(-1, size), *self._norm, eps)
        scale = np.float32((size // heads) ** -0.5)
        for w in self._layers:
            qkv = (x @ w["qkv"] + w["qkv_b"]).reshape(batch, tokens, 3, heads, size // heads).transpose(2, 0, 3, 1, 4)
            scores = (qkv[0] * scale) @ qkv[1].swapaxes(-1, -2)
            scores -= scores.max(-1, keepdims=True)
            np.exp(scores, out=scores)
            scores /= scores.sum(-1, keepdims=True)
            seen = (scores @ qkv[2]).transpose(0, 2, 1, 3).reshape(-1, size)
            x = _norm(x + seen @ w["o"] + w["o_b"], w["n1"], w["n1_b"], eps)
            x = _norm(x + _gelu(x @ w["up"] + w["up_b"]) @ w["down"] + w["down_b"], w["n2"], w["n2_b"], eps)
            mean: Matrix = x.reshape(batch, tokens, size).mean(1)
            means.append(mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12))
        return np.concatenate([means[-1], means[(len(means) - 1) // 2]], axis=1)


def _norm(x: Matrix, weight: Matrix, bias: Matrix, eps: float) -> Matrix:
    """Each row [tokens, size] to mean 0 and variance 1, then scaled and moved."""
    x = x - x.mean(-1, keepdims=True)
    variance = np.einsum("ij,ij->i", x, x) / np.float32(x.shape[1])
    x *= (1 / np.sqrt(variance + np.float32(eps)))[:, None]
    x *= weight
    x += bias
    return x


_ERF = tuple(np.float32(c) for c in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592))


def _gelu(x: Matrix) -> Matrix:
    """x times the normal distribution function, by Abramowitz and Stegun 7.1.26 (error under 2e-7). In place where it
    can be: new memory for each step would cost four times as much."""
    z = np.abs(x)
    z *= np.float32(0.70710678)
    t = z * np.float32(0.3275911)
    t += 1
    np.reciprocal(t, out=t)
    erf = t * _ERF[0]
    for c in _ERF[1:]:
        erf += c
        erf *= t
    z *= z
    np.negative(z, out=z)
    erf *= np.exp(z, out=z)
    np.subtract(1, erf, out=erf)
    np.copysign(erf, x, out=erf)
    erf += 1
    erf *= x
    erf *= np.float32(0.5)
    return erf
