"""Statements that every message needs, compiled once and run on the driver's own cursor.

SQLAlchemy makes their text and knows how values are converted. To run one through it costs some ninety function calls
besides, several times what the database takes. What fails is raised as SQLAlchemy raises it. Where somebody listens to
the engine's statements they go through SQLAlchemy, so that they are heard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Dialect, Insert, Select, Table, Update, bindparam, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.schema import ScalarElementColumnDefault

Row: TypeAlias = Mapping[Any, Any]
"""A row by column name."""

_Statement: TypeAlias = Select[Any] | Insert | Update
_Convert: TypeAlias = Callable[[Any], Any]


class Hot:
    """A statement.

    Args:
        statement: what to run; the lists that it holds for ``IN`` are fixed.
    """

    def __init__(self, statement: _Statement) -> None:
        self._statement = statement
        self._prepared: dict[tuple[str, ...], _Prepared] = {}

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[Row]:
        """Run it, and give the rows that it returns.

        Args:
            connection: the database.
            values: what is bound; of an insert or update the columns to set as well.
        """
        if connection.engine._has_events:  # SQLAlchemy has no public way to ask
            result = connection.execute(self._statement, values)
            return list(result.mappings()) if result.returns_rows else []
        prepared = self._for(connection.dialect, values)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(prepared.text, prepared.bound(values))
            found = cursor.fetchall() if prepared.names else ()
        except prepared.error as error:
            raise _wrapped(connection, prepared.text, error) from error
        finally:
            cursor.close()
        return [prepared.row(row) for row in found]

    def first(self, connection: Connection, values: Mapping[str, Any]) -> Row | None:
        """Run it, and give the first row that it returns."""
        found = self.rows(connection, values)
        return found[0] if found else None

    def many(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run it once for each of some rows, which all have values for the same names; how many rows it changed."""
        if connection.engine._has_events:
            return connection.execute(self._statement, rows).rowcount
        prepared = self._for(connection.dialect, rows[0])
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(prepared.text, [prepared.bound(values) for values in rows])
            return int(cursor.rowcount)
        except prepared.error as error:
            raise _wrapped(connection, prepared.text, error) from error
        finally:
            cursor.close()

    def _for(self, dialect: Dialect, values: Mapping[str, Any]) -> _Prepared:
        key = (dialect.name, *values)
        found = self._prepared.get(key)
        if found is None:
            found = self._prepared[key] = _prepare(self._statement, dialect, values)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A statement for one database.

    Args:
        text: in the driver's words.
        error: what its driver raises.
        positions: the bound names in order; None where the driver binds by name.
        fixed: values that are always the same.
        binds: how values are converted on their way in.
        names: the columns that come back.
        converted: which of them are converted, and how.
    """

    text: str
    error: type[Exception]
    positions: tuple[str, ...] | None
    fixed: Mapping[str, Any]
    binds: tuple[tuple[str, _Convert], ...]
    names: tuple[str, ...]
    converted: tuple[tuple[int, _Convert], ...]

    def bound(self, values: Mapping[str, Any]) -> Any:
        """Values as the driver takes them."""
        given = {**self.fixed, **values}
        for name, convert in self.binds:
            given[name] = convert(given[name])
        return given if self.positions is None else [given[name] for name in self.positions]

    def row(self, row: Sequence[Any]) -> Row:
        """A row as the driver gave it, by name."""
        values = list(row)
        for at, convert in self.converted:
            values[at] = convert(values[at])
        return dict(zip(self.names, values, strict=True))


def build_query_by_id(table: Table) -> Select[Any]:
    """The query for the row with the key ``its_id``."""
    return select(table).where(table.c.id == bindparam("its_id"))


def build_newest_first_query(table: Table, agency: str, *where: ColumnElement[bool]) -> Select[Any]:
    """The query for an agency's rows that meet the conditions, the newest first."""
    # For all of them no index is to be found: SQLite would sort what it gives, rather than walk back from the newest.
    agency_column = table.c.agency if where else table.c.agency + ""
    return select(table).where(agency_column == agency, *where).order_by(table.c.id.desc())


def match_columns(table: Table, values: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """The conditions that columns have some values: None where a column is empty, one of several in a collection."""
    return [_match_column(table.c[name], value) for name, value in values.items()]


def _match_column(column: ColumnElement[Any], value: Any) -> ColumnElement[bool]:
    if isinstance(value, list | tuple | set | frozenset):
        return column.in_(sorted(value))
    return column.is_(None) if value is None else column == value


def direct(connection: Connection, statement: str) -> None:
    """Run a statement without values that gives nothing back, such as ``COMMIT``.

    Raises:
        DBAPIError: as SQLAlchemy raises it.
    """
    if connection.engine._has_events:
        connection.exec_driver_sql(statement)
        return
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _wrapped(connection, statement, error) from error
    finally:
        cursor.close()


def _prepare(statement: _Statement, dialect: Dialect, values: Mapping[str, Any]) -> _Prepared:
    compiled = statement.compile(dialect=dialect, column_keys=list(values))
    if not isinstance(compiled, SQLCompiler):
        raise TypeError(f"no statement: {type(compiled).__name__}")
    prefetched = compiled.insert_prefetch  # columns that no value is given for and that have a default here
    defaults = {one.key: one.default.arg for one in prefetched if isinstance(one.default, ScalarElementColumnDefault)}
    state = compiled.construct_expanded_state({**defaults, **values})
    types = {name: bind.type.dialect_impl(dialect) for bind, name in compiled.bind_names.items() if not bind.expanding}
    binds = {name: convert for name, type_ in types.items() if (convert := type_.bind_processor(dialect)) is not None}
    columns = list(statement.exported_columns) if compiled.effective_returning or statement.is_select else []
    results = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    return _Prepared(
        text=state.statement,
        error=dialect.loaded_dbapi.Error,
        positions=tuple(state.positiontup or ()) if compiled.positional else None,
        fixed={
            name: binds[name](value) if name in binds else value
            for name, value in state.parameters.items()
            if name not in values
        },
        binds=tuple((name, convert) for name, convert in binds.items() if name in values),
        names=tuple(str(column.key) for column in columns),
        converted=tuple((at, convert) for at, convert in enumerate(results) if convert is not None),
    )


def _wrapped(connection: Connection, statement: str, error: Any) -> BaseException:
    """What the driver raised, as SQLAlchemy raises it; a connection that is gone is not used again."""
    dialect = connection.dialect
    gone = dialect.is_disconnect(error, connection.connection.dbapi_connection, None)
    if gone:
        connection.invalidate(error)
    raised: BaseException = DBAPIError.instance(
        statement, None, error, dialect.loaded_dbapi.Error, hide_parameters=True, connection_invalidated=gone,
        dialect=dialect,
    )  # fmt: skip
    return raised
