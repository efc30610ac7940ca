"""The costs of the options over traffic, drawn: in characters for a terminal, and as SVG. Both axes are logarithmic."""

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, floor, log10

from freehold.catalog.breakeven.answer import OPTIONS, Point, Report
from freehold.core.money import NANO

COLOURS = {"api": "#cf222e", "rented": "#9a6700", "owned": "#0969da", "burst": "#1a7f37"}
RICH = {"api": "red", "rented": "yellow", "owned": "blue", "burst": "green"}
SIGNS = {"api": "a", "rented": "r", "owned": "o", "burst": "b"}
NAMES = {
    "api": "API",
    "rented": "rented hardware",
    "owned": "own hardware",
    "burst": "own hardware, API for the rest",
}

WIDTH, HEIGHT = 900, 520
MARGIN = 0.1
"""Decades that are left free above and below."""

LEFT, RIGHT, TOP, BOTTOM = 84, 30, 78, 66


class _Scale:
    """Logarithms of traffic and money, between 0 and 1."""

    def __init__(self, curve: Sequence[Point]) -> None:
        money = [value(point, name) for point in curve for name in OPTIONS]
        self.left, self.right = log10(curve[0].times), log10(curve[-1].times)
        self.low, self.high = log10(max(min(money), 0.01)) - MARGIN, log10(max(money)) + MARGIN

    def x(self, times: float) -> float:
        return (log10(times) - self.left) / (self.right - self.left)

    def y(self, dollars: float) -> float:
        return (log10(max(dollars, 0.01)) - self.low) / (self.high - self.low)


def value(point: Point, name: str) -> float:
    """Dollars a month of an option."""
    amount: int = getattr(point, name)
    return amount / NANO


def characters(report: Report, *, wide: int = 72, tall: int = 18) -> Iterator[str]:
    """Lines for a terminal, with Rich's markup. Where lines meet the letter of the cheaper one stands."""
    curve = report.curve
    if not curve:
        return
    scale = _Scale(curve)
    cells: dict[tuple[int, int], str] = {}
    for column in range(wide):
        point = curve[round(column / (wide - 1) * (len(curve) - 1))]
        for name in sorted(OPTIONS, key=lambda n: (-value(point, n), n != "burst")):
            cells[round(scale.y(value(point, name)) * (tall - 1)), column] = name
    today = round(scale.x(1.0) * (wide - 1))
    for row in range(tall - 1, -1, -1):
        dollars = 10 ** (scale.low + row / (tall - 1) * (scale.high - scale.low))
        label = f"{money(dollars):>8}" if row % 4 == 1 else " " * 8
        line = "".join(_cell(cells.get((row, column)), column == today) for column in range(wide))
        yield f"{label} │{line}"
    yield " " * 9 + "└" + "─" * wide
    yield from _below(report, scale, wide, today)


def _cell(name: str | None, today: bool) -> str:
    if name is None:
        return "┊" if today else " "
    return f"[{RICH[name]}]{SIGNS[name]}[/{RICH[name]}]"


def _below(report: Report, scale: _Scale, wide: int, today: int) -> Iterator[str]:
    crossed = report.crossings["owned"]
    named = [(today, "today")]
    if crossed is not None:
        named.append((round(scale.x(crossed.times) * (wide - 1)), "^ owned"))
    rows = [" " * (wide + 16)]
    for at, word in named:
        if rows[-1][max(at - 1, 0) : at + len(word) + 1].strip():
            rows.append(" " * (wide + 16))
        rows[-1] = rows[-1][:at] + word + rows[-1][at + len(word) :]
    for row in rows:
        yield " " * 10 + row.rstrip()
    tokens = report.traffic.tokens_a_month
    ends = f"{count(10**scale.left * tokens)} tokens a month", count(10**scale.right * tokens)
    yield " " * 10 + ends[0] + " " * max(wide - len(ends[0]) - len(ends[1]), 1) + ends[1]
    yield " " * 10 + "   ".join(f"[{RICH[n]}]{SIGNS[n]}[/{RICH[n]}] {NAMES[n]}" for n in OPTIONS)


