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
CR, LF = b"\r\n"
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
        if self._first:
            piece = self._begin(piece)
        if self._rest or CR in piece:
            return self._careful(piece)
        # The ordinary case: line feeds only, each event one `data: ` line, the piece ends with an event.
        frames: list[Frame] = []
        start, size = 0, len(piece)
        while (end := piece.find(b"\n", start) + 1) and end < size:
            single = piece[end] == LF
            if not single and not (end := piece.find(b"\n\n", end) + 1):
                break
            raw = piece[start : end + 1]
            frames.append((raw, raw[6:-2] if single and raw.startswith(b"data: ") else payload(raw)))
            start = end + 1
        if start < size:
            self._rest += piece[start:]
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

    def _careful(self, piece: bytes) -> list[Frame]:
        """Any mixture of line ends, in what waited and the piece. A carriage return at the very end may be half of
        one: it waits."""
        rest = self._rest
        if len(rest) > self._limit:
            raise Broken(f"The provider sent an event larger than {self._limit} bytes")
        seen = len(rest)
        rest += piece
        frames: list[Frame] = []
        start = 0
        for blank in _BLANK.finditer(rest, max(seen - _LONGEST_BLANK, 0)):
            if blank.end() == len(rest) and rest.endswith(b"\r"):
                break
            raw = bytes(rest[start : blank.end()])
            frames.append((raw, payload(raw)))
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
    found: list[bytes] = []
    for line in _LINE.split(raw):
        if line.startswith(b"data:"):
            found.append(line[6:] if line[5:6] == b" " else line[5:])
    return b"\n".join(found)
