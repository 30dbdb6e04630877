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


def test_one_that_hangs_is_waited_for_once(
    queue: FileQueue, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A program that is stopped with the turn, or at the gate, holds others up once and not at each of their writes."""
    other = FileQueue(path)
    assert other.acquire(PATIENCE)
    assert not queue.acquire(file_locks_module._HANGING_SECONDS)
    assert ["seems to hang" in record.message for record in caplog.records] == [True]
    monkeypatch.setattr(file_locks_module, "try_lock", lambda _: pytest.fail("it was waited for again"))
    assert not queue.acquire(PATIENCE)
    other.release()
    other.close()


def test_a_turn_that_was_never_given_back_is_waited_for_once(queue: FileQueue) -> None:
    """The same where it is a thread of this program that did not: it was interrupted between two lines."""
    assert queue.acquire(PATIENCE)
    assert not queue.acquire(file_locks_module._HANGING_SECONDS)
    queue._mutex = threading.Lock()
    assert not queue.acquire(PATIENCE)


@pytest.mark.parametrize("name", ["gate", "turn"])
def test_a_lock_that_cannot_be_given_back_ends_all_the_same(
    queue: FileQueue, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """A share that is away refuses that: whoever has the turn goes on, and no lock stays behind."""
    real = file_locks_module.unlock

    def refuse(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().name.endswith(name):
            raise OSError(37, "No locks available")
        real(descriptor)

    monkeypatch.setattr(file_locks_module, "unlock", refuse)
    assert queue.acquire(PATIENCE) is (name == "turn")
    if name == "turn":
        queue.release()
    assert ["No locks available" in record.message for record in caplog.records] == [True]
    monkeypatch.undo()
    other = FileQueue(path)
    assert other.acquire(PATIENCE)
    other.release()
    other.close()


@pytest.mark.parametrize("call", [1, 2])
def test_who_is_interrupted_while_it_waits_leaves_no_lock(
    queue: FileQueue, path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """Ctrl-C right after the system gave the lock, of the gate or the turn: a shell that lives on holds up nobody."""
    real, calls = file_locks_module.try_lock, list[int]()

    def interrupt(descriptor: int) -> bool:
        calls.append(descriptor)
        assert real(descriptor)
        if len(calls) == call:
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr(file_locks_module, "try_lock", interrupt)
    with pytest.raises(KeyboardInterrupt):
        queue.acquire(PATIENCE)
    monkeypatch.undo()
    other = FileQueue(path)
    assert other.acquire(PATIENCE)
    other.release()
    other.close()
    assert queue.acquire(PATIENCE)
    queue.release()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_files_that_root_makes_are_the_databases_owners(queue: FileQueue, path: Path) -> None:
    """A command that root ran before the service started does not keep the service's user out."""
    path.touch()
    os.chown(path, 65534, 65534)
    assert queue.acquire(PATIENCE)
    queue.release()
    found = [path.with_name(f"{path.name}-{name}").stat() for name in ("gate", "turn")]
    assert [(one.st_uid, one.st_gid, one.st_mode & 0o777) for one in found] == [(65534, 65534, 0o600)] * 2


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


def test_one_that_is_closed_while_it_is_waited_for_leaves_no_file_open(queue: FileQueue, path: Path) -> None:
    """Nor one whose turn does not come after that."""
    assert queue.acquire(PATIENCE)
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    waiting = FileQueue(path)
    waiter = threading.Thread(target=lambda: waiting.acquire(0.5))
    waiter.start()
    while not waiting._mutex.locked():
        time.sleep(0.001)
    waiting.close()
    waiter.join(PATIENCE)
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before
    queue.release()
