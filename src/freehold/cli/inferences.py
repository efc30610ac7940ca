"""freehold inferences, explain, verify, rebuild: reading what was recorded."""

from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from freehold.app.explain import Explanation, explain
from freehold.cli.context import DATA, JSON, SETTINGS, home, print_json
from freehold.core.errors import UnknownModel
from freehold.core.inference import Inference
from freehold.core.money import NANO, dollars
from freehold.ledger import reader
from freehold.ledger.verify import verify


@click.group()
def inferences() -> None:
    """What was asked and answered."""


@inferences.command("list")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@click.option("--outcome", type=click.Choice(["answered", "refused", "failed", "cut", "cancelled", "unknown"]))
@click.option("--route")
@click.option("--deployment")
@click.option("--key", help="The id of a key.")
@SETTINGS
@DATA
@JSON
def list_inferences(
    limit: int,
    outcome: str | None,
    route: str | None,
    deployment: str | None,
    key: str | None,
    settings: Path | None,
    data: str | None,
    as_json: bool,
) -> None:
    """The newest first."""
    with home(settings, data) as opened:
        opened.project()
        rows = opened.inferences.query(
            outcome=outcome,  # type: ignore[arg-type]
            route=route,
            deployment=deployment,
            key=key,
            limit=limit,
        )
    if as_json:
        print_json(rows)
        return
    table = Table("id", "at (UTC)", "outcome", "route", "deployment", "tokens", "cost", "ms", box=None, pad_edge=False)
    for row in rows:
        tokens = "" if row.usage is None else f"{row.usage.input_tokens} + {row.usage.output_tokens}"
        table.add_row(
            row.id,
            _time(row.at),
            row.outcome if row.error is None else f"{row.outcome}: {row.error}",
            row.route,
            row.deployment or "",
            tokens,
            "" if row.cost is None else dollars(row.cost),
            f"{row.duration / 1e6:.1f}",
        )
    Console().print(table if rows else "Nothing is recorded yet (or nothing like that).")


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
        Console().print(explained(explanation), highlight=False)
    if explanation.same is False:
        raise SystemExit(1)


def explained(e: Explanation) -> str:
    """An explanation for people."""
    i = e.inference
    lines = [f"{i.id}  {_time(i.at)} UTC  [bold]{i.outcome}[/bold]" + (f" ({i.error})" if i.error else "")]
    if i.message:
        lines.append(f"  {i.message}")
    if e.decision is not None:
        d = e.decision
        lines.append(f"asked for {d.inputs.asked!r} (route {i.route}), about {d.inputs.prompt_tokens} tokens of prompt")
        if d.inputs.needs:
            lines.append(f"needs {', '.join(d.inputs.needs)}")
        lines.append(f"plan: {' -> '.join(d.order) or 'nothing'}   {d.why}")
        lines += [f"  not {x.deployment}: {x.reason}" for x in d.excluded]
    for number, call in enumerate(i.calls, 1):
        said = "answered" if call.error is None else f"{call.error}: {call.message or ''}"
        lines.append(
            f"call {number}: {call.deployment}  {call.status or '-'}  {(call.end - call.start) / 1e6:.1f} ms  {said}"
        )
    if i.usage is not None:
        counted = "estimated" if i.usage.estimated else "counted by the provider"
        lines.append(f"{i.usage.input_tokens} + {i.usage.output_tokens} tokens ({counted}), cost {_cost(i)}")
    if e.same:
        lines.append("[green]recomputed from the record: the same decision[/green]")
    elif e.same is None:
        lines.append(f"[yellow]not recomputed: {e.missing}[/yellow]")
    else:
        assert e.recomputed is not None
        lines.append(f"[red]recomputed differently: {' -> '.join(e.recomputed.order) or 'nothing'}[/red]")
    return "\n".join(lines)


@click.command("verify")
@SETTINGS
@DATA
@JSON
def verify_command(settings: Path | None, data: str | None, as_json: bool) -> None:
    """Check the whole ledger: every frame, hash, signature and promise."""
    with home(settings, data) as opened:
        reports = {folder.name: verify(folder) for folder in reader.homes(opened.ledger)}
    if as_json:
        print_json(reports)
    else:
        for node, report in reports.items():
            print(f"{node}: {report}")
        if not reports:
            print("There is no ledger here yet")
    if not all(report.ok for report in reports.values()):
        raise SystemExit(1)


@click.command()
@SETTINGS
@DATA
def rebuild(settings: Path | None, data: str | None) -> None:
    """Make the tables anew from the ledger."""
    with home(settings, data) as opened:
        opened.inferences.clear()
        print(f"{opened.project()} ledger entries read")


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / NANO, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _cost(inference: Inference) -> str:
    return "unknown" if inference.cost is None else dollars(inference.cost)
