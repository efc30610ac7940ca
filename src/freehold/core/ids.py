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


_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_BLOCK = 128


class RandomIds:
    """Fresh UUIDv7 from the clock, put together from hexadecimal text.

    Random parts are made in blocks, since a system call for each id is dear; the time is written once a millisecond.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._parts: list[str] = []
        self._millis = -1
        self._time = ""

    def __call__(self) -> str:
        millis = self._clock() // 1_000_000
        if millis != self._millis:
            digits = f"{millis & 0xFFFFFFFFFFFF:012x}"
            self._millis, self._time = millis, f"{digits[:8]}-{digits[8:]}-7"
        if not self._parts:
            self._parts = _parts()
        return self._time + self._parts.pop()


def _parts() -> list[str]:
    """Random parts of ids: what follows the version."""
    block = os.urandom(10 * _BLOCK).hex()
    digits = [block[at : at + 20] for at in range(0, len(block), 20)]
    return [f"{d[:3]}-{_VARIANT[d[3]]}{d[4:7]}-{d[7:19]}" for d in digits]
