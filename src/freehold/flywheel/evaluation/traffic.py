"""A route's own traffic as questions with known answers: what was asked, and what people said was right."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice

import msgspec
from msgspec import Struct

from freehold.core.dataset import Example
from freehold.core.feedback import Feedback
from freehold.core.interaction import Body
from freehold.core.ports import FeedbackStore
from freehold.core.request import Message
from freehold.flywheel.feedback.settle import Settled, settle
from freehold.flywheel.rollout.withdrawn import Distrust, trusting

SURE = 0.5
"""How much a target has to be trusted, or an answer to be good, to judge others by it."""

BATCH = 200

Reading = Callable[[Body], tuple[Message, ...]]
"""Reads the messages of a kept request, in whatever dialect it was."""


class Judged(Struct, frozen=True, kw_only=True):
    """A request as it was sent, and the example that it makes: its target is the answer that is believed right."""

    request: bytes
    example: Example


def judged(
    bodies: Iterable[Body], feedback: FeedbackStore, reading: Reading, distrusts: Distrust = trusting
) -> Iterator[Judged]:
    """Those bodies about which enough is believed: a correction, or an answer that people found good.

    What a candidate said that was taken back (`distrusts`) is no such answer; what people corrected it to is.
    """
    remaining = iter(bodies)
    while batch := list(islice(remaining, BATCH)):
        said: dict[str, list[Feedback]] = {}
        for one in feedback.about(inferences=[b.id for b in batch]):
            if one.inference is not None:
                said.setdefault(one.inference, []).append(one)
        for body in batch:
            target = target_of(settle(said.get(body.id, []), inference=body.id), body.answer.text)
            own = target == body.answer.text
            if target is not None and not (own and distrusts(body.deployment, body.route, body.at)):
                yield Judged(request=body.request, example=_example(body, target, reading(body)))


def target_of(believed: Settled, answer: str) -> str | None:
    """What is believed to be the right answer: the correction, or the answer itself where it was found good."""
    if believed.target is not None:
        return believed.target if believed.target_weight >= SURE else None
    return answer if answer and believed.weight >= SURE and believed.quality > 0.5 else None


def _example(body: Body, target: str, messages: Sequence[Message]) -> Example:
    digest = sha256(msgspec.json.encode(messages) + b"\n" + target.encode()).hexdigest()
    return Example(
        id=digest,
        messages=tuple(messages),
        target=target,
        source="correction" if target != body.answer.text else "answer",
        split="test",
        at=body.at,
        inference=body.id,
        episode=body.episode,
        subject=body.subject,
    )
