"""The report of an evaluation: one HTML page with its pictures inside, to be opened anywhere and mailed to anybody."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from math import ceil, floor
from typing import assert_never

from freehold.core.money import NANO
from freehold.flywheel.evaluation.results import Comparison, Line, Measured, Results
from freehold.flywheel.verdict.verdict import Approve, NotEnough, Reject, Verdict

WIDTH, ROW, LEFT = 760, 30, 220
COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#b83280", "#4a5568")

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a202c;background:#fff}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{padding:.3rem .8rem;border-bottom:1px solid #e2e8f0;
text-align:right;vertical-align:top}th{white-space:nowrap}td:first-child,th:first-child,th.text{text-align:left}
h2{margin-top:2rem}
svg text{font:13px system-ui,sans-serif;fill:#2d3748}.approve{color:#276749}.reject{color:#9b2c2c}.open{color:#744210}
td.text{text-align:left;max-width:24rem;overflow-wrap:anywhere}.quiet{color:#718096}
td .quiet{white-space:nowrap;font-size:.85em}svg{max-width:100%;height:auto}
"""


def page(found: Results, *, title: str, about: Sequence[tuple[str, str]], at: int) -> str:
    """The page. `about` are facts to be shown on top (name, value); `at` is UTC nanoseconds."""
    made = datetime.fromtimestamp(at / NANO, UTC).strftime("%Y-%m-%d %H:%M UTC")
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title><style>{STYLE}</style>",
        f"<h1>{escape(title)}</h1><p class=quiet>{made}</p>",
        _table((), [(escape(a), f"<td class=text>{escape(b)}") for a, b in about]),
        *(_said(c) for c in found.comparisons),
        _lines(found),
        "<h2>Score</h2>" + _whiskers([(x.deployment, x.scores[found.scorers[0]]) for x in found.lines]),
        _costs(found.lines, found.scorers[0]),
        _slices(found.lines),
        _disagreements(found),
    ]
    return "\n".join(p for p in parts if p)


def _said(c: Comparison) -> str:
    """The verdicts in words."""
    names = f"<b>{escape(c.candidate)}</b> against {escape(c.incumbent)}"
    ratios = [
        f"{name} {i.ratio:.3g}x ({i.low:.3g} to {i.high:.3g})"
        for name, i in (("cost", c.cost), ("latency", c.latency))
        if i is not None
    ]
    lines = [f"<p>{names}: {_worded(c.verdict)}{'; ' if ratios else ''}{', '.join(ratios)}.</p>"]
    if c.judged is not None:
        lines.append(f"<p>The same with a judge, held to what people said: {_worded(c.judged)}.</p>")
    return "".join(lines)


def _worded(verdict: Verdict) -> str:
    e = verdict.evidence
    seen = f"difference {e.difference:+.3f} ({e.low:+.3f} to {e.high:+.3f}) on {e.pairs:,} pairs"
    match verdict:
        case Approve():
            return f"<b class=approve>approve</b>; {seen}"
        case Reject():
            return f"<b class=reject>reject</b>; {seen}"
        case NotEnough():
            likely = verdict.more.likely
            needed = "more than a million" if likely is None else f"about {likely:,}"
            return f"<b class=open>not enough data</b>; {escape(verdict.why)}; {needed} more would decide it"
        case _:
            assert_never(verdict)


def _lines(found: Results) -> str:
    head = ["deployment", "questions", "answered", "itself", *found.scorers, "$ per 1,000", "p50 ms", "p95 ms"]
    rows = [
        (
            escape(x.deployment),
            f"{x.questions:,}",
            f"{x.answered:.1%}",
            f"{x.own:.1%}",
            *(_score(x.scores[s]) for s in found.scorers),
            "unknown" if x.cost is None else f"{x.cost * 1000 / NANO:.4f}",
            *("" if t is None else f"{t / 1e6:.1f}" for t in (x.latency_p50, x.latency_p95)),
        )
        for x in found.lines
    ]
    errors = [
        (escape(x.deployment), f"{count:,}", f"<td class=text>{escape(error)}")
        for x in found.lines
        for error, count in x.errors.items()
    ]
    return _table(head, rows) + ("<h2>Errors</h2>" + _table(("deployment", "count", "error"), errors) if errors else "")


