"""Keys: made, rotated, revoked; and the ring that recognises them.

A key is written `fh_<id>_<secret>` in base62: safe in a header, selected by a double click. The secret is 32 random
bytes, shown once. What is stored is its SHA-256; a secret that nobody can guess needs no salt and no stretching.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from fnmatch import translate
from hashlib import sha256
from hmac import compare_digest
from string import ascii_letters, digits

from msgspec import Struct
from msgspec.structs import replace

from freehold.core.errors import InvalidRequest, Unauthenticated
from freehold.core.money import NANO
from freehold.core.ports import KeyStore
from freehold.core.principal import Budget, Key

Random = Callable[[int], bytes]
"""So many random bytes, fit for secrets (`os.urandom`)."""

ALPHABET = digits + ascii_letters
ID_BYTES, ID_WIDTH = 8, 11
SECRET_BYTES, SECRET_WIDTH = 32, 43
NEVER = 2**63

MISSING = (
    "This gateway needs a key: send it as 'Authorization: Bearer fh_...' (x-api-key, x-goog-api-key and api-key work "
    "too). 'freehold keys create' makes one."
)
FOREIGN = (
    "This is not a key of this gateway: its keys begin with fh_, and 'freehold keys create' makes one. The keys of "
    "providers stay in the gateway's settings."
)
UNKNOWN = "No key has this id and secret. Was it copied whole? 'freehold keys create' makes a new one."


def mint(
    name: str,
    *,
    now: int,
    random: Random,
    team: str | None = None,
    routes: tuple[str, ...] | None = None,
    models: tuple[str, ...] | None = None,
    requests_per_minute: int | None = None,
    tokens_per_minute: int | None = None,
    budget: Budget | None = None,
    admin: bool = False,
    expires_at: int | None = None,
) -> tuple[Key, str]:
    """A new key, to be put into the store, and its text, to be shown this once."""
    id = _base62(random(ID_BYTES), ID_WIDTH)
    secret = _base62(random(SECRET_BYTES), SECRET_WIDTH)
    key = Key(
        id=id,
        digest=_digest(secret.encode()),
        name=name,
        created_at=now,
        team=team,
        routes=routes,
        models=models,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        budget=budget,
        admin=admin,
        expires_at=expires_at,
    )
    return key, f"fh_{id}_{secret}"


def rotate(key: Key, *, now: int, random: Random, grace: int = 0) -> tuple[Key, str]:
    """The same key with a new secret, and its text. The old secret is good for `grace` nanoseconds more.

    The id stays, and with it what was spent of the budget and the history. InvalidRequest where the key was revoked.
    """
    if key.revoked_at is not None:
        raise InvalidRequest(f"Key '{key.name}' ({key.id}) was revoked: create a new one instead")
    secret = _base62(random(SECRET_BYTES), SECRET_WIDTH)
    until = now + grace if grace > 0 else None
    previous = key.digest if until else None
    fresh = replace(key, digest=_digest(secret.encode()), previous=previous, previous_until=until)
    return fresh, f"fh_{key.id}_{secret}"


def revoke(key: Key, *, now: int) -> Key:
    """The key, good for nothing from now on. A second time changes nothing."""
    if key.revoked_at is not None:
        return key
    return replace(key, revoked_at=now, previous=None, previous_until=None)


class Patterns:
    """Shell-style patterns (as `fnmatchcase`), compiled once: plain names are a set, the others one expression."""

    __slots__ = ("_globs", "_known", "_plain")

    def __init__(self, patterns: Iterable[str]) -> None:
        sorts: dict[bool, list[str]] = {True: [], False: []}
        for pattern in patterns:
            sorts[any(c in pattern for c in "*?[")].append(pattern)
        self._known: dict[str, bool] = {}  # the same few names are asked for again and again
        self._plain = frozenset(sorts[False])
        self._globs = re.compile("|".join(map(translate, sorts[True]))) if sorts[True] else None

    def match(self, name: str) -> bool:
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= 256:
                self._known.clear()
            known = name in self._plain or (self._globs is not None and self._globs.match(name) is not None)
            self._known[name] = known
        return known


class _Entry(Struct, frozen=True):
    """A key, ready to be compared. `until`: when the key ends; `previous_until`: when its old secret does."""

    key: Key | None
    digest: bytes
    until: int
    previous: bytes
    previous_until: int
    routes: Patterns | None
    models: Patterns | None


_NOBODY = _Entry(
    key=None, digest=bytes(32), until=NEVER, previous=b"", previous_until=0, routes=None, models=None
)  # compared where an id is unknown, so that an unknown id takes as long as a wrong secret


_NOTHING = (Patterns(()), Patterns(()))


class Keyring:
    """All keys at one moment, immutable. Recognising one needs one SHA-256 and no database.

    Where not `required` and no key was ever made, everybody is let in, as nobody.
    """

    def __init__(self, keys: Iterable[Key], *, required: bool, generation: int = 0) -> None:
        self._entries = {key.id.encode(): _entry(key) for key in keys}
        self._scopes = {e.key.id: (e.routes, e.models) for e in self._entries.values() if e.key is not None}
        self.open = not required and not self._entries
        self.generation = generation

    @classmethod
    def load(cls, store: KeyStore, *, required: bool) -> "Keyring":
        """The keys in the store. It is out of date once the store's generation differs from its own."""
        generation = store.generation()
        return cls(store.all(), required=required, generation=generation)

    def authenticate(self, credential: bytes | str | None, now: int) -> Key | None:
        """Whose credential it is; None where the ring is open.

        `credential` is the value of Authorization ('Bearer fh_...', or just the key) or of one of the API key headers.
        Unauthenticated where it is missing, foreign, unknown, revoked or expired.
        """
        if self.open:
            return None
        if not credential:
            raise Unauthenticated(MISSING)
        if isinstance(credential, str):
            credential = credential.encode(errors="replace")
        if credential[6:7] == b" " and credential[:6].lower() == b"bearer":  # RFC 9110 section 11.1: in any case
            credential = credential[7:].strip()
        parts = credential.split(b"_", 2)
        if len(parts) != 3 or parts[0] != b"fh":
            raise Unauthenticated(FOREIGN)
        entry = self._entries.get(parts[1], _NOBODY)
        digest = _digest(parts[2])
        known = compare_digest(digest, entry.digest)
        if not known and now < entry.previous_until:
            known = compare_digest(digest, entry.previous)
        key = entry.key
        if not known or key is None:
            raise Unauthenticated(UNKNOWN)
        if now >= entry.until:
            raise _ended(key)
        return key

    def named(self, id: str, now: int) -> Key | None:
        """The key with this id, for what was asked with it before; None for '' where the ring is open. Unauthenticated
        where it is good for nothing any more."""
        if self.open and not id:
            return None
        entry = self._entries.get(id.encode())
        if entry is None or entry.key is None:
            raise Unauthenticated("What asked for this has no key any more; ask again with one")
        if now >= entry.until:
            raise _ended(entry.key)
        return entry.key

    def allows(self, key: Key, route: str, *models: str) -> bool:
        """Whether `key` may ask for `route`, and be served by a model that goes by any of the names `models`.

        Without `models` only the route is looked at. A key that is not in this ring may do nothing.
        """
        routes, patterns = self._scopes.get(key.id, _NOTHING)
        if routes is not None and not routes.match(route):
            return False
        return patterns is None or not models or any(map(patterns.match, models))


def _entry(key: Key) -> _Entry:
    ends = [time for time in (key.expires_at, key.revoked_at) if time is not None]
    return _Entry(
        key=key,
        digest=key.digest,
        until=min(ends, default=NEVER),
        previous=key.previous or b"",
        previous_until=key.previous_until or 0,
        routes=None if key.routes is None else Patterns(key.routes),
        models=None if key.models is None else Patterns(key.models),
    )


def _ended(key: Key) -> Unauthenticated:
    revoked, expired = key.revoked_at, key.expires_at
    if revoked is not None and (expired is None or revoked <= expired):
        return Unauthenticated(f"Key '{key.name}' ({key.id}) was revoked on {_day(revoked)}. Ask for a new one.")
    return Unauthenticated(f"Key '{key.name}' ({key.id}) expired on {_day(expired or 0)}. Ask for a new one.")


def _day(time: int) -> str:
    return datetime.fromtimestamp(time // NANO, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _digest(secret: bytes) -> bytes:
    return sha256(secret).digest()


def _base62(data: bytes, width: int) -> str:
    number, text = int.from_bytes(data, "big"), ""
    for _ in range(width):
        number, digit = divmod(number, 62)
        text = ALPHABET[digit] + text
    return text
