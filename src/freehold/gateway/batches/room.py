"""Room: how many requests of batches may be under way. They get what callers leave: none where callers are many or the
event loop is late."""

from collections.abc import Callable


class Room:
    """`most` requests may be under way, those of callers included, before those of batches wait. `running` counts all;
    `late` is how many seconds the loop was late when somebody looked last. `freed` is called when
    one has left."""

    LATE = 0.05
    """Seconds."""

    def __init__(self, most: int, running: Callable[[], int]) -> None:
        self.most = most
        self._running = running
        self._taken = 0
        self._sent = 0
        self.late = 0.0
        self.runs = 0
        self.freed: Callable[[], None] = lambda: None

    def take(self, wanted: int, *, mine: int) -> int:
        """Room for at most as many; `leave` gives each back. Whoever has `mine` under way gets a fair share in all."""
        callers = max(self._running() - self._sent, 0)
        free = self.most - callers - self._taken if self.late < self.LATE else 0
        share = max(self.most // max(self.runs, 1), 1) - mine
        taken = max(min(wanted, free, share), 0)
        self._taken += taken
        return taken

    def enter(self) -> None:
        """One that was taken is sent."""
        self._sent += 1

    def leave(self, *, sent: bool) -> None:
        self._taken -= 1
        self._sent -= sent
        self.freed()
