"""The pages by which Ollama's clients find out what there is (docs.ollama.com/api): models, one model, the version."""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from freehold.core.deployment import Deployment
from freehold.core.errors import InvalidRequest, UnknownModel
from freehold.gateway.pages import Page
from freehold.gateway.world import World

VERSION = "0.12.0"
"""Of the API that is spoken here; clients look whether it is new enough."""
_CAPABILITIES = {"tools": "tools", "image": "vision"}
"""What a deployment may lack -> what Ollama calls it."""


def ollama_pages(world: Callable[[], World], *, started_at: int) -> tuple[Page, ...]:
    """The pages; `world` gives the one of the moment."""
    at = datetime.fromtimestamp(started_at // 1_000_000_000, UTC).isoformat().replace("+00:00", "Z")

    async def tags(_: Request) -> Response:
        return _json({"models": [_listed(name, at) for name, _ in world().models]})

    async def running(_: Request) -> Response:
        return _json({"models": []})  # nothing is loaded here; providers see to that

    async def version(_: Request) -> Response:
        return _json({"version": VERSION})

    async def show(request: Request) -> Response:
        try:
            value = msgspec.json.decode(await request.body(), type=dict[str, object])
        except msgspec.MsgspecError as error:
            raise InvalidRequest(f"The body: {error}") from None
        name = value.get("model") or value.get("name")
        resolved = world().resolve(name) if isinstance(name, str) else None
        if resolved is None:
            raise UnknownModel(f"No route, model or deployment is called {str(name)[:200]!r}", param="model")
        return _json(_shown(resolved.candidates, at))

    return (
        Page(path="/api/tags", permission="key", answer=tags),
        Page(path="/api/ps", permission="key", answer=running),
        Page(path="/api/version", permission="anyone", answer=version),
        Page(path="/api/show", permission="key", answer=show, methods=("POST",)),
    )


_DETAILS: dict[str, object] = {
    "parent_model": "", "format": "", "family": "", "families": [], "parameter_size": "", "quantization_level": "",
}  # fmt: skip


def _listed(name: str, at: str) -> dict[str, object]:
    digest = sha256(name.encode()).hexdigest()
    return {"name": name, "model": name, "modified_at": at, "size": 0, "digest": digest, "details": _DETAILS}


def _shown(candidates: tuple[Deployment, ...], at: str) -> dict[str, object]:
    """What every deployment behind a name can do."""
    lacks = {need for deployment in candidates for need in deployment.lacks}
    able = ["completion", *(word for need, word in _CAPABILITIES.items() if need not in lacks)]
    windows = [d.context_window for d in candidates if d.context_window is not None]
    info: dict[str, object] = {"general.architecture": "freehold"}
    if windows:
        info["freehold.context_length"] = min(windows)
    return {
        "modelfile": "", "parameters": "", "template": "", "details": _DETAILS, "model_info": info,
        "capabilities": able, "modified_at": at,
    }  # fmt: skip


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
