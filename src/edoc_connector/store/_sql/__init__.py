"""SQL under the store: the tables, the two databases, and the statements that every message needs."""

from .compiled import (
    CompiledStatement,
    Row,
    UtcTime,
    build_newest_first_query,
    build_query_by_id,
    execute_directly,
    hear_statements,
    match_columns,
    match_nothing,
    split_keys,
)
from .connections import ConnectionSource, SqliteConnectionSource, select_connection_source
from .engine import (
    DRIVER_ERRORS,
    NO_TABLES,
    as_store_error,
    as_typed_error,
    begin_transaction,
    find_database_file,
    make_engine,
    translate_driver_errors,
)
from .schema import KNOWN_TABLES, SHOWN_WITHOUT_STATUSES, TABLES, UNANSWERED

__all__ = [
    "DRIVER_ERRORS",
    "KNOWN_TABLES",
    "NO_TABLES",
    "SHOWN_WITHOUT_STATUSES",
    "TABLES",
    "UNANSWERED",
    "CompiledStatement",
    "ConnectionSource",
    "Row",
    "SqliteConnectionSource",
    "UtcTime",
    "as_store_error",
    "as_typed_error",
    "begin_transaction",
    "build_newest_first_query",
    "build_query_by_id",
    "execute_directly",
    "find_database_file",
    "hear_statements",
    "make_engine",
    "match_columns",
    "match_nothing",
    "select_connection_source",
    "split_keys",
    "translate_driver_errors",
]
