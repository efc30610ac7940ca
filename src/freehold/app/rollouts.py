"""Rollouts at work in a running engine: copies are sent, what both arms answer is watched, alarms take candidates back.

Nothing here may hold up a caller: everything begins after an answer has been given, copies are few at a time, and what
does not fit is dropped and counted.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b

from msgspec.structs import replace

from freehold.app.home import Home
from freehold.core.errors import Changed, FreeholdError
from freehold.core.events import Answer, Collect, Event, Outcome
from freehold.core.feedback import Correction, Feedback, Thumb
from freehold.core.ports import Clock
from freehold.core.principal import Budget, Key
from freehold.flywheel.evaluation.replay import again
from freehold.flywheel.rollout.evidence import Arm, Observer, Seen, Shown
from freehold.flywheel.rollout.state import RolloutState, promote, roll_back
from freehold.flywheel.verdict.verdict import Approve
from freehold.gateway.exchange import Ask, Exchange
from freehold.gateway.pipeline import Pipeline
from freehold.store.documents import SqlDocuments

COPIES_AT_ONCE = 16
ABSTAINED = "model_abstained"
OVERLAP = 5_000_000_000
"""Nanoseconds by which feedback is looked for again: another process may have written it a moment late."""

REMEMBERED = 50_000
"""Judgements that are not taken in twice."""

Act = Callable[[str, str, str], None]
"""Writes an act into the ledger: verb, subject, detail."""


class Rollouts:
    """All rollouts that stand, on this node. Used on the event loop's thread; `look` is called again and again."""

    def __init__(
        self,
        home: Home,
        node: str,
        pipeline: Pipeline,
        *,
        clock: Clock,
        act: Act,
        renew: Callable[[], "asyncio.Task[None]"],
    ) -> None:
        self._home = home
        self._node = node
        self._clock = clock
        self._act = act
        self._renew = renew
        self._evidence = SqlDocuments(home.database, "evidence", Shown)
        self._observers: dict[str, Observer] = {}
        self._pinned: frozenset[str] = frozenset()
        self._copying = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self.dropped = 0
        self._pipeline = pipeline
        self._heard_of: OrderedDict[str, None] = OrderedDict()
        self._since = clock()
        self._purging: set[asyncio.Task[int]] = set()

    def stand(self, states: Sequence[RolloutState], pinned: frozenset[str]) -> None:
        """The rollouts that stand now; what others moved is taken over. On `pinned` routes none moves by itself."""
        self._pinned = pinned
        standing = {s.route: s for s in states if s.step != "rolled_back"}
        for route in self._observers.keys() - standing.keys():
            del self._observers[route]
        for route, state in standing.items():
            known = self._observers.get(route)
            if known is not None and known.state.id == state.id:
                known.moved(state)
            else:
                kept = self._evidence.get(f"{state.id}/{self._node}")
                self._observers[route] = Observer(state, None if kept is None else kept[0])

    # what ends

    def ended(self, exchange: Exchange, answer: Answer) -> None:
        """A caller's request ended on a route with a rollout."""
        observer = self._observers.get(exchange.route)
        rule = exchange.world.resolve(exchange.route)
        if observer is None or exchange.inference is None or rule is None or exchange.inference.outcome in _NOT_SEEN:
            return
        state, seen = observer.state, _seen(exchange, answer)
        arm = self._arm(exchange, state)
        if state.step == "canary":
            observer.one(arm, seen)
            self._alarmed(observer)
        if state.step == "full":
            others = [d for d in exchange.decision.order if d != state.candidate] if exchange.decision else []
            if others and _part(state.id, seen.inference) < state.plan.control_share:
                self._copy(exchange, observer, seen, others[0])
        elif arm == "incumbent" and _part(state.id, seen.inference) < state.plan.shadow_share:
            self._copy(exchange, observer, seen, state.candidate)

    def _arm(self, exchange: Exchange, state: RolloutState) -> Arm:
        """Which arm the conversation has: the candidate's where it came first, also if another took over."""
        order = exchange.decision.order if exchange.decision is not None else ()
        return "candidate" if order[:1] == (state.candidate,) else "incumbent"

    # copies

    def _copy(self, exchange: Exchange, observer: Observer, seen: Seen, to: str) -> None:
        """Ask `to` the same, for nobody but us."""
        if self._pipeline.draining or self._copying >= COPIES_AT_ONCE:
            self.dropped += 1
            return
        state = observer.state
        limit = state.plan.copy_budget
        name = f"rollout-{state.id}"
        key = Key(id=name, digest=b"", name=name, created_at=0, budget=None if limit is None else Budget(limit=limit))
        body = again(exchange.ask.body, to, of=seen.inference).body
        ask = Ask(dialect=exchange.ask.dialect, body=body, purpose="shadow", key=key, of=seen.inference)
        self._copying += 1
        self._quiet.clear()
        self._pipeline.infer(ask, _Copied(lambda copy: self._copied(observer, seen, copy)))

    def _copied(self, observer: Observer, seen: Seen, copy: Seen | None) -> None:
        self._copying -= 1
        if not self._copying:
            self._quiet.set()
        if copy is None:
            return
        if observer.state.step == "full":
            observer.both(copy, seen, asked=seen.inference)
        else:
            observer.both(seen, _taken_over(copy, seen), asked=seen.inference)
        self._alarmed(observer)

    # looking

    async def idle(self) -> None:
        """Wait until no copy is under way, and nothing is being removed."""
        await self._quiet.wait()
        await asyncio.gather(*self._purging)

    async def look(self) -> None:
        """Take in what people said meanwhile, keep the evidence, and move what may move by itself."""
        if not self._observers:
            self._since = self._clock()
            return
        now = self._clock()
        for one in await asyncio.to_thread(self._home.feedback.between, self._since - OVERLAP, now + 1):
            self._heard(one)
        self._since = now
        for observer in list(self._observers.values()):
            if not self._alarmed(observer):
                await asyncio.to_thread(self._keep, observer)
                self._advance(observer)

    def _heard(self, one: Feedback) -> None:
        if one.inference is None or one.id in self._heard_of:
            return
        self._heard_of[one.id] = None
        if len(self._heard_of) > REMEMBERED:
            self._heard_of.popitem(last=False)
        for observer in self._observers.values():
            match one.judgement:
                case Correction(answer):
                    observer.judged(one.inference, answer)
                case Thumb(True):
                    said = observer.said(one.inference)
                    if said is not None:
                        observer.judged(one.inference, said)
                case _:
                    continue
            self._alarmed(observer)

    def _keep(self, observer: Observer) -> None:
        """Write the evidence where `freehold rollout status` reads it, and a restart goes on from it."""
        name = f"{observer.state.id}/{self._node}"
        known = self._evidence.get(name)
        if known is None or known[0] != observer.shown:
            self._evidence.put(name, observer.shown, version=0 if known is None else known[1], at=self._clock())

    def _advance(self, observer: Observer) -> None:
        state, shown = observer.state, observer.shown
        pinned = state.route in self._pinned
        if not state.plan.automatic or not state.running or state.two_people or pinned:
            return
        if state.step == "shadow":
            found = observer.verdict()
            if isinstance(found, Approve):
                e = found.evidence
                seen = f"difference {e.difference:+.3f} ({e.low:+.3f} to {e.high:+.3f})"
                self._move(observer, promote, f"approved on {e.pairs} pairs: {seen}")
        elif shown.candidate >= state.plan.canary_conversations:
            self._move(observer, promote, f"{shown.candidate} conversations with the candidate, no alarm")

    def _alarmed(self, observer: Observer) -> bool:
        why = observer.alarm()
        if why is None or observer.state.step == "rolled_back":
            return False
        self._move(observer, roll_back, why)
        return True

    def _move(self, observer: Observer, how: Callable[..., RolloutState], why: str) -> None:
        """Move a rollout, here at once and for every other process by the store."""
        before = observer.state
        try:
            state = how(before, actor="guard" if how is roll_back else "verdict", at=self._clock(), why=why)
            self._home.move(before, state)
        except Changed:  # somebody moved it first: their move holds
            self._renew()
            return
        except FreeholdError as error:
            self._act("rollout.failed", before.route, error.message)
            return
        observer.moved(state)
        if how is roll_back:
            self._purge(state.candidate)
        self._act("rollout.moved", state.route, f"{state.candidate} {state.step} {state.now.share:g}: {why}")
        self._renew()

    def _purge(self, deployment: str) -> None:
        """Remove what is remembered of it here; that takes the disk, and callers do not wait for it."""
        task = asyncio.get_running_loop().create_task(asyncio.to_thread(self._home.purge, deployment))
        self._purging.add(task)
        task.add_done_callback(self._purging.discard)


