"""Databases that several stores of one process use."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.errors import StoreError
from edoc_connector.store import SharedDatabases, Store, Tx


def test_stores_share_a_database_until_the_last_one_closes(url: str, tmp_path: Path) -> None:
    """Two agencies on one database have one engine; closing one twice takes nothing from the other."""
    databases = SharedDatabases(max_connections=3)
    first = Store.open(url, spool=tmp_path / "first", owner="G22", databases=databases)
    second = Store.open(url, spool=tmp_path / "second", owner="H30", databases=databases)
    assert first._engine is second._engine
    first.close()
    first.close()
    with second.transaction() as tx:
        tx.schedule.ensure_job("H30", "poll", first_at=tx.now)
    with second.snapshot() as tx:
        assert list(tx.schedule.list_jobs("H30")) == ["poll"]
    second.close()
    with Store.open(url, spool=tmp_path / "first", owner="G22", databases=databases) as again:
        assert again._engine is not first._engine


def test_each_store_keeps_its_own_spool_and_name(url: str, tmp_path: Path) -> None:
    """What belongs to an agency is not shared: its spool, and in whose name it writes."""
    databases = SharedDatabases()
    with (
        Store.open(url, spool=tmp_path / "first", owner="G22", databases=databases) as first,
        Store.open(url, spool=tmp_path / "second", owner="H30", databases=databases) as second,
    ):
        assert (first.spool.root, second.spool.root) == (tmp_path / "first", tmp_path / "second")
        with first.transaction() as tx:
            assert tx.actor == "G22"
        with second.transaction() as tx:
            assert tx.actor == "H30"


def test_a_store_that_cannot_be_opened_leaves_the_database(tmp_path: Path) -> None:
    """A failure gives back what was taken part in, so that the next store begins anew."""
    databases = SharedDatabases()
    (tmp_path / "edoc.db").write_text("no database")
    url = f"sqlite:///{tmp_path / 'edoc.db'}"
    with pytest.raises(StoreError):
        Store.open(url, spool=tmp_path / "spool", databases=databases)
    assert not databases._open


def find_driver_connection(tx: Tx) -> Any:
    """The server's connection that a transaction is on, as its driver has it."""
    return tx.connection.connection.driver_connection


def test_a_connection_that_outlives_its_store_is_closed(postgres_url: str, tmp_path: Path) -> None:
    """One that a thread has while the store closes, and one that is taken later, end when they come back."""
    store = Store.open(postgres_url, spool=tmp_path / "spool", owner="G22")
    has_begun, may_end = threading.Event(), threading.Event()
    taken = []

    def write() -> None:
        with store.transaction() as tx:
            taken.append(find_driver_connection(tx))
            has_begun.set()
            assert may_end.wait(30)
            tx.schedule.ensure_job("G22", "poll", first_at=tx.now)

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(write)
        assert has_begun.wait(30)
        store.close()
        assert not taken[0].closed
        may_end.set()
        written.result()
    with store.snapshot() as tx:
        taken.append(find_driver_connection(tx))
        assert list(tx.schedule.list_jobs("G22")) == ["poll"]
    assert [connection.closed for connection in taken] == [True, True]
