"""Feedback as callers give it: a JSON object, or a row of a table, turned into judgements or refused by name."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from freehold.core.errors import InvalidRequest
from freehold.core.feedback import Category, Comment, Correction, Feedback, Judgement, Origin, Preference, Score, Thumb
from freehold.core.ids import Ids
from freehold.flywheel.feedback.implicit import PRIORS, edited

Id = Annotated[str, Meta(min_length=1, max_length=200)]


class Given(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one caller says at one time. Exactly one of `inference` and `episode`, and at least one judgement.

    `good`: thumbs; `score` from 0 to 1; `category`: the owner's own word; `comment`: free text; `correction`: what the
    answer should have been, as text or as any JSON value; `preferred_over`: an inference that was worse; `sent`: what
    the user sent in the end, after editing our answer. `author`: the person, as the application names its people.
    """

    inference: Id | None = None
    episode: Id | None = None
    good: bool | None = None
    score: Annotated[float, Meta(ge=0, le=1)] | None = None
    category: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    comment: Annotated[str, Meta(min_length=1, max_length=20_000)] | None = None
    correction: Any = None
    preferred_over: Id | None = None
    sent: Annotated[str, Meta(min_length=1, max_length=1_000_000)] | None = None
    author: Id | None = None


ANSWERLESS = "sent: the answer of this inference was not kept, since its route does not collect; send a correction"
_SOLE = ("correction", "preferred_over", "sent")
JUDGING = ("good", "score", "category", "comment", *_SOLE)

_decode = msgspec.json.Decoder(Given).decode


def decode(body: bytes) -> Given:
    """The feedback in a JSON body; InvalidRequest names the member that is wrong."""
    try:
        given = _decode(body)
    except msgspec.ValidationError as error:
        text, _, at = str(error).partition(" - at `$")
        param = at.rstrip("`").lstrip(".")
        raise InvalidRequest(f"{param or 'The body'}: {text}", param=param or None) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise InvalidRequest("The body is not JSON") from None
    check(given)
    return given


def check(given: Given) -> None:
    """InvalidRequest where the members do not go together."""
    if (given.inference is None) == (given.episode is None):
        raise InvalidRequest("inference: name exactly one of inference and episode", param="inference")
    said = [name for name in JUDGING if getattr(given, name) is not None]
    if not said:
        raise InvalidRequest(f"The body judges nothing: add one of {', '.join(JUDGING)}", param="good")
    for name in _SOLE:
        if given.inference is None and name in said and name != "correction":
            raise InvalidRequest(f"{name}: is about one inference; name that instead of the episode", param=name)
    if given.preferred_over is not None and given.preferred_over == given.inference:
        raise InvalidRequest("preferred_over: an inference cannot be better than itself", param="preferred_over")


def feedback(
    given: Given,
    *,
    at: int,
    ids: Ids,
    by: str | None,
    origin: Origin = "person",
    answer: Callable[[str], str | None] = lambda _: None,
) -> list[Feedback]:
    """The judgements in what was given, one each. `answer`: what was answered to an inference, if that is kept."""
    found = [
        Feedback(
            id=ids(),
            at=at,
            judgement=judgement,
            inference=given.inference,
            episode=given.episode,
            origin=origin,
            reliability=PRIORS[origin],
            by=by,
            author=given.author,
        )
        for judgement in _judgements(given)
    ]
    if given.sent is not None and given.inference is not None:
        said = answer(given.inference)
        if said is None:
            raise InvalidRequest(ANSWERLESS, param="sent")
        found += [
            msgspec.structs.replace(f, by=by, author=given.author)
            for f in edited(given.inference, said, given.sent, at=at)
        ]
    return found


def _judgements(given: Given) -> list[Judgement]:
    found: list[Judgement] = []
    if given.good is not None:
        found.append(Thumb(given.good))
    if given.score is not None:
        found.append(Score(given.score))
    if given.category is not None:
        found.append(Category(given.category))
    if given.comment is not None:
        found.append(Comment(given.comment))
    if given.correction is not None:
        found.append(Correction(_text(given.correction)))
    if given.preferred_over is not None:
        found.append(Preference(given.preferred_over))
    return found


def _text(correction: Any) -> str:
    """A JSON string as its text; any other value as its JSON."""
    return correction if isinstance(correction, str) else msgspec.json.encode(correction).decode()
