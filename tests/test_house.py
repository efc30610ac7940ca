"""The house keeps its own rules: files fit on a few screens, the packages are empty at their door, one rule for all."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "tests", "demo", "bench")
PAGES = sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py") if "__pycache__" not in p.parts)
SCREENS = 400
"""Lines of a file at most; what grows past that holds two ideas."""

OPENING = re.compile(r'(?:#.*\n)*r?"""[^\n]')


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_file_fits_on_a_few_screens_and_says_first_what_it_is(page: Path) -> None:
    text = page.read_text()

    assert text.count("\n") <= SCREENS
    assert not text or OPENING.match(text) or page.name == "conftest.py"


@pytest.mark.parametrize("page", [p for p in PAGES if p.name == "__init__.py"], ids=name)
def test_a_package_is_empty_at_its_door(page: Path) -> None:
    assert page.read_text() == ""


def test_no_two_test_files_have_the_same_name() -> None:
    names = [p.name for p in (ROOT / "tests").rglob("*.py") if p.name != "conftest.py"]

    assert sorted(names) == sorted(set(names))
