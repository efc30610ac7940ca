"""Accounts: a [providers.NAME] table made whole with what is known of its kind."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec.structs import replace

from freehold.dialects.registry import DIALECTS
from freehold.providers.known import KNOWN
from freehold.providers.provider import Pair, Provider, address, key, pair, placeholders
from freehold.providers.sigv4 import region_of
from freehold.settings.reading import Reader, nearest, sendable
from freehold.settings.tables import ProviderSettings

GENERIC = "openai-compatible"
OURS = frozenset({"host", "connection", "content-length", "content-type", "transfer-encoding", "upgrade", "te"})
TELLING = re.compile(r"auth|key|token|secret|cookie|password")


def whole(name: str, table: ProviderSettings, reader: Reader) -> ProviderSettings:
    """The table with kind, address, path and key filled in; what is missing for that becomes a problem.

    The key of the environment is used for the provider's own address only, never for one written in the table.
    """
    place = ("providers", name)
    _headers(table, reader, place)
    if "/" in name:
        reader.problem(place, "the name of a provider has no slash, since callers write NAME/model")
    kind = _kind(name, table, reader)
    if kind is None:
        return table
    if kind.unreachable:
        reader.problem((*place, "kind"), f"{kind.name} is {kind.unreachable}")
        return table
    _dialect(kind, table, reader, (*place, "dialect"))
    if unused := sorted(table.values.keys() - set(placeholders(kind))):
        hint = nearest(unused[0], placeholders(kind))
        reader.problem((*place, "values", unused[0]), f"the address of {kind.name} has no such part{hint}")
    api_key = table.api_key
    if api_key is None and table.base_url is None:
        api_key = key(kind, reader.env)
        if api_key is None and kind.auth != "optional-bearer":
            reader.problem((*place, "api_key"), f'is missing; write "env:NAME" or set {" or ".join(kind.key_env)}')
    held = pair(kind, api_key, reader.env) if table.secret_key is None else Pair(table.secret_key, table.session_token)
    if held.missing:
        reader.problem((*place, "secret_key"), f'is missing; write "env:NAME" or set {held.missing}')
    if held.secret_key is not None and not kind.signs:
        reader.problem((*place, "secret_key"), f"requests to {kind.name} are not signed; remove it")
    base_url = _address(kind, table, reader, (*place, "base_url"))
    signed = held.secret_key is not None and kind.signs
    return replace(
        table,
        kind=kind.id,
        base_url=base_url,
        path=table.path or kind.path,
        values=_regional(kind, table, base_url or "", reader, (*place, "values")) if signed else table.values,
        api_key=api_key,
        secret_key=held.secret_key,
        session_token=held.session_token,
        headers={name.lower(): value for name, value in table.headers.items()},
        secret_headers={name.lower(): value for name, value in table.secret_headers.items()},
    )


def _regional(
    kind: Provider, table: ProviderSettings, base_url: str, reader: Reader, place: tuple[str, ...]
) -> dict[str, str]:
    """The values with the region for which requests are signed, where the address does not name it."""
    names = kind.values.get("region", ())
    region = table.values.get("region") or next((v for n in names if (v := reader.env.get(n, "").strip())), "")
    if region_of(base_url):
        return table.values
    if not region:
        reader.problem((*place, "region"), f"is missing; requests are signed for one: write it or set {names[0]}")
    return {**table.values, "region": region}


def _dialect(kind: Provider, table: ProviderSettings, reader: Reader, place: tuple[str, ...]) -> None:
    """Only what the provider speaks; a server that nobody knows may speak anything that is spoken here."""
    spoken = [name for name in (*kind.dialects, *(t.dialect for t in kind.tongues)) if name in DIALECTS]
    allowed = sorted(DIALECTS) if kind.id == GENERIC else sorted(set(spoken))
    if table.dialect is not None and table.dialect not in allowed:
        hint = nearest(table.dialect, allowed)
        reader.problem(place, f"{kind.name} is not called in {table.dialect!r}{hint}; there is: {', '.join(allowed)}")


def fault(url: str) -> str | None:
    """What is wrong with a base URL, or None."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  reading it checks it
    except ValueError as error:
        return str(error).lower()
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "expected an address such as https://api.example.com/v1"
    if parts.username is not None or parts.password is not None:
        return "holds a user name or password; use api_key"
    if parts.query or parts.fragment:
        return "has a query or fragment; only scheme, host, port and path belong here"
    if not url.isascii() or not url.isprintable() or " " in url:
        return "holds characters that no address can have"
    if url.rstrip("/").endswith("/chat/completions"):
        return "ends with /chat/completions; leave that out, it is added"
    return None


def _kind(name: str, table: ProviderSettings, reader: Reader) -> Provider | None:
    place = ("providers", name, "kind")
    if table.kind is not None:
        if table.kind not in KNOWN:
            hint = nearest(table.kind, KNOWN) or f"; {GENERIC} fits most others"
            reader.problem(place, f"no known provider{hint}")
        return KNOWN.get(table.kind)
    if name not in KNOWN and table.base_url is None:
        hint = nearest(name, KNOWN) or f"; name a known provider, or give base_url for {GENERIC}"
        reader.problem(place, f"is missing{hint}")
        return None
    return KNOWN.get(name, KNOWN[GENERIC])


def _address(kind: Provider, table: ProviderSettings, reader: Reader, place: tuple[str, ...]) -> str | None:
    if table.base_url is None and not kind.base_url:
        reader.problem(place, "is missing")
        return None
    try:
        url = table.base_url or address(kind, table.values, reader.env)
    except ValueError as error:
        reader.problem(place, str(error))
        return None
    if problem := fault(url):
        reader.problem(place, problem)
    return url.rstrip("/")


def _headers(table: ProviderSettings, reader: Reader, place: tuple[str, ...]) -> None:
    both: tuple[tuple[str, Mapping[str, object]], ...] = (
        ("headers", table.headers),
        ("secret_headers", table.secret_headers),
    )
    for field, headers in both:
        for name in headers:
            if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
                reader.problem((*place, field, name), "is not a header name")
            elif name.lower() in OURS:
                reader.problem((*place, field, name), "is set by the connection itself; remove it")
    for name, value in table.headers.items():
        if TELLING.search(name.lower()):
            reader.problem((*place, "headers", name), "looks like a credential; write env:NAME under secret_headers")
        elif not sendable(value):
            reader.problem((*place, "headers", name), "holds characters that no header can carry")
