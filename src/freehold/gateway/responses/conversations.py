"""Conversations: requests of Responses that continue what was said before, and those that nobody waits for.

A request that names an earlier response gets the history of it in its input before the pipeline sees it, so that every
provider can serve it. The account that answered before and holds the response gets the name alone (see `carry`).
Other requests go straight into the pipeline.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from freehold.core.errors import FreeholdError, Internal, InvalidRequest, PreviousUnknown
from freehold.core.ports import Clock
from freehold.core.stored import StoredResponse
from freehold.dialects.openai_chat.loose import items, members, word
from freehold.dialects.openai_responses.dialect import OPENAI_RESPONSES
from freehold.dialects.openai_responses.history import PREVIOUS, Continued, continued, references
from freehold.dialects.strict_json import read
from freehold.gateway.exchange import Ask
from freehold.gateway.pipeline import End, Pipeline
from freehold.gateway.responses.remembering import InBackground, Memory, Remembering, Running

MOST = 1000
"""Responses that one may continue, over each other."""
_SIGNS = (b"previous_response_id", b"item_reference", b'"background"', b"\\u")
"""Without one of these in its body a request names nothing that is kept here; a name can be written with escapes."""


class Conversations:
    """Stands before the pipeline. `removed` hears the id of a response that its owner has deleted."""

    def __init__(
        self, pipeline: Pipeline, memory: Memory, *, clock: Clock, removed: Callable[[str], None] = lambda id: None
    ) -> None:
        self._pipeline = pipeline
        self.removed = removed
        self.memory = memory
        self.clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self.running: dict[tuple[str, str], InBackground] = {}  # in the background, by owner and id

    def infer(self, ask: Ask, end: End) -> Running | None:
        """Serve one request into `end`, as the pipeline does."""
        if ask.dialect is not OPENAI_RESPONSES:
            return self._pipeline.infer(ask, end)
        body = ask.body
        if not any(sign in body for sign in _SIGNS):
            return self._pipeline.infer(ask, self._remembering(end))
        recalling = _Recalling(self, ask, end)
        self.later(recalling.run())
        return recalling

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End what runs in the background, and write what is to be kept."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for running in list(self.running.values()):
            await running.cancel()
        await self.memory.keeping.settled()

    async def interrupted(self) -> None:
        """Tell those who will ask that what a dead process worked on has failed."""
        for one in await asyncio.to_thread(self.memory.keeping.store.abandoned, self.memory.node):
            response = members(msgspec.json.decode(one.response))
            why = "The gateway ended while it worked on this response; ask again"
            response |= {"status": "failed", "error": {"code": "server_error", "message": why}}
            failed = replace(one, status="failed", node="", response=Raw(msgspec.json.encode(response)))
            self.memory.keeping.keep(failed)
        await self.memory.keeping.settled()

    # looking up

    async def get(self, id: str, owner: str) -> StoredResponse | None:
        keeping = self.memory.keeping
        return keeping.fresh(id, owner) or await asyncio.to_thread(keeping.store.get, id, owner=owner, now=self.clock())

    async def chain(self, id: str, owner: str) -> list[StoredResponse]:
        """A response with all that it continues, the oldest first; PreviousUnknown where it is not there."""
        keeping = self.memory.keeping
        newest: list[StoredResponse] = []
        following: str | None = id
        while following is not None and (one := keeping.fresh(following, owner)) is not None:
            newest.append(one)
            following = one.previous
        older = await asyncio.to_thread(self._older, following, owner, MOST - len(newest)) if following else []
        if following is not None and not older:
            raise PreviousUnknown(
                f"Previous response with id '{id[:100]}' not found: it was never kept (`store` was false), has been "
                "deleted, or continues one that has. Send the whole conversation as `input`",
                param=PREVIOUS,
            )
        found = [*older, *reversed(newest)]
        if found[0].previous is not None:
            raise InvalidRequest(f"{PREVIOUS}: continues more than {MOST} responses; begin anew", param=PREVIOUS)
        if found[-1].status in ("queued", "in_progress"):
            raise InvalidRequest(f"{PREVIOUS}: {id[:100]} is still being worked on; wait for it", param=PREVIOUS)
        return found

    def _older(self, id: str, owner: str, most: int) -> list[StoredResponse]:
        return list(self.memory.keeping.store.chain(id, owner=owner, now=self.clock(), most=max(most, 1)))

    async def named(self, ids: list[str], owner: str) -> dict[str, StoredResponse]:
        """The responses that hold items, by the ids of those."""
        if not ids:
            return {}
        await self.memory.keeping.settled()
        store = self.memory.keeping.store
        found = await asyncio.to_thread(store.with_items, ids, owner=owner, now=self.clock())
        wanted = set(ids)
        outputs = [(one, items(members(msgspec.json.decode(one.response)).get("output"))) for one in found]
        return {id_: one for one, output in outputs for i in output if (id_ := word(members(i).get("id"))) in wanted}

    def _remembering(self, end: End, given: Raw | None = None) -> End:
        return Remembering(self.memory, end, given) if self.memory.life else end

    # serving

    async def recalled(self, ask: Ask) -> tuple[Ask, Continued | None, bool]:
        """The request with what it continues; whether it is one for the background."""
        value: Any = read(ask.body)
        asked = members(value)
        if not asked:
            return ask, None, False
        own = ask.purpose != "caller"
        key = ask.key if own else self._pipeline.authenticate(ask.credential, ask.headers)
        owner = "" if key is None else key.id
        previous, background = asked.get(PREVIOUS), asked.get("background") is True and asked.get("stream") is not True
        if background:
            if not self.memory.life or asked.get("store") is False:
                why = "background: needs a response that is stored; leave out `store`"
                raise InvalidRequest(why, param="background")
            asked = {name: member for name, member in asked.items() if name != "background"}
        chain = await self.chain(previous, owner) if previous and isinstance(previous, str) else []
        named = await self.named(references(asked.get("input")), owner)
        if chain or named:
            found = continued(asked, chain, named)
            return replace(ask, body=found.body, past=found.past), found, background
        return (replace(ask, body=msgspec.json.encode(asked)) if background else ask), None, background

    def begin(self, ask: Ask, end: End, found: Continued | None, *, background: bool) -> Running | None:
        given = None if found is None else found.given
        if not background:
            return self._pipeline.infer(ask, self._remembering(end, given))
        waiting = InBackground(self.memory, end, self._ended, given)
        waiting.running = self._pipeline.infer(ask, waiting)
        if waiting.running is not None and not waiting.done.is_set():
            self.running[waiting.place] = waiting
            waiting.accept()
        return None

    def _ended(self, owner: str, id: str) -> None:
        self.running.pop((owner, id), None)

    def refuse(self, ask: Ask, end: End, error: FreeholdError) -> None:
        self._pipeline.infer(replace(ask, refusal=error), end)


class _Recalling:
    """A request that waits for its history; what its connection does meanwhile is done to the call once it runs."""

    def __init__(self, conversations: Conversations, ask: Ask, end: End) -> None:
        self._conversations = conversations
        self._ask = ask
        self._end = end
        self._running: Running | None = None
        self._left = False
        self._paused = False

    async def run(self) -> None:
        conversations, ask = self._conversations, self._ask
        try:
            asked, found, background = await conversations.recalled(ask)
        except Exception as error:  # the request edge: whatever a caller sends must end in an answer and a record
            known = error if isinstance(error, FreeholdError) else Internal(f"The history could not be read: {error!r}")
            if not self._left:
                conversations.refuse(ask, self._end, known)
            return
        if self._left:
            return
        running = self._running = conversations.begin(asked, self._end, found, background=background)
        if running is not None and self._paused:
            running.pause()

    def cancel(self) -> None:
        self._left = True
        if self._running is not None:
            self._running.cancel()

    def pause(self) -> None:
        self._paused = True
        if self._running is not None:
            self._running.pause()

    def resume(self) -> None:
        self._paused = False
        if self._running is not None:
            self._running.resume()
