"""Tables of procrastinate in the store's database: made, brought up to date, and checked before use.

procrastinate does not write down which of its migrations a database has seen. Ours is noted as the comment of its main
table; tables without that comment were made by another program, which then looks after them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text

from ...errors import ConfigError, StoreError
from .._sql import begin_transaction, translate_driver_errors
from .queue import TaskQueue

if TYPE_CHECKING:
    from procrastinate import App

_LOCK_KEY = 0x65646F63  # as in `migrate`
_COMMENT_PREFIX = "edoc: "
_NEEDED_FUNCTIONS = ("procrastinate_defer_jobs_v1", "procrastinate_fetch_job_v2", "procrastinate_retry_job_v2")


def require_task_tables(engine: Engine, *, is_new: bool) -> TaskQueue:
    """Open the queue of a database, whose tables must be there.

    Args:
        engine: the database.
        is_new: whether our tables were made just now, so that these are to be made too.

    Raises:
        ConfigError: it is not PostgreSQL, or procrastinate is not installed.
        StoreError: its tables are missing or old; says what to run.
    """
    app = _build_app(engine)
    if is_new:
        upgrade_task_tables(engine)
    with translate_driver_errors(), begin_transaction(engine, write=False) as connection:
        if not _has_needed_functions(connection):
            raise _build_unusable_error()
        noted_migration = _read_noted_migration(connection)
        if noted_migration is not None and noted_migration < _find_newest_migration():
            raise _build_unusable_error()
    return TaskQueue(app)


def upgrade_task_tables(engine: Engine) -> None:
    """Upgrade procrastinate's tables: make them, or bring those that we made up to date.

    Raises:
        ConfigError: the database is not PostgreSQL, or procrastinate is not installed.
        StoreError: another program made them, and they are too old.
    """
    _build_app(engine)
    with translate_driver_errors(), begin_transaction(engine, write=True) as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        for statements in _list_missing_scripts(connection):
            connection.execution_options(no_parameters=True).exec_driver_sql(statements)
        if not _has_needed_functions(connection):
            raise _build_unusable_error()
        connection.commit()


def _build_app(engine: Engine) -> App:
    if engine.dialect.name != "postgresql":
        raise ConfigError(
            "the engine procrastinate needs PostgreSQL: set [store] url to postgresql+psycopg://USER@HOST/NAME, or set "
            '[worker] engine = "own".',
            vi="Giao việc bằng procrastinate cần PostgreSQL: hãy đặt [store] url = "
            "postgresql+psycopg://NGƯỜI_DÙNG@MÁY/TÊN, "
            'hoặc đặt [worker] engine = "own".',
        )
    if find_spec("procrastinate") is None:
        raise ConfigError(
            "the engine procrastinate needs the extra of that name; install it: "
            "pip install 'edoc-connector[procrastinate]'",
            vi="Giao việc bằng procrastinate cần gói bổ sung cùng tên; hãy cài: "
            "pip install 'edoc-connector[procrastinate]'",
        )
    from procrastinate import App, SyncPsycopgConnector

    return App(connector=SyncPsycopgConnector())


def _list_missing_scripts(connection: Connection) -> list[str]:
    """List the scripts to run: everything, or the migrations that our tables have not seen."""
    from procrastinate.schema import SchemaManager

    comment_script = f"COMMENT ON TABLE procrastinate_jobs IS '{_COMMENT_PREFIX}{_find_newest_migration()}'"
    if not _has_tables(connection):
        return [SchemaManager.get_schema(), comment_script]
    noted_migration = _read_noted_migration(connection)
    if noted_migration is None:
        return []
    newer = [path.read_text(encoding="utf-8") for path in _list_migrations() if path.name > noted_migration]
    return [*newer, comment_script] if newer else []


def _list_migrations() -> list[Path]:
    from procrastinate.schema import SchemaManager

    return sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))


def _find_newest_migration() -> str:
    return _list_migrations()[-1].name


def _has_tables(connection: Connection) -> bool:
    return connection.execute(text("SELECT to_regclass('procrastinate_jobs')")).scalar() is not None


def _read_noted_migration(connection: Connection) -> str | None:
    """Read the newest migration of tables that we made; None where another program made them."""
    comment = connection.execute(text("SELECT obj_description(to_regclass('procrastinate_jobs'), 'pg_class')")).scalar()
    return (
        str(comment).removeprefix(_COMMENT_PREFIX)
        if comment is not None and str(comment).startswith(_COMMENT_PREFIX)
        else None
    )


def _has_needed_functions(connection: Connection) -> bool:
    """Whether the functions are there that this release of procrastinate calls."""
    found = connection.execute(
        text("SELECT proname FROM pg_proc WHERE proname = ANY(:names)"), {"names": [*_NEEDED_FUNCTIONS]}
    )
    return set(found.scalars()) == set(_NEEDED_FUNCTIONS)


def _build_unusable_error() -> StoreError:
    return StoreError(
        "the database has no tables of procrastinate, or old ones: stop the programs that use it and run "
        "`edoc db upgrade`. Tables that another program made are brought up to date by that program.",
        vi="Cơ sở dữ liệu chưa có bảng của procrastinate hoặc bảng đã cũ: hãy dừng các chương trình đang dùng rồi chạy "
        "`edoc db upgrade`. Bảng do chương trình khác tạo thì nâng cấp bằng chương trình đó.",
    )
