"""Where a URL of a caller leads, read so strictly that nobody can read it otherwise; and the lists of hosts that an
operator allows or refuses."""

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from string import punctuation
from urllib.parse import quote, urlsplit

from msgspec import Struct

LONGEST = 8_192
"""Characters of a URL."""
PORTS = {"https": 443, "http": 80}
ENTRY = r"^(\*\.)?([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$"
"""A host in a list: `name`, `*.name` for all below it, or an address, with a port where it is not the usual one."""
_UNFIT = re.compile(r"[\x00-\x20\x7f\\]")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_BRACKETS = re.compile(r"\[[0-9A-Fa-f:.]+\](:[0-9]*)?")
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)")


class Unfit(ValueError):
    """A URL that is not followed; the words say why, for who wrote it."""


class Target(Struct, frozen=True, kw_only=True):
    """One request to make. `host` is a name or an address without brackets, in lower case; `path` with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """As the `host` header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """For what it leads to in turn."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def is_name(self) -> bool:
        return ":" not in self.host and _NUMBER.fullmatch(self.host.rpartition(".")[2]) is None


def target(url: str) -> Target:
    """Where a URL leads; Unfit where it is none of http(s), names a user, or can be read in more than one way."""
    if len(url) > LONGEST:
        raise Unfit(f"its URL is longer than {LONGEST:,} characters")
    if _UNFIT.search(url):
        raise Unfit("its URL holds characters that do not belong there")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Unfit("its URL cannot be read") from None
    scheme = parts.scheme
    if scheme not in PORTS:
        raise Unfit("only https URLs are fetched")
    if "@" in parts.netloc:
        raise Unfit("its URL holds the name of a user")
    host = _host(parts.netloc, parts.hostname or "")
    path = quote(parts.path or "/", safe=punctuation) + (
        f"?{quote(parts.query, safe=punctuation)}" if parts.query else ""
    )
    return Target(scheme=scheme, host=host, port=PORTS[scheme] if port is None else port, path=path)


def _host(netloc: str, name: str) -> str:
    """A name in ASCII (IDNA), or an address in its one usual form."""
    if "[" in netloc or "]" in netloc:
        try:
            if not _BRACKETS.fullmatch(netloc):  # beside it, or with a zone
                raise AddressValueError
            return _plain(name)
        except AddressValueError:
            raise Unfit("its host is no address") from None
    try:
        ascii_name = (name if name.isascii() else name.encode("idna").decode()).lower().removesuffix(".")
    except UnicodeError:
        raise Unfit("its host is no name") from None
    if len(ascii_name) > 253 or not _NAME.fullmatch(ascii_name):
        raise Unfit("its host is no name")
    if _NUMBER.fullmatch(ascii_name.rpartition(".")[2]):  # an address to who resolves it, however it is spelt
        try:
            return str(IPv4Address(ascii_name))
        except AddressValueError:
            raise Unfit("its host is an address in an unusual form") from None
    return ascii_name


def _plain(text: str) -> str:
    """An address of IPv6 in its one usual form: that of IPv4 where it is one."""
    address = IPv6Address(text)
    return str(address.ipv4_mapped or address)


class Hosts:
    """A list of hosts. An entry without a port is for the usual ports."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._entries = [_entry(entry) for entry in entries]

    def __bool__(self) -> bool:
        return bool(self._entries)

    def hold(self, host: str) -> bool:
        """Whether a host is in it, at whatever port."""
        return any(_matches(name, host) for name, _ in self._entries)

    def allow(self, target: Target) -> bool:
        """Whether a host is in it with the port that is asked for."""
        usual = target.port in PORTS.values()
        return any(
            _matches(name, target.host) and (usual if port is None else port == target.port)
            for name, port in self._entries
        )


def _entry(text: str) -> tuple[str, int | None]:
    if not re.match(ENTRY, text):
        raise ValueError(f"{text!r} is no host")
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, ""
    host = host.lower().removesuffix(".")
    if host.startswith("["):
        host = _plain(host[1:-1])
    return host, int(port) if port else None


def _matches(entry: str, host: str) -> bool:
    return host.endswith(entry[1:]) if entry.startswith("*.") else host == entry
