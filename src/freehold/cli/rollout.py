"""freehold rollout and freehold lineage: a candidate's way into a route, and where everything came from."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.tree import Tree

from freehold.cli.context import DATA, JSON, SETTINGS, print_json, screen
from freehold.cli.jobs import Workplace, workplace
from freehold.cli.keys import Dollars
from freehold.core.errors import InvalidRequest
from freehold.core.money import NANO
from freehold.flywheel.lineage import Node, Records, from_dataset, from_inferences, to_sources
from freehold.flywheel.rollout.evidence import Shown
from freehold.flywheel.rollout.state import Plan, RolloutState, promote, roll_back
from freehold.flywheel.rollout.state import start as begun
from freehold.flywheel.verdict.verdict import Approve, Design, NotEnough, Reject, Verdict, verdict
from freehold.store.documents import SqlDocuments

ACTOR = click.option("--as", "actor", default=lambda: os.environ.get("USER", "operator"), help="Who does it.")
WHY = click.option("--why", default="by hand", show_default=True, help="The reason, for the ledger.")


@click.group()
def rollout() -> None:
    """A candidate's way into a route: shadow, canary, full; and back at any time."""


@rollout.command("start")
@click.argument("route")
@click.option("--candidate", required=True, help="The deployment or tuned model on trial.")
@click.option("--shares", default="0.05,0.25", show_default=True, help="Shares of the conversations in each canary.")
@click.option("--margin", type=float, default=0.02, show_default=True, help="How much worse is not worse.")
@click.option("--alpha", type=float, default=0.05, show_default=True, help="How often a wrong verdict is accepted.")
@click.option("--drop", type=float, default=0.05, show_default=True, help="The fall of quality that must be found.")
@click.option("--latency-ratio", type=float, default=2.0, show_default=True, help="0: latency is not watched.")
@click.option("--cost-ratio", type=float, default=1.5, show_default=True, help="0: cost is not watched.")
@click.option("--requests-a-day", type=float, default=10_000.0, show_default=True, help="For the rate of false alarms.")
@click.option("--copy-budget", type=Dollars(), help="At most so many dollars for copies.")
@click.option(
    "--canary-conversations",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Conversations that a canary must have served.",
)
@click.option("--automatic", is_flag=True, help="Move on by itself as soon as the evidence suffices.")
@click.option("--two-people", is_flag=True, help="Each promotion needs a second person.")
@ACTOR
@SETTINGS
@DATA
@JSON
def start_rollout(
    route: str,
    candidate: str,
    shares: str,
    copy_budget: int | None,
    automatic: bool,
    two_people: bool,
    actor: str,
    settings: Path | None,
    data: str | None,
    as_json: bool,
    latency_ratio: float,
    cost_ratio: float,
    **more: Any,
) -> None:
    """Send copies of a ROUTE's requests to a candidate. No caller sees it yet."""
    try:
        parts = tuple(float(s) for s in shares.split(","))
    except ValueError:
        raise InvalidRequest(f"{shares!r} are not shares; write numbers with commas, such as 0.05,0.25") from None
    plan = Plan(
        shares=parts,
        copy_budget=copy_budget,
        automatic=automatic,
        latency_ratio=latency_ratio or None,
        cost_ratio=cost_ratio or None,
        **more,
    )
    with workplace(settings, data) as place:
        book = place.flywheel.book()
        if route not in book.settings.routes:
            raise InvalidRequest(f"The settings have no route {route!r}; a rollout needs one")
        if book.deployment(candidate) is None:
            raise InvalidRequest(f"There is no deployment or tuned model {candidate!r}; `freehold tune` makes one")
        if candidate in book.settings.routes[route].deployments:
            raise InvalidRequest(f"{candidate} is among the deployments of {route} already; roll out another")
        known = place.home.rollouts.get(route)
        before = None if known is None else known[0]
        state = begun(
            id=place.ids(),
            route=route,
            candidate=candidate,
            plan=plan,
            actor=actor,
            at=time.time_ns(),
            two_people=two_people,
            before=before,
        )
        _write(place, before, state)
    _tell(state, None, as_json=as_json)


