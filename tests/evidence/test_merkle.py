"""Merkle trees as RFC 9162 has them: known answers, and no proof of what is not so."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edoc_connector.evidence import (
    EMPTY_ROOT,
    CompactRange,
    MemoryTiles,
    TileNode,
    compute_root,
    hash_leaf,
    hash_node,
    is_consistent,
    is_included,
)

# The leaves that implementations of RFC 6962 are tested with since Certificate Transparency's first, and the roots.
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION_OF_0_IN_8 = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]
CONSISTENCY_OF_6_AND_8 = [
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]


def grow(size: int) -> MemoryTiles:
    """A tree of leaves that are their own numbers."""
    tree = MemoryTiles()
    for number in range(size):
        tree.append(hash_leaf(b"%d" % number))
    return tree


def compute_by_definition(leaves: list[bytes]) -> bytes:
    """The root as RFC 9162, 2.1.1 defines it."""
    if len(leaves) < 2:
        return hash_leaf(leaves[0]) if leaves else hashlib.sha256().digest()
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    return hash_node(compute_by_definition(leaves[:middle]), compute_by_definition(leaves[middle:]))


TREE = grow(600)
ROOTS_OF_TREE = [TREE.open().compute_root(size) for size in range(601)]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_of_the_reference_leaves(size: int) -> None:
    """The eight leaves that implementations of RFC 6962 share have the roots that these agree on."""
    assert compute_root(map(hash_leaf, LEAVES[:size])).hex() == ROOTS[size - 1]


def test_the_empty_tree() -> None:
    """Its root is the hash of nothing (RFC 9162, 2.1.1)."""
    assert compute_root([]) == EMPTY_ROOT == hashlib.sha256(b"").digest()
    assert MemoryTiles().open().compute_root() == EMPTY_ROOT


def test_proofs_of_the_reference_leaves() -> None:
    """Proofs of the reference tree are those of Certificate Transparency's own tests, hash by hash."""
    tree = MemoryTiles()
    for leaf in LEAVES:
        tree.append(hash_leaf(leaf))
    assert [one.hex() for one in tree.open().prove_inclusion(0)] == INCLUSION_OF_0_IN_8
    assert [one.hex() for one in tree.open().prove_consistency(6)] == CONSISTENCY_OF_6_AND_8


@given(st.lists(st.binary(max_size=4), max_size=70))
def test_a_root_is_the_one_of_the_definition(leaves: list[bytes]) -> None:
    """What grows leaf by leaf ends at the root that the RFC defines for the whole (RFC 9162, 2.1.1)."""
    assert compute_root(map(hash_leaf, leaves)) == compute_by_definition(leaves)


@given(st.data())
def test_inclusion_is_proven(data: st.DataObject) -> None:
    """The proof of any leaf in any tree that has it verifies (RFC 9162, 2.1.3)."""
    size = data.draw(st.integers(1, 600))
    index = data.draw(st.integers(0, size - 1))
    proof = TREE.open().prove_inclusion(index, size)
    root = ROOTS_OF_TREE[size]
    leaf = hash_leaf(b"%d" % index)
    assert is_included(leaf, index=index, size=size, proof=proof, root=root)
    assert not is_included(hash_leaf(b"x"), index=index, size=size, proof=proof, root=root)
    assert not is_included(leaf, index=index, size=size, proof=[*proof, leaf], root=root)
    for other in {index + 1, index - 1, index ^ 1, size, -1} - {index}:
        assert not is_included(leaf, index=other, size=size, proof=proof, root=root)
    for number, one in enumerate(proof):
        flipped = [*proof[:number], bytes([one[0] ^ 1]) + one[1:], *proof[number + 1 :]]
        assert not is_included(leaf, index=index, size=size, proof=flipped, root=root)
        assert not is_included(leaf, index=index, size=size, proof=proof[:number] + proof[number + 1 :], root=root)


@given(st.data())
def test_consistency_is_proven(data: st.DataObject) -> None:
    """The proof that any tree goes on from an earlier one verifies, and no other does (RFC 9162, 2.1.4)."""
    new = data.draw(st.integers(0, 600))
    old = data.draw(st.integers(0, new))
    proof = TREE.open().prove_consistency(old, new)
    old_root, new_root = ROOTS_OF_TREE[old], ROOTS_OF_TREE[new]
    assert is_consistent(old_size=old, new_size=new, proof=proof, old_root=old_root, new_root=new_root)
    assert not is_consistent(old_size=old, new_size=new, proof=[*proof, old_root], old_root=old_root, new_root=new_root)
    assert not is_consistent(old_size=old, new_size=new, proof=proof, old_root=b"\1" * 32, new_root=new_root)
    assert not is_consistent(old_size=new + 1, new_size=new, proof=proof, old_root=old_root, new_root=new_root)
    if old:
        assert not is_consistent(old_size=old, new_size=new, proof=proof, old_root=old_root, new_root=b"\1" * 32)
    for number, one in enumerate(proof):
        flipped = [*proof[:number], bytes([one[0] ^ 1]) + one[1:], *proof[number + 1 :]]
        assert not is_consistent(old_size=old, new_size=new, proof=flipped, old_root=old_root, new_root=new_root)
        shorter = proof[:number] + proof[number + 1 :]
        assert not is_consistent(old_size=old, new_size=new, proof=shorter, old_root=old_root, new_root=new_root)


def test_a_fork_is_not_consistent() -> None:
    """A tree in which one early leaf was changed does not go on from the one before, whatever proof is shown."""
    forked = MemoryTiles()
    for number in range(100):
        forked.append(hash_leaf(b"%d" % number if number != 7 else b"rewritten"))
    root = forked.open().compute_root()
    for old in range(8, 100):
        for proof in (forked.open().prove_consistency(old), TREE.open().prove_consistency(old, 100)):
            assert not is_consistent(
                old_size=old, new_size=100, proof=proof, old_root=ROOTS_OF_TREE[old], new_root=root
            )


@settings(max_examples=50)
@given(st.integers(0, 600), st.integers(0, 600))
def test_a_range_is_loaded_and_goes_on(first: int, second: int) -> None:
    """The range loaded from tiles at any size grows to the same roots, and gives the same whole tiles."""
    small, large = sorted((first, second))
    loaded = TREE.open().load_range(small)
    copy = loaded.copy()
    nodes = loaded.extend(hash_leaf(b"%d" % number) for number in range(small, large))
    assert loaded.compute_root() == ROOTS_OF_TREE[large]
    assert copy.compute_root() == ROOTS_OF_TREE[small]
    for node in nodes:
        assert TREE.read_tile(node.level, node.index // 16, 16)[node.index % 16 * 32 :][:32] == node.hash


def test_a_whole_tile_is_given_once() -> None:
    """Hashes over 16 and 256 leaves come in order, each when its last leaf does, so that rows are only inserted."""
    grown = CompactRange.start()
    nodes = grown.extend(hash_leaf(b"%d" % number) for number in range(600))
    assert len(nodes) == 600 // 16 + 600 // 256
    for level in (1, 2):
        indexes = [node.index for node in nodes if node.level == level]
        assert all(after - before == 1 for before, after in pairwise(indexes))
        assert indexes[0] == 0
    assert nodes[0] == TileNode(1, 0, ROOTS_OF_TREE[16])
