"""MinHash and locality-sensitive hashing: which of many texts are nearly the same, without comparing all with all.

A text is the set of its shingles (5 characters in a row, case and spaces evened out); two texts are as alike as their
sets overlap (Jaccard). A signature keeps, for each of 128 permutations, the least shingle: the share of places in which
two signatures agree estimates the overlap, with a standard error of at most 0.045. Texts that agree in one whole band
of 5 places are looked at together: 25 bands find a pair of overlap 0.8 with a chance of 99.995 %, of 0.7 with 99 %.
Source: A. Broder, On the resemblance and containment of documents (1997); Leskovec, Rajaraman, Ullman, Mining of
Massive Datasets, chapter 3.
"""

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

SHINGLE = 5
PERMUTATIONS = 128
BAND_ROWS = 5
BANDS = PERMUTATIONS // BAND_ROWS
LONGEST = 20_000
"""Characters of a text that count."""

BLOCK = 1 << 15
"""Shingles hashed at once: what fits in the second-level cache."""

CROWD = 50
"""Members of a bucket that are compared all with all; in a larger one, all with the first `CENTRES` of them."""
CENTRES = 8

SAMPLE = 256
COMMON = 0.9
"""Shingles in more than this share of a sample are a template that says nothing about a single text."""

Signatures = NDArray[np.uint32]
"""One row of 128 for each text."""

_Hashes = NDArray[np.uint32]
_random = np.random.default_rng(0x66726565686F6C64)
_FACTORS = _random.integers(0, 1 << 32, PERMUTATIONS, dtype=np.uint32) | np.uint32(1)
_HALF = np.uint32(15)
_MASKS = _random.integers(0, 1 << 32, PERMUTATIONS, dtype=np.uint32)


def signatures(texts: Sequence[str], *, ignore: _Hashes | None = None) -> Signatures:
    """One signature for each text. `ignore`: shingles that do not count, unless a text has no others."""
    found = np.empty((len(texts), PERMUTATIONS), dtype=np.uint32)
    start = 0
    while start < len(texts):
        end, size = start, 0
        while end < len(texts) and (end == start or size < BLOCK):
            size += min(len(texts[end]), LONGEST)
            end += 1
        hashes, counts = _shingles(texts[start:end])
        if ignore is not None and len(ignore):
            hashes, counts = _without(hashes, counts, ignore)
        found[start:end] = _least(hashes, counts)
        start = end
    return found