def svg(report: Report) -> str:
    """A picture with a title, the lines of all options, today's traffic, the crossing of own hardware and its band."""
    if not report.curve:
        raise ValueError("there is nothing to draw: no number of replicas reaches the service level")
    scale = _Scale(report.curve)
    crossed = report.crossings["owned"]
    says = (
        "own hardware never becomes cheaper than the API"
        if crossed is None
        else f"own hardware becomes cheaper than the API at {count(crossed.tokens)} tokens a month"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title" '
        'font-family="Helvetica, Arial, sans-serif" font-size="13">',
        f'  <title id="title">Dollars a month over tokens a month: {escape(says)}</title>',
        f'  <rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="10" fill="#ffffff" stroke="#d0d7de"/>',
        _text(LEFT, 28, f"{report.model} on {report.hardware}, or {report.api}", size=16, bold=True),
        _text(LEFT, 48, f"{report.traffic.source}; {says}", colour="#57606a"),
        *_band(report, scale),
        *_grid(report, scale),
        *_lines(report, scale),
        *_legend(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _band(report: Report, scale: _Scale) -> Iterator[str]:
    band, right = report.bands["owned"], 10**scale.right
    if band.low is not None and band.low < right:
        left = _x(scale, max(band.low, 10**scale.left))
        end = _x(scale, min(band.high or right, right))
        yield (
            f'  <rect x="{left:.1f}" y="{TOP}" width="{end - left:.1f}" height="{HEIGHT - TOP - BOTTOM}" '
            f'fill="{COLOURS["owned"]}" fill-opacity="0.08"/>'
        )
        yield _text(left, TOP - 6, "80 % of draws cross here", colour=COLOURS["owned"], size=11)


def _grid(report: Report, scale: _Scale) -> Iterator[str]:
    bottom, tokens = HEIGHT - BOTTOM, report.traffic.tokens_a_month
    for power in range(ceil(scale.low), floor(scale.high) + 1):
        y = _y(scale, 10.0**power)
        yield f'  <path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#d0d7de" fill="none"/>'
        yield _text(LEFT - 8, y + 4, money(10.0**power), anchor="end", colour="#57606a")
    first, last = log10(tokens) + scale.left, log10(tokens) + scale.right
    steps = [10.0**power * part for power in range(floor(first), ceil(last) + 1) for part in (1, 2, 5)]
    for step in steps if last - first < 4 else steps[::3]:
        if not first <= log10(step) <= last:
            continue
        x = _x(scale, step / tokens)
        yield f'  <path d="M{x:.1f} {TOP}V{bottom}" stroke="#eaeef2" fill="none"/>'
        yield _text(x, bottom + 18, count(step), anchor="middle", colour="#57606a")
    yield _text(WIDTH - RIGHT, bottom + 36, "tokens a month", anchor="end", colour="#57606a")
    yield _text(LEFT - 8, TOP - 6, "a month", anchor="end", colour="#57606a", size=11)
    today = _x(scale, 1.0)
    yield f'  <path d="M{today:.1f} {TOP}V{bottom}" stroke="#57606a" stroke-dasharray="3 4" fill="none"/>'
    yield _text(today + 5, bottom - 8, "this traffic", colour="#57606a", size=11)


def _lines(report: Report, scale: _Scale) -> Iterator[str]:
    for name in OPTIONS:
        places = [(_x(scale, p.times), _y(scale, value(p, name))) for p in report.curve]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        dashed = ' stroke-dasharray="7 4"' if name == "burst" else ""
        yield f'  <path d="{path}" stroke="{COLOURS[name]}" stroke-width="2.2"{dashed} fill="none"/>'
    crossed = report.crossings["owned"]
    if crossed is not None:
        near = min(report.curve, key=lambda p: abs(log10(p.times / crossed.times)))
        x, y = _x(scale, crossed.times), _y(scale, value(near, "api"))
        yield f'  <circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="#ffffff" stroke="{COLOURS["owned"]}" stroke-width="2"/>'


def _legend() -> Iterator[str]:
    x = float(LEFT)
    for name in OPTIONS:
        yield f'  <path d="M{x:.0f} {HEIGHT - 18}h22" stroke="{COLOURS[name]}" stroke-width="3" fill="none"/>'
        yield _text(x + 28, HEIGHT - 14, NAMES[name])
        x += 60 + 7 * len(NAMES[name])


def _text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    colour: str = "#1f2328",
    size: int = 13,
    bold: bool = False,
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'  <text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}"{weight}>'
        f"{escape(words)}</text>"
    )


def _x(scale: _Scale, times: float) -> float:
    return LEFT + scale.x(times) * (WIDTH - LEFT - RIGHT)


def _y(scale: _Scale, dollars: float) -> float:
    return HEIGHT - BOTTOM - scale.y(dollars) * (HEIGHT - TOP - BOTTOM)


def money(dollars: float) -> str:
    """Dollars in a few characters: '$0.10', '$12', '$3.4k', '$2M'."""
    if dollars < 10:
        return f"${dollars:.2f}"
    for unit, size in (("", 1), ("k", 1e3), ("M", 1e6), ("B", 1e9)):
        if dollars < 1000 * size:
            return (
                f"${float(f'{dollars / size:.2g}'):g}{unit}" if dollars / size < 100 else f"${dollars / size:.0f}{unit}"
            )
    return f"${dollars:.1e}"


def count(tokens: float) -> str:
    """A number of tokens in a few characters: '950', '3.4k', '12M', '130 billion' as '130B'."""
    for unit, size in (("", 1), ("k", 1e3), ("M", 1e6), ("B", 1e9), ("T", 1e12)):
        if tokens < 999.5 * size:
            return f"{float(f'{tokens / size:.3g}'):g}{unit}"
    return f"{tokens:.2e}"
