"""A candidate: an interaction on its way to become an example, with everything the gates want to know."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from msgspec import Raw, Struct

from freehold.core.dataset import Example, Source, identity
from freehold.core.decision import Decision
from freehold.core.deployment import Deployment
from freehold.core.errors import CallerError
from freehold.core.events import Choice, OutcomeKind
from freehold.core.feedback import Feedback, Origin
from freehold.core.inference import Inference
from freehold.core.interaction import Body
from freehold.core.label import PUBLIC, Label
from freehold.core.ports import FeedbackStore, KeptBodies
from freehold.core.request import Message
from freehold.dialects.dialect import Dialect
from freehold.flywheel.feedback.observe import weighed
from freehold.flywheel.feedback.settle import UNKNOWN, Settled, settle

BATCH = 2_000

PEOPLE: frozenset[Source] = frozenset({"correction", "label", "import"})
"""Sources that are people's own words, not a provider's output."""


class Query(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which interactions. Times are UTC nanoseconds, `since` included, `until` not; None: any. Only what callers asked
    counts, never a shadow or a replay."""

    route: str | None = None
    since: int = 0
    until: int | None = None
    deployment: str | None = None
    key: str | None = None
    subject: str | None = None
    outcome: OutcomeKind = "answered"


class Candidate(Struct, frozen=True, kw_only=True):
    """One row before the gates. What a file brought has no `inference`; `provider` and `model` (None: unknown) are of
    the deployment that answered. `subject`: the person itself, where the example has only its keyed digest."""

    example: Example
    inference: Inference | None = None
    settled: Settled = UNKNOWN
    label: Label = PUBLIC
    provider: str | None = None
    model: str | None = None
    subject: str | None = None


class Unreadable(Struct, frozen=True, kw_only=True):
    """An interaction that cannot become a candidate, and why."""

    id: str
    reason: str


class Archive(Struct, frozen=True, kw_only=True):
    """Where interactions are read. `inferences`: those of these ids that are recorded; `deployment`: by id; `dialects`:
    by name; `pseudonym`: the keyed digest that stands for a subject in datasets; `reliability`: that of implicit
    signals, as it is known now (see `observe`)."""

    bodies: KeptBodies
    inferences: Callable[[Sequence[str]], Mapping[str, Inference]]
    feedback: FeedbackStore
    deployment: Callable[[str], Deployment | None]
    dialects: Mapping[str, Dialect]
    pseudonym: Callable[[str], str]
    reliability: Mapping[Origin, float] = {}


def candidates(query: Query, archive: Archive) -> Iterator[Candidate | Unreadable]:
    """What a query finds, the oldest first. Bodies and records are joined with what feedback made of them."""
    bodies = sorted(
        archive.bodies.scan(since=query.since, until=query.until, route=query.route), key=lambda b: (b.at, b.id)
    )
    last = _last_of_episodes(bodies)
    for start in range(0, len(bodies), BATCH):
        some = bodies[start : start + BATCH]
        records = archive.inferences([body.id for body in some])
        about = _about(some, archive.feedback)
        for body in some:
            inference = records.get(body.id)
            if inference is None:
                yield Unreadable(id=body.id, reason="has no record yet")
            elif _wanted(inference, query):
                given = weighed([f for f in about(body) if _counts(f, inference)], archive.reliability)
                settled = settle(given, inference=body.id, last=last.get(body.episode or "") in {None, body.id})
                yield _candidate(body, inference, settled, archive)


def refined(example: Example, *, messages: tuple[Message, ...], target: str, rejected: str | None) -> Example:
    """An example whose words were changed, and so its id."""
    return msgspec.structs.replace(
        example, messages=messages, target=target, rejected=rejected, id=identity(messages, target)
    )


def _wanted(inference: Inference, query: Query) -> bool:
    return (
        inference.purpose == "caller"
        and inference.outcome == query.outcome
        and (query.deployment is None or inference.deployment == query.deployment)
        and (query.key is None or inference.key == query.key)
        and (query.subject is None or inference.subject == query.subject)
    )


def _counts(f: Feedback, inference: Inference) -> bool:
    """Whoever names an episode may have guessed it: such feedback must come with the key that asked."""
    return f.inference is not None or f.by is None or inference.key is None or f.by == inference.key


def _last_of_episodes(bodies: Sequence[Body]) -> dict[str, str]:
    return {body.episode: body.id for body in bodies if body.episode is not None}


def _about(bodies: Sequence[Body], store: FeedbackStore) -> Callable[[Body], Sequence[Feedback]]:
    ids = [body.id for body in bodies]
    episodes = sorted({body.episode for body in bodies if body.episode is not None})
    by_inference: dict[str, list[Feedback]] = {}
    by_episode: dict[str, list[Feedback]] = {}
    for f in store.about(inferences=ids, episodes=episodes):
        if f.inference is not None:
            for id_ in {f.inference, getattr(f.judgement, "over", f.inference)}:
                by_inference.setdefault(id_, []).append(f)
        elif f.episode is not None:
            by_episode.setdefault(f.episode, []).append(f)
    return lambda body: [*by_inference.get(body.id, ()), *by_episode.get(body.episode or "", ())]


def _candidate(body: Body, inference: Inference, settled: Settled, archive: Archive) -> Candidate | Unreadable:
    dialect = archive.dialects.get(body.dialect)
    if dialect is None:
        return Unreadable(id=body.id, reason=f"is in the dialect {body.dialect}, which is not known here")
    try:
        messages = dialect.messages(dialect.decode_request(body.request))
    except CallerError as error:
        return Unreadable(id=body.id, reason=f"cannot be read: {error.message}")
    answer = said(body.answer)
    source: Source = "answer" if settled.target is None else "correction"
    target = answer if settled.target is None else settled.target
    if not target:
        return Unreadable(id=body.id, reason="has an empty answer")
    deployment = None if inference.deployment is None else archive.deployment(inference.deployment)
    example = Example(
        id=identity(messages, target),
        messages=messages,
        target=target,
        source=source,
        at=body.at,
        weight=round(settled.target_weight if source == "correction" else settled.quality, 6),
        inference=body.id,
        episode=body.episode,
        subject=None if body.subject is None else archive.pseudonym(body.subject),
        deployment=inference.deployment,
        rejected=answer if source == "correction" and answer and answer != target else None,
    )
    return Candidate(
        example=example,
        inference=inference,
        settled=settled,
        label=_label(inference.decision),
        provider=None if deployment is None else deployment.provider,
        model=None if deployment is None else deployment.model,
        subject=body.subject,
    )


def said(answer: Choice) -> str:
    """An answer as the text to learn: what it said, else its tool calls as JSON, else its refusal."""
    if answer.text:
        return answer.text
    if answer.tool_calls:
        calls = [{"name": call.name, "arguments": _arguments(call.arguments)} for call in answer.tool_calls]
        return msgspec.json.encode({"tool_calls": calls}).decode()
    return answer.refusal


def _arguments(text: str) -> Raw | str:
    """Arguments as the JSON they are; as text where they are none."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
    return Raw(text.encode())


class _Inputs(Struct):
    label: Label = PUBLIC


class _Labelled(Struct):
    inputs: _Inputs | None = None


def _label(decision: Decision | Raw | None) -> Label:
    if isinstance(decision, Decision):
        return decision.inputs.label
    if decision is None:
        return PUBLIC
    inputs = msgspec.json.decode(decision, type=_Labelled).inputs
    return PUBLIC if inputs is None else inputs.label
