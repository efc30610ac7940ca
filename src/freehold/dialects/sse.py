"""Server-sent events (WHATWG HTML, section 9.2.6): frames cut out of a byte stream, whatever the split.

A frame is (raw, data): the bytes as they came with their blank line, and the payload of the `data` fields joined by
line feeds; data is b"" for a frame that is only a comment.
"""

import re

from freehold.core.errors import Broken

Frame = tuple[bytes, bytes]
MAX_FRAME = 8 * 1024 * 1024
_BLANK = re.compile(rb"\r\n\r\n|\n\n|\r\r(?!\n)|\n\r\n|\r\n\n|\n\r(?!\n)|\r\r\n")
_LINE = re.compile(rb"\r\n|\n|\r")
BOM = b"\xef\xbb\xbf"


class Frames:
    """Cuts frames. What is incomplete waits for the next piece, up to `limit` bytes."""

    __slots__ = ("_first", "_limit", "_rest")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._rest = b""
        self._limit = limit
        self._first = True

    def feed(self, piece: bytes) -> list[Frame]:
        """The frames that are whole now; Broken where one exceeds the limit."""
        data = self._rest + piece if self._rest else piece
        if self._first:
            self._first = False
            if data[:1] == BOM[:1]:
                data = data.removeprefix(BOM)
        # The ordinary case: line feeds only, each event one `data: ` line, the piece ends with an event.
        if b"\r" not in data:
            *whole, self._rest = data.split(b"\n\n")
            frames = [(raw + b"\n\n", _data(raw)) for raw in whole]
        else:
            frames = self._careful(data)
        if len(self._rest) > self._limit:
            raise Broken(f"The provider sent an event larger than {self._limit} bytes")
        return frames

    def _careful(self, data: bytes) -> list[Frame]:
        """Any mixture of line ends. A carriage return at the very end may be half of one: it waits."""
        frames: list[Frame] = []
        start = 0
        for blank in _BLANK.finditer(data):
            if blank.end() == len(data) and data.endswith(b"\r"):
                break
            frames.append((data[start : blank.end()], _data(data[start : blank.start()])))
            start = blank.end()
        self._rest = data[start:]
        return frames

    def rest(self) -> bytes:
        """What came after the last whole frame."""
        return self._rest


def _data(raw: bytes) -> bytes:
    if raw.startswith(b"data: ") and b"\n" not in raw and b"\r" not in raw:
        return raw[6:]
    found: list[bytes] = []
    for line in _LINE.split(raw):
        if line.startswith(b"data:"):
            found.append(line[6:] if line[5:6] == b" " else line[5:])
    return b"\n".join(found)
