"""The store, the spool, the space for them, and who can read them: each condition is made, found, mended and gone."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import CheckOutcome, Connector
from edoc_connector.store import SCHEMA_REVISION
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.checks.conftest import Find
    from tests.connector.conftest import Handle, Office, SettingsOf

PASS, WARN, FAIL, UNKNOWN = CheckOutcome.PASS, CheckOutcome.WARN, CheckOutcome.FAIL, CheckOutcome.UNKNOWN
_MARGIN = 256 * 1024 * 1024  # bytes by which other programs may change what is free meanwhile


def _change_database(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "edoc.db")) as database, database:
        database.execute(statement)


@contextmanager
def _no_byte_may_be_written() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_connector_that_cannot_be_opened(settings: SettingsOf, tmp_path: Path) -> None:
    """CHK-OPEN says why, and what needs the store is unknown."""
    made = settings("G22", files={"open_secrets": "refuse"})
    (tmp_path / "G22" / "secret").chmod(0o644)
    found = {result.code: result for result in Connector.diagnose(made)}
    assert found["CHK-OPEN"].outcome is FAIL
    assert "secret" in found["CHK-OPEN"].text.en
    assert found["CHK-OPEN"].text.vi != found["CHK-OPEN"].text.en
    assert found["CHK-STORE-DOWN"].outcome is UNKNOWN
    (tmp_path / "G22" / "secret").chmod(0o600)
    assert {result.outcome for result in Connector.diagnose(made)} == {PASS}


def test_a_store_that_does_not_answer(office: Office, tmp_path: Path, find: Find) -> None:
    """CHK-STORE-DOWN is raised; what cannot be looked at meanwhile is unknown (faults, row 24)."""
    connector = office("G22")
    assert find(connector, "CHK-STORE-DOWN") is PASS
    _change_database(tmp_path / "G22", "ALTER TABLE jobs RENAME TO elsewhere")
    assert find(connector, "CHK-STORE-DOWN") is FAIL
    assert find(connector, "CHK-WORKER") is UNKNOWN
    _change_database(tmp_path / "G22", "ALTER TABLE elsewhere RENAME TO jobs")
    assert find(connector, "CHK-STORE-DOWN") is PASS


def test_a_schema_of_another_version(office: Office, settings: SettingsOf, tmp_path: Path, find: Find) -> None:
    """CHK-STORE-REVISION is raised under an open connector, and where that does not open any more."""
    connector = office("G22")
    assert find(connector, "CHK-STORE-REVISION") is PASS
    _change_database(tmp_path / "G22", "UPDATE alembic_version SET version_num = '0001'")
    assert find(connector, "CHK-STORE-REVISION") is FAIL
    found = {result.code: result.outcome for result in Connector.diagnose(settings("G22"))}
    assert (found["CHK-STORE-REVISION"], found["CHK-OPEN"]) == (FAIL, PASS)
    _change_database(tmp_path / "G22", f"UPDATE alembic_version SET version_num = '{SCHEMA_REVISION}'")
    assert find(connector, "CHK-STORE-REVISION") is PASS


def test_a_spool_that_takes_no_file(office: Office, tmp_path: Path, find: Find) -> None:
    """CHK-SPOOL is raised while the kernel lets no byte be written, and leaves nothing behind (faults, row 23)."""
    connector = office("G22")
    assert find(connector, "CHK-SPOOL") is PASS
    with _no_byte_may_be_written():
        assert find(connector, "CHK-SPOOL") is FAIL
    assert find(connector, "CHK-SPOOL") is PASS
    assert list((tmp_path / "G22" / "spool" / "tmp").iterdir()) == []


def test_little_space(settings: SettingsOf, tmp_path: Path, find: Find) -> None:
    """CHK-SPACE is raised while a large file leaves less than `[checks] free_space`."""
    wanted = shutil.disk_usage(tmp_path).free - _MARGIN
    large = tmp_path / "large"
    with Connector(settings("G22", checks={"free_space": wanted})) as connector:
        assert find(connector, "CHK-SPACE") is PASS
        with large.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 2 * _MARGIN)
        assert find(connector, "CHK-SPACE") is WARN
        large.unlink()
        assert find(connector, "CHK-SPACE") is PASS


def test_a_secret_that_others_can_read(office: Office, tmp_path: Path, find: Find) -> None:
    """CHK-SECRET-MODES names the file."""
    connector = office("G22")
    assert find(connector, "CHK-SECRET-MODES") is PASS
    (tmp_path / "G22" / "secret").chmod(0o644)
    assert find(connector, "CHK-SECRET-MODES") is WARN
    (tmp_path / "G22" / "secret").chmod(0o600)
    assert find(connector, "CHK-SECRET-MODES") is PASS


@pytest.mark.parametrize(("name", "open_mode", "own_mode"), [("spool", 0o755, 0o700), ("edoc.db", 0o644, 0o600)])
def test_documents_that_others_can_read(
    name: str, open_mode: int, own_mode: int, office: Office, tmp_path: Path, find: Find
) -> None:
    """CHK-DATA-MODES is raised for the spool and for the database."""
    connector = office("G22")
    assert find(connector, "CHK-DATA-MODES") is PASS
    (tmp_path / "G22" / name).chmod(open_mode)
    assert find(connector, "CHK-DATA-MODES") is WARN
    (tmp_path / "G22" / name).chmod(own_mode)
    assert find(connector, "CHK-DATA-MODES") is PASS


def _lose_packet(folder: Path) -> Callable[[], object]:
    (packet,) = (path for path in (folder / "spool").glob("??/*.edxml"))
    aside = packet.rename(folder / "aside")
    return lambda: aside.rename(packet)


def test_a_packet_that_is_gone(office: Office, hub: RunningHub, tmp_path: Path, find: Find) -> None:
    """CHK-SPOOL-MISSING is raised until the file is back."""
    connector = office("H29.05")
    connector.send(sample_document())
    assert find(connector, "CHK-SPOOL-MISSING") is PASS
    give_back = _lose_packet(tmp_path / "H29.05")
    assert find(connector, "CHK-SPOOL-MISSING") is FAIL
    give_back()
    assert find(connector, "CHK-SPOOL-MISSING") is PASS


def test_a_file_that_no_row_names(office: Office, tmp_path: Path, find: Find) -> None:
    """CHK-SPOOL-ORPHANS is raised until `fsck` set it aside."""
    connector = office("H29.05")
    orphan = tmp_path / "H29.05" / "spool" / "ab" / f"ab{'0' * 30}.edxml"
    orphan.parent.mkdir()
    orphan.write_bytes(b"<x/>")
    assert find(connector, "CHK-SPOOL-ORPHANS") is PASS  # its row may be about to be written
    an_hour_ago = time.time() - 7200
    os.utime(orphan, (an_hour_ago, an_hour_ago))
    assert find(connector, "CHK-SPOOL-ORPHANS") is WARN
    connector.fsck(repair=True)
    assert find(connector, "CHK-SPOOL-ORPHANS") is PASS


def test_another_store_for_the_agency(office: Office, handle: Handle, tmp_path: Path, find: Find) -> None:
    """CHK-OTHER-STORE is raised while another store works for the agency, and gone with it (faults, row 40)."""
    first = office("H29.05")
    handle(first)
    second = office("H29.05", store={"url": f"sqlite:///{tmp_path / 'other.db'}", "spool": str(tmp_path / "other")})
    assert find(second, "CHK-OTHER-STORE") is FAIL
    assert find(first, "CHK-OTHER-STORE") is PASS
    first.close()
    assert find(second, "CHK-OTHER-STORE") is PASS


def test_documents_that_another_store_sent(office: Office, handle: Handle, tmp_path: Path, find: Find) -> None:
    """CHK-FOREIGN-DOCUMENTS is raised by a status about a document that this store never sent (faults, row 40)."""
    other = office("H29.05", store={"url": f"sqlite:///{tmp_path / 'other.db'}", "spool": str(tmp_path / "other")})
    other.send(sample_document())
    other.close()
    ours = office("H29.05")
    assert find(ours, "CHK-FOREIGN-DOCUMENTS") is PASS
    handle(office("G22", store={"url": f"sqlite:///{tmp_path / 'G22.db'}", "spool": str(tmp_path / "G22")}))
    handle(ours)
    assert find(ours, "CHK-FOREIGN-DOCUMENTS") is WARN


def test_a_restore_that_nobody_ended(office: Office, hub: RunningHub, find: Find) -> None:
    """CHK-RESTORE is raised from a restore until it is ended (faults, row 35)."""
    connector = office("H29.05")
    assert find(connector, "CHK-RESTORE") is PASS
    connector.begin_restore(connector.context.store.clock())
    assert find(connector, "CHK-RESTORE") is WARN
    connector.finish_restore()
    assert find(connector, "CHK-RESTORE") is PASS


def test_a_file_in_the_making_that_is_gone_meanwhile(
    office: Office, tmp_path: Path, find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Agencies that share a spool try it at the same time: a file that another one has removed is no trouble."""
    connector = office("H29.05")
    spool = connector.context.store.spool
    monkeypatch.setattr(type(spool), "list_drafts", lambda _: [spool.root / "drafts" / "gone.part"])
    assert find(connector, "CHK-SPOOL-ORPHANS") is PASS
