"""One GET to one address, on a connection of its own that is closed when the answer is read."""

import asyncio
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from socket import AI_NUMERICHOST
from typing import Any

from freehold.core.errors import FreeholdError
from freehold.core.ports import Headers
from freehold.governance.egress.address import Address
from freehold.governance.egress.target import Target
from freehold.providers.connection import Connection, PoolLimits, Sending

LIMITS = PoolLimits(connections=1, max_head=32 * 1024)
CONNECT = 3.0
"""Seconds to connect to one address, TLS included: then the next one is tried."""


class Unreached(Exception):
    """No answer could be had."""


class Answer:
    """What came back: the sink of the connection. `taken` says of each head whether its body is wanted, and `counted`
    is told of every piece; either may raise what the reading then ends with."""

    def __init__(self, taken: Callable[[int, Headers], bool], counted: Callable[[int], None]) -> None:
        self.status = 0
        self.headers: Headers = {}
        self.pieces: list[bytes] = []
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._taken = taken
        self._counted = counted

    def head(self, status: int, headers: Headers) -> None:
        self.status, self.headers = status, headers
        try:
            if not self._taken(status, headers):
                self.done()
        except Exception as error:  # for who waits: the connection knows only failures of its own
            self.over.set_exception(error)

    def data(self, piece: bytes) -> None:
        if self.over.done():
            return
        try:
            self._counted(len(piece))
        except Exception as error:  # as above
            self.pieces.clear()
            self.over.set_exception(error)
        else:
            self.pieces.append(piece)

    def done(self) -> None:
        if not self.over.done():
            self.over.set_result(None)

    def failed(self, error: FreeholdError) -> None:
        if not self.over.done():
            self.over.set_exception(error)

    def leave(self) -> None:
        """Nobody waits for it any more."""
        if self.over.done() and not self.over.cancelled():
            self.over.exception()  # or it would be reported as never heard
        self.over.cancel()


class _Once:
    """The owner of a connection that is used once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.limits = LIMITS
        self.now = asyncio.get_running_loop().time
        self.active: set[Sending] = set()

    def release(self, conn: Connection) -> None:
        conn.transport.abort()

    def forget(self, conn: Connection) -> None:
        """Nobody remembers it."""

    def again(self, sending: Sending) -> None:
        """Only what lay idle is sent again, and nothing does."""

    def drop(self, sending: Sending) -> None:
        if sending.conn is not None:
            sending.conn.sending = None
            sending.conn.transport.abort()


async def get(
    target: Target, address: Address, answer: Answer, *, tls: ssl.SSLContext, itself: bool, accept: str
) -> None:
    """GET the target from exactly this address into `answer`; Unreached, or what reading raises.

    The certificate has to be the name's. Nothing of a caller goes along. Not `itself`: an address that turns out to be
    this machine's own is left at once.
    """
    loop = asyncio.get_running_loop()
    secure = target.scheme == "https"
    owner = _Once(target.host)
    try:
        async with asyncio.timeout(CONNECT):
            transport, conn = await loop.create_connection(
                lambda: Connection(owner),
                str(address),
                target.port,
                flags=AI_NUMERICHOST,
                ssl=tls if secure else None,
                server_hostname=target.host if secure else None,
            )
    except (OSError, UnicodeError) as error:
        raise Unreached(str(error)) from None
    try:
        if not itself and _same(transport):
            raise Unreached("this machine")
        lines = [f"GET {target.path} HTTP/1.1", f"host: {target.authority}", f"accept: {accept}"]
        lines += ["accept-encoding: identity", "user-agent: freehold", "connection: close", "", ""]
        conn.write(Sending(owner, "\r\n".join(lines).encode("ascii"), answer, 0.0))
        await answer.over
    finally:
        transport.abort()
        answer.leave()


def _same(transport: Any) -> bool:
    """Whether both ends are one machine's: who connects to an own address does so from it."""
    here, there = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
    return ip_address(here[0]) == ip_address(there[0])
