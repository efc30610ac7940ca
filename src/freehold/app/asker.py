"""Asking the pipeline from ordinary code: an engine in a thread of its own, for replays and evaluation."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from freehold.app.engine import Engine, Told
from freehold.app.home import NODES
from freehold.core.errors import InUse, StoreFailed
from freehold.core.events import Collect, Event, Outcome
from freehold.core.principal import Budget, Key
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.flywheel.evaluation.replay import Question, Reply
from freehold.gateway.exchange import Ask, Exchange
from freehold.gateway.pipeline import Pipeline
from freehold.settings.tables import Settings

T = TypeVar("T")
ABSTAINED = "model_abstained"
AT_ONCE = 8
"""Questions under way at the same time: replays leave room for callers."""


class PipelineAsker:
    """An `Asker` on a pipeline that runs in `loop`, charged to `key`."""

    def __init__(self, pipeline: Pipeline, loop: asyncio.AbstractEventLoop, key: Key | None) -> None:
        self._pipeline = pipeline
        self._loop = loop
        self._key = key

    def ask(self, questions: Sequence[Question]) -> Sequence[Reply]:
        """From any thread but the loop's own."""
        return asyncio.run_coroutine_threadsafe(self._all(questions), self._loop).result()

    async def _all(self, questions: Sequence[Question]) -> list[Reply]:
        room = asyncio.Semaphore(AT_ONCE)

        async def one(question: Question) -> Reply:
            async with room:
                return await self._one(question)

        return list(await asyncio.gather(*(one(q) for q in questions)))

    async def _one(self, question: Question) -> Reply:
        end = Awaited()
        ask = Ask(dialect=OPENAI_CHAT, body=question.body, purpose="replay", key=self._key, of=question.of)
        self._pipeline.infer(ask, end)
        return await end.reply


class Awaited:
    """The end of a chain that somebody awaits."""

    def __init__(self) -> None:
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._fold = Collect()
        self._exchange: Exchange | None = None

    def begin(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def event(self, event: Event) -> None:
        self._fold.event(event)

    def end(self, outcome: Outcome) -> None:
        exchange = self._exchange
        record = None if exchange is None else exchange.inference
        if self.reply.done():
            return
        self.reply.set_result(
            Reply(
                text=self._fold.answer.text,
                outcome=outcome.kind,
                by=None if record is None else record.deployment,
                cost=None if record is None else record.cost,
                latency=0 if record is None else record.duration,
                ttft=None if record is None else record.ttft,
                finish=None if record is None else record.finish,
                error=None if outcome.error is None else outcome.error.message,
                inference=None if record is None else record.id,
                abstained=record is not None and record.error == ABSTAINED,
            )
        )


@contextmanager
def asker(
    settings: Path | None,
    env: Mapping[str, str],
    *,
    change: Callable[[Settings], Settings],
    name: str,
    budget: int | None = None,
    told: Told,
) -> Generator[PipelineAsker]:
    """An asker on an engine of its own, with the settings and the data folder of the gateway.

    `change` is laid over the settings; `name` says what the questions are for; `budget` is in nano-dollars, for all of
    them together.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="asker", daemon=True)
    thread.start()

    def call(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    try:
        engine = call(_opened(settings, env, change, told))
        try:
            limit = None if budget is None else Budget(limit=budget)
            yield PipelineAsker(engine.pipeline, loop, Key(id=name, digest=b"", name=name, created_at=0, budget=limit))
        finally:
            call(engine.close())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _opened(
    settings: Path | None, env: Mapping[str, str], change: Callable[[Settings], Settings], told: Told
) -> Engine:
    """An engine under the first node name that no other process uses."""
    for number in range(1, NODES + 1):
        engine = Engine(settings, env, node=f"worker-{number}", change=change, told=told)
        try:
            await engine.open()
        except InUse:
            continue
        engine.run()
        return engine
    raise StoreFailed(f"{NODES} workers have this data folder open; end some")
