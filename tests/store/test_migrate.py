"""Databases of earlier revisions keep all of their contents in an upgrade."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Column, Connection, Engine, MetaData, Table, create_engine, event, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from edoc_connector._core import Text
from edoc_connector.errors import StoreError
from edoc_connector.store import DELIVERIES, OUTGOING, Store, migrate, upgrade
from edoc_connector.store._sql import TABLES

pytestmark = pytest.mark.database("none")  # how a database gets its tables is what is tested here

AGENCY = "H29.05"
TIMELINE = TABLES["timeline"]
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
        _upgrade_to(connection, "0001")
        for statement in FIRST:
            connection.execute(text(statement))
    engine.dispose()
    return url


def _upgrade_to(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


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


def test_a_new_store_gets_its_tables_at_once(url: str, tmp_path: Path) -> None:
    """Whenever its maker begins a transaction, others see a store without tables, or one they can work with."""
    seen: list[str | None] = []
    watcher = create_engine(url)

    def look(of: Connection) -> None:
        if of.engine is watcher:
            return
        with watcher.connect() as connection:
            seen.append(migrate.read_revision(connection))

    event.listen(Engine, "begin", look)
    try:
        Store.open(url, spool=tmp_path / "spool").close()
    finally:
        event.remove(Engine, "begin", look)
        watcher.dispose()
    assert set(seen) == {None, migrate.SCHEMA_REVISION}


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
        query = select(TIMELINE.c.detail, TIMELINE.c.detail_vi).order_by(TIMELINE.c.id.desc()).limit(1)
        row = connection.execute(query).one()
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


def test_an_upgrade_gives_what_is_there_to_the_only_hub(first: str, tmp_path: Path) -> None:
    """Rows of before are at the hub of the lone section, and the jobs keep their names (moving hub)."""
    upgrade(first)
    with Store.open(first, spool=tmp_path / "spool") as store, store.transaction("test") as tx:
        assert {row.hub for row in tx.deliveries.find_all(AGENCY)} == {"hub"}
        assert {row.hub for row in tx.receipts.find_all(AGENCY)} == {"hub"}
        assert {(row.hub, row.is_tied) for row in tx.outgoing.find_all(AGENCY)} == {("hub", False)}
        assert tx.hub_roles.load(AGENCY) == {}
        tx.schedule.ensure_job(AGENCY, "listed-status@a-hub-with-a-name-of-31-letters", first_at=tx.now)


def test_texts_are_packed_and_say_what_they_said(first: str, tmp_path: Path) -> None:
    """Timelines, verifications and messages of before are read as they were, and stay append-only (revision 0014)."""
    engine = create_engine(first)
    with engine.begin() as connection:
        migrate.run_migrations(connection, "0013")
        connection.execute(
            text("UPDATE receipts SET verification_text = 'it holds', verification_vi = 'hợp lệ' WHERE id = 1")
        )
        connection.execute(text("UPDATE outgoing SET message = :message"), {"message": '{"code":"03"}'})
        values = f"('outgoing', 1, {_WHEN}, 'clerk', 'sending', 'sent', 'the hub took it \\ “x”', 'trục đã nhận')"
        connection.execute(
            text(f"INSERT INTO timeline (subject, subject_id, at, actor, old, new, detail, detail_vi) VALUES {values}")
        )
    assert upgrade(first) == migrate.SCHEMA_REVISION
    with Store.open(first, spool=tmp_path / "spool") as store, store.snapshot() as tx:
        document = tx.receipts.find_by_hub_doc_id(AGENCY, "7")
        assert document is not None
        assert (document.verification_text, document.verification_vi) == ("it holds", "hợp lệ")
        (message,) = tx.outgoing.find_all(AGENCY, receipt_id=[1])
        assert message.message == '{"code":"03"}'
        (entry,) = tx.timeline.load_timelines(OUTGOING, [1])[1]
        assert entry.text == Text("the hub took it \\ “x”", "trục đã nhận")
        assert entry.at == datetime(2026, 11, 20, 3, tzinfo=UTC)
        (stored,) = tx.timeline.load_timelines(DELIVERIES, [1])[1]
        assert (stored.detail, stored.detail_vi, stored.id) == ("stored", None, 1)
    for change in ("UPDATE timeline SET actor = 'x'", "DELETE FROM timeline"):
        with pytest.raises(IntegrityError, match="append-only"), engine.begin() as connection:
            connection.execute(text(change))
    engine.dispose()


@pytest.mark.parametrize("kept", ["0001", "0013"])
def test_an_upgrade_keeps_each_agencys_directory(url: str, tmp_path: Path, kept: str) -> None:
    """Agencies read what they had, and search it, until the hub's is taken over again (0015, directories)."""
    engine = create_engine(url)
    with engine.begin() as connection:
        migrate.run_migrations(connection, kept)
        for agency, code in ((AGENCY, "H29.05"), (AGENCY, "H29.06"), ("G22", "H29.05")):
            values = f"'{agency}', '{code}', '000.00.05.H29', 'Sở Nội vụ Đắk Lắk', 'H29', {code == 'H29.05'}, {_WHEN}"
            connection.execute(
                text(
                    "INSERT INTO directory (agency, code, other_code, name, parent, active, updated_at) "
                    f"VALUES ({values})"
                )
            )
    engine.dispose()
    upgrade(url)
    with Store.open(url, spool=tmp_path / "spool") as store, store.transaction() as tx:
        assert [(row.code, row.active) for row in tx.directory.list_agencies(AGENCY)] == [
            ("H29.05", True),
            ("H29.06", False),
        ]
        assert [row.code for row in tx.directory.search("G22", "noi vu dak", limit=5)] == ["H29.05"]
        assert [row.code for row in tx.directory.list_by_code("G22", "000.00.05.H29")] == ["H29.05"]
        tx.directory.take_list("G22", "hub", [])
        assert tx.directory.search("G22", "noi vu", limit=5) == []