_NOT_SEEN = frozenset({"refused", "cancelled", "unknown"})
"""Outcomes that say nothing about either arm."""


class _Copied:
    """The end of a copy's chain."""

    def __init__(self, done: Callable[[Seen | None], None]) -> None:
        self._done = done
        self._fold = Collect()
        self._exchange: Exchange | None = None

    def begin(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def event(self, event: Event) -> None:
        self._fold.event(event)

    def end(self, outcome: Outcome) -> None:
        exchange = self._exchange
        if exchange is None or exchange.inference is None or outcome.kind in _NOT_SEEN:
            self._done(None)
        else:
            self._done(_seen(exchange, self._fold.answer))


def _seen(exchange: Exchange, answer: Answer) -> Seen:
    record = exchange.inference
    assert record is not None
    choice = answer.choices[0]
    return Seen(
        inference=record.id,
        episode=record.episode,
        text=choice.text,
        ok=record.outcome == "answered",
        refused=bool(choice.refusal) or choice.finish == "content_filter",
        latency=record.duration,
        cost=record.cost,
        abstained=record.error == ABSTAINED,
    )


def _taken_over(copy: Seen, incumbent: Seen) -> Seen:
    """What a caller would have got where the candidate was not sure: the incumbent's answer, after asking both."""
    if not copy.abstained:
        return copy
    cost = None if copy.cost is None or incumbent.cost is None else copy.cost + incumbent.cost
    return replace(
        incumbent, inference=copy.inference, latency=copy.latency + incumbent.latency, cost=cost, abstained=True
    )


def _part(salt: str, inference: str) -> float:
    """A number in [0, 1) that decides whether an inference is copied."""
    return int.from_bytes(blake2b(f"{salt}/{inference}".encode(), digest_size=6).digest(), "big") / 2**48
