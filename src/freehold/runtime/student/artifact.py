"""A student on disk: a folder with `manifest.json` and `weights.safetensors`. Nothing in it is ever executed."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from freehold.core.errors import SettingsWrong
from freehold.runtime.student.contract import Contract
from freehold.runtime.tensors import read_safetensors, safetensors

FORMAT = 3
MANIFEST = "manifest.json"
WEIGHTS = "weights.safetensors"
Tensor = NDArray[Any]


class Rules(Struct, frozen=True, kw_only=True):
    """When the student answers.

    `threshold`: the least calibrated chance of being right. `slope` and `offset` map the log odds of the raw chance to
    those of the calibrated one. `out_of_scope`: labels that are never answered. `scope`: the least scope score, in
    natural logarithms; None: not asked.
    """

    threshold: float
    slope: float = 1.0
    offset: float = 0.0
    out_of_scope: tuple[str, ...] = ()
    scope: float | None = None


class Manifest(Struct, frozen=True, kw_only=True):
    """What a student is and where it comes from. `metrics` were measured on training rows that the measured model had
    not seen. `weights`: SHA-256 of the weights file. `encoder`: the name of the sentence encoder that it needs.
    `meaning`: the length of the vector of a text's meaning beside its n-grams; `soft`: how much soft words count in it.
    """

    format: int = FORMAT
    name: str
    contract: Contract
    kinds: tuple[str, ...]
    rules: Rules
    dataset: str
    seed: int
    rows: int
    metrics: dict[str, float]
    weights: str = ""
    encoder: str | None = None
    encoder_size: int = 0
    meaning: float = 0.0
    soft: float = 1.0


def save(folder: Path, manifest: Manifest, tensors: Mapping[str, Tensor]) -> Path:
    """Write `folder`/NAME-DIGEST whole or not at all; its path. The same student gives the same name."""
    weights = safetensors(tensors)
    manifest = msgspec.structs.replace(manifest, weights=hashlib.sha256(weights).hexdigest())
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    path = folder / f"{manifest.name}-{hashlib.sha256(text).hexdigest()[:12]}"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".student-", dir=folder))
    try:
        for name, data in ((WEIGHTS, weights), (MANIFEST, text)):
            with (draft / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        draft.rename(path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return path


def load(folder: Path) -> tuple[Manifest, dict[str, Tensor]]:
    """The manifest and the tensors of a student; SettingsWrong where the folder is none or was changed."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        if manifest.format != FORMAT:
            raise SettingsWrong(f"{folder} has format {manifest.format}; this version reads {FORMAT}: tune it again")
        with (folder / WEIGHTS).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != manifest.weights:
            raise SettingsWrong(f"{folder}/{WEIGHTS} is not what its manifest names: it was changed or cut")
        return manifest, read_safetensors(folder / WEIGHTS)
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingsWrong(f"{folder} is no student: {error}") from None


def packed(words: list[str]) -> Tensor:
    """Strings without line feeds as one tensor of UTF-8."""
    return np.frombuffer("\n".join(words).encode("utf-8", "surrogatepass"), np.uint8)


def unpacked(tensor: Tensor) -> list[str]:
    data = tensor.tobytes()
    return data.decode("utf-8", "surrogatepass").split("\n") if data else []
