"""Roots and proofs of a tree (RFC 9162, 2.1.3.1 and 2.1.4.1), out of the hashes that a store keeps.

A tile is up to 16 hashes that stand side by side: of level 0 the hashes of leaves, of level *k* hashes over 16^k leaves
each. A store keeps hashes over whole tiles only (`CompactRange.append` gives them); the rest is computed from the level
below. So what was stored never changes, and a proof reads at most two tiles of each level.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from ..errors import EvidenceError
from .merkle import HASH_SIZE, TILE_HEIGHT, TILE_WIDTH, CompactRange, fold_peaks, hash_node


class TileSource(Protocol):
    """Where the hashes of one tree are kept."""

    def read_tile(self, level: int, index: int, width: int) -> bytes:
        """Read a tile.

        Args:
            level: 0 for hashes of leaves, else that of `TileNode`.
            index: number of the tile; its first hash has the number ``16 * index``.
            width: hashes wanted, 1 to 16.

        Returns:
            The hashes in order, 32 bytes each; fewer where the store has fewer.
        """
        ...


@dataclass(slots=True)
class TreeReader:
    """A tree of some size, read from its tiles.

    Args:
        source: its tiles; each is read once.
        size: leaves of the tree.
    """

    source: TileSource
    size: int
    _tiles: dict[tuple[int, int], bytes] = field(default_factory=dict, repr=False)

    def compute_root(self, size: int | None = None) -> bytes:
        """Compute the root of the tree, or of its first leaves.

        Args:
            size: how many leaves; all where left out.

        Raises:
            EvidenceError: a tile is missing or too short.
        """
        return self._hash_range(0, self._check_size(size))

    def load_range(self, size: int | None = None) -> CompactRange:
        """Load what the tree, or its first leaves, needs to grow.

        Raises:
            EvidenceError: a tile is missing or too short.
        """
        end = self._check_size(size)
        return CompactRange(end, list(self._read_peaks(0, end)))

    def prove_inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Make the proof that a leaf is in the tree, or among its first leaves.

        Args:
            index: number of the leaf, from 0.
            size: leaves of the tree that the proof is for; all where left out.

        Raises:
            EvidenceError: there is no such leaf, or a tile is missing or too short.
        """
        begin, end = 0, self._check_size(size)
        if not 0 <= index < end:
            raise _no_such_tree_error(index + 1, end)
        proof = []
        while end - begin > 1:
            middle = begin + _split(end - begin)
            if index < middle:
                proof.append(self._hash_range(middle, end))
                end = middle
            else:
                proof.append(self._hash_range(begin, middle))
                begin = middle
        return proof[::-1]

    def prove_consistency(self, old_size: int, new_size: int | None = None) -> list[bytes]:
        """Make the proof that the first leaves are the beginning of the tree.

        Args:
            old_size: leaves of the smaller tree.
            new_size: leaves of the larger one; all where left out.

        Raises:
            EvidenceError: a size is beyond the tree, or a tile is missing or too short.
        """
        begin, end = 0, self._check_size(new_size)
        if not 0 <= old_size <= end:
            raise _no_such_tree_error(old_size, end)
        if old_size in (0, end):
            return []
        proof = []
        while end > old_size:
            middle = begin + _split(end - begin)
            if old_size <= middle:
                proof.append(self._hash_range(middle, end))
                end = middle
            else:
                proof.append(self._hash_range(begin, middle))
                begin = middle
        if begin:  # else the smaller tree is a whole subtree, whose root the verifier has
            proof.append(self._hash_range(begin, end))
        return proof[::-1]

    def _check_size(self, size: int | None) -> int:
        if size is None:
            return self.size
        if not 0 <= size <= self.size:
            raise _no_such_tree_error(size, self.size)
        return size

    def _hash_range(self, begin: int, end: int) -> bytes:
        """Compute the root over leaves from a place that is a multiple of the largest whole subtree in them."""
        return fold_peaks(list(self._read_peaks(begin, end)))

    def _read_peaks(self, begin: int, end: int) -> Iterator[bytes]:
        for bit in reversed(range((end - begin).bit_length())):
            if (end - begin) >> bit & 1:
                yield self._read_subtree(bit, begin >> bit)
                begin += 1 << bit

    def _read_subtree(self, height: int, index: int) -> bytes:
        """Read the hash over 2^height leaves, folded from the nearest level that is stored."""
        level, above = divmod(height, TILE_HEIGHT)
        first = index << above
        tile = self._load_tile(level, first // TILE_WIDTH)
        place, count = first % TILE_WIDTH, 1 << above
        hashes = [tile[at * HASH_SIZE : (at + 1) * HASH_SIZE] for at in range(place, place + count)]
        while len(hashes) > 1:
            hashes = [hash_node(*hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
        return hashes[0]

    def _load_tile(self, level: int, index: int) -> bytes:
        if (level, index) not in self._tiles:
            width = min(TILE_WIDTH, (self.size >> level * TILE_HEIGHT) - index * TILE_WIDTH)
            tile = self.source.read_tile(level, index, width)
            if len(tile) != width * HASH_SIZE:
                raise EvidenceError(
                    f"hashes of the evidence are missing: tile {index} of level {level} has "
                    f"{len(tile)} bytes, and not {width * HASH_SIZE}; run edoc fsck, and restore the database.",
                    vi=f"thiếu mã băm của nhật ký bằng chứng: ô {index} mức {level} có {len(tile)} byte thay vì "
                    f"{width * HASH_SIZE}; hãy chạy edoc fsck và khôi phục cơ sở dữ liệu.",
                )
            self._tiles[level, index] = tile
        return self._tiles[level, index]


@dataclass(slots=True)
class MemoryTiles:
    """A tree in memory: for tests, and to check the leaves that a folder or an archive holds.

    Args:
        range: what it grows by.
        levels: the hashes of each level, one after the other.
    """

    range: CompactRange = field(default_factory=CompactRange.start)
    levels: list[bytearray] = field(default_factory=lambda: [bytearray()])

    def append(self, leaf_hash: bytes) -> None:
        """Append a leaf by its hash."""
        self.levels[0] += leaf_hash
        for node in self.range.append(leaf_hash):
            if node.level == len(self.levels):
                self.levels.append(bytearray())
            self.levels[node.level] += node.hash

    def read_tile(self, level: int, index: int, width: int) -> bytes:
        """Read a tile; see `TileSource.read_tile`."""
        first = index * TILE_WIDTH * HASH_SIZE
        return bytes(self.levels[level][first : first + width * HASH_SIZE]) if level < len(self.levels) else b""

    def open(self) -> TreeReader:
        """Open the tree as it is now."""
        return TreeReader(self, self.range.size)


def _split(count: int) -> int:
    """Find the largest power of two below a number (RFC 9162, 2.1.1: k)."""
    return 1 << (count - 1).bit_length() - 1


def _no_such_tree_error(wanted: int, size: int) -> EvidenceError:
    return EvidenceError(
        f"the log has {size} entries, and {wanted} were asked for; give a number up to its size.",
        vi=f"nhật ký có {size} mục, không có mục thứ {wanted}; hãy nhập số không vượt quá kích thước nhật ký.",
    )
