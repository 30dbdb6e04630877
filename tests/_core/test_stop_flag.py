"""A flag that a signal handler may set at any moment."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from edoc_connector._core import StopFlag

FLOOD = """
import random, signal, time
from edoc_connector._core import StopFlag

signal.signal(signal.SIGALRM, lambda *_: flag.set())
flag, until, rounds = StopFlag(), time.monotonic() + 1.5, 0
while time.monotonic() < until:
    flag, rounds = StopFlag(), rounds + 1
    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 3e-4), 2e-5)
    while not flag.wait(0.0):
        pass
    signal.setitimer(signal.ITIMER_REAL, 0)
print(rounds)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no timer that signals")
def test_a_handler_interrupts_whoever_waits_or_sets() -> None:
    """Signals by the thousand find the main thread waiting and setting, and it never waits for itself (row 37)."""
    ran = subprocess.run([sys.executable, "-c", FLOOD], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 100


def test_every_thread_that_waits_wakes() -> None:
    """One `set` wakes them all, each once told stays told, and nobody waits afterwards."""
    flag, woken = StopFlag(), []
    threads = [threading.Thread(target=lambda: woken.append(flag.wait(60.0))) for _ in range(8)]
    for thread in threads:
        thread.start()
    flag.set()
    for thread in threads:
        thread.join(30)
    assert woken == [True] * 8
    assert flag.is_set()
    assert flag.wait(60.0)


def test_who_waits_for_some_time() -> None:
    """Without a `set` the wait ends with its time, which may be none."""
    flag, began = StopFlag(), time.monotonic()
    assert not flag.wait(0.05)
    assert time.monotonic() - began >= 0.05
    assert not flag.wait(-1.0)
    assert not flag.is_set()
