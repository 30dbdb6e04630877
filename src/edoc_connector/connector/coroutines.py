"""One event loop for the application's coroutine functions, in a thread of its own.

A worker's threads block, and a coroutine needs a loop that outlives its call: connections and pools that the
application opened in one call belong to the loop of that call.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable

log = logging.getLogger("edoc_connector.connector.coroutines")

CLOSE_TIMEOUT_SECONDS = 5.0


class HandlerLoop:
    """Runs awaitables for threads that wait for them. The loop is started when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Event | None = None

    def run(self, awaitable: Awaitable[object]) -> None:
        """Run something on the loop; returns when it is done.

        Raises:
            BaseException: what it raised.
            concurrent.futures.CancelledError: the loop was closed meanwhile.
        """
        error = asyncio.run_coroutine_threadsafe(_catch_exit(awaitable), self._ensure_loop()).result()
        if error is not None:
            raise error

    def close(self) -> None:
        """Cancel what runs and end the loop; the next `run` starts another.

        A coroutine that blocks the loop, or will not be cancelled, is left behind after `END_SECONDS`.
        """
        with self._lock:
            thread, loop, closing = self._thread, self._loop, self._closing
            self._thread = self._loop = self._closing = None
        if thread is not None and loop is not None and closing is not None and thread.is_alive():
            loop.call_soon_threadsafe(closing.set)
            thread.join(CLOSE_TIMEOUT_SECONDS)
            if thread.is_alive():
                log.warning("a coroutine function of the application does not end; its thread is left behind")

    def _ensure_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._thread is None or not self._thread.is_alive():
                ready = threading.Event()
                self._thread = threading.Thread(target=self._serve, args=(ready,), name="edoc-handlers", daemon=True)
                self._thread.start()
                ready.wait()
            if self._loop is None:
                raise RuntimeError("the event loop of the handlers did not start")
            return self._loop

    def _serve(self, ready: threading.Event) -> None:
        with asyncio.Runner() as runner:
            self._loop, self._closing = runner.get_loop(), asyncio.Event()
            closing = self._closing
            self._loop.call_soon(ready.set)
            runner.run(closing.wait())


async def _catch_exit(awaitable: Awaitable[object]) -> BaseException | None:
    """What it raised that would end the loop, and with it what others run there."""
    try:
        await awaitable
    except (SystemExit, KeyboardInterrupt) as error:
        return error
    return None
