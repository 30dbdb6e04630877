"""A restore verifies everything, overwrites nothing, and leaves nothing half done."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from edoc_connector.errors import StoreError
from edoc_connector.store import (
    NewDelivery,
    Restored,
    SpoolKey,
    SpoolKeys,
    Store,
    restore_backup,
    upgrade,
    write_backup,
)
from edoc_connector.store.migrate import SCHEMA_REVISION
from edoc_connector.testing.postgres import PostgresServer

New = Callable[..., NewDelivery]
Target = tuple[str, Path]
AGENCY = "H29.05"


def add(store: Store, new_delivery: New, number: str = "1") -> str:
    """Keep a packet and its row; returns its name."""
    with store.spool.draft_file() as draft:
        draft.write_bytes(b"<packet/>")
        file = store.spool.keep_draft(draft)
    with store.transaction("test") as tx:
        tx.deliveries.add(new_delivery(document_id=number, spool_file=file.name, sha256=file.sha256, size=file.size))
    return file.name


@pytest.fixture
def backup(store: Store, url: str, new_delivery: New, tmp_path: Path) -> Path:
    """A backup with two deliveries that were not sent."""
    for number in ("1", "2"):
        add(store, new_delivery, number)
    return write_backup(url, tmp_path / "x.backup", spool=store.spool.root).path


@pytest.fixture
def target(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Target:
    """Where it is restored: an empty database of the same kind, and an empty spool."""
    folder = tmp_path / "elsewhere"
    if url.startswith("sqlite"):
        return f"sqlite:///{folder / 'edoc.db'}", folder / "spool"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create_database(), folder / "spool"


def restore(backup: Path, target: Target) -> Restored:
    return restore_backup(backup, target[0], spool=target[1])


def rewrite(backup: Path, change: Callable[[dict[str, Any], dict[str, bytes]], None]) -> Path:
    """The backup with other contents."""
    with zipfile.ZipFile(backup) as zip_file:
        members = {name: zip_file.read(name) for name in zip_file.namelist()}
    manifest = json.loads(members.pop("manifest.json"))
    change(manifest, members)
    changed = backup.with_name("changed.backup")
    with zipfile.ZipFile(changed, "w") as zip_file:
        for name, content in members.items():
            zip_file.writestr(name, content)
        zip_file.writestr("manifest.json", json.dumps(manifest))
    return changed


def require_nothing_there(target: Target) -> None:
    """Neither a database nor a packet was written."""
    url, spool = target
    assert not [path for path in spool.rglob("*") if path.is_file()]
    if url.startswith("sqlite"):
        assert not Path(url.removeprefix("sqlite:///")).exists()
    else:
        engine = create_engine(url)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")).scalar() == 0
        engine.dispose()


def test_what_comes_back(backup: Path, target: Target, store: Store) -> None:
    """Every row, timeline, packet and entry of the evidence; what was not sent is asked about (faults, row 35)."""
    done = restore(backup, target)
    assert (done.packets, done.kept, done.missing, done.asked, done.set_aside) == (2, 0, (), 2, 0)
    assert (done.identity.epoch, done.identity.is_restoring) == (2, True)
    assert done.identity.store != store.identity.store
    with Store.open(target[0], spool=target[1]) as restored, restored.snapshot() as tx:
        rows = tx.deliveries.find_all(AGENCY)
        assert [(row.document_id, row.state, row.was_unknown) for row in rows] == [
            ("2", "unknown", True), ("1", "unknown", True)
        ]  # fmt: skip
        for row in rows:
            assert restored.spool.verify_file(row.spool_file, row.sha256)
        assert tx.evidence_log.find_fault(AGENCY) is None
        assert [recipient.organ_id for recipient in tx.recipients.load([rows[0].id])[rows[0].id]]
    with Store.open(target[0], spool=target[1]) as restored:
        query = text("UPDATE deliveries SET state = 'failed'")  # the database's guards are there too
        with pytest.raises(StoreError, match="breaks its rules"), restored.transaction("test") as tx:
            tx.connection.execute(query)


def test_new_rows_get_new_keys(backup: Path, target: Target, new_delivery: New) -> None:
    """Keys go on where they were."""
    restore(backup, target)
    with Store.open(target[0], spool=target[1]) as restored:
        add(restored, new_delivery, "3")
        with restored.snapshot() as tx:
            assert [row.id for row in tx.deliveries.find_all(AGENCY)] == [3, 2, 1]


def test_modes_are_private(backup: Path, target: Target) -> None:
    """Folders 0700, files 0600 (docs/spool.md)."""
    restore(backup, target)
    folder = target[1].parent
    modes = {path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    assert modes <= {0o700, 0o600}


def test_nothing_is_overwritten(backup: Path, target: Target) -> None:
    """A database that is there stays as it is (faults, row 35)."""
    restore(backup, target)
    with Store.open(target[0], spool=target[1]) as restored:
        before = restored.identity
    with pytest.raises(StoreError, match="nothing is overwritten") as caught:
        restore(backup, target)
    assert "không ghi đè" in caught.value.vi
    with Store.open(target[0], spool=target[1]) as restored:
        assert restored.identity == before


def test_a_spool_that_survived(backup: Path, target: Target, store: Store) -> None:
    """Packets that are there already and are the same stay; so does what the backup does not know (faults, row 35)."""
    done = restore_backup(backup, target[0], spool=store.spool.root)
    assert (done.packets, done.kept) == (0, 2)


def test_another_packet_under_the_name(backup: Path, target: Target) -> None:
    """A packet with other bytes is not overwritten, and nothing was written yet (faults, row 35)."""
    with zipfile.ZipFile(backup) as zip_file:
        name = next(one for one in zip_file.namelist() if one.startswith("packets/")).removeprefix("packets/")
    place = target[1] / name[:2] / name
    place.parent.mkdir(parents=True)
    place.write_bytes(b"another one")
    with pytest.raises(StoreError, match="is another one"):
        restore(backup, target)
    assert place.read_bytes() == b"another one"
    assert len([path for path in target[1].rglob("*") if path.is_file()]) == 1


def corrupt_packet(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
    name = next(one for one in members if one.startswith("packets/"))
    members[name] = b"<Packet/>"


def escape(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
    name = next(one for one in members if one.startswith("packets/"))
    outside = "packets/../../../outside.edxml"
    members[outside] = members.pop(name)
    manifest["members"][outside] = manifest["members"].pop(name)


def smuggle(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
    members["../outside"] = b"x"


def lose_packet(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
    del members[next(one for one in members if one.startswith("packets/"))]


def lose_database(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
    name = next(one for one in members if not one.startswith("packets/"))
    del members[name], manifest["members"][name]


def swap_database(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
    name = next(one for one in members if not one.startswith("packets/"))
    members[name] = b"SQLite format 3\0" + b"\0" * 1000


def other_format(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
    manifest["format"] = "edoc-backup/9"


def newer(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
    manifest["revision"] = "newest"


@pytest.mark.parametrize(
    "change",
    [corrupt_packet, escape, smuggle, lose_packet, lose_database, swap_database, other_format, newer],
    ids=lambda change: change.__name__,
)
def test_a_backup_that_was_changed(backup: Path, target: Target, change: Any, tmp_path: Path) -> None:
    """Nothing of it is restored, and no name in it is a path (faults, row 35)."""
    with pytest.raises(StoreError):
        restore(rewrite(backup, change), target)
    require_nothing_there(target)
    assert not list(tmp_path.parent.rglob("outside*"))


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + b"\0" * 40], ids=["empty", "text", "cut"])
def test_a_file_that_is_no_backup(target: Target, tmp_path: Path, content: bytes) -> None:
    """One typed error (faults, row 35)."""
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(StoreError, match="cannot be restored"):
        restore(tmp_path / "x", target)
    require_nothing_there(target)


def test_a_file_that_is_not_there(target: Target, tmp_path: Path) -> None:
    """One typed error (faults, row 35)."""
    with pytest.raises(StoreError):
        restore(tmp_path / "nothing", target)


def test_a_backup_that_was_cut(backup: Path, target: Target) -> None:
    """Half of a file is no backup (faults, row 35)."""
    content = backup.read_bytes()
    for length in (len(content) // 3, len(content) // 2, len(content) - 10):
        backup.write_bytes(content[:length])
        with pytest.raises(StoreError):
            restore(backup, target)
    require_nothing_there(target)


def test_a_backup_of_the_other_kind(backup: Path, url: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A backup of SQLite goes into SQLite, one of PostgreSQL into PostgreSQL; the error says so."""
    other = request.getfixturevalue("postgres").create_database() if url.startswith("sqlite") else (
        f"sqlite:///{tmp_path / 'other.db'}"
    )  # fmt: skip
    with pytest.raises(StoreError, match="of the kind"):
        restore_backup(backup, other, spool=tmp_path / "other")


