"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def whole_file(target: Path, *, durable: bool) -> Iterator[IO[bytes]]:
    """A file to write and read that takes its name when the block ends well; a file of that name is replaced then.

    Args:
        target: its name.
        durable: whether it is to outlive a power cut: bytes and name are on disk when the block is left.

    Raises:
        OSError: the folder is not there, or the disk is full.
    """
    part = target.with_name(f".edoc-{secrets.token_hex(8)}.part")
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


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # a folder cannot be opened elsewhere, and a rename is durable by itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
