"""Ports: what the rooms in the middle ask of the world. Only `app.py` knows which adapter stands behind one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from freehold.core.batch import Batch, Hold, LineClaim, LineResult, StoredFile
from freehold.core.errors import FreeholdError
from freehold.core.feedback import Feedback
from freehold.core.ids import Ids
from freehold.core.inference import Accepted, Inference
from freehold.core.interaction import Body, Consent
from freehold.core.principal import Key
from freehold.core.stored import StoredResponse

Clock = Callable[[], int]
"""UTC nanoseconds."""

Headers = Mapping[str, str]
"""Headers received; names in lower case."""

SendHeaders = tuple[tuple[str, str], ...]
"""Headers to send, all but host and content-length. Hashable, since the same few are sent again and again."""


class Sink(Protocol):
    """Gets the answer of an upstream, in this order: head, data any number of times, then done or failed once."""

    def head(self, status: int, headers: Headers) -> None: ...

    def data(self, piece: bytes) -> None: ...

    def done(self) -> None: ...

    def failed(self, error: FreeholdError) -> None: ...


class Sending(Protocol):
    """A request on its way. After `cancel` the sink hears nothing more. `pause` stops `data` until `resume`."""

    def cancel(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class Upstream(Protocol):
    """Somewhere a request can be sent: a pool of connections to a provider, or the simulated one.

    `send` returns at once and never calls the sink before it has returned.
    """

    def send(self, path: str, headers: SendHeaders, body: bytes, sink: Sink) -> Sending: ...

    async def close(self) -> None: ...


class Ledger(Protocol):
    """The append-only record. When `accept` or `close` returns, a killed process loses nothing of it. What is given
    together is written together, or not at all (StoreFailed)."""

    def accept(self, *accepted: Accepted) -> None: ...

    def close(self, *inferences: Inference) -> None: ...


class Records(Protocol):
    """Inferences, to be read back."""

    def get(self, id: str) -> Inference | None: ...

    def latest(self, limit: int) -> Iterator[Inference]: ...


class KeyStore(Protocol):
    """Keys, kept. `generation` changes whenever any key changes, at the price of one small read."""

    def generation(self) -> int: ...

    def all(self) -> Sequence[Key]: ...

    def put(self, key: Key) -> None: ...


class BudgetStore(Protocol):
    """Shared spending. A node draws leases and spends from them in memory; the sum of spent and leased never
    exceeds the limit, also with many nodes at once."""

    def lease(self, *, key: str, period: int, limit: int, need: int, want: int, node: str) -> int:
        """Draw between `need` and `want` nano-dollars for the period that starts at `period`; 0 where even `need`
        does not fit."""
        ...

    def settle(self, *, key: str, period: int, node: str, spent: int, returned: int) -> None:
        """Move `spent` of this node's lease to spent and give `returned` back."""
        ...

    def spent(self, *, key: str, period: int) -> int: ...


class KeptBodies(Protocol):
    """What was said on routes that collect, to be read."""

    def get(self, id: str) -> Body | None: ...

    def scan(self, *, since: int = 0, until: int | None = None, route: str | None = None) -> Iterator[Body]:
        """Those accepted from `since` on and before `until` (UTC nanoseconds), roughly the oldest first."""
        ...


class Bodies(KeptBodies, Protocol):
    """What was said on routes that collect."""

    def put(self, body: Body) -> None:
        """Keep it; returns at once and never raises."""
        ...

    def forget(self, *, subject: str | None = None, ids: Sequence[str] = ()) -> int:
        """Remove what is of a subject, or has one of these ids, for good; how many there were."""
        ...


class FeedbackStore(Protocol):
    """Judgements, all of them kept."""

    def put(self, given: Sequence[Feedback]) -> None:
        """Add them; one that is already there, by its id, stays as it is."""
        ...

    def about(self, *, inferences: Sequence[str] = (), episodes: Sequence[str] = ()) -> Sequence[Feedback]:
        """On these inferences (preferred over others, or others over them, included) and episodes; oldest first."""
        ...

    def forget(self, *, inferences: Sequence[str] = (), episodes: Sequence[str] = ()) -> int:
        """Remove what judges these; how many there were."""
        ...


