"""The source of a packet's bytes, a file or memory, read in pieces."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

from .._core import AnyFile, StoredFile, measure_open_file

CHUNK_SIZE = 1 << 18
MAX_CACHED_SIZE = CHUNK_SIZE
"""Size up to which a packet's bytes are kept with its skeleton."""
_BLOCK_SIZE = 1 << 12
_BUFFER_SIZE = 1 << 16


class SharedDescriptor:
    """A file that is open as long as it has readers, who share one descriptor but no position in it.

    A context manager that gives the descriptor.

    Args:
        path: path of the file.
    """

    __slots__ = ("_descriptor", "_lock", "_path", "_users")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._users = 0
        self._descriptor = -1

    def __reduce__(self) -> tuple[type[SharedDescriptor], tuple[Path]]:
        return SharedDescriptor, (self._path,)  # a copy opens the file by itself

    def __enter__(self) -> int:
        with self._lock:
            if not self._users:
                self._descriptor = os.open(self._path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            self._users += 1
            return self._descriptor

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                os.close(self._descriptor)

    def read_at(self, start: int, size: int) -> bytes:
        """Read bytes of the file at once, from an offset."""
        with self as descriptor:
            return os.pread(descriptor, size, start)


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of a packet, in a file or in memory.

    Args:
        path: path of the file.
        data: the bytes, where there is no file.
        stored: the file, where it opens its own streams.
    """

    path: Path | None = None
    data: bytes = field(default=b"", repr=False)
    stored: StoredFile | None = field(default=None, repr=False)
    _shared: SharedDescriptor | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.path is not None and self.stored is None:
            object.__setattr__(self, "_shared", SharedDescriptor(self.path))

    @classmethod
    def from_value(cls, value: AnyFile | str | bytes) -> Source:
        """Make a source of a path, of a file that opens its own streams, or of bytes."""
        if isinstance(value, bytes):
            return cls(data=value)
        return cls(path=Path(value)) if isinstance(value, Path | str) else cls(path=value.path, stored=value)

    def open(self) -> BinaryIO:
        """Open a new stream at the first byte."""
        if self.stored is not None:
            return io.BufferedReader(cast("io.RawIOBase", self.stored.open()), _BUFFER_SIZE)
        return self.path.open("rb") if self.path else io.BytesIO(self.data)

    def cache_if_small(self) -> Source:
        """Read a small file into memory, so that several passes see the same bytes; a large one stays as it is."""
        if self.path is None:
            return self
        with self.open() as stream:
            data = stream.read(MAX_CACHED_SIZE + 1)
        return self if len(data) > MAX_CACHED_SIZE else Source(data=data)

    @property
    def size(self) -> int:
        """Bytes of the packet."""
        if self.stored is not None:
            with self.stored.open() as stream:
                return measure_open_file(stream)
        return self.path.stat().st_size if self.path else len(self.data)

    def iter_chunks(self, start: int, end: int, *, first_size: int = CHUNK_SIZE) -> Iterator[bytes]:
        """Iterate over the bytes of a range, in pieces.

        Args:
            start: offset of the first byte.
            end: offset behind the last byte.
            first_size: bytes of the first piece; each later one is twice the one before, up to `CHUNK_SIZE`.
        """
        if self.path is None and end - start <= CHUNK_SIZE:
            yield self.data[start:end]
            return
        with self.open_shared() as stream:
            yield from iter_between(stream, start, end, first_size)

    def read_start(self, size: int) -> bytes:
        """Read the first bytes, at most `size`."""
        with self.open() as stream:
            return stream.read(size)

    def read_piece(self, start: int, end: int) -> bytes:
        """Read the few bytes of a range at once; fewer where the file has become shorter."""
        if self.path is None:
            return self.data[start:end]
        if self._shared is not None and hasattr(os, "pread"):
            return self._shared.read_at(start, end - start)
        return b"".join(self.iter_chunks(start, end))

    def open_shared(self) -> AbstractContextManager[BinaryIO | int]:
        """Give the bytes for `iter_between`: within the block the file is opened no more than once, in any thread."""
        return self.open() if self._shared is None or not hasattr(os, "pread") else self._shared


@dataclass(frozen=True, slots=True)
class Span:
    """A text of the source that the skeleton leaves out.

    Args:
        start: offset of its first byte.
        end: offset behind its last byte.
        placeholder: the text in its place in the skeleton.
        is_plain: whether it is characters only: no reference, comment or CDATA section.
        lines: number of line ends in it.
        has_spaces: whether spaces or line ends stand in it.
        has_comments: whether a comment stands in it.
        is_url_safe: whether letters of base64's URL-safe alphabet stand in it.
    """

    start: int
    end: int
    placeholder: str
    is_plain: bool
    lines: int = 0
    has_spaces: bool = False
    has_comments: bool = False
    is_url_safe: bool = False


class BlockReader:
    """A reader of short ranges from front to back, which reads neighbouring ranges at once.

    Args:
        stream: stream or descriptor of `Source.open_shared`.
    """

    def __init__(self, stream: BinaryIO | int) -> None:
        self._stream = stream
        self._start = 0
        self._block = b""

    def read_pieces(self, start: int, end: int) -> Iterable[bytes]:
        """Read the bytes of a range, in pieces."""
        if start < self._start or end > self._start + len(self._block):
            if end - start > _BLOCK_SIZE:
                return iter_between(self._stream, start, end)
            self._start, self._block = start, _read_at(self._stream, _BLOCK_SIZE, start)
        return (self._block[start - self._start : end - self._start],)


def iter_between(stream: BinaryIO | int, start: int, end: int, first_size: int = CHUNK_SIZE) -> Iterator[bytes]:
    """Iterate over the bytes of a range, in pieces that grow from `first_size` to `CHUNK_SIZE`."""
    offset, size = start, first_size
    while offset < end and (piece := _read_at(stream, min(size, end - offset), offset)):
        offset += len(piece)
        size = min(2 * size, CHUNK_SIZE)
        yield piece


def _read_at(stream: BinaryIO | int, size: int, offset: int) -> bytes:
    if isinstance(stream, int):
        return os.pread(stream, size, offset)
    stream.seek(offset)
    return stream.read(size)
