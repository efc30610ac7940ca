"""A lesson: examples made ready to learn from, once for all rounds. Rows of features, classes and tags."""

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from freehold.core.dataset import Example
from freehold.flywheel.tuning.student.align import tags
from freehold.flywheel.tuning.student.infer import surfaces
from freehold.flywheel.tuning.student.net import Labels, Sparse, sparse
from freehold.flywheel.tuning.student.sense import Sense, sensed
from freehold.runtime.encoder.port import Matrix, SentenceEncoder
from freehold.runtime.encoder.static import Static
from freehold.runtime.student.contract import ABSENT, Contract, Enum, read
from freehold.runtime.student.contract import Path as FieldPath
from freehold.runtime.student.features import Featurizer, Grams, Indices, Weights, counted, normal, weighed
from freehold.runtime.student.student import fact
from freehold.runtime.student.tokens import Token, sights, tokens

KINDS = ("word", "char")
"""In the order of their columns."""

FEW = 3000
"""Below this many texts, rare n-grams are kept too."""

TABLE, ENCODER = (1.4, 1.0), (2.0, 0.6)
"""Length of a text's meaning beside its n-grams, each kind of which has length 1, and how much soft words count in it;
what a table says counts less than what an encoder does. With few texts, of which n-grams know little, the length is 1
more."""


class Lesson(Struct, frozen=True, kw_only=True):
    """`rows`: [texts, columns]. `sense`: what each text means; None without an encoder. `meaning`: that, as long as
    `weight` [texts, size]. `soft`: how much soft words count in it.

    `labels`: for each enum the class of each text. `tagged`: each text's tags, None where a target does not fit its
    text.
    """

    contract: Contract
    texts: list[str]
    targets: list[str]
    wanted: list[dict[FieldPath, object]]
    kinds: list[Grams]
    featurizer: Featurizer
    rows: Sparse
    sense: Sense | None
    meaning: Matrix
    weight: float
    soft: float
    labels: list[Labels]
    tagged: list[list[int] | None]
    weights: Matrix


def prepared(examples: Sequence[Example], contract: Contract, encoder: SentenceEncoder | None, *, seed: int) -> Lesson:
    texts = [e.text for e in examples]
    wanted = [read(contract, e.target) for e in examples]
    kinds, rows = _features(texts)
    featurizer = Featurizer(kinds)
    weight, soft = TABLE if isinstance(encoder, Static) else ENCODER
    weight += len(texts) < FEW
    sense = None if encoder is None else sensed(texts, encoder.encode(texts), share=soft, seed=seed)
    meaning = np.empty((len(texts), 0), np.float32) if sense is None else sense.vectors * np.float32(weight)
    return Lesson(
        contract=contract,
        texts=texts,
        targets=[e.target for e in examples],
        wanted=wanted,
        kinds=kinds,
        featurizer=featurizer,
        rows=sparse(rows, featurizer.width),
        sense=sense,
        meaning=meaning,
        weight=weight,
        soft=soft,
        labels=[_labels(enum, wanted) for enum in contract.enums],
        tagged=_tagged(texts, wanted, contract) if contract.spans else [],
        weights=np.array([e.weight for e in examples], np.float32),
    )


def _features(texts: list[str]) -> tuple[list[Grams], list[tuple[Indices, Weights]]]:
    """The vocabulary of the texts and their rows. Labels play no part."""
    few = len(texts) < FEW
    least = {"word": 1 if few else 2, "char": 2 if few else 3}
    kinds: list[Grams] = []
    columns: list[list[int]] = [[] for _ in texts]
    values: list[list[float]] = [[] for _ in texts]
    plain = [normal(text) for text in texts]
    first = 0
    for kind in KINDS:
        grams, found = counted(kind, plain, least=least[kind], first=first)
        first += len(grams.idf)
        kinds.append(grams)
        for i, row in enumerate(found):
            more, weights = weighed(grams, row)
            columns[i] += more
            values[i] += weights
    return kinds, [(np.array(c, np.int32), np.array(v, np.float32)) for c, v in zip(columns, values, strict=True)]


def _labels(enum: Enum, wanted: Sequence[Mapping[FieldPath, object]]) -> Labels:
    """The class of each text; values that the contract does not know take the first class and no part in learning."""
    classes = {_key(value): i for i, value in enumerate(enum.values)}
    if enum.optional:
        classes[_key(ABSENT)] = len(enum.values)
    return np.array([classes.get(_key(w.get(enum.path, ABSENT)), 0) for w in wanted], np.int64)


def _key(value: object) -> tuple[type, object]:
    """1, 1.0 and true are equal in Python but not in an answer."""
    return type(value), value


def _tagged(
    texts: list[str], wanted: Sequence[Mapping[FieldPath, object]], contract: Contract
) -> list[list[int] | None]:
    found: list[list[int] | None] = []
    for text, leaf in zip(texts, wanted, strict=True):
        pieces = {i: [str(p) for p in surfaces(leaf.get(f.path))] for i, f in enumerate(contract.spans)}
        found.append(tags(text, tokens(text), {i: p for i, p in pieces.items() if p}))
    return found


class TokenRows(Struct, frozen=True):
    """What the tagger learns from: `rows` [tokens, features], `labels` [tokens], and the features' index."""

    rows: Sparse
    labels: Labels
    weights: Matrix
    index: dict[str, int]


TOKEN_VALUE = np.float32(0.2)
"""A feature of a token counts this much: some thirty are on at once."""


def token_rows(lesson: Lesson, chosen: NDArray[np.int64], least: int = 2) -> TokenRows:
    """The tokens of these texts, told the right values of the enums."""
    found: list[list[str]] = []
    labels: list[int] = []
    weights: list[float] = []
    numbers: list[int] = chosen.tolist()
    for i in numbers:
        tagged = lesson.tagged[i]
        if tagged is None:
            continue
        row: list[Token] = tokens(lesson.texts[i])
        found += sights(row, context(lesson, [int(labels_[i]) for labels_ in lesson.labels]))
        labels += tagged
        weights += [float(lesson.weights[i])] * len(row)
    counts: dict[str, int] = {}
    for features in found:
        for feature in features:
            counts[feature] = counts.get(feature, 0) + 1
    index = {f: i for i, f in enumerate(sorted(f for f, n in counts.items() if n >= least))}
    rows = [np.array([c for f in features if (c := index.get(f)) is not None], np.int32) for features in found]
    return TokenRows(
        sparse([(columns, np.full(len(columns), TOKEN_VALUE)) for columns in rows], len(index)),
        np.array(labels, np.int64),
        np.array(weights, np.float32),
        index,
    )


def context(lesson: Lesson, classes: Sequence[int]) -> list[str]:
    """What the tagger is told: the class of each enum."""
    return [fact(enum.path, c) for enum, c in zip(lesson.contract.enums, classes, strict=True)]
