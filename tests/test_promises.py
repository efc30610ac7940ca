"""Every promise of the product is held by tests that exist."""

import ast
import re
from pathlib import Path

import pytest

from promises import PROMISES

TESTS = Path(__file__).parent


def existing() -> set[str]:
    """The names of all test functions."""
    found: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found.add(node.name)
    return found


KNOWN = existing()


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_is_held_by_tests_that_exist(promise: str) -> None:
    sentence, held_by = PROMISES[promise]

    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", promise)
    assert re.fullmatch(r"[^.]+\.", sentence.replace("...", ""))
    assert held_by
    assert [name for name in held_by if name not in KNOWN] == []


def test_each_test_holds_one_promise() -> None:
    names = [name for promise in PROMISES.values() for name in promise.tests]

    assert sorted(names) == sorted(set(names))
