"""The folder that a tuner makes: named by its digest, whole or not there at all."""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from freehold.core.errors import SettingsWrong

MANIFEST = "manifest.json"
_PIECE = 1 << 20


def seal(name: str, artifacts: Path, manifest: Mapping[str, Any], fill: Callable[[Path], None]) -> tuple[str, Path]:
    """Let `fill` write files into a folder, add the manifest, and give the folder its name; digest and path of it.

    The digest (SHA-256, hex) is that of the manifest, which holds the digest of every file: the same content has the
    same digest. What a killed process left unfinished is removed first.
    """
    artifacts.mkdir(parents=True, exist_ok=True)
    draft = artifacts / f".{name}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    fill(draft)
    files = {str(p.relative_to(draft)): file_digest(p) for p in sorted(draft.rglob("*")) if p.is_file()}
    text = msgspec.json.format(
        msgspec.json.encode({**manifest, "name": name, "files": files}, order="sorted"), indent=1
    )
    (draft / MANIFEST).write_bytes(text)
    digest = hashlib.sha256(text).hexdigest()
    path = artifacts / f"{name}-{digest[:12]}"
    if path.exists():
        shutil.rmtree(draft)
    else:
        _sync(draft)
        draft.rename(path)
    return digest, path


def manifest(folder: Path) -> dict[str, Any]:
    """What a sealed folder says of itself; SettingsWrong where it is none."""
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise SettingsWrong(f"{folder} is no tuned model: {error}") from None


def file_digest(path: Path) -> str:
    """SHA-256 in hex, read piece by piece."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def _sync(folder: Path) -> None:
    """Let every file reach the disk before the folder gets its name."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