@rollout.command("promote")
@click.argument("route")
@click.option("--accept", is_flag=True, help="As the owner of a pinned route: let it change.")
@WHY
@ACTOR
@SETTINGS
@DATA
@JSON
def promote_rollout(
    route: str, accept: bool, why: str, actor: str, settings: Path | None, data: str | None, as_json: bool
) -> None:
    """Take the candidate one step further."""
    with workplace(settings, data) as place:
        before = _state(place, route)
        settings_ = place.flywheel.book().settings.routes.get(route)
        if settings_ is not None and settings_.pinned and not accept:
            raise InvalidRequest(f"Route {route} is pinned: its owner accepts the change with --accept")
        state = promote(before, actor=actor, at=time.time_ns(), why=why)
        _write(place, before, state)
        _tell(state, _shown(place, state), as_json=as_json)


@rollout.command("rollback")
@click.argument("route")
@WHY
@ACTOR
@SETTINGS
@DATA
@JSON
def roll_back_rollout(route: str, why: str, actor: str, settings: Path | None, data: str | None, as_json: bool) -> None:
    """Take the candidate out. Running gateways follow within a second."""
    with workplace(settings, data) as place:
        before = _state(place, route)
        state = roll_back(before, actor=actor, at=time.time_ns(), why=why)
        _write(place, before, state)
        _tell(state, _shown(place, state), as_json=as_json)


@rollout.command("status")
@click.argument("route", required=False)
@SETTINGS
@DATA
@JSON
def status(route: str | None, settings: Path | None, data: str | None, as_json: bool) -> None:
    """Where rollouts stand, and what they have shown."""
    with workplace(settings, data) as place:
        states = place.home.rollouts.all() if route is None else [_state(place, route)]
        found = [(state, _shown(place, state)) for state in states]
    if as_json:
        print_json([{"rollout": s, "evidence": e, "verdict": None if e is None else _verdict(s, e)} for s, e in found])
        return
    for state, shown in found:
        _tell(state, shown, as_json=False)
    if not found:
        screen().print("There are no rollouts; `freehold rollout start ROUTE --candidate MODEL` begins one.")


def _state(place: Workplace, route: str) -> RolloutState:
    known = place.home.rollouts.get(route)
    if known is None:
        raise InvalidRequest(f"Route {route!r} has no rollout; `freehold rollout start` begins one")
    return known[0]


def _write(place: Workplace, before: RolloutState | None, state: RolloutState) -> None:
    place.home.move(before, state)
    if state.step == "rolled_back":
        place.home.purge(state.candidate)
    if state.proposal is not None:
        place.flywheel.act("rollout.proposed", state.route, f"{state.candidate}: {state.proposal.why}")
    else:
        now = state.now
        place.flywheel.act("rollout.moved", state.route, f"{state.candidate} {now.step} {now.share:g}: {now.why}")


def _shown(place: Workplace, state: RolloutState) -> Shown | None:
    """The evidence of all nodes together."""
    every = [e for e in SqlDocuments(place.home.database, "evidence", Shown).all() if e.rollout == state.id]
    if not every:
        return None
    whole, *others = every
    for other in others:
        whole.merge(other)
    return whole


def _verdict(state: RolloutState, shown: Shown) -> Verdict:
    return verdict(Design(margin=state.plan.margin, alpha=state.plan.alpha), shown.pairs)


def _tell(state: RolloutState, shown: Shown | None, *, as_json: bool) -> None:
    if as_json:
        print_json(state)
        return
    screen().print(f"[bold]{state.route}[/bold]: {state.candidate} {_where(state)}")
    table = Table("at (UTC)", "step", "share", "by", "why", box=None, pad_edge=False)
    for move in state.moves:
        at = datetime.fromtimestamp(move.at / NANO, UTC).strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(at, move.step.replace("_", " "), f"{move.share:.0%}", move.actor, move.why)
    screen().print(table)
    if state.proposal is not None:
        screen().print(f"{state.proposal.actor} proposes a promotion ({state.proposal.why}); a second person makes it")
    if shown is not None:
        _evidence(state, shown)


