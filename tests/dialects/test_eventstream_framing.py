"""AWS event streams: messages are cut whatever the split, both sums are checked, and the SDK reads what is written."""

import struct
from base64 import b64decode
from zlib import crc32

import pytest
from bedrock_world import ALL, every
from recorded import Row, name, needs_recordings

from freehold.core.errors import Broken
from freehold.dialects.bedrock_converse.eventstream import (
    MOST,
    Message,
    Messages,
    event,
    exception,
    headers,
    message,
)

BINARY = [row for row in ALL if "body_base64" in row["response"]]
TWO = event("messageStart", b'{"role":"assistant"}') + event("messageStop", '{"ü":1}'.encode())


def cut(body: bytes, size: int | None = None) -> tuple[list[Message], bytes]:
    messages, found = Messages(), list[Message]()
    for piece in every(body, size or max(len(body), 1)):
        messages.feed(piece, found)
    return found, messages.rest


def test_a_message_says_its_headers_and_its_payload() -> None:
    found, rest = cut(TWO)
    assert [(m.headers[":event-type"], m.payload) for m in found] == [
        ("messageStart", b'{"role":"assistant"}'),
        ("messageStop", '{"ü":1}'.encode()),
    ]
    assert b"".join(m.raw for m in found) == TWO
    assert rest == b""


def test_a_message_without_headers_or_payload_is_one() -> None:
    """One of the examples that AWS publishes with its encoding."""
    empty = bytes.fromhex("000000100000000005c248eb7d98c8ff")
    found, _ = cut(empty)
    assert [(dict(m.headers), m.payload) for m in found] == [({}, b"")]
    assert message(b"", b"") == empty


def test_a_published_message_with_headers_and_payload_is_read_and_written_as_published() -> None:
    published = bytes.fromhex(
        "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e"
        "7b27666f6f273a27626172277d8d9c08b1"
    )
    found, _ = cut(published)
    assert [(dict(m.headers), m.payload) for m in found] == [({"content-type": "application/json"}, b"{'foo':'bar'}")]
    assert message(headers({"content-type": "application/json"}), b"{'foo':'bar'}") == published


def test_every_type_of_header_is_passed_over_and_text_is_kept() -> None:
    typed = (
        b"\x01a\x00" b"\x01b\x01" b"\x01c\x02\xff" b"\x01d\x03\x00\x01" b"\x01e\x04\x00\x00\x00\x01"
        b"\x01f\x05\x00\x00\x00\x00\x00\x00\x00\x01" b"\x01g\x06\x00\x02ab" b"\x01h\x07\x00\x02cd"
        b"\x01i\x08\x00\x00\x00\x00\x00\x00\x00\x01" b"\x01j\x09" + bytes(16) + b"\x01k\x07\x00\x00"
    )  # fmt: skip
    found, _ = cut(message(typed, b"x"))
    assert dict(found[0].headers) == {"h": "cd", "k": ""}


@pytest.mark.parametrize("size", range(1, len(TWO)))
def test_any_split_of_the_bytes_gives_the_same_messages(size: int) -> None:
    assert cut(TWO, size) == cut(TWO)


@pytest.mark.parametrize("at", range(len(TWO)))
def test_a_byte_that_was_changed_is_found(at: int) -> None:
    damaged = bytearray(TWO)
    damaged[at] ^= 0x40
    first = len(event("messageStart", b'{"role":"assistant"}'))
    messages, found = Messages(), list[Message]()
    with pytest.raises(Broken):
        messages.feed(bytes(damaged), found)
    assert len(found) == (1 if at >= first else 0), "what came before it was given out"


def prelude(size: int, head: int) -> bytes:
    both = struct.pack(">II", size, head)
    return both + crc32(both).to_bytes(4, "big")


@pytest.mark.parametrize(("size", "head"), [(15, 0), (MOST + 1, 0), (0xFFFFFFFF, 0), (100, 90), (1 << 20, 200_000)])
def test_lengths_that_no_message_has_are_refused_before_anything_is_kept(size: int, head: int) -> None:
    with pytest.raises(Broken):
        cut(prelude(size, head))


@pytest.mark.parametrize(
    "head",
    [b"\x05ab", b"\x01a\x0a", b"\x01a", b"\x01a\x07\x00\x09x", b"\x01a\x07\x00", b"\x01a\x04\x00", b"\x01\xff\x00"],
)
def test_headers_that_are_damaged_are_refused(head: bytes) -> None:
    with pytest.raises(Broken):
        cut(message(head, b"{}"))


def test_what_is_not_whole_waits() -> None:
    found, rest = cut(TWO[:-1])
    assert len(found) == 1
    assert TWO.endswith(rest + TWO[-1:])


def test_the_sdk_reads_what_is_written() -> None:
    buffer = pytest.importorskip("botocore.eventstream").EventStreamBuffer()
    buffer.add_data(TWO + exception("throttlingException", b'{"message":"slow"}'))
    assert [(m.headers, m.payload) for m in buffer] == [
        (
            {":event-type": "messageStart", ":content-type": "application/json", ":message-type": "event"},
            b'{"role":"assistant"}',
        ),
        (
            {":event-type": "messageStop", ":content-type": "application/json", ":message-type": "event"},
            '{"ü":1}'.encode(),
        ),
        (
            {
                ":exception-type": "throttlingException",
                ":content-type": "application/json",
                ":message-type": "exception",
            },
            b'{"message":"slow"}',
        ),
    ]


@needs_recordings
@pytest.mark.parametrize("row", BINARY, ids=name)
def test_a_recorded_stream_is_cut_and_written_again_byte_for_byte(row: Row) -> None:
    body = b64decode(row["response"]["body_base64"])
    found, rest = cut(body)
    assert rest == b""
    assert b"".join(event(m.headers[":event-type"], m.payload) for m in found) == body
    for size in (1, 7, 64):
        assert cut(body, size)[0] == found


@needs_recordings
def test_there_are_five_streams_recorded_in_binary() -> None:
    assert len(BINARY) >= 5
