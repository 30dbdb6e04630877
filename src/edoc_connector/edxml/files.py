"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

EARLY = 32 << 20
"""Bytes after which a growing file is brought to the disk for the first time, and again."""
_to_disk: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
_NAMELESS = hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd")


@contextmanager
def whole_file(target: Path, *, durable: bool) -> Iterator[IO[bytes]]:
    """A file to write and read that takes its name when the block ends well; a file of that name is replaced then.

    Args:
        target: its name.
        durable: whether it is to outlive a power cut: bytes and name are on disk when the block is left.

    Raises:
        OSError: the folder is not there, or the disk is full.
    """
    part = target.with_name(_part_name())
    out = part.open("x+b")
    try:
        with out:
            yield out
            out.flush()
            if durable:
                os.fsync(out.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(target.parent)


def save_whole(target: str, pieces: Callable[[], Iterator[bytes]]) -> None:
    """Write a file that takes its name when it is whole; a file of that name is replaced then.

    Args:
        target: its name.
        pieces: gives its bytes, anew with each call.

    Raises:
        OSError: the folder is not there, or the disk is full.
    """
    if not _saved_nameless(target, pieces):
        with whole_file(Path(target), durable=False) as out:
            out.writelines(pieces())


def _saved_nameless(target: str, pieces: Callable[[], Iterator[bytes]]) -> bool:
    """Write a file that has no name until it is whole, which saves a renaming; False where there are no such files."""
    if not _NAMELESS:
        return False
    folder, name = os.path.split(target)
    try:
        descriptor = os.open(folder or ".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR):  # of this file system, or of an old kernel
            return False
        raise
    try:
        for piece in pieces():
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        return _named(descriptor, folder, name)
    finally:
        os.close(descriptor)


def _named(descriptor: int, folder: str, name: str) -> bool:
    itself = f"/proc/self/fd/{descriptor}"
    try:
        # Python follows the link only where it is told of a folder; that is not looked at, the path being absolute
        os.link(itself, os.path.join(folder, name), src_dir_fd=descriptor)
    except FileExistsError:
        return _replaced(itself, descriptor, folder, name)
    except OSError:  # forbidden, in some containers say: the way by a name of its own is open
        return False
    return True


def _replaced(itself: str, descriptor: int, folder: str, name: str) -> bool:
    part = os.path.join(folder, _part_name())
    os.link(itself, part, src_dir_fd=descriptor)
    try:
        os.replace(part, os.path.join(folder, name))
    except BaseException:
        os.unlink(part)
        raise
    return True


def _part_name() -> str:
    return f".edoc-{secrets.token_hex(8)}.part"


@contextmanager
def early_to_disk(out: IO[bytes]) -> Iterator[Callable[[], None]]:
    """Bring a large file to the disk while it is being written, so that fsync at its end finds little to do.

    Gives what is to be called now and then. The file is durable only after its own fsync.

    Raises:
        OSError: the disk failed: here, since a system may report that to one caller only.
    """
    begun = 0
    pool: ThreadPoolExecutor | None = None
    syncing: Future[None] | None = None

    def grown() -> None:
        nonlocal begun, pool, syncing
        if out.tell() - begun < EARLY or (syncing is not None and not syncing.done()):
            return
        if syncing is not None:
            syncing.result()
        if pool is None:  # most files are small and need none
            pool = ends.enter_context(ThreadPoolExecutor(1))
        begun = out.tell()
        syncing = pool.submit(_to_disk, out.fileno())

    with ExitStack() as ends:
        yield grown
        if syncing is not None:
            syncing.result()


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # a folder cannot be opened elsewhere, and a rename is durable by itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
