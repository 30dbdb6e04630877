"""The command `edoc db`."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.testing.postgres import PostgresServer

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration named by the environment, as a service has it."""
    monkeypatch.setenv("EDOC_TEST_SECRET", "throwaway")
    monkeypatch.setenv("EDOC_CONFIG", str(tmp_path / "edoc.toml"))
    (tmp_path / "edoc.toml").write_text(
        '[agency]\nid = "H29.05"\nname = "x"\n[hub]\nendpoint = "http://127.0.0.1:9"\nsystem_id = "x"\n'
        'secret = "env:EDOC_TEST_SECRET"\n'
    )
    return tmp_path


def test_upgrade_makes_and_keeps_the_tables(configuration: Path, edoc: Edoc) -> None:
    """An empty store gets its tables; doing it again changes nothing (Design, "store and connector")."""
    first, second = edoc("db", "upgrade"), edoc("db", "upgrade")
    assert (first.code, second.code) == (0, 0)
    assert first.out == second.out
    with sqlite3.connect(configuration / "edoc.db") as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    database.close()
    assert {"deliveries", "receipts", "outgoing", "timeline"} <= tables


def test_a_store_of_another_revision_names_the_command(configuration: Path, edoc: Edoc) -> None:
    """Opening it says what to run, and running that mends it."""
    edoc("db", "upgrade")
    with sqlite3.connect(configuration / "edoc.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'older'")
    database.close()
    refused = edoc("deliveries")
    assert refused.code == 1
    assert "edoc db upgrade" in refused.err


def test_upgrade_makes_the_tables_of_the_engine(
    configuration: Path, edoc: Edoc, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the settings name procrastinate; before that the error names the command (issue, "Worker")."""
    url = postgres.create_database()
    monkeypatch.setenv("EDOC_STORE__URL", url)
    assert edoc("db", "upgrade").code == 0
    monkeypatch.setenv("EDOC_WORKER__ENGINE", "procrastinate")
    refused = edoc("deliveries")
    assert refused.code == 1
    assert "edoc db upgrade" in refused.err
    assert "chạy `edoc db upgrade`" in refused.err
    assert edoc("db", "upgrade").code == 0
    assert edoc("deliveries").code == 0
