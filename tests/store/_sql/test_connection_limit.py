"""The limit of connections to a server, with threads that want more than there are."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edoc_connector.errors import StoreError
from edoc_connector.store import Store
from edoc_connector.store._sql import connection_limit

THREADS = 8


def test_threads_that_need_two_each_never_wait_for_one_another_for_ever(
    postgres_url: str, tmp_path: Path, count_connections: Callable[[], int]
) -> None:
    """Eight threads that read while they write get by with the fewest connections that a store may have."""
    with Store.open(postgres_url, spool=tmp_path / "spool", owner="G22", max_connections=3) as store:

        def write(number: int) -> int:
            with store.transaction() as tx:
                tx.schedule.ensure_job("G22", f"job-{number}", first_at=tx.now)
                time.sleep(0.02)  # every connection is taken meanwhile
                with store.snapshot() as other:
                    other.schedule.list_jobs("G22")
            return count_connections()

        with ThreadPoolExecutor(THREADS) as pool:
            counts = list(pool.map(write, range(THREADS)))
        with store.snapshot() as tx:
            assert len(tx.schedule.list_jobs("G22")) == THREADS
    assert max(counts) == 2


def test_it_says_what_to_do_where_no_connection_becomes_free(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that waits too long is told of the setting; the next one gets its turn."""
    monkeypatch.setattr(connection_limit, "WAIT_SECONDS", 0.05)
    with Store.open(postgres_url, spool=tmp_path / "spool", max_connections=3) as store:
        with store.snapshot(), ThreadPoolExecutor(1) as pool, pytest.raises(StoreError) as caught:
            pool.submit(read(store)).result()
        assert "store.connections" in caught.value.message
        assert "store.connections" in caught.value.vi
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(read(store)).result() == {}


def read(store: Store) -> Callable[[], object]:
    """Make what reads the jobs of an agency."""

    def list_jobs() -> object:
        with store.snapshot() as tx:
            return tx.schedule.list_jobs("G22")

    return list_jobs


def test_one_that_does_not_come_about_takes_no_ones_turn(postgres_url: str, tmp_path: Path) -> None:
    """A transaction that cannot begin, because the server ends it, leaves its turn to the next."""
    with Store.open(postgres_url, spool=tmp_path / "spool", max_connections=3) as store:
        limit = connection_limit.ConnectionLimit(2)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                limit.open(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
        for _ in range(3):
            with store.snapshot() as tx:
                assert limit.open(lambda connection=tx.connection: connection) is tx.connection  # type: ignore[misc]
                limit.note_return(tx.connection)
