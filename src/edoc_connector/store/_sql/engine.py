"""Engines for SQLite and PostgreSQL, and the one place that maps drivers' errors."""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from ..._core import Text, get_logger
from ...errors import InvalidQuery, StoreError

log = get_logger("edoc_connector.store")

T = TypeVar("T")

BUSY_SECONDS = 5.0
CONNECT_SECONDS = 10
LOCK_SECONDS = 20
LOCK_ATTEMPTS = 3
RECONNECT_SECONDS = 10.0
_MAX_CONNECTIONS = 15  # to a server, where nothing else is said
_KEPT_CONNECTIONS = 5  # of these, while nobody uses them

_LOCKED = Text(
    "the store is locked by another program; nothing changed. Try again; if it stays so, look for a program that keeps "
    "the database open.",
    "Kho dữ liệu đang bị chương trình khác khóa; chưa có gì thay đổi. Hãy thử lại; nếu vẫn bị khóa, hãy tìm chương "
    "trình đang giữ cơ sở dữ liệu.",
)
_DISK_FULL = Text(
    "the disk of the store is full; nothing changed. Make space and call again.",
    "Đĩa chứa kho dữ liệu đã đầy; chưa có gì thay đổi. Hãy giải phóng chỗ trống rồi gọi lại.",
)
_READ_ONLY = Text(
    "the store cannot be written to; nothing changed. Check the rights of the file and its folder.",
    "Không ghi được vào kho dữ liệu; chưa có gì thay đổi. Hãy kiểm tra quyền ghi của tệp và thư mục chứa nó.",
)
_FOLDER_READ_ONLY = Text(
    "the store cannot be used: SQLite writes beside the file even to read it, unless another program, such as the "
    "worker, has it open. Run the command as a user who may write to the folder.",
    "Không dùng được kho dữ liệu: SQLite cần ghi cạnh tệp cả khi chỉ đọc, trừ khi chương trình khác (như worker) đang "
    "mở kho. Hãy chạy lệnh bằng tài khoản có quyền ghi vào thư mục đó.",
)
_CANNOT_OPEN = Text(
    "the store cannot be opened. Check that its folder exists and may be read and written.",
    "Không mở được kho dữ liệu. Hãy kiểm tra thư mục có tồn tại và có quyền đọc, ghi.",
)
_DAMAGED = Text(
    "the file of the store is damaged, or is no database. Stop the programs that use it, keep a copy of it as it is, "
    "and restore a backup (edoc restore).",
    "Tệp kho dữ liệu bị hỏng hoặc không phải cơ sở dữ liệu. Hãy dừng các chương trình đang dùng, giữ lại một bản sao "
    "nguyên trạng của tệp và khôi phục từ bản sao lưu (edoc restore).",
)
NO_TABLES = Text(
    "the database has not the tables of the store any more: it was emptied or replaced. Restore it from a backup.",
    "Cơ sở dữ liệu không còn các bảng của kho: đã bị xóa hoặc thay thế. Hãy khôi phục từ bản sao lưu.",
)
_UNREACHABLE = Text(
    "the database cannot be reached; nothing changed. Check that its server runs and that the database and the "
    "user are there, then call again.",
    "Không kết nối được máy chủ cơ sở dữ liệu; chưa có gì thay đổi. Hãy kiểm tra máy chủ có đang chạy, có cơ sở "
    "dữ liệu và người dùng đó hay không, rồi gọi lại.",
)
_RULE_BROKEN = Text(
    "the store refuses a change that breaks its rules; nothing changed. Another program may be writing to it.",
    "Kho dữ liệu từ chối một thay đổi trái quy tắc; chưa có gì thay đổi. Có thể chương trình khác đang ghi vào kho.",
)
_UNKNOWN_FAILURE = Text("the store failed; nothing changed.", "Kho dữ liệu gặp lỗi; chưa có gì thay đổi.")

_HAS_NUL = "cannot contain NUL"  # psycopg says so before anything is sent, and gives no code

# Beginnings of SQLite's error names and of PostgreSQL's SQLSTATEs (its manual, appendix A).
_MESSAGE_BY_CODE: Mapping[str, Text] = {
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_FULL": _DISK_FULL,
    "SQLITE_READONLY_DIRECTORY": _FOLDER_READ_ONLY,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_CANTOPEN": _CANNOT_OPEN,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
    "SQLITE_CONSTRAINT": _RULE_BROKEN,
    "SQLITE_IOERR": _DISK_FULL,
    "40001": _LOCKED,
    "40P01": _LOCKED,
    "55P03": _LOCKED,
    "53100": _DISK_FULL,
    "25006": _READ_ONLY,
    "42P01": NO_TABLES,
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
    "08": _UNREACHABLE,
    "57P": _UNREACHABLE,
    "23": _RULE_BROKEN,
}
_MESSAGE_BY_ERRNO: Mapping[int, Text] = {
    errno.ENOSPC: _DISK_FULL,
    errno.EDQUOT: _DISK_FULL,
    errno.EFBIG: _DISK_FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
    errno.ENOENT: _CANNOT_OPEN,
    errno.ENOTDIR: _CANNOT_OPEN,
}


