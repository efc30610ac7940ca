"""Words with an engine about itself: is it ready, load this adapter. Requests of callers do not go this way."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import msgspec

from freehold.core.errors import Unreachable

SECONDS = 30.0
_OPENER = build_opener(ProxyHandler({}))  # engines are near; no proxy stands between


async def ask(method: str, url: str, body: Any = None, *, seconds: float = SECONDS) -> tuple[int, bytes]:
    """Status and body of the answer. Unreachable where nobody answers. A `Path` as body is sent as it is."""
    return await asyncio.to_thread(_ask, method, url, body, seconds)


def _ask(method: str, url: str, body: Any, seconds: float) -> tuple[int, bytes]:
    headers = {"content-type": "application/json"}
    try:
        if isinstance(body, Path):
            with body.open("rb") as file:
                headers = {"content-type": "application/octet-stream", "content-length": str(body.stat().st_size)}
                return _open(Request(url, file, headers, method=method), seconds)
        data = None if body is None else msgspec.json.encode(body)
        return _open(Request(url, data, headers, method=method), seconds)
    except (URLError, OSError) as error:
        raise Unreachable(f"Nobody answers at {url}: {getattr(error, 'reason', error)}") from None


def _open(request: Request, seconds: float) -> tuple[int, bytes]:
    try:
        with _OPENER.open(request, timeout=seconds) as reply:
            return reply.status, reply.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()
