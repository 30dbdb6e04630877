"""The lock of a watched folder."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from tests.folder.office import Clock

from edoc_connector.folder.lock import FolderLock


def make_lock(folder: Path, clock: Clock) -> FolderLock:
    """A lock as a watcher has it."""
    return FolderLock(folder / "lock", like=folder, lock_after=60.0, clock=clock)


def write_holder(folder: Path, **holder: object) -> None:
    """The lock of a watcher elsewhere."""
    (folder / "lock").write_text(json.dumps(holder), encoding="utf-8")


def test_one_watcher_holds_the_lock(tmp_path: Path) -> None:
    """The second waits as long as the first renews its lock, and has it when that is given back."""
    clock = Clock()
    lock = make_lock(tmp_path, clock)
    assert lock.hold()
    assert "process" in (tmp_path / "lock").read_text(encoding="utf-8")
    assert lock.hold()
    lock.release()
    assert make_lock(tmp_path, clock).hold()


def test_a_lock_elsewhere_is_taken_over_when_it_stays_as_it_is(tmp_path: Path) -> None:
    """Clocks of other machines are not looked at: only whether the file changes, by this machine's steady clock."""
    clock = Clock()
    lock = make_lock(tmp_path, clock)
    for beat in range(3):
        write_holder(tmp_path, machine="elsewhere", process=1, token="x", beat=beat)
        assert not lock.hold()
        clock.now += 59.0
    assert not lock.hold()
    assert lock.describe_holder() == "elsewhere, 1"
    clock.now += 2.0
    assert lock.hold()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_lock_of_a_process_that_is_gone_is_taken_over_at_once(tmp_path: Path) -> None:
    """After a kill on the same machine the next program need not wait; half a lock counts as no one's after a while."""
    clock = Clock()
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    write_holder(tmp_path, machine=socket.gethostname(), process=gone, token="x", beat=0)
    assert make_lock(tmp_path, clock).hold()
    write_holder(tmp_path, machine=socket.gethostname(), process=os.getpid(), token="before us", beat=0)
    assert make_lock(tmp_path, clock).hold()
    (tmp_path / "lock").write_text("{", encoding="utf-8")
    lock = make_lock(tmp_path, clock)
    assert not lock.hold()
    clock.now += 61.0
    assert lock.hold()
