"""The rows of hashes: tiles of C2SP tlog-tiles, from which the tree goes on and proofs are made."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.errors import LedgerDamaged
from freehold.ledger.merkle import Frontier, consistency, consistent, included, inclusion, leaf_hash
from freehold.ledger.tiles import WIDTH, Rows, Tree

SIZE = 66_000  # reaches the third row
LEAVES = [leaf_hash(n.to_bytes(4, "big")) for n in range(SIZE)]


def root(size: int) -> bytes:
    return Frontier(LEAVES[:size]).root()


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    rows, tree = Rows(tmp_path_factory.mktemp("rows"), writes=True), Tree()
    for leaf in LEAVES:
        tree.append(leaf)
        if tree.size % 1000 == 0:
            tree.flush(rows.write)
    tree.flush(rows.write)
    assert tree.root() == root(SIZE)
    return rows


def test_a_tile_is_256_hashes_of_its_row_and_its_root_a_hash_of_the_row_above(rows: Rows) -> None:
    assert sorted(p.name for p in rows.folder.iterdir()) == ["0", "1", "2"]
    for level, tile in ((0, 0), (0, 256), (1, 0)):
        hashes = rows.read(level, tile * WIDTH, WIDTH)
        above = Frontier(hashes[i : i + 32] for i in range(0, len(hashes), 32)).root()
        assert rows.read(level + 1, tile, 1) == above
    assert rows.read(0, 0, 3) == b"".join(LEAVES[:3])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, SIZE - 300), st.integers(0, 300))
def test_a_tree_goes_on_from_any_size_as_if_it_had_never_stopped(rows: Rows, size: int, more: int) -> None:
    tree = Tree.resume(rows, size)
    assert (tree.size, tree.root()) == (size, root(size))
    for leaf in LEAVES[size : size + more]:
        tree.append(leaf)
    assert tree.root() == root(size + more)
    tree.flush(lambda level, offset, hashes: _same(rows, level, offset, hashes))


def _same(rows: Rows, level: int, offset: int, hashes: bytes) -> None:
    assert rows.at(level, offset, len(hashes)) == hashes


@settings(max_examples=30, deadline=None)
@given(st.integers(1, SIZE), st.data())
def test_proofs_come_from_the_rows(rows: Rows, size: int, data: st.DataObject) -> None:
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    path = inclusion(index, size, rows.nodes(size))
    assert included(leaf=LEAVES[index], index=index, size=size, path=path, root=root(size))
    proof = consistency(old, size, rows.nodes(size))
    assert consistent(old=old, new=size, proof=proof, old_root=root(old), new_root=root(size))


def test_a_write_that_failed_is_made_again(tmp_path: Path) -> None:
    rows, tree = Rows(tmp_path, writes=True), Tree()
    for leaf in LEAVES[:300]:
        tree.append(leaf)

    def full(level: int, offset: int, hashes: bytes) -> None:
        if level == 1:
            raise OSError("full")
        rows.write(level, offset, hashes)

    with pytest.raises(OSError, match="full"):
        tree.flush(full)
    tree.append(LEAVES[300])
    tree.flush(rows.write)
    assert Tree.resume(rows, 301).root() == root(301)
    rows.close()


def test_rows_that_end_too_early_say_so(tmp_path: Path) -> None:
    (tmp_path / "0").write_bytes(bytes(64))
    rows = Rows(tmp_path)
    with pytest.raises(LedgerDamaged, match="ends before hash 3"):
        Tree.resume(rows, 3)
    rows.close()
