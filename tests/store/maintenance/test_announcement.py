"""Announcements of a store on its server, all on one connection."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from edoc_connector.errors import StoreError
from edoc_connector.store import Store

LOCKS = (
    "SELECT count(*), count(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def test_announcements_share_a_connection_and_come_back_together(postgres_url: str, tmp_path: Path) -> None:
    """When the connection is lost, the next look that reaches the server announces everything anew, on one again."""
    with (
        Store.open(postgres_url, spool=tmp_path / "spool") as store,
        psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as admin,
    ):
        announcements = [store.announce(purpose) for purpose in ("G22", "H29.05", "H30")]
        for one in announcements:
            assert one is not None
            assert one.find_other() is None
            assert one.find_other() is None
        assert admin.execute(LOCKS).fetchone() == (3, 1)
        first, second, third = announcements
        assert first is not None
        assert second is not None
        assert third is not None
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2")
        with pytest.raises(StoreError):
            first.find_other()
        assert second.find_other() is None
        assert admin.execute(LOCKS).fetchone() == (3, 1)
        first.close()
        first.close()
        assert admin.execute(LOCKS).fetchone() == (2, 1)
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2")
        second.close()  # it ends with the connection as well
        third.close()
        assert admin.execute(LOCKS).fetchone() == (0, 0)
