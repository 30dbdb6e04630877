"""Forks of the process: what holds locks, threads, sockets or sessions begins anew in the child.

Servers such as gunicorn and Celery load an application and then fork. A child has a copy of every object and none of
the threads; its sockets are the parent's too, and a lock that another thread held stays held for ever. So each object
that has such things is a `ForkAware`: it makes them anew in the child. `os.register_at_fork` calls it, or where a
process was forked past Python (by uWSGI, for one), `notice_fork` at the next use.
"""

from __future__ import annotations

import os
import threading
import weakref

from .logs import get_logger

log = get_logger("edoc_connector.connector")


class ForkAware:
    """An object that knows about forks once it was given to `watch_forks`."""

    def prepare_fork(self) -> None:
        """Make ready for a fork, in the parent, before it."""

    def resume_after_fork(self) -> None:
        """Go on in the parent."""

    def renew_after_fork(self) -> None:
        """Make anew in the child what is the parent's."""


_watched: weakref.WeakSet[ForkAware] = weakref.WeakSet()
_locks: weakref.WeakSet[threading.Lock] = weakref.WeakSet()
_registry_lock = threading.Lock()
_process_id = os.getpid()


def watch_forks(holder: ForkAware) -> None:
    """Tell an object of every fork, as long as it lives."""
    with _registry_lock:
        _watched.add(holder)


def make_lock() -> threading.Lock:
    """Make a lock that is free in a child, whoever held it in the parent."""
    lock = threading.Lock()
    with _registry_lock:
        _locks.add(lock)
    return lock


def notice_fork() -> None:
    """Renew everything, where this process was forked and nobody told Python so."""
    if os.getpid() != _process_id:
        _renew_in_child()


def _prepare() -> None:
    for holder in _list_watched():
        _run(holder, "prepare_fork")


def _resume_in_parent() -> None:
    for holder in _list_watched():
        _run(holder, "resume_after_fork")


def _renew_in_child() -> None:
    global _process_id
    _process_id = os.getpid()
    for lock in (_registry_lock, *_locks):
        if lock.locked():  # by a thread that is not here
            lock.release()
    for holder in _list_watched():
        _run(holder, "renew_after_fork")


def _list_watched() -> list[ForkAware]:
    with _registry_lock:
        return list(_watched)


def _run(holder: ForkAware, step: str) -> None:
    try:
        getattr(holder, step)()
    except Exception:  # the others must be told all the same, and nobody could catch it in a fork
        log.exception("%s of %r failed at a fork of the process", step, holder)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_prepare, after_in_parent=_resume_in_parent, after_in_child=_renew_in_child)
