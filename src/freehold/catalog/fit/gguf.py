"""GGUF headers: tensors and metadata of a model file, without its weights.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.
"""

import struct
from math import prod
from typing import BinaryIO

from msgspec import Struct

MAGIC = b"GGUF"
MOST_BYTES = 1 << 28
MOST_ITEMS = 1 << 24
ALIGNMENT = 32

Value = int | float | bool | str | list["Value"]

BLOCKS: dict[int, tuple[int, int]] = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    10: (256, 84),
    11: (256, 110),
    12: (256, 144),
    13: (256, 176),
    14: (256, 210),
    15: (256, 292),
    16: (256, 66),
    17: (256, 74),
    18: (256, 98),
    19: (256, 50),
    20: (32, 18),
    21: (256, 110),
    22: (256, 82),
    23: (256, 136),
    24: (1, 1),
    25: (1, 2),
    26: (1, 4),
    27: (1, 8),
    28: (1, 8),
    29: (256, 56),
    30: (1, 2),
    34: (256, 54),
    35: (256, 66),
    39: (32, 17),
}
"""Elements and bytes of a block by ggml's number of the type (ggml.h, ggml-common.h)."""

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


class Tensor(Struct, frozen=True):
    """A tensor of a file: its name, elements and bytes."""

    name: str
    elements: int
    bytes: int


class Gguf(Struct, frozen=True):
    """The header of a file: what it says of the model, its tensors, and the byte where the last of them ends."""

    metadata: dict[str, Value]
    tensors: tuple[Tensor, ...]
    end: int


def read(file: BinaryIO) -> Gguf:
    """The header at the start of `file`; ValueError where it is not one, is cut, or claims what cannot be."""
    reader = _Reader(file)
    if reader.take(4) != MAGIC:
        raise ValueError("not a GGUF file")
    version = reader.number("I")
    if version not in (2, 3):
        raise ValueError(f"GGUF version {version} is not known")
    tensors, pairs = reader.count(), reader.count()
    metadata: dict[str, Value] = {}
    for _ in range(pairs):
        key = reader.text()
        metadata[key] = reader.value(int(reader.number("I")))
    found = [reader.tensor() for _ in range(tensors)]
    alignment = metadata.get("general.alignment", ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1:
        raise ValueError(f"GGUF alignment {alignment!r} is not one")
    start = -(-reader.taken // alignment) * alignment
    end = start + max((offset + tensor.bytes for offset, tensor in found), default=0)
    return Gguf(metadata=metadata, tensors=tuple(tensor for _, tensor in found), end=end)


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.taken = 0

    def take(self, size: int) -> bytes:
        self.taken += size
        if size > MOST_BYTES or self.taken > MOST_BYTES:
            raise ValueError("the GGUF header is longer than a header can be")
        found = self._file.read(size)
        if len(found) < size:
            raise ValueError("the GGUF header is cut")
        return found

    def number(self, form: str) -> int | float | bool:
        return struct.unpack(f"<{form}", self.take(struct.calcsize(f"<{form}")))[0]

    def count(self) -> int:
        found = int(self.number("Q"))
        if found > MOST_ITEMS:
            raise ValueError(f"the GGUF header claims {found} items")
        return found

    def text(self) -> str:
        return self.take(int(self.number("Q"))).decode("utf-8", "replace")

    def value(self, kind: int, depth: int = 0) -> Value:
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY and depth < 4:
            inner = int(self.number("I"))
            return [self.value(inner, depth + 1) for _ in range(self.count())]
        if kind not in _SCALARS:
            raise ValueError(f"GGUF value type {kind} is not known")
        return self.number(_SCALARS[kind])

    def tensor(self) -> tuple[int, Tensor]:
        name = self.text()
        axes = int(self.number("I"))
        if axes > 8:
            raise ValueError(f"tensor {name!r} has {axes} axes")
        shape = [int(self.number("Q")) for _ in range(axes)]
        kind, offset = int(self.number("I")), int(self.number("Q"))
        if kind not in BLOCKS:
            raise ValueError(f"tensor {name!r} has the unknown type {kind}: its size cannot be told")
        elements, (block, size) = prod(shape), BLOCKS[kind]
        return offset, Tensor(name, elements, -(-elements // block) * size)
