"""The simulated provider: an `Upstream` in this process that answers in the bytes of a real one."""

import time
from hashlib import blake2b

from msgspec.structs import replace

from freehold.core.errors import InvalidRequest
from freehold.core.ports import Clock, SendHeaders, Sink
from freehold.providers.connection import PoolLimits
from freehold.providers.simulated.asked import read
from freehold.providers.simulated.dice import Dice
from freehold.providers.simulated.faults import spoiled
from freehold.providers.simulated.replay import Replay
from freehold.providers.simulated.said import Said, Speaker
from freehold.providers.simulated.script import Playing, Script
from freehold.providers.simulated.simulation import Fault, Simulation
from freehold.providers.simulated.wire import EVENTS, JSON, Stamp, failure, stream, whole

PATH = "/chat/completions"
SERVER = ("server", "freehold-simulated")

REMEMBERED = 65_536
"""Requests whose number of repetitions is remembered; beyond that the oldest begins anew."""


class Simulated:
    """Answers as `simulation` says. What happens depends on its seed, the bytes of the request and how often they
    were seen, on nothing else: runs repeat. `clock` gives the `created` of an answer.

    SettingsWrong where a file that the simulation names cannot be read.
    """

    def __init__(
        self, simulation: Simulation, *, clock: Clock = time.time_ns, limits: PoolLimits | None = None
    ) -> None:
        self.simulation = simulation
        self._clock = clock
        self._limits = limits or PoolLimits()
        self._speaker = Speaker(simulation)
        self._replay = Replay(simulation.replay) if simulation.replay is not None else None
        self._seen: dict[bytes, int] = {}

    def send(self, path: str, headers: SendHeaders, body: bytes, sink: Sink) -> Playing:
        return self.play(self.script(path, body), sink, limits=self._limits)

    def play(self, script: Script, sink: Sink, *, limits: PoolLimits) -> Playing:
        return Playing(script, sink, name=self.simulation.name, limits=limits)

    async def close(self) -> None:
        """Nothing to close; answers on their way go on to their end."""

    def script(self, path: str, body: bytes) -> Script:
        """What this request leads to. Counts it as seen."""
        if not path.partition("?")[0].endswith(PATH):
            message = f"The simulated provider answers {PATH}, not {path}"
            return _error(404, failure(message, kind="invalid_request_error", code="unknown_url"))
        seen = self._count(body)
        dice = Dice(self.simulation.seed, body, seen)
        fails, cuts, jitter = dice.share(), dice.share(), dice.share()
        simulation = self.simulation
        fault = simulation.fault if fails < simulation.error_rate else None
        if self._replay is not None:
            script, wanted = self._recorded(self._replay, body, seen), None
        else:
            script, wanted = self._spoken(body, dice)
        script = replace(script, **self._times(script, 1 + simulation.jitter * (2 * jitter - 1)))
        if fault is None and wanted is None and cuts < simulation.cut_rate and script.streamed:
            fault = "cut"
        fault = fault or wanted
        if fault == "status":
            return replace(self._status(), first=script.first)
        return spoiled(script, fault, dice) if fault is not None else script

    def _count(self, body: bytes) -> int:
        digest = blake2b(body, digest_size=16).digest()
        seen = self._seen.pop(digest, 0)
        self._seen[digest] = seen + 1
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return seen

    def _spoken(self, body: bytes, dice: Dice) -> tuple[Script, Fault | None]:
        """The answer of a provider that is well, and the fault that the rule wants."""
        try:
            asked = read(body)
        except InvalidRequest as error:
            text = failure(error.message, kind="invalid_request_error", param=error.param)
            return _error(400, text), None
        said = self._speaker.say(asked, dice)
        stamp = Stamp(dice.name, self._clock() // 1_000_000_000)
        headers = (SERVER, ("x-request-id", f"sim-{stamp.name}"))
        if asked.stream:
            script = Script(headers=(("content-type", EVENTS), *headers), pieces=stream(asked, said, stamp))
        else:
            script = Script(
                headers=(("content-type", JSON), *headers),
                pieces=(whole(asked, said, stamp),),
                first=self._writing(said, asked.n or 1),
            )
        return script, said.fault

    def _writing(self, said: Said, choices: int) -> float:
        """Seconds until a whole answer is written."""
        speed = self.simulation.tokens_per_second
        return said.tokens * choices / speed if speed else 0.0

    def _recorded(self, replay: Replay, body: bytes, seen: int) -> Script:
        script = replay.answer(body, seen=seen)
        if script is not None:
            return script
        message = f"The recording {replay.path} holds no answer to this request; record it, or ask for what is there"
        return _error(404, failure(message, kind="invalid_request_error", code="not_recorded"))

    def _times(self, script: Script, factor: float) -> dict[str, float]:
        speed = self.simulation.tokens_per_second
        first = (self.simulation.ttft_ms / 1000 + script.first) * factor
        return {"first": first, "gap": factor / speed if speed else 0.0}

    def _status(self) -> Script:
        simulation = self.simulation
        status = simulation.error_status
        kind = "rate_limit_error" if status == 429 else "server_error" if status >= 500 else "invalid_request_error"
        script = _error(status, failure(f"Simulated failure {status}", kind=kind, code="simulated_error"))
        if simulation.retry_after is None:
            return script
        return replace(script, headers=(*script.headers, ("retry-after", f"{simulation.retry_after:g}")))


def _error(status: int, body: bytes) -> Script:
    return Script(status=status, headers=(("content-type", JSON), SERVER), pieces=(body,))