def _where(state: RolloutState) -> str:
    """Where a rollout stands, as the end of a sentence."""
    match state.step:
        case "shadow":
            return "is in [bold]shadow[/bold]: it gets copies, and no caller sees it"
        case "canary":
            return f"is a [bold]canary[/bold] with {state.now.share:.0%} of the conversations"
        case "full":
            return "is [bold]full[/bold]: it answers first"
        case "rolled_back":
            serves = f"{state.incumbent} serves" if state.incumbent else "the route's deployments serve"
            return f"is [bold]rolled back[/bold]: {serves}"


def _evidence(state: RolloutState, shown: Shown) -> None:
    if state.step != "rolled_back":
        screen().print(_verdict_line(state, shown))
    own = f", {1 - shown.abstained / shown.copies:.0%} of them answered by itself" if shown.copies else ""
    screen().print(f"copies: {shown.copies:,}{own}")
    if shown.candidate or shown.incumbent:
        screen().print(f"conversations at this step: {shown.candidate:,} candidate, {shown.incumbent:,} incumbent")
    table = Table("guard", "", "comparisons", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for name, watch in shown.guards.items():
        table.add_row(name, "[red]alarm[/red]" if watch.alarm else "quiet", f"{watch.blocks:,}")
    screen().print(table if shown.guards else "no guards")


def _verdict_line(state: RolloutState, shown: Shown) -> str:
    found = _verdict(state, shown)
    e = found.evidence
    word = {
        Approve: "[green]approve[/green]",
        Reject: "[red]reject[/red]",
        NotEnough: "[yellow]not enough data[/yellow]",
    }
    seen = f"difference {e.difference:+.3f} ({e.low:+.3f} to {e.high:+.3f}) on {e.pairs:,} pairs"
    line = f"verdict: {word[type(found)]}; {seen if e.pairs else 'no request that both answered is judged yet'}"
    if isinstance(found, NotEnough):
        more = found.more.likely
        line += f"; {'more than a million' if more is None else f'about {more:,}'} more would decide it"
    return line


@click.command()
@click.argument("thing")
@SETTINGS
@DATA
@JSON
def lineage(thing: str, settings: Path | None, data: str | None, as_json: bool) -> None:
    """Where a MODEL or dataset came from, or what was made of an INFERENCE or a SUBJECT's data."""
    with workplace(settings, data) as place:
        place.home.project()
        title, nodes = _lineage(place, thing)
    if as_json:
        print_json({"of": title, "next": nodes})
        return
    tree = Tree(title)
    for node in nodes:
        _grow(tree, node)
    if not nodes:
        tree.add("nothing yet")
    screen().print(tree)


def _lineage(place: Workplace, thing: str) -> tuple[str, tuple[Node, ...]]:
    flywheel, home = place.flywheel, place.home
    records = Records(
        datasets=flywheel.datasets.all(),
        runs=home.runs.all(),
        models=home.models.all(),
        rollouts=home.rollouts.all(),
        made_from=flywheel.datasets.made_from,
        inferences_of=flywheel.datasets.inferences,
        subjects_of=home.inferences.subjects,
    )
    model = home.models.get(thing)
    if model is not None:
        return f"model {thing} was made from", to_sources(model[0], records).next
    dataset = flywheel.datasets.find(thing)
    if dataset is not None:
        return f"of dataset {thing} was made", from_dataset(dataset, records).next
    if home.inference(thing) is not None:
        return f"of inference {thing} was made", from_inferences([thing], records)
    about = home.inferences.ids(subject=thing)
    if about:
        return f"of subject {thing} ({len(about):,} inferences) was made", from_inferences(about, records)
    raise InvalidRequest(f"There is no model, dataset, inference or subject {thing!r}")


def _grow(tree: Tree, node: Node) -> None:
    facts = f"  [dim]{'; '.join(node.facts)}[/dim]" if node.facts else ""
    branch = tree.add(f"{node.kind} [bold]{node.name}[/bold]{facts}")
    for one in node.next:
        _grow(branch, one)
