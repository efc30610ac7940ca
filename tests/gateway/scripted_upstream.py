"""A provider that writes what a test tells it to, byte for byte; and the bytes of good answers."""

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

SOON = 60
"""Seconds after which a test that waits for an event gives up."""


class Upstream:
    """A provider that writes what it is told, byte for byte, on plain threads. `asked`: the bodies it was sent;
    `heads`: what came before each.

    `say` gives for the number of a request (from 0) the pieces to write; an Event among them is waited for. After the
    pieces the connection is closed unless the last one is KEEP.
    """

    def __init__(self, say: Callable[[int], "list[bytes | threading.Event]"]) -> None:
        self.asked: list[bytes] = []
        self.heads: list[bytes] = []
        self.left = threading.Event()
        """Somebody closed a connection on which an answer was still being written."""
        self._say = say
        self._numbers = count()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []
        self._threads[0].start()

    def __enter__(self) -> "Upstream":
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._threads[0].join()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                one, _ = self._listening.accept()
            except OSError:
                return
            one.settimeout(SOON)
            self._open.append(one)
            thread = threading.Thread(target=self._serve, args=(one,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, one: socket.socket) -> None:
        with one, one.makefile("rb") as lines:
            try:
                while self._answer(one, lines):
                    pass
            except OSError:
                self.left.set()

    def _answer(self, one: socket.socket, lines: Any) -> bool:
        """One request and its answer; whether the connection goes on."""
        size, head = 0, b""
        while (line := lines.readline()) not in {b"\r\n", b""}:
            name, _, value = line.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
            head += line
        if not line:
            return False
        self.heads.append(head)
        self.asked.append(lines.read(size))
        pieces = self._say(next(self._numbers))
        for piece in pieces:
            if piece is LEAVE:
                while one.recv(65536):
                    pass
                raise ConnectionResetError
            if isinstance(piece, threading.Event):
                assert piece.wait(SOON)
            elif piece is not KEEP:
                one.sendall(piece)
        return bool(pieces) and pieces[-1] is KEEP


KEEP = bytes(bytearray(b"keep"))
"""As the last piece: the connection stays open for the next request."""


LEAVE = bytes(bytearray(b"leave"))
"""As a piece: wait until the other side closes."""


def always(*pieces: "bytes | threading.Event") -> "Callable[[int], list[bytes | threading.Event]]":
    """The same answer to every request."""
    return lambda _: list(pieces)


def turns(*answers: "list[bytes | threading.Event]") -> "Callable[[int], list[bytes | threading.Event]]":
    """These answers in turn, the last again and again."""
    return lambda number: answers[min(number, len(answers) - 1)]


def sized(body: bytes, *headers: str, status: int = 200) -> bytes:
    """An answer with its length."""
    lines = [f"HTTP/1.1 {status} Status", "content-type: application/json", *headers, f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def completion(text: str = "good") -> bytes:
    """A whole answer."""
    return json.dumps(
        {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }
    ).encode()


STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunked(*frames: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(f), f) for f in frames if f)


def delta(**said: Any) -> bytes:
    """A frame of a stream."""
    finish = said.pop("finish", None)
    choices = [{"index": 0, "delta": said, "finish_reason": finish}]
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def providers(
    *ports: int, retry: str = "backoff_ms = 1\nmax_backoff_ms = 100", more: str = "", account: str = ""
) -> str:
    """Settings: a route `r` over one provider for each port, in their order, `up0` with deployment `d0` and so on."""
    out = [f"[retry]\n{retry}\n", more]
    for number, port in enumerate(ports):
        out.append(f'[providers.up{number}]\nbase_url = "http://127.0.0.1:{port}/v1"\n{account}')
        out.append(f'[deployments.d{number}]\nprovider = "up{number}"\nmodel = "m{number}"\n')
        out.append('price = { input = "1.00", output = "2.00" }\n')
    names = ", ".join(f'"d{n}"' for n in range(len(ports)))
    out.append(f"[routes.r]\ndeployments = [{names}]\nordered = true\n")
    return "".join(out)
