"""Egress: the one function by which the gateway fetches what a caller names.

A caller who names an address makes this machine ask it, from inside the house. So a name is resolved once, every
address of it has to be one of the public internet, and the connection goes to just that address (no second lookup that
could say something else). Each redirect is looked at afresh. What is told of a failure does not say what is inside.
"""

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin

from msgspec import Struct

from freehold.core.errors import NotFetched, ProviderError
from freehold.core.label import ANYTHING, Clearance
from freehold.core.ports import Headers
from freehold.governance.egress.address import Address, reached
from freehold.governance.egress.getting import Answer, Unreached, get
from freehold.governance.egress.kinds import BEGIN, Kind, is_kind, may_be, media_type
from freehold.governance.egress.target import Hosts, Target, Unfit, target

REDIRECTS = 3
MOST = 20
"""Media that are fetched for one request."""
TOGETHER = 4
"""Of one request at the same time."""
ADDRESSES = 4
"""Of one name that are tried."""
RESOLVING = 8
"""Names that are looked up at the same time: on threads of their own, so that a slow one holds up nobody else."""
MOVED = frozenset({301, 302, 303, 307, 308})
ACCEPT = {"image": "image/*", "audio": "audio/*", "file": "application/pdf, image/*, audio/*"}
INSIDE = "its host cannot be reached, or is none that media are fetched from"
"""Said of everything that would tell what there is inside: names, addresses, ports."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a name, for a port."""


class Rules(Struct, frozen=True, kw_only=True):
    """What may be fetched. `hosts`: those alone, where any are named; `deny`: never those; `private`: those also at
    addresses inside. `max_bytes`: of all media of a request together, for which `seconds` are taken at most. `at_once`:
    fetches of all requests. `clearance`: what a request may contain whose URLs are followed."""

    http: bool = False
    hosts: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    max_bytes: int = 20 * 1024 * 1024
    seconds: float = 10.0
    at_once: int = 16
    clearance: Clearance = ANYTHING


class Wanted(Struct, frozen=True):
    """A medium to fetch. `name` is what the caller knows it by, such as 'image 2'."""

    kind: Kind
    url: str
    name: str


class Fetched(Struct, frozen=True, kw_only=True):
    """A medium that was fetched: inline, as a `data:` URL. `hosts` were asked for it, in their order."""

    url: str
    inline: str
    media_type: str
    size: int
    hosts: tuple[str, ...]


class _Room:
    """Bytes that a request may still fetch."""

    def __init__(self, most: int) -> None:
        self.most = self.left = most

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise Unfit(f"more than {self.most:,} bytes would be fetched for the request (egress.max_bytes)")


