"""freehold datasets and freehold feedback: what models learn from."""

import time
from pathlib import Path

import click
from rich.table import Table

from freehold.cli.context import DATA, JSON, SETTINGS, Duration, print_json, progress, screen
from freehold.cli.jobs import workplace
from freehold.flywheel.curation.build import Built, Preview
from freehold.flywheel.curation.candidate import Query
from freehold.flywheel.curation.dataset import diff
from freehold.flywheel.curation.gate import Passage
from freehold.flywheel.curation.gates import Policy
from freehold.flywheel.curation.labelling import export

PERSONAL = click.option(
    "--personal-data",
    type=click.Choice(["mask", "drop", "keep"]),
    default="mask",
    show_default=True,
    help="What is done with personal data that is found.",
)

SHOWN_REFUSALS = 20
"""Lines of a table that were not taken and are told one by one."""


@click.group()
def datasets() -> None:
    """What models learn from: made of traffic and feedback, immutable, named by digest."""


@datasets.command("build")
@click.argument("name")
@click.option("--route", help="Only what this route answered.")
@click.option("--since", type=Duration(), default="30d", show_default=True, help="How far back: 30d, 12h.")
@click.option("--deployment", help="Only what this deployment answered.")
@click.option("--subject", help="Only what is about this person.")
@click.option(
    "--min-quality",
    type=click.FloatRange(0, 1),
    default=0.3,
    show_default=True,
    help="Answers that are judged worse stay out.",
)
@click.option(
    "--consent", type=click.Choice(["allow", "deny"]), default="allow", show_default=True, help="For the silent."
)
@PERSONAL
@click.option("--held-out", multiple=True, help="A dataset whose test examples must not be learned from. Repeatable.")
@click.option("--accept-terms", multiple=True, help="A provider whose output terms you have settled. Repeatable.")
@click.option("--preview", "only_preview", is_flag=True, help="Show what would be in it, and write nothing.")
@SETTINGS
@DATA
@JSON
def build_dataset(
    name: str,
    route: str | None,
    since: int,
    deployment: str | None,
    subject: str | None,
    min_quality: float,
    consent: str,
    personal_data: str,
    held_out: tuple[str, ...],
    accept_terms: tuple[str, ...],
    only_preview: bool,
    settings: Path | None,
    data: str | None,
    as_json: bool,
) -> None:
    """Make the dataset NAME from traffic and feedback; each gate says what it kept out and why."""
    query = Query(route=route, since=max(time.time_ns() - since, 0), deployment=deployment, subject=subject)
    policy = Policy(consent=consent, min_quality=min_quality, personal_data=personal_data)  # type: ignore[arg-type]
    accepted = frozenset(accept_terms)
    with workplace(settings, data) as place, progress("building", "%") as shown:
        task = shown.add_task("", total=100)

        def told(share: float, text: str) -> None:
            shown.update(task, completed=share * 100)

        if only_preview:
            found = place.flywheel.preview(query, policy, held_out=held_out, accepted=accepted)
        else:
            found = place.flywheel.build(name, query, policy, held_out=held_out, accepted=accepted, progress=told)
    if as_json:
        print_json(found)
    elif isinstance(found, Preview):
        _preview(found)
    else:
        _built(found)


@datasets.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("name")
@PERSONAL
@SETTINGS
@DATA
@JSON
def import_dataset(
    file: Path, name: str, personal_data: str, settings: Path | None, data: str | None, as_json: bool
) -> None:
    """Make the dataset NAME of a labelled file: CSV or JSON lines with text,label or messages,target."""
    policy = Policy(personal_data=personal_data)  # type: ignore[arg-type]
    with workplace(settings, data, new=True) as place, progress("importing", "%") as shown:
        task = shown.add_task("", total=100)
        found = place.flywheel.import_file(
            file, name, policy, progress=lambda share, _: shown.update(task, completed=share * 100)
        )
    if as_json:
        print_json(found)
        return
    for refused in found.refused[:10]:
        screen().print(f"line {refused.line}: {refused.reason}", markup=False)
    _built(found.built)


