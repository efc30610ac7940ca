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
_NAME = re.compile(rb"(?:^|[\r\n])event: ?([^\r\n]*)")
_LONGEST_BLANK = 4
BOM = b"\xef\xbb\xbf"


class Frames:
    """Cuts frames. What is incomplete waits for the next piece, up to `limit` bytes; each byte is looked at once."""

    __slots__ = ("_first", "_limit", "_rest")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._rest = bytearray()
        self._limit = limit
        self._first = True

    def feed(self, piece: bytes) -> list[Frame]:
        """The frames that are whole now; Broken where one exceeds the limit."""
        rest = self._rest
        if len(rest) > self._limit:
            raise Broken(f"The provider sent an event larger than {self._limit} bytes")
        if self._first:
            piece = self._begin(piece)
        # The ordinary case: line feeds only, each event one `data: ` line, the piece ends with an event.
        if not rest and b"\r" not in piece:
            *whole, left = piece.split(b"\n\n")
            frames = [(raw + b"\n\n", payload(raw)) for raw in whole]
            rest += left
        else:
            seen = len(rest)
            rest += piece
            frames = self._careful(max(seen - _LONGEST_BLANK, 0))
        return frames

    def _begin(self, piece: bytes) -> bytes:
        """The piece without a byte order mark at the very beginning; part of one waits."""
        start = bytes(self._rest) + piece
        self._rest.clear()
        if len(start) < len(BOM) and BOM.startswith(start):
            self._rest += start
            return b""
        self._first = False
        return start.removeprefix(BOM)

    def _careful(self, at: int) -> list[Frame]:
        """Any mixture of line ends, looked for from `at`. A carriage return at the very end may be half of one: it
        waits."""
        rest = self._rest
        frames: list[Frame] = []
        start = 0
        for blank in _BLANK.finditer(rest, at):
            if blank.end() == len(rest) and rest.endswith(b"\r"):
                break
            frames.append((bytes(rest[start : blank.end()]), payload(bytes(rest[start : blank.start()]))))
            start = blank.end()
        del rest[:start]
        return frames

    def rest(self) -> bytes:
        """What came after the last whole frame."""
        return bytes(self._rest)


def named(raw: bytes) -> bytes:
    """The `event` field of a frame, b"" without one."""
    found = _NAME.search(raw)
    return b"" if found is None else found[1].strip()


def replaced(raw: bytes, data: bytes) -> bytes:
    """A frame with other data of one line; its comments and other fields stay."""
    lines = [line for line in _LINE.split(raw) if line and not line.startswith(b"data:")]
    return b"\n".join([*lines, b"data: " + data, b"", b""])


def payload(raw: bytes) -> bytes:
    """The data of a frame."""
    if raw.startswith(b"data: ") and b"\n" not in raw and b"\r" not in raw:
        return raw[6:]
    found: list[bytes] = []
    for line in _LINE.split(raw):
        if line.startswith(b"data:"):
            found.append(line[6:] if line[5:6] == b" " else line[5:])
    return b"\n".join(found)
