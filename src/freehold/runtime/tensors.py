"""Tensors on disk: safetensors, read and written without pickle (format: github.com/huggingface/safetensors).

Eight bytes of length (little endian), a JSON header {name: {dtype, shape, data_offsets}}, then the numbers.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Tensor = NDArray[Any]
MAX_HEADER = 100_000_000
KINDS = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}
_NAMES = {np.dtype(kind): name for name, kind in KINDS.items()}


class _Place(Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, mapped into memory, not to be written. BF16 becomes float32.

    msgspec.ValidationError where the file is not what the format says.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(size, MAX_HEADER):
            raise msgspec.ValidationError(f"{path} is no safetensors file: its header does not fit")
        header: dict[str, Any] = msgspec.json.decode(file.read(length))
    header.pop("__metadata__", None)
    places = msgspec.convert(header, dict[str, _Place])
    data = np.memmap(path, np.uint8, "r", offset=8 + length) if size > 8 + length else np.empty(0, np.uint8)
    return {name: _tensor(path, name, place, data) for name, place in places.items()}


def _tensor(path: Path, name: str, place: _Place, data: Tensor) -> Tensor:
    start, stop = place.data_offsets
    kind = np.dtype("<u2" if place.dtype == "BF16" else KINDS.get(place.dtype, "V1"))
    count = int(np.prod(place.shape, dtype=np.int64))
    if kind.kind == "V" or not 0 <= start <= stop <= len(data) or stop - start != count * kind.itemsize:
        raise msgspec.ValidationError(f"{path}: tensor {name} is of an unknown kind or does not fit its place")
    piece = np.frombuffer(data[start:stop].tobytes(), kind) if start % kind.itemsize else data[start:stop].view(kind)
    if place.dtype == "BF16":
        piece = (piece.astype(np.uint32) << 16).view(np.float32)
    return np.asarray(piece).reshape(place.shape)


def safetensors(tensors: Mapping[str, Tensor]) -> bytes:
    """The bytes of a file; the same tensors give the same bytes. Larger items come first, so that all are aligned."""
    header: dict[str, Any] = {}
    pieces: list[bytes] = []
    at = 0
    for name in sorted(tensors, key=lambda n: (-tensors[n].dtype.itemsize, n)):
        tensor = tensors[name]
        piece = np.ascontiguousarray(tensor).tobytes()
        kind = _NAMES[tensor.dtype.newbyteorder("<")]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [at, at + len(piece)]}
        pieces.append(piece)
        at += len(piece)
    text = msgspec.json.encode(header)
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(pieces)
