"""Types of columns in tables that have many rows for each document: the same values in fewer bytes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import BigInteger, DateTime, Dialect, LargeBinary, SmallInteger, String
from sqlalchemy.types import TypeDecorator, TypeEngine

from .engine import build_damaged_error

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
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
