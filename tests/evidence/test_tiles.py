"""Proofs out of stored tiles: what they read, and what they say where hashes are missing."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from edoc_connector.errors import EvidenceError
from edoc_connector.evidence import MemoryTiles, TreeReader, hash_leaf, is_consistent, is_included

HUGE = 10_000_000


@dataclass
class EvenTree:
    """A tree of any size whose leaves are alike, which needs no leaf to be hashed; it counts what is read."""

    read: list[int] = field(default_factory=list)

    def read_tile(self, level: int, index: int, width: int) -> bytes:
        """A tile whose hashes are those over like leaves."""
        from edoc_connector.evidence import hash_node

        one = hash_leaf(b"")
        for _ in range(4 * level):
            one = hash_node(one, one)
        self.read.append(width * 32)
        return one * width


@pytest.fixture
def tree() -> MemoryTiles:
    """A small tree."""
    tree = MemoryTiles()
    for number in range(300):
        tree.append(hash_leaf(b"%d" % number))
    return tree


@pytest.mark.parametrize("index", [0, 1, HUGE // 2, HUGE - 17, HUGE - 1])
def test_a_proof_in_a_huge_tree_reads_a_few_kilobytes(index: int) -> None:
    """Of 10,000,000 leaves, a proof of inclusion and the root take at most twelve tiles, 6 KB (issue, "1.")."""
    source = EvenTree()
    reader = TreeReader(source, HUGE)
    proof = reader.prove_inclusion(index)
    assert is_included(hash_leaf(b""), index=index, size=HUGE, proof=proof, root=reader.compute_root())
    assert len(source.read) <= 12
    assert sum(source.read) <= 6 * 1024
    assert len(proof) <= 24


def test_a_proof_of_consistency_reads_as_little() -> None:
    """Two heads of 10,000,000 leaves are compared with a few kilobytes read (issue, "4.")."""
    source = EvenTree()
    reader = TreeReader(source, HUGE)
    proof = reader.prove_consistency(HUGE - 1024)
    assert is_consistent(
        old_size=HUGE - 1024,
        new_size=HUGE,
        proof=proof,
        old_root=reader.compute_root(HUGE - 1024),
        new_root=reader.compute_root(),
    )
    assert sum(source.read) <= 12 * 1024


@pytest.mark.parametrize("ask", [(300, None), (-1, None), (5, 5), (0, 301), (0, -1)])
def test_a_leaf_beyond_the_tree(tree: MemoryTiles, ask: tuple[int, int | None]) -> None:
    """A typed error says how many entries there are."""
    with pytest.raises(EvidenceError, match="entries"):
        tree.open().prove_inclusion(*ask)


@pytest.mark.parametrize("ask", [(301, None), (-1, None), (6, 5), (0, 301)])
def test_a_tree_beyond_the_tree(tree: MemoryTiles, ask: tuple[int, int | None]) -> None:
    """A typed error says how many entries there are."""
    with pytest.raises(EvidenceError, match="entries"):
        tree.open().prove_consistency(*ask)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_missing_hash_is_said(tree: MemoryTiles, level: int) -> None:
    """A store that lost a hash gives a typed error with the tile, and no wrong root."""
    del tree.levels[level][-32:]
    with pytest.raises(EvidenceError, match=f"of level {level}"):
        tree.open().compute_root()


def test_a_missing_level_is_said(tree: MemoryTiles) -> None:
    """A store without the rows of a level gives a typed error."""
    del tree.levels[2]
    with pytest.raises(EvidenceError, match="of level 2"):
        tree.open().compute_root()
