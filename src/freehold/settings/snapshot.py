"""Snapshots: settings as canonical JSON, named by their digest, so that an old decision can be computed again.

Canonical: UTF-8, keys sorted, no white space, every default written out, money as nano-dollars; a secret is only where
it came from.
"""

import hashlib
from typing import NoReturn

import msgspec

from freehold.core.errors import SettingsWrong
from freehold.core.secret import Secret
from freehold.settings.tables import Settings


class Withheld(Secret):
    """A secret as a snapshot knows it: where it came from, never what it was."""

    __slots__ = ()

    def reveal(self) -> NoReturn:
        raise SettingsWrong(f"A snapshot of settings holds no secrets; {self.source} must be read again")


def snapshot(settings: Settings) -> bytes:
    return _ENCODER.encode(settings)


def digest(settings: Settings) -> str:
    """SHA-256 of the snapshot, in hex."""
    return hashlib.sha256(snapshot(settings)).hexdigest()


def restore(data: bytes) -> Settings:
    """The settings of a snapshot, with `Withheld` for each secret; SettingsWrong where it cannot be read."""
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise SettingsWrong(f"The snapshot of settings is damaged or of another version: {error}") from None


def _source(value: object) -> str:
    if isinstance(value, Secret):
        return value.source
    raise TypeError(f"{type(value).__name__} has no place in settings")


def _withheld(kind: type, value: object) -> object:
    if kind is Secret:
        return Withheld("", source=str(value))
    raise TypeError(f"{kind.__name__} has no place in settings")


_ENCODER = msgspec.json.Encoder(enc_hook=_source, order="sorted")
_DECODER = msgspec.json.Decoder(Settings, dec_hook=_withheld)
