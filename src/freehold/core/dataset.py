"""Datasets: what a model learns from and is measured on. Immutable, named by digest."""

from typing import Literal

from msgspec import Struct

from freehold.core.request import Message

Split = Literal["train", "validation", "test"]

Source = Literal["answer", "correction", "label", "teacher", "import"]
"""Where a target came from: the model's own answer, a person's correction, a human label, a teacher model, a file."""


class Example(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing to learn: the conversation up to the answer, and the answer that was right.

    `id` is the SHA-256 of messages and target, in hex. `at` is UTC nanoseconds of the inference. `weight` is how much
    the target is trusted (0 to 1). `inference`, `episode` and `subject` say where it came from; None: from a file.
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

    @property
    def text(self) -> str:
        """The last thing that the user said."""
        return next((m.text for m in reversed(self.messages) if m.role == "user"), "")
