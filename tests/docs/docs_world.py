"""The pages of the documentation, and what is in them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
NOTES = "lab-notes"
"""Pages that tell what was measured once, with commands that take hours: they are not tried again."""

PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *(page for page in (ROOT / "docs").rglob("*.md") if not page.name.startswith(NOTES)),
    ]
)

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.M | re.S)


class Snippet(NamedTuple):
    language: str
    text: str


def name(page: Path) -> str:
    """A page as a test shows it."""
    return str(page.relative_to(ROOT))


def snippets(page: Path) -> Iterator[Snippet]:
    """The fenced blocks of a page, in order."""
    for match in _FENCE.finditer(page.read_text()):
        yield Snippet(match[1], match[2])


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text())


def rows(page: Path) -> Iterator[tuple[str, ...]]:
    """The rows of its tables, heads and rules left out; a cell is without the white space around it."""
    lines = prose(page).splitlines()
    for at, line in enumerate(lines):
        rule = lines[at + 1] if at + 1 < len(lines) else ""
        if line.startswith("|") and not line.startswith("|--") and not rule.startswith("|--"):
            yield tuple(cell.strip() for cell in line.strip("|").split(" | "))
