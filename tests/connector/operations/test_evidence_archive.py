"""Old entries of the evidence go to files and come back, and nobody notices who does not look for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from edoc_connector.connector import Connector, check_pack
from edoc_connector.errors import (
    ArchiveMissing,
    ArchiveRefused,
    ConfigError,
    EdocError,
    InvalidQuery,
    StoreError,
)
from edoc_connector.store.log import EvidenceArchives
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Office

AGENCY = "H29.05"
TOMORROW = timedelta(days=1)


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> dict[str, str]:
    """Section ``store`` of the settings, for either database."""
    return {} if request.param == "sqlite" else {"url": request.getfixturevalue("postgres_url")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of archives."""
    return tmp_path / "archives"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The folder of checkpoints."""
    return tmp_path / "kept"


@pytest.fixture
def sender(office: Office, hub: RunningHub, folder: Path, kept: Path) -> Connector:
    """An office that sent three documents."""
    connector = office(AGENCY, evidence={"checkpoints": str(kept), "archives": str(folder)})
    for number in ("1", "2", "3"):
        connector.send(sample_document(number=number))
    return connector


def soon() -> datetime:
    """Make a time that everything so far is before."""
    return datetime.now(UTC) + TOMORROW


def read_all(connector: Connector) -> list[str]:
    """Read the facts of the log, as text."""
    with connector.context.store.snapshot() as tx:
        return [json.dumps(one, sort_keys=True) for one in tx.evidence_log.list_facts(AGENCY)]


def count_empty(connector: Connector) -> int:
    """Count the entries whose bytes are not in the database."""
    with connector.context.store.snapshot() as tx:
        query = text("SELECT count(*) FROM evidence_entries WHERE length(stored) = 0")
        return int(tx.connection.execute(query).scalar_one())


def archive(connector: Connector) -> Path:
    """Archive everything, and give the file."""
    (path,) = connector.archive_evidence(soon(), dry_run=False, by="Lan").files
    return path


def test_what_was_archived_is_read_from_the_file(sender: Connector, kept: Path, tmp_path: Path) -> None:
    """The log, a story, a pack and fsck are as before (issue, "edoc evidence archive --before")."""
    document = sample_document(number="1").id
    before, story = read_all(sender), sender.explain(document).text()
    counted = sender.archive_evidence(soon())
    assert (counted.dry_run, counted.files, counted.minutes, count_empty(sender)) == (True, (), "", 0)
    done = sender.archive_evidence(soon(), dry_run=False, by="Lan")
    assert (done.entries, done.size) == (counted.entries, counted.size)
    assert count_empty(sender) == done.entries > 0
    assert read_all(sender)[: len(before)] == before
    assert sender.explain(document).text() == story
    assert sender.fsck() == []
    checked = check_pack(sender.evidence(document, out=tmp_path / "x.zip"), checkpoints=kept)
    assert (checked.problems, checked.is_agency) == ((), True)
    assert "Lan" in done.minutes
    assert done.files[0].name in done.minutes
    (noted,) = (facts for facts in map(json.loads, read_all(sender)) if facts["kind"] == "archived")
    assert noted["file"] == done.files[0].name


def test_only_what_is_older_goes(sender: Connector) -> None:
    """A day of today takes nothing, and a second run only what came since."""
    assert sender.archive_evidence(date(2020, 1, 1), dry_run=False).entries == 0
    first = sender.archive_evidence(soon(), dry_run=False)
    assert sender.archive_evidence(date(2020, 1, 1), dry_run=False).files == ()
    sender.send(sample_document(number="4"))
    second = sender.archive_evidence(soon(), dry_run=False)
    assert second.entries > 0
    assert count_empty(sender) == first.entries + second.entries
    assert sender.fsck() == []


def test_a_file_that_is_not_there_is_named(sender: Connector, tmp_path: Path, fails: Fails) -> None:
    """fsck, a story and a pack say which file is missing; the hashes are checked all the same."""
    document = sample_document(number="1").id
    path = archive(sender)
    shutil.move(path, tmp_path / path.name)
    (fault,) = sender.fsck()
    assert (fault.kind, fault.what) == ("evidence", path.name)
    assert "only their hashes were checked" in fault.advice
    assert str(path.parent) in fault.advice
    assert path.name in sender.explain(document).text()
    assert path.name in sender.explain(document).text(vi=True)
    fails(ArchiveMissing, lambda: sender.evidence(document, out=tmp_path / "x.zip"), path.name)
    assert not (tmp_path / "x.zip").exists()
    shutil.move(tmp_path / path.name, path)
    assert sender.fsck() == []


def test_a_store_whose_settings_name_no_folder(sender: Connector, office: Office, tmp_path: Path, fails: Fails) -> None:
    """Nothing is archived, and what was is missing by name."""
    path = archive(sender)
    sender.close()
    other = office(AGENCY)
    (fault,) = other.fsck()
    assert "[evidence] archives names no folder" in fault.advice
    assert path.name in other.explain(sample_document(number="1").id).text()
    fails(ConfigError, lambda: other.archive_evidence(soon()), "archives")


def test_what_is_held_stays(sender: Connector) -> None:
    """Entries about a document on which there is a legal hold keep their bytes; the file has their hashes."""
    held, free = sample_document(number="1").id, sample_document(number="2").id
    sender.hold(held, reason="Tòa án yêu cầu")
    done = sender.archive_evidence(soon(), dry_run=False)
    assert done.held > 0
    assert held in done.minutes
    done.files[0].unlink()
    story = sender.explain(held).text()
    assert done.files[0].name not in story
    assert done.files[0].name in sender.explain(free).text()


def test_it_is_undone(sender: Connector) -> None:
    """What is put back is in the database byte for byte, once, and can be archived again."""
    before = read_all(sender)
    path = archive(sender)
    moved = count_empty(sender)
    assert sender.restore_evidence(path, by="Lan") == moved
    assert sender.restore_evidence(path) == 0
    path.unlink()
    assert count_empty(sender) == 0
    assert read_all(sender)[: len(before)] == before
    assert sender.fsck() == []
    again = sender.archive_evidence(soon(), dry_run=False)
    assert again.entries > moved
    assert sender.fsck() == []


def test_one_of_several_archives_is_put_back(sender: Connector) -> None:
    """What lies between two archives goes into one of its own again, and the log is whole throughout."""
    first = archive(sender)
    sender.send(sample_document(number="4"))
    second = archive(sender)
    assert sender.restore_evidence(first) > 0
    assert second.exists()
    assert sender.fsck() == []
    again = sender.archive_evidence(soon(), dry_run=False)
    assert len(again.files) == 2
    assert sender.fsck() == []
    assert len(sender.explain(sample_document(number="1").id).events) > 2


def break_archive(path: Path, how: str) -> None:
    """Spoil a file."""
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "byte":
        middle = content.index(b"entries/") + 60
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    else:
        path.write_bytes(b"PK\x05\x06" + bytes(18))


@pytest.mark.parametrize("how", ["cut", "byte", "empty"])
def test_a_spoiled_file_is_refused(sender: Connector, tmp_path: Path, how: str, fails: Fails) -> None:
    """It is not put back, a pack is not made of it, fsck names it, and its check does."""
    path = archive(sender)
    break_archive(path, how)
    fails(ArchiveRefused, lambda: sender.restore_evidence(path), path.name)
    fails(ArchiveRefused, lambda: sender.evidence(sample_document(number="1").id, out=tmp_path / "x.zip"), path.name)
    assert any(path.name in fault.advice for fault in sender.fsck())
    assert check_pack(path).problems


def test_a_file_of_another_log_is_refused(
    sender: Connector, office: Office, hub: RunningHub, tmp_path: Path, fails: Fails
) -> None:
    """Another agency's archive, and one of this log that no entry was moved to, give nothing."""
    other = office("G22", evidence={"archives": str(tmp_path / "others")})
    other.send(sample_document(number="9", sender=other.settings.organization()))
    foreign = archive(other)
    own = archive(sender)
    fails(ArchiveRefused, lambda: sender.restore_evidence(foreign), "another log")
    shutil.copy(foreign, own)
    assert any("entr" in fault.advice for fault in sender.fsck())


