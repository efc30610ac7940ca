"""The proxy that one writes first: FastAPI and httpx, nothing inspected, nothing recorded. The bench's baseline."""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse

UPSTREAM = os.environ.get("BENCH_UPSTREAM", "")


@asynccontextmanager
async def _client(app: FastAPI) -> AsyncGenerator[None]:
    limits = httpx.Limits(max_connections=2_000, max_keepalive_connections=2_000)
    async with httpx.AsyncClient(base_url=UPSTREAM, limits=limits, timeout=60) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=_client)


@app.post("/v1/chat/completions")
async def complete(request: Request) -> Response:
    body: dict[str, Any] = await request.json()
    client: httpx.AsyncClient = request.app.state.client
    if not body.get("stream"):
        answer = await client.post("/v1/chat/completions", json=body)
        return Response(answer.content, answer.status_code, media_type="application/json")
    sent = await client.send(client.build_request("POST", "/v1/chat/completions", json=body), stream=True)
    return StreamingResponse(_pieces(sent), sent.status_code, media_type="text/event-stream")


async def _pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_bytes():
            yield piece
    finally:
        await answer.aclose()
