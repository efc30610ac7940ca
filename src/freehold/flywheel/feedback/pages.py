"""The page of feedback: `POST /v1/feedback`, and `GET /v1/feedback?inference=` or `?episode=`."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from freehold.core.errors import InvalidRequest
from freehold.core.feedback import Feedback
from freehold.core.ids import Ids
from freehold.core.inference import Inference
from freehold.core.ports import Clock, FeedbackStore
from freehold.core.principal import Key
from freehold.flywheel.feedback.given import decode, feedback
from freehold.flywheel.feedback.settle import settle
from freehold.gateway.pages import Page


def pages(
    store: FeedbackStore,
    *,
    who: Callable[[Request], Key | None],
    find: Callable[[str], Inference | None],
    answer: Callable[[str], str | None],
    clock: Clock,
    ids: Ids,
    record: Callable[[Feedback], None],
) -> tuple[Page, ...]:
    """The page.

    `who`: the key of a request (None: the door is open); `find`: an inference by id; `answer`: what was answered to it,
    if kept; `record`: writes each judgement into the ledger, on the event loop. `find` and `answer` run in a thread.
    """

    async def give(request: Request) -> Response:
        key = who(request)
        given = decode(await request.body())

        def kept() -> list[Feedback]:
            for id_ in filter(None, (given.inference, given.preferred_over)):
                _visible(find(id_), key, id_, "inference" if id_ == given.inference else "preferred_over")
            found = feedback(given, at=clock(), ids=ids, by=None if key is None else key.id, answer=answer)
            store.put(found)
            return found

        found = await asyncio.to_thread(kept)
        for one in found:
            record(one)
        return _json({"object": "list", "data": found}, status=201)

    async def read(request: Request) -> Response:
        key = who(request)
        inference, episode = request.query_params.get("inference"), request.query_params.get("episode")
        if (inference is None) == (episode is None):
            raise InvalidRequest("inference: ask for exactly one of ?inference= and ?episode=", param="inference")

        def found() -> dict[str, Any]:
            if episode is not None:
                rows = [f for f in store.about(episodes=[episode]) if _own(f, key)]
                return {"object": "list", "data": rows}
            assert inference is not None
            known = _visible(find(inference), key, inference, "inference")
            episodes = [] if known.episode is None else [known.episode]
            rows = [
                f
                for f in store.about(inferences=[inference], episodes=episodes)
                if f.inference is not None or f.by == known.key
            ]
            return {"object": "list", "data": rows, "settled": settle(rows, inference=inference)}

        return _json(await asyncio.to_thread(found))

    async def either(request: Request) -> Response:
        return await (give if request.method == "POST" else read)(request)

    return (Page(path="/v1/feedback", permission="key", answer=either, methods=("GET", "POST")),)


def _visible(inference: Inference | None, key: Key | None, id_: str, param: str) -> Inference:
    """The inference, if it is this key's, its team's, or the key is an administrator's."""
    allowed = inference is not None and (
        key is None
        or key.admin
        or inference.key == key.id
        or (inference.team is not None and inference.team == key.team)
    )
    if inference is None or not allowed:
        raise InvalidRequest(f"{param}: no inference of yours has the id {id_[:200]!r}", param=param)
    return inference


def _own(f: Feedback, key: Key | None) -> bool:
    return key is None or key.admin or f.by == key.id


def _json(value: object, *, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")
