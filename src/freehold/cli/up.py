"""freehold up and freehold simulate: the long-running commands."""

import asyncio
import gc
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import uvloop
from msgspec.structs import replace
from rich.console import Console

from freehold.app.gateway import Gateway, Started
from freehold.cli.context import DATA, SETTINGS, placed
from freehold.providers.simulated.serving import serve
from freehold.providers.simulated.simulation import Simulation
from freehold.providers.simulated.upstream import Simulated
from freehold.settings.tables import Settings


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
    console = Console(highlight=False, soft_wrap=True)
    gateway = Gateway(
        path, os.environ, change=change, told=lambda line: console.print(line, style="yellow", markup=False)
    )
    started = await gateway.start()
    for line in start_text(started):
        console.print(line, markup=False)
    gc.collect()
    gc.freeze()
    await gateway.serve()
    console.print("Stopping: no new work, streams finish")
    await gateway.stop()


def start_text(s: Started) -> Sequence[str]:
    """What was found, what is served, and one curl line that works."""
    lines: list[str] = []
    if str(s.recovery):
        lines.append(f"Recovered: {s.recovery}")
    for one in s.found:
        state = one.problem or (f"{len(one.models)} models" if one.models else "found")
        lines.append(f"  {one.provider:<20} {one.via:<24} {state}")
    if s.simulated and not s.found:
        lines.append("No provider key in the environment and no model server on this machine.")
    if s.simulated:
        lines.append("Serving the simulated provider: its answers are invented by rule, and say so. Set OPENAI_API_KEY")
        lines.append("or the key of another provider, or start Ollama, and start again.")
    names = [listed.id for listed in s.book.models()]
    more = f" and {len(names) - 12} more (GET /v1/models)" if len(names) > 12 else ""
    lines.append(f"Serves {', '.join(names[:12])}{more}")
    if s.open_door:
        lines.append("No key has been made: everybody on this machine may ask. `freehold keys create NAME` ends that.")
    bearer = "" if s.open_door else " -H 'authorization: Bearer fh_...'"
    model = names[0] if names else "MODEL"
    lines.append(f"Freehold listens on {s.url}  (base_url {s.url}/v1). Try:")
    body = f'{{"model":"{model}","messages":[{{"role":"user","content":"Hello"}}]}}'
    lines.append(f"  curl {s.url}/v1/chat/completions -H 'content-type: application/json'{bearer} -d '{body}'")
    return lines


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=4001, show_default=True, help="0 takes any free one.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--reply", help="What it says where nothing else fits.")
@click.option("--ttft-ms", type=float, default=0.0, help="Time to first token.")
@click.option("--tokens-per-second", type=float, help="Pace of a stream.")
@click.option("--error-rate", type=click.FloatRange(0, 1), default=0.0)
@click.option(
    "--replay", type=click.Path(exists=True, dir_okay=False), help="A file of recorded exchanges to answer from."
)
def simulate(
    port: int,
    host: str,
    reply: str | None,
    ttft_ms: float,
    tokens_per_second: float | None,
    error_rate: float,
    replay: str | None,
) -> None:
    """Serve the simulated provider on a port of its own."""
    simulation = Simulation(
        name="simulated",
        reply=reply,
        ttft_ms=ttft_ms,
        tokens_per_second=tokens_per_second,
        error_rate=error_rate,
        replay=replay,
    )
    uvloop.run(_simulate(simulation, host, port))


async def _simulate(simulation: Simulation, host: str, port: int) -> None:
    serving = await serve(Simulated(simulation), host, port)
    print(f"The simulated provider answers on {serving.url}", flush=True)
    await asyncio.Event().wait()
