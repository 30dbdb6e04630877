"""Schema revisions: reading that of a database, and upgrading it to the newest (Alembic)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from .._core import protect_database
from ..errors import StoreError
from ._sql import begin_transaction, find_database_file, make_engine, translate_driver_errors
from .log import move_chains
from .procrastinate import upgrade_task_tables

SCHEMA_REVISION = "0025"
_BOTH_FORMS = "0012"  # the revision that has the evidence's chain and its log
VERSION_TABLE = "alembic_version"
_LOCK_KEY = 0x65646F63  # "edoc": one upgrade at a time on PostgreSQL, where DDL takes no lock of its own
_LOCK = f"SELECT pg_advisory_xact_lock({_LOCK_KEY})"


def upgrade(url: str, *, tasks: bool = False) -> str:
    """Upgrade a database to the newest revision; an empty one gets all tables.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql+psycopg://…``.
        tasks: whether it is to have procrastinate's tables too.

    Returns:
        The revision it has now.

    Raises:
        ConfigError: tasks are asked for, and the database is not PostgreSQL or procrastinate is not installed.
        StoreError: the database cannot be opened, or is not one of this library.
    """
    engine = make_engine(url)
    path = find_database_file(engine)
    if path is not None:
        protect_database(path)
    try:
        upgrade_engine(engine)
        if tasks:
            upgrade_task_tables(engine)
    finally:
        engine.dispose()
    return SCHEMA_REVISION


def upgrade_engine(engine: Engine) -> None:
    """Upgrade the database of an engine; one whose upgrade was interrupted goes on from there.

    The evidence of before is moved between two revisions, so that it need not fit into one transaction. An empty
    database gets all of its tables in one: others see none of them, or all.
    """
    with translate_driver_errors():
        if _upgrade_to(engine, _BOTH_FORMS):
            move_chains(engine, "" if engine.dialect.name == "sqlite" else _LOCK)
        _upgrade_to(engine, SCHEMA_REVISION)


def _upgrade_to(engine: Engine, revision: str) -> bool:
    """Upgrade to a revision, an empty database to the newest, and return whether it has just the one asked for now."""
    with begin_transaction(engine, write=True) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(_LOCK))
        current = read_revision(connection)
        if current is None:
            run_migrations(connection, SCHEMA_REVISION)
        elif current != SCHEMA_REVISION:
            run_migrations(connection, revision)
        is_newest = read_revision(connection) == revision
        connection.commit()
    return is_newest


def ensure_schema(engine: Engine, *, require_new: Callable[[], None]) -> bool:
    """Require the newest revision; make the tables of an empty database.

    Args:
        engine: the database.
        require_new: raises where an empty database may not get its tables.

    Returns:
        Whether they were made now.

    Raises:
        StoreError: says what to run.
    """
    with translate_driver_errors(), begin_transaction(engine, write=False) as connection:
        current = read_revision(connection)
        if current == SCHEMA_REVISION:
            return False
        is_empty = not inspect(connection).get_table_names()
    if is_empty:
        require_new()
        upgrade_engine(engine)
        return True
    raise StoreError(
        f"the store has schema revision {current or 'none'}, this version of the library needs {SCHEMA_REVISION}: "
        "make a backup, stop the other programs that use it, and run `edoc db upgrade`.",
        vi=f"Kho dữ liệu có phiên bản cấu trúc {current or 'không rõ'}, thư viện này cần {SCHEMA_REVISION}: "
        "hãy sao lưu, dừng các chương trình đang dùng kho, rồi chạy `edoc db upgrade`.",
    )


def read_revision(connection: Connection) -> str | None:
    """Read the revision of a database; None where it has none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    number = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608  a constant
    return str(number) if number is not None else None


def read_store_revision(url: str) -> str | None:
    """Read the schema revision of a database that may not fit this version; None where it has none.

    Args:
        url: as for `upgrade`.

    Raises:
        StoreError: the database cannot be opened.
    """
    engine = make_engine(url)
    path = find_database_file(engine)
    try:
        if path is not None and not path.exists():  # opening it would make it
            return None
        with translate_driver_errors(), begin_transaction(engine, write=False) as connection:
            return read_revision(connection)
    finally:
        engine.dispose()


def run_migrations(connection: Connection, revision: str = "head") -> None:
    """Bring a database, in its transaction, to a revision.

    Raises:
        StoreError: a newer version of the library made it.
    """
    # Alembic takes long to import and is needed once in the life of a database.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise StoreError(
            f"this version of the library does not know the store's schema revision ({error}): a newer one made it. "
            "Install that one.",
            vi=f"Thư viện này không nhận biết phiên bản cấu trúc của kho dữ liệu ({error}): kho do bản mới hơn tạo. "
            "Hãy cài bản mới hơn.",
        ) from error
