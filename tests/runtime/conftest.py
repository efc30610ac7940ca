"""A student that all tests of this folder share."""

from pathlib import Path

import pytest
from student_world import inbox

from freehold.flywheel.tuning.student.tuner import Recipe, tune


@pytest.fixture(scope="session")
def student_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student of the inbox that leaves what is `other` to others."""
    recipe = Recipe(name="inbox", accuracy=0.9, out_of_scope=("other",))
    return tune(inbox(160, strange=40), recipe, tmp_path_factory.mktemp("students"))
