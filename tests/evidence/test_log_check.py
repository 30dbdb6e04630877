"""A log is checked against kept heads, and the first entry that was touched is named."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edoc_connector.evidence import (
    Checkpoint,
    CheckpointFolder,
    KeptLog,
    check_log,
    compute_root,
    hash_leaf,
    sign_checkpoint,
)

ORIGIN = "edoc-evidence/H29.05/9f2c61d07be94a35"
LEAVES = [hash_leaf(b"%d" % number) for number in range(100)]
SIZES = (0, 16, 32, 64, 90)


def head(size: int) -> Checkpoint:
    """The head of the first leaves."""
    return Checkpoint(origin=ORIGIN, size=size, root=compute_root(LEAVES[:size]))


HEADS = [head(size) for size in SIZES]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> KeptLog:
    """The heads in a folder, with the leaves in between."""
    folder = CheckpointFolder(tmp_path_factory.mktemp("kept"))
    for first, size in pairwise(SIZES):
        folder.save(sign_checkpoint(head(size), None), first_leaf=first, leaf_hashes=LEAVES[first:size])
    return folder.read(ORIGIN)


def rewrite(number: int) -> list[bytes]:
    """The log with one entry rewritten, and everything after it linked anew."""
    return [*LEAVES[:number], hash_leaf(b"rewritten"), *LEAVES[number + 1 :]]


def test_a_log_that_was_not_touched(kept: KeptLog) -> None:
    """Every head holds, the empty one too, and the log may have gone on since."""
    found = check_log(LEAVES, HEADS, kept)
    assert (found.size, found.root, found.held) == (100, compute_root(LEAVES), 5)
    assert (found.touched, found.conflicting) == (None, None)


def test_nothing_kept_shows_nothing() -> None:
    """A log that was rewritten fits together again: only a head kept elsewhere shows it."""
    found = check_log(rewrite(3), [])
    assert (found.held, found.touched) == (0, None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(0, 89))
def test_the_first_touched_entry_is_named(kept: KeptLog, number: int) -> None:
    """Exactly where leaves were kept; else between the last head that holds and the first that does not."""
    exact = check_log(rewrite(number), HEADS, kept).touched
    assert exact is not None
    assert (exact.first, exact.is_exact, exact.missing) == (number, True, False)
    between = check_log(rewrite(number), HEADS).touched
    assert between is not None
    assert between.first <= number < between.end
    assert (between.first, between.end) in pairwise(SIZES)


@pytest.mark.parametrize("size", [0, 15, 16, 70, 89])
def test_a_log_restored_to_an_older_copy(kept: KeptLog, size: int) -> None:
    """It ends before a head that was kept, and the first missing entry is named (issue, "restored")."""
    found = check_log(LEAVES[:size], HEADS, kept)
    assert found.touched is not None
    assert (found.touched.first, found.touched.missing) == (size, True)
    assert found.held == sum(one <= size for one in SIZES)


def test_a_restored_log_that_went_on(kept: KeptLog) -> None:
    """The first entry that is another than the one lost is named, though the log is longer than every head."""
    grown = [*LEAVES[:70], *(hash_leaf(b"new %d" % number) for number in range(60))]
    found = check_log(grown, HEADS, kept)
    assert found.touched is not None
    assert (found.touched.first, found.touched.missing, found.held) == (70, False, 4)


def test_an_entry_taken_out(kept: KeptLog) -> None:
    """Everything behind it moves up, and it is named."""
    found = check_log([*LEAVES[:40], *LEAVES[41:]], HEADS, kept)
    assert found.touched is not None
    assert found.touched.first == 40


def test_kept_leaves_that_were_changed_too_are_not_believed(tmp_path: Path) -> None:
    """Leaves count only where they lead to a signed root; else the entry is named as one between two heads."""
    folder = CheckpointFolder(tmp_path)
    for first, size in pairwise(SIZES):
        forged = rewrite(40)[first:size]
        folder.save(sign_checkpoint(head(size), None), first_leaf=first, leaf_hashes=forged)
    found = check_log(rewrite(41), HEADS, folder.read(ORIGIN))
    assert found.touched is not None
    assert (found.touched.first, found.touched.end) == (32, 64)


def test_half_of_the_heads_deleted(kept: KeptLog) -> None:
    """Any later head that is left still shows the change (issue, "checkpoint folder half deleted")."""
    found = check_log(rewrite(3), HEADS[3:])
    assert found.touched is not None
    assert (found.touched.first, found.touched.end) == (0, 64)


def test_two_heads_of_one_size(kept: KeptLog) -> None:
    """An agency that signed two of them showed two logs, and both are named (issue, "forked")."""
    fork = Checkpoint(origin=ORIGIN, size=32, root=compute_root(rewrite(3)[:32]))
    found = check_log(LEAVES, [*HEADS, fork], kept)
    assert found.conflicting is not None
    assert {one.root for one in found.conflicting} == {fork.root, head(32).root}
    assert found.touched is not None
