"""Observe: read the implicit signals off what was collected, measure how reliable they are, and keep them."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from freehold.core.errors import CallerError
from freehold.core.feedback import Feedback, Origin
from freehold.core.interaction import Body
from freehold.core.ports import FeedbackStore, KeptBodies
from freehold.dialects.dialect import Dialect
from freehold.flywheel.feedback.implicit import PRIORS, Measured, Turn, measure, signals
from freehold.flywheel.feedback.settle import EXPLICIT, settle


class Observed(Struct, frozen=True, kw_only=True):
    """What a look found: how many `signals` of each origin, and how reliable each is where people judged too.
    `unread`: bodies in a dialect that is not known, or that cannot be read."""

    signals: dict[str, int]
    measured: dict[Origin, Measured]
    unread: int

    @property
    def reliability(self) -> dict[Origin, float]:
        """For each origin the measured reliability, else the stated prior."""
        return {**PRIORS, **{origin: one.reliability for origin, one in self.measured.items()}}


def observe(
    bodies: KeptBodies,
    store: FeedbackStore,
    dialects: Mapping[str, Dialect],
    *,
    since: int = 0,
    until: int | None = None,
    route: str | None = None,
) -> Observed:
    """Read every episode of a time and keep its signals; those already kept stay as they are.

    An episode that reaches over `since` is seen only from there on: look back further than a conversation lasts.
    """
    found: list[Feedback] = []
    unread = 0
    for episode in _episodes(bodies.scan(since=since, until=until, route=route)):
        turns: list[Turn] = []
        for body in episode:
            turn = _turn(body, dialects)
            if turn is None:
                unread += 1
            else:
                turns.append(turn)
        found += signals(turns)
    measured = measure(_pairs(found, store))
    counts: dict[str, int] = {}
    for f in found:
        counts[f.origin] = counts.get(f.origin, 0) + 1
    observed = Observed(signals=dict(sorted(counts.items())), measured=measured, unread=unread)
    store.put(weighed(found, observed.reliability))
    return observed


def weighed(feedback: Sequence[Feedback], reliability: Mapping[Origin, float]) -> list[Feedback]:
    """Feedback with the reliability of its origin as it is known now; what people said keeps its own."""
    return [
        replace(f, reliability=reliability[f.origin]) if f.origin not in EXPLICIT and f.origin in reliability else f
        for f in feedback
    ]


def _episodes(bodies: Iterable[Body]) -> Iterable[list[Body]]:
    """The bodies of each episode; one that belongs to none is alone."""
    found: dict[str, list[Body]] = {}
    for body in bodies:
        found.setdefault(body.episode or body.id, []).append(body)
    return found.values()


def _turn(body: Body, dialects: Mapping[str, Dialect]) -> Turn | None:
    dialect = dialects.get(body.dialect)
    try:
        return (
            None
            if dialect is None
            else Turn(body=body, messages=dialect.messages(dialect.decode_request(body.request)))
        )
    except CallerError:
        return None


def _pairs(found: Sequence[Feedback], store: FeedbackStore) -> list[tuple[Feedback, float]]:
    """Each signal with the quality that people saw in the same inference."""
    ids = sorted({f.inference for f in found if f.inference is not None})
    said: dict[str, list[Feedback]] = {}
    for f in store.about(inferences=ids):
        if f.inference is not None and f.origin in EXPLICIT:
            said.setdefault(f.inference, []).append(f)
    judged = {id_: settle(given, inference=id_).quality for id_, given in said.items()}
    return [(f, judged[f.inference]) for f in found if f.inference in judged]
