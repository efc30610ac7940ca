"""A student: a small model with one head for each field of its contract. It answers where it is sure."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from freehold.core.errors import SettingsWrong
from freehold.core.request import Message
from freehold.runtime.encoder import named
from freehold.runtime.encoder.port import Matrix, SentenceEncoder
from freehold.runtime.encoder.soft import SoftWords
from freehold.runtime.encoder.static import static64
from freehold.runtime.student.artifact import Manifest, Tensor, load, unpacked
from freehold.runtime.student.contract import Path as FieldPath
from freehold.runtime.student.contract import name, written
from freehold.runtime.student.features import Featurizer, Grams
from freehold.runtime.student.heads import Classifier, Tagger, nearness, softmax, value
from freehold.runtime.student.sense import joined

Why = Literal["sure", "unsure", "out_of_scope"]


class Prediction(Struct, frozen=True, kw_only=True):
    """One answer. `confidence`: the calibrated chance that all of it is right; `why` says whether it may be given."""

    target: str
    confidence: float
    why: Why
    scope: float = 0.0

    @property
    def sure(self) -> bool:
        return self.why == "sure"


class Student:
    """Reads texts, writes answers. `encoder` is asked where the manifest names one. Pure: the same text, the same
    answer."""

    def __init__(
        self, manifest: Manifest, tensors: dict[str, Tensor], *, encoder: SentenceEncoder | None = None
    ) -> None:
        if manifest.encoder is not None and (encoder is None or encoder.size != manifest.encoder_size):
            raise SettingsWrong(
                f"The student '{manifest.name}' needs the sentence encoder {manifest.encoder} "
                f"({manifest.encoder_size} numbers a text)"
            )
        self.manifest = manifest
        self._encoder = encoder if manifest.encoder is not None else None
        self._soft = self._support = self._centre = None
        if self._encoder is not None:
            self._soft = SoftWords(static64(), _part(tensors, "soft."))
            self._support, self._centre = (tensors[n].astype(np.float32) for n in ("support", "centre"))
        self._featurizer = Featurizer(_grams(manifest.kinds, tensors))
        contract = manifest.contract
        self._classifiers = [
            Classifier(field, _part(tensors, f"enum{i}."), 0 if self._support is None else self._support.shape[1])
            for i, field in enumerate(contract.enums)
        ]
        spans = contract.spans
        words = unpacked(tensors["spans.words"]) if spans else []
        index = {word: i for i, word in enumerate(words)}
        self._tagger = Tagger(spans, index, _part(tensors, "spans.")) if spans else None

    @classmethod
    def load(cls, folder: Path | str, *, encoder: SentenceEncoder | None = None) -> "Student":
        """`encoder` is found by the name in the manifest where none is given. SettingsWrong where the folder holds no
        student, or its encoder is missing."""
        manifest, tensors = load(Path(folder))
        if encoder is None and manifest.encoder is not None:
            encoder = named.encoder(manifest.encoder)
        return cls(manifest, tensors, encoder=encoder)

    def answer(self, messages: Sequence[Message]) -> Prediction:
        """The answer to a conversation: to the last thing that the user said, as in training."""
        return self.predict(next((m.text for m in reversed(messages) if m.role == "user"), ""))

    def predict(self, text: str) -> Prediction:
        columns, values = self._featurizer.row(text)
        vector, near = self._meant(text)
        rules = self.manifest.rules
        found: dict[FieldPath, object] = {}
        context: list[str] = []
        log_chance, scope = 0.0, math.inf
        for head in self._classifiers:
            logits = head.logits(columns, values, vector, near)
            best = int(logits.argmax())
            found[head.field.path] = chosen = value(head.field, best)
            log_chance += math.log(max(float(softmax(logits)[best]), 1e-12))
            context.append(fact(head.field.path, best))
            if rules.out_of_scope:
                scope = scope_score(logits, outside(head.field.values, rules.out_of_scope))
                if chosen in rules.out_of_scope:
                    scope = -math.inf
        if self._tagger is not None:
            spans = self._tagger.find(text, context)
            log_chance += spans.log_chance
            found |= {self._tagger.fields[i].path: pieces for i, pieces in spans.pieces.items()}
        confidence = calibrated(log_chance, rules.slope, rules.offset)
        try:
            target = written(self.manifest.contract, found)
        except ValueError:  # a span of a number field that is no number
            return Prediction(target="", confidence=0.0, why="unsure")
        why: Why = "sure" if confidence >= rules.threshold else "unsure"
        if rules.scope is not None and scope < rules.scope:
            why = "out_of_scope"
        return Prediction(target=target, confidence=confidence, why=why, scope=scope)

    def _meant(self, text: str) -> tuple[Matrix | None, Matrix | None]:
        """What a text means, weighted, and the nearness to each text learnt from."""
        if self._encoder is None or self._soft is None or self._support is None or self._centre is None:
            return None, None
        encoded, soft = self._encoder.encode([text]), self._soft.encode([text])
        sense = joined(encoded, soft, centre=self._centre, share=self.manifest.soft)
        return sense[0] * np.float32(self.manifest.meaning), nearness(self._support, sense)[:, 0]


def fact(path: FieldPath, index: int) -> str:
    """What a tagger is told of a field that is already known."""
    return f"{name(path)}={index}"


def calibrated(log_chance: float, slope: float, offset: float) -> float:
    """The chance of being right, from the log of the raw chance: a line in log odds (Platt 1999)."""
    chance = min(max(math.exp(log_chance), 1e-6), 1 - 1e-6)
    return 1 / (1 + math.exp(-min(max(slope * math.log(chance / (1 - chance)) + offset, -30), 30)))


def outside(values: Sequence[object], labels: Sequence[str]) -> NDArray[np.bool_]:
    """Which classes are out of scope."""
    return np.array([v in labels for v in values])


def scope_score(logits: Matrix, out: NDArray[np.bool_]) -> float:
    """How much more the text looks like one class in scope than like all those out of scope: log odds."""
    return float(logits[~out].max() - np.logaddexp.reduce(logits[out]))


def _grams(kinds: Sequence[str], tensors: dict[str, Tensor]) -> list[Grams]:
    grams: list[Grams] = []
    first = 0
    for kind in kinds:
        words = unpacked(tensors[f"{kind}.words"])
        index = {word: first + i for i, word in enumerate(words)}
        grams.append(Grams(kind, index, tensors[f"{kind}.idf"].astype(np.float64).tolist(), first))
        first += len(words)
    return grams


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
