"""The wish that a program ends, which a signal handler may tell at any moment."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable

_LOOK_SECONDS = 0.1


class StopFlag:
    """A flag that is set once, for any number of threads that wait for it.

    Like `threading.Event`, whose `set` takes a lock: in a signal handler it waits for ever for the very code that the
    signal interrupted. Here nothing is locked: `queue.SimpleQueue.put` may interrupt itself.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._tokens: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        """Set the flag; from any thread, or a signal handler."""
        self._is_set = True
        self._tokens.put(None)

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, or for some seconds; whether it is set."""
        if not self._is_set:
            try:
                self._tokens.get(timeout=max(seconds, 0.0))
            except queue.Empty:
                return self._is_set
            self._tokens.put(None)  # for the next one who waits
        return self._is_set


def sleep_until(is_set: Callable[[], bool], seconds: float) -> None:
    """Sleep for some seconds, or until a flag of others is set.

    The flag is looked at, ten times a second, and its lock never held: a `threading.Event` that a signal handler sets
    may be what the interrupted thread waits for.
    """
    deadline = time.monotonic() + seconds
    while not is_set() and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, _LOOK_SECONDS))
