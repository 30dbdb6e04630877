"""Backup of a store: one file with the database as it was at one moment, and every packet that it names.

The file is a zip; other programs may use the store while it is written:

    manifest.json            what is in it: times, revision, identity, and a SHA-256 of every other member
    database.sqlite3         a database of SQLite, by SQLite's own online backup; or
    tables/NAME.copy         the rows of each table of a server, as its COPY writes them, all of one snapshot
    packets/NAME[.enc]       the packets' files as they lie in the spool: those that are encrypted stay so

First the database is copied, then the packets that it names: a row is written after its file, and a file never changes.
Only `edoc prune` removes one; where that happens meanwhile, the database is copied once more. Nothing in the file is
used as a path: names are made anew from the manifest's, each of which must be one that the spool gives.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine, inspect, text

from ..._core import create_private, open_atomic
from ...errors import StoreError
from .._sql import KNOWN_TABLES, begin_transaction, find_database_file, make_engine, translate_driver_errors
from ..migrate import read_revision
from ..spool import ENCRYPTED_SUFFIX, list_packet_places

FORMAT = "edoc-backup/1"
MANIFEST_NAME = "manifest.json"
DATABASE_NAME = "database.sqlite3"
IDENTITY_TABLE = "store_identity"
CHUNK_BYTES = 1 << 20
_ROUNDS = 3  # times that the database is copied, where packets are removed meanwhile
_PART_SECONDS = 7 * 86400.0  # after which no backup is still being written
_SPOOL_TABLES = ("deliveries", "receipts", "outgoing")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedUp:
    """The result of a backup.

    Args:
        path: the file.
        snapshot_at: the moment that it shows, UTC.
        packets: how many packets are in it.
        size: its length in bytes.
        missing: packets that rows name and that are not in the spool; `edoc fsck` says more.
    """

    path: Path
    snapshot_at: datetime
    packets: int
    size: int
    missing: tuple[str, ...] = ()


@dataclass(slots=True)
class _Archive:
    """The zip in the making, with what its manifest will say."""

    zip: zipfile.ZipFile
    members: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, name: str, source: IO[bytes], *, compressed: bool) -> None:
        """Add what a file holds; its hash is computed on the way."""
        digest, size = hashlib.sha256(), 0
        info = zipfile.ZipInfo(name, date_time=datetime.now(UTC).timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        info.external_attr = 0o600 << 16
        with self.zip.open(info, "w", force_zip64=True) as out:
            while chunk := source.read(CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
                out.write(chunk)
        self.members[name] = {"sha256": digest.hexdigest(), "size": size}


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What the copy of a database is about."""

    facts: Mapping[str, Any]
    packet_names: frozenset[str]


def write_backup(url: str, out: Path, *, spool: Path) -> BackedUp:
    """Write a backup of a store, of any revision, while other programs use it.

    Args:
        url: the database.
        out: the file to write; one of that name is replaced when the backup is whole.
        spool: the folder of packets.

    Raises:
        StoreError: the database or a packet cannot be read, or the disk is full.
    """
    engine = make_engine(url)
    out = out.absolute()
    try:
        with translate_driver_errors(), open_atomic(out, durable=True) as file:
            with zipfile.ZipFile(file, "w", allowZip64=True) as zip_file:
                archive = _Archive(zip_file)
                snapshot, missing = _write_members(engine, archive, spool, beside=out)
                content = json.dumps({**snapshot.facts, "missing": missing, "members": archive.members}, indent=1)
                zip_file.writestr(MANIFEST_NAME, content, compress_type=zipfile.ZIP_DEFLATED)
            size = file.seek(0, 2)
    finally:
        engine.dispose()
    return BackedUp(
        path=out,
        snapshot_at=datetime.fromisoformat(snapshot.facts["snapshot_at"]),
        packets=sum(name.startswith("packets/") for name in archive.members),
        size=size,
        missing=tuple(missing),
    )


def _write_members(engine: Engine, archive: _Archive, spool: Path, *, beside: Path) -> tuple[_Snapshot, list[str]]:
    """Write packets, then the database that names them, which is copied first."""
    kept: set[str] = set()
    for round_number in range(1, _ROUNDS + 1):
        with _copy_database(engine, beside) as (snapshot, add_to):
            missing = sorted(
                name for name in snapshot.packet_names - kept if not _add_packet(archive, spool, name, kept)
            )
            if round_number == _ROUNDS or not _were_pruned(engine, missing):
                add_to(archive)
                return snapshot, missing
    raise AssertionError("the last round returns")


def _add_packet(archive: _Archive, spool: Path, name: str, kept: set[str]) -> bool:
    for _ in range(2):  # `edoc spool rewrite` may change its form at this moment
        for place in reversed(list_packet_places(spool, name)):
            try:
                source = place.open("rb")
            except FileNotFoundError:
                continue
            with source:
                suffix = ENCRYPTED_SUFFIX if place.name.endswith(ENCRYPTED_SUFFIX) else ""
                archive.add(f"packets/{name}{suffix}", source, compressed=False)
            kept.add(name)
            return True
    return False


def _were_pruned(engine: Engine, names: list[str]) -> bool:
    """Whether packets that are missing were removed since the database was copied."""
    if not names:
        return False
    with begin_transaction(engine, write=False) as connection:
        if not inspect(connection).has_table("pruned"):
            return False
        pruned = set(connection.execute(text("SELECT spool_file FROM pruned")).scalars())
    return not pruned.isdisjoint(names)