@datasets.command("sample")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--route", help="Only what this route answered.")
@click.option("--since", type=Duration(), default="30d", show_default=True, help="How far back: 30d, 12h.")
@click.option("--count", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@click.option("--model", help="A student: prefer where it is least sure.")
@SETTINGS
@DATA
def sample_dataset(
    file: Path, route: str | None, since: int, count: int, model: str | None, settings: Path | None, data: str | None
) -> None:
    """Write the answers that teach most into FILE (CSV or JSON lines), for people to judge.

    `freehold feedback import FILE` reads it back.
    """
    query = Query(route=route, since=max(time.time_ns() - since, 0))
    with workplace(settings, data) as place:
        written = export(place.flywheel.sample(query, Policy(), count, model), file)
    print(f"{written} answers are in {file}: fill in `good` or `correction`, then `freehold feedback import {file}`")


@datasets.command("list")
@SETTINGS
@DATA
@JSON
def list_datasets(settings: Path | None, data: str | None, as_json: bool) -> None:
    """The newest first."""
    with workplace(settings, data) as place:
        rows = place.flywheel.datasets.all()
    if as_json:
        print_json(rows)
        return
    table = Table("dataset", "examples", "state", box=None, pad_edge=False)
    for row in rows:
        table.add_row(
            f"{row.name}@{row.digest[:12]}", f"{row.examples:,}", row.state + (row.reason and f": {row.reason}")
        )
    screen().print(
        table if rows else "There are no datasets yet; `freehold datasets build NAME --route ROUTE` makes one."
    )


@datasets.command("show")
@click.argument("reference")
@click.option("--first", type=click.IntRange(0, 1000), default=5, show_default=True, help="How many examples.")
@SETTINGS
@DATA
@JSON
def show_dataset(reference: str, first: int, settings: Path | None, data: str | None, as_json: bool) -> None:
    """The bill of materials of a dataset, and its first examples."""
    with workplace(settings, data) as place:
        bill = place.flywheel.bill(reference)
        examples = place.flywheel.load(reference)[:first]
    if as_json:
        print_json({"bill": bill, "examples": examples})
        return
    screen().print(f"{bill.reference}: {bill.examples:,} of {bill.rows_in:,} rows; {bill.splits}", markup=False)
    _gates(bill.gates)
    for one in examples:
        screen().print(f"[{one.split}] {one.text!r} -> {one.target!r}", markup=False)


@datasets.command("diff")
@click.argument("before")
@click.argument("after")
@SETTINGS
@DATA
@JSON
def diff_datasets(before: str, after: str, settings: Path | None, data: str | None, as_json: bool) -> None:
    """What the second dataset has otherwise."""
    with workplace(settings, data) as place:
        found = diff(place.flywheel.load(before), place.flywheel.load(after))
    if as_json:
        print_json(found)
        return
    counts = f"{len(found.added)} added, {len(found.removed)} removed, {len(found.changed)} changed"
    screen().print(f"{counts}, {len(found.moved)} in another split, {found.same} the same")
    for sign, rows in (("+", found.added), ("-", found.removed)):
        for one in rows[:20]:
            screen().print(f"{sign} {one.text!r} -> {one.target!r}", markup=False)
    for old, new in found.changed[:20]:
        screen().print(f"~ {old.text!r}: {old.target!r} -> {new.target!r}", markup=False)


@click.group()
def feedback() -> None:
    """What people say about answers."""


@feedback.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@SETTINGS
@DATA
@JSON
def import_feedback(file: Path, settings: Path | None, data: str | None, as_json: bool) -> None:
    """Take judgements from a CSV file, with a column inference (or episode) and good, score, correction, ..."""
    with workplace(settings, data) as place:
        report = place.flywheel.import_feedback(file)
    if as_json:
        print_json(report)
        return
    for refused in report.refused[:SHOWN_REFUSALS]:
        screen().print(f"line {refused.line}: {refused.reason}", markup=False)
    hidden = len(report.refused) - SHOWN_REFUSALS
    if hidden > 0:
        screen().print(f"and {hidden:,} more that were not taken")
    unfilled = f"; {report.unfilled:,} not filled in yet" if report.unfilled else ""
    judgements = f"{report.judgements:,} judgement{'' if report.judgements == 1 else 's'}"
    screen().print(f"{report.accepted:,} of {report.rows:,} rows taken: {judgements}{unfilled}")


def _built(found: Built) -> None:
    bill = found.bill
    _gates(found.gates)
    for warning in bill.warnings:
        screen().print(f"Note: {warning}", style="yellow", markup=False)
    splits = ", ".join(f"{count:,} {name}" for name, count in bill.splits.items())
    state = "is made" if found.new else "existed already"
    screen().print(f"Dataset {bill.reference} {state}: {bill.examples:,} examples ({splits})", markup=False)
    screen().print(f"Next: freehold tune MODEL --dataset {bill.reference}", markup=False)


def _preview(found: Preview) -> None:
    _gates(found.gates)
    for one in found.first:
        screen().print(f"[{one.split}] {one.text!r} -> {one.target!r}", markup=False)
    for warning in found.warnings:
        screen().print(f"Note: {warning}", style="yellow", markup=False)
    screen().print(f"{len(found.examples):,} of {found.rows_in:,} rows would be in it; nothing was written")


def _gates(passages: tuple[Passage, ...]) -> None:
    table = Table("gate", "in", "out", "kept out", box=None, pad_edge=False)
    for p in passages:
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in p.reasons.items())
        table.add_row(p.gate, f"{p.rows_in:,}", f"{p.rows_out:,}", reasons)
    screen().print(table)
