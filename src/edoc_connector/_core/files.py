"""Atomic writing: files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from ..errors import StoreError, describe_system_error_vi

EARLY_SYNC_SIZE = 32 << 20
"""Bytes after which a growing file is synced to the disk for the first time, and again."""
_sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
_WRITER_COUNT = 2  # creating a file is work of the kernel, which two threads can do partly at once
_NEW_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_HAS_NAMELESS_FILES = hasattr(os, "O_TMPFILE") and Path("/proc/self/fd").is_dir()


@contextmanager
def open_atomic(target: Path, *, durable: bool) -> Iterator[IO[bytes]]:
    """Open a file for writing and reading that takes its name when the block ends without an error.

    A file of that name is replaced then.

    Args:
        target: path of the file.
        durable: whether the file must outlive a power cut: bytes and name are on disk when the block is left.

    Raises:
        OSError: the folder is not there, or the disk is full.
    """
    part = target.with_name(_make_part_name())
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
        sync_folder(target.parent)


def save_atomic(target: str, pieces: Callable[[], Iterator[bytes]]) -> None:
    """Write a file that takes its name when it is whole; a file of that name is replaced then.

    Args:
        target: path of the file.
        pieces: returns the file's bytes in pieces, from the start with each call.

    Raises:
        OSError: the folder is not there, or the disk is full.
    """
    if not _try_save_nameless(target, pieces):
        with open_atomic(Path(target), durable=False) as out:
            out.writelines(pieces())


def _try_save_nameless(target: str, pieces: Callable[[], Iterator[bytes]]) -> bool:
    """Write a file without a name and link it, which saves a renaming; return False where there are no such files."""
    if not _HAS_NAMELESS_FILES:
        return False
    try:
        descriptor = os.open(os.path.split(target)[0] or ".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR):  # not on this file system, or an old kernel
            return False
        raise
    try:
        _write_all(descriptor, pieces())
        return _link_to_name(descriptor, target)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def _link_to_name(descriptor: int, target: str) -> bool:
    open_path = f"/proc/self/fd/{descriptor}"
    try:
        # Python follows the link only where it is given a folder; the folder has no effect, the path being absolute
        os.link(open_path, target, src_dir_fd=descriptor)
    except FileExistsError:
        return _replace_target(open_path, descriptor, Path(target))
    except OSError:  # forbidden, as in some containers: a file with a name of its own is still possible
        return False
    return True


def _replace_target(open_path: str, descriptor: int, target: Path) -> bool:
    part = target.with_name(_make_part_name())
    os.link(open_path, part, src_dir_fd=descriptor)
    try:
        part.replace(target)
    except BaseException:
        part.unlink()
        raise
    return True


def save_folder(target: Path, files: Sequence[tuple[str, Iterable[bytes]]]) -> None:
    """Write a new folder that takes its name when all its files are whole.

    Args:
        target: path of the folder; there must be no such folder, or an empty one.
        files: names in the folder, each with the file's bytes in pieces.

    Raises:
        OSError: the folder exists already, its parent does not, or the disk is full.
    """
    part = target.with_name(_make_part_name())
    part.mkdir()
    try:
        remaining = iter(files)
        with ThreadPoolExecutor(_WRITER_COUNT) as pool:
            for done in [pool.submit(_save_next_files, part, remaining) for _ in range(_WRITER_COUNT)]:
                done.result()
        part.rename(target)
    except BaseException:
        shutil.rmtree(part)
        raise


def _save_next_files(folder: Path, files: Iterator[tuple[str, Iterable[bytes]]]) -> None:
    """Take files from a shared iterator and write them until none is left."""
    for name, pieces in files:
        descriptor = os.open(f"{folder}/{name}", _NEW_FILE_FLAGS, 0o666)
        try:
            _write_all(descriptor, pieces)
        finally:
            os.close(descriptor)


def _make_part_name() -> str:
    return f".edoc-{secrets.token_hex(8)}.part"


@contextmanager
def sync_early(out: IO[bytes]) -> Iterator[Callable[[int], None]]:
    """Sync a large file to the disk while it is being written, so that fsync at its end finds little to do.

    Yields a function to call now and then with the number of bytes added. The file is durable only after its own fsync.

    Raises:
        OSError: the disk failed; raised here, since a system may report a failure to one caller only.
    """
    added = 0
    pool: ThreadPoolExecutor | None = None
    syncing: Future[None] | None = None

    def note_growth(size: int) -> None:
        nonlocal added, pool, syncing
        added += size
        if added < EARLY_SYNC_SIZE or (syncing is not None and not syncing.done()):
            return
        if syncing is not None:
            syncing.result()
        if pool is None:  # most files are small and need none
            pool = ends.enter_context(ThreadPoolExecutor(1))
        added = 0
        syncing = pool.submit(_sync_data, out.fileno())

    with ExitStack() as ends:
        yield note_growth
        if syncing is not None:
            syncing.result()


@contextmanager
def download_part(to: Path) -> Iterator[Path]:
    """Yield a path beside `to` for an unfinished download; no file stays there when the block is left.

    Raises:
        StoreError: the disk refuses an operation.
    """
    name = to.with_name(f".{to.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        yield name
    except OSError as error:
        raise cannot_write(to, error) from error
    finally:
        name.unlink(missing_ok=True)


def create_private(path: Path) -> IO[bytes]:
    """Create a file for writing that this user alone can read: packets are not for everybody on the machine."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def place_download(part: Path, to: Path) -> int:
    """Sync a complete file to the disk, move it to `to`, and return its size in bytes."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
    part.replace(to)
    sync_folder(to.parent)
    return size


def cannot_write(to: Path, error: OSError) -> StoreError:
    """Build the error for a file that the disk does not take."""
    return StoreError(
        f"{to} cannot be written: {error.strerror}. Free space or correct the folder's rights, then fetch again.",
        vi=f"Không ghi được {to}: {describe_system_error_vi(error)}. "
        "Hãy giải phóng dung lượng hoặc sửa quyền thư mục rồi tải lại.",
    )


def sync_folder(folder: str | Path) -> None:
    """Sync the names in a folder to the disk."""
    if os.name != "posix":  # a folder cannot be opened elsewhere, and a rename is durable by itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
