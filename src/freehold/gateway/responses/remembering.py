"""Remembering: the end of a chain that keeps the response it writes, so that it can be read again and continued."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from msgspec import Raw, Struct

from freehold.core.events import Event, Finish, Outcome
from freehold.core.request import Request
from freehold.core.stored import StoredResponse
from freehold.dialects.openai_chat.loose import word
from freehold.dialects.openai_responses.errors import told
from freehold.dialects.openai_responses.history import given_items
from freehold.dialects.openai_responses.request import CONTINUED
from freehold.dialects.openai_responses.snapshot import Snapshot
from freehold.dialects.openai_responses.writing import echo, own
from freehold.gateway.exchange import Exchange
from freehold.gateway.pipeline import End
from freehold.gateway.responses.keeping import Keeping

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Memory(Struct, frozen=True, kw_only=True):
    """What every end keeps with. `life`: nanoseconds for which a response is kept, 0: none is; `node`: the process."""

    keeping: Keeping
    life: int
    node: str


class Running(Protocol):
    """A call in progress."""

    def cancel(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


def owner_of(exchange: Exchange) -> str:
    return "" if exchange.key is None else exchange.key.id


def stored(request: Request) -> bool:
    """Whether the caller lets its response be kept."""
    raw = request.fields.get("store")
    return raw is None or bytes(raw).strip() != b"false"


class Remembering:
    """Passes an answer on, and its end when the response is kept. `given`: the items that came with the request, where
    its input holds more."""

    def __init__(self, memory: Memory, next_: End, given: Raw | None = None) -> None:
        self._memory = memory
        self._next = next_
        self._given = given
        self._exchange: Exchange | None = None
        self._snapshot: Snapshot | None = None
        self._asked = False
        self._kept: bool | None = None  # None: nothing is kept yet; False: it is on its way into the store
        self._outcome: Outcome | None = None  # with which the answer ends when it is there

    def begin(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._next.begin(exchange)

    def event(self, event: Event) -> None:
        if not self._asked:
            self._asked = True
            exchange = self._exchange
            assert exchange is not None
            assert exchange.request is not None
            if stored(exchange.request):
                self._snapshot = Snapshot(exchange.request, id=exchange.id, at=exchange.at, source=exchange.source)
        snapshot = self._snapshot
        if snapshot is not None:
            snapshot.event(event)
            # the last event of this dialect says that the response is over: whoever hears it may go on from there
            if not snapshot.foreign and any(type(delta) is Finish for delta in event.deltas):
                self._keep()
        self._next.event(event)

    def end(self, outcome: Outcome) -> None:
        if self._kept is None and outcome.kind == "answered":
            self._keep()
        if self._kept is False:
            self._outcome = outcome
        else:
            self._next.end(outcome)

    def _keep(self) -> None:
        response = {} if self._snapshot is None else self._snapshot.response()
        if self._kept is None and word(response.get("id")):
            assert self._exchange is not None
            self._kept = False
            one = record(self._exchange, response, self._memory, self._given)
            self._memory.keeping.keep(one, self._there)

    def _there(self) -> None:
        self._kept = True
        if self._outcome is not None:
            self._next.end(self._outcome)


class InBackground:
    """The end of a chain that nobody waits for: the caller has its answer before, and asks for the response later.

    `ended` hears its owner and id when it is `done`.
    """

    def __init__(self, memory: Memory, reply: End, ended: Callable[[str, str], None], given: Raw | None = None) -> None:
        self._memory = memory
        self._reply = reply
        self._ended = ended
        self._given = given
        self._exchange: Exchange | None = None
        self._snapshot: Snapshot | None = None
        self._accepted = False
        self.running: Running | None = None
        self.done = asyncio.Event()

    @property
    def place(self) -> tuple[str, str]:
        """Owner and id."""
        assert self._exchange is not None
        return owner_of(self._exchange), f"resp_{own(self._exchange.id)}"

    def begin(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def accept(self) -> None:
        """The request is admitted and on its way: tell the caller."""
        self._accepted = True
        exchange = self._exchange
        assert exchange is not None
        response = self._keep({"output": [], "status": "queued"})
        self._reply.begin(exchange)
        self._reply.event(Event((), _encode(response), content=True))
        self._reply.end(Outcome("answered"))

    async def cancel(self) -> None:
        """Break off the call; what is kept says so when this returns."""
        if self.running is not None:
            self.running.cancel()
        await self.done.wait()

    def event(self, event: Event) -> None:
        exchange = self._exchange
        assert exchange is not None
        if self._snapshot is None:
            assert exchange.request is not None
            self._snapshot = Snapshot(exchange.request, id=exchange.id, at=exchange.at, source=exchange.source)
        self._snapshot.event(event)

    def end(self, outcome: Outcome) -> None:
        self.done.set()
        if not self._accepted:
            assert self._exchange is not None
            self._reply.begin(self._exchange)
            self._reply.end(outcome)
            return
        response: dict[str, Any] = {}
        if self._snapshot is not None and outcome.kind != "cancelled":
            response = self._snapshot.response()
        if outcome.kind == "cancelled":
            response |= {"output": list[Any](), "status": "cancelled"}
        elif outcome.error is not None:
            response = {"output": list[Any](), **response, "status": "failed", "error": told(outcome.error)}
        self._keep(response)
        self._ended(*self.place)

    def _keep(self, said: dict[str, Any]) -> dict[str, Any]:
        """Keep the response as it is now; the whole of it."""
        exchange = self._exchange
        assert exchange is not None
        assert exchange.request is not None
        base: dict[str, Any] = {
            "id": self.place[1],
            "object": "response",
            "created_at": exchange.at // 1_000_000_000,
            "error": None,
            "incomplete_details": None,
            "model": exchange.request.model,
            "usage": None,
        }
        response = base | echo(exchange.request) | said | {"id": self.place[1], "background": True}
        one = record(exchange, response, self._memory, self._given, upstream=word(said.get("id")))
        self._memory.keeping.keep(one)
        return response


def record(
    exchange: Exchange, response: dict[str, Any], memory: Memory, given: Raw | None, *, upstream: str | None = None
) -> StoredResponse:
    """A response as it is kept. `upstream`: its id at the provider, where that is another."""
    request = exchange.request
    assert request is not None
    if given is None:
        raw = request.fields.get("input")
        given = Raw(_encode(given_items(None if raw is None else _decode(raw))))
    continued = request.fields.get(CONTINUED)
    status: Any = response.get("status") or "completed"
    account = exchange.answered_by
    return StoredResponse(
        id=word(response.get("id")),
        owner=owner_of(exchange),
        at=exchange.at,
        expires_at=exchange.at + memory.life,
        status=status,
        account="" if account is None else account.provider,
        held=exchange.source is None and response.get("store") is True and upstream in (None, response.get("id")),
        previous=None if continued is None else _decode(continued),
        subject=request.subject,
        background=upstream is not None,
        node=memory.node if status in ("queued", "in_progress") and upstream is not None else "",
        input=given,
        response=Raw(_encode(response)),
    )