def test_an_interrupted_run_goes_on(
    sender: Connector, folder: Path, monkeypatch: pytest.MonkeyPatch, fails: Fails
) -> None:
    """Stopped between the file and the database, every entry is in one of them, and the next run empties the rest."""

    def stop(*_: object) -> int:
        raise StoreError("stopped", vi="đã dừng")

    with monkeypatch.context() as patch:
        patch.setattr(EvidenceArchives, "empty", stop)
        fails(StoreError, lambda: sender.archive_evidence(soon(), dry_run=False), "stopped")
    assert count_empty(sender) == 0
    assert sender.fsck() == []
    sender.archive_evidence(date(2020, 1, 1), dry_run=False)
    moved = count_empty(sender)
    assert moved > 0
    (path,) = folder.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(EvidenceArchives, "refill", stop)
        fails(StoreError, lambda: sender.restore_evidence(path), "stopped")
    assert sender.fsck() == []
    assert sender.restore_evidence(path) == moved


CHANGES: dict[str, str] = {
    "other bytes": "UPDATE evidence_entries SET stored = leaf_hash WHERE id = 2",
    "no bytes": "UPDATE evidence_entries SET stored = '' WHERE id = (SELECT max(id) FROM evidence_entries)",
    "another hash": "UPDATE evidence_entries SET leaf_hash = stored WHERE id = 2",
    "another subject": "UPDATE evidence_entries SET subject = NULL, stored = leaf_hash WHERE id = 2",
    "a row removed": "DELETE FROM evidence_entries WHERE id = 2",
    "an archive removed": "DELETE FROM evidence_archives",
    "an archive changed": "UPDATE evidence_archives SET end_leaf = 100",
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_database_lets_nothing_else_be_changed(sender: Connector, what: str) -> None:
    """Bytes go only where an archive covers the entry, and come back only where it was put back."""
    archive(sender)
    with pytest.raises(StoreError, match="append-only"), sender.context.store.transaction() as tx:
        tx.connection.execute(text(CHANGES[what]))


def test_an_archive_is_checked_elsewhere(sender: Connector, kept: Path) -> None:
    """Without a database: that its entries lead to the head, and who signed that (issue, "edoc evidence --verify")."""
    checked = check_pack(archive(sender), checkpoints=kept)
    assert (checked.problems, checked.agency, checked.form, checked.is_agency) == ((), AGENCY, 2, True)
    assert checked.entries > 0


@pytest.mark.parametrize("call", ["archive", "restore"])
def test_what_cannot_be_meant_is_refused(sender: Connector, call: str, fails: Fails, tmp_path: Path) -> None:
    """A time without its zone, and a file that is not there, are typed errors."""
    calls: dict[str, tuple[type[EdocError], Callable[[], object]]] = {
        "archive": (InvalidQuery, lambda: sender.archive_evidence(datetime(2026, 1, 1))),
        "restore": (ArchiveRefused, lambda: sender.restore_evidence(tmp_path / "nowhere.zip")),
    }
    fails(*calls[call])
