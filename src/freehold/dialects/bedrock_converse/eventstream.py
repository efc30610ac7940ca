"""AWS event streams (application/vnd.amazon.eventstream; docs.aws.amazon.com, "Event stream encoding"): messages cut
out of a byte stream, whatever the split, and written.

A message is: its length and that of its headers (4 bytes each, big-endian), a CRC-32 of those eight, the headers, the
payload, and a CRC-32 of all before it.
"""

import struct
from collections.abc import Mapping
from zlib import crc32

from msgspec import Struct

from freehold.core.errors import Broken

PRELUDE = 12
TAIL = 4
LEAST = PRELUDE + TAIL
MOST_HEADERS = 128 * 1024
MOST = 24 * 1024 * 1024
"""Bytes of a message, as the encoding bounds them."""
_TEXT = 7
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of the value of a header, by its type; 6 (bytes) and 7 (text) say their length in two."""
_prelude = struct.Struct(">III").unpack_from
_word = struct.Struct(">I").unpack_from


class Message(Struct, frozen=True, gc=False):
    """One message. `headers` are those whose value is text; `raw` is all of it as it came."""

    headers: Mapping[str, str]
    payload: bytes
    raw: bytes


class Messages:
    """Cuts messages and checks both sums of each. What is incomplete waits for the next piece."""

    __slots__ = ("_known", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._known: dict[bytes, Mapping[str, str]] = {}

    def feed(self, piece: bytes, into: list[Message]) -> None:
        """Adds the messages that are whole now; Broken where one is damaged, after those before it."""
        data = self._rest + piece if self._rest else piece
        start, size = 0, len(data)
        try:
            while size - start >= PRELUDE:
                length, head, told = _prelude(data, start)
                if told != crc32(data[start : start + 8]):
                    raise Broken("The provider sent an event whose prelude fails its checksum")
                if not LEAST + head <= length <= MOST or head > MOST_HEADERS:
                    raise Broken(f"The provider sent an event of {length} bytes with {head} of headers")
                end = start + length
                if size < end:
                    break
                into.append(self._whole(data[start:end], PRELUDE + head))
                start = end
        finally:
            self._rest = data[start:]

    def _whole(self, raw: bytes, payload: int) -> Message:
        if _word(raw, len(raw) - TAIL)[0] != crc32(raw[:-TAIL]):
            raise Broken("The provider sent an event that fails its checksum")
        head = raw[PRELUDE:payload]
        known = self._known.get(head)
        if known is None:
            known = _read(head)
            if len(self._known) < 64:  # the same few come again and again
                self._known[head] = known
        return Message(known, raw[payload:-TAIL], raw)

    @property
    def rest(self) -> bytes:
        """What came after the last whole message."""
        return self._rest


def _read(data: bytes) -> Mapping[str, str]:
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            end = at + 1 + data[at]
            name, kind = data[at + 1 : end].decode(), data[end]
            at = end + 1
            if kind in (6, _TEXT):
                size = int.from_bytes(data[at : at + 2], "big")
                at += 2
            else:
                size = _SIZES[kind]
            if at + size > len(data):
                raise IndexError
            if kind == _TEXT:
                found[name] = data[at : at + size].decode()
            at += size
    except (IndexError, KeyError, UnicodeDecodeError):
        raise Broken("The provider sent an event with damaged headers") from None
    return found


def message(head: bytes, payload: bytes) -> bytes:
    """One message as bytes; `head` are its headers as `headers` writes them."""
    prelude = struct.pack(">II", LEAST + len(head) + len(payload), len(head))
    data = b"%b%b%b%b" % (prelude, crc32(prelude).to_bytes(4, "big"), head, payload)
    return data + crc32(data).to_bytes(4, "big")


def headers(values: Mapping[str, str]) -> bytes:
    """Headers, each of text."""
    return b"".join(
        b"%c%b\x07%b%b" % (len(name), name.encode(), len(text := value.encode()).to_bytes(2, "big"), text)
        for name, value in values.items()
    )


_EVENTS: dict[str, bytes] = {}
"""Headers of events as they are written; the same few come with every stream."""


def event(kind: str, payload: bytes) -> bytes:
    """An event of a stream, as Bedrock frames it."""
    head = _EVENTS.get(kind)
    if head is None:
        head = headers({":event-type": kind, ":content-type": "application/json", ":message-type": "event"})
        if len(_EVENTS) < 64:
            _EVENTS[kind] = head
    return message(head, payload)


def exception(kind: str, payload: bytes) -> bytes:
    """What ends a stream that failed."""
    named = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return message(headers(named), payload)
