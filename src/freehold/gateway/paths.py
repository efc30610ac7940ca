"""Paths: which dialect is spoken at a path of the front door."""

from collections.abc import Container, Mapping, Sequence

from msgspec import Struct

from freehold.dialects.dialect import Dialect


class Pattern(Struct, frozen=True):
    """Every path that begins and ends so, with the name of a model in between."""

    begin: bytes
    end: bytes
    dialect: Dialect


class Paths:
    """The paths at which inference is asked for. `first` is the dialect of errors where none is known; `below` are the
    beginnings of paths that one dialect has for itself, `marks` headers that only its clients send."""

    def __init__(
        self,
        exact: Mapping[bytes, Dialect],
        patterns: Sequence[Pattern] = (),
        *,
        below: Mapping[bytes, Dialect] | None = None,
        marks: Mapping[bytes, Dialect] | None = None,
    ) -> None:
        self._exact = dict(exact)
        self._patterns = tuple(patterns)
        self._below = dict(below or {})
        self._marks = dict(marks or {})
        self.first = next(iter(exact.values()))

    def get(self, path: bytes) -> Dialect | None:
        """The dialect spoken there; `path` is without query."""
        dialect = self._exact.get(path)
        if dialect is None:
            for pattern in self._patterns:
                if path.startswith(pattern.begin) and path.endswith(pattern.end):
                    return pattern.dialect
        return dialect

    def near(self, path: bytes, headers: Container[bytes] = ()) -> Dialect:
        """The dialect of a caller at any path: that spoken there; that of which it sends a header; that spoken above
        the path; or the first one."""
        dialect = self.get(path)
        if dialect is None:
            dialect = next((one for begin, one in self._below.items() if path.startswith(begin)), None)
        if dialect is None:
            dialect = next((one for mark, one in self._marks.items() if mark in headers), None)
        if dialect is not None:
            return dialect
        for known in self._exact.values():
            if any(name in headers for name in known.passes):
                return known
        above = [hot for hot in self._exact if path.startswith(hot + b"/")]
        return self._exact[max(above, key=len)] if above else self.first

    def named(self) -> list[str]:
        """Every path, for people."""
        shown = [f"{p.begin.decode()}MODEL{p.end.decode()}" for p in self._patterns]
        return [path.decode() for path in self._exact] + shown
