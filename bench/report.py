"""The figures as a table for people."""

from collections.abc import Sequence

from rich.table import Table

from bench.figures import Figure


def table(figures: Sequence[Figure]) -> Table:
    """One row for each figure, with what it must be and what stands beside it."""
    shown = Table(title="Freehold, everything on", box=None, pad_edge=False, title_justify="left")
    shown.add_column("figure")
    for heading in ("Freehold", "must", "", "naive proxy", "times better", "direct"):
        shown.add_column(heading, justify="right")
    for figure in figures:
        bound = "at least " if figure.better == "high" else "at most "
        shown.add_row(
            figure.name,
            f"{number(figure.value)} {figure.unit}",
            "" if figure.must is None else bound + number(figure.must),
            _judged(figure),
            number(figure.naive),
            "" if figure.ratio is None else f"{number(figure.ratio)}x",
            number(figure.direct),
        )
    return shown


def _judged(figure: Figure) -> str:
    if figure.doubt is not None:
        return f"[yellow]{figure.doubt}[/]"
    return {None: "", True: "[green]reached[/]", False: "[red]missed[/]"}[figure.reached]


def number(value: float | None) -> str:
    """Three digits that matter, thousands apart."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
