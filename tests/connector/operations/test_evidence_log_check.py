"""Whoever rewrites the evidence in the database is found out by `fsck`, or by the check of a pack."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, text
from tests.connector.split_runs import split_runs

from edoc_connector.connector import Connector, check_pack
from edoc_connector.evidence import (
    CompactRange,
    SignedCheckpoint,
    build_folder_name,
    hash_leaf,
    pack_entry,
    parse_checkpoint,
    parse_note,
    read_checkpoint,
    sign_checkpoint,
    unpack_entry,
)
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import agency_keys

if TYPE_CHECKING:
    from tests.connector.conftest import Office

AGENCY = "H29.05"
_PEM = Encoding.PEM
TABLES = ("logs", "entries", "runs", "tiles", "checkpoints")


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> dict[str, str]:
    """Section ``store`` of the settings, for either database."""
    return {} if request.param == "sqlite" else {"url": request.getfixturevalue("postgres_url")}


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The folder outside the database."""
    return tmp_path / "kept"


@pytest.fixture
def sender(office: Office, hub: RunningHub, kept: Path) -> Connector:
    """An office that sent three documents, with a checkpoint after each."""
    connector = office(AGENCY, evidence={"checkpoints": str(kept)})
    for number in ("1", "2", "3"):
        connector.send(sample_document(number=number))
        connector.context.checkpoints.keep()
    return connector


def told(connector: Connector) -> list[str]:
    """What fsck says of the evidence."""
    faults = connector.fsck()
    assert {one.kind for one in faults} <= {"evidence"}
    assert all(one.advice and one.advice_vi and one.advice != one.advice_vi for one in faults)
    return [f"{one.what}: {one.advice}" for one in faults]


def attack(connector: Connector, change: Callable[[Connection], None]) -> None:
    """Change the database as somebody who owns it can."""
    with connector.context.store.transaction() as tx:
        if tx.connection.dialect.name == "sqlite":
            query = text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'evidence%'")
            for name in tx.connection.execute(query).scalars().all():
                tx.connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            for table in TABLES:
                for guard in ("append_only", "no_truncate"):
                    name = f"evidence_{table}"
                    tx.connection.execute(text(f"ALTER TABLE {name} DISABLE TRIGGER {name}_{guard}"))
        split_runs(tx.connection)
        change(tx.connection)


