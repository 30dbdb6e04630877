"""What an object does about a fork of the process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest

from edoc_connector._core import forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

SOURCES = str(Path(__file__).parents[2] / "src")
SCRIPT = """
import ctypes, os, threading
from edoc_connector._core.forks import ForkAware, make_lock, notice_fork, watch_forks

class Holder(ForkAware):
    def __init__(self, fails=False):
        self.steps, self.fails = [], fails
        watch_forks(self)
    def prepare_fork(self):
        self.steps.append("prepare")
    def resume_after_fork(self):
        self.steps.append("resume")
    def renew_after_fork(self):
        if self.fails:
            raise ValueError("broken")
        self.steps.append("renew")

lock, holders = make_lock(), [Holder(fails=True), Holder(), Holder()]
threading.Thread(target=lambda: (lock.acquire(), threading.Event().wait()), daemon=True).start()
while not lock.locked():
    pass

def run(fork):
    child = fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    notice_fork()
    free = lock.acquire(timeout=5)
    told = [holder.steps[-1] for holder in holders[1:]]
    os._exit(0 if free and told == ["renew", "renew"] else 1)

assert run(os.fork) == 0
assert [holder.steps for holder in holders] == [["prepare", "resume"]] * 3
assert run(ctypes.PyDLL(None).fork) == 0  # as a server written in C forks
assert [holder.steps for holder in holders] == [["prepare", "resume"]] * 3
"""


def test_a_child_begins_anew() -> None:
    """Locks that others held are free, and everybody is told, also where one fails or the fork went past Python."""
    environment = os.environ | {"PYTHONPATH": SOURCES}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "renew_after_fork" in done.stderr  # the one that failed is in the log


class _Holder(forks.ForkAware):
    """Remembers that it was renewed, or fails at it."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails, self.renewed = fails, 0

    def renew_after_fork(self) -> None:
        if self.fails:
            raise ValueError("broken")
        self.renewed += 1


def test_a_fork_past_python_is_noticed_at_the_next_use(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """All are renewed once, though one fails, and locks of the parent's threads are free (docs/processes.md)."""
    monkeypatch.setattr(forks, "_watched", weakref.WeakSet[forks.ForkAware]())
    monkeypatch.setattr(forks, "_locks", weakref.WeakSet[threading.Lock]())
    holders, lock = [_Holder(), _Holder(fails=True), _Holder()], forks.make_lock()
    for holder in holders:
        forks.watch_forks(holder)
    lock.acquire()
    monkeypatch.setattr(forks, "_process_id", os.getpid() + 1)
    forks.notice_fork()
    forks.notice_fork()
    assert [holder.renewed for holder in holders] == [1, 0, 1]
    assert not lock.locked()
    assert "renew_after_fork of" in caplog.text