class Egress:
    """The way out for what callers name. Used inside a running event loop."""

    def __init__(self, rules: Rules, *, resolve: Resolve | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.rules = rules
        self._hosts, self._deny, self._private = Hosts(rules.hosts), Hosts(rules.deny), Hosts(rules.private)
        self._resolve = resolve or _Names().resolve
        self._tls = tls or _trusting()
        self._free = asyncio.Semaphore(rules.at_once)

    async def fetch(self, wanted: Sequence[Wanted]) -> list[Fetched]:
        """The media of one request, in their order; NotFetched where one cannot or may not be had.

        Bounded in bytes, in number and in time, all of them together. What is cancelled leaves nothing behind.
        """
        if len(wanted) > MOST:
            raise NotFetched(f"{len(wanted)} media would have to be fetched, and at most {MOST} are for a request")
        room, lanes = _Room(self.rules.max_bytes), asyncio.Semaphore(TOGETHER)
        try:
            async with asyncio.timeout(self.rules.seconds), asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one(one, room, lanes)) for one in wanted]
        except* NotFetched as failed:
            error = failed.exceptions[0]
        except* TimeoutError:
            names = " and ".join(one.name for one in wanted)
            error = NotFetched(f"{names} did not arrive within {self.rules.seconds:g} seconds (egress.timeout_seconds)")
        else:
            return [task.result() for task in tasks]
        raise error

    async def _one(self, wanted: Wanted, room: _Room, lanes: asyncio.Semaphore) -> Fetched:
        try:
            async with lanes, self._free:
                return await self._follow(wanted, room)
        except Unfit as unfit:
            reason = str(unfit)
        except (Unreached, ProviderError):  # ProviderError: an answer that is none, or breaks off
            reason = INSIDE
        raise NotFetched(f"{wanted.name} cannot be fetched: {reason}", url=wanted.url)

    async def _follow(self, wanted: Wanted, room: _Room) -> Fetched:
        """Through redirects to the medium."""
        at = target(wanted.url)
        hosts: list[str] = []
        for _ in range(REDIRECTS + 1):
            hosts.append(at.host)
            answer = await self._ask(at, wanted.kind, room)
            if answer.status not in MOVED:
                return _made(wanted, b"".join(answer.pieces), tuple(hosts))
            to = target(urljoin(at.url, answer.headers["location"]))
            if at.scheme == "https" and to.scheme != "https":
                raise Unfit("it redirects from https to http")
            at = to
        raise Unfit(f"it redirects more than {REDIRECTS} times")

    async def _ask(self, at: Target, kind: Kind, room: _Room) -> Answer:
        """The answer of a target, from the first of its addresses that gives one."""
        inside = self._may(at)
        for address in await self._addresses(at, inside):
            answer = Answer(_taken(kind, room), room.take)
            try:
                await get(at, address, answer, tls=self._tls, itself=inside, accept=ACCEPT[kind])
            except Unreached:
                continue
            return answer
        raise Unreached

    def _may(self, at: Target) -> bool:
        """Whether a target may lead inside; Unfit where it may not be asked at all."""
        if at.scheme == "http" and not self.rules.http:
            raise Unfit("only https URLs are fetched (egress.http)")
        if self._deny.hold(at.host):
            raise Unfit(INSIDE)
        inside = self._private.allow(at)
        if inside or self._hosts.allow(at):
            return inside
        if self._hosts or at.port not in (443, 80) or (at.is_name and "." not in at.host):
            raise Unfit(INSIDE)
        return False

    async def _addresses(self, at: Target, inside: bool) -> Sequence[Address]:
        """All addresses of a target, each of which may be asked: one that may not spoils them all."""
        texts = await self._resolve(at.host, at.port) if at.is_name else [at.host]
        found = [reached(text, inside=inside) for text in texts]
        addresses = [address for address in found if address is not None]
        if not addresses or len(addresses) < len(found):
            raise Unreached
        return addresses[:ADDRESSES]


def _taken(kind: Kind, room: _Room) -> Callable[[int, Headers], bool]:
    """What looks at the head of an answer: whether its body is wanted."""

    def taken(status: int, headers: Headers) -> bool:
        if status in MOVED and "location" in headers:
            return False
        if status != 200:
            raise Unfit(f"its server answers with the status {status}")
        if headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
            raise Unfit("its server sends it compressed, which was not asked for")
        stated = headers.get("content-type", "")
        if not may_be(kind, stated):
            raise Unfit(f"its server calls it {stated[:60]!r}, which is no {_said(kind)}")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > room.left:
            room.take(int(length))
        return True

    return taken


def _made(wanted: Wanted, content: bytes, hosts: tuple[str, ...]) -> Fetched:
    found = media_type(content[:BEGIN])
    if not found or not is_kind(wanted.kind, found):
        raise Unfit(f"what its server sends is no {_said(wanted.kind)} that is known")
    inline = f"data:{found};base64,{b64encode(content).decode()}"
    return Fetched(url=wanted.url, inline=inline, media_type=found, size=len(content), hosts=hosts)


def _said(kind: Kind) -> str:
    return {"image": "image", "audio": "sound", "file": "PDF, image or sound"}[kind]


class _Names:
    """The system's resolver, on threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVING, thread_name_prefix="egress")

    async def resolve(self, name: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._threads, _looked_up, name, port)
        except (OSError, UnicodeError):
            raise Unreached from None
        return list(dict.fromkeys(found))


def _looked_up(name: str, port: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
