"""Every link inside the documentation leads somewhere, and every picture can be drawn."""

import re
import unicodedata
from pathlib import Path
from xml.etree import ElementTree

import pytest
from docs_world import PAGES, ROOT, name, prose, snippets


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.M):
        kept = [c for c in heading.lower() if c in " -_" or unicodedata.category(c)[0] in "LN"]
        found.add("".join(kept).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    broken: list[str] = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?://|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        inside = file.is_relative_to(ROOT) and file.exists()
        if not inside or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", [p for p in PAGES if p.is_relative_to(ROOT / "docs")], ids=name)
def test_every_page_can_be_reached_from_the_readme(page: Path) -> None:
    seen, todo = {ROOT / "README.md"}, [ROOT / "README.md"]
    while todo:
        here = todo.pop()
        for target in re.findall(r"\]\(([^)#\s]+)", prose(here)):
            file = (here.parent / target).resolve()
            those = file.glob("*.md") if file.is_dir() else [file]
            for found in those:
                if found.suffix == ".md" and found.exists() and found not in seen:
                    seen.add(found)
                    todo.append(found)
    assert page in seen


@pytest.mark.parametrize("picture", sorted((ROOT / "docs").rglob("*.svg")), ids=name)
def test_a_picture_is_drawn_with_a_title_for_those_who_cannot_see_it(picture: Path) -> None:
    root = ElementTree.fromstring(picture.read_text())

    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.findtext("{http://www.w3.org/2000/svg}title")


def test_diagrams_are_of_a_kind_that_is_known() -> None:
    kinds = {s.text.split()[0] for page in PAGES for s in snippets(page) if s.language == "mermaid"}

    assert kinds <= {"sequenceDiagram", "flowchart", "stateDiagram-v2", "classDiagram"}
