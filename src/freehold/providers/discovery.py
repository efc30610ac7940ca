"""Discovery: which providers the environment holds keys for, and which engines serve models on this machine."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from freehold.core.secret import Secret
from freehold.providers.known import KNOWN
from freehold.providers.provider import Provider, address, key, pair

PORTS = tuple(row.port for row in KNOWN.values() if row.port is not None)
"""Where the engines that run models on one's own machine listen."""

MAX_ANSWER = 1024 * 1024


class Found(Struct, frozen=True, kw_only=True):
    """A provider that can be called, or why not. `via` says where it was seen; `models` are what a server lists."""

    provider: str
    via: str
    base_url: str = ""
    api_key: Secret | None = None
    models: tuple[str, ...] = ()
    problem: str | None = None
    secret_key: Secret | None = None
    session_token: Secret | None = None


def from_environment(env: Mapping[str, str]) -> list[Found]:
    """The providers whose key is in the environment, in the order of the known ones."""
    return [_from(row, secret, env) for row in KNOWN.values() if (secret := key(row, env)) is not None]


def _from(row: Provider, secret: Secret, env: Mapping[str, str]) -> Found:
    via = secret.source.removeprefix("env:")
    if row.unreachable is not None:
        return Found(provider=row.id, via=via, problem=row.unreachable)
    try:
        url = address(row, {}, env)
    except ValueError as error:
        return Found(provider=row.id, via=via, problem=str(error))
    if not url:
        return Found(provider=row.id, via=via, problem=f"needs base_url in a table [providers.{row.id}]")
    held = pair(row, secret, env)
    if held.missing:
        return Found(provider=row.id, via=via, problem=f"needs {held.missing}")
    return Found(
        provider=row.id,
        via=via,
        base_url=url,
        api_key=secret,
        secret_key=held.secret_key,
        session_token=held.session_token,
    )


async def local_servers(*, host: str = "127.0.0.1", ports: Iterable[int] = PORTS, seconds: float = 0.4) -> list[Found]:
    """The engines that answer on these ports within `seconds`, all asked at once; anything else is left out."""
    found = await asyncio.gather(*(_probe(host, port, seconds) for port in ports))
    return [one for one in found if one is not None]


async def _probe(host: str, port: int, seconds: float) -> Found | None:
    try:
        async with asyncio.timeout(seconds):
            models = _MODELS.decode(await _get(host, port, "/v1/models"))
            kind = await _engine(host, port, models)
    except (OSError, TimeoutError, ValueError):
        return None
    if kind is None:
        return None
    names = tuple(row.id for row in models.data or ())
    return Found(provider=kind, via=f"{host}:{port}", base_url=f"http://{host}:{port}/v1", models=names)


class _Model(Struct):
    id: str
    owned_by: str = ""


class _Models(Struct):
    """`GET /v1/models`. Ollama without any model answers `data: null`."""

    object: Literal["list"]
    data: list[_Model] | None


_MODELS = msgspec.json.Decoder(_Models)

_OWNERS = {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llama-cpp", "organization_owner": "lmstudio"}
"""What the engines write into `owned_by` of every model; Ollama writes the name of the model's author there."""


async def _engine(host: str, port: int, models: _Models) -> str | None:
    owners = {row.owned_by for row in models.data or ()}
    if len(owners) == 1 and (kind := _OWNERS.get(owners.pop())):
        return kind
    return "ollama" if (await _get(host, port, "/")).strip() == b"Ollama is running" else None


async def _get(host: str, port: int, path: str) -> bytes:
    """The body of a 200 answer; OSError or ValueError for anything else.

    HTTP/1.0 asks for the plainest answer: not chunked, and the connection closed behind it.
    """
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\nAccept: */*\r\n\r\n".encode())
        answer = b""
        while (piece := await reader.read(65536)) and len(answer) <= MAX_ANSWER:
            answer += piece
    finally:
        writer.transport.abort()
    head, blank, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if not blank or status != [b"200"] or len(answer) > MAX_ANSWER:
        raise ValueError("not an answer to rely on")
    return body
