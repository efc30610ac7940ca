"""The pages by which Gemini's clients find out what there is (ai.google.dev/api/models)."""

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from freehold.core.errors import InvalidRequest, UnknownModel
from freehold.gateway.pages import Page
from freehold.gateway.world import World

METHODS = ["generateContent", "countTokens"]
MOST, USUAL = 1000, 50
"""Models on one page, at most and where nobody says."""


def gemini_pages(world: Callable[[], World]) -> tuple[Page, ...]:
    """The pages; `world` gives the one of the moment."""

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

    return (
        Page(path="/v1beta/models", permission="key", answer=models),
        Page(path="/v1beta/models/{name:path}", permission="key", answer=model),
    )


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
