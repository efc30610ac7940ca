"""The world of the tests of curation."""

from collections.abc import Generator
from pathlib import Path

import pytest
from curation_world import World


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    found = World(tmp_path)
    yield found
    found.close()
