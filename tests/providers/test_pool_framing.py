"""Framing: however the bytes of a server are split on their way, the same answer is heard."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import Broken, FreeholdError
from freehold.core.ports import Headers
from freehold.providers.connection import Connection, PoolLimits, Sending


class Wire(asyncio.Transport):
    """A transport that leads nowhere."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def abort(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0


class World:
    """The pool and the sink of one connection: what was heard, and what became of the connection."""

    def __init__(self) -> None:
        self.name = "acme"
        self.limits = PoolLimits()
        self.active: set[Sending] = set()
        self.heard: list[object] = []
        self.conn = Connection(self)
        self.conn.connection_made(Wire())

    def now(self) -> float:
        return 0.0

    def release(self, conn: Connection) -> None:
        self.heard.append("free")

    def forget(self, conn: Connection) -> None:
        self.heard.append("gone")

    def again(self, sending: Sending) -> None:
        self.heard.append("again")

    def drop(self, sending: Sending) -> None: ...

    def head(self, status: int, headers: Headers) -> None:
        self.heard.append((status, dict(headers)))

    def data(self, piece: bytes) -> None:
        if self.heard and isinstance(self.heard[-1], bytes):
            self.heard[-1] += piece
        else:
            self.heard.append(piece)

    def done(self) -> None:
        self.heard.append("done")

    def failed(self, error: FreeholdError) -> None:
        self.heard.append(type(error))

    def receive(self, data: bytes, cuts: Sequence[int], *, ends: bool = False) -> list[object]:
        """Everything heard when `data` arrives in pieces cut at `cuts`."""
        self.conn.write(Sending(self, b"", self, 0.0))
        edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
        for start, end in pairwise(edges):
            self.conn.data_received(data[start:end])
        if ends:
            self.conn.connection_lost(None)
        return self.heard


BODIES = st.lists(st.binary(min_size=1, max_size=40), max_size=5)
EVERYWHERE = range(2000)
CUTS = st.lists(st.integers(0, 2000), max_size=30) | st.just(EVERYWHERE)
INTERIM = st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"])


@given(pieces=BODIES, cuts=CUTS, interim=INTERIM)
def test_an_answer_of_stated_length_on_any_split(pieces: list[bytes], cuts: Sequence[int], interim: bytes) -> None:
    body = b"".join(pieces)
    wire = b"%bHTTP/1.1 200 OK\r\nX-Mixed: Case\r\nContent-Length: %d\r\n\r\n%b" % (interim, len(body), body)

    head = (200, {"x-mixed": "Case", "content-length": str(len(body))})
    assert World().receive(wire, cuts) == [head, *([body] if body else []), "free", "done"]


@given(
    pieces=BODIES,
    cuts=CUTS,
    interim=INTERIM,
    extension=st.sampled_from([b"", b";name=value"]),
    trailer=st.sampled_from([b"", b"x-checksum: 1\r\n", b"x-a: 1\r\nx-b:\r\n"]),
)
def test_a_chunked_answer_on_any_split(
    pieces: list[bytes], cuts: Sequence[int], interim: bytes, extension: bytes, trailer: bytes
) -> None:
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(p), extension, p) for p in pieces)
    wire = b"%bHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%b0\r\n%b\r\n" % (interim, chunks, trailer)

    heard = World().receive(wire, cuts)

    body = b"".join(pieces)
    assert heard[1:] == [*([body] if body else []), "free", "done"]
    assert isinstance(heard[0], tuple)
    assert heard[0][0] == 200


@given(pieces=BODIES, cuts=CUTS, interim=INTERIM)
def test_an_answer_that_ends_with_its_connection_on_any_split(
    pieces: list[bytes], cuts: Sequence[int], interim: bytes
) -> None:
    body = b"".join(pieces)
    wire = b"%bHTTP/1.1 200 OK\r\n\r\n%b" % (interim, body)

    assert World().receive(wire, cuts, ends=True) == [(200, {}), *([body] if body else []), "gone", "done"]


@given(pieces=BODIES, cuts=CUTS, keep=st.integers(0, 400))
def test_an_answer_that_is_cut_anywhere_is_broken_and_never_done(
    pieces: list[bytes], cuts: Sequence[int], keep: int
) -> None:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces)
    wire = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%b0\r\n\r\n" % chunks
    part = wire[: 1 + keep % (len(wire) - 1)]

    heard = World().receive(part, cuts, ends=True)

    assert heard[-2:] == ["gone", Broken]
    assert "done" not in heard


@given(data=st.binary(min_size=1, max_size=300), cuts=CUTS)
def test_bytes_that_are_not_http_end_in_one_failure(data: bytes, cuts: Sequence[int]) -> None:
    world = World()

    heard = world.receive(data, cuts, ends=True)

    assert [type(error) for error in heard].count(type) == 1
    assert Broken in heard


@given(body=st.binary(max_size=40), more=st.binary(min_size=1, max_size=60), cuts=CUTS)
def test_whatever_follows_an_answer_the_answer_is_heard_once_and_nothing_else(
    body: bytes, more: bytes, cuts: Sequence[int]
) -> None:
    wire = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)

    heard = [h for h in World().receive(wire + more, cuts) if h not in ("free", "gone")]

    assert heard == [(200, {"content-length": str(len(body))}), *([body] if body else []), "done"]
