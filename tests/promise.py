"""What a promise of the product is."""

from typing import NamedTuple


class Promise(NamedTuple):
    """A sentence about what someone can rely on, and the names of the tests that would fail if it were not so."""

    sentence: str
    tests: tuple[str, ...]
