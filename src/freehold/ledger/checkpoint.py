"""Signed checkpoints of a log, in the formats of C2SP signed-note and tlog-checkpoint, with Ed25519.

    freehold/node-1                                    the origin, also the key's name
    1029                                               leaves
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=       RFC 6962 root
                                                       (an empty line ends what is signed)
    — freehold/node-1 Az3grlgtzPICa5OS8npVmf1Myq/5…    base64 of the 4-byte key id and the signature

Sources: https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint.
"""

import binascii
import os
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from freehold.core.errors import LedgerDamaged, SettingsWrong, StoreFailed
from freehold.ledger.merkle import HASH_BYTES

_ED25519 = b"\x01"
_DASH = "\u2014 "
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class Checkpoint(Struct, frozen=True, kw_only=True):
    """What a log commits to: its first `size` leaves have this `root`. `extensions` are further signed lines."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The note text: what is signed."""
        lines = (self.origin, str(self.size), b64encode(self.root).decode(), *self.extensions)
        return "".join(line + "\n" for line in lines)


class Verifier(Struct, frozen=True, kw_only=True):
    """A public key with its name, written as `name+id+base64`."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> "Verifier":
        """Read a verifier key line; ValueError says what is wrong with it."""
        name, _, rest = vkey.strip().partition("+")
        id_, _, encoded = rest.partition("+")
        try:
            key = b64decode(encoded, validate=True)
        except binascii.Error:
            raise ValueError(f"Verifier key of {name!r} is not base64") from None
        if not _is_name(name) or key[:1] != _ED25519 or len(key) != 33:
            raise ValueError("Verifier key is not 'name+id+base64' of an Ed25519 key")
        verifier = cls(name=name, public=key[1:])
        if verifier.id().hex() != id_:
            raise ValueError(f"Verifier key of {name!r} says id {id_}, its bytes have {verifier.id().hex()}")
        return verifier

    def id(self) -> bytes:
        """The key id: four bytes that tell keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id().hex()}+{b64encode(_ED25519 + self.public).decode()}"

    def text(self, note: bytes) -> str:
        """The text of a signed note; ValueError unless this key signed it."""
        text, signatures = _split(note)
        mine = [s for name, id_, s in signatures if name == self.name and id_ == self.id()]
        if not mine:
            raise ValueError(f"The note has no signature by {self.name} ({self.id().hex()})")
        for signature in mine:
            try:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
            except InvalidSignature:
                raise ValueError(f"The signature by {self.name} does not fit the note") from None
        return text

    def open(self, note: bytes) -> Checkpoint:
        """The checkpoint in a signed note; ValueError unless this key signed it and it is of this key's log."""
        checkpoint = _parse(self.text(note))
        if checkpoint.origin != self.name:
            raise ValueError(f"The note is of log {checkpoint.origin!r}, the key of {self.name!r}")
        return checkpoint


class Signer:
    """A node's private key. It can sign and name its public half; it is never printed."""

    __slots__ = ("_private", "verifier")

    def __init__(self, name: str, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = Verifier(name=name, public=self._private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Signer({self.verifier.name})"

    def sign(self, text: str) -> bytes:
        """The signed note with a text, which ends in a newline."""
        name = self.verifier.name
        signature = b64encode(self.verifier.id() + self._private.sign(text.encode())).decode()
        return f"{text}\n{_DASH}{name} {signature}\n".encode()

    def checkpoint(self, *, size: int, root: bytes) -> bytes:
        """The signed note of a checkpoint of this key's log."""
        return self.sign(Checkpoint(origin=self.verifier.name, size=size, root=root).text())

    def line(self) -> str:
        """The private key in the `PRIVATE+KEY+name+id+base64` form of Go's note package."""
        seed = b64encode(_ED25519 + self._private.private_bytes_raw()).decode()
        return f"PRIVATE+KEY+{self.verifier.name}+{self.verifier.id().hex()}+{seed}"


def signer_at(path: Path, *, name: str, seed: bytes) -> Signer:
    """The key kept at `path` (mode 0600), made from `seed` (32 random bytes) where there is none yet.

    The verifier key is kept beside it as `path`.pub. SettingsWrong where others may read the key.
    """
    try:
        line = path.read_text()
    except FileNotFoundError:
        signer = Signer(name, seed)
        _keep(path, signer)
        return signer
    except OSError as error:
        raise StoreFailed(f"The ledger's key {path} cannot be read: {error.strerror}") from error
    if path.stat().st_mode & 0o077:
        raise SettingsWrong(f"The ledger's key {path} can be read by others. Run: chmod 600 {path}")
    return _load(path, line, name)


def _load(path: Path, line: str, name: str) -> Signer:
    parts = line.strip().split("+", 4)
    try:
        key = b64decode(parts[4], validate=True) if parts[:3] == ["PRIVATE", "KEY", name] else b""
    except (IndexError, binascii.Error):
        key = b""
    if len(key) != 33 or key[:1] != _ED25519:
        raise LedgerDamaged(f"{path} is not the Ed25519 key of {name}. Restore it from a copy")
    signer = Signer(name, key[1:])
    if signer.verifier.id().hex() != parts[3]:
        raise LedgerDamaged(f"{path} is damaged: its id is not that of its key. Restore it from a copy")
    return signer


def _keep(path: Path, signer: Signer) -> None:
    """Write both halves; the private one appears whole or not at all, and last."""
    public, draft = path.with_name(path.name + ".pub"), path.with_name(path.name + ".new")
    try:
        public.write_text(f"{signer.verifier}\n")
        draft.unlink(missing_ok=True)
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(signer.line() + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError as error:
        raise StoreFailed(f"The ledger's key {path} cannot be written: {error.strerror}") from error


def _split(note: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """The signed text, and (name, key id, signature) of each signature line."""
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise ValueError("The note is not UTF-8") from None
    at = whole.rfind("\n\n")
    if at < 0 or not whole.endswith("\n") or any(ord(c) < 32 and c != "\n" for c in whole):
        raise ValueError("The note is not text, an empty line and signature lines")
    text, lines = whole[: at + 1], whole[at + 2 : -1].split("\n")
    return text, [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        blob = b64decode(encoded, validate=True)
    except binascii.Error:
        blob = b""
    if not line.startswith(_DASH) or not _is_name(name) or len(blob) < 5:
        raise ValueError(f"Malformed signature line {line!r}")
    return name, blob[:4], blob[4:]


def _parse(text: str) -> Checkpoint:
    lines = text[:-1].split("\n")
    if len(lines) < 3 or "" in lines or not _SIZE.fullmatch(lines[1]):
        raise ValueError("The note is not a checkpoint: origin, size and root, a line each")
    try:
        root = b64decode(lines[2], validate=True)
    except binascii.Error:
        root = b""
    if len(root) != HASH_BYTES:
        raise ValueError("The root in the note is not a SHA-256 hash in base64")
    return Checkpoint(origin=lines[0], size=int(lines[1]), root=root, extensions=tuple(lines[3:]))


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(c.isspace() for c in name)
