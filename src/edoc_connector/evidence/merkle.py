"""Merkle trees as of RFC 9162, 2.1: hashes, the range that a tree grows by, and what a proof proves.

A proof is checked here without the tree. Proofs are made in `tiles`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the tree without leaves (RFC 9162, 2.1.1)."""
TILE_HEIGHT = 4
"""Levels of a tree in one tile."""
TILE_WIDTH = 1 << TILE_HEIGHT
"""Hashes in one whole tile."""


def hash_leaf(entry: bytes) -> bytes:
    """Compute the hash of a leaf (RFC 9162, 2.1.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Compute the hash of a node (RFC 9162, 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class TileNode:
    """A hash over a whole tile, which becomes part of the tile above and never changes.

    Args:
        level: level of the tile that it becomes part of, from 1: it is over 16^level leaves.
        index: its number among the hashes of that level, from 0.
        hash: the hash.
    """

    level: int
    index: int
    hash: bytes


@dataclass(slots=True)
class CompactRange:
    """The least that a tree needs to grow: the roots of the whole subtrees that it is made of, the largest first.

    Args:
        size: leaves so far.
        peaks: a hash for each bit that is set in `size`, the highest bit first.
    """

    size: int
    peaks: list[bytes]

    @classmethod
    def start(cls) -> CompactRange:
        """Start with the empty tree."""
        return cls(0, [])

    def append(self, leaf_hash: bytes) -> Iterator[TileNode]:
        """Append a leaf by its hash, and yield the hashes over tiles that became whole by it, the lowest first.

        The leaf is appended when the iterator ran to its end; `extend` does that.
        """
        index, level, top = self.size, 0, leaf_hash
        while index & 1:
            top = hash_node(self.peaks.pop(), top)
            index >>= 1
            level += 1
            if level % TILE_HEIGHT == 0:
                yield TileNode(level // TILE_HEIGHT, index, top)
        self.peaks.append(top)
        self.size += 1

    def extend(self, leaf_hashes: Iterable[bytes]) -> list[TileNode]:
        """Append leaves by their hashes, and return the hashes over tiles that became whole, to be stored."""
        return [node for leaf_hash in leaf_hashes for node in self.append(leaf_hash)]

    def compute_root(self) -> bytes:
        """Compute the root of the tree as it is now."""
        return fold_peaks(self.peaks)

    def copy(self) -> CompactRange:
        """Copy the range; appending to the copy does not change the original."""
        return CompactRange(self.size, list(self.peaks))


def fold_peaks(peaks: Sequence[bytes]) -> bytes:
    """Compute the root over whole subtrees, given from left to right, each smaller than the one before it."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = hash_node(peak, root)
    return root


def compute_root(leaf_hashes: Iterable[bytes]) -> bytes:
    """Compute the root of the tree over leaves given by their hashes."""
    grown = CompactRange.start()
    grown.extend(leaf_hashes)
    return grown.compute_root()


def is_included(leaf_hash: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether a leaf is in a tree (RFC 9162, 2.1.3.2).

    Args:
        leaf_hash: hash of the leaf.
        index: its number, from 0.
        size: leaves of the tree.
        proof: the hashes beside the path from the leaf to the root, from below.
        root: root of the tree.
    """
    if not 0 <= index < size:
        return False
    node, last, found = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = hash_node(sibling, found)
            node, last = _climb_right_edge(node, last)
        else:
            found = hash_node(found, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(*, old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Tell whether a tree is the beginning of another (RFC 9162, 2.1.4.2).

    Args:
        old_size: leaves of the smaller tree; every tree begins with the empty one.
        new_size: leaves of the larger tree.
        proof: the hashes that lead to both roots; empty for trees of one size, and for the empty tree.
        old_root: root of the smaller tree.
        new_root: root of the larger tree.
    """
    if not 0 <= old_size <= new_size:
        return False
    if old_size == new_size or old_size == 0:
        expected = new_root if old_size else EMPTY_ROOT
        return not proof and old_root == expected and (new_size > 0 or new_root == EMPTY_ROOT)
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not path:
        return False
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_found = new_found = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old_found, new_found = hash_node(sibling, old_found), hash_node(sibling, new_found)
            node, last = _climb_right_edge(node, last)
        else:
            new_found = hash_node(new_found, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and (old_found, new_found) == (old_root, new_root)


def _climb_right_edge(node: int, last: int) -> tuple[int, int]:
    """Climb over the levels at which a node on the right edge has no sibling."""
    while not node & 1 and node:
        node, last = node >> 1, last >> 1
    return node, last
