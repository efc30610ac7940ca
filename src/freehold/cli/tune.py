"""freehold tune, evaluate and swap: models made from datasets, measured, and judged on a route's own traffic."""

import time
from pathlib import Path
from typing import Any, get_args

import click
import msgspec
from rich.table import Table

from freehold.cli.context import DATA, JSON, SETTINGS, Duration, print_json, screen
from freehold.cli.jobs import DETACH, run, workplace
from freehold.cli.keys import Dollars
from freehold.core.errors import InvalidRequest
from freehold.core.money import NANO
from freehold.core.tuned import Method
from freehold.flywheel.evaluation.results import Comparison, Results
from freehold.flywheel.evaluation.run import Evaluation, Swap, read_comparison, read_results
from freehold.flywheel.verdict.verdict import Approve, NotEnough, Reject, Verdict

BUDGET = click.option("--budget", type=Dollars(), help="At most so many dollars for all of it.")
MARGIN = click.option("--margin", type=float, default=0.02, show_default=True, help="How much worse is not worse.")
ALPHA = click.option(
    "--alpha", type=float, default=0.05, show_default=True, help="How often a wrong verdict is accepted."
)


def _params(pairs: tuple[str, ...]) -> dict[str, Any]:
    """name=value pairs; a value is JSON where it can be, else text."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InvalidRequest(f"{pair!r} is not a parameter; write name=value")
        try:
            found[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            found[name] = value
    return found


@click.command()
@click.argument("name")
@click.option("--dataset", required=True, help="NAME or NAME@DIGEST, see `freehold datasets list`.")
@click.option(
    "--method",
    default="student",
    show_default=True,
    help=f"How it is made: {', '.join(get_args(Method))}, the last as provider:NAME with the account's name.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed makes the same model.")
@click.option("--set", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the method. Repeatable.")
@DETACH
@SETTINGS
@DATA
@JSON
def tune(
    name: str,
    dataset: str,
    method: str,
    seed: int,
    params: tuple[str, ...],
    detach: bool,
    settings: Path | None,
    data: str | None,
    as_json: bool,
) -> None:
    """Make the model NAME from a dataset. A running gateway serves it within a second."""
    with workplace(settings, data) as place:
        kind, _, account = method.partition(":")
        if kind not in get_args(Method):
            raise InvalidRequest(f"There is no method {kind!r}; there are {', '.join(get_args(Method))}")
        given = _params(params) | ({"provider": account} if account else {})
        wanted = {"name": name, "dataset": dataset, "method": kind, "seed": seed, "params": given}
        done = run(place, "tune", wanted, detach=detach)
    if done is None or done.result is None:
        return
    if as_json:
        print_json(done.result)
        return
    table = Table("measured", "", box=None, pad_edge=False)
    for measure, value in done.result["metrics"].items():
        table.add_row(measure.replace("_", " "), f"{value:.4g}")
    screen().print(f'Model {name} ({done.result["digest"][:12]}) is made; ask for it as model "{name}"', table)
    screen().print(f"Next: freehold evaluate --dataset {dataset} --deployments INCUMBENT,{name}", markup=False)


@click.command()
@click.option("--dataset", required=True, help="NAME or NAME@DIGEST.")
@click.option("--deployments", required=True, help="Names, with commas; the first is what others are compared with.")
@click.option("--scorers", default="exact", show_default=True, help="Names, with commas; the first decides.")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    show_default=True,
    help="The part of the dataset that is asked.",
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many examples.")
@click.option("--judge", help="A deployment that compares answers, in both orders; it never decides without people's.")
@click.option("--response-format", help="JSON for the member response_format of each request.")
@MARGIN
@ALPHA
@BUDGET
@DETACH
@SETTINGS
@DATA
@JSON
def evaluate(
    dataset: str,
    deployments: str,
    scorers: str,
    split: str,
    limit: int | None,
    judge: str | None,
    response_format: str | None,
    margin: float,
    alpha: float,
    budget: int | None,
    detach: bool,
    settings: Path | None,
    data: str | None,
    as_json: bool,
) -> None:
    """Ask deployments the examples of a dataset, and compare: a table, verdicts, and a report to open."""
    wanted = Evaluation(
        dataset=dataset,
        deployments=_names(deployments),
        scorers=_names(scorers),
        split=split,
        limit=limit,
        margin=margin,
        alpha=alpha,
        budget=budget,
        judge=judge,
        more={} if response_format is None else {"response_format": msgspec.json.decode(response_format)},
    )
    with workplace(settings, data) as place:
        done = run(place, "evaluate", msgspec.to_builtins(wanted), detach=detach)
        if done is None or done.result is None:
            return
        report = place.home.fetch("reports", Path(done.result["report"]).name)  # another machine may have made it
    if as_json:
        print_json(done.result)
        return
    found = read_results(done.result)
    screen().print(_table(found))
    for comparison in found.comparisons:
        screen().print(said(comparison))
    print(f"Report: {report}")


@click.command()
@click.option("--route", required=True, help="Whose traffic is replayed.")
@click.option("--from", "from_", required=True, help="The incumbent deployment.")
@click.option("--to", required=True, help="The candidate.")
@click.option("--since", type=Duration(), default="30d", show_default=True, help="How far back: 30d, 12h.")
@click.option("--limit", type=click.IntRange(min=1), default=2_000, show_default=True, help="Requests, at most.")
@click.option("--scorer", default="normalised", show_default=True, help="What tells right from wrong.")
@MARGIN
@ALPHA
@BUDGET
@DETACH
@SETTINGS
@DATA
@JSON
def swap(
    route: str,
    from_: str,
    to: str,
    since: int,
    limit: int,
    scorer: str,
    margin: float,
    alpha: float,
    budget: int | None,
    detach: bool,
    settings: Path | None,
    data: str | None,
    as_json: bool,
) -> None:
    """May one deployment take over from another? Replays the route's judged traffic until it is decided.

    Ends with 0 where it is approved, 3 where it is rejected, 4 where there is not enough data.
    """
    wanted = Swap(
        route=route,
        from_=from_,
        to=to,
        since=time.time_ns() - since,
        limit=limit,
        scorer=scorer,
        margin=margin,
        alpha=alpha,
        budget=budget,
    )
    with workplace(settings, data) as place:
        done = run(place, "swap", msgspec.to_builtins(wanted), detach=detach)
    if done is None or done.result is None:
        return
    comparison = read_comparison(done.result)
    if as_json:
        print_json(done.result)
    else:
        screen().print(f"{done.result['asked']:,} of {done.result['judged']:,} judged requests were replayed")
        screen().print(said(comparison))
    raise SystemExit({Approve: 0, Reject: 3, NotEnough: 4}[type(comparison.verdict)])


def said(c: Comparison) -> str:
    """The verdicts, for people."""
    ratios = "".join(
        f", {name} {i.ratio:.3g}x ({i.low:.3g} to {i.high:.3g})"
        for name, i in (("cost", c.cost), ("latency", c.latency))
        if i is not None
    )
    line = f"{c.candidate} against {c.incumbent}: {_worded(c.verdict)}{ratios}"
    return line if c.judged is None else f"{line}\nwith the judge, held to what people said: {_worded(c.judged)}"


def _worded(verdict: Verdict) -> str:
    e = verdict.evidence
    seen = f"difference {e.difference:+.3f} ({e.low:+.3f} to {e.high:+.3f}) on {e.pairs:,} pairs"
    match verdict:
        case Approve():
            return f"[green]approve[/green] {seen}"
        case Reject():
            return f"[red]reject[/red] {seen}"
        case NotEnough(more=more):
            needed = "more than a million" if more.likely is None else f"about {more.likely:,}"
            return f"[yellow]not enough data[/yellow]: {needed} more pairs would decide it; {seen}"


def _table(found: Results) -> Table:
    table = Table("deployment", "questions", "answered", "itself", box=None, pad_edge=False)
    for name in (*found.scorers, "$ per 1,000", "p50 ms", "p95 ms"):
        table.add_column(name, justify="right")
    for line in found.lines:
        times = ["" if t is None else f"{t / 1e6:.1f}" for t in (line.latency_p50, line.latency_p95)]
        scores = [f"{m.mean:.3f} ({m.low:.3f}-{m.high:.3f})" for m in (line.scores[s] for s in found.scorers)]
        cost = "unknown" if line.cost is None else f"{line.cost * 1000 / NANO:.4f}"
        table.add_row(
            line.deployment, f"{line.questions:,}", f"{line.answered:.1%}", f"{line.own:.1%}", *scores, cost, *times
        )
    return table


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