def _score(m: Measured) -> str:
    return f"{m.mean:.3f} <span class=quiet>{m.low:.3f}\u2013{m.high:.3f}</span>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a cell that brings its own <td> keeps it. Cells are HTML already. Heads stand as their cells do."""
    rows = list(rows)
    kinds = [" class=text" if rows and rows[0][i].startswith("<td class=text") else "" for i in range(len(head))]
    top = "<tr>" + "".join(f"<th{k}>{escape(h)}" for k, h in zip(kinds, head, strict=True)) if head else ""
    body = "".join("<tr>" + "".join(c if c.startswith("<td") else f"<td>{c}" for c in row) for row in rows)
    return f"<table>{top}{body}</table>"


def _whiskers(rows: Sequence[tuple[str, Measured]]) -> str:
    """Means as dots on their intervals, on one scale."""
    low = min(m.low for _, m in rows)
    high = max(m.high for _, m in rows)
    space = max((high - low) * 0.08, 0.005)
    low, high = max(low - space, 0.0), min(high + space, 1.0)

    def x(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - 60)

    height = len(rows) * ROW + 26
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">']
    for tick in _ticks(low, high):
        parts.append(
            f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="0" y2="{height - 22}" stroke="#e2e8f0"/>'
            f'<text x="{x(tick):.1f}" y="{height - 6}" text-anchor="middle">{tick:g}</text>'
        )
    for i, (name, m) in enumerate(rows):
        y, colour = i * ROW + ROW / 2, COLOURS[i % len(COLOURS)]
        parts.append(
            f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(_short(name))}</text>'
            f'<line x1="{x(m.low):.1f}" x2="{x(m.high):.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
            f'<circle cx="{x(m.mean):.1f}" cy="{y}" r="5" fill="{colour}"/>'
        )
    return "".join(parts) + "</svg>"


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between two scores, six at most."""
    steps = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25)
    step = next((s for s in steps if (high - low) / s <= 5), 0.25)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [round(n * step, 3) for n in range(first, last + 1)]


def _costs(lines: Sequence[Line], scorer: str) -> str:
    """Score over cost: the upper left corner is where one wants to be."""
    points = [(x.deployment, x.cost * 1000 / NANO, x.scores[scorer]) for x in lines if x.cost is not None]
    if len(points) < 2:
        return ""
    most = max(cost for _, cost, _ in points) or 1.0
    low = min(m.low for _, _, m in points)
    high = max(*(m.high for _, _, m in points), low + 0.01)
    height, base = 300, 260

    def place(cost: float, score: float) -> tuple[float, float]:
        return 70 + cost / most * (WIDTH - 250), base - (score - low) / (high - low) * (base - 20)

    parts = [
        f'<h2>Score over cost</h2><svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">'
        f'<line x1="70" x2="{WIDTH - 170}" y1="{base}" y2="{base}" stroke="#a0aec0"/>'
        f'<line x1="70" x2="70" y1="10" y2="{base}" stroke="#a0aec0"/>'
        f'<text x="70" y="{base + 18}">$0</text>'
        f'<text x="{WIDTH - 180}" y="{base + 18}" text-anchor="end">${most:.4g} per 1,000 questions</text>'
        f'<text x="62" y="{base}" text-anchor="end">{low:.2f}</text>'
        f'<text x="62" y="24" text-anchor="end">{high:.2f}</text>'
    ]
    for i, (name, cost, m) in enumerate(points):
        (x, y), colour = place(cost, m.mean), COLOURS[i % len(COLOURS)]
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{place(cost, m.low)[1]:.1f}" y2="{place(cost, m.high)[1]:.1f}"'
            f' stroke="{colour}" stroke-width="2"/><circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'
            f'<text x="{x + 10:.1f}" y="{y + 4:.1f}">{escape(_short(name))}</text>'
        )
    return "".join(parts) + "</svg>"


def _slices(lines: Sequence[Line]) -> str:
    names = list(lines[0].slices)
    if not names:
        return ""
    rows = [(escape(n), *(_slice(x.slices[n]) for x in lines)) for n in names]
    return "<h2>By target</h2>" + _table(("target", *(x.deployment for x in lines)), rows)


def _slice(m: Measured) -> str:
    """A score on a ground that is the redder the lower it is."""
    return f'<td style="background:rgba(229,62,62,{0.45 * (1 - m.mean):.2f})">{_score(m)}'


def _disagreements(found: Results) -> str:
    if not found.disagreements:
        return ""
    head = ("asked", "right", *(x.deployment for x in found.lines))
    rows = [
        tuple(f"<td class=text>{escape(_short(cell, 300))}" for cell in (asked, target, *said))
        for asked, target, said in found.disagreements
    ]
    return "<h2>Where they differ</h2>" + _table(head, rows)


def _short(text: str, most: int = 30) -> str:
    return text if len(text) <= most else text[: most - 1] + "\u2026"
