"""The pages of stored responses: to read one, its input, to cancel it, to delete it. A key sees its own alone."""

import asyncio
from typing import Any, NoReturn

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from freehold.core.errors import InvalidRequest, NotThere
from freehold.core.stored import StoredResponse
from freehold.dialects.openai_chat.loose import items, members, word
from freehold.dialects.openai_responses.unfolding import unfolded
from freehold.gateway.pages import Page, who
from freehold.gateway.responses.conversations import Conversations

UNDER_WAY = ("queued", "in_progress")
PAGE, LARGEST = 20, 100
_PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "cto",
    "reasoning": "rs",
}
_TEXTS = {"assistant": "output_text"}


def response_pages(conversations: Conversations) -> tuple[Page, ...]:
    """The pages."""
    shown = _Shown(conversations)
    return (
        Page(path="/v1/responses/{id}", permission="key", answer=shown.retrieve),
        Page(path="/v1/responses/{id}", permission="key", answer=shown.delete, methods=("DELETE",)),
        Page(path="/v1/responses/{id}/cancel", permission="key", answer=shown.cancel, methods=("POST",)),
        Page(path="/v1/responses/{id}/input_items", permission="key", answer=shown.inputs),
    )


class _Shown:
    """What the pages answer."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations
        self._keeping = conversations.memory.keeping

    async def _found(self, request: Request) -> StoredResponse:
        id_, owner = _asked(request)
        one = await self._conversations.get(id_, owner)
        return one if one is not None else _missing(id_)

    async def retrieve(self, request: Request) -> Response:
        one = await self._found(request)
        if request.query_params.get("stream", "").lower() != "true":
            return Response(bytes(one.response), media_type="application/json")
        if one.status in UNDER_WAY:
            raise InvalidRequest("stream: the response is not over; ask for it without `stream`", param="stream")
        after = _number(request, "starting_after", -1, most=2**31)
        body = unfolded(members(msgspec.json.decode(one.response)), after)
        return Response(body, media_type="text/event-stream")

    async def delete(self, request: Request) -> Response:
        id_, owner = _asked(request)
        running = self._conversations.running.pop((owner, id_), None)
        if running is not None:
            await running.cancel()
        await self._keeping.settled()
        if not await asyncio.to_thread(self._keeping.store.remove, id_, owner=owner):
            _missing(id_)
        self._conversations.removed(id_)
        return _json({"id": id_, "object": "response", "deleted": True})

    async def cancel(self, request: Request) -> Response:
        one = await self._found(request)
        if not one.background:
            raise InvalidRequest("Cannot cancel a synchronous response: only those with `background` can be")
        running = self._conversations.running.get((one.owner, one.id))
        if running is not None:
            await running.cancel()
            one = await self._found(request)
        return Response(bytes(one.response), media_type="application/json")

    async def inputs(self, request: Request) -> Response:
        one = await self._found(request)
        before = [] if one.previous is None else await self._conversations.chain(one.previous, one.owner)
        every = [i for r in before for i in (*_given(r), *members(msgspec.json.decode(r.response))["output"])]
        return _json(_page(request, [*every, *_given(one)]))


def _asked(request: Request) -> tuple[str, str]:
    key = who(request)
    return request.path_params["id"], "" if key is None else key.id


def _missing(id_: str) -> NoReturn:
    raise NotThere(f"Response with id '{id_[:100]}' not found.", param="response_id")


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _number(request: Request, name: str, default: int, *, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 10 or int(text) > most:
        raise InvalidRequest(f"{name}: expected a number up to {most}", param=name)
    return int(text)


def _page(request: Request, every: list[dict[str, Any]]) -> dict[str, Any]:
    """A page of items, the newest first unless `order` is asc; `after` names the last one of the page before."""
    limit = _number(request, "limit", PAGE, most=LARGEST)
    if request.query_params.get("order", "desc") != "asc":
        every = every[::-1]
    after = request.query_params.get("after")
    if after is not None:
        places = [at for at, item in enumerate(every) if item["id"] == after]
        every = every[places[0] + 1 :] if places else []
    data = every[: max(limit, 1)]
    first, last = (data[0]["id"], data[-1]["id"]) if data else ("", "")
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": len(every) > len(data)}


def _given(one: StoredResponse) -> list[dict[str, Any]]:
    """The input of a response as items, each whole and with an id."""
    return [_whole(members(item), one.id, at) for at, item in enumerate(items(msgspec.json.decode(one.input)))]


def _whole(item: dict[str, Any], response: str, at: int) -> dict[str, Any]:
    kind = word(item.get("type")) or "message"
    whole = {"id": f"{_PREFIXES.get(kind, 'item')}_{response.removeprefix('resp_')}_in{at}", "type": kind, **item}
    whole["type"] = kind
    if kind in ("message", *_PREFIXES) and kind != "reasoning":
        whole.setdefault("status", "completed")
    if kind == "message" and isinstance(item.get("content"), str):
        text = _TEXTS.get(word(item.get("role")), "input_text")
        part: dict[str, Any] = {"type": text, "text": item["content"]}
        whole["content"] = [part | ({"annotations": []} if text == "output_text" else {})]
    return whole
