"""A streaming reader for the first file of a zip (PKWARE APPNOTE 6.3.10, section 4.3).

The hubs' own library writes and reads the zips around attachments as streams, so the first local entry counts; what
stands behind it is for `zip_directory`. Neither the zip nor its directory, which may list millions of entries, is kept.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import BinaryIO

_ENTRY_HEAD = b"PK\x03\x04"
ZIP_HEADS = (_ENTRY_HEAD, b"PK\x05\x06")
"""The first bytes of a zip: an entry, or the end of an empty directory."""

_HEADER = struct.Struct("<4s2xHH4xIIIHH")
_SIZES, _LONG_SIZES = struct.Struct("<II"), struct.Struct("<QQ")
_DESCRIPTOR_HEAD = b"PK\x07\x08"
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 0x0001, 0x0008, 0x0800
_STORED, _DEFLATED = 0, 8
_SIZE_IN_EXTRA = 0xFFFFFFFF
_PIECE_SIZE = 1 << 16
FREE_SIZE = 10 << 20
"""Bytes that may come out of a zip at any ratio: a small file does no harm however well it packs."""


class ZipError(ValueError):
    """A zip that cannot be read; the message is a clause of a sentence."""


FORMAT_FIRST_ENTRIES = {"[Content_Types].xml", "mimetype", "_rels/.rels"}
"""First entries that office files have (ECMA-376 part 2, ODF 1.3 part 2)."""
_FORMAT_FOLDERS = ("_rels/", "docProps/", "word/", "xl/", "ppt/", "META-INF/")


def is_wrapping_zip(head: bytes) -> bool:
    """Tell whether a file with this head is a zip that only wraps another file, not a format that is a zip itself."""
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")].decode("utf-8", "replace")
    return head.startswith(_ENTRY_HEAD) and name not in FORMAT_FIRST_ENTRIES and not name.startswith(_FORMAT_FOLDERS)


class BoundExceeded(ZipError):
    """A zip that goes over a bound."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds on the output of a zip.

    Args:
        unpacked: most bytes of all its files.
        ratio: most bytes for each packed byte read so far, once more than `FREE_SIZE` bytes came out.
        entries: most files and folders.
    """

    unpacked: int
    ratio: int
    entries: int

    def check_size(self, unpacked: int, packed: int, subject: str = "it unpacks") -> None:
        """Check the unpacked size against the bounds.

        Args:
            unpacked: bytes that came out.
            packed: bytes that they came from.
            subject: beginning of the message.

        Raises:
            BoundExceeded: a bound is exceeded; the message names it.
        """
        if unpacked > self.unpacked:
            raise BoundExceeded(f"{subject} to more than the limit of {self.unpacked} bytes (unpacked)")
        if unpacked > max(packed * self.ratio, FREE_SIZE):
            raise BoundExceeded(f"{subject} to more than the limit of {self.ratio} times the packed size (ratio)")

    def check_entries(self, entries: int) -> None:
        """Check the number of entries against the bound.

        Raises:
            BoundExceeded: there are too many.
        """
        if entries > self.entries:
            raise BoundExceeded(f"it holds more than the limit of {self.entries} files and folders (entries)")


class UnpackingBudget:
    """The bytes that all zips of one packet may unpack to together; reading a zip again costs nothing more.

    A limit on each zip alone would let a hundred small ones fill a disk, and would count a zip inside a zip from the
    start again. A zip that goes over the budget leaves nothing of it to those that are read later.

    Args:
        unpacked: most bytes of all.
        ratio: most bytes for each packed byte of all zips, once more than `FREE_SIZE` bytes came out.
        packed: packed bytes known so far.
    """

    def __init__(self, unpacked: int, ratio: int, packed: int = 0) -> None:
        self._bounds = Bounds(unpacked, ratio, 0)
        self._packed = packed
        self._total = 0
        self._charges: dict[int, int] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[UnpackingBudget], tuple[int, int, int]]:
        return UnpackingBudget, (self._bounds.unpacked, self._bounds.ratio, self._packed)

    def add_zip(self, packed: int) -> int:
        """Add a zip of so many bytes, and return the number under which its output is charged."""
        with self._lock:
            self._packed += packed
            number = len(self._charges)
            self._charges[number] = 0
            return number

    def charge(self, number: int, unpacked: int) -> None:
        """Charge the output of a zip in one reading, if no earlier reading came as far.

        Raises:
            BoundExceeded: the budget is used up; the message names the bound.
        """
        with self._lock:
            more = unpacked - self._charges.get(number, 0)
            if more <= 0:
                return
            # what is refused is not charged, so that another reading is refused there too
            self._bounds.check_size(self._total + more, self._packed, "the zips of its packet unpack")
            self._charges[number] = unpacked
            self._total += more


@dataclass(slots=True)
class UnpackingMeter:
    """The output of one reading of a zip, all zips inside it counted too.

    Args:
        budget: the packet's budget.
        number: the number of the outermost zip in it.
    """

    budget: UnpackingBudget
    number: int
    unpacked: int = 0

    def add(self, size: int) -> None:
        """Add bytes that came out.

        Raises:
            BoundExceeded: the packet's budget is used up.
        """
        self.unpacked += size
        self.budget.charge(self.number, self.unpacked)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a zip, as its header announces it.

    Args:
        raw_name: the name as it stands there.
        flags: general purpose flags (4.4.4).
        method: how it is packed.
        crc: checksum; zero where a descriptor behind the file has it.
        packed_size: bytes; zero where a descriptor has it.
    """

    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed_size: int

    @property
    def name(self) -> str:
        """The name as a text."""
        return self.raw_name.decode("utf-8" if self.flags & _UTF8 else "cp437", "replace")


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What was seen of a file while it was unpacked.

    Args:
        crc: its checksum.
        packed_size: bytes it took in the zip.
        size: bytes.
    """

    crc: int
    packed_size: int
    size: int


class FirstFile:
    """The first file of a zip.

    Args:
        stream: the zip, at its first byte.
        bounds: bounds on its output.
        meter: counts its output.

    Raises:
        ZipError: the zip holds no file, or one packed in a way that cannot be read.
    """

    def __init__(self, stream: BinaryIO, bounds: Bounds, meter: UnpackingMeter) -> None:
        self._stream = stream
        self._bounds = bounds
        self._meter = meter
        self._rest = b""  # read from the stream and not yet unpacked
        self._entries = self._unpacked = self._packed = self._taken = 0
        self.unpacked: Unpacked | None = None
        """What was seen of the file; known once it was read."""
        self._entry = self._read_entry()
        while self._entry.name.endswith("/"):  # a folder, which has no content
            for _ in self.pieces():
                raise ZipError("a folder in it has content")
            self._entry = self._read_entry()

    @property
    def name(self) -> str:
        """The entry's name; never to be used as a path."""
        return self._entry.name

    @property
    def entry(self) -> Entry:
        """The entry."""
        return self._entry

    @property
    def is_first(self) -> bool:
        """Whether no other entry stands before it, such as a folder."""
        return self._entries == 1

    @property
    def position(self) -> int:
        """Bytes of the zip that were read so far."""
        return self._taken - len(self._rest)

    def pieces(self) -> Generator[bytes, None, None]:
        """Unpack the file in pieces; works once.

        Raises:
            ZipError: the zip goes over a bound, is cut off or damaged.
        """
        crc = size = 0
        packed_before, start = self._packed, self.position
        for piece, packed in self._read_stored() if self._entry.method == _STORED else self._read_deflated():
            crc = zlib.crc32(piece, crc)
            self._packed = packed_before + packed
            size += len(piece)
            self._unpacked += len(piece)
            self._bounds.check_size(self._unpacked, self._packed)
            self._meter.add(len(piece))
            if piece:
                yield piece
        self.unpacked = Unpacked(crc, self.position - start, size)
        self._check_sums(self.unpacked)

    def _read_entry(self) -> Entry:
        head = self.read_exactly(_HEADER.size, "it holds no file")
        magic, flags, method, crc, packed, unpacked, name_size, extra_size = _HEADER.unpack(head)
        if magic != _ENTRY_HEAD:
            raise ZipError("it holds no file")
        self._entries += 1
        self._bounds.check_entries(self._entries)
        name, extra = self.read_exactly(name_size), self.read_exactly(extra_size)
        if flags & _ENCRYPTED:
            raise ZipError("it is encrypted with a password")
        if method not in (_STORED, _DEFLATED) or (method == _STORED and flags & _DESCRIPTOR):
            raise ZipError(f"compression method {method} cannot be read")
        return Entry(name, flags, method, crc, _find_long_size(extra, unpacked) if packed == _SIZE_IN_EXTRA else packed)

    def read_exactly(self, count: int, error_text: str = "it is cut off") -> bytes:
        """Read bytes of the zip that stand next.

        Raises:
            ZipError: there are fewer.
        """
        data, self._rest = self._rest[:count], self._rest[count:]
        data += self._read_stream(count - len(data))
        if len(data) < count:
            raise ZipError(error_text)
        return data

    def is_at_end(self) -> bool:
        """Tell whether nothing of the zip is left."""
        self._rest = self._rest or self._read_stream(1)
        return not self._rest

    def _read_stream(self, count: int) -> bytes:
        data = self._stream.read(count) if count else b""
        self._taken += len(data)
        return data

    def _read_stored(self) -> Iterator[tuple[bytes, int]]:
        left = self._entry.packed_size
        while left:
            piece = self.read_exactly(min(left, _PIECE_SIZE))
            left -= len(piece)
            yield piece, self._entry.packed_size - left

    def _read_deflated(self) -> Iterator[tuple[bytes, int]]:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        read, packed = 0, b""
        while not inflate.eof:
            if not packed:
                packed, self._rest = self._rest or self._read_stream(_PIECE_SIZE), b""
                read += len(packed)
            try:
                piece = inflate.decompress(packed, _PIECE_SIZE << 2)
            except zlib.error as error:
                raise ZipError(str(error)) from error
            if not packed and not piece and not inflate.eof:
                raise ZipError("it is cut off")
            packed = inflate.unconsumed_tail
            yield piece, read
        self._rest = inflate.unused_data

    def _check_sums(self, seen: Unpacked) -> None:
        """Check checksum and sizes, which stand before the file or in a descriptor behind it (4.3.9).

        Raises:
            ZipError: they are others.
        """
        if not self._entry.flags & _DESCRIPTOR:
            crc, are_sizes_right = self._entry.crc, seen.packed_size == self._entry.packed_size
        else:
            head = self.read_exactly(4)
            crc = int.from_bytes(self.read_exactly(4) if head == _DESCRIPTOR_HEAD else head, "little")
            sizes = self.read_exactly(_SIZES.size)
            are_sizes_right = _SIZES.unpack(sizes) == (seen.packed_size, seen.size)
            if not are_sizes_right:  # they may be of eight bytes each
                sizes += self.read_exactly(_SIZES.size)
                are_sizes_right = _LONG_SIZES.unpack(sizes) == (seen.packed_size, seen.size)
        if crc != seen.crc:
            raise ZipError("its checksum does not match")
        if not are_sizes_right:
            raise ZipError("its sizes do not match")


def _find_long_size(extra: bytes, unpacked: int) -> int:
    """Find a packed size of more than 32 bits, which stands in an extra field, behind the unpacked one."""
    place = 0
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, place)
        field = extra[place + 4 : place + 4 + size]
        at = 8 if unpacked == _SIZE_IN_EXTRA else 0
        if kind == 1 and len(field) >= at + 8:
            return int.from_bytes(field[at : at + 8], "little")
        place += 4 + size
    raise ZipError("it is damaged")
