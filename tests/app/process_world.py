"""What the tests of the process share: a real `freehold up`, a caller of it, a provider that waits, the ledger."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from freehold.core.inference import Inference
from freehold.ledger.reader import read

FREEHOLD = [sys.executable, "-m", "freehold"]
SOON = 60
"""Seconds after which a test that waits for an event gives up."""


class Process:
    """A running `freehold up`. `said`: the lines of its start."""

    def __init__(self, running: subprocess.Popen[str], data: Path) -> None:
        self.running = running
        self.data = data
        self.said = self.until("curl ")
        line = next(line for line in self.said if "base_url " in line)
        self.base_url = line.split("base_url ")[1].split(")")[0]
        host, _, port = self.base_url.removeprefix("http://").removesuffix("/v1").rpartition(":")
        self.address = (host, int(port))

    def until(self, wanted: str) -> list[str]:
        """The next lines it says, up to one with `wanted`."""
        assert self.running.stdout is not None
        lines: list[str] = []
        for line in self.running.stdout:
            lines.append(line.rstrip("\n"))
            if wanted in line:
                return lines
        raise AssertionError(f"it ended after {lines}")

    def signal(self, number: signal.Signals) -> None:
        self.running.send_signal(number)

    def end(self) -> int:
        """Wait for its end; the exit status."""
        assert self.running.stdout is not None
        self.running.stdout.read()
        return self.running.wait(SOON)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=SOON)

    def post(self, model: str, *, stream: bool = False) -> http.client.HTTPResponse:
        """Send a request and read the head of the answer."""
        one = self.connect()
        with one:
            one.sendall(request(model, stream=stream))
            answer = http.client.HTTPResponse(one)
            answer.begin()
        return answer

    def records(self) -> list[Inference]:
        return [e for _, e in read(self.data / "ledger" / "main") if isinstance(e, Inference)]


def request(model: str, *, stream: bool = False) -> bytes:
    body = json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def up(settings: Path, data: Path, *more: str) -> Generator[Process]:
    """`freehold up` on a free port. Killed where the test leaves it running."""
    command = [*FREEHOLD, "up", "--port", "0", "--settings", str(settings), "--data", str(data), *more]
    env = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as running:
        try:
            yield Process(running, data)
        finally:
            if running.poll() is None:
                running.kill()


def freehold(*arguments: str) -> Any:
    """What a command prints as JSON."""
    done = subprocess.run([*FREEHOLD, *arguments, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


FRAME = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":%b}]}\n\n'
)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Waiting:
    """A provider whose streams say 'one', wait for `go`, and say 'two'."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked = 0
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> "Waiting":
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                one, _ = self._listening.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(one,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, one: socket.socket) -> None:
        with one, suppress(OSError):
            one.settimeout(SOON)
            asked = b""
            while b'"messages"' not in asked:
                piece = one.recv(65536)
                if not piece:
                    return
                asked += piece
            self.asked += 1
            one.sendall(HEAD + _chunk(FRAME % (b"one ", b"null")))
            self.go.wait(SOON)
            one.sendall(_chunk(FRAME % (b"two", b'"stop"') + b"data: [DONE]\n\n") + b"0\r\n\r\n")

    @property
    def settings(self) -> str:
        return (
            f'[providers.far]\nbase_url = "http://127.0.0.1:{self.port}/v1"\n'
            '[deployments.far]\nprovider = "far"\nmodel = "m"\nprice = { input = "1.00", output = "2.00" }\n'
            '[simulated.sim]\nreply = "Hello there"\nprice = { input = "1.00", output = "2.00" }\n'
            '[deployments.near]\nprovider = "sim"\nmodel = "simulated"\n'
            '[routes.slow]\ndeployments = ["far"]\n[routes.fast]\ndeployments = ["near"]\n'
        )
