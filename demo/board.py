"""The board: the deployments at work, live, and the tables of the end."""

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.tally import Row, Tally
from freehold.core.money import NANO, Price

BARE = {"box": None, "padding": (0, 1), "pad_edge": False, "header_style": "dim"}


def board(tally: Tally, *, total: int, seconds: float, note: str) -> RenderableType:
    """Everything so far."""
    done = len(tally.answers)
    head = Table.grid(padding=(0, 2))
    head.add_row(ProgressBar(total=total, completed=done, width=40), f"{done:,} of {total:,}", f"{seconds:.0f} s", note)
    return Group(head, Text(), deployments(tally, live=True), Text())


LEGEND = "intent, fields: how many were right. p50, p95: until an answer was complete. $/M: input, output."


def deployments(tally: Tally, *, live: bool = False) -> Table:
    """One line for each deployment: what it charges, did and cost; live also whether its breaker is open."""
    table = Table(**BARE)  # type: ignore[arg-type]
    table.add_column("deployment", no_wrap=True)
    table.add_column("breaker" if live else "", no_wrap=True)
    for name in ("$/M tokens", "answers", "intent", "fields", "p50", "p95", "failed", "took over", "cost"):
        if name != "p95" or not live:
            table.add_column(name, justify="right", no_wrap=True)
    rows = tally.rows()
    for name, row in rows.items():
        state = Text("OPEN", "bold red") if row.out else Text("closed", "green")
        table.add_row(name, state if live else "", *_cells(tally.prices[name], row, live=live))
    total = Row(
        answers=sum(r.answers for r in rows.values()),
        right=sum(r.right for r in rows.values()),
        fields=sum(r.fields for r in rows.values()),
        fields_right=sum(r.fields_right for r in rows.values()),
        failed=sum(r.failed for r in rows.values()),
        took_over=sum(r.took_over for r in rows.values()),
        cost=tally.spent(),
        ms=[ms for r in rows.values() for ms in r.ms],
    )
    table.add_section()
    table.add_row("all", "", *_cells(None, total, live=live), style="bold")
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


def _cells(price: Price | None, row: Row, *, live: bool) -> list[str]:
    return [
        "" if price is None else f"{price.input / NANO:.2f}, {price.output / NANO:5.2f}",
        f"{row.answers:,}",
        _share(row.right, row.answers),
        _share(row.fields_right, row.fields),
        _ms(row.percentile(50)),
        *([] if live else [_ms(row.percentile(95))]),
        f"{row.failed:,}",
        f"{row.took_over:,}",
        money(row.cost),
    ]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"
