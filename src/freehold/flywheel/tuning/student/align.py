"""Where the pieces that a target names stand in its text: targets become tags of tokens."""

from collections.abc import Mapping, Sequence

from freehold.runtime.student.tokens import Token

Place = tuple[int, int]
"""First token and the one after the last."""


def places(text: str, row: Sequence[Token], surface: str) -> list[Place]:
    """Where a piece stands, from token edge to token edge; where it stands exactly, else ignoring case."""
    if not surface:
        return []
    starts = {t.start: i for i, t in enumerate(row)}
    ends = {t.end: i + 1 for i, t in enumerate(row)}
    for haystack, needle in ((text, surface), (text.lower(), surface.lower())):
        found: list[Place] = []
        at = haystack.find(needle)
        while at >= 0:
            first, last = starts.get(at), ends.get(at + len(needle))
            if first is not None and last is not None:
                found.append((first, last))
            at = haystack.find(needle, at + 1)
        if found:
            return found
    return []


def tags(text: str, row: Sequence[Token], wanted: Mapping[int, Sequence[str]]) -> list[int] | None:
    """The tag of each token: 0 outside, 2f + 1 where a span of field f begins, 2f + 2 where it goes on.

    The fields with longer pieces choose first; a list's pieces stand in its order. None where a piece stands nowhere
    that is free.
    """
    out = [0] * len(row)
    after: dict[int, int] = {}
    pieces = [(field, piece) for field, found in wanted.items() for piece in found]
    many = {field for field, found in wanted.items() if len(found) > 1}
    longest = {field: max(map(len, found), default=0) for field, found in wanted.items()}
    for field, piece in sorted(pieces, key=lambda p: (-longest[p[0]], p[0])):
        least = after.get(field, 0)
        for first, last in places(text, row, piece):
            if first >= least and not any(out[first:last]):
                out[first:last] = [2 * field + 1] + [2 * field + 2] * (last - first - 1)
                if field in many:
                    after[field] = last
                break
        else:
            return None
    return out
