"""Creep: steps that each pass, and that together come to what would not have passed at once.

So an offer is seen beside what it was `WINDOW` ago as well, or beside what the operator last decided about it since: by
accepting it, or by going back to another snapshot.
"""

from collections.abc import Mapping
from itertools import pairwise

from freehold.catalog.book import Catalog, stood, today
from freehold.catalog.diff import differing
from freehold.catalog.snapshots import PACKAGED, Snapshots, Standing
from freehold.catalog.suspicion import of_figures

WINDOW = 30 * 24 * 60 * 60 * 1_000_000_000
"""Nanoseconds."""


def creeping(snapshots: Snapshots, new: Catalog, now: int) -> Mapping[str, tuple[str, ...]]:
    """Why figures of offers have crept too far within `WINDOW` of an instant, by 'PROVIDER/ID'."""
    start, decided = _marks(snapshots, now)
    found: dict[str, tuple[str, ...]] = {}
    for standing in {one.number: one for one in (start, *decided.values())}.values():
        base = _whole(snapshots, standing)
        if base is None:
            continue
        before, after = differing(base.file, new.file)
        since = today(max(standing.at, now - WINDOW))
        for name in sorted(before.keys() & after.keys()):
            if decided.get(name, start) is standing:
                doubts = of_figures(before[name], after[name], base, new, today(now))
                found[name] = tuple(f"since {since}, {doubt}" for doubt in doubts)
    return found


def _marks(snapshots: Snapshots, now: int) -> tuple[Standing, Mapping[str, Standing]]:
    """What held `WINDOW` ago, and for each offer that the operator decided about since then, what held from then on."""
    window: list[Standing] = []
    for one in snapshots.history():
        window.append(one)
        if one.made_at <= now - WINDOW:
            break
    window.reverse()
    start, decided = window[0], dict[str, Standing]()
    used = {start.snapshot, PACKAGED}
    for before, one in pairwise(window):
        if one.snapshot == before.snapshot:
            moved = {held.subject for held in before.held} ^ {held.subject for held in one.held}
            decided.update(dict.fromkeys(moved, one))
        elif one.snapshot in used:  # they went back
            start, decided = one, {}
        used.add(one.snapshot)
    return start, decided


def _whole(snapshots: Snapshots, standing: Standing) -> Catalog | None:
    """The catalog of a standing; None where its file is gone, which must not keep a new one out."""
    if standing.snapshot != PACKAGED and not snapshots.has(standing.snapshot):
        return None
    return stood(snapshots, standing)
