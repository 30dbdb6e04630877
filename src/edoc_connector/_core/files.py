"""Files on the disk: written whole or not at all, and for nobody but the user who runs the program.

Their bytes need not lie there as they are: a `StoredFile`, such as an encrypted one, opens its own streams.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol, TypeAlias

from ..errors import StoreError, describe_system_error_vi

EARLY_SYNC_SIZE = 32 << 20
"""Bytes after which a growing file is synced to the disk for the first time, and again."""
_sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
_WRITER_COUNT = 2  # creating a file is work of the kernel, which two threads can do partly at once
FILE_MODE = 0o600
FOLDER_MODE = 0o700
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_NEW_FILE_FLAGS = (
    os.O_RDWR | os.O_CREAT | os.O_EXCL | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))
)
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
    out = create_private(part)
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
        descriptor = os.open(os.path.split(target)[0] or ".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR):  # not on this file system, or an old kernel
            return False
        raise
    try:
        os.fchmod(descriptor, FILE_MODE)
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
    make_private_folder(part, exist_ok=False)
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
        descriptor = _create_descriptor(f"{folder}/{name}")
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
    """Create a file for writing and reading that this user alone can read, whatever the umask.

    A file or a link of that name is never opened.

    Raises:
        FileExistsError: something has that name.
        OSError: the folder is not there, or the disk is full.
    """
    return os.fdopen(_create_descriptor(path), "w+b")


def _create_descriptor(path: str | Path) -> int:
    descriptor = os.open(path, _NEW_FILE_FLAGS, FILE_MODE)
    if hasattr(os, "fchmod"):  # a umask can only take rights away, but may take the owner's
        os.fchmod(descriptor, FILE_MODE)
    return descriptor


def write_private(path: Path, content: bytes | str) -> None:
    """Write a small file that this user alone can read; a file of that name is replaced.

    Args:
        path: path of the file.
        content: its bytes, or its text, written as UTF-8.
    """
    with open_atomic(path, durable=False) as out:
        out.write(content.encode() if isinstance(content, str) else content)


def make_private_folder(folder: Path, *, exist_ok: bool = True) -> bool:
    """Make a folder, with those above it that are missing, that this user alone can enter, whatever the umask.

    Folders that are there keep their modes: somebody else may have made them.

    Args:
        folder: path of the folder.
        exist_ok: whether it may be there already.

    Returns:
        Whether it was made.

    Raises:
        OSError: it cannot be made, or is there and must not be.
    """
    try:
        folder.mkdir(FOLDER_MODE)
    except FileNotFoundError:
        make_private_folder(folder.parent)
        return make_private_folder(folder, exist_ok=exist_ok)
    except FileExistsError:
        if exist_ok and folder.is_dir():
            return False
        raise
    folder.chmod(FOLDER_MODE)
    return True


def require_own_folder(folder: Path, *, beside: Path) -> None:
    """Require that nobody else can put, replace or remove files in a folder; close one of ours that others can enter.

    One of root's in which a file is its owner's alone to remove, as ``/dev/shm``, is in order.

    Args:
        folder: path of the folder.
        beside: a folder whose owner may exchange files here as there.

    Raises:
        StoreError: it is a link, or another user's, or open for all to write.
    """
    if os.name != "posix":
        return
    found = folder.lstat()
    is_trusted = found.st_uid in (os.geteuid(), 0, beside.stat().st_uid)
    is_shared = bool(found.st_mode & stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX
    is_shared = is_shared and found.st_uid != os.geteuid()  # ours is closed below
    if not stat.S_ISDIR(found.st_mode) or not is_trusted or is_shared:
        raise StoreError(
            f"{folder} is not this user's own folder: another user could exchange what is written there. Remove it and "
            "start again, or name another folder.",
            vi=f"{folder} không phải thư mục riêng của tài khoản này: người khác có thể tráo tệp trong đó. Hãy xóa thư "
            "mục rồi khởi động lại, hoặc chọn thư mục khác.",
        )
    if not found.st_mode & stat.S_ISVTX:
        tighten(folder)


def tighten(path: Path) -> bool:
    """Take the rights of others from a file or folder of ours that has some, as older versions left them.

    What is not there, belongs to another user, or is a link is left alone.

    Returns:
        Whether its mode was changed.
    """
    if os.name != "posix":
        return False
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    if not found.st_mode & _FOR_OTHERS or found.st_uid != os.geteuid() or not _is_file_or_folder(found.st_mode):
        return False
    path.chmod(stat.S_IMODE(found.st_mode) & ~_FOR_OTHERS)
    return True


def tighten_folder(folder: Path) -> None:
    """Tighten a folder and the files in it; one that is closed to others already protects what is in it.

    The folder comes last: where a crash comes in between, the next call begins again.
    """
    if os.name == "posix" and folder.lstat().st_mode & _FOR_OTHERS:
        for path in folder.iterdir():
            tighten(path)
        tighten(folder)


def protect_database(path: Path) -> None:
    """Make the file of an SQLite database private before SQLite opens it; the files beside it get the same mode.

    What this user may not change is left to SQLite's own error.

    Args:
        path: the file; made empty where it is missing.
    """
    real = path.resolve()  # as SQLite does, which puts its other files beside the real one
    with suppress(OSError):
        os.close(_create_descriptor(real))
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(OSError):
            tighten(real.with_name(real.name + suffix))


def _is_file_or_folder(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def is_open_to_others(path: Path) -> bool:
    """Whether others on this machine can read or change a file that holds a secret.

    The group may read what belongs to root, as where a tool of the machine's administrator puts secrets for a service.
    """
    if os.name != "posix":
        return False
    try:
        found = path.stat()
    except OSError:  # who reads it says so
        return False
    allowed = stat.S_IRGRP if found.st_uid == 0 != os.geteuid() else 0
    return stat.S_ISREG(found.st_mode) and bool(found.st_mode & _FOR_OTHERS & ~allowed)


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


class StoredFile(Protocol):
    """A file that opens its own streams, as an encrypted one does."""

    @property
    def path(self) -> Path:
        """Its place on the disk, for messages."""
        ...

    def open(self) -> IO[bytes]:
        """Open a new stream at the first byte, which can be positioned and fills what it is asked for."""
        ...


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A small file whose bytes are still held in memory, by whoever wrote and hashed them.

    Args:
        path: its place on the disk.
        sha256: hash of the bytes, hex.
        content: the bytes.
    """

    path: Path
    sha256: str
    content: bytes = field(repr=False)

    def open(self) -> IO[bytes]:
        """Open a new stream over the bytes in memory."""
        return io.BytesIO(self.content)


AnyFile: TypeAlias = Path | StoredFile


def open_file(file: AnyFile) -> IO[bytes]:
    """Open a file for reading, without a buffer where it is a plain one."""
    return file.open("rb", buffering=0) if isinstance(file, Path) else file.open()


def measure_open_file(stream: IO[bytes]) -> int:
    """Measure the bytes of an open stream, and put it back to the first one."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return size


def get_path(file: AnyFile) -> Path:
    """Get the place of a file on the disk, for messages."""
    return file if isinstance(file, Path) else file.path