def test_an_upgrade_leaves_deadlines_open(first: str) -> None:
    """What was sent before deadlines were kept has none, and no late refusal."""
    upgrade(first)
    engine = create_engine(first)
    with engine.connect() as connection:
        deadlines = connection.execute(text("SELECT deadline, deadline_due, expired_at FROM deliveries")).all()
        refusals = connection.execute(text("SELECT refused_at, refusal, refusal_vi FROM delivery_recipients")).all()
    engine.dispose()
    assert {tuple(row) for row in deadlines} == {(None, None, None)}
    assert {tuple(row) for row in refusals} <= {(None, None, None)}


def test_places_of_entries_become_runs(first: str) -> None:
    """Each entry keeps its leaf, and one that is missing stays missing; what came one after the other is one run."""
    places = {1: ("A", 0), 2: ("A", 1), 3: ("B", 0), 4: ("A", 2), 7: ("A", 3), 5: ("A", 4), 6: ("A", 5), 8: ("A", 7)}
    engine = create_engine(first)
    with engine.begin() as connection:
        _upgrade_to(connection, "0016")
        for entry_id, (agency, leaf) in places.items():
            values = {"entry": entry_id, "agency": agency, "leaf": leaf}
            connection.execute(text("INSERT INTO evidence_leaves VALUES (:entry, :agency, :leaf)"), values)
    upgrade(first)
    with engine.connect() as connection:
        runs = connection.execute(text("SELECT * FROM evidence_runs ORDER BY agency, first_leaf")).all()
    engine.dispose()
    assert [tuple(row) for row in runs] == [
        *(("A", 0, 1, 2), ("A", 2, 4, 1), ("A", 3, 7, 1), ("A", 4, 5, 2), ("A", 7, 8, 1)),
        ("B", 0, 3, 1),
    ]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_what_is_there_takes_fewer_bytes_and_says_the_same(first: str) -> None:
    """Subjects are numbers on a server; a hash becomes whole where its entry is moved out, and no other way (0025)."""
    engine = create_engine(first)
    columns = "agency, subject, subject_id, leaf_hash, stored"
    with engine.begin() as connection:
        migrate.run_migrations(connection, "0024")
        for digest, number in (("ab" * 32, 7), ("x" * 31, 8)):
            changed = "UPDATE receipts SET sha256 = :digest, fingerprint = :digest WHERE hub_doc_id = :key"
            connection.execute(text(changed), {"digest": digest, "key": str(number)})
        for subject in ("'delivery'", "'receipt'", "'outgoing'", "NULL"):
            values = f"'{AGENCY}', {subject}, 1, sha256('x'), 'x'"
            connection.execute(text(f"INSERT INTO evidence_entries ({columns}) VALUES ({values})"))
    upgrade(first)
    with engine.begin() as connection:
        rows = connection.execute(text("SELECT subject, length(leaf_hash) FROM evidence_entries ORDER BY id")).all()
        connection.execute(text(f"INSERT INTO evidence_entries ({columns}) VALUES ('A', 1, 1, '\\x2d711642', 'x')"))
        key = connection.scalar(text("SELECT max(id) FROM evidence_entries"))
        connection.execute(text("INSERT INTO evidence_runs VALUES ('A', 0, :key, 1)"), {"key": key})
        archive = "agency, first_leaf, end_leaf, file, sha256, at, actor, restored"
        connection.execute(
            text(f"INSERT INTO evidence_archives ({archive}) VALUES ('A', 0, 1, 'f', 's', now(), 'x', false)")
        )
        table = TABLES["receipts"]
        digests = connection.execute(select(table.c.sha256, table.c.fingerprint).order_by(table.c.hub_doc_id)).all()
    assert [tuple(row) for row in rows] == [(1, 32), (2, 32), (3, 32), (None, 32)]
    assert [tuple(row) for row in digests] == [("ab" * 32, "ab" * 32), ("x" * 31, "x" * 31)]
    for change in (
        "leaf_hash = sha256('x')",  # while the bytes are there
        "leaf_hash = sha256('y'), stored = ''",
        "leaf_hash = '', stored = ''",
        "leaf_hash = sha256('x'), stored = '', subject = 2",
    ):
        with pytest.raises(IntegrityError, match="append-only"), engine.begin() as connection:
            connection.execute(text(f"UPDATE evidence_entries SET {change} WHERE id = :key"), {"key": key})
    with engine.begin() as connection:
        emptied = "UPDATE evidence_entries SET leaf_hash = sha256('x'), stored = '' WHERE id = :key"
        assert connection.execute(text(emptied), {"key": key}).rowcount == 1
    engine.dispose()


