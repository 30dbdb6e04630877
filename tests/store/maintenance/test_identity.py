"""A store that is lost, replaced or turned back while it is open is noticed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from edoc_connector.errors import StoreError
from edoc_connector.store import Identity, NewDelivery, Store, StoreIdentity, Tx

AGENCY = "H29.05"
New = Callable[..., NewDelivery]


def write(store: Store, new: NewDelivery) -> None:
    """Write something that the evidence tells of."""
    with store.transaction("test") as tx:
        tx.deliveries.add(new)


def read(store: Store) -> StoreIdentity:
    with store.snapshot() as tx:
        return Identity(tx).read()


def test_a_store_has_a_name(store: Store) -> None:
    """Made with its tables: a name of its own, and the first epoch."""
    identity = store.identity
    assert (len(identity.store), identity.epoch, identity.is_restoring) == (32, 1, False)
    store.require_same(AGENCY)


def test_row_35_a_restore_under_a_running_program(store: Store, url: str, tmp_path: Path) -> None:
    """Another epoch is noticed at the next poll (faults, row 35)."""
    with Store.open(url, spool=tmp_path / "spool") as other, other.transaction("test") as tx:
        Identity(tx).renew(snapshot_at=tx.now)
    with pytest.raises(StoreError, match="restored from a backup, while this program") as caught:
        store.require_same(AGENCY)
    assert "khôi phục" in caught.value.vi
    for use in (store.snapshot, store.transaction):
        with pytest.raises(StoreError, match="while this program"):  # nor by anything else any more
            use()
    store.accept_identity()
    store.require_same(AGENCY)
    assert store.identity.is_restoring


def test_row_35_tables_that_are_gone(store: Store, url: str) -> None:
    """A database that was emptied is a StoreError that says so (faults, row 35)."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE store_identity"))
    engine.dispose()
    with pytest.raises(StoreError):
        store.require_same(AGENCY)


@pytest.fixture
def file(store: Store, url: str, new_delivery: New) -> Path:
    """The file of a store on SQLite that is open and has a delivery."""
    if not url.startswith("sqlite"):
        pytest.skip("a server keeps its files itself")
    write(store, new_delivery())
    return Path(url.removeprefix("sqlite:///"))


def test_row_35_a_file_that_was_deleted(store: Store, file: Path, new_delivery: New) -> None:
    """Noticed at once, by whatever reads or writes, and nothing is written to a file that nobody finds (row 35)."""
    for path in file.parent.glob(f"{file.name}*"):
        path.unlink()
    with pytest.raises(StoreError, match="was deleted or moved"):
        write(store, new_delivery(document_id="2"))
    with pytest.raises(StoreError, match="was deleted or moved"):
        read(store)
    assert not file.exists()


def test_row_35_a_file_that_was_replaced(store: Store, file: Path, new_delivery: New, tables: bytes) -> None:
    """Another file under the name is not written to (faults, row 35)."""
    other = file.with_name("other.db")
    other.write_bytes(tables)
    other.replace(file)
    with pytest.raises(StoreError, match="was replaced by another one"):
        write(store, new_delivery(document_id="2"))
    assert file.read_bytes() == tables


def test_row_35_an_older_copy_in_the_file(store: Store, file: Path, new_delivery: New) -> None:
    """A file that was overwritten with yesterday's is noticed by what it forgot (faults, row 35)."""
    yesterday = file.with_name("yesterday.db")
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(yesterday)) as copy:
        source.backup(copy)
    write(store, new_delivery(document_id="2"))
    store.require_same(AGENCY)
    with closing(sqlite3.connect(yesterday)) as source, closing(sqlite3.connect(file)) as copy:
        source.backup(copy)
    with pytest.raises(StoreError, match="has forgotten") as caught:
        store.require_same(AGENCY)
    assert "edoc restored --begin" in caught.value.vi


def test_a_process_that_changes_its_folder(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tables: bytes
) -> None:
    """A relative path is looked for where it was when the store was opened."""
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(tmp_path / "folder", ignore_errors=True)
    (tmp_path / "folder").mkdir()
    (tmp_path / "relative.db").write_bytes(tables)
    with Store.open("sqlite:///relative.db", spool=tmp_path / "spool") as opened:
        read(opened)
        monkeypatch.chdir(tmp_path / "folder")
        assert read(opened).epoch == 1


def test_looks_that_overlap(store: Store, new_delivery: New, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another thread wrote and saw during a look was not forgotten (faults, row 35)."""
    begin = store.snapshot

    @contextmanager
    def begin_early() -> Iterator[Tx]:
        with begin() as tx:
            tx.deliveries.find_all(AGENCY)
            monkeypatch.setattr(store, "snapshot", begin)
            write(store, new_delivery())
            store.require_same(AGENCY)
            yield tx

    write(store, new_delivery(document_id="1"))
    store.require_same(AGENCY)
    monkeypatch.setattr(store, "snapshot", begin_early)
    store.require_same(AGENCY)
    store.require_same(AGENCY)


def test_row_35_an_upgrade_under_a_running_program(store: Store, url: str) -> None:
    """A newer version's revision is noticed at the next poll; nothing is written as the older one would (upgrading)."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreError, match="newer version of the library while this program") as caught:
        store.require_same(AGENCY)
    assert "bản thư viện mới hơn" in caught.value.vi
    for use in (store.snapshot, store.transaction):
        with pytest.raises(StoreError, match="install that version"):
            use()
