"""Types of columns in tables that have many rows for each document: the same values in fewer bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, SmallInteger
from sqlalchemy.types import TypeDecorator, TypeEngine

from .engine import build_damaged_error

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


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
