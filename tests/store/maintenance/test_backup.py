"""A backup is one private file with the database of one moment and every packet that it names."""

from __future__ import annotations

import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edoc_connector.errors import StoreError
from edoc_connector.store import NewDelivery, SpoolKey, SpoolKeys, Store, write_backup
from edoc_connector.store._sql import make_engine
from edoc_connector.store.maintenance import backup as backup_module

New = Callable[..., NewDelivery]


def add(store: Store, new_delivery: New, number: str = "1", *, content: bytes = b"<packet/>") -> str:
    """Keep a packet and its row; returns its name."""
    with store.spool.draft_file() as draft:
        draft.write_bytes(content)
        file = store.spool.keep_draft(draft)
    with store.transaction("test") as tx:
        tx.deliveries.add(new_delivery(document_id=number, spool_file=file.name, sha256=file.sha256, size=file.size))
    return file.name


def read_manifest(path: Path) -> dict[str, object]:
    with zipfile.ZipFile(path) as zip_file:
        found: dict[str, object] = json.loads(zip_file.read("manifest.json"))
    return found


def test_a_backup_has_everything(store: Store, new_delivery: New, tmp_path: Path, url: str) -> None:
    """Packets, database and a manifest with a hash of each, in a file for this user alone (faults, row 35)."""
    names = [add(store, new_delivery, str(number)) for number in range(3)]
    old_umask = os.umask(0)
    try:
        made = write_backup(url, tmp_path / "x.backup", spool=store.spool.root)
    finally:
        os.umask(old_umask)
    assert (made.packets, made.missing) == (3, ())
    assert (made.path.stat().st_mode & 0o777, made.path.stat().st_size) == (0o600, made.size)
    manifest = read_manifest(made.path)
    assert (manifest["format"], manifest["store"], manifest["epoch"]) == ("edoc-backup/1", store.identity.store, 1)
    members = manifest["members"]
    assert isinstance(members, dict)
    assert {f"packets/{name}" for name in names} < members.keys()
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_packets_that_are_encrypted_stay_so(url: str, new_delivery: New, tmp_path: Path) -> None:
    """A backup in the wrong hands shows no packet that is encrypted at rest (docs/spool.md)."""
    keys = SpoolKeys(current=SpoolKey.generate())
    with Store.open(url, spool=tmp_path / "spool", spool_keys=keys) as store:
        name = add(store, new_delivery, content=b"secret words of a document")
        made = write_backup(url, tmp_path / "x.backup", spool=tmp_path / "spool")
    with zipfile.ZipFile(made.path) as zip_file:
        assert b"secret words" not in zip_file.read(f"packets/{name}.enc")


def test_a_packet_that_is_missing_is_named(store: Store, new_delivery: New, tmp_path: Path, url: str) -> None:
    """The backup is made all the same, and says what is not in it."""
    name = add(store, new_delivery)
    store.spool.delete_file(name)
    made = write_backup(url, tmp_path / "x.backup", spool=store.spool.root)
    assert (made.packets, made.missing) == (0, (name,))


def test_packets_that_are_pruned_meanwhile(
    store: Store, new_delivery: New, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is copied once more: nothing is missing that was removed on purpose."""
    name, other = add(store, new_delivery, "1"), add(store, new_delivery, "2")
    real = backup_module._add_packet
    pruned: list[str] = []

    def prune_first(*arguments: object) -> bool:
        if not pruned:
            pruned.append(name)
            with store.transaction("test") as tx:
                tx.audit_log.mark_pruned(agency="H29.05", spool_file=name, sha256="a" * 64, at=tx.now)
            store.spool.delete_file(name)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(backup_module, "_add_packet", prune_first)
    made = write_backup(url, tmp_path / "x.backup", spool=store.spool.root)
    assert (made.packets, made.missing) == (1, ())
    with zipfile.ZipFile(made.path) as zip_file:
        assert [one for one in zip_file.namelist() if one.startswith("packets/")] == [f"packets/{other}"]


@pytest.mark.database("none")
def test_a_database_that_is_no_store(url: str, tmp_path: Path) -> None:
    """There is nothing to back up, and no file is left (faults, row 35)."""
    with pytest.raises(StoreError, match="there is no store to back up"):
        write_backup(url, tmp_path / "x.backup", spool=tmp_path / "spool")
    assert not (tmp_path / "x.backup").exists()


def test_a_backup_that_does_not_fit(store: Store, tmp_path: Path, url: str) -> None:
    """An error of the disk is a StoreError, and an older backup of that name stays (faults, row 23)."""
    with pytest.raises(StoreError):
        write_backup(url, tmp_path / "no folder" / "x.backup", spool=store.spool.root)


def test_two_backups_of_one_name_at_once(store: Store, new_delivery: New, tmp_path: Path, url: str) -> None:
    """Neither touches the other's copy of the database; what a program that was killed left goes in time (row 35)."""
    names = [add(store, new_delivery, str(number)) for number in range(2)]
    old, young = (tmp_path / f".x.backup.{number:016x}.database.part" for number in range(2))
    for left, age in ((old, 8), (young, 1)):
        left.touch()
        os.utime(left, times=(time.time() - age * 86400,) * 2)
    engine = make_engine(url)
    with (
        backup_module._copy_database(engine, tmp_path / "x.backup") as (first, _),
        backup_module._copy_database(engine, tmp_path / "x.backup") as (second, add_second),
        zipfile.ZipFile(tmp_path / "second", "w") as zip_file,
    ):
        add_second(archive := backup_module._Archive(zip_file))
    engine.dispose()
    assert first.packet_names == second.packet_names == set(names)
    assert archive.members
    is_file = url.startswith("sqlite")
    assert {path for path in tmp_path.iterdir() if "part" in path.name} == ({young} if is_file else {old, young})
