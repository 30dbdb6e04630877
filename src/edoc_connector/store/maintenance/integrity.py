"""Check of a database by its own means, whatever the rows say."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ..._core import get_logger
from .._sql import TABLES, translate_driver_errors

log = get_logger("edoc_connector.store")

_MAX_FAULTS = 100  # of a database that is badly damaged
_INDEXES = text(
    "SELECT c.oid, c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = "
    "i.indrelid JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'btree' AND t.relname = ANY(:tables) "
    "AND pg_table_is_visible(t.oid) ORDER BY c.relname"
)


def find_damage(connection: Connection, *, deep: bool) -> list[str]:
    """Find damage of the database, in its own words; nothing where it is sound.

    SQLite checks its file (``quick_check``; deep: ``integrity_check`` and ``foreign_key_check``). A server's rows are
    all read, which its checksums and the decoding of each value have to let through; deep: its indexes are checked
    against them, where the extension *amcheck* is installed.

    Args:
        connection: a transaction that reads.
        deep: whether to check what takes longer too.

    Raises:
        StoreError: it cannot even be asked.
    """
    with translate_driver_errors():
        check = _check_sqlite if connection.dialect.name == "sqlite" else _check_server
        return list(check(connection, deep=deep))[:_MAX_FAULTS]


def _check_sqlite(connection: Connection, *, deep: bool) -> Iterator[str]:
    pragma = "integrity_check" if deep else "quick_check"
    for (line,) in connection.exec_driver_sql(f"PRAGMA {pragma}({_MAX_FAULTS})"):
        if line != "ok":
            yield str(line)
    if deep:
        for table, row_id, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
            yield f"row {row_id} of {table} belongs to a row of {parent} that is not there"


def _check_server(connection: Connection, *, deep: bool) -> Iterator[str]:
    for table in TABLES:
        yield from _try(connection, f"SELECT count(t::text) FROM {table} t", table)  # noqa: S608  a name of ours
    if not deep:
        return
    if connection.execute(text("SELECT 1 FROM pg_extension WHERE extname = 'amcheck'")).first() is None:
        log.info("indexes are not checked: the server has no extension amcheck (CREATE EXTENSION amcheck)")
        return
    for oid, name in connection.execute(_INDEXES, {"tables": list(TABLES)}).all():
        yield from _try(connection, f"SELECT bt_index_check({int(oid)}::oid::regclass)", name)


def _try(connection: Connection, statement: str, name: str) -> Iterator[str]:
    """Run a statement that reads, behind a savepoint; what it meets is damage, unless the connection is gone."""
    savepoint = connection.begin_nested()
    try:
        connection.exec_driver_sql(statement).fetchall()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        savepoint.rollback()
        yield f"{name}: {str(error.orig).splitlines()[0]}"
    else:
        savepoint.commit()
