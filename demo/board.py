"""The board: the deployments at work, live, and the tables of the end."""

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.tally import Row, Tally, total
from freehold.core.money import NANO, Price

BARE = {"box": None, "padding": (0, 1), "pad_edge": False, "header_style": "dim"}


def board(tally: Tally, *, total: int, seconds: float, note: str, width: int) -> RenderableType:
    """Everything so far."""
    done = len(tally.answers)
    head = Table.grid(padding=(0, 2))
    head.add_row(
        ProgressBar(total=total, completed=done, width=width * 2 // 5),
        f"{done:,} of {total:,}",
        f"{seconds:.0f} s",
        note,
    )
    return Group(head, Text(), deployments(tally, width=width, live=True), Text())


LEGEND = "intent, fields: how many were right. p50, p95: until an answer was complete. $/M: input, output."
WIDE = 96
"""Characters that the whole table needs; a narrower one leaves out the prices."""


def deployments(tally: Tally, *, width: int, live: bool = False) -> Table:
    """One line for each deployment: what it charges, did and cost; live also whether its breaker is open."""
    hidden = {"p95"} if live else {"breaker"}
    if width < WIDE:
        hidden |= {"$/M tokens", "took over"} if live else {"$/M tokens"}
    rows = {name: (tally.prices[name], row) for name, row in tally.rows().items()}
    shown = {name: _cells(price, row) for name, (price, row) in rows.items()}
    shown["all"] = _cells(None, total([row for _, row in rows.values()])) | {"breaker": Text()}
    table = Table(**BARE)  # type: ignore[arg-type]
    table.add_column("deployment", overflow="fold")
    columns = [name for name in shown["all"] if name not in hidden]
    for name in columns:
        table.add_column(name, justify="left" if name == "breaker" else "right", no_wrap=True)
    for name, cells in shown.items():
        table.add_row(name, *(cells[column] for column in columns), style="bold" if name == "all" else "")
    return table


def reasons(tally: Tally) -> Table:
    """What went where, and why."""
    table = Table(**BARE)  # type: ignore[arg-type]
    for name in ("route", "went to"):
        table.add_column(name, no_wrap=True)
    table.add_column("answers", justify="right")
    table.add_column("why", no_wrap=True)
    last = ""
    for (route, deployment, why), count in tally.reasons().items():
        table.add_row(route if route != last else "", deployment, f"{count:,}", why)
        last = route
    return table


def money(amount: int) -> str:
    """Nano-dollars, to a hundredth of a cent."""
    return f"${amount / NANO:,.4f}"


def _cells(price: Price | None, row: Row) -> dict[str, str | Text]:
    return {
        "breaker": Text("OPEN", "bold red") if row.out else Text("closed", "green"),
        "$/M tokens": "" if price is None else f"{price.input / NANO:.2f}, {price.output / NANO:5.2f}",
        "answers": f"{row.answers:,}",
        "intent": share(row.right, row.answers),
        "fields": share(row.fields_right, row.fields),
        "p50": _ms(row.percentile(50)),
        "p95": _ms(row.percentile(95)),
        "failed": f"{row.failed:,}",
        "took over": f"{row.took_over:,}",
        "cost": money(row.cost),
    }


def share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"