def test_packets_stay_encrypted(url: str, new_delivery: New, tmp_path: Path, target: Target) -> None:
    """They come back as they were, and are read with the same key (docs/spool.md)."""
    keys = SpoolKeys(current=SpoolKey.generate())
    with Store.open(url, spool=tmp_path / "encrypted", spool_keys=keys) as store:
        name = add(store, new_delivery)
        made = write_backup(url, tmp_path / "x.backup", spool=tmp_path / "encrypted")
    restore(made.path, target)
    assert (target[1] / name[:2] / f"{name}.enc").exists()
    with Store.open(target[0], spool=target[1], spool_keys=keys) as restored, restored.snapshot() as tx:
        row = tx.deliveries.find_all(AGENCY)[0]
        assert restored.spool.verify_file(row.spool_file, row.sha256)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_the_log_of_another_database_is_not_replayed(
    backup: Path, target: Target, store: Store, tmp_path: Path
) -> None:
    """What the old database, or a restore that was killed, left beside the new one never gets into it (row 35)."""
    database = Path(target[0].removeprefix("sqlite:///"))
    database.parent.mkdir()
    left_over = (tmp_path / "edoc.db-wal").read_bytes()
    assert left_over
    old_log = database.with_name("edoc.db-wal")
    old_log.write_bytes(left_over)
    with pytest.raises(StoreError, match=r"edoc\.db-wal is there already"):
        restore(backup, target)
    assert old_log.read_bytes() == left_over
    old_log.rename(database.with_name(".edoc.db.restoring-wal"))
    database.with_name(".edoc.db.restoring").write_bytes(b"half a database")
    assert restore(backup, target).packets == 2
    with Store.open(target[0], spool=target[1]) as restored, restored.snapshot() as tx:
        assert len(tx.deliveries.find_all(AGENCY)) == 2
    assert not list(database.parent.glob(".edoc.db.restoring*"))


