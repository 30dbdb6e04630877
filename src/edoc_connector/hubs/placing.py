"""Files that come from a hub: written beside their place, checked, synced, and only then put there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from edoc_connector.errors import StoreError, system_words_vi
from edoc_connector.hubs.wire import WireResponse

_HEAD = 4096


@contextmanager
def part(to: Path) -> Iterator[Path]:
    """A name beside `to` for the unfinished file; nothing stays there when the block is left.

    Raises:
        StoreError: the disk refuses something.
    """
    name = to.with_name(f".{to.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        yield name
    except OSError as error:
        raise cannot_write(to, error) from error
    finally:
        name.unlink(missing_ok=True)


def create(unfinished: Path) -> BinaryIO:
    """Open a new file for writing, readable by this user alone: packets are not for everybody on the machine."""
    return os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def place(unfinished: Path, to: Path) -> int:
    """Sync a complete file to disk, put it at `to`, and return its size."""
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
    unfinished.replace(to)
    _sync_folder(to.parent)
    return size


def head(path: Path) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as file:
        return file.read(_HEAD)


def as_response(path: Path, *, limit: int) -> WireResponse:
    """A saved answer as if it had been kept in memory, cut at `limit` bytes."""
    with path.open("rb") as file:
        return WireResponse(200, {}, file.read(limit))


def cannot_write(to: Path, error: OSError) -> StoreError:
    """The error for a file that the disk does not take."""
    return StoreError(
        f"{to} cannot be written: {error.strerror}. Free space or correct the folder's rights, then fetch again.",
        vi=f"Không ghi được {to}: {system_words_vi(error)}. "
        "Hãy giải phóng dung lượng hoặc sửa quyền thư mục rồi tải lại.",
    )


def _sync_folder(folder: Path) -> None:
    """Make the new name durable too; Windows syncs it with the file and cannot open folders."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
