"""The wish that a program ends, which a signal handler may tell at any moment."""

from __future__ import annotations

import queue


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
