"""Implicit signals: what happened after an answer, read as a judgement on it.

    retry            the same prompt came again within a while: the answer did not help
    edit             what came back as our answer, in the next turn or as what was sent in the end, was changed
    tool_error       a tool that the answer called reported an error
    schema_failure   the answer did not fit the JSON schema that the request or the tool named

Each is kept as `Feedback` with an id made of what it says, so that reading an episode twice adds nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, cast

import msgspec
from msgspec import Struct

from freehold.core.feedback import Correction, Feedback, Judgement, Origin, Score, Thumb
from freehold.core.interaction import Body
from freehold.core.request import Message, ResultPart, TextPart
from freehold.flywheel.feedback.distance import similarity
from freehold.flywheel.feedback.schema import misfit
from freehold.flywheel.feedback.settle import same

PRIORS: Mapping[Origin, float] = {
    "person": 0.95,
    "import": 0.95,
    "edit": 0.8,
    "retry": 0.7,
    "tool_error": 0.65,
    "schema_failure": 0.9,
}
"""How often a judgement of each origin is right, before anything was measured: our own careful guesses.

People slip; a retry may be impatience; a tool may fail though the call was right.
"""

PRIOR_STRENGTH = 20
"""The guess weighs as much as so many measured pairs."""

ENOUGH = 30
"""Measured pairs below which only the guess counts."""

RETRY_NS = 600 * 1_000_000_000


class Turn(Struct, frozen=True, kw_only=True):
    """One inference of an episode: its body, and the conversation that its request held."""

    body: Body
    messages: tuple[Message, ...]


class Measured(Struct, frozen=True, kw_only=True):
    """How reliable signals of one origin are: `right` of `pairs` agreed with what people said."""

    origin: Origin
    pairs: int
    right: int
    reliability: float


def signals(episode: Sequence[Turn], reliability: Mapping[Origin, float] = PRIORS) -> list[Feedback]:
    """What the turns of one episode say about each other, in the order of time."""
    turns = sorted(episode, key=lambda turn: (turn.body.at, turn.body.id))
    found: list[Feedback] = []
    for i, turn in enumerate(turns):
        found += _of_schema(turn, reliability)
        if i + 1 < len(turns):
            found += _of_next(turn, turns[i + 1 :], reliability)
    return found


def edited(
    inference: str, answer: str, sent: str, *, at: int, reliability: Mapping[Origin, float] = PRIORS
) -> list[Feedback]:
    """What is said by the text that the user sent in the end: how much of the answer was kept; and, where it was
    changed, what it should have been."""
    if same(answer, sent):
        return [_feedback(inference, at, "edit", Score(1.0), reliability)]
    kept = Score(round(similarity(answer, sent), 4))
    return [
        _feedback(inference, at, "edit", kept, reliability),
        _feedback(inference, at, "edit", Correction(sent), reliability),
    ]


def measure(pairs: Sequence[tuple[Feedback, float]]) -> dict[Origin, Measured]:
    """The reliability of each implicit origin, from signals on inferences whose quality (0 to 1) people judged.

    The mean of a Beta distribution that begins at the prior; with fewer than `ENOUGH` pairs the prior itself.
    """
    counts: dict[Origin, list[bool]] = {}
    for f, quality in pairs:
        said = _good(f.judgement)
        if said is not None and quality != 0.5 and f.origin not in {"person", "import"}:
            counts.setdefault(f.origin, []).append(said == (quality > 0.5))
    return {origin: _measured(origin, agreed) for origin, agreed in sorted(counts.items())}


def _measured(origin: Origin, agreed: Sequence[bool]) -> Measured:
    prior, right = PRIORS[origin], sum(agreed)
    posterior = (prior * PRIOR_STRENGTH + right) / (PRIOR_STRENGTH + len(agreed))
    return Measured(
        origin=origin,
        pairs=len(agreed),
        right=right,
        reliability=posterior if len(agreed) >= ENOUGH else prior,
    )


def _good(judgement: Judgement) -> bool | None:
    match judgement:
        case Thumb(good):
            return good
        case Score(value):
            return value > 0.5
        case _:
            return None


def _of_next(turn: Turn, later: Sequence[Turn], reliability: Mapping[Origin, float]) -> Iterator[Feedback]:
    """What later turns say about one."""
    following, asked = later[0], _asked(turn)
    for other in later:
        if other.body.at - turn.body.at > RETRY_NS:
            break
        if asked and _asked(other) == asked and len(other.messages) <= len(turn.messages):
            yield _feedback(turn.body.id, other.body.at, "retry", Thumb(False), reliability)
            break
    added = following.messages[len(turn.messages) :]
    if following.messages[: len(turn.messages)] == turn.messages and added and added[0].role == "assistant":
        told = added[0].text
        if turn.body.answer.text and told and not same(told, turn.body.answer.text):
            yield from edited(turn.body.id, turn.body.answer.text, told, at=following.body.at, reliability=reliability)
    calls = {call.id for call in turn.body.answer.tool_calls}
    for message in added:
        if any(isinstance(p, ResultPart) and p.id in calls and is_error(p.text) for p in message.parts):
            yield _feedback(turn.body.id, following.body.at, "tool_error", Thumb(False), reliability)
            return


def is_error(result: str) -> bool:
    """Whether a tool's result reports an error."""
    text = result.strip()
    if text[:1] == "{":
        try:
            value: Any = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            value = None
        if isinstance(value, dict):
            found = cast("dict[str, Any]", value)
            return bool(found.get("error") or found.get("errors") or found.get("is_error") or found.get("isError"))
    head = text[:200].casefold()
    return head.startswith(("error", "exception", "traceback (most recent call last)", "fatal:", "failed to "))


