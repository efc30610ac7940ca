"""What the tests of the gateway share: a gateway on a real socket in this process, and a raw caller."""

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httptools
import uvloop
from msgspec.structs import replace

from freehold.app.gateway import Gateway, Started
from freehold.core.inference import Accepted, Inference
from freehold.core.principal import Key
from freehold.ledger.reader import read
from freehold.settings.tables import Settings

T = TypeVar("T")
SOON = 60
"""Seconds after which a test that waits for an event gives up."""

SIM = '[simulated.sim]\nreply = "Hello there"\nprice = { input = "1.00", output = "2.00" }\n'
HI = [{"role": "user", "content": "hi"}]


class Answered:
    """One HTTP answer, read strictly (llhttp). `over`: its body came to its end."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.over = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]

    @property
    def events(self) -> list[Any]:
        """The events of a stream; '[DONE]' stays a text."""
        frames = [f.removeprefix(b"data: ") for f in self.body.split(b"\n\n") if f.startswith(b"data: ")]
        return [f.decode() if f == b"[DONE]" else json.loads(f) for f in frames]

    @property
    def text(self) -> str:
        """What a stream said."""
        chunks = [e for e in self.events if isinstance(e, dict)]
        return "".join(c["delta"].get("content") or "" for e in chunks for c in e.get("choices", ()))


class _Reading:
    """Cuts answers out of what a gateway writes."""

    def __init__(self) -> None:
        self.answers: list[Answered] = []
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.answers.append(Answered())

    def on_header(self, name: bytes, value: bytes) -> None:
        self.answers[-1].headers[name.decode().lower()] = value.decode()

    def on_headers_complete(self) -> None:
        self.answers[-1].status = self._parser.get_status_code()

    def on_body(self, piece: bytes) -> None:
        self.answers[-1].body += piece

    def on_message_complete(self) -> None:
        if self.answers[-1].status >= 200:
            self.answers[-1].over = True
        else:
            self.answers.pop()


class Caller:
    """A raw connection to a gateway. Not `strict`: bytes only, as where answers to HEAD come. `small`: so many bytes
    are taken that are not yet read."""

    def __init__(self, address: tuple[str, int], *, strict: bool = True, small: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(SOON)
        if small is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, small)
        self.socket.connect(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reading = _Reading()
        self._strict = strict
        self.raw = bytearray()
        self.ended = False

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, *pieces: bytes) -> "Caller":
        for piece in pieces:
            self.socket.sendall(piece)
        return self

    def _more(self) -> bool:
        """Read once; False at the end of the connection."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.ended = True
            return False
        self.raw += data
        if self._strict:
            self._reading.feed(data)
        return True

    def answer(self, number: int = 1) -> Answered:
        """The answer with this number (from 1), whole."""
        answers = self._reading.answers
        while len(answers) < number or not answers[number - 1].over:
            if not self._more():
                raise AssertionError(f"the connection ended after {self.raw[-300:]!r}")
        return answers[number - 1]

    def until(self, wanted: bytes) -> bytearray:
        """Everything read, once `wanted` is in it."""
        while wanted not in self.raw:
            assert self._more(), f"the connection ended after {self.raw[-300:]!r}"
        return self.raw

    def rest(self) -> list[Answered]:
        """All answers until the other side closes; what is not HTTP raises."""
        while self._more():
            pass
        return self._reading.answers


def post(body: bytes | dict[str, Any], *headers: str, path: str = "/v1/chat/completions") -> bytes:
    """A request as an ordinary client writes it."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", "content-type: application/json"]
    return "\r\n".join([*lines, *headers, f"content-length: {len(data)}", "", ""]).encode() + data


def get(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: 127.0.0.1", *headers, "", ""]).encode()


def chat(model: str = "auto", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": HI, **more}


class House:
    """A running gateway and its upstreams, on a loop of their own."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.folder = folder
        self.loop = loop
        self.told: list[str] = []
        self.gateway: Gateway
        self.started: Started

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.started.url.partition("://")[2].rpartition(":")
        return host, int(port)

    @property
    def base_url(self) -> str:
        return f"{self.started.url}/v1"

    def run(self, work: Awaitable[T]) -> T:
        """Run a coroutine on the gateway's loop."""

        async def inner() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(inner(), self.loop).result(SOON)

    def do(self, act: Callable[[], T]) -> T:
        """Call a function on the gateway's loop."""
        done: Future[T] = Future()

        def inner() -> None:
            try:
                done.set_result(act())
            except BaseException as error:
                done.set_exception(error)

        self.loop.call_soon_threadsafe(inner)
        return done.result(SOON)

    def limit(self, **limits: float) -> None:
        """Other limits of the door than the settings name."""
        door = self.gateway.door
        door.limits = replace(door.limits, **limits)

    def caller(self, *, strict: bool = True, small: int | None = None) -> Caller:
        return Caller(self.address, strict=strict, small=small)

    def ask(self, *requests: bytes) -> Answered:
        """The answer to one request on a connection of its own."""
        with self.caller() as caller:
            return caller.say(*requests).answer()

    def chat(self, model: str = "auto", *headers: str, **more: Any) -> Answered:
        return self.ask(post(chat(model, **more), *headers))

    def records(self) -> list[Inference]:
        """The records of the ledger, in its order."""
        home = self.folder / "data" / "ledger" / "main"
        return [entry for _, entry in read(home) if isinstance(entry, Inference)]

    def accepted(self) -> list[Accepted]:
        home = self.folder / "data" / "ledger" / "main"
        return [entry for _, entry in read(home) if isinstance(entry, Accepted)]

    def record(self, answer: Answered) -> Inference:
        """The record of an answer, found by its header."""
        id_ = answer.headers["x-freehold-inference"]
        return next(r for r in self.records() if r.id == id_)

    def until(self, true: Callable[[], T]) -> T:
        """Wait until something is so on the gateway's loop: looked at again whenever the loop has done a turn."""

        async def wait() -> T:
            async with asyncio.timeout(SOON):
                while not (found := true()):  # noqa: ASYNC110  what is looked at are files and sockets
                    await asyncio.sleep(0.001)
                return found

        return self.run(wait())

    def idle(self) -> None:
        """Wait until every accepted request has its record."""
        self.until(lambda: {a.id for a in self.accepted()} <= {r.id for r in self.records()})

    def well(self) -> None:
        """The gateway still serves."""
        answer = self.ask(get("/healthz"))
        assert (answer.status, answer.body) == (200, b"ok\n")

    def keys(self, *keys: Key) -> None:
        """Put keys into the store, and use them now."""
        for key in keys:
            self.gateway.engine.home.keys.put(key)
        self.run(self.gateway.engine._renew_keys())


@contextmanager
def house(
    folder: Path, settings: str = SIM, *, change: Callable[[Settings], Settings] = lambda s: s
) -> Generator[House]:
    """A gateway with these settings (TOML) that serves on a free port of 127.0.0.1."""
    path = folder / "freehold.toml"
    path.write_text(settings)
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    home = House(folder, loop)

    def placed(loaded: Settings) -> Settings:
        server = replace(loaded.server, port=0, drain_seconds=5.0)
        return change(replace(loaded, server=server, data=replace(loaded.data, folder=str(folder / "data"))))

    home.gateway = Gateway(path, {}, change=placed, told=home.told.append)
    try:
        home.started = home.run(home.gateway.start())
        try:
            yield home
        finally:
            home.run(home.gateway.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
