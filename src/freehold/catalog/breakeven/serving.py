"""Continuous batching, played request by request: prompts are read in chunks between steps that write the answers.

Approximated: lengths of answers are known when a request is admitted, so that nothing is preempted; between two events
the steps of a batch are summed in one go; a replica takes note of an arrival after the step it is in. A prompt that
shares its first blocks with one that the replica still has is read from there on.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from heapq import heappop, heappush
from math import ceil

from msgspec import Struct

from freehold.catalog.breakeven.replica import Pace, Replica, Tuning
from freehold.catalog.breakeven.traces import BLOCK
from freehold.catalog.breakeven.traffic import Asked

END = 1e12
"""Seconds that nothing takes."""


class Level(Struct, frozen=True, kw_only=True):
    """The service level: `part` of requests have a first token in `first_s`, and `part` one every `token_s` then."""

    first_s: float
    token_s: float
    part: float


class Served(Struct, frozen=True, kw_only=True):
    """What came of it. Times in seconds; `elsewhere` are the places in the list of requests that were sent on.

    `ok` says whether the service level held; where it was given up early, figures are those until then.
    """

    ok: bool
    first_s: tuple[float, ...]
    token_s: tuple[float, ...]
    busy_s: float
    end_s: float
    read: int
    reused: int
    written: int
    elsewhere: tuple[int, ...]


class _Waiting:
    """A request on its way through one replica."""

    __slots__ = ("asked", "at", "first", "left", "reused", "size")

    def __init__(self, asked: Asked, at: float, size: int) -> None:
        self.asked = asked
        self.at = at
        self.size = size
        self.left = asked.input
        self.reused = 0
        self.first = 0.0


class _Server:
    """One replica. `count` is the number of steps it has done; an answer ends when `count` reaches its last step."""

    def __init__(self, replica: Replica, pace: Pace, tuning: Tuning, hits: float) -> None:
        self._replica = replica
        self._pace = pace
        self._tuning = tuning
        self._hits = hits
        self._prefixes: OrderedDict[int, None] = OrderedDict()
        self._kept = max(replica.room // 2 // max(replica.size(BLOCK), 1), 0)
        self.now = 0.0
        self.busy = 0.0
        self.count = 0
        self.context = 0.0
        self.room = replica.room
        self.waiting: deque[_Waiting] = deque()
        self.reading: deque[_Waiting] = deque()
        self.writing: list[tuple[int, int, _Waiting]] = []
        self.pending = 0
        self.done: list[tuple[float, float | None]] = []
        self.read = self.reused = self.written = 0

    def wait_s(self, input_: int, at: float) -> float:
        """What a prompt would wait for its first token: the step that is done, the prompts before it, and with each
        chunk of them a step of what is written by then."""
        tokens = self.pending + input_
        size = len(self.writing) + len(self.reading) + len(self.waiting)
        step = self._pace.step(size, self.context + self.pending) if size else 0.0
        return max(self.now - at, 0.0) + tokens * self._pace.prompt + ceil(tokens / self._tuning.chunk) * step

    @property
    def load(self) -> float:
        return self.pending * self._pace.prompt + len(self.writing) * self._pace.first

    def takes(self, asked: Asked) -> bool:
        """Whether it would find room, or something must end before."""
        if len(self.writing) + len(self.reading) + len(self.waiting) >= self._tuning.sequences:
            return False
        size = self._replica.size(asked.input + asked.output)
        return size + sum(one.size for one in self.waiting) <= self.room or not (self.writing or self.reading)

    def ask(self, asked: Asked, at: float) -> None:
        """A request arrives."""
        if not (self.waiting or self.reading or self.writing):
            self.now = max(self.now, at)
        self.waiting.append(_Waiting(asked, at, self._replica.size(asked.input + asked.output)))
        self.pending += asked.input

    def until(self, at: float) -> None:
        """Let time pass."""
        while self.now < at:
            self._admit()
            if self.reading:
                self._chunk()
            elif self.writing:
                self._steps(at)
            else:
                return

    def _admit(self) -> None:
        while self.waiting and len(self.writing) + len(self.reading) < self._tuning.sequences:
            one = self.waiting[0]
            if one.size > self.room and (self.reading or self.writing):
                return
            self.waiting.popleft()
            self.room -= one.size
            one.reused = self._reuse(one.asked)
            one.left = one.asked.input - one.reused
            self.pending -= one.asked.input - one.left
            self.reading.append(one)

    def _reuse(self, asked: Asked) -> int:
        """Tokens that need not be read again: never all of them, since the last one makes the first token."""
        if not asked.blocks:
            return min(int(asked.input * self._hits), asked.input - 1)
        count = 0
        for block in asked.blocks:
            if block not in self._prefixes:
                break
            count += 1
        for block in asked.blocks:
            self._prefixes[block] = None
            self._prefixes.move_to_end(block)
        while len(self._prefixes) > self._kept:
            self._prefixes.popitem(last=False)
        return min(count * BLOCK, asked.input - 1)

    def _chunk(self) -> None:
        """Read as much of the prompts as fits between two steps, and do a step."""
        left = self._tuning.chunk
        ended: list[_Waiting] = []
        while self.reading and left > 0:
            one = self.reading[0]
            taken = min(one.left, left)
            one.left -= taken
            left -= taken
            if one.left == 0:
                ended.append(self.reading.popleft())
        taken = self._tuning.chunk - left
        self.pending -= taken
        self.read += taken
        spent = taken * self._pace.prompt
        if self.writing:
            spent += self._pace.step(len(self.writing), self.context)
        self._pass(spent, 1)
        for one in ended:
            self._begin(one)

    def _begin(self, one: _Waiting) -> None:
        """The first token of an answer is there."""
        one.first = self.now
        self.reused += one.reused
        self.context += one.asked.input
        heappush(self.writing, (self.count + max(one.asked.output - 1, 0), id(one), one))
        self._end()

    def _steps(self, at: float) -> None:
        """Steps until an answer ends, or about until `at`."""
        most = self.writing[0][0] - self.count
        size = len(self.writing)
        one = self._pace.step(size, self.context)
        steps = max(1, min(most, ceil((at - self.now) / one)))
        last = self._pace.step(size, self.context + (steps - 1) * size)
        self._pass(steps * (one + last) / 2, steps)

    def _pass(self, spent: float, steps: int) -> None:
        self.now += spent
        self.busy += spent
        self.count += steps
        self.context += steps * len(self.writing)
        self._end()

    def _end(self) -> None:
        while self.writing and self.writing[0][0] <= self.count:
            _, _, one = heappop(self.writing)
            tokens = one.asked.output - 1
            self.context -= one.asked.input + max(tokens, 0)
            self.room += one.size
            self.written += one.asked.output
            self.done.append((one.first - one.at, (self.now - one.first) / tokens if tokens > 0 else None))


def serve(
    requests: Sequence[Asked],
    replica: Replica,
    pace: Pace,
    tuning: Tuning,
    level: Level,
    *,
    count: int = 1,
    times: float = 1.0,
    hits: float = 0.0,
    burst: bool = False,
    patient: bool = False,
) -> Served:
    """`count` replicas under these requests, coming `times` as fast; each goes to the replica with the least to do.

    With `burst` a request that would wait too long, or not find room, goes elsewhere. Without, and if not `patient`, it
    is given up as soon as more requests are late than the service level allows.
    """
    servers = [_Server(replica, pace, tuning, hits) for _ in range(count)]
    allowed = int(len(requests) * (1 - level.part))
    elsewhere: list[int] = []
    for number, asked in enumerate(requests):
        at = asked.at / times
        for server in servers:
            server.until(at)
        chosen = min(servers, key=lambda s: s.load)
        if burst and not (chosen.takes(asked) and chosen.wait_s(asked.input, at) <= level.first_s):
            elsewhere.append(number)
            continue
        chosen.ask(asked, at)
        if not (burst or patient) and number % 32 == 0 and _late(servers, level) > allowed:
            return _served(servers, False, elsewhere)
    for server in servers:
        server.until(END)
    return _served(servers, _late(servers, level) <= allowed, elsewhere)


def _late(servers: Sequence[_Server], level: Level) -> int:
    """Requests that missed the first token, or the pace, whichever are more: each has its own allowance."""
    first = sum(ttft > level.first_s for server in servers for ttft, _ in server.done)
    pace = sum(tpot is not None and tpot > level.token_s for server in servers for _, tpot in server.done)
    return max(first, pace)


def _served(servers: Sequence[_Server], ok: bool, elsewhere: Sequence[int]) -> Served:
    done = [one for server in servers for one in server.done]
    return Served(
        ok=ok,
        first_s=tuple(sorted(first for first, _ in done)),
        token_s=tuple(sorted(pace for _, pace in done if pace is not None)),
        busy_s=sum(server.busy for server in servers),
        end_s=max(server.now for server in servers),
        read=sum(server.read for server in servers),
        reused=sum(server.reused for server in servers),
        written=sum(server.written for server in servers),
        elsewhere=tuple(elsewhere),
    )
