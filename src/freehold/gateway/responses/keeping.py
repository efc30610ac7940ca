"""Keeping: responses on their way into the store, many at a time.

What is given is there for readers at once, and in the store when `then` is called. Nothing waits for more than the
write that is under way and its own.
"""

import asyncio
from collections.abc import Callable

from freehold.core.errors import FreeholdError
from freehold.core.ports import StoredResponses
from freehold.core.stored import StoredResponse

Then = Callable[[], None]


class Keeping:
    """Writes responses, and reads those that are not yet written."""

    def __init__(self, store: StoredResponses) -> None:
        self.store = store
        self._waiting: list[tuple[StoredResponse, Then]] = []
        self._new: dict[tuple[str, str], StoredResponse] = {}
        self._task: asyncio.Task[None] | None = None

    def keep(self, response: StoredResponse, then: Then = lambda: None) -> None:
        self._new[response.owner, response.id] = response
        self._waiting.append((response, then))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write())

    def fresh(self, id: str, owner: str) -> StoredResponse | None:
        """One that is not yet in the store."""
        return self._new.get((owner, id))

    async def settled(self) -> None:
        """Until everything given so far is in the store."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    await asyncio.to_thread(self.store.put, [response for response, _ in batch])
                except FreeholdError as error:  # the answers are there all the same, they only cannot be continued
                    loop.call_exception_handler({"message": "Responses could not be kept", "exception": error})
                for response, then in batch:
                    if self._new.get((response.owner, response.id)) is response:
                        del self._new[response.owner, response.id]
                    then()
        finally:
            self._task = None
