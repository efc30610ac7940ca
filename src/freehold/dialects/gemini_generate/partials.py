"""Arguments of a function call that come in pieces, each with the place where it belongs, as Vertex streams them on
request (a JSON path, RFC 9535, of names and indices)."""

import re
from itertools import pairwise
from typing import Any, cast

from freehold.dialects.openai_chat.loose import items, members

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[['\"]((?:[^'\"\\]|\\.)*)['\"]\]")
MOST_STEPS = 64
MOST_ITEMS = 65_536
_VALUES = ("stringValue", "numberValue", "boolValue", "nullValue")


class Partial:
    """The arguments of one call while they grow."""

    __slots__ = ("_continued", "_root")

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}
        self._continued: set[str] = set()

    @property
    def arguments(self) -> dict[str, Any]:
        return self._root

    def whole(self, arguments: dict[str, Any]) -> None:
        """Arguments that came at once."""
        self._root.update(arguments)

    def add(self, pieces: object) -> None:
        """Put every piece in its place; text that continues is appended. What has no place is passed over."""
        for piece in map(members, items(pieces)):
            path = piece.get("jsonPath")
            name = next((name for name in _VALUES if name in piece), None)
            if not isinstance(path, str) or name is None:
                continue
            value = None if name == "nullValue" else piece[name]
            steps = _steps(path)
            if steps:
                self._put(steps, value, append=path in self._continued and isinstance(value, str))
            (self._continued.add if piece.get("willContinue") else self._continued.discard)(path)

    def _put(self, steps: list[str | int], value: Any, *, append: bool) -> None:
        place: Any = self._root
        for step, following in pairwise(steps):
            place = _inner(place, step, following)
            if place is None:
                return
        last = steps[-1]
        if isinstance(place, dict) and isinstance(last, str):
            known = cast("dict[str, Any]", place)
            before = known.get(last)
            known[last] = before + value if append and isinstance(before, str) else value
        elif isinstance(place, list) and isinstance(last, int):
            listed = cast("list[Any]", place)
            _grow(listed, last)
            before = listed[last]
            listed[last] = before + value if append and isinstance(before, str) else value


def _inner(place: Any, step: str | int, following: str | int) -> Any:
    """What stands at a step, made where nothing does; None where it cannot be."""
    empty: Any = [] if isinstance(following, int) else {}
    if isinstance(place, dict) and isinstance(step, str):
        return cast("dict[str, Any]", place).setdefault(step, empty)
    if isinstance(place, list) and isinstance(step, int):
        listed = cast("list[Any]", place)
        _grow(listed, step)
        if listed[step] is None:
            listed[step] = empty
        return listed[step]
    return None


def _grow(listed: list[Any], index: int) -> None:
    while len(listed) <= index:
        listed.append(None)


def _steps(path: str) -> list[str | int]:
    """The steps of a path; none where it is not understood, or too far from the root."""
    if not path.startswith("$"):
        return []
    steps: list[str | int] = []
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None or len(steps) >= MOST_STEPS:
            return []
        name, index, quoted = found.groups()
        if index is not None:
            if len(index) > 6 or int(index) >= MOST_ITEMS:
                return []
            steps.append(int(index))
        else:
            steps.append(name if name is not None else quoted)
        at = found.end()
    return steps
