"""freehold inferences and explain: reading what was recorded."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import click
from rich.markup import escape
from rich.table import Table

from freehold.app.explain import Explanation, explain
from freehold.cli.context import DATA, JSON, SETTINGS, Duration, home, print_json, screen
from freehold.core.errors import UnknownModel
from freehold.core.events import OutcomeKind
from freehold.core.inference import Inference
from freehold.core.money import NANO, dollars


@click.group()
def inferences() -> None:
    """What was asked and answered."""


@inferences.command("list")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="At most so many.")
@click.option("--outcome", type=click.Choice(get_args(OutcomeKind)), help="Those that ended so.")
@click.option("--route", help="Those that asked for it.")
@click.option("--deployment", help="Those that it answered.")
@click.option("--key", help="Those of a key, by its id.")
@click.option("--team", help="Those of a team.")
@click.option("--since", type=Duration(), help="Those of the last 10m, 24h, 30d.")
@SETTINGS
@DATA
@JSON
def list_inferences(
    limit: int,
    outcome: OutcomeKind | None,
    route: str | None,
    deployment: str | None,
    key: str | None,
    team: str | None,
    since: int | None,
    settings: Path | None,
    data: str | None,
    as_json: bool,
) -> None:
    """The newest first."""
    with home(settings, data) as opened:
        opened.project()
        rows = opened.inferences.query(
            outcome=outcome,
            route=route,
            deployment=deployment,
            key=key,
            team=team,
            since=None if since is None else time.time_ns() - since,
            limit=limit,
        )
    if as_json:
        print_json(rows)
        return
    if not rows:
        print("Nothing is recorded yet (or nothing like that).")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("id", "at (UTC)", "outcome", "route", "deployment", "tokens", "cost", "ms"):
        table.add_column(name, no_wrap=name in {"id", "at (UTC)"}, overflow="fold")
    for row in rows:
        tokens = "" if row.usage is None else f"{row.usage.input_tokens} + {row.usage.output_tokens}"
        table.add_row(
            row.id,
            _time(row.at),
            row.outcome if row.error is None else f"{row.outcome}: {row.error}",
            escape(row.route if row.purpose == "caller" else f"{row.route} ({row.purpose})"),
            escape(row.deployment or ""),
            tokens,
            "" if row.cost is None else dollars(row.cost),
            f"{row.duration / 1e6:.1f}",
        )
    screen().print(table)


@inferences.command()
@click.argument("id_", metavar="ID")
@SETTINGS
@DATA
@click.option("--json", is_flag=True, expose_value=False, help="Print JSON (it always does).")
def show(id_: str, settings: Path | None, data: str | None) -> None:
    """One record, whole."""
    with home(settings, data) as opened:
        opened.project()
        found = opened.find(id_)
    if found is None:
        raise UnknownModel(f"No inference has the id {id_}; `freehold inferences list` shows the newest")
    print_json(found)


@click.command("explain")
@click.argument("id_", metavar="ID")
@SETTINGS
@DATA
@JSON
def explain_command(id_: str, settings: Path | None, data: str | None, as_json: bool) -> None:
    """Why an inference went where it went; computed again from its record."""
    with home(settings, data) as opened:
        opened.project()
        explanation = explain(opened, id_)
    if as_json:
        print_json(explanation)
    else:
        screen().print(explained(explanation))
    if explanation.same is False:
        raise SystemExit(1)


def explained(e: Explanation) -> str:
    """An explanation for people. What callers and providers wrote is shown as it is, whatever it looks like."""
    i = e.inference
    lines = [f"{i.id}  {_time(i.at)} UTC  [bold]{i.outcome}[/bold]" + (f" ({i.error})" if i.error else "")]
    if i.message:
        lines.append(f"  {escape(i.message)}")
    if e.decision is not None:
        d = e.decision
        asked = escape(f"asked for {d.inputs.asked!r} (route {i.route})")
        lines.append(f"{asked}, about {d.inputs.prompt_tokens} tokens of prompt")
        if d.inputs.needs:
            lines.append(f"needs {', '.join(d.inputs.needs)}")
        lines.append(escape(f"plan: {' -> '.join(d.order) or 'nothing'}   {d.why}"))
        lines += [escape(f"  not {x.deployment}: {x.reason}") for x in d.excluded]
    for number, call in enumerate(i.calls, 1):
        said = "answered" if call.error is None else f"{call.error}: {call.message or ''}"
        took = f"{(call.end - call.start) / 1e6:.1f} ms"
        lines.append(escape(f"call {number}: {call.deployment}  {call.status or '-'}  {took}  {said}"))
    if i.usage is not None:
        counted = "estimated" if i.usage.estimated else "counted by the provider"
        lines.append(f"{i.usage.input_tokens} + {i.usage.output_tokens} tokens ({counted}), cost {_cost(i)}")
    if e.same:
        lines.append("[green]recomputed from the record: the same decision[/green]")
    elif e.same is None:
        lines.append(f"[yellow]not recomputed: {escape(e.missing or '')}[/yellow]")
    else:
        assert e.recomputed is not None
        order = escape(" -> ".join(e.recomputed.order) or "nothing")
        lines.append(f"[red]recomputed differently: {order}   {escape(e.recomputed.why)}[/red]")
    return "\n".join(lines)


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / NANO, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _cost(inference: Inference) -> str:
    return "unknown" if inference.cost is None else dollars(inference.cost)
