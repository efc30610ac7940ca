"""Nearest texts by the words and pieces of words that they share: hashed n-grams, weighted by rarity, cosine."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

PLACES = 1 << 20
"""Hashes of n-grams: two of them rarely share one, and a shared one only blurs."""

_WORD = re.compile(r"\w+")
Tensor = NDArray[Any]


def features(text: str) -> Counter[int]:
    """How often each n-gram occurs: words, pairs of words, and three to five letters within a word."""
    words = _WORD.findall(text.lower())
    found = Counter(f"w{w}" for w in words)
    found.update(f"p{a} {b}" for a, b in pairwise(words))
    for word in words:
        edged = f"<{word}>"
        found.update(edged[i : i + n] for n in (3, 4, 5) for i in range(len(edged) - n + 1))
    places: Counter[int] = Counter()
    for gram, count in found.items():
        places[crc32(gram.encode()) % PLACES] += count
    return places


class Index:
    """An inverted index: for the n-gram `grams[i]`, rows `rows[starts[i]:starts[i + 1]]` have it with `weights`."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._grams = tensors["grams"]
        self._starts = tensors["starts"]
        self._rows = tensors["rows"]
        self._weights = tensors["weights"]
        self._idf = tensors["idf"]
        self._size = int(tensors["size"][0])

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Index":
        return cls(build(texts))

    def similarity(self, text: str) -> NDArray[np.float32]:
        """Cosine of the text with every row, in [0, 1]."""
        scores = np.zeros(self._size, np.float32)
        asked = features(text)
        places = np.array(sorted(asked), np.int64)
        at = np.searchsorted(self._grams, places)
        length = 0.0
        for place, i in zip(places.tolist(), at.tolist(), strict=True):
            known = i < len(self._grams) and self._grams[i] == place
            # an n-gram that no row has weighs like the rarest: a text of other words is like none of them
            weight = (1 + math.log(asked[place])) * (float(self._idf[i]) if known else 1 + math.log(1 + self._size))
            length += weight * weight
            if known:
                span = slice(int(self._starts[i]), int(self._starts[i + 1]))
                scores[self._rows[span]] += np.float32(weight) * self._weights[span]
        return scores / np.float32(math.sqrt(length)) if length else scores


def build(texts: Sequence[str]) -> dict[str, Tensor]:
    """The tensors of an index, a row for each text."""
    counted = [features(text) for text in texts]
    having = Counter(place for one in counted for place in one)
    grams = np.array(sorted(having), np.int64)
    number = {place: i for i, place in enumerate(grams.tolist())}
    idf = np.array([1 + math.log((1 + len(texts)) / (1 + having[p])) for p in grams.tolist()], np.float64)
    postings: list[list[tuple[int, float]]] = [[] for _ in grams]
    for row, one in enumerate(counted):
        weights = {number[p]: (1 + math.log(n)) * float(idf[number[p]]) for p, n in one.items()}
        length = math.sqrt(sum(w * w for w in weights.values())) or 1.0
        for i, weight in weights.items():
            postings[i].append((row, weight / length))
    return {
        "grams": grams,
        "idf": idf,
        "starts": np.cumsum([0, *(len(p) for p in postings)], dtype=np.int64),
        "rows": np.array([row for p in postings for row, _ in p], np.int32),
        "weights": np.array([weight for p in postings for _, weight in p], np.float32),
        "size": np.array([len(texts)], np.int64),
    }
