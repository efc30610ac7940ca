"""Keep: the stage that folds an answer for whoever learns from it. Only on routes that collect or roll out."""

from collections.abc import Callable

from freehold.core.events import Answer, Collect, Event, Outcome, Stage
from freehold.gateway.exchange import Exchange

Kept = Callable[[Exchange, Answer], None]
"""Takes a finished exchange, its record included, and what was answered. It must not wait, and must not raise."""


class Keep:
    """Hands on everything; when the caller has its answer, gives the whole of it to `kept`."""

    __slots__ = ("_exchange", "_fold", "_kept", "_next")

    def __init__(self, exchange: Exchange, next_: Stage, kept: Kept) -> None:
        self._exchange = exchange
        self._next = next_
        self._kept = kept
        self._fold = Collect()

    def event(self, event: Event) -> None:
        self._fold.event(event)
        self._next.event(event)

    def end(self, outcome: Outcome) -> None:
        self._next.end(outcome)
        self._kept(self._exchange, self._fold.answer)
