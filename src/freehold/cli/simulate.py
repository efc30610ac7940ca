"""freehold simulate: the simulated provider on a port of its own."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any, get_args

import click
import uvloop
from msgspec.structs import asdict, fields, replace

from freehold.app.gateway import cannot_listen
from freehold.cli.context import SETTINGS
from freehold.core.errors import SettingsWrong
from freehold.core.money import dollars
from freehold.providers.simulated.serving import serve
from freehold.providers.simulated.simulation import Fault
from freehold.providers.simulated.upstream import Simulated
from freehold.settings.load import load, read
from freehold.settings.tables import SimulatedSettings

SHARE = click.FloatRange(0, 1)
FILE = click.Path(dir_okay=False)


class RuleParam(click.ParamType[dict[str, str]]):
    """'TEXT=REPLY': what is answered to a prompt that contains TEXT."""

    name = "text=reply"

    def convert(
        self, value: str | dict[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        contains, equals, reply = value.partition("=")
        if not contains or not equals:
            self.fail(f"{value!r} is not TEXT=REPLY", param, ctx)
        return {"contains": contains, "reply": reply}


class PriceParam(click.ParamType[dict[str, str]]):
    """'INPUT/OUTPUT': dollars for a million tokens of each."""

    name = "input/output"

    def convert(
        self, value: str | dict[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        input_, slash, output = value.partition("/")
        if not slash:
            self.fail(f"{value!r} is not INPUT/OUTPUT, such as 0.50/2.00", param, ctx)
        return {"input": input_.removeprefix("$"), "output": output.removeprefix("$")}


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=4001, show_default=True, help="0 takes any free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--name", default="simulated", show_default=True, help="Which table [simulated.NAME] of the settings.")
@SETTINGS
@click.option("--reply", help="What it says where nothing else fits; without it an echo.")
@click.option("--rule", "rules", type=RuleParam(), multiple=True, help="Answer to a prompt with this text. Repeatable.")
@click.option("--answers", type=FILE, help="A JSONL file of known answers, rows of text and reply.")
@click.option("--skill", type=SHARE, help="Share of the known answers that are given right.")
@click.option("--replay", type=FILE, help="A JSONL file of recorded exchanges; nothing else answers then.")
@click.option("--ttft-ms", type=click.FloatRange(min=0), help="Time to the first token.")
@click.option("--tokens-per-second", type=click.FloatRange(min=0, min_open=True), help="Speed.")
@click.option("--jitter", type=SHARE, help="Share by which the times of a request differ.")
@click.option("--error-rate", type=SHARE, help="Share of the calls that fail.")
@click.option("--fault", type=click.Choice(get_args(Fault)), help="How they fail (default: status).")
@click.option("--error-status", type=click.IntRange(400, 599), help="The status of the fault `status`.")
@click.option("--retry-after", type=click.FloatRange(min=0), help="Its Retry-After, in seconds.")
@click.option("--cut-rate", type=SHARE, help="Share of the streams that break off in the middle.")
@click.option("--seed", type=int, help="Decides what fails and what is known.")
@click.option("--price", type=PriceParam(), help="Dollars for a million tokens; shown in the settings that call it.")
def simulate(
    port: int, host: str, name: str, settings: Path | None, rules: tuple[dict[str, str], ...], **options: Any
) -> None:
    """Serve the simulated provider on a port of its own. Options win over the table [simulated.NAME]."""
    if rules:
        options["rules"] = list(rules)
    simulation = _simulation(name, settings, {k: v for k, v in options.items() if v is not None})
    uvloop.run(_simulate(simulation, host, port))


def _simulation(name: str, path: Path | None, options: dict[str, Any]) -> SimulatedSettings:
    """The table of the settings with what the options replace; both are checked as settings are."""
    given = read({"simulated": {name: options}}, source="freehold simulate", folder=Path(), env={}).simulated[name]
    if path is None:
        return given
    tables = load(path, os.environ).simulated
    if name not in tables:
        raise SettingsWrong(f"{path} has no table [simulated.{name}]; --name takes {', '.join(tables) or 'none of it'}")
    return replace(
        tables[name], **{field.name: getattr(given, field.name) for field in fields(given) if field.name in options}
    )


async def _simulate(simulation: SimulatedSettings, host: str, port: int) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    try:
        serving = await serve(Simulated(simulation), host, port)
    except OSError as error:
        raise cannot_listen(host, port, error) from error
    print(f"The simulated provider answers on {serving.url}\nSettings of a gateway that calls it:\n", flush=True)
    print(_caller(simulation, serving.url), flush=True)
    await ended.wait()
    await serving.close()


def _caller(simulation: SimulatedSettings, url: str) -> str:
    """The settings of a gateway that calls it."""
    name, price = simulation.name, simulation.price
    lines = [f"[providers.{name}]", f'base_url = "{url}"']
    if price is None:
        return "\n".join([*lines, 'models = ["simulated"]'])
    amounts = ", ".join(f'{kind} = "{_plain(rate)}"' for kind, rate in asdict(price).items() if rate is not None)
    lines += [
        "",
        f"[deployments.{name}-model]",
        f'provider = "{name}"',
        'model = "simulated"',
        f"price = {{ {amounts} }}",
    ]
    return "\n".join(lines)


def _plain(amount: int) -> str:
    return dollars(amount).replace("$", "").replace(",", "")
