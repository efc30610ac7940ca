"""Health: what recent calls say of each deployment, with a circuit breaker.

The breaker of a deployment opens when, in the window, at least `failures` calls failed and they are at least
`error_rate` of all; after `open_seconds` one call is let through to probe, and its success closes the breaker.
"""

from collections import deque
from collections.abc import Mapping

from msgspec import Struct

from freehold.core.decision import WELL, Health

SECOND = 1_000_000_000
SMOOTH = 0.1
"""Weight of the newest call in the averages of time to first token and speed."""

FRESH = SECOND // 4
"""Nanoseconds for which a view stands; a breaker that changes makes a new one at once."""


class Breaker(Struct, frozen=True, kw_only=True):
    """When a deployment is left alone. Seconds."""

    failures: int = 5
    error_rate: float = 0.5
    window: float = 30.0
    open: float = 15.0


class _State:
    """One deployment. Outcomes are counted in sixteenths of the window, so that memory does not grow with traffic."""

    __slots__ = ("open_until", "probing", "slots", "tokens_per_second", "ttft_ms")

    def __init__(self) -> None:
        self.slots: deque[list[int]] = deque()  # [slot, calls, failures]
        self.open_until = 0
        self.probing = False
        self.ttft_ms: float | None = None
        self.tokens_per_second: float | None = None


class HealthBoard:
    """Takes what calls show, gives immutable views. Times are nanoseconds."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._slot = max(int(breaker.window * SECOND) // 16, 1)
        self._states: dict[str, _State] = {}
        self._view: dict[str, Health] = {}
        self._view_until = 0
        self.version = 0

    def observe(
        self,
        deployment: str,
        *,
        ok: bool,
        now: int,
        ttft_ms: float | None = None,
        tokens_per_second: float | None = None,
    ) -> None:
        """One call ended. `ok` is False only for what is the provider's failure."""
        state = self._states.get(deployment)
        if state is None:
            state = self._states[deployment] = _State()
        slot = now // self._slot
        if not state.slots or state.slots[-1][0] != slot:
            state.slots.append([slot, 0, 0])
            while state.slots[0][0] <= slot - 16:
                state.slots.popleft()
        state.slots[-1][1] += 1
        if ok:
            if ttft_ms is not None:
                state.ttft_ms = _smooth(state.ttft_ms, ttft_ms)
            if tokens_per_second is not None:
                state.tokens_per_second = _smooth(state.tokens_per_second, tokens_per_second)
            if state.open_until:
                state.open_until, state.probing = 0, False
                state.slots.clear()
                self._view_until = 0
        else:
            state.slots[-1][2] += 1
            self._maybe_open(state, now)

    def _maybe_open(self, state: _State, now: int) -> None:
        calls = sum(s[1] for s in state.slots)
        failures = sum(s[2] for s in state.slots)
        breaker = self._breaker
        if state.probing or (failures >= breaker.failures and failures >= breaker.error_rate * calls):
            state.open_until = now + int(breaker.open * SECOND)
            state.probing = False
            self._view_until = 0

    def admit(self, deployment: str, now: int) -> bool:
        """Whether a call may go there now. After the pause, the first to ask is the probe."""
        state = self._states.get(deployment)
        if state is None or not state.open_until:
            return True
        if now < state.open_until or state.probing:
            return False
        state.probing = True
        return True

    def abandon(self, deployment: str) -> None:
        """A call ended without telling anything about the deployment (the caller left): a probe may be repeated."""
        state = self._states.get(deployment)
        if state is not None:
            state.probing = False

    def view(self, now: int) -> Mapping[str, Health]:
        """Deployments that differ from a healthy unmeasured one; the same object while nothing has changed much."""
        if now >= self._view_until:
            fresh = {d: h for d, s in self._states.items() if (h := self._health(s, now)) != WELL}
            if fresh != self._view:
                self._view = fresh
                self.version += 1
            self._view_until = now + FRESH
        return self._view

    def _health(self, state: _State, now: int) -> Health:
        oldest = now // self._slot - 16
        calls = sum(s[1] for s in state.slots if s[0] > oldest)
        failures = sum(s[2] for s in state.slots if s[0] > oldest)
        return Health(
            open=bool(state.open_until) and (now < state.open_until or state.probing),
            error_rate=round(failures / calls, 2) if calls else 0.0,
            ttft_ms=_significant(state.ttft_ms),
            tokens_per_second=_significant(state.tokens_per_second),
        )


def _smooth(old: float | None, new: float) -> float:
    return new if old is None else old + SMOOTH * (new - old)


def _significant(value: float | None) -> float | None:
    """Two digits: noise must not make a new view, and a record need not carry it."""
    return None if value is None else float(f"{value:.2g}")