def _asked(turn: Turn) -> str:
    """The last words of the user, as a retry would repeat them."""
    last = next((m for m in reversed(turn.messages) if m.role != "system"), None)
    if last is None or last.role != "user" or not any(isinstance(p, TextPart) for p in last.parts):
        return ""
    return " ".join(last.text.split()).casefold()


class _Function(Struct, frozen=True):
    name: str = ""
    parameters: Any = None


class _Tool(Struct):
    function: _Function = _Function()


class _Schema(Struct):
    schema: Any = None


class _Format(Struct):
    type: str = ""
    json_schema: _Schema | None = None


class _Demands(Struct):
    """What an OpenAI request demands of its answer."""

    response_format: _Format | None = None
    tools: list[_Tool] | None = None


def _of_schema(turn: Turn, reliability: Mapping[Origin, float]) -> Iterator[Feedback]:
    answer = turn.body.answer
    if answer.finish not in {"stop", "tool_calls"} or answer.refusal:
        return
    try:
        demands = msgspec.json.decode(turn.body.request, type=_Demands)
    except msgspec.MsgspecError:
        return
    form = demands.response_format
    failed = False
    if form is not None and form.type in {"json_schema", "json_object"} and answer.text:
        schema = {"type": "object"} if form.json_schema is None else form.json_schema.schema
        failed = _fails(answer.text, schema)
    parameters = {tool.function.name: tool.function.parameters for tool in demands.tools or ()}
    for call in answer.tool_calls:
        failed = failed or call.name not in parameters or _fails(call.arguments or "{}", parameters[call.name])
    if failed:
        yield _feedback(turn.body.id, turn.body.at, "schema_failure", Thumb(False), reliability)


def _fails(text: str, schema: Any) -> bool:
    try:
        return misfit(msgspec.json.decode(text), schema) is not None
    except (msgspec.DecodeError, RecursionError):
        return True


def _feedback(
    inference: str, at: int, origin: Origin, judgement: Judgement, reliability: Mapping[Origin, float]
) -> Feedback:
    told = msgspec.json.encode((inference, origin, judgement))
    return Feedback(
        id=sha256(told).hexdigest()[:32],
        at=at,
        judgement=judgement,
        inference=inference,
        origin=origin,
        reliability=reliability.get(origin, PRIORS[origin]),
    )
