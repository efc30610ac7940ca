"""Signed checkpoints: foreign notes are read, ours are what the formats say."""

from base64 import b64decode
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from freehold.core.errors import LedgerDamaged, SettingsWrong
from freehold.ledger.checkpoint import Checkpoint, Signer, Verifier, signer_at

# The example of golang.org/x/mod/sumdb/note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
SAYING = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SAID = (
    SAYING + "\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6K"
    "E6RyyBwJnAM=\n"
).encode()

NAME = "freehold/node-1"
SIGNER = Signer(NAME, bytes(range(32)))
ROOT = sha256(b"root").digest()


def test_a_note_signed_by_another_program_verifies_and_ours_is_the_same_to_the_byte() -> None:
    signer = Signer("PeterNeumann", PETER_SEED)
    assert Verifier.parse(PETER).text(SAID) == SAYING
    assert str(signer.verifier) == PETER
    assert signer.sign(SAYING) == SAID
    assert signer.line() == "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"


def test_a_checkpoint_taken_apart_by_hand_has_origin_size_root_and_a_signature_over_these_lines() -> None:
    lines = SIGNER.checkpoint(size=1029, root=ROOT).decode().split("\n")

    origin, size, root, empty, signature, end = lines
    assert (origin, size, b64decode(root), empty, end) == (NAME, "1029", ROOT, "", "")
    dash, name, blob = signature.split(" ")
    assert (dash, name) == ("\u2014", NAME)
    public = SIGNER.verifier.public
    assert b64decode(blob)[:4] == sha256(NAME.encode() + b"\n\x01" + public).digest()[:4]
    Ed25519PublicKey.from_public_bytes(public).verify(b64decode(blob)[4:], "\n".join(lines[:3]).encode() + b"\n")


def test_a_checkpoint_reads_back_and_other_peoples_signatures_beside_ours_do_not_matter() -> None:
    note = SIGNER.checkpoint(size=7, root=ROOT)
    witness = Signer("witness.example", bytes(32)).sign(note.decode().partition("\n\n")[0] + "\n")
    assert SIGNER.verifier.open(note + witness.partition(b"\n\n")[2]) == Checkpoint(origin=NAME, size=7, root=ROOT)
    extended = SIGNER.sign(Checkpoint(origin=NAME, size=7, root=ROOT, extensions=("more",)).text())
    assert SIGNER.verifier.open(extended).extensions == ("more",)


def test_no_byte_of_a_checkpoint_can_change() -> None:
    note = SIGNER.checkpoint(size=1029, root=ROOT)
    for at in range(len(note)):
        changed = bytearray(note)
        changed[at] ^= 1
        with pytest.raises(ValueError, match=r"note|[Ss]ignature"):
            SIGNER.verifier.open(bytes(changed))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{NAME}\n7\n", "origin, size and root"),
        (f"{NAME}\n07\n{'A' * 43}=\n", "origin, size and root"),
        (f"{NAME}\n-7\n{'A' * 43}=\n", "origin, size and root"),
        (f"{NAME}\n7\nAAAA\n", "not a SHA-256"),
        (f"{NAME}\n7\n!\n", "not a SHA-256"),
        (f"another\n7\n{'A' * 43}=\n", "is of log 'another'"),
    ],
)
def test_a_signed_note_that_is_no_checkpoint_of_this_log_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SIGNER.verifier.open(SIGNER.sign(text))


def test_the_signature_of_another_key_is_refused() -> None:
    note = Signer(NAME, bytes(32)).checkpoint(size=1, root=ROOT)
    with pytest.raises(ValueError, match="no signature by freehold/node-1"):
        SIGNER.verifier.open(note)


@pytest.mark.parametrize(
    "vkey", ["", "a+b", PETER.replace("c7", "c8"), PETER[:-8], PETER.replace("Pe", "P e"), "a+b+!"]
)
def test_a_malformed_verifier_key_is_refused(vkey: str) -> None:
    with pytest.raises(ValueError, match="Verifier key"):
        Verifier.parse(vkey)


def test_a_key_is_made_once_readable_by_its_owner_only(tmp_path: Path) -> None:
    made = signer_at(tmp_path / "key", name=NAME, seed=bytes(range(32)))
    again = signer_at(tmp_path / "key", name=NAME, seed=bytes(32))
    assert again.verifier == made.verifier == Verifier.parse((tmp_path / "key.pub").read_text())
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["key", "key.pub"]
    assert (tmp_path / "key").read_text() == made.line() + "\n"
    assert repr(made) == "Signer(freehold/node-1)"


def test_a_key_that_others_can_read_or_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    signer_at(path, name=NAME, seed=bytes(32))
    with pytest.raises(LedgerDamaged, match="not the Ed25519 key of freehold/node-2"):
        signer_at(path, name="freehold/node-2", seed=bytes(32))
    path.chmod(0o644)
    with pytest.raises(SettingsWrong, match=f"chmod 600 {path}"):
        signer_at(path, name=NAME, seed=bytes(32))
    path.write_text(path.read_text()[:-6] + "AAA=\n")
    path.chmod(0o600)
    with pytest.raises(LedgerDamaged, match="Restore it from a copy"):
        signer_at(path, name=NAME, seed=bytes(32))
