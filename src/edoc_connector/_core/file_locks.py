"""Locks on files between programs, which the system ends with the program that holds them; the one place that asks it.

Never on a file that SQLite has open: closing a descriptor of it would end the locks of SQLite's own.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from .files import FILE_MODE
from .forks import ForkAware, watch_forks
from .logs import get_logger

try:
    import fcntl
except ImportError:  # pragma: no cover  Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

log = get_logger("edoc_connector.store")

HAS_ADVISORY_LOCKS = fcntl is not None
"""Whether a file that is locked can be read and written by others, who do not ask."""

_QUICK_SECONDS, _SLOW_SECONDS = 0.0005, 0.005  # between two tries, at first and of who waits for long
_PATIENT_AFTER_SECONDS = 0.05
_HANGING_SECONDS = 1.0  # who waited longer for its turn, and in vain, takes it that whoever has it hangs
_REST_SECONDS = 60.0  # that a queue is left alone after that, or after an error


def open_lock_file(path: Path, *, owner_of: Path | None = None) -> int:
    """Open a file to be locked, made where it is missing, for this user alone; no program that is started inherits it.

    Args:
        path: the file.
        owner_of: a file whose owner it is given where root makes it, who would keep that user out; may be missing.

    Raises:
        OSError: it cannot be made or opened.
    """
    flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, FILE_MODE)
    except FileExistsError:
        return os.open(path, flags)
    if hasattr(os, "fchmod"):  # as for every file: a umask may take the owner's rights too
        os.fchmod(descriptor, FILE_MODE)
    if owner_of is not None and hasattr(os, "geteuid") and os.geteuid() == 0:
        with suppress(OSError):  # as SQLite, for its own files: where it cannot be given away, that user does without
            owner = owner_of.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def try_lock(descriptor: int) -> bool:
    """Lock a file, unless another program, or another descriptor of this one, holds the lock; does not wait.

    Args:
        descriptor: the open file.

    Raises:
        OSError: the file system has no such locks.
    """
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:  # pragma: no cover  Windows
            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):  # the latter on Windows
        return False
    return True


def unlock(descriptor: int) -> None:
    """Give a lock back that is held."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    else:  # pragma: no cover  Windows
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)


class FileQueue(ForkAware):
    """A turn that programs take one after another. May be used from any thread; one of a program has the turn.

    Two files are locked: whoever waits for the turn holds the gate meanwhile. Who gives the turn back and wants it
    again at once finds the gate held, and comes after those who wait: nobody is passed again and again.

    It is a courtesy. Where it cannot be had, because the file system knows no locks or a program that has the turn
    hangs, the caller goes on without, and for a minute nobody of its program waits again; what the turn is for has to
    be safe by other means.

    Args:
        path: what the turn is for; the files are beside it, with ``-turn`` and ``-gate`` behind its name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rests_until = float("-inf")
        self._is_closed = False
        self._reset()
        watch_forks(self)

    def _reset(self) -> None:
        self._mutex = threading.Lock()  # held by who has the turn, or waits for it
        self._descriptors: tuple[int, int] | None = None

    def renew_after_fork(self) -> None:
        """Have no turn; what the parent holds or waits for is the parent's."""
        self._close_files()
        self._reset()

    def acquire(self, seconds: float) -> bool:
        """Wait for the turn; whether it came.

        Args:
            seconds: how long to wait at most.
        """
        began = time.monotonic()
        if began < self._rests_until:
            return False
        has_turn = self._mutex.acquire(timeout=seconds) and self._acquire_files(began + seconds)
        if not has_turn and seconds >= _HANGING_SECONDS and began >= self._rests_until:
            self._rest(f"a program that has it, or waits for it, seems to hang: it did not come in {seconds:g} seconds")
        return has_turn

    def release(self) -> None:
        """Give the turn back, from whatever thread."""
        try:
            if self._descriptors is not None:
                unlock(self._descriptors[1])
        except OSError as error:
            self._rest(error)
            self._close_files()  # which ends the lock
        finally:
            if self._is_closed:
                self._close_files()
            self._mutex.release()

    def close(self) -> None:
        """Close the files; where somebody has the turn, when it is given back."""
        self._is_closed = True
        if self._mutex.acquire(blocking=False):
            self._close_files()
            self._mutex.release()

    def _acquire_files(self, deadline: float) -> bool:
        """Wait for the turn of the program; where it does not come, no lock is left and the mutex is free."""
        has_turn = False
        try:
            has_turn = self._wait_for_turn(deadline)
        except OSError as error:
            self._rest(error)
        finally:
            if not has_turn:
                self._close_files()
                self._mutex.release()
        return has_turn

    def _wait_for_turn(self, deadline: float) -> bool:
        if self._descriptors is None:
            gate = self._open_file("gate")
            try:
                self._descriptors = gate, self._open_file("turn")
            except BaseException:
                os.close(gate)
                raise
        gate, turn = self._descriptors
        if not _wait_for_lock(gate, deadline):
            return False
        try:
            return _wait_for_lock(turn, deadline)
        finally:
            unlock(gate)

    def _open_file(self, name: str) -> int:
        return open_lock_file(self._path.with_name(f"{self._path.name}-{name}"), owner_of=self._path)

    def _close_files(self) -> None:
        """Close the files, which ends whatever lock is had of them."""
        descriptors, self._descriptors = self._descriptors or (), None
        for descriptor in descriptors:
            with suppress(OSError):  # of a share that is away: it is closed all the same
                os.close(descriptor)

    def _rest(self, why: object) -> None:
        """Leave the queue alone for a while."""
        self._rests_until = time.monotonic() + _REST_SECONDS
        log.warning("programs cannot queue for %s, and get at it as they come for a while: %s", self._path, why)


def _wait_for_lock(descriptor: int, deadline: float) -> bool:
    """Try to lock a file until the deadline: what waits in the system could not be told to stop."""
    patient_at = time.monotonic() + _PATIENT_AFTER_SECONDS
    while not try_lock(descriptor):
        now = time.monotonic()
        if now >= deadline:
            return False
        time.sleep(_QUICK_SECONDS if now < patient_at else _SLOW_SECONDS)
    return True