def test_a_disk_that_is_full_leaves_no_database(backup: Path, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database appears last; a restore that failed can be run again (faults, row 23)."""
    from edoc_connector.store.maintenance import restore as module

    def fail(*_arguments: object, **_keywords: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "begin_restore", fail)
        with pytest.raises(StoreError, match="disk of the store is full"):
            restore(backup, target)
    require_nothing_there(target)
    assert restore(backup, target).packets == 2


@pytest.mark.database("none")
def test_an_older_revision_is_upgraded(url: str, tmp_path: Path, target: Target) -> None:
    """A backup from before an upgrade comes back as this version needs it (faults, row 35)."""
    from edoc_connector.store import _sql
    from edoc_connector.store.migrate import run_migrations

    engine = _sql.make_engine(url)
    with _sql.begin_transaction(engine, write=True) as connection:
        run_migrations(connection, "0005")
        connection.execute(text(
            "INSERT INTO receipts (agency, hub_doc_id, message_type, findings, state, attempts, next_attempt_at, "
            "fence, created_at, updated_at) VALUES ('H29.05', '8', 'edoc', 0, 'listed', 2, '2026-11-20 03:00:00', 3, "
            "'2026-11-20 03:00:00', '2026-11-20 03:00:00')"
        ))  # fmt: skip
        connection.commit()
    engine.dispose()
    made = write_backup(url, tmp_path / "x.backup", spool=tmp_path / "spool")
    done = restore(made.path, target)
    assert (done.set_aside, done.identity.is_restoring) == (1, True)
    assert upgrade(target[0]) == SCHEMA_REVISION
    with Store.open(target[0], spool=target[1]) as restored, restored.snapshot() as tx:
        row = tx.receipts.find_by_hub_doc_id(AGENCY, "8")
        assert row is not None
        assert (row.state, row.error_code, row.attempts) == ("quarantined", "Restored", 2)


def test_the_database_is_one_file(backup: Path, target: Target) -> None:
    """SQLite's other files are not there, and the file is sound."""
    if not target[0].startswith("sqlite"):
        pytest.skip("a server keeps its files itself")
    restore(backup, target)
    path = Path(target[0].removeprefix("sqlite:///"))
    assert [one.name for one in path.parent.iterdir() if one.is_file()] == [path.name]
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_way_back_from_an_upgrade(backup: Path, url: str, target: Target, tmp_path: Path) -> None:
    """An older version changes nothing of a newer store, and restores the backup of before (upgrading)."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))  # as a newer version leaves it
    for use in (
        lambda: Store.open(url, spool=tmp_path / "spool"),
        lambda: upgrade(url),
        lambda: restore(backup, (url, target[1])),
    ):
        with pytest.raises(StoreError):
            use()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"
        assert connection.execute(text("SELECT count(*) FROM deliveries")).scalar() == 2
    engine.dispose()
    assert (restore(backup, target).packets, upgrade(target[0])) == (2, SCHEMA_REVISION)
    with Store.open(target[0], spool=target[1]) as back, back.snapshot() as tx:
        assert [row.state for row in tx.deliveries.find_all(AGENCY)] == ["unknown", "unknown"]
