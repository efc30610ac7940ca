"""Tool calls told apart: which call a piece belongs to, whatever its provider counts by.

OpenAI gives each call an index, its first piece carrying id and name. Others leave the index out, give every call the
same one (told apart by id and name), or repeat id and name on each piece.
"""


class Calls:
    """The calls of one answer. A call keeps its provider's index where no other has it, else takes the next."""

    __slots__ = ("_at", "_ids", "_last", "_next")

    def __init__(self) -> None:
        self._at: dict[tuple[int, object], int] = {}  # by choice and the provider's index, or its id without one
        self._ids: dict[tuple[int, int], str] = {}
        self._last: dict[int, int] = {}
        self._next: dict[int, int] = {}

    def index(self, choice: int, said: int | None, id_: str, name: str, *, again: bool) -> int:
        """The index of the call of a piece. `again`: an earlier piece of this chunk said the same index and id, so
        that one with a name is another call."""
        index = None if again and name else self._known(choice, said, id_, name)
        if index is None:
            after = self._next.get(choice, 0)
            index = after if said is None or (choice, said) in self._ids else said
            self._next[choice] = max(after, index + 1)
            self._ids[choice, index] = id_
        elif id_ and not self._ids[choice, index]:
            self._ids[choice, index] = id_
        if said is not None:
            self._at[choice, said] = index
        elif id_:
            self._at[choice, id_] = index
        self._last[choice] = index
        return index

    def _known(self, choice: int, said: int | None, id_: str, name: str) -> int | None:
        if said is not None:
            index = self._at.get((choice, said))
            if index is None or not (id_ and name):
                return index
            return index if self._ids[choice, index] in {"", id_} else None
        if id_:
            return self._at.get((choice, id_))
        return None if name else self._last.get(choice)
