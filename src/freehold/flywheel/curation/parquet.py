"""Parquet files of flat columns, written and read without a library.

Every reader of Parquet can open them (Arrow, pandas, Polars, DuckDB, Spark). We read what we write: optional columns
of text, 64-bit integers and doubles, PLAIN pages of version 1, gzip, a CRC for each page. The same rows give the same
bytes.
Source: https://parquet.apache.org/docs/file-format/.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from struct import Struct as Layout
from struct import error as LayoutError
from typing import Any, Literal, cast

from freehold.core.errors import StoreFailed
from freehold.flywheel.curation.thrift import I32, Struct, decode, encode

Kind = Literal["text", "int", "float"]
Row = Mapping[str, Any]

_MAGIC = b"PAR1"
_TYPES: Mapping[Kind, int] = {"int": 2, "float": 5, "text": 6}  # INT64, DOUBLE, BYTE_ARRAY
_KINDS: Mapping[int, Kind] = {number: kind for kind, number in _TYPES.items()}
_PLAIN, _RLE, _GZIP, _OPTIONAL, _UTF8 = 0, 3, 2, 1, 0
_LEVEL = 6
_SIZE = Layout("<I")
_INT, _FLOAT = Layout("<q"), Layout("<d")
ROWS_PER_GROUP = 10_000


def write(path: Path, columns: Mapping[str, Kind], rows: Sequence[Row], *, created_by: str) -> None:
    """A file with these columns; a value that a row lacks, or None, is null."""
    with path.open("wb") as file:
        file.write(_MAGIC)
        groups: list[Struct] = []
        for start in range(0, len(rows), ROWS_PER_GROUP):
            some = rows[start : start + ROWS_PER_GROUP]
            chunks: list[Struct] = []
            total = 0
            for name, kind in columns.items():
                offset = file.tell()
                plain, page = _page(kind, [row.get(name) for row in some])
                file.write(page)
                size = file.tell() - offset
                total += plain + size - len(page)
                chunks.append(_chunk(name, kind, len(some), offset=offset, plain=plain, size=size))
            groups.append({1: chunks, 2: total, 3: len(some)})
        footer = encode({1: I32(1), 2: _schema(columns), 3: len(rows), 4: groups, 6: created_by.encode()})
        file.write(footer + _SIZE.pack(len(footer)) + _MAGIC)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file that `write` wrote. StoreFailed names a file that is missing, damaged, or of another shape."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreFailed(f"{path} cannot be read: {error.strerror}") from error
    try:
        yield from _rows(data)
    except (ValueError, KeyError, TypeError, IndexError, LayoutError, zlib.error) as error:
        raise StoreFailed(f"{path} is damaged, or not a Parquet file of ours: {error}") from error


def _schema(columns: Mapping[str, Kind]) -> list[Struct]:
    root: Struct = {4: b"schema", 5: I32(len(columns))}
    leaves: list[Struct] = [
        {1: I32(_TYPES[kind]), 3: I32(_OPTIONAL), 4: name.encode()} | ({6: I32(_UTF8)} if kind == "text" else {})
        for name, kind in columns.items()
    ]
    return [root, *leaves]


def _chunk(name: str, kind: Kind, count: int, *, offset: int, plain: int, size: int) -> Struct:
    meta: Struct = {
        1: I32(_TYPES[kind]),
        2: [I32(_PLAIN), I32(_RLE)],
        3: [name.encode()],
        4: I32(_GZIP),
        5: count,
        6: plain,
        7: size,
        9: offset,
    }
    return {2: offset, 3: meta}


def _page(kind: Kind, values: Sequence[Any]) -> tuple[int, bytes]:
    """The uncompressed size of header and data, and the bytes of the page."""
    levels = _levels([value is not None for value in values])
    data = _SIZE.pack(len(levels)) + levels + _plain(kind, [value for value in values if value is not None])
    packer = zlib.compressobj(_LEVEL, wbits=31)
    packed = packer.compress(data) + packer.flush()
    crc = zlib.crc32(packed)
    header = encode(
        {
            1: I32(0),
            2: I32(len(data)),
            3: I32(len(packed)),
            4: I32(crc - (1 << 32) if crc >> 31 else crc),
            5: {1: I32(len(values)), 2: I32(_PLAIN), 3: I32(_RLE), 4: I32(_RLE)},
        }
    )
    return len(header) + len(data), header + packed


def _levels(present: Sequence[bool]) -> bytes:
    """Definition levels of one bit as runs: (count << 1) as a varint, then the level."""
    out = bytearray()
    for level, run in groupby(present):
        count = sum(1 for _ in run) << 1
        while count > 0x7F:
            out.append(count & 0x7F | 0x80)
            count >>= 7
        out += bytes((count, int(level)))
    return bytes(out)


def _plain(kind: Kind, values: Sequence[Any]) -> bytes:
    match kind:
        case "int":
            return b"".join(map(_INT.pack, values))
        case "float":
            return b"".join(map(_FLOAT.pack, values))
        case "text":
            parts: list[bytes] = []
            for value in values:
                encoded = cast("str", value).encode("utf-8", "surrogatepass")
                parts += (_SIZE.pack(len(encoded)), encoded)
            return b"".join(parts)


def _rows(data: bytes) -> Iterator[dict[str, Any]]:
    if data[:4] != _MAGIC or data[-4:] != _MAGIC or len(data) < 12:
        raise ValueError("it does not begin and end with PAR1")
    size = int(_SIZE.unpack_from(data, len(data) - 8)[0])
    footer, _ = decode(data[max(4, len(data) - 8 - size) : -8])
    names = [leaf[4].decode() for leaf in footer[2][1:]]
    count = 0
    for group in footer[4]:
        columns = [_column(data, chunk[3]) for chunk in group[1]]
        if len(columns) != len(names) or any(len(values) != group[3] for values in columns):
            raise ValueError("a column has not as many values as there are rows")
        for values in zip(*columns, strict=True):
            count += 1
            yield dict(zip(names, values, strict=True))
    if count != footer[3]:
        raise ValueError(f"it has {count} rows and says {footer[3]}")


def _column(data: bytes, meta: dict[int, Any]) -> list[Any]:
    if meta[4] != _GZIP:
        raise ValueError("it is not compressed with gzip")
    view = memoryview(data)
    header, at = decode(view, meta[9])
    packed = view[at : at + header[3]]
    if zlib.crc32(packed) != header[4] & 0xFFFFFFFF:
        raise ValueError(f"the page of column {meta[3][0].decode()!r} does not have its CRC")
    plain = zlib.decompress(packed, wbits=31)
    start = 4 + int(_SIZE.unpack_from(plain)[0])
    present = _present(plain[4:start], header[5][1])
    values = iter(_values(_KINDS[meta[1]], plain, start, sum(present)))
    return [next(values) if there else None for there in present]


def _present(levels: bytes, count: int) -> list[bool]:
    found: list[bool] = []
    at = 0
    while len(found) < count:
        run = shift = 0
        while True:
            byte = levels[at]
            at += 1
            run |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if run & 1 or run >> 1 > count:
            raise ValueError("it has levels that are no runs")
        found += [bool(levels[at])] * (run >> 1)
        at += 1
    return found


def _values(kind: Kind, plain: bytes, at: int, count: int) -> list[Any]:
    if kind != "text":
        layout = Layout(f"<{count}{'q' if kind == 'int' else 'd'}")
        return list(layout.unpack_from(plain, at))
    found: list[str] = []
    for _ in range(count):
        size = int(_SIZE.unpack_from(plain, at)[0])
        at += 4 + size
        if at > len(plain):
            raise ValueError("a text goes beyond its page")
        found.append(plain[at - size : at].decode("utf-8", "surrogatepass"))
    return found
