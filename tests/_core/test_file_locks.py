"""Turns that programs take one after another, by locks on files."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edoc_connector._core import FileQueue
from edoc_connector._core import file_locks as file_locks_module

PATIENCE = 60.0
HOLDER = """
import sys, time
from pathlib import Path
from edoc_connector._core import FileQueue
queue = FileQueue(Path(sys.argv[1]))
assert queue.acquire(60.0)
print("mine", flush=True)
time.sleep(600)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """What programs queue for."""
    return tmp_path / "edoc.db"


@pytest.fixture
def queue(path: Path) -> Iterator[FileQueue]:
    """A queue of this program."""
    made = FileQueue(path)
    yield made
    made.close()


def test_one_has_the_turn_at_a_time(queue: FileQueue, path: Path) -> None:
    """Who comes meanwhile waits as long as it wants to, and has the turn after that."""
    other = FileQueue(path)
    assert queue.acquire(PATIENCE)
    assert not other.acquire(0.01)
    queue.release()
    assert other.acquire(PATIENCE)
    assert not queue.acquire(0.01)
    other.release()
    other.close()


def test_threads_of_one_program_take_turns_too(queue: FileQueue) -> None:
    """The system does not keep a program from what it has locked itself: the queue does."""
    assert queue.acquire(PATIENCE)
    assert not queue.acquire(0.01)
    waiter = threading.Thread(target=lambda: queue.acquire(PATIENCE))
    waiter.start()
    queue.release()
    waiter.join(PATIENCE)
    assert not waiter.is_alive()
    assert not queue.acquire(0.01)
    queue.release()  # that thread's turn, from this one


def test_who_had_the_turn_comes_after_who_waits(queue: FileQueue, path: Path) -> None:
    """One that wants it again and again passes nobody: in between the other has its turn."""
    other, turns = FileQueue(path), list[str]()
    assert queue.acquire(PATIENCE)

    def take_one() -> None:
        assert other.acquire(PATIENCE)
        turns.append("other")
        other.release()

    waiter = threading.Thread(target=take_one)
    waiter.start()
    gate = os.open(path.with_name("edoc.db-gate"), os.O_RDWR)
    while file_locks_module.try_lock(gate):  # until it waits
        file_locks_module.unlock(gate)
        time.sleep(0.001)
    os.close(gate)
    queue.release()
    assert queue.acquire(PATIENCE)
    turns.append("first")
    queue.release()
    waiter.join(PATIENCE)
    assert turns == ["other", "first"]
    other.close()


def test_the_turn_of_a_program_that_is_killed_is_free(queue: FileQueue, path: Path) -> None:
    """The system ends the locks of a program with it."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mine\n"
        assert not queue.acquire(0.01)
        holder.kill()
        holder.wait()
    assert queue.acquire(PATIENCE)
    queue.release()


def test_where_there_are_no_locks_nobody_waits(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A file system without them is logged once, and left alone for a while; the callers go on."""
    queue = FileQueue(path)
    tried = []

    def refuse(*_: object, **__: object) -> bool:
        tried.append(1)
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(file_locks_module, "try_lock", refuse)
    assert [queue.acquire(PATIENCE) for _ in range(3)] == [False] * 3
    assert len(tried) == 1
    assert [record.message for record in caplog.records if "cannot queue" in record.message] != []
    queue.close()


def test_a_folder_that_cannot_be_written_to_is_gone_on_without(tmp_path: Path) -> None:
    """A file that cannot be made makes no queue."""
    queue = FileQueue(tmp_path / "none" / "edoc.db")
    assert not queue.acquire(PATIENCE)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks there")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_child_has_no_turn_and_takes_none_away(queue: FileQueue, path: Path) -> None:
    """A forked child waits like any other program, and its end changes nothing for its parent."""
    assert queue.acquire(PATIENCE)
    child = os.fork()
    if child == 0:
        os._exit(1 if queue.acquire(0.01) else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    other = FileQueue(path)
    assert not other.acquire(0.01)
    queue.release()
    assert other.acquire(PATIENCE)
    other.release()
    other.close()


def test_a_closed_queue_leaves_no_file_open(path: Path) -> None:
    """Also one that was closed while somebody had the turn, once that is given back."""
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for is_held in (False, True):
        queue = FileQueue(path)
        assert queue.acquire(PATIENCE)
        if not is_held:
            queue.release()
        queue.close()
        if is_held:
            queue.release()
        assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before
