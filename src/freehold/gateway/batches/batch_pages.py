"""The pages of batches, as OpenAI's clients use them (platform.openai.com/docs/api-reference/batch)."""

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from freehold.core.batch import Batch
from freehold.core.errors import InvalidRequest, NotThere
from freehold.core.ids import Ids
from freehold.core.money import NANO
from freehold.core.ports import Batches, Clock, Files
from freehold.core.principal import Key
from freehold.gateway.batches import made
from freehold.gateway.batches.file_pages import MONTH, found, json, life, listed, number, owner_of, sees
from freehold.gateway.batches.lane import Lane
from freehold.gateway.pages import Page, who

LARGEST_PAGE, PAGE = 100, 20
_TIMES = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")

Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]


class Asked(Struct):
    """What makes a batch."""

    input_file_id: str
    endpoint: str
    completion_window: Literal["24h"]
    metadata: Metadata | None = None
    output_expires_after: dict[str, Any] | None = None


class Kept(Struct, frozen=True, kw_only=True):
    """What the pages of batches work with. `home`: the id of this data folder."""

    files: Files
    batches: Batches
    lane: Lane
    home: str
    clock: Clock
    ids: Ids


def batch_pages(kept: Kept) -> tuple[Page, ...]:
    """The pages."""
    shown = _Shown(kept)
    return (
        Page(path="/v1/batches", permission="key", answer=shown.create, methods=("POST",)),
        Page(path="/v1/batches", permission="key", answer=shown.list),
        Page(path="/v1/batches/{id}", permission="key", answer=shown.retrieve),
        Page(path="/v1/batches/{id}/cancel", permission="key", answer=shown.cancel, methods=("POST",)),
    )


class _Shown:
    """What the pages answer."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    async def create(self, request: Request) -> Response:
        kept, key = self._kept, who(request)
        asked = read(await request.body(), Asked)
        if asked.endpoint not in made.ENDPOINTS:
            raise InvalidRequest(f"endpoint: expected one of {', '.join(made.ENDPOINTS)}", param="endpoint")
        file = await found(kept.files, asked.input_file_id, key, kept.clock, "input_file_id")
        if file.purpose != "batch":
            raise InvalidRequest("input_file_id: the purpose of the file must be 'batch'", param="input_file_id")
        if file.home != kept.home:
            why = f"input_file_id: {file.id} lies in the data folder of another gateway; ask that one"
            raise InvalidRequest(why, param="input_file_id")
        stays = asked.output_expires_after
        seconds = MONTH if stays is None else life(stays, "output_expires_after")
        batch = new(kept, key, endpoint=asked.endpoint, input_file=file.id, life=seconds * NANO)
        batch = msgspec.structs.replace(batch, metadata=asked.metadata)
        await asyncio.to_thread(kept.batches.add, batch)
        kept.lane.look()
        return json(told(batch))

    async def list(self, request: Request) -> Response:
        limit = number(request, "limit", PAGE, most=LARGEST_PAGE)
        after = request.query_params.get("after")
        batches = self._kept.batches
        rows = await asyncio.to_thread(batches.page, sees(who(request)), after=after, most=limit + 1)
        return json(listed([told(batch) for batch in rows[:limit]], more=len(rows) > limit))

    async def retrieve(self, request: Request) -> Response:
        return json(told(await one(self._kept, request)))

    async def cancel(self, request: Request) -> Response:
        return json(told(await cancelled(self._kept, request)))


def read(body: bytes, type_: type[Asked]) -> Asked:
    """A body as what was asked; InvalidRequest names the member."""
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is not what makes a batch: {error}") from None


def new(kept: Kept, key: Key | None, *, endpoint: str, input_file: str, life: int | None) -> Batch:
    """A batch that begins now."""
    return made.batch(
        owner_of(key),
        ids=kept.ids,
        now=kept.clock(),
        home=kept.home,
        endpoint=endpoint,
        input_file=input_file,
        life=life,
    )


async def one(kept: Kept, request: Request) -> Batch:
    """The batch that is asked for, where the key sees it."""
    id_: str = request.path_params["id"]
    batch = await asyncio.to_thread(kept.batches.get, id_)
    owner = sees(who(request))
    if batch is None or (owner is not None and batch.owner != owner):
        raise NotThere(f"No batch found with id '{id_[:100]}'.", param="batch_id")
    return batch


async def cancelled(kept: Kept, request: Request) -> Batch:
    """The batch that is asked for, which sends nothing more; what was sent is answered."""
    batch = await one(kept, request)

    def cancelling(current: Batch) -> Batch:
        return made.cancelling(current, kept.clock())

    if batch.status != "cancelling":
        batch = await asyncio.to_thread(kept.batches.change, batch.id, cancelling) or batch
        kept.lane.changed(batch.id)
    return batch


def told(batch: Batch) -> dict[str, Any]:
    """A batch as OpenAI's clients read it. Its files are named once they are there."""
    over = batch.status in ("completed", "expired", "cancelled")
    wrong = {"object": "list", "data": [_error(error) for error in batch.errors]} if batch.errors else None
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": wrong,
        "input_file_id": batch.input_file,
        "completion_window": "24h",
        "status": batch.status,
        "output_file_id": batch.output_file if over else None,
        "error_file_id": batch.error_file if over else None,
        "created_at": batch.at // NANO,
        "expires_at": batch.expires_at // NANO,
        **{f"{status}_at": _seconds(batch, status) for status in _TIMES},
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "metadata": batch.metadata,
    }


def _seconds(batch: Batch, status: str) -> int | None:
    at = batch.times.get(status)
    return None if at is None else at // NANO


def _error(error: Any) -> dict[str, Any]:
    return {"code": error.code, "line": error.line, "message": error.message, "param": error.param}
