"""The end of a zip that wraps one file: its directory lists just that file, and nothing else is there.

Some programs read a zip as a stream and take its first entry; others go by the directory at the end. Where the two
could find different files, whoever checks one of them vouches for what somebody else will never see. Such a zip wraps
nothing (PKWARE APPNOTE 6.3.10, 4.3.12 to 4.3.16).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from .zip_stream import FirstFile, ZipError

_HEAD_SIZE = 4
_ENTRY_HEAD, _END_HEAD = b"PK\x01\x02", b"PK\x05\x06"
_LONG_END_HEAD, _LOCATOR_HEAD = b"PK\x06\x06", b"PK\x06\x07"
_ENTRY = struct.Struct("<4xHH4xIIIHHH8xI")
_LONG_END = struct.Struct("<Q12xQQQQ")
_LOCATOR = struct.Struct("<IQI")
_END = struct.Struct("<HHHHIIH")
_LONG_END_SIZE = 44  # bytes that a long end states of itself
_IN_EXTRA, _MANY = 0xFFFFFFFF, 0xFFFF


class NotWrapping(ZipError):
    """A zip that is more than a wrapping of one file."""


def require_single(file: FirstFile) -> None:
    """Read a zip from behind its first file to its end, and require that it holds nothing else.

    Args:
        file: the first file, unpacked to its end.

    Raises:
        NotWrapping: another entry is in it, its directory lists something else, or bytes stand between or behind.
        ZipError: it is cut off.
    """
    if not file.is_first:
        raise NotWrapping("an entry stands before the file")
    start = file.position
    head = file.read_exactly(_HEAD_SIZE)
    if head != _ENTRY_HEAD:
        raise NotWrapping("another file stands behind the first" if head == b"PK\x03\x04" else "it has no directory")
    _check_entry(file)
    directory = (start, file.position - start)
    head = file.read_exactly(_HEAD_SIZE)
    if head == _ENTRY_HEAD:
        raise NotWrapping("its directory lists more than one file")
    is_long = head == _LONG_END_HEAD
    if is_long:
        _check_long_end(file, directory)
        head = file.read_exactly(_HEAD_SIZE)
    _check_end(file, head, directory, is_long=is_long)
    if not file.is_at_end():
        raise NotWrapping("something stands behind it")


def _check_entry(file: FirstFile) -> None:
    """Check the directory's only entry: it is the file that was read, at the zip's first byte."""
    flags, method, crc, packed, size, name_size, extra_size, comment_size, offset = _ENTRY.unpack(
        file.read_exactly(_ENTRY.size)
    )
    name, extra = file.read_exactly(name_size), file.read_exactly(extra_size)
    file.read_exactly(comment_size)
    long_values = _iter_long_values(extra)
    listed = tuple(next(long_values, value) if value == _IN_EXTRA else value for value in (size, packed, offset))
    seen = file.unpacked
    if (
        seen is None
        or listed != (seen.size, seen.packed_size, 0)
        or (name, method, flags & 1, crc) != (file.entry.raw_name, file.entry.method, 0, seen.crc)
    ):
        raise NotWrapping("its directory lists another file than the first")


def _iter_long_values(extra: bytes) -> Iterator[int]:
    """Iterate over the values that an extra field of kind 1 holds for an entry (4.5.3)."""
    place = 0
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, place)
        if kind == 1:
            values = extra[place + 4 : place + 4 + size]
            yield from (value for (value,) in struct.iter_unpack("<Q", values[: len(values) // 8 * 8]))
        place += 4 + size


def _check_long_end(file: FirstFile, directory: tuple[int, int]) -> None:
    at = file.position - _HEAD_SIZE
    own_size, here, total, size, offset = _LONG_END.unpack(file.read_exactly(_LONG_END.size))
    is_right = (own_size, here, total, offset, size) == (_LONG_END_SIZE, 1, 1, *directory)
    if not is_right or file.read_exactly(_HEAD_SIZE) != _LOCATOR_HEAD:
        raise NotWrapping("the end of its directory is odd")
    if _LOCATOR.unpack(file.read_exactly(_LOCATOR.size)) != (0, at, 1):
        raise NotWrapping("the end of its directory is odd")


def _check_end(file: FirstFile, head: bytes, directory: tuple[int, int], *, is_long: bool) -> None:
    if head != _END_HEAD:
        raise NotWrapping("something stands between its directory and its end")
    disk, directory_disk, here, total, size, offset, comment_size = _END.unpack(file.read_exactly(_END.size))
    if comment_size:
        raise NotWrapping("a comment stands behind it")
    stated = [here, total, offset, size]
    expected = [1, 1, *directory]
    if is_long:  # where these say so, the long end counts, which was right
        limits = [_MANY, _MANY, _IN_EXTRA, _IN_EXTRA]
        stated = [right if one == limit else one for one, limit, right in zip(stated, limits, expected, strict=True)]
    if disk or directory_disk or stated != expected:
        raise NotWrapping("the end of its directory is odd")
