"""Our Parquet files: read by others, read by us, and named when damaged."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.errors import StoreFailed
from freehold.flywheel.curation import parquet

COLUMNS: dict[str, parquet.Kind] = {"name": "text", "at": "int", "weight": "float"}
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
row = st.fixed_dictionaries(
    {
        "name": st.none() | texts,
        "at": st.none() | st.integers(-(2**63), 2**63 - 1),
        "weight": st.none() | st.floats(allow_nan=False),
    }
)


@settings(max_examples=60)
@given(st.lists(row, max_size=40))
def test_what_was_written_is_read_and_the_bytes_are_always_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("parquet")
    parquet.write(folder / "a.parquet", COLUMNS, rows, created_by="test")
    parquet.write(folder / "b.parquet", COLUMNS, rows, created_by="test")

    assert list(parquet.read(folder / "a.parquet")) == rows
    assert (folder / "a.parquet").read_bytes() == (folder / "b.parquet").read_bytes()


@pytest.mark.parametrize("count", [0, 1, 7, 25_000])
def test_the_reference_library_reads_the_same(tmp_path: Path, count: int) -> None:
    arrow = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    rows = [
        {"name": None if n % 7 == 3 else f"Ünïcode {n}\n", "at": n if n % 2 else None, "weight": n / 8}
        for n in range(count)
    ]
    path = tmp_path / "rows.parquet"
    parquet.write(path, COLUMNS, rows, created_by="freehold test")

    table = arrow.read_table(path, page_checksum_verification=True)
    assert table.to_pylist() == rows
    assert [str(t) for t in table.schema.types] == ["string", "int64", "double"]
    assert arrow.ParquetFile(path).metadata.created_by == "freehold test"
    assert list(parquet.read(path)) == rows


def test_a_damaged_byte_is_noticed_or_changes_no_value(tmp_path: Path) -> None:
    rows = [{"name": f"row {n}", "at": n, "weight": 0.5} for n in range(5)]
    path = tmp_path / "rows.parquet"
    parquet.write(path, COLUMNS, rows, created_by="test")
    whole = path.read_bytes()
    noticed: list[str] = []
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes((whole[at] ^ 0x20,)) + whole[at + 1 :])
        try:
            found = list(parquet.read(path))
        except StoreFailed as error:
            noticed.append(error.message)
        else:
            assert [list(r.values()) for r in found] == [list(r.values()) for r in rows]
    assert len(noticed) > len(whole) / 2
    assert all(str(path) in message for message in noticed)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + b"\0" * 20, b"PAR1\xff\xff\xff\x7f\xff\xff\xff\x7fPAR1"])
def test_what_is_no_parquet_file_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(data)
    with pytest.raises(StoreFailed, match=r"x\.parquet is damaged, or not a Parquet file"):
        list(parquet.read(path))
    with pytest.raises(StoreFailed, match=r"absent\.parquet cannot be read"):
        list(parquet.read(tmp_path / "absent.parquet"))
