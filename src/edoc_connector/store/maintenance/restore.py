"""Restore of a backup: verify everything first, overwrite nothing, and make ready for what happened since.

A store that comes back does not know what was sent, received and confirmed after its backup. So nothing in it goes out
or is handed out as if nothing had happened: what waited to be sent counts as unknown, and the hub is asked first; what
had come in and was not handled is set aside, until the hub shows that it was not confirmed since. `StoreIdentity`
says that a restore is under way, until a person ends it.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, Engine, inspect, select, text

from ..._core import Text, create_private, make_private_folder, open_atomic, sync_folder
from ...errors import StoreError
from .._sql import KNOWN_TABLES, TABLES, begin_transaction, find_database_file, make_engine, translate_driver_errors
from ..log import gather_entries, insert_entries
from ..migrate import run_migrations, upgrade_engine
from ..rows import CONFIRM, RESTORED, StoreIdentity
from ..spool import ENCRYPTED_SUFFIX, list_packet_places
from ..state_machine import DELIVERIES, OUTGOING, RECEIPTS, ReceiptState, StateMachine
from ..transaction import Tx
from .backup import CHUNK_BYTES, DATABASE_NAME, FORMAT, IDENTITY_TABLE, MANIFEST_NAME, remove_database
from .identity import Identity

_MAX_MANIFEST_BYTES = 1 << 30
_ACTOR = "edoc restore"
_SENT_MEANWHILE = Text(
    "restored from a backup: it may have been sent since, so the hub is asked first",
    "khôi phục từ bản sao lưu: có thể đã gửi sau đó nên hỏi trục trước",
)
_HANDLED_MEANWHILE = Text(
    "restored from a backup: it may have been handled since. It comes back by itself if the hub still offers it; if "
    "not, it was confirmed after the backup. Look into your system, and call recheck if it is not there.",
    "khôi phục từ bản sao lưu: có thể đã được xử lý sau đó. Gói tin tự trở lại nếu trục vẫn còn đưa ra; nếu không thì "
    "đã được xác nhận sau bản sao lưu. Hãy tra trong phần mềm của đơn vị, nếu chưa có thì chạy recheck.",
)
_CONFIRMATION_AGAIN = Text("restored from a backup: told once more", "khôi phục từ bản sao lưu: báo lại")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The result of a restore.

    Args:
        snapshot_at: the moment of the backup, UTC.
        packets: how many packets were put into the spool.
        kept: how many were there already, the same.
        missing: packets that were missing when the backup was made.
        asked: documents and statuses about which the hub is asked before anything goes out.
        set_aside: packets that had come in and wait for what the hub shows.
        identity: the store as it is now.
    """

    snapshot_at: datetime
    packets: int
    kept: int
    missing: tuple[str, ...]
    asked: int
    set_aside: int
    identity: StoreIdentity


class _Member(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)
    columns: tuple[str, ...] = ()


class _Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    format: str
    database: str
    revision: str = Field(pattern=r"^[0-9]{4}$")
    snapshot_at: datetime
    missing: tuple[str, ...] = ()
    members: Mapping[str, _Member]


def restore_backup(archive: Path, url: str, *, spool: Path) -> Restored:
    """Restore a backup into an empty database and a spool; an older revision is upgraded.

    Nothing is overwritten: the database must not be there, or be empty; a packet that is in the spool already must be
    the same. Everything is verified before the first file is written, and the database appears last.

    Args:
        archive: the backup.
        url: the database, of the kind that was backed up.
        spool: the folder of packets.

    Raises:
        StoreError: the backup is damaged or none; something is there already; the disk is full.
    """
    engine = make_engine(url)
    try:
        with translate_driver_errors(), _open_archive(archive) as zip_file:
            manifest = _read_manifest(zip_file, archive)
            _require_kind(manifest, engine)
            _require_members(manifest, archive)
            _require_empty(engine)
            packets = _plan_packets(manifest, spool)
            for name, member in manifest.members.items():
                _verify_member(zip_file, name, member, archive)
            with _restore_database(zip_file, manifest, engine) as counts:
                written = [_restore_packet(zip_file, name, member, place) for name, member, place in packets]
    finally:
        engine.dispose()
    return Restored(
        snapshot_at=manifest.snapshot_at,
        packets=sum(written),
        kept=len(written) - sum(written),
        missing=manifest.missing,
        **counts,
    )


