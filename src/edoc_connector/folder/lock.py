"""The lock of the program that watches a folder: a file, as shares of every kind know those.

It holds no promise that the rest depends on: what two watchers do at once, they do once (each step is a renaming, or a
row of the store). It keeps two from working at the same things, and says who does.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path

from .._core import get_logger
from .shared_files import remove, write_file

log = get_logger("edoc_connector.folder")


class FolderLock:
    """The lock of one watcher. Its file is written anew with each look; one that stays as it is belongs to nobody.

    Args:
        path: path of the file.
        like: the folder whose rights the file gets.
        lock_after: after how many seconds without a change another's lock is taken over.
        clock: seconds that never go back.
    """

    def __init__(
        self, path: Path, *, like: Path, lock_after: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._like = like
        self._lock_after = lock_after
        self._clock = clock
        self._token = secrets.token_hex(8)
        self._beat = 0
        self._other: tuple[str, float] | None = None

    def hold(self) -> bool:
        """Take the lock, or go on holding it; whether it is ours.

        Raises:
            OSError: the file cannot be written.
        """
        found = _read(self._path)
        if found is None:
            return self._create()
        if self._is_ours(found):
            self._write()
            return True
        if not self._is_abandoned(found):
            return False
        log.warning("the lock %s is taken over: whoever had it does not run any more", self._path.name)
        aside = self._path.with_name(f"{self._path.name}.{self._token}")
        try:
            self._path.rename(aside)
        except FileNotFoundError:
            return False  # another watcher was quicker
        remove(aside)
        return self._create()

    def release(self) -> None:
        """Give the lock back, where it is ours."""
        found = _read(self._path)
        if found is not None and self._is_ours(found):
            remove(self._path)

    def describe_holder(self) -> str:
        """Describe who has the lock: name of the machine and number of the process."""
        found = _parse(_read(self._path) or "")
        return f"{found.get('machine', '?')}, {found.get('process', '?')}"

    def _is_ours(self, found: str) -> bool:
        return bool(_parse(found).get("token") == self._token)

    def _is_abandoned(self, found: str) -> bool:
        """Whether nobody has the lock any more: its process is gone, or it stayed as it is for too long."""
        holder = _parse(found)
        if holder.get("machine") == socket.gethostname() and not _is_running(holder.get("process")):
            return True
        now = self._clock()
        if self._other is None or self._other[0] != found:
            self._other = (found, now)
        return now - self._other[1] >= self._lock_after

    def _create(self) -> bool:
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(self._describe())
        return True

    def _write(self) -> None:
        self._beat += 1
        write_file(self._path, self._describe(), like=self._like)

    def _describe(self) -> str:
        machine, process = socket.gethostname(), os.getpid()
        return json.dumps({"machine": machine, "process": process, "token": self._token, "beat": self._beat})


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _parse(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:  # its writer died in the middle
        return {}
    return found if isinstance(found, dict) else {}


def _is_running(process: object) -> bool:
    """Whether there is a process of that number on this machine; True where that cannot be said."""
    if process == os.getpid():
        return False  # one of ours would have our token: it had this number before us, as the first in a container has
    if not isinstance(process, int) or os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
