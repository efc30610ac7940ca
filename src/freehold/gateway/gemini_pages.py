"""The pages by which Gemini's clients find out what there is (ai.google.dev/api/models)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from freehold.core.errors import InvalidRequest, UnknownModel
from freehold.gateway.pages import Page
from freehold.gateway.world import World

GEMINI_MARKS = (b"x-goog-api-client", b"x-goog-api-key")
"""Headers by which Gemini's clients are known at paths that others use too."""
METHODS = ["generateContent", "countTokens"]
Answering = Callable[[Request], Awaitable[Response]]
MOST, USUAL = 1000, 50
"""Models on one page, at most and where nobody says."""


def gemini_pages(world: Callable[[], World], every: Sequence[Page]) -> tuple[Page, ...]:
    """Every page, with Gemini's; `world` gives the one of the moment. Where a page of its path is there already, it
    stays the one of other clients."""

    async def models(request: Request) -> Response:
        names = [name for name, _ in world().models]
        start, size = _place(request, len(names)), _size(request)
        told: dict[str, Any] = {"models": [_model(world(), name) for name in names[start : start + size]]}
        if start + size < len(names):
            told["nextPageToken"] = str(start + size)
        return _json(told)

    async def model(request: Request) -> Response:
        name: str = request.path_params["name"]
        if world().resolve(name) is None:
            raise UnknownModel(f"No route, model or deployment is called {name[:200]!r}", param="model")
        return _json(_model(world(), name))

    shared = {"/v1/models": models, "/v1/models/{name:path}": model}
    return (
        *(replace(p, answer=_either(shared[p.path], p.answer)) if p.path in shared else p for p in every),
        Page(path="/v1beta/models", permission="key", answer=models),
        Page(path="/v1beta/models/{name:path}", permission="key", answer=model),
    )


def _either(gemini: Answering, other: Answering) -> Answering:
    """The one for Gemini's clients, the other for the rest."""

    async def answer(request: Request) -> Response:
        headers = dict(request.headers.raw)
        return await (gemini if any(mark in headers for mark in GEMINI_MARKS) else other)(request)

    return answer


def _model(world: World, name: str) -> dict[str, Any]:
    """A model with the limits that hold whichever of its deployments answers."""
    resolved = world.resolve(name)
    candidates = () if resolved is None else resolved.candidates
    windows = [d.context_window for d in candidates]
    outputs = [d.max_output_tokens for d in candidates]
    told: dict[str, Any] = {"name": f"models/{name}", "version": "", "displayName": name, "description": ""}
    for member, limits in (("inputTokenLimit", windows), ("outputTokenLimit", outputs)):
        known = [limit for limit in limits if limit]
        if known:
            told[member] = min(known)
    return told | {"supportedGenerationMethods": METHODS}


def _size(request: Request) -> int:
    asked = request.query_params.get("pageSize", "")
    if not asked:
        return USUAL
    if not (asked.isascii() and asked.isdecimal() and len(asked) < 7 and int(asked) > 0):
        raise InvalidRequest(f"pageSize: expected 1 to {MOST}, got {asked[:40]!r}", param="pageSize")
    return min(int(asked), MOST)


def _place(request: Request, most: int) -> int:
    """Where a page begins; its token is that number."""
    token = request.query_params.get("pageToken", "")
    if not token:
        return 0
    if not (token.isascii() and token.isdecimal() and len(token) < 10 and int(token) <= most):
        raise InvalidRequest("pageToken: is none that was given out here", param="pageToken")
    return int(token)


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
