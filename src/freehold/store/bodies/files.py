"""Bodies on disk: what every node collected, to be read, searched and forgotten. Writing is the `writer`'s."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import RLock

from freehold.core.interaction import Body
from freehold.store.bodies.segment import Place
from freehold.store.bodies.shelf import Shelf


class BodyFiles:
    """All shelves under a folder, one for each node. Safe to share among threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, Shelf] = {}
        self._reading = RLock()

    def get(self, id: str) -> Body | None:
        with self._reading:
            found = (shelf.get(id) for shelf in self._shelves())
            return next((body for body in found if body is not None), None)

    def scan(self, *, since: int = 0, until: int | None = None, route: str | None = None) -> Iterator[Body]:
        """Those accepted from `since` on and before `until` (UTC nanoseconds): node by node, and for each in the order
        in which the answers ended. StoreFailed names a damaged file, after what comes before the damage."""

        def wanted(place: Place) -> bool:
            return place.at >= since and (until is None or place.at < until) and (route is None or place.route == route)

        for home in self._homes():  # shelves of its own: it may be read slowly, and others read meanwhile
            yield from Shelf(home).scan(wanted, since, until)

    def forget(self, *, subject: str | None = None, ids: Sequence[str] = ()) -> int:
        """Remove what is of a subject, or has one of these ids: files that hold some are written anew without it.

        What another process has taken in within its last `FLUSH_SECONDS` may not be in a file yet, and stays.
        """
        chosen = frozenset(ids)

        def unwanted(place: Place) -> bool:
            return place.id in chosen or (subject is not None and place.subject == subject)

        with self._reading:
            return sum(shelf.remove(unwanted) for shelf in self._shelves())

    def _homes(self) -> list[Path]:
        return sorted(p for p in self.folder.iterdir() if p.is_dir()) if self.folder.is_dir() else []

    def _shelves(self) -> list[Shelf]:
        return [self._known.setdefault(home.name, Shelf(home)) for home in self._homes()]
