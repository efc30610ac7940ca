"""Server-sent events cut out of bytes: the same frames whatever the split and the line ends; nothing lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.errors import Broken
from freehold.dialects.sse import Frames, named, payload, replaced

fuzz = settings(max_examples=500, deadline=None, derandomize=True, database=None)


def cut(*pieces: bytes) -> tuple[list[bytes], list[bytes], bytes]:
    frames = Frames()
    found = [frame for piece in pieces for frame in frames.feed(piece)]
    return [raw for raw, _ in found], [data for _, data in found], frames.rest()


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b": ping\n\ndata: a\n\n", [b"", b"a"]),
        (b": ping\ndata: a\n\n", [b"a"]),
        (b"event: x\nid: 1\nretry: 5\ndata: a\n\n", [b"a"]),
        (b"data: a\ndatum: b\n\n", [b"a"]),
        (b"data\n\n", [b""]),
        (b"\n\ndata: a\n\n", [b"", b"a"]),
        (b"\ndata: a\n\n", [b"a"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\rx", [b"a", b"b"]),
        (b"data: a\n\r\ndata: b\r\n\ndata: c\n\n", [b"a", b"b", b"c"]),
        (b"data: a\rdata: b\r\n\r\n", [b"a\nb"]),
        (b"data: a\r\rdata: b\n\n", [b"a", b"b"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        ("data: é\u2028\u0085\n\n".encode(), ["é\u2028\u0085".encode()]),
        (b"data: a\n", []),
        (b"", []),
    ],
)
def test_frames_are_found_whatever_ends_a_line(body: bytes, data: list[bytes]) -> None:
    for pieces in ([body], [body[i : i + 1] for i in range(len(body))], [body[:3], b"", body[3:]]):
        assert cut(*pieces)[1] == data


parts = st.sampled_from(
    [b"data: a", b"data:b", b": c", b"event: e", b"x", b"", b"\n", b"\r", b"\r\n", b"\n\n", b"\xef"]
)


@fuzz
@given(parts=st.lists(parts, max_size=14), cuts=st.lists(st.integers(0, 60), max_size=6))
def test_the_split_of_the_bytes_changes_nothing_and_nothing_is_lost(parts: list[bytes], cuts: list[int]) -> None:
    body = b"".join(parts)
    edges = sorted({0, len(body), *(c for c in cuts if c < len(body))})
    pieces = [body[a:b] for a, b in zip(edges, [*edges[1:], len(body)], strict=True)]

    raws, data, rest = cut(*pieces)
    assert b"".join(raws) + rest == body
    assert [d for d in data if d] == [d for d in cut(body)[1] if d]
    assert [d for d in data if d] == [d for d in oracle(body) if d]


def oracle(body: bytes) -> list[bytes]:
    """The data of each whole frame, line by line as the standard says. A carriage return at the very end waits."""
    text = body[:-1] if body.endswith(b"\r") else body
    lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    found, data = list[bytes](), list[bytes]()
    for line in lines[:-1]:
        if not line:
            found.append(b"\n".join(data))
            data = []
        elif line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
    return found


def test_an_event_may_be_as_large_as_the_limit_and_not_larger() -> None:
    frames = Frames(limit=20)
    assert frames.feed(b"data: " + b"a" * 10) == []
    assert frames.feed(b"aaaa\n\n")[0][1] == b"a" * 14

    assert frames.feed(b"data: " + b"a" * 15) == []
    with pytest.raises(Broken, match="larger than 20 bytes"):
        frames.feed(b"a")


def test_a_frame_keeps_its_other_fields_when_its_data_is_replaced() -> None:
    raw = b": note\r\nevent: message\r\ndata: {\r\ndata: }\r\nid: 7\r\n\r\n"

    assert payload(raw) == b"{\n}"
    assert named(raw) == b"message"
    assert named(b'data: {"event: error"}\n\n') == b""
    again = replaced(raw, b"[]")
    assert again == b": note\nevent: message\nid: 7\ndata: []\n\n"
    assert payload(again) == b"[]"
