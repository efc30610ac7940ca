"""The pages of batches of messages, as Anthropic's clients use them (docs.claude.com/en/api/creating-message-batches).
The requests come in the body; they are kept as a file and answered by the same lane."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from freehold.core.batch import Batch, StoredFile
from freehold.core.errors import InvalidRequest, NotThere
from freehold.core.money import NANO
from freehold.gateway.batches import made, results
from freehold.gateway.batches.batch_pages import Kept, cancelled, new, one
from freehold.gateway.batches.file_pages import MONTH, json, number, owner_of, sees
from freehold.gateway.batches.lines import Line, check
from freehold.gateway.pages import Page, who

ENDPOINT = "/v1/messages"
MOST_ROWS, PAGE = 1000, 20
OVER = ("completed", "failed", "expired", "cancelled")
_PROCESSING = {"cancelling": "canceling"}


class One(Struct):
    custom_id: str
    params: Raw


class Asked(Struct):
    """What makes a batch of messages."""

    requests: list[One]


def message_batch_pages(kept: Kept) -> tuple[Page, ...]:
    """The pages."""
    shown = _Shown(kept)
    return (
        Page(path="/v1/messages/batches", permission="key", answer=shown.create, methods=("POST",)),
        Page(path="/v1/messages/batches", permission="key", answer=shown.list),
        Page(path="/v1/messages/batches/{id}", permission="key", answer=shown.retrieve),
        Page(path="/v1/messages/batches/{id}/cancel", permission="key", answer=shown.cancel, methods=("POST",)),
        Page(path="/v1/messages/batches/{id}/results", permission="key", answer=shown.results),
    )


class _Shown:
    """What the pages answer."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    async def create(self, request: Request) -> Response:
        kept, key = self._kept, who(request)
        try:
            asked = msgspec.json.decode(await request.body(), type=Asked)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequest(f"The body is not what makes a batch: {error}") from None
        file = made.requests(owner_of(key), "requests.jsonl", ids=kept.ids, now=kept.clock())
        total = await asyncio.to_thread(self._keep, asked, file)
        batch = new(kept, key, endpoint=ENDPOINT, input_file=file.id, life=MONTH * NANO)
        batch = replace(batch, id=batch.id.replace("batch_", "msgbatch_"), inline=True, total=total)
        await asyncio.to_thread(kept.batches.add, batch)
        kept.lane.look()
        return json(told(batch, request))

    def _keep(self, asked: Asked, file: StoredFile) -> int:
        """Keep the requests as an input of the lane; InvalidRequest where one is wrong. How many there are."""
        files = self._kept.files
        lines = [
            msgspec.json.encode(Line(custom_id=r.custom_id, method="POST", url=ENDPOINT, body=_compact(r.params)))
            for r in asked.requests
        ]
        made = files.put(file, b"\n".join(lines) or b"\n")
        checked, errors = check(files.path(made), ENDPOINT)
        if checked is None:
            files.remove(file.id)
            first = errors[0]
            raise InvalidRequest(f"requests.{(first.line or 1) - 1}: {first.message}")
        checked.close()
        return len(checked)

    async def list(self, request: Request) -> Response:
        limit = number(request, "limit", PAGE, most=MOST_ROWS)
        after = request.query_params.get("after_id")
        owner = sees(who(request))
        rows = await asyncio.to_thread(self._kept.batches.page, owner, after=after, most=limit + 1, inline=True)
        data = [told(batch, request) for batch in rows[:limit]]
        first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
        return json({"data": data, "has_more": len(rows) > limit, "first_id": first, "last_id": last})

    async def retrieve(self, request: Request) -> Response:
        return json(told(await one(self._kept, request), request))

    async def cancel(self, request: Request) -> Response:
        return json(told(await cancelled(self._kept, request), request))

    async def results(self, request: Request) -> Response:
        batch = await one(self._kept, request)
        if batch.status not in OVER:
            raise NotThere(f"The results of {batch.id} are not there yet; it is {batch.status}")
        files, paths = self._kept.files, list[Path]()
        for id_ in (batch.output_file, batch.error_file):
            file = None if id_ is None else await asyncio.to_thread(files.get, id_, now=self._kept.clock())
            if file is not None:
                paths.append(files.path(file))
        return StreamingResponse(_results(paths), media_type="application/x-jsonl")


def _compact(params: Raw) -> Raw:
    """On one line."""
    return Raw(msgspec.json.format(bytes(params), indent=-1))


def _results(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as lines:
            for line in lines:
                result: results.Result = results.decode(line)
                yield msgspec.json.encode({"custom_id": result.custom_id, "result": _result(result)}) + b"\n"


def _result(result: results.Result) -> dict[str, Any]:
    error, response = result.error, result.response
    if response is not None and response.status_code == 200:
        return {"type": "succeeded", "message": response.body}
    if response is not None:
        return {"type": "errored", "error": response.body}
    code, message = ("", "") if error is None else (error["code"], error["message"])
    match code:
        case "batch_expired":
            return {"type": "expired"}
        case "batch_cancelled":
            return {"type": "canceled"}
        case _:
            said = {"type": "api_error", "message": message}
            return {"type": "errored", "error": {"type": "error", "error": said, "request_id": None}}


def told(batch: Batch, request: Request) -> dict[str, Any]:
    """A batch as Anthropic's clients read it. What was counted as failed is told apart in its results."""
    over = batch.status in OVER
    answered = batch.completed + batch.failed
    unsent = batch.unsent
    expired, gone = (unsent, 0) if batch.status == "expired" else (0, unsent)
    url = str(request.url.replace(path=f"/v1/messages/batches/{batch.id}/results", query=""))
    ended = next((batch.times[s] for s in OVER if s in batch.times), None)
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": "ended" if over else _PROCESSING.get(batch.status, "in_progress"),
        "request_counts": {
            "processing": 0 if over else batch.total - answered,
            "succeeded": batch.completed,
            "errored": batch.failed - unsent,
            "canceled": gone,
            "expired": expired,
        },
        "ended_at": _instant(ended),
        "created_at": _instant(batch.at),
        "expires_at": _instant(batch.expires_at),
        "archived_at": None,
        "cancel_initiated_at": _instant(batch.times.get("cancelling")),
        "results_url": url if over else None,
    }


def _instant(at: int | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at / NANO, UTC).isoformat()
