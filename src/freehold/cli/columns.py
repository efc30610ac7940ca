"""Columns of plain text: for lists of many rows, which a table of rich takes a second to lay out."""

import shutil
import sys
from collections.abc import Iterable, Sequence

from freehold.cli.context import UNCUT

GAP = 2
SHORT = 10
"""Columns of the terminal that a cell is not cut below."""


def columns(heads: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> str:
    """Rows under their heads, as wide as the terminal; who reads without a terminal gets whole lines.

    Where that is too narrow the widest cells end in an ellipsis, those of the first column last, since they say which
    row it is. `right` are the columns set to the right.
    """
    whole = [tuple(heads), *(tuple(map(_plain, row)) for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*whole, strict=True)]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else UNCUT
    while sum(widths) + GAP * (len(widths) - 1) > room and max(widths) > SHORT:
        widest = max(widths[1:], default=0)
        widths[0 if widest <= SHORT else widths.index(widest, 1)] -= 1
    at_right = frozenset(right)

    def laid(row: tuple[str, ...]) -> str:
        cells = (_cut(cell, width) for cell, width in zip(row, widths, strict=True))
        padded = (
            cell.rjust(width) if n in at_right else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return (" " * GAP).join(padded).rstrip()

    return "\n".join(map(laid, whole))


def _plain(cell: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in cell)


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 1]}…"
