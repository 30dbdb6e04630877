"""Work that goes on in a thread while a program serves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def run_beside(work: Callable[[], object], stop: Callable[[], object], name: str) -> Iterator[None]:
    """Run work in a thread during a block, then stop it and wait for its end.

    Args:
        work: returns once it was stopped.
        stop: asks it to return.
        name: of the thread.
    """
    thread = threading.Thread(target=work, name=name)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join()
