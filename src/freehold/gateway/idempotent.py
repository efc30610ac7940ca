"""Idempotency: a request that came before under the same `Idempotency-Key` gets the same answer and is not sent again
(draft-ietf-httpapi-idempotency-key-header).

Kept in the memory of this process, bounded in bytes, entries and time; the oldest goes first. Only whole answers are
kept: who repeats what was refused, failed or cut off is served anew. A repeat that comes while the first still runs
hears what was said so far, then follows; the call ends early only when nobody listens any more.
"""

import asyncio
from collections.abc import Callable
from hashlib import sha256

from msgspec import Struct
from msgspec.structs import replace

from freehold.core.deployment import Deployment
from freehold.core.errors import Broken, FreeholdError, Internal, InvalidRequest, KeyReused
from freehold.core.events import Event, Outcome
from freehold.core.principal import Key
from freehold.dialects.dialect import Source
from freehold.gateway.exchange import Ask, Exchange, First
from freehold.gateway.pipeline import End, Pipeline
from freehold.gateway.record import Recorder
from freehold.gateway.responses.remembering import Running

HEADER = b"idempotency-key"
LONGEST = 255
SHARE = 8
"""An answer that takes more than this part of all the room is not kept."""

SIZE = 1024
"""Bytes that an entry takes beside its events, about; and a quarter of it is what an event takes beside its bytes."""

Infer = Callable[[Ask, End], Running | None]


class Bounds(Struct, frozen=True, kw_only=True):
    """How much is kept: `size` in bytes, `entries`, and for how many nanoseconds. `life` 0: keys are not looked at."""

    life: int
    size: int
    entries: int


class Idempotent:
    """Stands before whatever serves requests. Costs one look-up where the header is absent."""

    def __init__(self, pipeline: Pipeline, infer: Infer, bounds: Bounds) -> None:
        self._pipeline = pipeline
        self._infer = infer
        self._bounds = bounds
        self._calls: dict[tuple[str, bytes], _Call] = {}  # the oldest first
        self._size = 0

    def infer(self, ask: Ask, end: End) -> Running | None:
        given = ask.headers.get(HEADER)
        if not given or not self._bounds.life or self._pipeline.draining:
            return self._infer(ask, end)
        return self._keyed(given, ask, end)

    def _keyed(self, given: bytes, ask: Ask, end: End) -> Running | None:
        pipeline, now = self._pipeline, self._pipeline.clock()
        try:
            key = pipeline.authenticate(ask.credential, ask.headers)
        except FreeholdError:  # which the pipeline will say
            return self._infer(ask, end)
        if len(given) > LONGEST:
            error = InvalidRequest(f"Idempotency-Key has {len(given)} characters; send at most {LONGEST}")
            return pipeline.infer(replace(ask, refusal=error), end)
        while self._calls and (oldest := next(iter(self._calls.values()))).since + self._bounds.life <= now:
            self.forget(oldest)
        place = ("" if key is None else key.id, given)
        print_ = sha256(b"\0".join((ask.dialect.name.encode(), ask.target.encode(), ask.body))).digest()
        call = self._calls.get(place)
        if call is None:
            call = self._calls[place] = _Call(self, place, print_, now, end)
            self.grow(call, SIZE)
            return call.run(self._infer(ask, call))
        if call.print != print_:
            shown = given.decode("latin-1")
            why = f"Idempotency-Key {shown!r} came before with another body or at another path; send a new key with it"
            return pipeline.infer(replace(ask, refusal=KeyReused(why)), end)
        return self._repeat(call, ask, end, key)

    def _repeat(self, call: "_Call", ask: Ask, end: End, key: Key | None) -> Running | None:
        """An inference of its own that makes no call and costs nothing."""
        exchange, recorder = self._pipeline.open(replace(ask, of=call.said.id or None), end)
        exchange.key, exchange.first, exchange.route = key, First(call.said.id, call.said.at), call.said.route
        self._pipeline.turn.enter()
        try:
            exchange.request = ask.dialect.decode_request(ask.body, ask.target)
        except FreeholdError as error:
            recorder.end(Outcome("refused", error))
            return None
        recorder.prepare()
        repeat = _Repeat(call, exchange, recorder)
        call.repeats.append(repeat)
        asyncio.get_running_loop().call_soon(repeat.pump)
        return repeat

    # what is kept

    def grow(self, call: "_Call", size: int) -> None:
        """A call takes more room; the oldest ones give theirs up."""
        call.size += size
        self._size += size
        bounds = self._bounds
        if call.size > bounds.size // SHARE:
            self.forget(call)
        while self._size > bounds.size or len(self._calls) > bounds.entries:
            self.forget(next(iter(self._calls.values())))

    def forget(self, call: "_Call") -> None:
        """Whoever sends its key from now on is served anew."""
        if call.kept:
            call.kept = False
            self._size -= call.size
            del self._calls[call.place]
            call.flow()


class _Said(Struct):
    """What a repeat tells of the inference whose answer it gives."""

    id: str = ""
    at: int = 0
    route: str = ""
    answered_by: Deployment | None = None
    source: Source | None = None
    warnings: tuple[str, ...] = ()