def begin_restore(tx: Tx, *, snapshot_at: datetime) -> dict[str, Any]:
    """Make a store ready that was put back to an earlier state, by `restore_backup` or by other means.

    Args:
        tx: the transaction.
        snapshot_at: the moment that its state is of.

    Returns:
        What was done, as fields of `Restored`.
    """
    identity = Identity(tx).renew(snapshot_at=snapshot_at)
    tx.schedule.forget_leases()
    asked = _doubt_unsent(tx, DELIVERIES) + _doubt_unsent(tx, OUTGOING)
    return {"asked": asked, "set_aside": _set_aside_unhandled(tx), "identity": identity}


# -- the archive


@contextmanager
def _open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as zip_file:
            yield zip_file
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise _build_damaged_error(path, str(error)) from error


def _read_manifest(zip_file: zipfile.ZipFile, path: Path) -> _Manifest:
    try:
        if zip_file.getinfo(MANIFEST_NAME).file_size > _MAX_MANIFEST_BYTES:
            raise _build_damaged_error(path, "its manifest is too large")
        manifest = _Manifest.model_validate(json.loads(zip_file.read(MANIFEST_NAME)))
    except (KeyError, ValueError, ValidationError, RecursionError) as error:
        raise _build_damaged_error(path, "it has no manifest of a backup") from error
    if manifest.format != FORMAT or manifest.snapshot_at.tzinfo is None:
        raise _build_damaged_error(path, f"its format is not {FORMAT}")
    unnamed = set(zip_file.namelist()) - manifest.members.keys() - {MANIFEST_NAME}
    if unnamed or len(zip_file.namelist()) != len(manifest.members) + 1:
        raise _build_damaged_error(path, "its members are not those of its manifest")
    return manifest


def _verify_member(zip_file: zipfile.ZipFile, name: str, member: _Member, path: Path) -> None:
    digest, size = hashlib.sha256(), 0
    with zip_file.open(name) as source:
        while size <= member.size and (chunk := source.read(CHUNK_BYTES)):
            digest.update(chunk)
            size += len(chunk)
    if size != member.size or digest.hexdigest() != member.sha256:
        raise _build_damaged_error(path, f"{name} is not what was backed up")


def _copy_member(zip_file: zipfile.ZipFile, name: str, out: IO[bytes], member: _Member) -> None:
    """Copy a member that was verified, and verify what was copied."""
    digest = hashlib.sha256()
    with zip_file.open(name) as source:
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
            out.write(chunk)
    if digest.hexdigest() != member.sha256:
        raise _build_damaged_error(Path(zip_file.filename or ""), f"{name} changed while it was read")


# -- packets


def _plan_packets(manifest: _Manifest, spool: Path) -> list[tuple[str, _Member, Path]]:
    """Plan where the packets go; none may be there with other bytes.

    Raises:
        StoreError: something else is there, or a name is none that the spool gives.
    """
    plan: list[tuple[str, _Member, Path]] = []
    for name, member in manifest.members.items():
        if not name.startswith("packets/"):
            continue
        stored_name = name.removeprefix("packets/")
        plain, encrypted = list_packet_places(spool, stored_name.removesuffix(ENCRYPTED_SUFFIX))
        place = encrypted if stored_name.endswith(ENCRYPTED_SUFFIX) else plain
        for existing in (plain, encrypted):
            if existing.exists() and (existing != place or _compute_file_hash(existing) != member.sha256):
                raise StoreError(
                    f"{existing} is there already and is another one: nothing was restored. Move the spool's folder "
                    "away, or name another one as [store] spool.",
                    vi=f"{existing} đã có và khác với bản sao lưu; chưa khôi phục gì. Hãy chuyển thư mục kho tạm đi "
                    "nơi khác hoặc đặt [store] spool khác.",
                )
        plan.append((name, member, place))
    return plan


def _restore_packet(zip_file: zipfile.ZipFile, name: str, member: _Member, place: Path) -> bool:
    """Put a packet into the spool; false where it is there already."""
    if place.exists():
        return False
    make_private_folder(place.parent)
    with open_atomic(place, durable=True) as out:
        _copy_member(zip_file, name, out, member)
    return True