def make_engine(url: str, *, max_connections: int = _MAX_CONNECTIONS) -> Engine:
    """Make an engine for ``sqlite:///path`` or ``postgresql+psycopg://…``.

    Args:
        url: the database.
        max_connections: most connections to a server at a time.

    Raises:
        StoreError: the URL is none that SQLAlchemy knows, or names a database in memory.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_engine(
                parsed,
                pool_pre_ping=True,
                pool_size=min(_KEPT_CONNECTIONS, max_connections),
                max_overflow=max(0, max_connections - _KEPT_CONNECTIONS),
                connect_args=_build_postgresql_arguments(parsed),
            )
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        # The URL may hold a password: neither it nor the error's own text is repeated.
        raise StoreError(
            f"the URL of the store cannot be used ({type(error).__name__}): give sqlite:///FILE or "
            "postgresql+psycopg://USER@HOST/NAME; the latter needs the extra 'postgres': "
            "pip install 'edoc-connector[postgres]'.",
            vi="Không dùng được URL của kho dữ liệu: hãy ghi sqlite:///TỆP hoặc "
            "postgresql+psycopg://NGƯỜI_DÙNG@MÁY/TÊN; trường hợp sau cần gói bổ sung 'postgres': "
            "pip install 'edoc-connector[postgres]'.",
        ) from None
    if not parsed.database or parsed.database == ":memory:":
        raise StoreError(
            "a store in memory would forget what it must keep: give sqlite:///FILE.",
            vi="Kho dữ liệu trong bộ nhớ sẽ mất dữ liệu cần lưu: hãy ghi sqlite:///TỆP.",
        )
    # `SqliteConnectionSource` keeps connections open; a pool of a fixed size below it would only run dry.
    engine = create_engine(
        parsed, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}, poolclass=NullPool
    )
    event.listen(engine, "connect", _configure_sqlite)
    return engine


def find_database_file(engine: Engine) -> Path | None:
    """Find the file of an SQLite database; None for a server.

    The database in the URL may be a URI itself (https://www.sqlite.org/uri.html).
    """
    database = engine.url.database or ""
    if engine.url.get_backend_name() != "sqlite":
        return None
    return Path(unquote(urlsplit(database).path)) if database.startswith("file:") else Path(database)


def _build_postgresql_arguments(url: URL) -> dict[str, Any]:
    """Bound the waits for a server and for a row, unless the URL sets others."""
    defaults = {"connect_timeout": CONNECT_SECONDS, "options": f"-c lock_timeout={LOCK_SECONDS}s"}
    return {name: value for name, value in defaults.items() if name not in url.query}


def _configure_sqlite(connection: Any, _record: object) -> None:
    # Python's driver begins transactions late and on its own; `begin` does it instead.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def is_retryable_error(error: BaseException) -> bool:
    """Whether the error says that another transaction is in the way and the same one may succeed later."""
    return isinstance(error, DBAPIError) and _find_message(error) in (_LOCKED, _UNREACHABLE)


def begin_transaction(engine: Engine, *, write: bool) -> Connection:
    """Begin a transaction: wait for a lock, and call a server that is gone again, for a while.

    Raises:
        StoreError: the lock was not to be had, or the database cannot be opened.
    """
    return run_with_retries(lambda: _begin_once(engine, write))


def run_with_retries(operation: Callable[[], T]) -> T:
    """Run an operation that may meet a lock, a bounded number of times.

    Raises:
        StoreError: it did not succeed.
    """
    try:
        return operation()
    except DRIVER_ERRORS as error:
        return retry_failed_operation(error, operation)


def retry_failed_operation(error: SQLAlchemyError | OSError | UnicodeDecodeError, operation: Callable[[], T]) -> T:
    """Run an operation again that met a lock, a bounded number of times, each after a wait.

    Args:
        error: what the first attempt met.
        operation: what to run.

    Raises:
        StoreError: it did not succeed, or met something else than a lock.
    """
    if not isinstance(error, DBAPIError) or not is_retryable_error(error):
        raise as_store_error(error) from error
    with translate_driver_errors():
        return _retry(operation)


def _retry(operation: Callable[[], T]) -> T:
    attempts = Retrying(
        retry=retry_if_exception(is_retryable_error),
        stop=_is_retry_exhausted,
        wait=wait_random_exponential(multiplier=0.05, max=1.0),
        reraise=True,
    )
    time.sleep(random.uniform(0.0, 0.05))  # noqa: S311  spreads load, hides nothing
    return attempts(operation)


def _is_retry_exhausted(state: RetryCallState) -> bool:
    """Whether to give up: after a few tries for a lock, since SQLite has waited already; a server may need seconds."""
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, DBAPIError) and _find_message(error) is _UNREACHABLE:
        return (state.seconds_since_start or 0.0) >= RECONNECT_SECONDS
    return state.attempt_number + 1 >= LOCK_ATTEMPTS


def _begin_once(engine: Engine, write: bool) -> Connection:
    connection = engine.connect()
    sqlite = connection.dialect.name == "sqlite"
    try:
        if not write and not sqlite:
            # One state for all that is read; SQLite gives that by itself.
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        connection.begin()
        if sqlite:
            # A writer takes the lock at once: two that read first and write later would deadlock, and one would fail.
            connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
    except BaseException:
        connection.close()
        raise
    return connection


# UnicodeDecodeError: a damaged database makes SQLite say things, or give texts, that are no UTF-8.
DRIVER_ERRORS = (SQLAlchemyError, OSError, UnicodeDecodeError)


class _DriverErrorTranslation:
    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and isinstance(error, DRIVER_ERRORS):
            raise as_store_error(error) from error


_DRIVER_ERROR_TRANSLATION = _DriverErrorTranslation()


def translate_driver_errors() -> _DriverErrorTranslation:
    """Translate errors of drivers and file systems to `StoreError` while a block runs."""
    return _DRIVER_ERROR_TRANSLATION


def as_store_error(error: SQLAlchemyError | OSError | UnicodeDecodeError) -> StoreError:
    """Translate one error of a driver or a file system; for code that runs too often for `translate_driver_errors`."""
    if isinstance(error, DBAPIError):
        return _build_store_error(_find_message(error), type(error.orig).__name__, str(error.orig))
    if isinstance(error, OSError):
        return _build_store_error(
            _MESSAGE_BY_ERRNO.get(error.errno or 0, _UNKNOWN_FAILURE), type(error).__name__, error.strerror or ""
        )
    if isinstance(error, UnicodeDecodeError):
        return _build_store_error(_DAMAGED, type(error).__name__, error.reason)
    return _build_store_error(_UNKNOWN_FAILURE, type(error).__name__, str(error))


def as_typed_error(
    error: SQLAlchemyError | OSError | UnicodeDecodeError | UnicodeEncodeError,
) -> StoreError | InvalidQuery:
    """Translate as `as_store_error` does; a text that no database takes is its caller's mistake."""
    if isinstance(error, DBAPIError) and _HAS_NUL in str(error.orig):
        return InvalidQuery(
            "a text holds a NUL character, which PostgreSQL does not take. Leave it out.",
            vi="Chuỗi văn bản có ký tự NUL mà PostgreSQL không chấp nhận. Hãy bỏ ký tự đó.",
        )
    if not isinstance(error, UnicodeEncodeError):
        return as_store_error(error)
    return InvalidQuery(
        f"{error.object!r} is no text: it holds half a character ({error.reason}). Give it in UTF-8.",
        vi=f"{error.object!r} không phải chuỗi văn bản hợp lệ ({error.reason}). Hãy dùng mã UTF-8.",
    )


def build_damaged_error(detail: str) -> StoreError:
    """Build the error for a value in the database that no program of ours wrote."""
    return _build_store_error(_DAMAGED, "ValueError", detail)


def _find_message(error: DBAPIError) -> Text:
    code = getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None) or ""
    message = next(
        (known_message for prefix, known_message in _MESSAGE_BY_CODE.items() if code.startswith(prefix)), None
    )
    if message is not None:
        return message
    # Where no connection comes about, psycopg has no code to give; nor where it refuses a statement by itself.
    no_connection = not code and isinstance(error, OperationalError) and error.statement is None
    is_unreachable = error.connection_invalidated or no_connection
    return _UNREACHABLE if is_unreachable else _UNKNOWN_FAILURE


def _build_store_error(message: Text, kind: str, text: str) -> StoreError:
    detail = text.splitlines()[0] if text else kind
    log.warning("store error %s: %s", kind, detail)
    return StoreError(f"{message.en} ({detail})", vi=f"{message.vi} ({detail})")
