"""Pages of the store's lists: cursors, bounds, and the conditions that an index serves."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Select, String, literal, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from .._core import Page
from ..errors import InvalidQuery
from ._sql import UtcTime

R = TypeVar("R")

DEFAULT_LIMIT = 100  # rows of a page where the caller does not say
MAX_LIMIT = 1000  # rows of a page at most: it is in memory as a whole
_VERSION = 1
_MAX_CURSOR_LENGTH = 512
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_AFTER_SLASH = chr(ord("/") + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """The part of a list that is wanted.

    Args:
        scope: hash of what the list is of: its name, the agency, the filters.
        limit: rows at most.
        key: where the page before ended; None for the first page.
    """

    scope: str
    limit: int
    key: tuple[Any, ...] | None

    @classmethod
    def parse(
        cls, name: str, agency: str, filters: Mapping[str, Any], *, limit: int | None, after: str | None, by_time: bool
    ) -> PageRequest:
        """Parse what a caller wants.

        Args:
            name: name of the list.
            agency: code of the agency.
            filters: the filters by name; None where one is left out.
            limit: rows at most; the usual number where it is left out.
            after: the cursor of the page before.
            by_time: whether the list goes by time and key, and not by a text.

        Raises:
            InvalidQuery: a value cannot be, or the cursor is none of this list.
        """
        for bound in ("since", "until"):
            _require_aware(bound, filters.get(bound))
        for name_of_filter, value in filters.items():
            _require_text(name_of_filter, value)
        scope = _compute_scope(name, agency, filters)
        key = None if after is None else _decode_cursor(after, scope, by_time=by_time)
        return cls(scope=scope, limit=_require_limit(limit), key=key)

    def build_page(self, rows: Sequence[R], get_key: Any) -> Page[R]:
        """Build the page of rows that were read, one more than its limit where there are more.

        Args:
            rows: the rows.
            get_key: gives the place of a row in the list.
        """
        items = rows[: self.limit]
        has_more = len(rows) > self.limit
        return Page(items, next=_encode_cursor(self.scope, get_key(items[-1])) if has_more else None)


def get_time_key(row: Any) -> tuple[Any, ...]:
    """Give the place of a row in a list by time."""
    return (row.created_at, row.id)


def select_newest_page(
    query: Select[Any], request: PageRequest, created_at: ColumnElement[Any], row_id: ColumnElement[Any]
) -> Select[Any]:
    """Select a page of a list by time, the newest first, and a row more."""
    if request.key is not None:
        query = query.where(tuple_(created_at, row_id) < tuple_(literal(request.key[0], UtcTime()), request.key[1]))
    return query.order_by(created_at.desc(), row_id.desc()).limit(request.limit + 1)


def match_times(created_at: ColumnElement[Any], since: datetime | None, until: datetime | None) -> list[Any]:
    """Build the conditions that a time is in an interval."""
    conditions = [] if since is None else [created_at >= since]
    return conditions if until is None else [*conditions, created_at < until]


def match_number(column: Column[Any], number: str, *, is_postgresql: bool) -> list[ColumnElement[bool]]:
    """Build the conditions that a code is a number with its notation, or has that number before any notation.

    One range of the index: letter by letter, whatever the database's collation.
    """
    text = number.strip()
    if not text:
        raise InvalidQuery(
            "the number to look for is empty: give 7816/SNV-VP, or 7816 alone.",
            vi="Số, ký hiệu cần tìm đang để trống: hãy ghi 7816/SNV-VP hoặc chỉ ghi 7816.",
        )
    if "/" in text:
        return [column == text]
    at_least, below = ("~>=~", "~<~") if is_postgresql else (">=", "<")
    return [column.op(at_least, is_comparison=True)(text), column.op(below, is_comparison=True)(text + _AFTER_SLASH)]


class hide_from_index(GenericFunction[str]):  # noqa: N801  a function of SQL
    """A text column for which SQLite looks into no index, as it knows too little to choose well: another one serves.

    PostgreSQL counts what is in the columns, and is left to choose.
    """

    type = String()
    inherit_cache = True


@compiles(hide_from_index)
def _compile_as_column(element: Any, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))


@compiles(hide_from_index, "sqlite")
def _compile_for_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"


def _require_limit(limit: int | None) -> int:
    if limit is None:
        return DEFAULT_LIMIT
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_LIMIT:
        raise InvalidQuery(
            f"a page has 1 to {MAX_LIMIT} rows, not {limit!r}: walk through longer lists with iter_…().",
            vi=f"Một trang có từ 1 đến {MAX_LIMIT} dòng, không phải {limit!r}: danh sách dài hơn hãy duyệt bằng "
            "iter_…().",
        )
    return limit


def _require_aware(name: str, moment: Any) -> None:
    if moment is not None and (not isinstance(moment, datetime) or not _has_utc(moment)):
        raise InvalidQuery(
            f"{name} is no time with a time zone, in the years 1 to 9999: {moment!r}.",
            vi=f"{name} không phải thời điểm có múi giờ, từ năm 1 đến năm 9999: {moment!r}.",
        )


def _require_text(name: str, value: Any) -> None:
    """Require of a text that every database takes it, so that a list is the same on each."""
    if isinstance(value, str) and "\0" in value:
        raise InvalidQuery(
            f"{name} holds a NUL character, which no text here has: {value!r}.",
            vi=f"{name} có ký tự NUL, không hợp lệ trong văn bản: {value!r}.",
        )


def _has_utc(moment: datetime) -> bool:
    try:
        return moment.utcoffset() is not None and moment.astimezone(UTC) is not None
    except OverflowError:  # the first or the last day of the calendar, in a zone of its own
        return False


def _compute_scope(name: str, agency: str, filters: Mapping[str, Any]) -> str:
    wanted = {key: str(_as_utc(value)) for key, value in filters.items() if value is not None}
    text = json.dumps([name, agency, wanted], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _as_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _encode_cursor(scope: str, key: Sequence[Any]) -> str:
    values = [(value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else value for value in key]
    text = json.dumps([_VERSION, scope, *values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode_cursor(cursor: str, scope: str, *, by_time: bool) -> tuple[Any, ...]:
    """Decode a cursor, which may be anybody's text.

    Raises:
        InvalidQuery: it is no cursor, or one of another list.
    """
    match _parse_cursor(cursor):
        case [int(version), str(found_scope), *values] if version == _VERSION:
            if found_scope != scope:
                raise _build_foreign_error()
        case _:
            raise _build_no_cursor_error()
    key = _parse_time_key(values) if by_time else _parse_text_key(values)
    if key is None:
        raise _build_no_cursor_error()
    return key


def _parse_cursor(cursor: object) -> Any:
    if not isinstance(cursor, str) or len(cursor) > _MAX_CURSOR_LENGTH or not cursor.isascii():
        return None
    try:
        return json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        return None


def _parse_time_key(values: Sequence[Any]) -> tuple[datetime, int] | None:
    if len(values) != 2 or not all(type(value) is int for value in values) or not 0 <= values[1] < 1 << 63:
        return None
    try:
        return _EPOCH + values[0] * _MICROSECOND, values[1]
    except OverflowError:
        return None


def _parse_text_key(values: Sequence[Any]) -> tuple[str] | None:
    is_text = len(values) == 1 and isinstance(values[0], str) and "\0" not in values[0]
    if not is_text or any(0xD800 <= ord(letter) < 0xE000 for letter in values[0]):
        return None
    return (values[0],)


def _build_no_cursor_error() -> InvalidQuery:
    return InvalidQuery(
        "this is no cursor of a list: give `next` of the page before, as it is.",
        vi="Đây không phải con trỏ của danh sách nào: hãy dùng nguyên văn giá trị `next` của trang trước.",
    )


def _build_foreign_error() -> InvalidQuery:
    return InvalidQuery(
        "the cursor is one of another list: of another agency, or with other filters. Ask with the filters of the page "
        "before, or begin again without it.",
        vi="Con trỏ thuộc danh sách khác: của đơn vị khác hoặc có bộ lọc khác. Hãy dùng đúng bộ lọc của trang trước, "
        "hoặc bắt đầu lại không kèm con trỏ.",
    )
