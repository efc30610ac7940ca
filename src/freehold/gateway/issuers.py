"""Issuers: which provider account issued a seal, remembered from the answers of this process.

A provider's seal names nobody, and another account of the same dialect refuses it. So a conversation goes on where its
seals are from, and what has to go elsewhere goes without them. What came before a restart is unknown, and passes.
"""

from collections.abc import Mapping
from hashlib import blake2b

from freehold.core.request import Request
from freehold.core.seal import Seal
from freehold.dialects.sealed import held, mark

REMEMBERED = 65_536
"""Seals; each takes about 150 bytes."""


class Issuers:
    """A bounded memory of digests; the oldest goes first."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._accounts: dict[bytes, str] = {}

    def note(self, seal: Seal, account: str) -> None:
        """An answer of this account held this seal."""
        accounts = self._accounts
        if len(accounts) >= self._most:
            del accounts[next(iter(accounts))]
        accounts[_digest(seal)] = account

    def sealed(self, request: Request) -> Mapping[Seal, str]:
        """The seals in a request whose account is known, in its order."""
        seals = held(request)
        if not seals:
            return {}
        known = ((seal, seal.account or self._accounts.get(_digest(seal))) for seal in seals)
        return {seal: account for seal, account in known if account}


def _digest(seal: Seal) -> bytes:
    return blake2b(mark(seal), digest_size=16).digest()
