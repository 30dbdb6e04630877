"""Blocking work in threads for coroutines that may be cancelled: they end after their work, and not beside it.

anyio waits for a thread only where one of its own scopes is cancelled. `asyncio.Task.cancel`, `asyncio.timeout` and the
end of `asyncio.run` know nothing of those scopes: the coroutine would go on to close files and connections while the
thread uses them.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from .._core import ForkAware, watch_forks

if TYPE_CHECKING:
    import asyncio

R = TypeVar("R")

_MAX_THREADS = 1024  # callers bound how many they use; those that are idle are used again


async def run_in_thread(
    work: Callable[[], R], *, limiter: anyio.CapacityLimiter | None = None, hurry: Callable[[], object] | None = None
) -> R:
    """Run blocking work in a thread, and return its result; a caller that is cancelled ends when the work has.

    Args:
        work: the work.
        limiter: how many at a time; a caller that is cancelled while it waits for its turn leaves at once.
        hurry: called, on the event loop, where the caller is cancelled while the work runs: has the work end soon.
    """
    if limiter is None:
        await anyio.lowlevel.checkpoint_if_cancelled()
        return await _finish(work, hurry)
    async with limiter:
        return await _finish(work, hurry)


async def finish_in_thread(work: Callable[[], R]) -> R:
    """Run blocking work that must be done in any case: a caller that is cancelled ends when it is done."""
    with anyio.CancelScope(shield=True):
        result = await _finish(work, None, must_run=True)
    return result  # noqa: RET504  as far as types tell, the scope might end the block before


async def _finish(work: Callable[[], R], hurry: Callable[[], object] | None, *, must_run: bool = False) -> R:
    import asyncio  # a blocking client does without

    try:
        asyncio.get_running_loop()
    except RuntimeError:  # another event loop than asyncio's, where every cancellation is anyio's
        return await anyio.to_thread.run_sync(work, limiter=anyio.CapacityLimiter(1))
    submitted = _THREADS.submit(functools.partial(contextvars.copy_context().run, work))
    cancelled = await _wait(asyncio.wrap_future(submitted))
    if cancelled is None:
        return submitted.result()
    if must_run or not submitted.cancel():  # else it had not begun
        if hurry is not None:
            hurry()
        with anyio.CancelScope(shield=True):
            while not submitted.done():
                cancelled = await _wait(asyncio.wrap_future(submitted)) or cancelled
        submitted.exception()  # who is cancelled hears of nothing else
    raise cancelled


async def _wait(future: asyncio.Future[R]) -> asyncio.CancelledError | None:
    """Wait for a future, which goes on where the wait is cancelled; returns how it was cancelled."""
    import asyncio

    future.add_done_callback(_look_at_error)
    try:
        await asyncio.wait([future])
    except asyncio.CancelledError as error:
        return error
    return None


def _look_at_error(future: asyncio.Future[R]) -> None:
    """Look at the error of a future, if it has one: asyncio logs those that nobody looks at."""
    if not future.cancelled():
        future.exception()


class _Threads(ForkAware):
    """The threads of this process."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_MAX_THREADS, "edoc-async")
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Begin without threads: the pool would wait for those of the parent."""
        self._pool = ThreadPoolExecutor(_MAX_THREADS, "edoc-async")

    def submit(self, work: Callable[[], R]) -> Future[R]:
        """Run work in a thread that is idle, or a new one."""
        return self._pool.submit(work)


_THREADS = _Threads()