def rewrite(connection: Connection, leaf: int) -> None:
    """Change what one entry says."""
    query = text(
        "SELECT e.id, e.stored FROM evidence_entries e JOIN evidence_runs r ON r.first_entry = e.id "
        "WHERE r.first_leaf = :leaf"
    )
    key, stored = connection.execute(query, {"leaf": leaf}).one()
    entry = json.loads(unpack_entry(bytes(stored)))
    entry["events"][0]["actor"] = "nobody"
    canonical = json.dumps(entry, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    update(connection, "entries", key, stored=pack_entry(canonical))


def update(connection: Connection, table: str, key: int, **values: Any) -> None:
    """Change columns of a row."""
    columns = ", ".join(f"{name} = :{name}" for name in values)
    connection.execute(text(f"UPDATE evidence_{table} SET {columns} WHERE id = :key"), {"key": key, **values})


def link_anew(connection: Connection) -> None:
    """Make every hash anew from the entries as they are now, and forget the checkpoints."""
    query = text(
        "SELECT e.id, e.stored FROM evidence_runs r JOIN evidence_entries e "
        "ON e.id BETWEEN r.first_entry AND r.first_entry + r.entries - 1 ORDER BY r.first_leaf, e.id"
    )
    grown, nodes = CompactRange.start(), []
    for key, stored in connection.execute(query).all():
        leaf_hash = hash_leaf(unpack_entry(bytes(stored)))
        update(connection, "entries", key, leaf_hash=leaf_hash)
        nodes += grown.extend((leaf_hash,))
    connection.execute(text("DELETE FROM evidence_tiles"))
    for node in nodes:
        values = {"agency": AGENCY, "level": node.level, "number": node.index, "hash": node.hash}
        connection.execute(
            text("INSERT INTO evidence_tiles (agency, level, number, hash) VALUES (:agency, :level, :number, :hash)"),
            values,
        )
    connection.execute(text("DELETE FROM evidence_checkpoints"))


def test_nothing_is_said_of_a_log_that_is_as_it_was(sender: Connector) -> None:
    """Entries, places, hashes and checkpoints agree (issue, "fsck checks the log against every kept checkpoint")."""
    assert told(sender) == []
    sender.send(sample_document(number="4"))  # behind the newest checkpoint
    assert told(sender) == []


def test_an_entry_rewritten_without_its_triggers(sender: Connector) -> None:
    """Its own hash names it (issue, attack: "triggers dropped, entries rewritten")."""
    attack(sender, lambda connection: rewrite(connection, 4))
    assert "entry 5 was changed" in " ".join(told(sender))
    assert "entry 5 is the first that is not as it was" in " ".join(told(sender))


def test_everything_linked_anew(sender: Connector, kept: Path, tmp_path: Path) -> None:
    """The leaves kept outside name the first entry; a pack does not agree with them either (issue, attack)."""

    def change(connection: Connection) -> None:
        for leaf in (3, 4, 7):
            rewrite(connection, leaf)
        link_anew(connection)

    attack(sender, change)
    said = " ".join(told(sender))
    assert "entry 4 is the first that is not as it was" in said
    assert "was changed" not in said  # the database itself shows nothing any more
    forged = sender.evidence(sample_document(number="1").id, out=tmp_path / "x.zip")
    assert not check_pack(forged).problems  # nor does the pack alone
    (problem,) = check_pack(forged, checkpoints=kept).problems
    assert "no kept checkpoint of this log can be compared with it" in problem.text


def test_everything_linked_anew_is_refused_by_the_folder(
    sender: Connector, kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A checkpoint that does not go on from what was kept is a warning, and nothing is written."""
    before = {path.name: path.read_bytes() for path in kept.rglob("*.checkpoint")}

    def change(connection: Connection) -> None:
        rewrite(connection, 4)
        link_anew(connection)

    attack(sender, change)
    for number in ("4", "5"):  # the head of a size that was kept, and one after it
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            sender.context.checkpoints.keep()
        assert "does not go on from" in caplog.text
        assert sender.context.checkpoints.find_problem() is not None
        sender.send(sample_document(number=number))
    assert {path.name: path.read_bytes() for path in kept.rglob("*.checkpoint")} == before


def test_a_database_restored_to_an_older_copy(sender: Connector) -> None:
    """The log ends before a checkpoint; once it goes on otherwise, that is named (issue, attack)."""
    with sender.context.store.snapshot() as tx:
        sizes = [one.size for one in tx.evidence_log.list_checkpoints(AGENCY)]

    def change(connection: Connection) -> None:
        old = {"size": sizes[1]}
        query = "SELECT first_entry FROM evidence_runs WHERE first_leaf >= :size"
        keys = connection.execute(text(query), old).scalars().all()
        connection.execute(text("DELETE FROM evidence_runs WHERE first_leaf >= :size"), old)
        for key in keys:
            connection.execute(text("DELETE FROM evidence_entries WHERE id = :key"), {"key": key})
        connection.execute(text("DELETE FROM evidence_tiles WHERE (number + 1) * 16 > :size"), old)
        connection.execute(text("DELETE FROM evidence_checkpoints WHERE size > :size"), old)

    attack(sender, change)
    said = " ".join(told(sender))
    assert f"ends with entry {sizes[1]}" in said
    assert "restored to an older copy" in said
    for number in ("5", "6"):
        sender.send(sample_document(number=number))
    assert f"entry {sizes[1] + 1} is the first that is not as it was" in " ".join(told(sender))


@pytest.mark.parametrize("has_folder", [True, False])
def test_a_head_signed_anew_by_another_agency(sender: Connector, office: Office, kept: Path, has_folder: bool) -> None:
    """The checkpoint in the database is named: its signer is not the agency (issue, attack: "head re-signed")."""
    other = agency_keys("Văn phòng Chính phủ", organ_id="G22")
    with sender.context.store.snapshot() as tx:
        last = tx.evidence_log.list_checkpoints(AGENCY)[-1]
    forged = sign_checkpoint(read_checkpoint(last.signed), other.signer())
    pem = b"".join(one.public_bytes(_PEM) for one in other.certificates)

    def change(connection: Connection) -> None:
        query = text("UPDATE evidence_checkpoints SET note = :note, certificates = :pem WHERE size = :size")
        connection.execute(query, {"note": forged.note, "pem": pem, "size": last.size})

    attack(sender, change)
    connector = sender if has_folder else office(AGENCY)
    said = told(connector)
    assert any(one.startswith(f"evidence_checkpoints {last.size}: it was signed by somebody else") for one in said)
    assert any("not the one that was kept" in one for one in said) is has_folder


def test_a_signature_taken_off_a_checkpoint(sender: Connector) -> None:
    """The agency signed earlier ones, so one that nobody signed is named."""
    with sender.context.store.snapshot() as tx:
        last = tx.evidence_log.list_checkpoints(AGENCY)[-1]
    note = last.signed.note[: last.signed.note.index(b"\n\n") + 2]

    def change(connection: Connection) -> None:
        query = text("UPDATE evidence_checkpoints SET note = :note WHERE size = :size")
        connection.execute(query, {"note": note, "size": last.size})

    attack(sender, change)
    assert any("nobody signed this checkpoint" in one for one in told(sender))


def test_half_of_the_checkpoint_folder_deleted(sender: Connector, kept: Path) -> None:
    """How many are missing is said, and those that are left still fix the log (issue, attack)."""
    first, second, third = sorted(kept.rglob("*.checkpoint"))
    for path in (first, third):
        path.unlink()
    (said,) = told(sender)
    assert f"2 of 3 checkpoints are missing, the first over {int(first.stem)} entries" in said

    def change(connection: Connection) -> None:
        rewrite(connection, int(second.stem) - 1)
        link_anew(connection)

    attack(sender, change)
    assert f"entry {int(second.stem)} is the first that is not as it was" in " ".join(told(sender))


def test_a_log_begun_anew(sender: Connector) -> None:
    """The folder has another log of this agency: all was deleted in the database, and a new one opened."""

    def change(connection: Connection) -> None:
        for table in ("checkpoints", "tiles", "runs", "entries", "logs"):
            connection.execute(text(f"DELETE FROM evidence_{table}"))

    attack(sender, change)
    sender.context.store.close()
    sender.context.store._evidence._reset()
    sender.send(sample_document(number="9"))
    assert any("another log of this agency" in one for one in told(sender))


def test_an_entry_slipped_in(sender: Connector) -> None:
    """One without a place that it could get is counted."""

    def change(connection: Connection) -> None:
        connection.execute(text("DELETE FROM evidence_runs WHERE first_leaf = 4"))
        if connection.dialect.name == "postgresql":
            connection.execute(text("DELETE FROM evidence_unlinked"))

    attack(sender, change)
    said = " ".join(told(sender))
    assert "1 entries have no place" in said
    assert "entry 5 is missing" in said


def test_an_entry_with_two_places(sender: Connector) -> None:
    """One that is shown as another leaf once more is named, though each leaf has an entry."""

    def change(connection: Connection) -> None:
        leaf = text("SELECT first_entry FROM evidence_runs WHERE first_leaf = :leaf")
        values = {"agency": AGENCY, "second": connection.execute(leaf, {"leaf": 5}).scalar_one()}
        connection.execute(text("DELETE FROM evidence_runs WHERE first_leaf IN (5, 6)"))
        connection.execute(text("UPDATE evidence_runs SET entries = 2 WHERE first_leaf = 4"))
        connection.execute(text("INSERT INTO evidence_runs VALUES (:agency, 6, :second, 1)"), values)
        link_anew(connection)

    attack(sender, change)
    assert "has two places" in " ".join(told(sender))


def test_an_entry_filed_under_another_document(sender: Connector) -> None:
    """The columns that entries are found by are held against what they say."""
    attack(sender, lambda connection: update(connection, "entries", 5, subject_id=999))
    assert "was changed" in " ".join(told(sender))


def test_files_in_the_folder_that_are_none(sender: Connector, kept: Path) -> None:
    """A checkpoint that was damaged is named by its file."""
    first = min(kept.rglob("*.checkpoint"))
    first.write_bytes(b"nothing")
    assert any(one.startswith(f"{first.name}: this kept file is no checkpoint") for one in told(sender))


def test_what_a_kept_log_has(sender: Connector, kept: Path) -> None:
    """A signed note for each size, the leaves between, and the certificates (docs/evidence.md)."""
    (folder,) = kept.iterdir()
    with sender.context.store.snapshot() as tx:
        origin, size = tx.evidence_log.read_origin(AGENCY), tx.evidence_log.read_size(AGENCY)
    assert folder.name == build_folder_name(str(origin))
    notes = [parse_note(path.read_bytes()) for path in sorted(folder.glob("*.checkpoint"))]
    assert [len(one.signatures) for one in notes] == [1, 1, 1]
    assert parse_checkpoint(notes[-1].text).size == size
    assert sum(path.stat().st_size for path in folder.glob("*.leaves")) == 32 * size
    assert list(folder.glob("*.pem"))
    assert isinstance(sender.context.checkpoints.keep(), SignedCheckpoint)  # the same again
    assert len(list(folder.glob("*.checkpoint"))) == 3