# -- the database


@contextmanager
def _copy_database(engine: Engine, beside: Path) -> Iterator[tuple[_Snapshot, Callable[[_Archive], None]]]:
    if find_database_file(engine) is not None:
        with _copy_sqlite(engine, beside) as copied:
            yield copied
    else:
        with begin_transaction(engine, write=False) as connection:
            snapshot = _describe(connection, {"database": "postgresql"}, at=datetime.now(UTC))
            yield snapshot, lambda archive: _add_tables(archive, connection)


@contextmanager
def _copy_sqlite(engine: Engine, beside: Path) -> Iterator[tuple[_Snapshot, Callable[[_Archive], None]]]:
    """Copy a database of SQLite into a file beside the backup, which is removed afterwards."""
    import sqlite3  # a store on a server does without

    part = _make_part_path(beside)
    create_private(part).close()
    copy_engine = make_engine(f"sqlite:///{part}")
    started_at = datetime.now(UTC)
    try:
        with engine.connect() as connection, closing(sqlite3.connect(part)) as copy:
            driver_connection: Any = connection.connection.driver_connection
            driver_connection.backup(copy)
        with begin_transaction(copy_engine, write=False) as connection:
            snapshot = _describe(connection, {"database": "sqlite"}, at=started_at)
        with closing(sqlite3.connect(part)) as copy:
            copy.execute("PRAGMA journal_mode=DELETE").close()  # one file

        def add_to(archive: _Archive) -> None:
            with part.open("rb") as source:
                archive.add(DATABASE_NAME, source, compressed=True)

        yield snapshot, add_to
    except sqlite3.DatabaseError as error:
        raise _build_unreadable_error(str(error)) from error
    finally:
        copy_engine.dispose()
        remove_database(part)


def _make_part_path(beside: Path) -> Path:
    """Make a path that no other backup of this name has, at this moment either; remove what killed programs left."""
    prefix, suffix = f".{beside.name[:80]}.", ".database.part"
    for left in [path for path in beside.parent.iterdir() if path.name.startswith(prefix)]:
        if left.name.endswith(suffix) and time.time() - left.stat().st_mtime > _PART_SECONDS:
            remove_database(left)
    return beside.with_name(f"{prefix}{secrets.token_hex(8)}{suffix}")


def remove_database(path: Path) -> None:
    """Remove a file of SQLite with all that belongs to it: a log that a killed program left would be replayed."""
    for suffix in ("-wal", "-shm", "-journal", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _describe(connection: Connection, facts: dict[str, Any], *, at: datetime) -> _Snapshot:
    """Describe the database of a snapshot, of whatever revision it is.

    Raises:
        StoreError: it is none of ours.
    """
    revision = read_revision(connection)
    if revision is None:
        raise StoreError(
            "there is no store to back up: the database has no tables of this library.",
            vi="Không có kho dữ liệu để sao lưu: cơ sở dữ liệu không có bảng của thư viện này.",
        )
    facts |= {"format": FORMAT, "revision": revision, "snapshot_at": at.isoformat()}
    if inspect(connection).has_table(IDENTITY_TABLE):
        row = connection.execute(text(f"SELECT store, epoch FROM {IDENTITY_TABLE}")).first()  # noqa: S608  a constant
        facts |= {"store": row[0], "epoch": row[1]} if row is not None else {}
    names: set[str] = set()
    for table in _SPOOL_TABLES:
        query = text(f"SELECT spool_file FROM {table} WHERE spool_file IS NOT NULL")  # noqa: S608  as above
        names.update(connection.execute(query).scalars())
    if inspect(connection).has_table("pruned"):
        names.difference_update(connection.execute(text("SELECT spool_file FROM pruned")).scalars())
    return _Snapshot(facts, frozenset(names))


def _add_tables(archive: _Archive, connection: Connection) -> None:
    """Add the rows of every table of ours, as the server's COPY writes them."""
    from psycopg import sql

    cursor = _get_cursor(connection)
    existing = set(inspect(connection).get_table_names())
    for table in [name for name in KNOWN_TABLES if name in existing]:
        columns = [column["name"] for column in inspect(connection).get_columns(table)]
        statement = sql.SQL("COPY {} ({}) TO STDOUT").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with cursor.copy(statement) as copy:
            archive.add(f"tables/{table}.copy", _CopyReader(iter(copy)), compressed=True)  # type: ignore[arg-type]
        archive.members[f"tables/{table}.copy"]["columns"] = columns


def _get_cursor(connection: Connection) -> Any:
    driver_connection: Any = connection.connection.driver_connection
    return driver_connection.cursor()


class _CopyReader:
    """The blocks of a COPY as a file to read."""

    def __init__(self, blocks: Iterator[Any]) -> None:
        self._blocks = blocks

    def read(self, _size: int) -> bytes:
        return next((bytes(block) for block in self._blocks if len(block)), b"")


def _build_unreadable_error(detail: str) -> StoreError:
    return StoreError(
        f"the database cannot be copied ({detail}): run `edoc fsck`, and restore an older backup if it is damaged.",
        vi=f"Không sao chép được cơ sở dữ liệu ({detail}): hãy chạy `edoc fsck`, và khôi phục bản sao lưu cũ hơn nếu "
        "cơ sở dữ liệu bị hỏng.",
    )
