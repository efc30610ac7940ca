"""The ordinary routes: models, health, metrics. Each declares beside its path who may ask."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module
from typing import Literal

import msgspec
from msgspec import Struct
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from freehold.core.errors import Forbidden, FreeholdError, Internal, UnknownModel, UnknownPath, WrongMethod
from freehold.core.money import NANO
from freehold.core.principal import Key
from freehold.dialects.dialect import Dialect
from freehold.gateway.metrics import Metrics
from freehold.gateway.offered import not_offered
from freehold.gateway.paths import Paths
from freehold.gateway.pipeline import Pipeline
from freehold.gateway.received import credential
from freehold.gateway.reply import error_headers
from freehold.governance.limits import instant

Permission = Literal["anyone", "key", "admin"]
"""Who may ask: anyone; a valid key; a key with admin rights. An open door (loopback, no key made yet) lets all in."""


class Page(Struct, frozen=True, kw_only=True):
    """One ordinary route."""

    path: str
    permission: Permission
    answer: Callable[[Request], Awaitable[Response]]
    methods: tuple[str, ...] = ("GET",)


def pages(pipeline: Pipeline, metrics: Metrics, *, started_at: int) -> tuple[Page, ...]:
    """Every ordinary route of the gateway."""

    async def health(_: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    async def ready(_: Request) -> Response:
        if pipeline.draining:
            return Response("shutting down\n", status_code=503, media_type="text/plain")
        return Response("ready\n", media_type="text/plain")

    async def models(request: Request) -> Response:
        rows = [_model(name, owner, started_at) for name, owner in pipeline.world.models]
        return _json({"object": "list", "data": rows} | _page(rows, request))

    async def model(request: Request) -> Response:
        name: str = request.path_params["name"]
        resolved = pipeline.world.resolve(name)
        if resolved is None:
            raise UnknownModel(f"No route, model or deployment is called {name[:200]!r}", param="model")
        owner = dict(pipeline.world.models).get(name) or resolved.candidates[0].provider
        return _json(_model(name, owner, started_at))

    async def counted(_: Request) -> Response:
        told = import_module("freehold.gateway.exposition").page(metrics)
        return Response(told, media_type="text/plain; version=0.0.4")

    return (
        Page(path="/healthz", permission="anyone", answer=health),
        Page(path="/readyz", permission="anyone", answer=ready),
        Page(path="/metrics", permission="admin", answer=counted),
        Page(path="/v1/models", permission="key", answer=models),
        Page(path="/v1/models/{name:path}", permission="key", answer=model),
    )


def application(pipeline: Pipeline, every: Sequence[Page], hot: Paths) -> Starlette:
    """The ASGI application of all ordinary routes. Errors are told in the caller's dialect; `hot` paths are named in a
    404."""
    routes = [Route(p.path, _guarded(p, pipeline), methods=list(p.methods)) for p in every]
    known = ", ".join([*hot.named(), *(p.path for p in every)])

    def spoken(request: Request) -> Dialect:
        return hot.near(request.url.path.encode(), dict(request.headers.raw))

    async def failed(request: Request, error: Exception) -> Response:
        known = error if isinstance(error, FreeholdError) else Internal("Something went wrong here")
        return _error(known, spoken(request))

    async def unserved(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if why := not_offered(request.url.path):
            return _error(UnknownPath(why), spoken(request))
        if status == 405:
            allowed = (error.headers if isinstance(error, HTTPException) else None) or {}
            message = (
                f"{request.method} is not possible at {request.url.path[:200]}; send {allowed.get('Allow', 'GET')}"
            )
            return _error(WrongMethod(message), spoken(request), allowed)
        return _error(
            UnknownPath(f"Nothing is served at {request.url.path[:200]}. There are: {known}"), spoken(request)
        )

    handlers = {FreeholdError: failed, HTTPException: unserved, Exception: failed}
    return Starlette(routes=routes, exception_handlers=handlers)


def _guarded(page: Page, pipeline: Pipeline) -> Callable[[Request], Awaitable[Response]]:
    async def guarded(request: Request) -> Response:
        if page.permission != "anyone":
            headers = dict(request.headers.raw)
            query: bytes = request.scope["query_string"]
            key = pipeline.authenticate(credential(headers, b"?" + query), headers)
            if page.permission == "admin" and key is not None and not key.admin:
                raise Forbidden(f"Key '{key.name}' ({key.id}) has no admin rights, which {page.path} needs")
            request.state.key = key
        return await page.answer(request)

    return guarded


def who(request: Request) -> Key | None:
    """The key of a request that was let in; None where the door is open."""
    return request.state.key


def _model(name: str, owner: str, created: int) -> dict[str, object]:
    """A model as OpenAI's clients and Anthropic's read it; each passes over the members of the other."""
    openai = {"object": "model", "created": created // NANO, "owned_by": owner}
    return {"id": name, "type": "model", "display_name": name, "created_at": instant(created), **openai}


def _page(rows: list[dict[str, object]], request: Request) -> dict[str, object]:
    """The part of the list that is asked for: Anthropic's clients take it page by page, others whole."""
    ids = [row["id"] for row in rows]
    asked = request.query_params
    after, most = asked.get("after_id"), asked.get("limit", "")
    start = ids.index(after) + 1 if after in ids else 0
    end = start + int(most) if most.isascii() and most.isdecimal() and len(most) < 5 else len(rows)
    shown = rows[start:end]
    return {
        "data": shown,
        "has_more": end < len(rows),
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
    }


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _error(error: FreeholdError, dialect: Dialect, more: Mapping[str, str] | None = None) -> Response:
    lines = error_headers(error, exhausted=False).decode().splitlines()
    headers = dict(line.split(": ", 1) for line in lines) | dict(more or {})
    return Response(
        dialect.encode_error(error), status_code=error.status, headers=headers, media_type="application/json"
    )
