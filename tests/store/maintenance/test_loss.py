"""A database that is gone is not taken for one that never was."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edoc_connector.errors import StoreError
from edoc_connector.store import NewDelivery, Store, require_not_lost

AGENCY = "H29.05"


@pytest.fixture
def database(tmp_path: Path, new_delivery: Callable[..., NewDelivery]) -> Path:
    """A file of a store that is open no more; its last transaction is in the log beside it, and it has a packet."""
    path, kept = tmp_path / "edoc.db", tmp_path / "kept"
    kept.mkdir()
    with Store.open(f"sqlite:///{path}", spool=tmp_path / "spool", owner=AGENCY) as store:
        with store.spool.draft_file() as draft:
            draft.write_bytes(b"packet")
            store.spool.keep_draft(draft)
        with store.transaction("test") as tx:
            tx.deliveries.add(new_delivery())
        for file in tmp_path.glob("edoc.db*"):
            shutil.copy(file, kept)
    for file in kept.iterdir():
        shutil.copy(file, tmp_path)
    return path


def count(path: Path) -> int:
    with Store.open(f"sqlite:///{path}", spool=path.parent / "spool", owner=AGENCY) as store, store.snapshot() as tx:
        return len(tx.deliveries.list_page(AGENCY))


def test_row_35_a_database_that_was_moved_away(database: Path) -> None:
    """A program that starts says so and makes no new one; put back, it has all it had, its log too (faults, row 35)."""
    away = database.rename(database.with_name("away"))
    for _ in range(2):
        with pytest.raises(StoreError, match="but there was one") as caught:
            count(database)
        assert "-wal" in caught.value.message
        assert "Không có kho dữ liệu" in caught.value.vi
    assert not database.exists()
    away.rename(database)
    assert count(database) == 1


@pytest.mark.parametrize("is_emptied", [False, True])
def test_row_35_a_database_that_was_deleted(database: Path, *, is_emptied: bool) -> None:
    """Packets in the spool tell that there was one (row 35)."""
    for file in database.parent.glob("edoc.db*"):
        file.unlink()
    if is_emptied:
        database.touch()
    with pytest.raises(StoreError, match="but there was one"):
        count(database)
    with pytest.raises(StoreError, match="but there was one"):
        require_not_lost(f"sqlite:///{database}", spool=database.parent / "spool", owner=AGENCY)
    shutil.rmtree(database.parent / "spool")
    assert count(database) == 0


@pytest.mark.database("none")
def test_row_35_a_server_with_an_empty_database(postgres_url: str, database: Path) -> None:
    """An empty database of a server, with packets in the spool, is not the one that was used (row 35)."""
    with pytest.raises(StoreError, match="but there was one"):
        Store.open(postgres_url, spool=database.parent / "spool", owner=AGENCY)
    with pytest.raises(StoreError, match="but there was one"):
        require_not_lost(postgres_url, spool=database.parent / "spool", owner=AGENCY)


@pytest.mark.database("none")
@pytest.mark.parametrize("is_on_server", [False, True], ids=["sqlite", "postgresql"])
def test_row_35_an_empty_database_that_another_agency_made_anew(
    database: Path, request: pytest.FixtureRequest, *, is_on_server: bool
) -> None:
    """An agency without packets makes the tables; one with older packets is not let begin with nothing (row 35)."""
    spool = database.parent / "spool"
    for file in database.parent.glob("edoc.db*"):
        file.unlink()
    url = request.getfixturevalue("postgres_url") if is_on_server else f"sqlite:///{database}"
    Store.open(url, spool=spool, owner="G22").close()
    for _ in range(2):
        with pytest.raises(StoreError, match=f"has nothing of {AGENCY}") as caught:
            Store.open(url, spool=spool, owner=AGENCY)
        assert "không có gì của" in caught.value.vi
    shutil.rmtree(spool)
    Store.open(url, spool=spool, owner=AGENCY).close()


def test_a_first_packet_without_a_row(database: Path) -> None:
    """A crash between the first packet's file and its row is no sign of a lost store."""
    spool = database.parent / "spool"
    shutil.rmtree(spool)
    url = f"sqlite:///{database.with_name('new.db')}"
    with Store.open(url, spool=spool, owner="G22") as store, store.spool.draft_file() as draft:
        draft.write_bytes(b"packet")
        store.spool.keep_draft(draft)
    Store.open(url, spool=spool, owner="G22").close()


def test_a_shared_spool(database: Path) -> None:
    """Packets of another agency say nothing about this one's database."""
    url = f"sqlite:///{database.with_name('other.db')}"
    require_not_lost(url, spool=database.parent / "spool", owner="G22")
    Store.open(url, spool=database.parent / "spool", owner="G22").close()
