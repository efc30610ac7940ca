"""Manifests: what a catalog file is, in a few lines that its maker signs.

    freehold-catalog/1
    sha256 9f2c…                    of the file, hex
    size 1252665                    bytes
    as_of 2026-11-23                the day up to which its sources were read
    signed_at 2026-11-25T06:00:00Z
    models 1250
    offers 2985

The lines are the text of a signed note (https://c2sp.org/signed-note, Ed25519), kept beside the file as FILE.manifest.
The first line keeps a signature of something else, such as a checkpoint of a ledger, from passing for one of a catalog.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Protocol

from msgspec import Struct

from freehold.catalog.schema import File
from freehold.catalog.validity import read
from freehold.core.errors import CatalogRefused

HEAD = "freehold-catalog/1"
SUFFIX = ".manifest"
NANO = 1_000_000_000
SIGN = "`freehold catalog sign FILE` signs with the key of this data folder; [catalog] keys names the keys of others"

_LINES = re.compile(
    rf"{HEAD}\nsha256 ([0-9a-f]{{64}})\nsize ([0-9]{{1,12}})\nas_of (\d{{4}}-\d\d-\d\d)\n"
    r"signed_at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\nmodels ([0-9]{1,9})\noffers ([0-9]{1,9})\n"
)


class Verifying(Protocol):
    """A public key. `text` gives the text of a note that it signed, and is a ValueError for any other."""

    @property
    def name(self) -> str: ...

    def text(self, note: bytes) -> str: ...


class Manifest(Struct, frozen=True, kw_only=True):
    """What a signed file is. `signed_at`: UTC nanoseconds, whole seconds; `signer`: the name of the key."""

    digest: str
    size: int
    as_of: str
    signed_at: int
    models: int
    offers: int
    signer: str = ""

    def text(self) -> str:
        """What is signed."""
        at = datetime.fromtimestamp(self.signed_at // NANO, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return (
            f"{HEAD}\nsha256 {self.digest}\nsize {self.size}\nas_of {self.as_of}\n"
            f"signed_at {at}\nmodels {self.models}\noffers {self.offers}\n"
        )


def described(data: bytes, *, at: int) -> Manifest:
    """The manifest of a file that is signed at an instant (UTC nanoseconds); CatalogRefused where it is no catalog."""
    return _of(read(data), data, at)


def opened(note: bytes, keys: Iterable[Verifying], *, where: str) -> Manifest:
    """The manifest in a signed note; CatalogRefused unless one of the keys signed it. `where` names it in messages."""
    keys = tuple(keys)
    if not keys:
        raise CatalogRefused(f"{where}: no key is known that may sign catalogs. {SIGN}")
    problems: list[str] = []
    for key in keys:
        try:
            text = key.text(note)
        except ValueError as error:
            problems.append(str(error))
            continue
        return _parsed(text, key.name, where)
    raise CatalogRefused(f"{where}: {'; '.join(dict.fromkeys(problems))}. {SIGN}")


def kept(note: bytes) -> Manifest:
    """The manifest in a note that was opened before it was kept here."""
    text, _, signatures = note.decode().rpartition("\n\n")
    return _parsed(f"{text}\n", signatures.split(" ")[1], "a manifest kept here")


def held_to(manifest: Manifest, data: bytes, *, where: str) -> File:
    """The catalog in a file; CatalogRefused unless it is the very file of the manifest, and a whole catalog."""
    if len(data) != manifest.size or sha256(data).hexdigest() != manifest.digest:
        raise CatalogRefused(f"{where}: is not the file that was signed: it was changed or cut. Get both files again")
    file = read(data)
    if _of(file, data, manifest.signed_at).text() != manifest.text():
        raise CatalogRefused(f"{where}: the manifest counts other models, offers or days than the file has")
    return file


def _of(file: File, data: bytes, at: int) -> Manifest:
    return Manifest(
        digest=sha256(data).hexdigest(),
        size=len(data),
        as_of=file.as_of,
        signed_at=at // NANO * NANO,
        models=len(file.models),
        offers=file.offers(),
    )


def _parsed(text: str, signer: str, where: str) -> Manifest:
    found = _LINES.fullmatch(text)
    if found is None:
        raise CatalogRefused(f"{where}: what {signer} signed is not the manifest of a catalog")
    digest, size, as_of, at, models, offers = found.groups()
    try:
        signed = datetime.strptime(at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise CatalogRefused(f"{where}: {at} is not an instant") from None
    return Manifest(
        digest=digest,
        size=int(size),
        as_of=as_of,
        signed_at=int(signed.timestamp()) * NANO,
        models=int(models),
        offers=int(offers),
        signer=signer,
    )
