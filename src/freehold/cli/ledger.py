"""freehold verify and rebuild: the ledger, checked whole and read again."""

from pathlib import Path

import click

from freehold.cli.context import DATA, JSON, SETTINGS, chosen, home, print_json, progress
from freehold.core.errors import LedgerDamaged
from freehold.ledger import reader
from freehold.ledger.report import Report
from freehold.ledger.verify import verify


@click.command("verify")
@click.option("--key", help="The verifier key, where you kept it elsewhere (default: key.pub in the ledger's folder).")
@click.option(
    "--checkpoint",
    "checkpoints",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="A signed checkpoint that you kept elsewhere; it shows whether the end was cut off. Repeatable.",
)
@SETTINGS
@DATA
@JSON
def verify_command(
    key: str | None, checkpoints: tuple[Path, ...], settings: Path | None, data: str | None, as_json: bool
) -> None:
    """Check the whole ledger: every frame, hash, signature and promise. Only reads."""
    folder = Path(chosen(settings, data).data.folder, "ledger")
    nodes = reader.homes(folder)
    if not nodes:
        raise LedgerDamaged(f"There is no ledger in {folder} to verify; `freehold up` begins one")
    notes = [path.read_bytes() for path in checkpoints]
    reports = {node.name: _verified(node, key, notes, alone=len(nodes) == 1) for node in nodes}
    if as_json:
        print_json(reports)
    else:
        for node, report in reports.items():
            print(f"{node}: {report}")
    if not all(report.ok for report in reports.values()):
        raise SystemExit(1)


def _verified(node: Path, key: str | None, notes: list[bytes], *, alone: bool) -> Report:
    """The report on a node. Of several nodes each gets the key and the notes that bear its name."""
    name = f"freehold/{node.name}"
    if not alone:
        notes = [note for note in notes if note.split(b"\n", 1)[0] == name.encode()]
        key = key if key is not None and key.partition("+")[0] == name else None
    size = sum(path.stat().st_size for path in node.glob("*.log"))
    with progress(f"Verifying {node.name}", "bytes") as shown:
        task = shown.add_task("", total=size)
        return verify(node, key=key, witnessed=notes, told=lambda read: shown.update(task, completed=read))


@click.command()
@SETTINGS
@DATA
@JSON
def rebuild(settings: Path | None, data: str | None, as_json: bool) -> None:
    """Make the tables anew from the ledger. A gateway may run meanwhile."""
    with home(settings, data) as opened, progress("Reading the ledger", "entries") as shown:
        task = shown.add_task("", total=None)
        opened.inferences.clear()
        count = opened.project(lambda added: shown.update(task, completed=added))
    if as_json:
        print_json({"entries": count})
    else:
        print(f"{count} ledger entries read")
