"""Feedback: a judgement on an inference or an episode, by a person or read off what happened next."""

from typing import Literal

from msgspec import Struct


class Thumb(Struct, frozen=True, tag="thumb"):
    """Good or bad."""

    good: bool


class Score(Struct, frozen=True, tag="score"):
    """A number from 0 (worst) to 1 (best)."""

    value: float


class Category(Struct, frozen=True, tag="category"):
    """One of the owner's own words, such as 'wrong_tone'."""

    name: str


class Comment(Struct, frozen=True, tag="comment"):
    text: str


class Correction(Struct, frozen=True, tag="correction"):
    """What the answer should have been, whole."""

    answer: str


class Preference(Struct, frozen=True, tag="preference"):
    """The judged inference is better than `over`, another inference on the same request."""

    over: str


Judgement = Thumb | Score | Category | Comment | Correction | Preference

Origin = Literal["person", "retry", "edit", "tool_error", "schema_failure", "import"]
"""Who says so. All but `person` and `import` are implicit: signals with a reliability of their own."""


class Feedback(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One judgement; never changed, later ones add to it. Exactly one of `inference` and `episode` is set.

    `at`: UTC nanoseconds when it was given; `reliability` (0 to 1): how often a judgement of this origin is right;
    `by`: the id of the key that gave it; `author`: the person behind it, as the application names its people.
    """

    id: str
    at: int
    judgement: Judgement
    inference: str | None = None
    episode: str | None = None
    origin: Origin = "person"
    reliability: float = 1.0
    by: str | None = None
    author: str | None = None