def _compute_file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- the database


def _require_kind(manifest: _Manifest, engine: Engine) -> None:
    kind = "sqlite" if find_database_file(engine) is not None else "postgresql"
    if manifest.database != kind:
        raise StoreError(
            f"the backup is of a database of the kind {manifest.database}, the configuration names one of the kind "
            f"{kind}: set [store] url to a new database of that kind.",
            vi=f"Bản sao lưu thuộc loại cơ sở dữ liệu {manifest.database}, cấu hình lại dùng {kind}: hãy đặt "
            "[store] url là cơ sở dữ liệu mới cùng loại.",
        )


def _require_members(manifest: _Manifest, path: Path) -> None:
    """Require a database, and nothing but that and packets.

    Raises:
        StoreError: something is missing, or is more.
    """
    is_server = manifest.database != "sqlite"
    names = {name for name in manifest.members if not name.startswith("packets/")}
    if not names or (is_server and not all(name.startswith("tables/") for name in names)):
        raise _build_damaged_error(path, "it has no database")
    if not is_server and names != {DATABASE_NAME}:
        raise _build_damaged_error(path, "it has no database")


def _require_empty(engine: Engine) -> None:
    """Require that nothing is overwritten.

    Raises:
        StoreError: there is a database, or one that has tables.
    """
    path = find_database_file(engine)
    if path is None:
        with begin_transaction(engine, write=False) as connection:
            names = inspect(connection).get_table_names()
        found = f"the database has tables ({', '.join(sorted(names)[:3])}…)" if names else ""
    else:
        log_files = (path.with_name(path.name + suffix) for suffix in ("-wal", "-journal"))  # would be replayed
        existing = next((one for one in (path, *log_files) if one.exists() and one.stat().st_size), None)
        found = f"{existing} is there already" if existing is not None else ""
    if found:
        raise StoreError(
            f"{found}: nothing was restored, and nothing is overwritten. Move the old database away, or name a new one "
            "as [store] url.",
            vi=f"Đã có cơ sở dữ liệu ({path or engine.url.database}); không ghi đè, chưa khôi phục gì. Hãy chuyển cơ "
            "sở dữ liệu cũ đi nơi khác hoặc đặt [store] url mới.",
        )


@contextmanager
def _restore_database(zip_file: zipfile.ZipFile, manifest: _Manifest, engine: Engine) -> Iterator[dict[str, Any]]:
    """Restore the database; it is there when the block ends without an error.

    Yields:
        what was done, as fields of `Restored`.
    """
    path = find_database_file(engine)
    if path is not None:
        with _restore_sqlite(zip_file, manifest, path.absolute()) as counts:
            yield counts
        return
    with begin_transaction(engine, write=True) as connection:
        _load_tables(zip_file, manifest, connection)
        yield _begin_restore_in(connection, manifest)
        connection.commit()


@contextmanager
def _restore_sqlite(zip_file: zipfile.ZipFile, manifest: _Manifest, path: Path) -> Iterator[dict[str, Any]]:
    import sqlite3  # a store on a server does without

    make_private_folder(path.parent)
    part = path.with_name(f".{path.name[:100]}.restoring")
    remove_database(part)
    part_engine = make_engine(f"sqlite:///{part}")
    try:
        with create_private(part) as out:
            _copy_member(zip_file, DATABASE_NAME, out, manifest.members[DATABASE_NAME])
        upgrade_engine(part_engine)
        with begin_transaction(part_engine, write=True) as connection:
            counts = _begin_restore_in(connection, manifest)
            connection.commit()
        part_engine.dispose()
        with closing(sqlite3.connect(part)) as database:
            database.execute("PRAGMA journal_mode=DELETE").close()  # one file, flushed
        yield counts
        part.replace(path)
        sync_folder(path.parent)
    except sqlite3.DatabaseError as error:
        raise _build_damaged_error(Path(zip_file.filename or ""), str(error)) from error
    finally:
        part_engine.dispose()
        remove_database(part)


