"""Statements that every message needs, compiled once and run on the driver's own cursor; and the type of times.

SQLAlchemy makes their text and knows how values are converted. To run one through it costs some ninety function calls
besides, several times what the database takes. What fails is raised as SQLAlchemy raises it. SQLAlchemy's events do not
hear what goes past it: `hear_statements` has every statement of an engine go through it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeAlias, TypeVar, cast

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Date,
    DateTime,
    Dialect,
    Engine,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    event,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.schema import ScalarElementColumnDefault
from sqlalchemy.types import TypeDecorator

from .engine import build_damaged_error

Row: TypeAlias = Mapping[Any, Any]
"""A row by column name."""

_Statement: TypeAlias = Select[Any] | CompoundSelect[Any] | Insert | Update
_Converter: TypeAlias = Callable[[Any], Any]

MAX_KEYS = 20_000  # of a statement: PostgreSQL's protocol takes 65,535 values, SQLite 32,766
_Key = TypeVar("_Key", int, str)

_HEARD = "edoc_connector_heard"  # execution option of an engine


def hear_statements(engine: Engine, hear: Callable[..., object]) -> None:
    """Call a function before each statement of an engine, also before those that would pass SQLAlchemy by.

    Args:
        engine: the database; connections that are open already are included.
        hear: takes what SQLAlchemy's event ``before_cursor_execute`` gives.
    """
    event.listen(engine, "before_cursor_execute", hear)
    engine.update_execution_options(**{_HEARD: True})


def is_heard(engine: Engine) -> bool:
    """Whether the statements of an engine are heard, and so have to go through SQLAlchemy."""
    return _HEARD in engine.get_execution_options()


def _build_reader(convert: _Converter | None, dialect: Dialect) -> _Converter | None:
    """Build the conversion of a value that SQLite keeps as text: one that cannot be read is damage, typed as such."""
    if convert is None or dialect.name != "sqlite":
        return convert

    def read(value: Any) -> Any:
        try:
            return convert(value)
        except (ValueError, TypeError) as error:
            raise build_damaged_error(str(error)) from error

    return read


class StoredDate(TypeDecorator[date]):
    """A day."""

    impl = Date
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> _Converter | None:
        """Read a day.

        Raises:
            StoreError: the database is damaged.
        """
        return _build_reader(super().result_processor(dialect, coltype), dialect)


class UtcTime(TypeDecorator[datetime]):
    """A point in time: aware in Python, UTC in the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        """Write a time as text of one shape for SQLite, which has no type for it, so that texts sort as times do."""
        if dialect.name == "sqlite":
            return _as_sqlite_text
        return cast("Callable[[datetime | None], Any] | None", super().bind_processor(dialect))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  SQLAlchemy's signature
        """Refuse a time without an offset: it would be read back as another one."""
        if value is not None and value.tzinfo is None:
            raise _build_offset_error(value)
        return value.astimezone(UTC) if value is not None else None

    def result_processor(self, dialect: Dialect, coltype: object) -> _Converter | None:
        """Read a time.

        Raises:
            StoreError: the database is damaged.
        """
        return _build_reader(super().result_processor(dialect, coltype), dialect)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  SQLAlchemy's signature
        """Give every time its offset back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _as_sqlite_text(value: datetime | None) -> str | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise _build_offset_error(value)
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _build_offset_error(value: datetime) -> ValueError:
    return ValueError(f"a time without an offset cannot be stored: {value}")


class CompiledStatement:
    """A statement that is compiled once for each database, and run on the driver's own cursor.

    Args:
        statement: what to run; the lists that it holds for ``IN`` are fixed.
    """

    def __init__(self, statement: _Statement) -> None:
        self._statement = statement
        self._prepared: dict[tuple[str, ...], _PreparedStatement] = {}

    def fetch_all(self, connection: Connection, values: Mapping[str, Any]) -> list[Row]:
        """Run the statement and fetch its rows.

        Args:
            connection: the database.
            values: what is bound; of an insert or update the columns to set as well.
        """
        if is_heard(connection.engine):
            result = connection.execute(self._statement, values)
            return list(result.mappings()) if result.returns_rows else []
        prepared = self._prepare_for(connection.dialect, values)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(prepared.text, prepared.bind(values))
            found = cursor.fetchall() if prepared.column_names else ()
        except prepared.driver_error as error:
            raise _as_sqlalchemy_error(connection, prepared.text, error) from error
        finally:
            cursor.close()
        return list(map(prepared.decode_row, found))

    def fetch_first(self, connection: Connection, values: Mapping[str, Any]) -> Row | None:
        """Run the statement and fetch its first row; None without rows."""
        found = self.fetch_all(connection, values)
        return found[0] if found else None

    def execute_many(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run the statement once for each row, all with values for the same names; returns how many rows it changed."""
        if is_heard(connection.engine):
            # for an insert SQLAlchemy asks no driver for the number otherwise
            counted = {"preserve_rowcount": True}
            return connection.execute(self._statement, rows, execution_options=counted).rowcount
        prepared = self._prepare_for(connection.dialect, rows[0])
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(prepared.text, list(map(prepared.bind, rows)))
            return int(cursor.rowcount)
        except prepared.driver_error as error:
            raise _as_sqlalchemy_error(connection, prepared.text, error) from error
        finally:
            cursor.close()

    def _prepare_for(self, dialect: Dialect, values: Mapping[str, Any]) -> _PreparedStatement:
        key = (dialect.name, *values)
        found = self._prepared.get(key)
        if found is None:
            found = self._prepared[key] = _prepare_statement(self._statement, dialect, values)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _PreparedStatement:
    """A statement compiled for one database.

    Args:
        text: in the driver's words.
        driver_error: what its driver raises.
        positions: the bound names in order; None where the driver binds by name.
        fixed_values: values that are always the same.
        bind_converters: how values are converted on their way in.
        column_names: the columns that come back.
        result_converters: which of them are converted, and how.
    """

    text: str
    driver_error: type[Exception]
    positions: tuple[str, ...] | None
    fixed_values: Mapping[str, Any]
    bind_converters: tuple[tuple[str, _Converter], ...]
    column_names: tuple[str, ...]
    result_converters: tuple[tuple[int, _Converter], ...]

    def bind(self, values: Mapping[str, Any]) -> Any:
        """Convert and order values for the driver."""
        bound = {**self.fixed_values, **values}
        for name, convert in self.bind_converters:
            bound[name] = convert(bound[name])
        return bound if self.positions is None else list(map(bound.__getitem__, self.positions))

    def decode_row(self, row: Sequence[Any]) -> Row:
        """Convert a row of the driver, and name its columns."""
        values = list(row)
        for at, convert in self.result_converters:
            values[at] = convert(values[at])
        return dict(zip(self.column_names, values, strict=True))


