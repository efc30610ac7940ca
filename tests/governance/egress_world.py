"""What the tests of egress share: a site that writes what it is told, byte for byte, and a resolver that is told."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType

from freehold.governance.egress.fetch import Egress, Fetched, Rules, Wanted
from freehold.governance.egress.kinds import Kind

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
JPEG = b"\xff\xd8\xff\xe0" + bytes(100)
PDF = b"%PDF-1.7\n" + bytes(100)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(100)


def answer(body: bytes = PNG, *headers: str, status: int = 200, kind: str = "image/png") -> bytes:
    """An answer with its length."""
    lines = [f"HTTP/1.1 {status} Status", f"content-type: {kind}", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def moved(to: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n".encode()


Say = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Site:
    """A server on this machine. `asked`: the heads that it was sent. It answers with the bytes given, in turn (the last
    again and again), or leaves that to a function."""

    def __init__(self, *said: bytes | Say, host: str = "127.0.0.1") -> None:
        self.asked: list[str] = []
        self.open = 0
        self.left = asyncio.Event()
        """Somebody closed a connection."""
        self._said = said
        self._host = host
        self.port = 0

    async def __aenter__(self) -> "Site":
        self._server = await asyncio.start_server(self._serve, self._host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        while self.open:
            self.left.clear()
            await self.left.wait()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            said = self._said[min(len(self.asked), len(self._said) - 1)]
            self.asked.append(head.decode())
            if isinstance(said, bytes):
                writer.write(said)
            else:
                await said(writer)
            await writer.drain()
            await reader.read()  # until the other side closes
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            self.left.set()
            writer.close()


class Resolver:
    """Names to addresses. A name with several answers gives them in turn, the last again and again. `asked`: for what."""

    def __init__(self, **names: Sequence[str] | list[Sequence[str]]) -> None:
        self.asked: list[str] = []
        self._names = {name.replace("_", "."): addresses for name, addresses in names.items()}

    async def __call__(self, name: str, port: int) -> Sequence[str]:
        turn = self.asked.count(name)
        self.asked.append(name)
        known = self._names[name]
        first = known[0] if known else ""
        if isinstance(first, str):
            return known  # type: ignore[return-value]
        return known[min(turn, len(known) - 1)]


def wanted(url: str, kind: Kind = "image", name: str = "image 1") -> Wanted:
    return Wanted(kind, url, name)


async def fetched(url: str, rules: Rules, resolver: Resolver | None = None, kind: Kind = "image") -> Fetched:
    (one,) = await Egress(rules, resolve=resolver).fetch([wanted(url, kind)])
    return one