class _Call:
    """The first request under a key: the end of its chain, and what its caller holds. `events` is what was said, while
    it is kept or somebody still has to hear it."""

    def __init__(self, book: Idempotent, place: tuple[str, bytes], print_: bytes, since: int, end: End) -> None:
        self.place = place
        self.print = print_
        self.since = since
        self.size = 0
        self.kept = True
        self.events: list[Event] = []
        self.outcome: Outcome | None = None
        self.said = _Said()
        self.repeats: list[_Repeat] = []
        self._book = book
        self._end: End | None = end
        self._running: Running | None = None
        self._exchange: Exchange | None = None
        self._paused = self._stopped = False

    def run(self, running: Running | None) -> "_Call | None":
        """It is on its way, or over."""
        if running is None or self.outcome is not None:
            return None
        self._running = running
        return self

    # the end of the chain

    def begin(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._note(exchange)
        if self._end is not None:
            self._end.begin(exchange)

    def _note(self, exchange: Exchange) -> None:
        said = self.said
        said.id, said.at, said.route = exchange.id, exchange.at, exchange.route
        said.answered_by, said.source, said.warnings = exchange.answered_by, exchange.source, exchange.warnings

    def event(self, event: Event) -> None:
        if not self.events and self._exchange is not None:
            self._note(self._exchange)
        if self.kept:
            self._book.grow(self, 2 * len(event.raw) + SIZE // 4)
        if self.kept or self.repeats:
            self.events.append(event)
        if self._end is not None:
            self._end.event(event)
        for repeat in tuple(self.repeats):
            repeat.pump()
        if not self.kept and all(repeat.heard == len(self.events) for repeat in self.repeats):
            self.events.clear()
            for repeat in self.repeats:
                repeat.heard = 0

    def end(self, outcome: Outcome) -> None:
        self.outcome = outcome
        end, self._end, exchange, self._exchange = self._end, None, self._exchange, None
        self._running = None
        if exchange is not None:
            self._note(exchange)
        if outcome.kind != "answered":
            self._book.forget(self)
        try:
            if end is not None:
                end.end(outcome)
        finally:
            for repeat in tuple(self.repeats):
                repeat.pump()

    # what its caller does

    def cancel(self) -> None:
        """The first caller left: whoever repeats it meanwhile hears it to its end."""
        self._end, self._paused = None, False
        self.leave()
        self.flow()

    def leave(self) -> None:
        """Somebody left: the call is broken off where nobody is left."""
        if self.outcome is None and self._end is None and not self.repeats:
            self._book.forget(self)  # at once: the next one must not follow what is ending
            running, self._running = self._running, None
            if running is not None:
                running.cancel()

    def pause(self) -> None:
        self._paused = True
        self.flow()

    def resume(self) -> None:
        self._paused = False
        self.flow()

    def flow(self) -> None:
        """Upstream waits for its caller; for slow repeats only where what they missed is not kept anyhow."""
        wanted = self._paused or (not self.kept and any(repeat.paused for repeat in self.repeats))
        running = self._running
        if wanted != self._stopped and running is not None:
            self._stopped = wanted
            (running.pause if wanted else running.resume)()


class _Repeat:
    """One that hears again what a call said: what its caller holds. `heard` counts events."""

    def __init__(self, call: _Call, exchange: Exchange, recorder: Recorder) -> None:
        self.heard = 0
        self.paused = False
        self._call = call
        self._exchange = exchange
        self._recorder = recorder
        self._over = False

    def pump(self) -> None:
        """Say what was said since."""
        call, recorder = self._call, self._recorder
        try:
            while not (self.paused or self._over) and self.heard < len(call.events):
                event = call.events[self.heard]
                self.heard += 1
                self._tell()
                recorder.event(event)
        except Exception as error:  # the request edge: what is accepted must end in a record
            self._finish(Outcome("cut", Internal(f"The answer could not be given again: {error!r}")))
        if call.outcome is not None and self.heard == len(call.events):
            self._tell()
            self._finish(call.outcome)

    def _tell(self) -> None:
        exchange, said = self._exchange, self._call.said
        if exchange.ask.of != said.id and said.id:  # the first one had to wait for its history
            exchange.first, exchange.ask = First(said.id, said.at), replace(exchange.ask, of=said.id)
        exchange.route, exchange.answered_by = said.route, said.answered_by
        exchange.source, exchange.warnings = said.source, said.warnings

    def _finish(self, outcome: Outcome) -> None:
        if self._over:
            return
        self._over = True
        self._call.repeats.remove(self)
        if outcome.kind == "cancelled" and outcome.error is None:
            outcome = Outcome("failed", Broken("The first request with this Idempotency-Key was broken off; try again"))
        self._recorder.end(outcome)

    def cancel(self) -> None:
        if not self._over:
            self._over = True
            self._call.repeats.remove(self)
            self._recorder.end(Outcome("cancelled"))
            self._call.leave()
            self._call.flow()

    def pause(self) -> None:
        self.paused = True
        self._call.flow()

    def resume(self) -> None:
        self.paused = False
        self.pump()
        self._call.flow()