def build_query_by_id(table: Table) -> Select[Any]:
    """Build the query for the row with the key ``row_id``."""
    return select(table).where(table.c.id == bindparam("row_id"))


def build_newest_first_query(table: Table, agency: str, *where: ColumnElement[bool]) -> Select[Any]:
    """Build the query for an agency's rows that meet the conditions, the newest first."""
    # For all of them no index is to be found: SQLite would sort what it gives, rather than walk back from the newest.
    agency_column = table.c.agency if where else table.c.agency + ""
    return select(table).where(agency_column == agency, *where).order_by(table.c.id.desc())


_COLLECTIONS = (list, tuple, set, frozenset)


def match_columns(table: Table, values: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """Build conditions on columns by name: a value, None for an empty one, a collection for one of several."""
    return [_match_column(table.c[name], value) for name, value in values.items()]


def match_nothing(values: Mapping[str, Any]) -> bool:
    """Tell whether conditions of `match_columns` hold for no row: SQLite would look for none of several in all rows."""
    return any(isinstance(value, _COLLECTIONS) and not value for value in values.values())


def _match_column(column: ColumnElement[Any], value: Any) -> ColumnElement[bool]:
    if isinstance(value, _COLLECTIONS):
        return column.in_(sorted(value))
    return column.is_(None) if value is None else column == value


def split_keys(keys: Sequence[_Key]) -> Iterator[Sequence[_Key]]:
    """Split keys, in order, into parts that a statement takes."""
    for start in range(0, len(keys), MAX_KEYS):
        yield keys[start : start + MAX_KEYS]


def execute_directly(connection: Connection, statement: str) -> None:
    """Run a statement without values that gives nothing back, such as ``COMMIT``.

    Raises:
        DBAPIError: as SQLAlchemy raises it.
    """
    if is_heard(connection.engine):
        connection.exec_driver_sql(statement)
        return
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _as_sqlalchemy_error(connection, statement, error) from error
    finally:
        cursor.close()


def _prepare_statement(statement: _Statement, dialect: Dialect, values: Mapping[str, Any]) -> _PreparedStatement:
    compiled = statement.compile(dialect=dialect, column_keys=list(values))
    if not isinstance(compiled, SQLCompiler):
        raise TypeError(f"no statement: {type(compiled).__name__}")
    prefetched = compiled.insert_prefetch  # columns that no value is given for and that have a default here
    defaults = {
        default_column.key: default_column.default.arg
        for default_column in prefetched
        if isinstance(default_column.default, ScalarElementColumnDefault)
    }
    state = compiled.construct_expanded_state({**defaults, **values})
    types = {name: bind.type.dialect_impl(dialect) for bind, name in compiled.bind_names.items() if not bind.expanding}
    binds = {name: convert for name, type_ in types.items() if (convert := type_.bind_processor(dialect)) is not None}
    columns = list(statement.exported_columns) if compiled.effective_returning or statement.is_select else []
    results = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    return _PreparedStatement(
        text=state.statement,
        driver_error=dialect.loaded_dbapi.Error,
        positions=tuple(state.positiontup or ()) if compiled.positional else None,
        fixed_values={
            name: binds[name](value) if name in binds else value
            for name, value in state.parameters.items()
            if name not in values
        },
        bind_converters=tuple((name, convert) for name, convert in binds.items() if name in values),
        column_names=tuple(str(column.key) for column in columns),
        result_converters=tuple((at, convert) for at, convert in enumerate(results) if convert is not None),
    )


def _as_sqlalchemy_error(connection: Connection, statement: str, error: Any) -> BaseException:
    """Wrap an error of the driver as SQLAlchemy does; a connection that is gone is not used again."""
    dialect = connection.dialect
    is_disconnect = dialect.is_disconnect(error, connection.connection.dbapi_connection, None)
    if is_disconnect:
        connection.invalidate(error)
    raised: BaseException = DBAPIError.instance(
        statement, None, error, dialect.loaded_dbapi.Error, hide_parameters=True, connection_invalidated=is_disconnect,
        dialect=dialect,
    )  # fmt: skip
    return raised