REVISIONS = sorted(path.name[:4] for path in (Path(migrate.__file__).parent / "migrations" / "versions").glob("0*.py"))
UPGRADES = [
    *(("sqlite", revision) for revision in REVISIONS),
    *(
        pytest.param("postgresql", revision, marks=() if number % 6 == 0 else pytest.mark.nightly)
        for number, revision in enumerate(REVISIONS)
    ),
]
_VALUES: dict[type, Any] = {
    str: "x",
    int: 1,
    float: 1.0,
    bool: True,
    bytes: b"x",
    datetime: datetime(2026, 11, 20, 3),
    date: date(2026, 11, 20),
}
_CHECKED = {  # columns that take some words only
    ("gateway_messages", "state"): "ready",
    ("hub_roles", "role"): "drain",
    ("imported_documents", "subject"): "delivery",
}


def _live_until(url: str, revision: str) -> None:
    """Leave a store of a revision with a row in each of its tables."""
    _migrate(url, "0001", *FIRST)
    _migrate(url, revision)
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in _reflect(connection):
            if connection.execute(select(func.count()).select_from(table)).scalar() == 0 and not _is_derived(
                table.name
            ):
                connection.execute(insert(table).values({column.name: _value(column) for column in table.columns}))
    engine.dispose()


def _migrate(url: str, revision: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        migrate.run_migrations(connection, revision)
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def _reflect(connection: Connection) -> list[Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != "alembic_version"]


def _value(column: Column[Any]) -> Any:
    return _CHECKED.get((column.table.name, column.name)) or _VALUES[column.type.python_type]


def _is_derived(name: str) -> bool:
    """Whether a table is an index of another, or hangs together by hashes: tests/store/directory and log have those."""
    return name.startswith(("agency_search", "evidence"))


def _count(url: str) -> dict[str, int]:
    """How many rows each table has."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in _reflect(connection)
        }
    engine.dispose()
    return found


@pytest.mark.parametrize(("url", "revision"), UPGRADES, indirect=["url"])
def test_each_revision_is_upgraded_with_all_its_rows(url: str, tmp_path: Path, revision: str) -> None:
    """A row of each kind, as that revision has them, is there afterwards, and the store opens (upgrading)."""
    _live_until(url, revision)
    before = _count(url)
    assert [name for name, rows in before.items() if not rows and not _is_derived(name)] == []
    if revision != migrate.SCHEMA_REVISION:
        with pytest.raises(StoreError, match="edoc db upgrade"):
            Store.open(url, spool=tmp_path / "spool")
    assert upgrade(url) == migrate.SCHEMA_REVISION
    after = _count(url)
    assert {name: rows for name, rows in before.items() if name in after and after[name] < rows} == {}
    assert {name for name in before if name not in after and not _is_derived(name)} <= {"directory"}  # now in agencies
    with Store.open(url, spool=tmp_path / "spool") as store, store.snapshot() as tx:
        delivery = tx.deliveries.find_by_document_id(AGENCY, "d-1")
        assert delivery is not None
        assert (delivery.state, delivery.fence) == ("ready", 3)
