"""Files whose bytes need not lie on the disk as they are: one that opens its own streams beside a plain path."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol, TypeAlias


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
