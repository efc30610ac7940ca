"""What the tests of egress share: a site that writes what it is told, byte for byte, and a resolver that is told."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from freehold.core.errors import NotFetched
from freehold.governance.egress.fetch import Egress, Fetched, Rules, Wanted
from freehold.governance.egress.kinds import Kind

LOOPS = [("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})]
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

    def __init__(self, *said: bytes | Say, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[str] = []
        self.open = 0
        self.left = asyncio.Event()
        """Somebody closed a connection."""
        self._said = said
        self._tls = tls
        self.port = 0

    async def __aenter__(self) -> "Site":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
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
    """Names to addresses. A name with several answers gives them in turn, the last again and again. `asked`: what was
    looked up."""

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


class Outside:
    """The internet, as far as this machine is it: connections to these addresses go to ports here, from another
    address of this machine. `tried`: all that were asked for, with the name that the certificate had to have."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **ports: int) -> None:
        self.tried: list[tuple[str, int, str | None]] = []
        loop = asyncio.get_running_loop()
        connect = loop.create_connection
        known = {address.replace("_", ".").removeprefix("at."): port for address, port in ports.items()}

        async def connected(factory: Any, host: str, port: int, **more: Any) -> Any:
            assert more["flags"] == socket.AI_NUMERICHOST  # nobody looks the name up again
            self.tried.append((host, port, more["server_hostname"]))
            if host not in known:
                raise OSError("no such host in this test")
            return await connect(factory, "127.0.0.1", known[host], **more, local_addr=("127.0.0.2", 0))

        monkeypatch.setattr(loop, "create_connection", connected, raising=False)


def certified(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server with a certificate of this name, and for a client that trusts it."""
    key, today = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=str(path))


def inside(*sites: Site, **more: object) -> Rules:
    """Rules by which sites of this machine may be asked, over http."""
    private = tuple(f"{name}:{site.port}" for site in sites for name in ("127.0.0.1", "a.house", "b.house"))
    return Rules(http=True, private=private, **more)  # type: ignore[arg-type]


async def refused(fetching: Awaitable[object]) -> str:
    with pytest.raises(NotFetched) as failed:
        await fetching
    return failed.value.message
