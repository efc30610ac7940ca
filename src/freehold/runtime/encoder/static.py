"""The sentence encoder that comes along: a static table of word pieces, 64 numbers each, two megabytes.

It was distilled from all-MiniLM-L6-v2 (Apache-2.0; see NOTICE). A text's vector is the sum over its word pieces of
weight x row x scale, scaled to unit length; word order plays no part.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from freehold.runtime.encoder.port import Matrix
from freehold.runtime.encoder.wordpiece import WordPiece
from freehold.runtime.tensors import read_safetensors

TABLE = Path(__file__).with_name("static64.safetensors")


class Static:
    """Encodes with a table: `table` int8 [pieces, size], `scale` [size], `weight` uint8 [pieces], `vocab` UTF-8."""

    def __init__(self, path: Path) -> None:
        tensors = read_safetensors(path)
        self._table, self._weight = tensors["table"], tensors["weight"]
        self._scale = tensors["scale"].astype(np.float32)
        self._wordpiece = WordPiece(tensors["vocab"].tobytes().decode().split("\n"))

    @property
    def size(self) -> int:
        return len(self._scale)

    @property
    def pieces(self) -> int:
        """How many the table knows."""
        return len(self._weight)

    def ids(self, text: str) -> list[int]:
        """The pieces of a text."""
        return self._wordpiece.ids(text)

    def rows(self, ids: Sequence[int]) -> Matrix:
        """The vectors of pieces: float32 [pieces, size]."""
        return self._table[ids].astype(np.float32) * self._scale

    def weights(self, ids: Sequence[int]) -> Matrix:
        """How much pieces say, from 0 to 1: float32 [pieces]."""
        return self._weight[ids].astype(np.float32) / np.float32(255)

    def encode(self, texts: Sequence[str]) -> Matrix:
        out = np.zeros((len(texts), self.size), np.float32)
        for i, text in enumerate(texts):
            ids = self.ids(text)
            if ids:
                total = self._weight[ids].astype(np.float32) @ self._table[ids].astype(np.float32) * self._scale
                out[i] = total / max(float(np.linalg.norm(total)), 1e-12)
        return out


@cache
def static64() -> Static:
    """The table that comes along, read once; its pages are shared by all processes."""
    return Static(TABLE)