class Consents(Protocol):
    """What subjects allow."""

    def put(self, consent: Consent) -> None: ...

    def known(self, purpose: str) -> Mapping[str, bool]:
        """Allowed or not, by subject, for those who said anything."""
        ...


class StoredResponses(Protocol):
    """Responses that callers may read again and continue. What is asked for with another owner is not there, nor is
    what has expired at `now` (UTC nanoseconds)."""

    def put(self, given: Sequence[StoredResponse]) -> None:
        """Keep them, each in place of what has its owner and id."""
        ...

    def get(self, id: str, *, owner: str, now: int) -> StoredResponse | None: ...

    def chain(self, id: str, *, owner: str, now: int, most: int) -> Sequence[StoredResponse]:
        """A response with all that it continues, the oldest first; empty where one of them is not there. At most
        `most`: the latest."""
        ...

    def with_items(self, ids: Sequence[str], *, owner: str, now: int) -> Sequence[StoredResponse]:
        """The responses that hold one of these items in their output."""
        ...

    def remove(self, id: str, *, owner: str) -> bool:
        """Remove it for good; whether it was there."""
        ...

    def expire(self, now: int) -> int:
        """Remove what has expired; how many there were."""
        ...

    def abandoned(self, node: str) -> Sequence[StoredResponse]:
        """What a process of this name was working on when it ended."""
        ...


class Files(Protocol):
    """Files of callers. `owner` None: of everybody. What has expired at `now` (UTC nanoseconds) is not there."""

    def put(self, file: StoredFile, content: bytes | Path) -> StoredFile:
        """Keep it, in place of what has its id, once its bytes are on the disk; a path is moved. As it is kept."""
        ...

    def draft(self) -> Path:
        """A new file to write, for `put`."""
        ...

    def path(self, file: StoredFile) -> Path: ...

    def get(self, id: str, *, now: int) -> StoredFile | None: ...

    def page(
        self, owner: str | None, *, now: int, purpose: str | None, after: str | None, most: int, newest: bool
    ) -> Sequence[StoredFile]:
        """At most `most` that follow the one called `after`."""
        ...

    def held(self, owner: str) -> int:
        """The bytes of all files of an owner."""
        ...

    def remove(self, id: str) -> bool:
        """Remove it and its bytes for good; whether it was there."""
        ...

    def expire(self, now: int) -> int:
        """Remove what has expired and no batch needs; how many there were."""
        ...


class Batches(Protocol):
    """Batches. `owner` None: of everybody. Every step of who works on one prolongs the hold to `until` (UTC
    nanoseconds); Changed where it is lost."""

    def add(self, batch: Batch) -> None: ...

    def get(self, id: str) -> Batch | None: ...

    def page(self, owner: str | None, *, after: str | None, most: int, inline: bool = False) -> Sequence[Batch]:
        """At most `most`, the newest first, that follow the one called `after`; those `inline`, or the others."""
        ...

    def using(self, file: str) -> str | None:
        """A batch under way that reads this file."""
        ...

    def change(self, id: str, changed: Callable[[Batch], Batch]) -> Batch | None:
        """Change it whoever holds it; as it is then."""
        ...

    def take(self, holder: str, *, home: str, now: int, until: int, most: int) -> Sequence[tuple[Batch, Hold]]:
        """Hold what is under way in a data folder and held by nobody, the oldest first."""
        ...

    def release(self, holder: str) -> None:
        """Let go of everything."""
        ...

    def move(self, hold: Hold, changed: Callable[[Batch], Batch], *, until: int) -> Batch: ...

    def advance(
        self, hold: Hold, *, done: Sequence[LineResult], again: Sequence[int], more: int, ids: Ids, until: int
    ) -> tuple[Batch, Sequence[LineClaim]]:
        """Finish lines, and claim those of `again` anew and the `more` next ones, each under an id of its own. Nothing
        is claimed of a batch that is not in progress."""
        ...

    def unfinished(self, id: str) -> Sequence[LineClaim]: ...

    def finished(self, id: str) -> Sequence[LineResult]:
        """In the order of the lines."""
        ...

    def close(self, hold: Hold, changed: Callable[[Batch], Batch]) -> Batch:
        """Change it for the last time, and forget its lines."""
        ...
