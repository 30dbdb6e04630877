"""Types of columns in tables that have many rows for each document: the same values in fewer bytes.

Texts that repeat with little else than a name in them are packed into a byte and the rest: 0, and UTF-8 follows as it
is; or the number of a dictionary, and the text follows deflated (RFC 1951) with that. Dictionaries are files of the
package, and none is ever changed or removed. On SQLite a text that is none of both is one of an earlier revision, and
is what it says.
"""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, cast

from sqlalchemy import BigInteger, DateTime, Dialect, LargeBinary, SmallInteger, String, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from .engine import build_damaged_error

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PLAIN, _DICTIONARY = 0, 1
_WINDOW_BITS, _MEMORY_LEVEL = -14, 5  # a small object is copied soon; the window holds the dictionary and a text
_CACHED_TEXTS = 512
_MAX_CACHED = 1024  # characters, or bytes: what repeats is short
_HEX_DIGEST = re.compile("[0-9a-f]{64}")
_DIGEST_SIZE = 32


class NumberedName(TypeDecorator[str]):
    """One of a few names, kept as its number, from 1.

    Args:
        names: the names in order; new ones are added at the end only.
    """

    impl = SmallInteger
    cache_ok = True

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = names
        self._numbers = {name: number for number, name in enumerate(names, 1)}

    def process_bind_param(self, value: str | None, dialect: Dialect) -> int | None:  # noqa: ARG002  SQLAlchemy's signature
        """Give the number of a name."""
        return None if value is None else self._numbers[value]

    def process_result_value(self, value: int | None, dialect: Dialect) -> str | None:  # noqa: ARG002  SQLAlchemy's signature
        """Give the name of a number.

        Raises:
            StoreError: the database is damaged.
        """
        if value is None:
            return None
        if not 1 <= value <= len(self.names):
            raise build_damaged_error(f"{value} is the number of no name")
        return self.names[value - 1]


class ServerNumberedName(NumberedName):
    """One of a few names: its number on a server, whose rows are what costs; on SQLite the name itself."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column's type."""
        chosen: TypeEngine[Any] = String(16) if dialect.name == "sqlite" else SmallInteger()
        return dialect.type_descriptor(chosen)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        """Give the number of a name, or the name."""
        return value if dialect.name == "sqlite" else super().process_bind_param(value, dialect)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """Give the name.

        Raises:
            StoreError: the database is damaged.
        """
        return super().process_result_value(value, dialect) if dialect.name != "sqlite" else cast("str | None", value)


class HexDigest(TypeDecorator[str]):
    """A SHA-256 in hex: its 32 bytes on a server, and its text on SQLite.

    Another text, which an import may have, is kept as UTF-8 behind a zero byte, or two where that would be 32 bytes.
    """

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column's type."""
        chosen: TypeEngine[Any] = String(64) if dialect.name == "sqlite" else LargeBinary()
        return dialect.type_descriptor(chosen)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | bytes | None:
        """Give the bytes of a digest, or the text."""
        if value is None or dialect.name == "sqlite":
            return value
        if _HEX_DIGEST.fullmatch(value):
            return bytes.fromhex(value)
        kept = b"\0" + value.encode()
        return kept if len(kept) != _DIGEST_SIZE else b"\0" + kept

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """Give a digest in hex, or the text.

        Raises:
            StoreError: the database is damaged.
        """
        if value is None or dialect.name == "sqlite":
            return cast("str | None", value)
        kept = bytes(value)
        try:
            return kept.hex() if len(kept) == _DIGEST_SIZE else kept.lstrip(b"\0").decode()
        except UnicodeDecodeError as error:
            raise build_damaged_error(str(error)) from error


class MicrosecondTime(TypeDecorator[datetime]):
    """A point in time, aware; on SQLite, which has no type for it, the microseconds since 1970 in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column's type."""
        chosen: TypeEngine[Any] = BigInteger() if dialect.name == "sqlite" else DateTime(timezone=True)
        return dialect.type_descriptor(chosen)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | int | None:
        """Refuse a time without an offset: it would be read back as another one."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"a time without an offset cannot be stored: {value}")
        return (value - _EPOCH) // _MICROSECOND if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  SQLAlchemy's signature
        """Give a time in UTC.

        Raises:
            StoreError: the database is damaged.
        """
        if value is None or isinstance(value, datetime):
            return value if value is None else value.astimezone(UTC)
        try:
            return _EPOCH + timedelta(microseconds=value)
        except (OverflowError, TypeError) as error:
            raise build_damaged_error(str(error)) from error


def pack_text(text: str) -> bytes:
    """Pack a text; the few that most rows have are at hand."""
    return _pack_cached(text) if len(text) <= _MAX_CACHED else _pack(text)


def unpack_text(stored: bytes | str) -> str:
    """Unpack a text.

    Raises:
        StoreError: the database is damaged, or a newer version wrote it.
    """
    if isinstance(stored, str):
        return stored
    return _unpack_cached(stored) if len(stored) <= _MAX_CACHED else _unpack(stored)


class PackedText(TypeDecorator[str]):
    """A text in few bytes; nothing can be looked for in it."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column's type: on SQLite, whose columns take any value, that of the revisions before."""
        chosen: TypeEngine[Any] = Text() if dialect.name == "sqlite" else LargeBinary()
        return dialect.type_descriptor(chosen)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002  SQLAlchemy's signature
        """Pack a text on its way in."""
        return None if value is None else pack_text(value)

    def process_result_value(self, value: bytes | str | None, dialect: Dialect) -> str | None:  # noqa: ARG002  SQLAlchemy's signature
        """Unpack a text on its way out."""
        return None if value is None else unpack_text(value)


def _pack(text: str) -> bytes:
    plain = text.encode()
    deflate = _get_deflater().copy()
    body = deflate.compress(plain) + deflate.flush()
    return bytes([_DICTIONARY]) + body if len(body) < len(plain) else bytes([_PLAIN]) + plain


def _unpack(stored: bytes) -> str:
    try:
        form, body = stored[0], stored[1:]
        if form != _PLAIN:
            body = zlib.decompressobj(_WINDOW_BITS, zdict=_read_dictionary(form)).decompress(body)
        return body.decode()
    except (IndexError, zlib.error, UnicodeDecodeError, FileNotFoundError) as error:
        raise build_damaged_error(f"a text cannot be read: {error}") from error


_pack_cached, _unpack_cached = lru_cache(_CACHED_TEXTS)(_pack), lru_cache(_CACHED_TEXTS)(_unpack)


@cache
def _get_deflater() -> zlib._Compress:
    return zlib.compressobj(6, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zdict=_read_dictionary(_DICTIONARY))


@cache
def _read_dictionary(number: int) -> bytes:
    return (files(__package__) / "dictionaries" / f"{number}.bin").read_bytes()
