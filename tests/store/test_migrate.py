"""Databases of earlier revisions keep all of their contents in an upgrade."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from edoc_connector.errors import StoreError
from edoc_connector.store import DELIVERIES, Store, migrate, upgrade

pytestmark = pytest.mark.database("none")  # how a database gets its tables is what is tested here

AGENCY = "H29.05"
_WHEN = "'2026-11-20 03:00:00'"
_QUEUE = f"'%s', 2, {_WHEN}, 3, {_WHEN}, {_WHEN}"

# As the first revision's code would have left them.
FIRST = (
    "INSERT INTO deliveries (agency, document_id, business, code, subject, issued_on, spool_file, sha256, size, "
    "fingerprint, asked, state, attempts, next_attempt_at, fence, created_at, updated_at) VALUES "
    f"('{AGENCY}', 'd-1', 'new', '1/SNV', 'V/v', '2026-11-20', 'f', 'a', 10, 'f', 0, {_QUEUE % 'ready'})",
    "INSERT INTO delivery_recipients (delivery_id, organ_id, name, last_code, out_of_order) "
    "VALUES (1, 'G22', 'Văn phòng Chính phủ', '01', 0)",
    "INSERT INTO receipts (agency, hub_doc_id, message_type, sender, document_id, business, findings, state, attempts, "
    f"next_attempt_at, fence, created_at, updated_at) VALUES ('{AGENCY}', '7', 'edoc', 'G22', 'd-2', 'new', 1, "
    f"{_QUEUE % 'listed'})",
    "INSERT INTO receipts (agency, hub_doc_id, message_type, findings, state, attempts, next_attempt_at, fence, "
    f"created_at, updated_at) VALUES ('{AGENCY}', '8', 'status', 0, {_QUEUE % 'listed'})",
    "UPDATE receipts SET state = 'waiting' WHERE hub_doc_id = '7'",
    "INSERT INTO outgoing (agency, kind, lane, receipt_id, code, hub_doc_id, asked, state, attempts, next_attempt_at, "
    f"fence, created_at, updated_at) VALUES ('{AGENCY}', 'confirm', 'confirm:1', 1, 'done', '7', 0, "
    f"{_QUEUE % 'ready'})",
    "INSERT INTO timeline (subject, subject_id, at, actor, new, detail) "
    f"VALUES ('delivery', 1, {_WHEN}, 'clerk', 'ready', 'stored')",
)


@pytest.fixture
def first(url: str) -> str:
    """A database of revision 0001 with a row of each kind."""
    engine = create_engine(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in FIRST:
            connection.execute(text(statement))
    engine.dispose()
    return url


def test_an_upgrade_keeps_everything(first: str, tmp_path: Path) -> None:
    """Rows, states, fences and the timeline are as they were (issue, "upgrading … keeps everything")."""
    assert upgrade(first) == migrate.SCHEMA_REVISION
    with Store.open(first, spool=tmp_path / "spool") as store, store.transaction("test") as tx:
        delivery = tx.deliveries.find_by_document_id(AGENCY, "d-1")
        assert delivery is not None
        assert (delivery.state, delivery.attempts, delivery.fence) == ("ready", 2, 3)
        assert [one.last_code for one in tx.recipients.load([1])[1]] == ["01"]
        assert [entry.detail for entry in tx.timeline.load_timelines(DELIVERIES, [1])[1]] == ["stored"]
        document, status = (tx.receipts.find_by_hub_doc_id(AGENCY, key) for key in ("7", "8"))
        assert document is not None
        assert status is not None
        assert (document.state, document.document_id, document.noticed_at) == ("waiting", "d-2", None)
        assert status.noticed_at == status.updated_at
        assert (document.authority, document.authority_findings, document.took_effect) == (None, None, True)
        assert [one.authority for one in tx.recipients.load([1])[1]] == [None]
        assert [entry.authority for entry in tx.timeline.load_timelines(DELIVERIES, [1])[1]] == [None]
        assert [entry.stated_at for entry in tx.timeline.load_timelines(DELIVERIES, [1])[1]] == [None]
        assert [row.hub_doc_id for row in tx.outgoing.find_all(AGENCY)] == ["7"]


def test_an_upgrade_brings_the_moves_of_today(first: str) -> None:
    """The database lets through what the newer table of moves has, and nothing else (issue, "state tables")."""
    upgrade(first)
    engine = create_engine(first)
    with engine.begin() as connection:
        connection.execute(text("UPDATE receipts SET state = 'handling' WHERE hub_doc_id = '7'"))
        connection.execute(text("UPDATE receipts SET state = 'quarantined' WHERE hub_doc_id = '7'"))
    with engine.connect() as connection, pytest.raises(IntegrityError, match="no such move"):
        connection.execute(text("UPDATE receipts SET state = 'handled' WHERE hub_doc_id = '7'"))
    engine.dispose()


def test_a_store_that_is_not_upgraded_is_refused(first: str, tmp_path: Path) -> None:
    """The error says what to run (DESIGN, "schema changes are Alembic migrations")."""
    with pytest.raises(StoreError, match="edoc db upgrade"):
        Store.open(first, spool=tmp_path / "spool")


@pytest.mark.parametrize(
    ("old", "new", "detail", "expected"),
    [
        (None, "ready", "stored, before anything is sent", ("stored, before anything is sent", "đã lưu trước khi gửi")),
        ("sending", "sent", "the hub took it: docId 7", ("the hub took it: docId 7", "trục đã nhận: docId 7")),
        ("sending", "failed", "the hub refused it for good: bad ‖ hỏng",
         ("the hub refused it for good: bad", "trục từ chối hẳn: hỏng")),
        ("sent", "sent", "told ‖ đã báo", ("told", "đã báo")),
        ("sent", "sent", "H30 ‖ H30", ("H30", None)),
        (None, "13", "Gửi nhầm", ("Gửi nhầm", None)),
        ("sending", "sent", "words of an older version", ("words of an older version", None)),
        ("sent", "01", "", ("", None)),
    ],
    ids=["cause", "fact", "error", "both languages", "the same in both", "a person's", "older", "none"],
)  # fmt: skip
def test_an_upgrade_splits_the_languages(
    first: str, old: str | None, new: str, detail: str, expected: tuple[str, str | None]
) -> None:
    """Each language has its column; of a move the Vietnamese cause is there too (issue, "with everything kept")."""
    engine = create_engine(first)
    statement = text(
        "INSERT INTO timeline (subject, subject_id, at, actor, old, new, detail) "
        f"VALUES ('delivery', 1, {_WHEN}, 'clerk', :old, :new, :detail)"
    )
    with engine.begin() as connection:
        connection.execute(statement, {"old": old, "new": new, "detail": detail})
    upgrade(first)
    with engine.connect() as connection:
        row = connection.execute(text("SELECT detail, detail_vi FROM timeline ORDER BY id DESC LIMIT 1")).one()
    engine.dispose()
    assert tuple(row) == expected


@pytest.mark.parametrize(
    ("entered", "marks"),
    [
        ("ready", (True, False)),
        ("ready sending failed refused", (True, False)),
        ("ready sending failed refused ready sending failed refused", (True, False)),
        ("ready sending failed refused ready sending failed", (False, False)),
        ("ready sending failed", (False, False)),
        ("ready sending unknown ready sending failed refused", (False, True)),
        ("ready sending sent", (False, False)),
    ],
)
def test_an_upgrade_marks_deliveries(first: str, entered: str, marks: tuple[bool, bool]) -> None:
    """Certainly never accepted is what was refused each time that it failed (faults, row 9)."""
    engine = create_engine(first)
    with engine.begin() as connection:
        for state in entered.split():
            values = f"('delivery', 1, {_WHEN}, 'clerk', '{state}', '')"
            statement = f"INSERT INTO timeline (subject, subject_id, at, actor, new, detail) VALUES {values}"
            connection.execute(text(statement))
    upgrade(first)
    with engine.connect() as connection:
        (row,) = connection.execute(text("SELECT never_accepted, was_unknown FROM deliveries"))
    engine.dispose()
    assert tuple(map(bool, row)) == marks


@pytest.mark.parametrize(
    ("spool_file", "error", "refetch"),
    [(None, "500", True), (None, None, False), ("f", "PacketError", False)],
    ids=["never came", "the process ended", "was told"],
)
def test_an_upgrade_asks_again_for_what_never_came(
    first: str, spool_file: str | None, error: str | None, refetch: bool
) -> None:
    """A packet that was set aside after its downloads failed is on the schedule of fetching (faults, row 33)."""
    engine = create_engine(first)
    with engine.begin() as connection:
        statement = "UPDATE receipts SET state = 'quarantined', spool_file = :file, error_code = :code"
        connection.execute(text(f"{statement} WHERE hub_doc_id = '8'"), {"file": spool_file, "code": error})
    upgrade(first)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT refetch FROM receipts ORDER BY hub_doc_id")).scalars().all()
    engine.dispose()
    assert [bool(value) for value in found] == [False, refetch]


def test_an_upgrade_knows_which_statuses_were_unknown(first: str) -> None:
    """What the hub was asked about may have left, and stays so (faults, row 30)."""
    engine = create_engine(first)
    with engine.begin() as connection:
        connection.execute(text("UPDATE outgoing SET asked = 2"))
    upgrade(first)
    with engine.connect() as connection:
        (row,) = connection.execute(text("SELECT was_unknown, copy_doc_id FROM outgoing"))
    engine.dispose()
    assert (bool(row[0]), row[1]) == (True, None)
