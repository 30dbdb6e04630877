"""Check of a log against heads that were kept: whether it still leads to them, and where it was touched if not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .checkpoint import Checkpoint
from .checkpoint_folder import KeptLog
from .merkle import CompactRange


@dataclass(frozen=True, slots=True)
class TouchedEntries:
    """The first entries that are not as a kept head fixes them.

    Args:
        first: number of the first leaf that may be one, from 0.
        end: number behind the last that may be the first one; ``first + 1`` where it is known exactly.
        missing: whether the log ends before it, as one does that was restored to an older copy.
        checkpoint: the head that shows it.
    """

    first: int
    end: int
    missing: bool
    checkpoint: Checkpoint

    @property
    def is_exact(self) -> bool:
        """Whether the entry is known exactly."""
        return self.end == self.first + 1


@dataclass(frozen=True, slots=True)
class LogCheck:
    """The result of checking a log.

    Args:
        size: leaves of the log.
        root: root of the tree over them.
        held: kept heads that the log leads to.
        touched: what is not as it was; None where everything is.
        conflicting: two kept heads of one size with different roots: one of them is of a fork.
    """

    size: int
    root: bytes
    held: int
    touched: TouchedEntries | None
    conflicting: tuple[Checkpoint, Checkpoint] | None = None


def check_log(leaf_hashes: Iterable[bytes], checkpoints: Sequence[Checkpoint], kept: KeptLog | None = None) -> LogCheck:
    """Check the leaves of a log against heads that were kept.

    Args:
        leaf_hashes: hashes of all leaves, in order, computed from the entries themselves.
        checkpoints: heads of this log whose signatures were verified, in any order.
        kept: leaf hashes that were kept, which tell exactly which entry was touched.
    """
    heads = sorted(checkpoints, key=lambda one: one.size)
    waiting = list(reversed(heads))
    grown, good = CompactRange.start(), CompactRange.start()
    touched: TouchedEntries | None = None
    open_leaves: list[bytes] = []
    held = 0
    for leaf_hash in _with_start(leaf_hashes):
        if leaf_hash is not None:
            grown.extend((leaf_hash,))
            if waiting and touched is None:
                open_leaves.append(leaf_hash)
        while waiting and waiting[-1].size == grown.size:
            head = waiting.pop()
            if touched is None and head.root != grown.compute_root():
                touched = _locate(good, open_leaves, head, kept)
            elif touched is None:
                held, good, open_leaves = held + 1, grown.copy(), []
    if touched is None and waiting:
        touched = _locate(good, open_leaves, waiting[-1], kept)
    return LogCheck(grown.size, grown.compute_root(), held, touched, _find_conflict(heads))


def _with_start(leaf_hashes: Iterable[bytes]) -> Iterator[bytes | None]:
    """Begin with no leaf, since a head of the empty tree may have been kept too."""
    yield None
    yield from leaf_hashes


def _locate(good: CompactRange, leaves: Sequence[bytes], head: Checkpoint, kept: KeptLog | None) -> TouchedEntries:
    """Find the first leaf that is not as the head fixes it, between the last head that holds and this one."""
    behind = good.size + len(leaves)
    if kept is not None:
        fixed = list(kept.read_leaves(good.size, head.size))
        grown = good.copy()
        grown.extend(fixed)
        if (grown.size, grown.compute_root()) == (head.size, head.root):
            pairs = enumerate(zip(leaves, fixed, strict=False), good.size)
            first = next((number for number, (is_now, was) in pairs if is_now != was), behind)
            return TouchedEntries(first, first + 1, first >= behind, head)
    is_missing = behind < head.size
    return TouchedEntries(good.size, head.size, is_missing, head)


def _find_conflict(heads: Sequence[Checkpoint]) -> tuple[Checkpoint, Checkpoint] | None:
    for one, other in pairwise(heads):
        if one.size == other.size and one.root != other.root:
            return one, other
    return None
