"""The Merkle tree of RFC 6962 section 2.1: hashes, the frontier of a growing tree, and proofs with their checks.

Proofs are computed from any source of perfect subtrees (`Nodes`); checks follow RFC 9162 sections 2.1.3.2 and 2.1.4.2.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from hmac import compare_digest

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

Nodes = Callable[[int, int], bytes]
"""(height, index) -> hash of the perfect subtree over leaves [index << height, (index + 1) << height)."""


def leaf_hash(data: bytes) -> bytes:
    """SHA-256 of 0x00 and the leaf's bytes."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of 0x01 and both children."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """A growing tree, reduced to the hashes of its perfect subtrees from left to right: at most one for each height.

    Appending costs one node hash on average; memory and `root` are logarithmic in `size`.
    """

    __slots__ = ("hashes", "size")

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.size = 0
        self.hashes: list[bytes] = []
        for leaf in leaves:
            self.append(leaf)

    def append(self, leaf: bytes) -> None:
        """Add a leaf by its hash."""
        hashes, size = self.hashes, self.size
        while size & 1:
            leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
            size >>= 1
        hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        return fold(self.hashes)


def fold(subtrees: Sequence[bytes]) -> bytes:
    """The root over perfect subtrees of falling size, given from left to right."""
    if not subtrees:
        return EMPTY_ROOT
    root = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        root = node_hash(left, root)
    return root


def inclusion(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """PATH(index, D[size]): the siblings from the leaf up. ValueError unless 0 <= index < size."""
    if not 0 <= index < size:
        raise ValueError(f"A tree of {size} leaves has no leaf {index}")
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range(middle, high, nodes))
            high = middle
        else:
            path.append(_range(low, middle, nodes))
            low = middle
    path.reverse()
    return path


def consistency(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """PROOF(old, D[new]): what shows that the first `old` leaves are the same; empty where `old` is `new`.

    ValueError unless 0 < old <= new: of the empty tree there is nothing to show.
    """
    if not 0 < old <= new:
        raise ValueError(f"No proof leads from a tree of {old} leaves to one of {new}")
    proof: list[bytes] = []
    low, high = 0, new
    while high != old:
        middle = low + _split(high - low)
        if old <= middle:
            proof.append(_range(middle, high, nodes))
            high = middle
        else:
            proof.append(_range(low, middle, nodes))
            low = middle
    if low:  # the old root itself is known to whoever checks; any other subtree has to be told
        proof.append(_range(low, high, nodes))
    proof.reverse()
    return proof


def included(*, leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` proves that the leaf with hash `leaf` is number `index` of the tree of `size` with `root`."""
    if not 0 <= index < size or any(len(h) != HASH_BYTES for h in (leaf, *path)):
        return False
    number, last, seen = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if number & 1 or number == last:
            seen = node_hash(sibling, seen)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            seen = node_hash(seen, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and compare_digest(seen, root)


def consistent(*, old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether `proof` shows that the tree of `new` leaves starts with the tree of `old` leaves."""
    if old == new:
        return not proof and compare_digest(old_root, new_root)
    if not 0 < old < new or not proof or any(len(h) != HASH_BYTES for h in proof):
        return False
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    then = now = path[0]
    for node in path[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            then, now = node_hash(node, then), node_hash(node, now)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            now = node_hash(now, node)
        number, last = number >> 1, last >> 1
    return last == 0 and compare_digest(then, old_root) and compare_digest(now, new_root)


def _split(count: int) -> int:
    """The largest power of two below `count`, which is at least 2."""
    return 1 << (count - 1).bit_length() - 1


def _range(low: int, high: int, nodes: Nodes) -> bytes:
    """The root over leaves [low, high), where `low` is where the tree's own splits put it."""
    subtrees: list[bytes] = []
    while low < high:
        height = (high - low).bit_length() - 1
        subtrees.append(nodes(height, low >> height))
        low += 1 << height
    return fold(subtrees)
