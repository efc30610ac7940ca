"""Replays: requests asked again, of chosen deployments, through the same pipeline as callers use."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from freehold.core.dataset import Example
from freehold.core.events import OutcomeKind


class Question(Struct, frozen=True, kw_only=True):
    """One request for one deployment: a body of OpenAI chat completions, whose `model` is the deployment.

    `of`: the inference that it repeats, where there was one. `quotes`: deployments whose answers the body contains.
    """

    deployment: str
    body: bytes
    of: str | None = None
    quotes: tuple[str, ...] = ()

    @property
    def about(self) -> tuple[str, ...]:
        """The deployments of which the answer tells something."""
        return tuple(sorted({self.deployment, *self.quotes}))

    @property
    def digest(self) -> str:
        """SHA-256 of what decides the answer, in hex."""
        return sha256(self.deployment.encode() + b"\n" + self.body).hexdigest()


class Reply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of it. `cost` in nano-dollars (None: unknown), `latency` and `ttft` in nanoseconds.

    `by` is the deployment that answered; None where none did. `cached`: from an earlier replay of the same question.
    `abstained`: the deployment was not sure, and on a route would have handed the request on.
    """

    text: str
    outcome: OutcomeKind
    by: str | None = None
    cost: int | None = None
    latency: int = 0
    ttft: int | None = None
    finish: str | None = None
    error: str | None = None
    inference: str | None = None
    cached: bool = False
    abstained: bool = False


class Asker(Protocol):
    """Asks questions: at low priority, within a budget, a few at a time. Replies come in the order of questions."""

    def ask(self, questions: Sequence[Question]) -> Sequence[Reply]: ...


def question(example: Example, deployment: str, more: dict[str, Any] | None = None) -> Question:
    """The question of an example; `more` are further members of the body, such as `response_format`."""
    turns = [{"role": m.role, "content": m.text} for m in example.messages]
    body = {"model": deployment, "messages": turns, **(more or {})}
    return Question(deployment=deployment, body=msgspec.json.encode(body), of=example.inference)


def again(body: bytes, deployment: str, *, of: str | None) -> Question:
    """A recorded request for another deployment: every member as it was, but not as a stream."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    fields = {k: v for k, v in fields.items() if k not in {"stream", "stream_options"}}
    fields["model"] = msgspec.Raw(msgspec.json.encode(deployment))
    return Question(deployment=deployment, body=msgspec.json.encode(fields), of=of)


class Kept(Struct, frozen=True, kw_only=True):
    """A reply in a file, and the deployments that it is about."""

    about: tuple[str, ...]
    reply: Reply


class Cached:
    """An `Asker` that remembers answers by content: asked again, a question costs nothing. Failures are not kept.

    A model behind the same name may change; `epoch` is put into every key, so that another epoch asks anew. So is how
    often each deployment that a question is about was taken back from a route (`withdrawals`): what was remembered of
    it before is never used again, wherever it lies.
    """

    def __init__(
        self, asker: Asker, folder: Path, *, epoch: str = "", withdrawals: Mapping[str, int] | None = None
    ) -> None:
        self._asker = asker
        self._folder = folder
        self._epoch = epoch
        self._withdrawals = withdrawals or {}

    def ask(self, questions: Sequence[Question]) -> Sequence[Reply]:
        paths = [self._path(q) for q in questions]
        replies = [_read(path) for path in paths]
        missing = [i for i, reply in enumerate(replies) if reply is None]
        for i, reply in zip(missing, self._asker.ask([questions[i] for i in missing]), strict=True):
            replies[i] = reply
            if reply.outcome == "answered" or reply.abstained:
                paths[i].parent.mkdir(parents=True, exist_ok=True)
                draft = paths[i].with_suffix(".draft")
                draft.write_bytes(msgspec.json.encode(Kept(about=questions[i].about, reply=reply)))
                draft.rename(paths[i])
        return [reply for reply in replies if reply is not None]

    def _path(self, question: Question) -> Path:
        times = [(d, self._withdrawals[d]) for d in question.about if d in self._withdrawals]
        key = sha256(f"{self._epoch}\n{times}\n{question.digest}".encode()).hexdigest()
        return self._folder / key[:2] / f"{key[2:]}.json"


def _read(path: Path) -> Reply | None:
    try:
        return replace(msgspec.json.decode(path.read_bytes(), type=Kept).reply, cached=True)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:  # a damaged file is asked anew
        return None


def purge(folder: Path, deployment: str) -> int:
    """Remove every remembered reply that is about a deployment, or that cannot be read; how many."""
    gone = 0
    for path in folder.glob("*/*.json"):
        try:
            about = msgspec.json.decode(path.read_bytes(), type=Kept).about
        except FileNotFoundError:  # somebody else purges too
            continue
        except msgspec.DecodeError:
            about = (deployment,)
        if deployment in about:
            path.unlink(missing_ok=True)
            gone += 1
    return gone
