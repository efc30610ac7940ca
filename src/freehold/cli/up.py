"""freehold up: the gateway, and what it says when it starts."""

import asyncio
import gc
import os
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import click
import uvloop
from msgspec.structs import replace
from rich.console import Console

from freehold.app.allocator import keep_blocks
from freehold.app.gateway import Gateway, Started
from freehold.cli.context import DATA, SETTINGS, placed
from freehold.settings.book import Endpoint
from freehold.settings.tables import Settings

SHOWN = 12
"""Names of models in the start text; the rest is behind GET /v1/models."""


@click.command()
@click.option("--host", help="Where to listen (default 127.0.0.1). Anything but loopback requires keys.")
@click.option("--port", type=click.IntRange(0, 65535), help="Default 4000; 0 takes any free one.")
@SETTINGS
@DATA
def up(host: str | None, port: int | None, settings: Path | None, data: str | None) -> None:
    """Start the gateway. Needs no settings: it finds keys in the environment and servers on this machine."""

    def change(loaded: Settings) -> Settings:
        server = loaded.server
        server = replace(server, host=server.host if host is None else host, port=server.port if port is None else port)
        return placed(replace(loaded, server=server), data)

    uvloop.run(_up(settings, change))


async def _up(path: Path | None, change: Callable[[Settings], Settings]) -> None:
    keep_blocks()
    console = Console(highlight=False, soft_wrap=True)
    gateway = Gateway(
        path, os.environ, change=change, told=lambda line: console.print(line, style="yellow", markup=False)
    )
    started = await gateway.start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)  # a request leaves no cycles: look for those of other work more rarely
    serving = asyncio.ensure_future(gateway.serve())
    await asyncio.sleep(0)  # signals are heard from here on: who reads the text may send one at once
    for line in start_text(started, keys=bool(gateway.engine.home.keys.all())):
        console.print(line, markup=False)
    await serving
    console.print("Stopping: no new work, streams finish")
    await gateway.stop()


def start_text(s: Started, *, keys: bool) -> Iterator[str]:
    """What was found, what is served, who may ask, and one curl line that works. `keys`: some key was made."""
    yield f"Freehold {version('freehold')}, data in {s.settings.data.folder}"
    if str(s.recovery):
        yield f"Recovered: {s.recovery}"
    rows = list(_rows(s))
    name_width = max((len(row[0]) for row in rows), default=0)
    via_width = max((len(row[1]) for row in rows), default=0)
    for name, via, state in rows:
        yield f"  {name:<{name_width}}  {via:<{via_width}}  {state}"
    if s.simulated and _looked(s.settings):
        yield from _nothing_found(s)
    names = [listed.id for listed in s.book.models()]
    open_names = [f"{name}/MODEL" for name, p in s.settings.providers.items() if p.any_model]
    more = f" and {len(names) - SHOWN} more (GET /v1/models)" if len(names) > SHOWN else ""
    yield f"Serves {', '.join(names[:SHOWN] or open_names) or 'nothing: name deployments in the settings'}{more}"
    yield _door(s, keys)
    yield f"Freehold listens on {s.url}  (base_url {s.url}/v1). Try:"
    yield f"  {curl(s, (names or open_names or ['MODEL'])[0])}"


def curl(s: Started, model: str) -> str:
    """A line for a shell that asks `model` something; where a key is needed it takes it from FREEHOLD_KEY."""
    body = f'{{"model":"{model}","messages":[{{"role":"user","content":"Hello"}}]}}'
    bearer = "" if s.open_door else ' -H "authorization: Bearer $FREEHOLD_KEY"'
    return f"curl {s.url}/v1/chat/completions -H 'content-type: application/json'{bearer} -d '{body}'"


def _rows(s: Started) -> Iterator[Sequence[str]]:
    """Each provider: its name, where it comes from, and what can be asked of it."""
    for one in s.found:
        yield one.provider, one.via, f"not used: {one.problem}" if one.problem else _serves(s, one.provider)
    found = {one.provider for one in s.found}
    for name, endpoint in s.book.endpoints.items():
        if name not in found:
            yield name, _source(endpoint), _serves(s, name)
    for name in s.settings.simulated:
        yield name, "simulated", "answers by rule, and says so"
    for name in s.settings.local:
        yield name, "runs here", "made by freehold tune"


def _serves(s: Started, provider: str) -> str:
    count = sum(d.provider == provider for d in s.book.deployments.values())
    if count:
        return f"{count} model{'s' if count > 1 else ''}"
    settings = s.settings.providers.get(provider)
    return f"ask for {provider}/MODEL" if settings is not None and settings.any_model else "no deployment names it"


def _source(endpoint: Endpoint) -> str:
    """Where the key of a provider comes from, else where it is; never the key."""
    if endpoint.api_key is not None:
        return endpoint.api_key.source
    return urlsplit(endpoint.base_url).netloc


def _looked(settings: Settings) -> bool:
    return bool(settings.discovery.environment or settings.discovery.local) and not settings.providers


def _nothing_found(s: Started) -> Iterator[str]:
    looked = s.settings.discovery
    if s.found:
        yield "None of these can be called as it is."
    elif looked.environment:
        yield "No provider key is in the environment."
    if looked.local and not s.found:
        yield "No model server answers on this machine (Ollama, LM Studio, vLLM, llama.cpp, SGLang)."
    yield "So the simulated provider answers: what it says is invented by rule, and says so. For real models set"
    yield "OPENAI_API_KEY or the key of another provider, or start such a server, and start Freehold again."


def _door(s: Started, keys: bool) -> str:
    if s.open_door:
        return "No key has been made: everybody on this machine may ask. `freehold keys create NAME` ends that."
    if keys:
        return "Every request needs a key (`freehold keys list`). The line below takes it from FREEHOLD_KEY."
    return "Every request needs a key, and none has been made: `freehold keys create NAME` makes one within a second."