def _load_tables(zip_file: zipfile.ZipFile, manifest: _Manifest, connection: Connection) -> None:
    """Make the tables as the backup's revision has them, load the rows, and upgrade."""
    from psycopg import sql

    run_migrations(connection, manifest.revision)
    driver_connection: Any = connection.connection.driver_connection
    cursor = driver_connection.cursor()
    existing = set(inspect(connection).get_table_names())
    with suppress(KeyError):
        existing.remove("alembic_version")
    names = [name for name in KNOWN_TABLES if name in existing]
    if {f"tables/{name}.copy" for name in names} != {name for name in manifest.members if name.startswith("tables/")}:
        raise _build_damaged_error(Path(zip_file.filename or ""), f"its tables are not those of {manifest.revision}")
    if IDENTITY_TABLE in existing:
        cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(IDENTITY_TABLE)))
    for name in names:
        member = manifest.members[f"tables/{name}.copy"]
        columns = {column["name"] for column in inspect(connection).get_columns(name)}
        if set(member.columns) != columns:
            raise _build_damaged_error(Path(zip_file.filename or ""), f"the columns of {name} are others")
        table, listed = sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, member.columns))
        cursor.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(table))  # rows come in any state
        with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(table, listed)) as copy:
            _copy_member(zip_file, f"tables/{name}.copy", copy, member)
        cursor.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(table))
        if "id" in columns:
            sequence = sql.SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), max(id)) FROM {}")
            cursor.execute(sequence.format(sql.Literal(name), table))
    run_migrations(connection)


def _begin_restore_in(connection: Connection, manifest: _Manifest) -> dict[str, Any]:
    tx = Tx(connection=connection, now=datetime.now(UTC), actor=_ACTOR)
    counts = begin_restore(tx, snapshot_at=manifest.snapshot_at)
    tx.timeline.write()
    entries = gather_entries(connection, tx.audit_events, tx.identities, at=tx.now)
    insert_entries(connection, entries, at=tx.now)
    return counts


# -- what may have happened since


def _doubt_unsent(tx: Tx, machine: StateMachine) -> int:
    """Make unknown what waited to be sent, or was being sent; a confirmation is simply told again."""
    table, count = TABLES[machine.table_name], 0
    kind = table.c.kind if machine is OUTGOING else text("''")
    query = select(table.c.id, table.c.state, kind).where(table.c.state.in_(["ready", "sending"])).order_by(table.c.id)
    for row_id, state, row_kind in tx.connection.execute(query).all():
        values: dict[str, Any] = {"next_attempt_at": tx.now}
        if row_kind == CONFIRM:
            if state == "sending":
                tx.transitions.move(machine, row_id, old=state, new="ready", detail=_CONFIRMATION_AGAIN, **values)
            continue
        if state == "ready":
            tx.transitions.move(machine, row_id, old=state, new="sending", detail=_ACTOR)
        tx.transitions.move(machine, row_id, old="sending", new="unknown", detail=_SENT_MEANWHILE, asked=0, **values)
        count += 1
    return count


def _set_aside_unhandled(tx: Tx) -> int:
    """Set aside what had come in and was not handled; the hub's next list says which of it was not confirmed since."""
    table = TABLES[RECEIPTS.table_name]
    states = [ReceiptState.LISTED, ReceiptState.WAITING, ReceiptState.HANDLING]
    query = select(table.c.id, table.c.state).where(table.c.state.in_([str(state) for state in states]))
    rows = tx.connection.execute(query.order_by(table.c.id)).all()
    values: dict[str, Any] = {"error_code": RESTORED, "error_text": _HANDLED_MEANWHILE.en}
    values |= {"error_vi": _HANDLED_MEANWHILE.vi, "refetch": False}
    for row_id, state in rows:
        if state == ReceiptState.HANDLING:
            tx.transitions.move(RECEIPTS, row_id, old=state, new=ReceiptState.WAITING, detail=_ACTOR)
            state = ReceiptState.WAITING
        tx.transitions.move(
            RECEIPTS, row_id, old=state, new=ReceiptState.QUARANTINED, detail=_HANDLED_MEANWHILE, **values
        )
    return len(rows)


def _build_damaged_error(path: Path, detail: str) -> StoreError:
    return StoreError(
        f"{path} cannot be restored: {detail}. Nothing was overwritten. Take another backup.",
        vi=f"Không khôi phục được {path}: tệp sao lưu hỏng hoặc không phải bản sao lưu ({detail}). Không có gì bị ghi "
        "đè. Hãy dùng bản sao lưu khác.",
    )
