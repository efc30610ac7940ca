"""Ids: UUIDv7 (RFC 9562 section 5.7), which sort by time."""

import os
from collections.abc import Callable

Ids = Callable[[], str]
"""Makes a new id. Handed in wherever one is needed, so that tests and replays know what comes."""


def uuid7(now_ns: int, random: bytes) -> str:
    """The UUIDv7 for a time (UTC nanoseconds) and ten random bytes."""
    millis = now_ns // 1_000_000
    value = (millis & 0xFFFFFFFFFFFF) << 80 | int.from_bytes(random, "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    h = f"{value:032x}"
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


class RandomIds:
    """Fresh UUIDv7 from the clock; the random bytes are drawn in blocks, since a system call for each id is dear."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._block = b""
        self._at = 0

    def __call__(self) -> str:
        if self._at >= len(self._block):
            self._block, self._at = os.urandom(2560), 0
        random = self._block[self._at : self._at + 10]
        self._at += 10
        return uuid7(self._clock(), random)
