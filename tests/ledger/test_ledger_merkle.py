"""The tree of RFC 6962, held to foreign vectors and to its definition."""

import json
from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency,
    consistent,
    included,
    inclusion,
    leaf_hash,
    node_hash,
)

VECTORS = Path(__file__).parents[3] / "shared/data/governance/merkle_vectors.json"
LEAVES = [leaf_hash(bytes([n])) for n in range(70)]
sizes = st.integers(1, len(LEAVES))


def definition(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962 section 2.1 writes it, over leaf hashes."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = max(1 << i for i in range(8) if 1 << i < len(leaves))
    return node_hash(definition(leaves[:k]), definition(leaves[k:]))


def nodes(height: int, index: int) -> bytes:
    return definition(LEAVES[index << height : (index + 1) << height])


def vectors(kind: str) -> list[dict[str, object]]:
    if not VECTORS.exists():
        pytest.skip(f"{VECTORS} is not there")
    return json.loads(VECTORS.read_text())[kind]


def hashes(encoded: list[str] | None) -> list[bytes]:
    return [b64decode(h) for h in encoded or ()]


def test_the_published_inclusion_proofs_are_judged_as_published() -> None:
    for v in vectors("inclusion"):
        ok = included(
            leaf=b64decode(v["leafHash"]),
            index=v["leafIdx"],
            size=v["treeSize"],
            path=hashes(v["proof"]),
            root=b64decode(v["root"]),
        )
        assert ok is not v["wantErr"], v["desc"]


def test_the_published_consistency_proofs_are_judged_as_published() -> None:
    for v in vectors("consistency"):
        ok = consistent(
            old=v["size1"],
            new=v["size2"],
            proof=hashes(v["proof"]),
            old_root=b64decode(v["root1"]),
            new_root=b64decode(v["root2"]),
        )
        assert ok is not v["wantErr"], v["desc"]


def test_the_root_at_every_size_is_that_of_the_definition() -> None:
    frontier = Frontier()
    assert frontier.root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for size, leaf in enumerate(LEAVES, start=1):
        frontier.append(leaf)
        assert (frontier.size, frontier.root()) == (size, definition(LEAVES[:size]))
        assert len(frontier.hashes) == size.bit_count()


@given(sizes, st.data())
def test_every_leaf_can_be_proven_and_nothing_else_with_its_proof(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    root, path = definition(LEAVES[:size]), inclusion(index, size, nodes)
    assert included(leaf=LEAVES[index], index=index, size=size, path=path, root=root)

    other = data.draw(st.integers(0, size).filter(lambda n: n != index))
    assert not included(leaf=LEAVES[index], index=other, size=size, path=path, root=root)
    assert not included(leaf=LEAVES[-1 if index != 69 else 0], index=index, size=size, path=path, root=root)
    assert not included(leaf=LEAVES[index], index=index, size=size, path=[*path, root], root=root)
    for at in range(len(path)):
        assert not included(leaf=LEAVES[index], index=index, size=size, path=path[:at] + path[at + 1 :], root=root)


@given(sizes, sizes, st.data())
def test_every_tree_can_be_proven_to_extend_an_earlier_one_and_no_other(a: int, b: int, data: st.DataObject) -> None:
    old, new = sorted((a, b))
    old_root, new_root = definition(LEAVES[:old]), definition(LEAVES[:new])
    proof = consistency(old, new, nodes)
    assert consistent(old=old, new=new, proof=proof, old_root=old_root, new_root=new_root)

    forged = definition([*LEAVES[: old - 1], leaf_hash(b"forged")])
    assert not consistent(old=old, new=new, proof=proof, old_root=forged, new_root=new_root)
    assert not consistent(old=old, new=new, proof=[*proof, new_root], old_root=old_root, new_root=new_root)
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        wrong = [*proof[:at], bytes(32), *proof[at + 1 :]]
        assert not consistent(old=old, new=new, proof=wrong, old_root=old_root, new_root=new_root)


def test_a_proof_for_what_is_not_in_the_tree_is_refused() -> None:
    with pytest.raises(ValueError, match="no leaf 5"):
        inclusion(5, 5, nodes)
    for old, new in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match="No proof leads"):
            consistency(old, new, nodes)
