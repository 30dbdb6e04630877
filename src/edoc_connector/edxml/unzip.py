"""The first file of a zip, unpacked as it streams by (PKWARE APPNOTE 6.3.10, section 4.3).

The zips that wrap attachments are written and read as streams by the hubs' own library, so the first local entry is
what counts. Nothing is kept: neither the zip nor its directory, which may list millions of entries.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_ENTRY_HEAD = b"PK\x03\x04"
ZIP_HEADS = (_ENTRY_HEAD, b"PK\x05\x06")
"""How a zip begins: with an entry, or with the end of an empty directory."""

_HEADER = struct.Struct("<4s2xHH4xIIIHH")
_DESCRIPTOR_HEAD = b"PK\x07\x08"
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 0x0001, 0x0008, 0x0800
_STORED, _DEFLATED = 0, 8
_IN_EXTRA = 0xFFFFFFFF
_PIECE = 1 << 16


class ZipError(ValueError):
    """What is wrong with a zip, in a few words."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may come out of a zip.

    Args:
        unpacked: most bytes.
        ratio: most times the packed bytes read so far.
    """

    unpacked: int
    ratio: int

    def check(self, unpacked: int, packed: int) -> None:
        """Refuse to go on over a bound.

        Raises:
            ZipError: saying which.
        """
        if unpacked > self.unpacked:
            raise ZipError(f"it unpacks to more than the limit of {self.unpacked} bytes")
        if unpacked > max(packed, 1) * self.ratio:
            raise ZipError(f"it unpacks to more than the limit of {self.ratio} times its packed size")


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    flags: int
    method: int
    crc: int
    packed: int


class FirstFile:
    """The first file of a zip.

    Args:
        stream: the zip, at its first byte.

    Raises:
        ZipError: there is none, or it is packed in a way that cannot be read.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._rest = b""  # read from the stream, and behind what was unpacked
        self._entry = self._next_entry()
        while self._entry.name.endswith("/"):  # a folder, which holds nothing
            for _ in self.pieces(Bounds(0, 0)):
                pass
            self._entry = self._next_entry()

    @property
    def name(self) -> str:
        """The entry's name; never to be used as a path."""
        return self._entry.name

    def pieces(self, bounds: Bounds) -> Iterator[bytes]:
        """The file's bytes, once.

        Raises:
            ZipError: it goes over a bound, is cut off or damaged.
        """
        crc = unpacked = 0
        for piece, packed in self._stored() if self._entry.method == _STORED else self._inflated():
            crc = zlib.crc32(piece, crc)
            unpacked += len(piece)
            bounds.check(unpacked, packed)
            yield piece
        if crc != self._announced():
            raise ZipError("its checksum does not match")

    def _next_entry(self) -> _Entry:
        head = self._take(_HEADER.size, "it holds no file")
        magic, flags, method, crc, packed, unpacked, name_size, extra_size = _HEADER.unpack(head)
        if magic != _ENTRY_HEAD:
            raise ZipError("it holds no file")
        name = self._take(name_size).decode("utf-8" if flags & _UTF8 else "cp437", "replace")
        extra = self._take(extra_size)
        if flags & _ENCRYPTED:
            raise ZipError("it is encrypted with a password")
        if method not in (_STORED, _DEFLATED) or (method == _STORED and flags & _DESCRIPTOR):
            raise ZipError(f"compression method {method} cannot be read")
        return _Entry(name, flags, method, crc, _long_size(extra, unpacked) if packed == _IN_EXTRA else packed)

    def _take(self, count: int, otherwise: str = "it is cut off") -> bytes:
        taken, self._rest = self._rest[:count], self._rest[count:]
        taken += self._stream.read(count - len(taken))
        if len(taken) < count:
            raise ZipError(otherwise)
        return taken

    def _stored(self) -> Iterator[tuple[bytes, int]]:
        left = self._entry.packed
        while left:
            piece = self._take(min(left, _PIECE))
            left -= len(piece)
            yield piece, self._entry.packed - left

    def _inflated(self) -> Iterator[tuple[bytes, int]]:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        read, packed = 0, b""
        while not inflate.eof:
            if not packed:
                packed, self._rest = self._rest or self._stream.read(_PIECE), b""
                read += len(packed)
            try:
                piece = inflate.decompress(packed, _PIECE << 2)
            except zlib.error as error:
                raise ZipError(str(error)) from error
            if not packed and not piece and not inflate.eof:
                raise ZipError("it is cut off")
            packed = inflate.unconsumed_tail
            yield piece, read
        self._rest = inflate.unused_data

    def _announced(self) -> int:
        """The checksum that the zip gives, before the file or behind it."""
        if not self._entry.flags & _DESCRIPTOR:
            return self._entry.crc
        head = self._take(4)
        return int.from_bytes(self._take(4) if head == _DESCRIPTOR_HEAD else head, "little")


def _long_size(extra: bytes, unpacked: int) -> int:
    """The packed size where it needs more than 32 bits: it stands in an extra field, behind the unpacked one."""
    place = 0
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, place)
        field = extra[place + 4 : place + 4 + size]
        at = 8 if unpacked == _IN_EXTRA else 0
        if kind == 1 and len(field) >= at + 8:
            return int.from_bytes(field[at : at + 8], "little")
        place += 4 + size
    raise ZipError("it is damaged")
