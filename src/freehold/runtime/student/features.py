"""What a student sees of a text: weighted counts of word and character n-grams (tf-idf, sublinear).

Training and answering use these same functions, so what was learnt is what is asked.
"""

import itertools
import math
import re
from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

TOKEN = re.compile(r"\w+|[?!$£€%]")

LONGEST = 4000
"""Characters of a text that are looked at."""

Indices = NDArray[np.int32]
Weights = NDArray[np.float32]


def word_grams(text: str) -> list[str]:
    """Words and pairs of neighbours."""
    words = TOKEN.findall(text)
    return words + [f"{a} {b}" for a, b in itertools.pairwise(words)]


def char_grams(text: str) -> list[str]:
    """Pieces of 3 and 4 characters within words, a space standing for each word's edges."""
    grams: list[str] = []
    for word in text.split():
        padded = f" {word} "
        size = len(padded)
        grams += [padded[i : i + 3] for i in range(size - 2)]
        grams += [padded[i : i + 4] for i in range(size - 3)] if size > 3 else ()
    return grams


KINDS = {"word": word_grams, "char": char_grams}


class Grams(Struct, frozen=True):
    """One kind of n-gram: its vocabulary and weights. Column `first + i` is gram i."""

    kind: str
    index: dict[str, int]
    idf: list[float]
    first: int


def counted(kind: str, texts: Sequence[str], *, least: int, first: int) -> tuple[Grams, list[list[str]]]:
    """The vocabulary of `texts`: grams in at least `least` of them; and the grams of each text. Weights are
    1 + ln((1 + n) / (1 + df))."""
    grams = [KINDS[kind](text) for text in texts]
    frequency: dict[str, int] = {}
    for row in grams:
        for gram in set(row):
            frequency[gram] = frequency.get(gram, 0) + 1
    kept = sorted(gram for gram, count in frequency.items() if least <= count)
    idf = [1 + math.log((1 + len(texts)) / (1 + frequency[gram])) for gram in kept]
    return Grams(kind, {gram: first + i for i, gram in enumerate(kept)}, idf, first), grams


def weighed(grams: Grams, found: Iterable[str]) -> tuple[list[int], list[float]]:
    """Columns and values of one text, scaled to unit length within this kind."""
    counts: dict[int, int] = {}
    index = grams.index
    for gram in found:
        column = index.get(gram)
        if column is not None:
            counts[column] = counts.get(column, 0) + 1
    first, idf = grams.first, grams.idf
    values = [idf[c - first] * (1 + math.log(n) if n > 1 else 1.0) for c, n in counts.items()]
    length = math.sqrt(math.fsum(v * v for v in values)) or 1.0
    return list(counts), [v / length for v in values]


def normal(text: str) -> str:
    return text[:LONGEST].lower()


class Featurizer:
    """Texts to sparse rows: the kinds side by side, `width` columns in all."""

    def __init__(self, kinds: Sequence[Grams]) -> None:
        self.kinds = tuple(kinds)
        self.width = sum(len(g.idf) for g in kinds)

    def row(self, text: str) -> tuple[Indices, Weights]:
        """Columns and values of one text."""
        columns: list[int] = []
        values: list[float] = []
        text = normal(text)
        for grams in self.kinds:
            more, weights = weighed(grams, KINDS[grams.kind](text))
            columns += more
            values += weights
        return np.array(columns, np.int32), np.array(values, np.float32)
