"""Abandonment: a connector that nobody closed gives back what it holds, when it is collected and when the program ends.

Without that, what it was handling would wait until its leases run out.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ..._core import get_logger
from ...errors import EdocError
from ...store import MACHINES

if TYPE_CHECKING:
    from .._context import ConnectorContext

log = get_logger("edoc_connector.connector")


class Closable(Protocol):
    """Something to close: a connector."""

    context: ConnectorContext

    def close(self) -> None: ...


_open: weakref.WeakKeyDictionary[Closable, int] = weakref.WeakKeyDictionary()
"""Connectors that are open, each with the process that opened it."""


def watch_abandonment(
    connector: Closable, context: ConnectorContext, close_key: Callable[[], None]
) -> weakref.finalize[..., Closable]:
    """Watch a connector until it is closed.

    Args:
        connector: the connector, to which nothing here refers.
        context: what it holds.
        close_key: closes its key.

    Returns:
        To be given to `end_watch` when the connector is closed.
    """
    _open[connector] = os.getpid()
    finalizer = weakref.finalize(connector, _collect, context, close_key, os.getpid())
    finalizer.atexit = False  # at the end of the program each is closed whole, by `_close_open`
    return finalizer


def end_watch(connector: Closable, finalizer: weakref.finalize[..., Closable]) -> None:
    """Watch a connector no longer: it is closed."""
    finalizer.detach()
    _open.pop(connector, None)


def _collect(context: ConnectorContext, close_key: Callable[[], None], process_id: int) -> None:
    """Give back, in a thread: the collector may run in the middle of anything, a transaction of this store too."""
    if os.getpid() != process_id:  # a fork: all of it is the parent's
        return
    log.warning("a connector of %s was not closed: call close(), or use it as a context manager", context.agency)
    thread = threading.Thread(target=_give_back, args=(context, close_key), name="edoc-abandoned", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the interpreter is ending, and nothing else runs
        _give_back(context, close_key)


def _give_back(context: ConnectorContext, close_key: Callable[[], None]) -> None:
    context.lease_keeper.stop()
    try:
        release_leases(context)
    except EdocError as error:
        log.warning("leases were not given back, and run out by themselves: %s", error)
    finally:
        for one in context.by_hub.values():
            one.guard.release()
            one.hub.close()
        context.store.close()
        close_key()


def release_leases(context: ConnectorContext) -> None:
    """End every lease of a connector as if it had run out: the next one takes over, and asks the hub where it must.

    Raises:
        StoreError: the store cannot be written.
    """
    with context.store.transaction() as tx:
        for machine in MACHINES:
            tx.leases.release(machine, context.lease)
        tx.schedule.release_leases(context.lease)


def _close_open() -> None:
    for connector, process_id in list(_open.items()):
        if process_id != os.getpid():  # a fork: it is the parent's
            continue
        try:
            release_leases(connector.context)  # of what was entered too: nobody goes on with it
            connector.close()
        except EdocError as error:
            log.warning("a connector was not closed in order: %s", error)


atexit.register(_close_open)
