"""Locks in a folder: one open file for all that one program holds, and what others see of it."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from edoc_connector.connector.holdings.folder_locks import FolderLocks, HeldLock, LockFolders

NAMES = [f"agency-{number}" for number in range(30)]


def test_many_locks_are_in_one_file(tmp_path: Path) -> None:
    """Thirty agencies have one list; others are refused each of them, and get what was given back."""
    ours, others = FolderLocks(tmp_path), FolderLocks(tmp_path)
    held = [ours.acquire(name, "one", "one.db") for name in NAMES]
    assert len(list(tmp_path.glob(".edoc-held-*"))) == 1
    assert [others.acquire(name, "two", "two.db") for name in NAMES] == ["one.db"] * len(NAMES)
    assert isinstance(held[3], HeldLock)
    held[3].release()
    taken = others.acquire(NAMES[3], "two", "two.db")
    assert isinstance(taken, HeldLock)
    assert others.acquire(NAMES[4], "two", "two.db") == "one.db"
    assert ours.acquire(NAMES[3], "one", "one.db") == "two.db"
    for lock in (*held, taken):
        assert isinstance(lock, HeldLock)
        lock.release()
    assert not list(tmp_path.glob(".edoc-held-*"))


def test_a_lock_is_shared_until_the_last_one_gives_it_back(tmp_path: Path) -> None:
    """Two connectors of a program, and another program, may hold a lock for the same store; none for another one."""
    ours = LockFolders().find(tmp_path)
    locks = [ours.acquire("agency", "one", "one.db"), ours.acquire("agency", "one", "one.db")]
    locks.append(FolderLocks(tmp_path).acquire("agency", "one", "mounted.db"))
    for lock in locks:
        assert isinstance(ours.acquire("agency", "two", "two.db"), str)
        assert isinstance(lock, HeldLock)
        lock.release()
        lock.release()
        assert not lock.is_held
    assert isinstance(ours.acquire("agency", "two", "two.db"), HeldLock)


def test_the_list_of_a_program_that_ended_is_removed(tmp_path: Path) -> None:
    """A list that nobody has locked keeps nobody away, and does not stay."""
    left = tmp_path / ".edoc-held-0.lock"
    left.write_text('["agency", "one", "one.db"]\n')
    assert isinstance(FolderLocks(tmp_path).acquire("agency", "two", "two.db"), HeldLock)
    assert not left.exists()


def test_a_list_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """What is in a list is never guessed."""
    ours = FolderLocks(tmp_path)
    ours.acquire("agency", "one", "one.db")
    (file,) = tmp_path.glob(".edoc-held-*")
    file.write_text("no list\n")
    with pytest.raises(OSError, match="cannot be read"):
        FolderLocks(tmp_path).acquire("agency", "two", "two.db")


def test_a_list_that_was_removed_is_lost_as_a_whole(tmp_path: Path) -> None:
    """Somebody may have come since for any of the locks: each is asked for again."""
    ours = FolderLocks(tmp_path)
    first, second = (ours.acquire(name, "one", "one.db") for name in NAMES[:2])
    assert isinstance(first, HeldLock)
    assert isinstance(second, HeldLock)
    assert second.is_in_place()
    next(tmp_path.glob(".edoc-held-*")).unlink()
    assert isinstance(FolderLocks(tmp_path).acquire(NAMES[1], "two", "two.db"), HeldLock)
    assert not first.is_in_place()
    assert not second.is_held
    assert isinstance(ours.acquire(NAMES[0], "one", "one.db"), HeldLock)
    assert ours.acquire(NAMES[1], "one", "one.db") == "two.db"


def test_what_comes_after_a_list_was_removed_is_seen(tmp_path: Path) -> None:
    """A lock that is taken when the list is gone goes into a new one, which others find."""
    ours = FolderLocks(tmp_path)
    first = ours.acquire(NAMES[0], "one", "one.db")
    next(tmp_path.glob(".edoc-held-*")).unlink()
    assert isinstance(ours.acquire(NAMES[1], "one", "one.db"), HeldLock)
    assert isinstance(first, HeldLock)
    assert not first.is_held
    assert FolderLocks(tmp_path).acquire(NAMES[1], "two", "two.db") == "one.db"


def test_a_forked_child_holds_locks_of_its_own(tmp_path: Path) -> None:
    """The parent's are not the child's: what the child gives back, or does not, changes nothing for the parent."""
    ours = FolderLocks(tmp_path)
    held = ours.acquire("agency", "one", "one.db")
    assert isinstance(held, HeldLock)
    context = multiprocessing.get_context("fork")
    child = context.Process(target=_check_in_child, args=(ours, held))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert held.is_in_place()
    assert FolderLocks(tmp_path).acquire("agency", "two", "two.db") == "one.db"
    held.release()
    assert isinstance(FolderLocks(tmp_path).acquire("agency", "two", "two.db"), HeldLock)


def _check_in_child(locks: FolderLocks, held: HeldLock) -> None:
    assert not held.is_held
    held.release()
    assert locks.acquire("agency", "two", "two.db") == "one.db"
    assert isinstance(locks.acquire("agency", "one", "one.db"), HeldLock)
    os._exit(0)
