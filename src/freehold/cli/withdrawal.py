"""freehold consents, terms and retune: what may be learned from, and what becomes of models when that is withdrawn."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table

from freehold.app.withdrawal import Touched, consent, stance
from freehold.cli.context import DATA, JSON, SETTINGS, print_json, screen
from freehold.cli.jobs import DETACH, Workplace, run, workplace
from freehold.cli.tune import said
from freehold.flywheel.evaluation.run import read_results
from freehold.flywheel.jobs.job import JobFailed, Json

ALLOWED = click.Choice(["allow", "deny"])
THEN = click.option(
    "--then",
    type=click.Choice(["quarantine", "retune"]),
    help="What happens to models made of it (default: `on_withdrawal` of [flywheel], else quarantine).",
)


@click.group()
def consents() -> None:
    """What people allow to be done with their data."""


@consents.command("set")
@click.argument("subject")
@click.argument("allowed", type=ALLOWED)
@THEN
@DETACH
@SETTINGS
@DATA
def set_consent(
    subject: str, allowed: str, then: str | None, detach: bool, settings: Path | None, data: str | None
) -> None:
    """Say whether a SUBJECT's data may be learned from. A denial quarantines what was already made of it."""
    with workplace(settings, data) as place:
        touched = consent(place.flywheel, subject, allowed=allowed == "allow")
        if allowed == "allow":
            print(f"{subject} allows training")
            return
        _tell(touched, f"{subject} denies training")
        _follow(place, touched, then, detach=detach)


@click.group()
def terms() -> None:
    """From whose answers may be learned, as you settled it with the provider."""


@terms.command("set")
@click.argument("account")
@click.argument("allowed", type=ALLOWED)
@THEN
@DETACH
@SETTINGS
@DATA
def set_terms(
    account: str, allowed: str, then: str | None, detach: bool, settings: Path | None, data: str | None
) -> None:
    """Say for good whether answers of an ACCOUNT (or kind of provider) may be learned from.

    A denial quarantines what was already made of them.
    """
    with workplace(settings, data) as place:
        touched = stance(place.flywheel, account, allowed=allowed == "allow")
        if allowed == "allow":
            print(f"Answers of {account} may be learned from")
            return
        _tell(touched, f"Answers of {account} are not learned from any more")
        _follow(place, touched, then, detach=detach)


@terms.command("list")
@SETTINGS
@DATA
@JSON
def list_terms(settings: Path | None, data: str | None, as_json: bool) -> None:
    """What was settled for good; for all others the table of known terms counts."""
    with workplace(settings, data) as place:
        rows = place.home.terms.all()
    if as_json:
        print_json(rows)
        return
    table = Table("account", "answers may be learned from", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row.account, "yes" if row.allowed else "no")
    screen().print(table if rows else "Nothing is settled for good; `freehold terms set ACCOUNT allow` does it.")


@click.command()
@click.argument("model")
@DETACH
@SETTINGS
@DATA
@JSON
def retune(model: str, detach: bool, settings: Path | None, data: str | None, as_json: bool) -> None:
    """Make a successor of a MODEL in quarantine, without what was withdrawn, and offer it on the same routes."""
    with workplace(settings, data) as place:
        found = _retuned(place, model, detach=detach)
    if found is not None and as_json:
        print_json(found)
    elif found is not None:
        _made(found)


def _tell(touched: Touched, what: str) -> None:
    print(f"{what}: {_counted(touched.datasets, 'dataset')} and {_counted(touched.models, 'model')} in quarantine now")
    for name in (*touched.datasets, *touched.models):
        print(f"  {name}")
    for route in touched.routes:
        print(f"Route {route} goes on with its other deployments")


def _counted(names: Sequence[str], what: str) -> str:
    return f"{len(names)} {what}" + ("" if len(names) == 1 else "s")


def _follow(place: Workplace, touched: Touched, then: str | None, *, detach: bool) -> None:
    """What the policy wants done now."""
    policy = then or place.home.settings.flywheel.on_withdrawal
    failed = False
    for model in touched.models:
        if policy == "quarantine":
            print(f"`freehold retune {model}` makes a successor without it")
            continue
        try:
            found = _retuned(place, model, detach=detach)
        except JobFailed as error:  # the other models still get theirs
            print(f"{model} has no successor: {error.message}", file=sys.stderr)
            failed = True
        else:
            if found is not None:
                _made(found)
    if failed:
        raise SystemExit(1)


def _retuned(place: Workplace, model: str, *, detach: bool) -> Json | None:
    done = run(place, "retune", {"model": model}, detach=detach)
    return None if done is None else done.result


def _made(found: Json) -> None:
    """What a retuning came to."""
    model = f"{found['model']} ({found['digest'][:12]})"
    print(f"Model {model} is made of {found['dataset']}, in place of {found['replaces']}")
    if found["evaluated"] is not None:
        for comparison in read_results(found["evaluated"]).comparisons:
            screen().print(said(comparison))
    for route, state in found["routes"].items():
        print(f"Route {route}: {found['model']} is {state}")
