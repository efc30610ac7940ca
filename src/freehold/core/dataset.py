"""Datasets: what a model learns from and is measured on. Immutable, named by digest."""

from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct

from freehold.core.request import Message

Split = Literal["train", "validation", "test"]

Source = Literal["answer", "correction", "label", "teacher", "import"]
"""Where a target came from: the model's own answer, a person's correction, a human label, a teacher model, a file."""


class Example(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing to learn: the conversation up to the answer, and the answer that was right.

    `id` is the SHA-256 of messages and target, in hex. `at` is UTC nanoseconds of the inference. `weight` is how much
    the target is trusted (0 to 1). `inference`, `episode` and `subject` (a keyed digest) say where it came from; None:
    from a file. `deployment` answered it, and `rejected` is what it said, where a person corrected that.
    """

    id: str
    messages: tuple[Message, ...]
    target: str
    source: Source
    split: Split = "train"
    at: int = 0
    weight: float = 1.0
    inference: str | None = None
    episode: str | None = None
    subject: str | None = None
    deployment: str | None = None
    rejected: str | None = None

    @property
    def text(self) -> str:
        """The last thing that the user said."""
        return next((m.text for m in reversed(self.messages) if m.role == "user"), "")


_encode = msgspec.json.Encoder(order="deterministic").encode


def identity(messages: tuple[Message, ...], target: str) -> str:
    """The id of an example: SHA-256 of its messages and target, in hex."""
    return sha256(_encode((messages, target))).hexdigest()