def template(texts: Sequence[str]) -> _Hashes:
    """The shingles that nearly all of these texts share, as an even sample shows; none among a few texts."""
    if len(texts) < 20:
        return np.empty(0, dtype=np.uint32)
    step = max(1, len(texts) // SAMPLE)
    sample = list(texts[::step])
    hashes, counts = _shingles(sample)
    pieces = np.split(hashes, np.cumsum(counts)[:-1])
    each, times = np.unique(np.concatenate([np.unique(piece) for piece in pieces]), return_counts=True)
    return each[times > COMMON * len(sample)]


def pairs(found: Signatures, threshold: float, *, other: Signatures | None = None) -> list[tuple[int, int, float]]:
    """The pairs (i, j, overlap) whose estimated overlap reaches `threshold`, i before j, in order.

    With `other`: pairs of a row of `found` and a row of `other` instead.
    """
    whole = found if other is None else np.concatenate([found, other])
    split = len(found) if other is not None else None
    if len(whole) < 2:
        return []
    candidates = _candidates(whole, split)
    if not len(candidates):
        return []
    result: list[tuple[int, int, float]] = []
    for part in np.array_split(candidates, max(1, len(candidates) // 50_000)):
        alike = (whole[part[:, 0]] == whole[part[:, 1]]).mean(axis=1)
        for (i, j), share in zip(part[alike >= threshold], alike[alike >= threshold], strict=True):
            result.append((int(i), int(j) - (split or 0), float(share)))
    return result


def clusters(count: int, linked: Sequence[tuple[int, int]]) -> list[int]:
    """For each of `count` rows the least row that it is linked with, by however many steps."""
    roots = list(range(count))

    def root(i: int) -> int:
        while roots[i] != i:
            roots[i] = roots[roots[i]]
            i = roots[i]
        return i

    for i, j in linked:
        a, b = root(i), root(j)
        roots[max(a, b)] = min(a, b)
    return [root(i) for i in range(count)]


def even(text: str) -> str:
    """A text with case and spaces evened out."""
    return " ".join(text[: 2 * LONGEST].casefold().split())[:LONGEST]


def _shingles(texts: Sequence[str]) -> tuple[_Hashes, NDArray[np.intp]]:
    """The hashes of the shingles of all texts, one after the other, and how many each text has (at least one)."""
    plain = [even(text).ljust(SHINGLE, "\0") for text in texts]
    counts = np.array([len(text) - SHINGLE + 1 for text in plain], dtype=np.intp)
    codes = np.frombuffer("".join(plain).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    hashed = np.zeros(len(codes) - SHINGLE + 1, dtype=np.uint64)
    for i in range(SHINGLE):
        hashed = hashed * np.uint64(0x9E3779B97F4A7C15) + codes[i : len(codes) - SHINGLE + 1 + i]
    hashed ^= hashed >> np.uint64(32)
    hashed *= np.uint64(0xD6E8FEB86659FD93)
    hashed ^= hashed >> np.uint64(32)
    ends = np.cumsum(counts + SHINGLE - 1)[:-1]
    inside = np.ones(len(hashed), dtype=bool)
    for i in range(1, SHINGLE):
        inside[ends - i] = False
    return hashed[inside].astype(np.uint32), counts


def _without(hashes: _Hashes, counts: NDArray[np.intp], ignore: _Hashes) -> tuple[_Hashes, NDArray[np.intp]]:
    starts = np.cumsum(counts) - counts
    kept = ~np.isin(hashes, ignore)
    left = np.add.reduceat(kept, starts, dtype=np.intp)
    kept |= np.repeat(left == 0, counts)
    return hashes[kept], np.where(left == 0, counts, left)


def _least(hashes: _Hashes, counts: NDArray[np.intp]) -> Signatures:
    starts = np.cumsum(counts) - counts
    found = np.empty((len(counts), PERMUTATIONS), dtype=np.uint32)
    mixed, high = np.empty_like(hashes), np.empty_like(hashes)
    for i in range(PERMUTATIONS):
        np.bitwise_xor(hashes, _MASKS[i], out=mixed)
        np.multiply(mixed, _FACTORS[i], out=mixed)
        np.right_shift(mixed, _HALF, out=high)
        np.bitwise_xor(mixed, high, out=mixed)
        found[:, i] = np.minimum.reduceat(mixed, starts)
    return found


def _candidates(whole: Signatures, split: int | None) -> NDArray[np.int64]:
    """Pairs of rows that agree in a whole band, sorted; with `split` only those from both sides of it."""
    found: set[tuple[int, int]] = set()
    for band in range(BANDS):
        key = np.zeros(len(whole), dtype=np.uint64)
        for i in range(band * BAND_ROWS, (band + 1) * BAND_ROWS):
            key = key * np.uint64(0x100000001B3) ^ whole[:, i]
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        edges = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]]))
        for start, end in pairwise(edges.tolist()):
            if end - start > 1:
                found.update(_bucket(order[start:end].tolist(), split))
    return np.array(sorted(found), dtype=np.int64).reshape(-1, 2)


def _bucket(rows: list[int], split: int | None) -> list[tuple[int, int]]:
    """Pairs within a bucket, whose rows are in order."""
    if split is not None:
        one, two = [i for i in rows if i < split], [i for i in rows if i >= split]
        return [(i, j) for i in one for j in (two if len(two) <= CROWD else two[:CENTRES])]
    if len(rows) <= CROWD:
        return list(combinations(rows, 2))
    return [(rows[c], j) for c in range(CENTRES) for j in rows[c + 1 :]]
