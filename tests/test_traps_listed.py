"""Every trap of the wires is held by tests that exist."""

import re

import pytest

from test_promises import KNOWN
from traps import TRAPS


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_is_held_by_tests_that_exist(trap: str) -> None:
    held_by = TRAPS[trap]

    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", trap)
    assert held_by
    assert len(set(held_by)) == len(held_by)
    assert [name for name in held_by if name not in KNOWN] == []
