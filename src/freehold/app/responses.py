"""Stored responses as a part of the gateway: kept, continued, shown, and gone when their time is over."""

import asyncio
import time
from contextlib import suppress

from freehold.app.engine import Engine
from freehold.core.errors import FreeholdError
from freehold.gateway.responses.conversations import Conversations
from freehold.gateway.responses.keeping import Keeping
from freehold.gateway.responses.remembering import Memory
from freehold.settings.tables import Settings

DAY = 86_400 * 1_000_000_000
EXPIRE_EVERY = 3600.0


class KeptResponses:
    """Make it inside a running loop; `start` before requests come, `close` when none runs."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        life = round(settings.responses.keep_days * DAY)
        memory = Memory(keeping=Keeping(engine.home.responses), life=life, node=settings.data.node)
        self.conversations = Conversations(engine.pipeline, memory, clock=time.time_ns, removed=self._removed)
        self._expiring: asyncio.Task[None] | None = None

    def _removed(self, id: str) -> None:
        self._engine.act("response.deleted", id)

    async def start(self) -> None:
        await self.conversations.interrupted()
        self._expiring = asyncio.get_running_loop().create_task(self._expire())

    async def close(self) -> None:
        if self._expiring is not None:
            self._expiring.cancel()
            await asyncio.gather(self._expiring, return_exceptions=True)
        await self.conversations.close()

    async def _expire(self) -> None:
        while True:
            with suppress(FreeholdError):  # tried again the next time
                await asyncio.to_thread(self._engine.home.responses.expire, time.time_ns())
            await asyncio.sleep(EXPIRE_EVERY)
