"""What a model says: a stream of events, and the fold that makes a whole answer of it.

An `Event` is one thing that arrived on the wire: the original bytes and what they say. A whole JSON response is a
stream of one event. Stages pass events on; one that changes what is said sets `touched`, and the writer then encodes
anew instead of passing the bytes.
"""

from collections.abc import Callable, Iterable
from typing import Literal, Protocol, assert_never

from msgspec import Struct

from freehold.core.errors import FreeholdError
from freehold.core.retrieval import Ranked, Vectors
from freehold.core.seal import Seal
from freehold.core.usage import Usage

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "error", "other"]


class Begun(Struct, frozen=True, tag="begun", gc=False):
    """The provider named its answer; says nothing yet."""

    id: str = ""
    model: str = ""


class Text(Struct, frozen=True, tag="text", gc=False):
    """`seal` signs what was said so far (Gemini)."""

    text: str
    choice: int = 0
    seal: Seal | None = None


class Reasoning(Struct, frozen=True, tag="reasoning", gc=False):
    """A piece of reasoning. `block` counts the thoughts of an answer; a `seal` closes its thought."""

    text: str
    choice: int = 0
    seal: Seal | None = None
    block: int = 0


class Refusal(Struct, frozen=True, tag="refusal", gc=False):
    text: str
    choice: int = 0


class ToolCall(Struct, frozen=True, tag="tool_call", gc=False):
    """A piece of a tool call: the first for an `index` carries id and name, later ones add to `arguments`.

    `custom`: its arguments are plain text. `seal` signs the call (Gemini).
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    choice: int = 0
    custom: bool = False
    seal: Seal | None = None


class Finish(Struct, frozen=True, tag="finish", gc=False):
    """Why a choice ended: our word, and the provider's own."""

    reason: FinishReason
    said: str = ""
    choice: int = 0


class Used(Struct, frozen=True, tag="used", gc=False):
    """Usage so far; a later one replaces an earlier one."""

    usage: Usage


Delta = Begun | Text | Reasoning | Refusal | ToolCall | Finish | Used


class Event(Struct, frozen=True, gc=False):
    """One wire event: what it says, and its bytes.

    `raw` is the payload in the provider's dialect (the data of one SSE event, or a whole JSON body); `touched` says
    that `deltas` no longer match it. `content` is true once an answer has begun to leave: text, reasoning, refusal,
    a tool call or a finish, but not a bare role. `result` reads what an answer says that is no text; it
    gives None for what only its own dialect has words for.
    """

    deltas: tuple[Delta, ...]
    raw: bytes = b""
    content: bool = False
    touched: bool = False
    result: Callable[[], Vectors | Ranked | None] | None = None


OutcomeKind = Literal["answered", "refused", "failed", "cut", "cancelled", "unknown"]


class Outcome(Struct, frozen=True):
    """How an inference ended.

    answered: whole; refused: we said no before any call; failed: no deployment answered; cut: the provider broke off
    after content had left; cancelled: the caller left; unknown: the process died, found on recovery.
    """

    kind: OutcomeKind
    error: FreeholdError | None = None


class Stage(Protocol):
    """A link of the chain: gets every event, then the end, and passes on what it wants to the next."""

    def event(self, event: Event) -> None: ...

    def end(self, outcome: Outcome) -> None: ...


class WholeCall(Struct, frozen=True, kw_only=True):
    """A whole tool call; `arguments` is the JSON text as the model wrote it, or plain text for a `custom` tool."""

    id: str
    name: str
    arguments: str
    custom: bool = False
    seal: Seal | None = None


class Thought(Struct, frozen=True, kw_only=True):
    """A piece of reasoning that belongs together, and its seal."""

    text: str
    seal: Seal | None = None


class Choice(Struct, frozen=True, kw_only=True):
    """One answer among `n`. `reasoning` is the text of all `thoughts`; `seal` signs the text."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: tuple[WholeCall, ...] = ()
    finish: FinishReason | None = None
    thoughts: tuple[Thought, ...] = ()
    seal: Seal | None = None


class Answer(Struct, frozen=True, kw_only=True):
    """A whole response: the stream folded. `choices` always has at least one."""

    id: str = ""
    model: str = ""
    choices: tuple[Choice, ...] = (Choice(),)
    usage: Usage | None = None

    @property
    def text(self) -> str:
        return self.choices[0].text


class _Call:
    """One tool call while it grows."""

    def __init__(self) -> None:
        self.id = self.name = ""
        self.arguments: list[str] = []
        self.custom = False
        self.seal: Seal | None = None


class _Draft:
    """One choice while it grows."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.thoughts: dict[int, tuple[list[str], list[Seal]]] = {}
        self.calls: dict[int, _Call] = {}
        self.finish: FinishReason | None = None
        self.seal: Seal | None = None

    def think(self, piece: Reasoning) -> None:
        self.reasoning.append(piece.text)
        texts, seals = self.thoughts.setdefault(piece.block, ([], []))
        texts.append(piece.text)
        if piece.seal is not None:
            seals.append(piece.seal)

    def call(self, piece: ToolCall) -> None:
        call = self.calls.setdefault(piece.index, _Call())
        call.id, call.name = call.id or piece.id, call.name or piece.name
        call.arguments.append(piece.arguments)
        call.custom = call.custom or piece.custom
        call.seal = piece.seal or call.seal

    def whole(self) -> Choice:
        calls = (
            WholeCall(id=c.id, name=c.name, arguments="".join(c.arguments), custom=c.custom, seal=c.seal)
            for _, c in sorted(self.calls.items())
        )
        thoughts = (
            Thought(text="".join(texts), seal=seals[-1] if seals else None)
            for _, (texts, seals) in sorted(self.thoughts.items())
        )
        return Choice(
            text="".join(self.text),
            reasoning="".join(self.reasoning),
            refusal="".join(self.refusal),
            tool_calls=tuple(calls),
            finish=self.finish,
            thoughts=tuple(thoughts),
            seal=self.seal,
        )


class Collect:
    """The fold: an end of the chain that keeps everything said. Also usable as a `Stage`."""

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        self._id = ""
        self._model = ""
        self._drafts: dict[int, _Draft] = {}
        self._usage: Usage | None = None

    def event(self, event: Event) -> None:
        for delta in event.deltas:
            self._add(delta)

    def end(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def _draft(self, choice: int) -> _Draft:
        return self._drafts.setdefault(choice, _Draft())

    def _add(self, delta: Delta) -> None:
        match delta:
            case Text(text, choice, seal):
                draft = self._draft(choice)
                draft.text.append(text)
                draft.seal = seal or draft.seal
            case Reasoning():
                self._draft(delta.choice).think(delta)
            case Refusal(text, choice):
                self._draft(choice).refusal.append(text)
            case ToolCall():
                self._draft(delta.choice).call(delta)
            case Finish(reason, _, choice):
                self._draft(choice).finish = reason
            case Begun(id_, model):
                self._id, self._model = self._id or id_, self._model or model
            case Used(usage):
                self._usage = usage
            case _:
                assert_never(delta)

    @property
    def answer(self) -> Answer:
        choices = tuple(self._drafts[i].whole() for i in sorted(self._drafts)) or (Choice(),)
        return Answer(id=self._id, model=self._model, choices=choices, usage=self._usage)


def collect(events: Iterable[Event]) -> Answer:
    """A whole response from its events."""
    fold = Collect()
    for event in events:
        fold.event(event)
    return fold.answer
