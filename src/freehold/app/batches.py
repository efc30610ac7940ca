"""Files and batches as a part of the gateway: pages, the lane that works, and what is gone when its time is over."""

import asyncio
import time
from contextlib import suppress

from freehold.app.engine import Engine, Told
from freehold.core.errors import FreeholdError
from freehold.core.principal import Key
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.openai_completions.dialect import OPENAI_COMPLETIONS
from freehold.dialects.openai_responses.dialect import OPENAI_RESPONSES
from freehold.dialects.single.embeddings import OPENAI_EMBEDDINGS
from freehold.gateway.batches.batch_pages import Kept, batch_pages
from freehold.gateway.batches.file_pages import file_pages
from freehold.gateway.batches.lane import Lane
from freehold.gateway.batches.message_pages import message_batch_pages
from freehold.gateway.batches.room import Room
from freehold.gateway.batches.run import Desk
from freehold.gateway.pages import Page
from freehold.gateway.responses.conversations import Conversations
from freehold.settings.tables import Settings

DIALECTS = {
    "/v1/chat/completions": OPENAI_CHAT,
    "/v1/responses": OPENAI_RESPONSES,
    "/v1/embeddings": OPENAI_EMBEDDINGS,
    "/v1/completions": OPENAI_COMPLETIONS,
    "/v1/messages": ANTHROPIC_MESSAGES,
}
EXPIRE_EVERY = 3600.0


class KeptBatches:
    """Make it inside a running loop; `start` before requests come."""

    def __init__(self, engine: Engine, settings: Settings, conversations: Conversations, told: Told) -> None:
        home, pipeline = engine.home, engine.pipeline

        def key(id_: str) -> Key | None:
            return pipeline.keyring.named(id_, time.time_ns())

        self.room = Room(settings.batches.at_once, lambda: pipeline.turn.running)
        desk = Desk(
            infer=conversations.infer,
            key=key,
            find=home.find,
            files=home.files,
            batches=home.batches,
            spools=home.spools,
            clock=time.time_ns,
            ids=engine.ids,
            room=self.room,
            dialects=DIALECTS,
        )
        self._files = home.files
        self.lane = Lane(desk, holder=f"{home.id}/{settings.data.node}", home=home.id, told=told)
        kept = Kept(
            files=home.files,
            batches=home.batches,
            lane=self.lane,
            home=home.id,
            clock=time.time_ns,
            ids=engine.ids,
        )
        self.pages: tuple[Page, ...] = (
            *file_pages(home.files, home.batches, home=home.id, clock=time.time_ns, ids=engine.ids),
            *batch_pages(kept),
            *message_batch_pages(kept),
        )
        self._expiring: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.lane.start()
        self._expiring = asyncio.get_running_loop().create_task(self._expire())

    async def close(self, seconds: float) -> None:
        """Let what was sent be answered, but no longer than that."""
        if self._expiring is not None:
            self._expiring.cancel()
            await asyncio.gather(self._expiring, return_exceptions=True)
        await self.lane.close(seconds)

    async def _expire(self) -> None:
        while True:
            with suppress(FreeholdError):  # tried again the next time
                await asyncio.to_thread(self._files.expire, time.time_ns())
            await asyncio.sleep(EXPIRE_EVERY)
