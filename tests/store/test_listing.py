"""Pages of lists: every row once, whatever comes meanwhile, along an index, and cursors that are nobody's."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.store.conftest import Clock

from edoc_connector.errors import InvalidQuery
from edoc_connector.store import DeliveryState, DirectoryEntry, NewDelivery, Offer, ReceiptState, Store
from edoc_connector.store._sql import hear_statements
from edoc_connector.store.listing import PageRequest

AGENCY = "H29.05"
LARGE, SMALL = "G99", "H01"
LARGE_ROWS, SMALL_ROWS = 20_000, 40
PAGE = 10
LONG_AGO = datetime.fromtimestamp(1700000000 + 20 * 60, UTC)
Make = Callable[..., NewDelivery]


def _add(store: Store, new_delivery: Make, number: int, **changes: Any) -> None:
    with store.transaction() as tx:
        tx.deliveries.add(new_delivery(document_id=f"d-{number}", code=f"{number}/SNV-VP", **changes))


def _walk(store: Store, limit: int, between: Callable[[], None] = lambda: None, **filters: Any) -> list[str]:
    found: list[str] = []
    after: str | None = None
    while True:
        with store.snapshot() as tx:
            page = tx.deliveries.list_page(AGENCY, limit=limit, after=after, **filters)
        assert len(page) <= limit
        found += [row.document_id for row in page]
        if page.next is None:
            return found
        after = page.next
        between()


def test_pages_have_every_row_once(store: Store, new_delivery: Make, clock: Clock) -> None:
    """Rows of the same moment too, whatever the length of a page (19.7, lists by index)."""
    for number in range(11):
        _add(store, new_delivery, number)
        clock.forward(number // 4)
    newest_first = [f"d-{number}" for number in reversed(range(11))]
    for limit in (1, 2, 5, 11, 12):
        assert _walk(store, limit) == newest_first
        assert _walk(store, limit, recipient="G22") == newest_first


def test_a_cursor_survives_what_is_stored_meanwhile(store: Store, new_delivery: Make, clock: Clock) -> None:
    """Documents that are stored between two pages move none of them (14.11, lists)."""
    for number in range(6):
        _add(store, new_delivery, number)
    later = iter(range(100, 200))
    found = _walk(store, 2, lambda: _add(store, new_delivery, next(later)))
    assert found == [f"d-{number}" for number in reversed(range(6))]


def test_filters_of_deliveries(store: Store, new_delivery: Make, clock: Clock) -> None:
    """State, recipient, time and number select, alone and together (14.11, lists)."""
    began = clock.now
    for number in (78, 7816, 78165):
        _add(store, new_delivery, number, recipients=(("G22", "x"),) if number > 100 else (("H30", "y"),))
        clock.forward(3600)
    assert _walk(store, 5, number="7816") == ["d-7816"]
    assert _walk(store, 5, number=" 7816/SNV-VP ") == ["d-7816"]
    assert _walk(store, 5, number="7816/SNV") == []
    assert _walk(store, 5, since=began + timedelta(hours=1)) == ["d-78165", "d-7816"]
    assert _walk(store, 5, until=began + timedelta(hours=1)) == ["d-78"]
    assert _walk(store, 5, recipient="G22", until=began + timedelta(hours=2)) == ["d-7816"]
    assert _walk(store, 5, state=DeliveryState.SENT, recipient="G22") == []
    assert _walk(store, 5, state=DeliveryState.READY, recipient="H30", number="78") == ["d-78"]
    assert _walk(store, 5, state=DeliveryState.READY, recipient="G22", number="78") == []


def test_filters_of_receipts(store: Store) -> None:
    """State, kind, sender, number and statuses select, alone and together (14.11, lists)."""
    offers = [Offer(hub_doc_id=f"{number}", message_type="edoc") for number in range(4)]
    with store.transaction() as tx:
        rows = tx.receipts.record_offers(AGENCY, offers)[0]
        documents = {"business": "new", "code": "12/UB"}
        tx.receipts.move(rows["0"], ReceiptState.WAITING, sender="G22", document_id="a", **documents)
        tx.receipts.move(rows["1"], ReceiptState.WAITING, sender="G22", document_id="b", business="recall", code="x")
        tx.receipts.move(rows["2"], ReceiptState.HANDLED, sender="H30", document_id="a")
    with store.snapshot() as tx:

        def find(**filters: Any) -> list[str]:
            return [row.hub_doc_id for row in tx.receipts.list_page(AGENCY, **filters)]

        assert find() == ["3", "2", "1", "0"]
        assert find(statuses=False) == ["3", "1", "0"]
        assert find(state=ReceiptState.WAITING) == ["1", "0"]
        assert find(kind="new") == ["0"]
        assert find(kind="recall", sender="G22", state=ReceiptState.WAITING) == ["1"]
        assert find(kind="status") == ["3", "2"]
        assert find(kind="status", sender="H30") == ["2"]
        assert find(kind="status", state=ReceiptState.HANDLED) == ["2"]
        assert find(sender="G22", number="12") == ["0"]
        assert find(sender="H30", number="12", kind="new") == []


def test_the_directory_goes_by_code(store: Store) -> None:
    """Pages of the directory go on after the last code (14.11, lists)."""
    with store.transaction() as tx:
        tx.directory.replace_agencies(AGENCY, [DirectoryEntry(code=f"H{n:02}", name="x") for n in range(5)])
        tx.directory.replace_agencies(AGENCY, [DirectoryEntry(code=f"H{n:02}", name="x") for n in range(1, 5)])
    with store.snapshot() as tx:
        first = tx.directory.list_page(AGENCY, limit=3)
        second = tx.directory.list_page(AGENCY, limit=3, after=first.next)
        assert [row.code for row in (*first, *second)] == [f"H{n:02}" for n in range(5)]
        assert second.next is None
        assert [row.code for row in tx.directory.list_page(AGENCY, active=False)] == ["H00"]
        with pytest.raises(InvalidQuery):
            tx.deliveries.list_page(AGENCY, after=first.next)


def test_a_cursor_of_another_list_is_refused(store: Store, new_delivery: Make) -> None:
    """Another agency, another filter and another list have cursors of their own (14.11, lists)."""
    for number in range(3):
        _add(store, new_delivery, number)
    with store.snapshot() as tx:
        cursor = tx.deliveries.list_page(AGENCY, limit=1).next
        assert cursor is not None
        for ask in (
            lambda: tx.deliveries.list_page("G22", after=cursor),
            lambda: tx.deliveries.list_page(AGENCY, state=DeliveryState.READY, after=cursor),
            lambda: tx.receipts.list_page(AGENCY, after=cursor),
            lambda: tx.directory.list_page(AGENCY, after=cursor),
        ):
            with pytest.raises(InvalidQuery, match="another list") as told:
                ask()
            assert "bộ lọc" in told.value.vi


def _forge(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


SCOPE = PageRequest.parse("x", AGENCY, {}, limit=None, after=None, by_time=True).scope


@pytest.mark.parametrize(
    "cursor",
    [
        "", "x", "%%%", "é", "a" * 513, "W" * 500, _forge(), _forge(1), _forge(2, SCOPE, 1, 1), _forge(1, SCOPE),
        _forge(1, SCOPE, 1), _forge(1, SCOPE, 1, 1, 1), _forge(1, SCOPE, "1", 1), _forge(1, SCOPE, 1, -1),
        _forge(1, SCOPE, 1, 1 << 63), _forge(1, SCOPE, 10**30, 1), _forge(1, SCOPE, -(10**30), 1),
        _forge(1, SCOPE, 1.5, 1), _forge(1, SCOPE, True, 1), _forge(1, SCOPE, None, 1), _forge(1, SCOPE, [1], 1),
    ],
)  # fmt: skip
def test_a_forged_cursor_is_a_typed_error(cursor: str) -> None:
    """Nothing that is no cursor of ours reaches the database (14.11, lists)."""
    with pytest.raises(InvalidQuery):
        PageRequest.parse("x", AGENCY, {}, limit=None, after=cursor, by_time=True)


@pytest.mark.parametrize("values", [(1, 1), ("a\0b",), ("\ud800",), (None,), ("a", "b")])
def test_a_forged_cursor_of_texts_is_a_typed_error(values: tuple[Any, ...]) -> None:
    """Texts that a database does not take are refused before (14.11, lists)."""
    with pytest.raises(InvalidQuery):
        PageRequest.parse("x", AGENCY, {}, limit=None, after=_forge(1, SCOPE, *values), by_time=False)


@given(st.one_of(st.text(), st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode())))
def test_any_text_as_a_cursor_is_a_typed_error(cursor: str) -> None:
    """Whatever somebody sends as a cursor is refused, or is one (14.11, lists)."""
    with pytest.raises(InvalidQuery):
        PageRequest.parse("x", AGENCY, {}, limit=None, after=cursor, by_time=True)


@pytest.mark.parametrize("limit", [0, -1, 1001, 10**30, True, 1.5, "5"])
def test_a_limit_out_of_bounds_is_refused(limit: Any) -> None:
    """A page is in memory as a whole, and so is bounded (14.11, lists)."""
    with pytest.raises(InvalidQuery, match="1 to 1000"):
        PageRequest.parse("x", AGENCY, {}, limit=limit, after=None, by_time=True)


def test_a_nul_is_the_callers_mistake(store: Store) -> None:
    """In a filter on either database, and on PostgreSQL wherever one is looked up: no failure of the store (14.11)."""
    with pytest.raises(InvalidQuery, match="NUL") as told, store.snapshot() as tx:
        tx.receipts.list_page(AGENCY, sender="G\0")
    assert "NUL" in told.value.vi
    is_file = store.find_database_file() is not None
    look_ups: tuple[Callable[[Any], object], ...] = (
        lambda tx: tx.deliveries.find_by_document_id(AGENCY, "a\0b"),
        lambda tx: tx.receipts.find_all(AGENCY, document_id="a\0b"),
    )
    for look_up in look_ups:
        with nullcontext() if is_file else pytest.raises(InvalidQuery, match="NUL"), store.snapshot() as tx:
            assert not look_up(tx)


def test_a_time_without_a_zone_is_refused(clock: Clock) -> None:
    """It would be another time on another machine (14.11, lists)."""
    with pytest.raises(InvalidQuery, match="since"):
        PageRequest.parse("x", AGENCY, {"since": clock.now.replace(tzinfo=None)}, limit=1, after=None, by_time=True)


# -- the planner, with a small agency beside a large one

_SERIES = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT {values} FROM n",
    "postgresql": "SELECT {values} FROM generate_series(1, {rows}) AS n(i)",
}
_TIMES = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', 1700000000 + i * 60, 'unixepoch')",
    "postgresql": "to_timestamp(1700000000 + i * 60)",
}
_QUEUE = "attempts, next_attempt_at, fence, created_at, updated_at"
_FILL = (
    "INSERT INTO deliveries (agency, document_id, business, code, subject, issued_on, spool_file, sha256, size, "
    f"fingerprint, asked, state, {_QUEUE})",
    "'{agency}', '{agency}-' || i, 'new', i || '/SNV', 'x', '2025-01-01', 'f' || i, 'a', 10, 'f', 0, "
    "{odd} 'failed' ELSE 'sent' END, 1, {at}, 2, {at}, {at}",
    f"INSERT INTO receipts (agency, hub_doc_id, message_type, sender, business, code, findings, state, {_QUEUE})",
    "'{agency}', 'h' || i, {odd} 'edoc' ELSE 'status' END, 'S' || (i % 7), {odd} 'recall' END, "
    "{odd} i || '/UB' END, 0, {odd} 'quarantined' ELSE 'confirmed' END, 1, {at}, 2, {at}, {at}",
)
_FILL_RECIPIENTS = (
    "INSERT INTO delivery_recipients (delivery_id, organ_id, name, out_of_order, agency, created_at) "
    "SELECT id, 'R' || (id % 3), 'x', 0, agency, created_at FROM deliveries"
)


def _fill(connection: Connection) -> None:
    """Store documents of two agencies as SQL makes them, in both directions and nearly all in the last state."""
    kind = connection.dialect.name
    if kind == "sqlite":
        for (name,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").all():
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
    else:
        connection.exec_driver_sql("SET session_replication_role = replica")  # rows in any state
    for agency, rows, odd_every in ((LARGE, LARGE_ROWS, LARGE_ROWS // 10), (SMALL, SMALL_ROWS, 4)):
        odd = f"CASE WHEN i % {odd_every} = 0 THEN"
        for into, values in zip(_FILL[::2], _FILL[1::2], strict=True):
            named = values.format(agency=agency, odd=odd, at=_TIMES[kind])
            series = _SERIES[kind].format(rows=rows, values=named)
            connection.exec_driver_sql(
                f"{into} {series}" if kind == "sqlite" else f"{into} {series}".replace("%", "%%")
            )
    connection.exec_driver_sql(_FILL_RECIPIENTS if kind == "sqlite" else _FILL_RECIPIENTS.replace("%", "%%"))
    connection.commit()
    if kind == "postgresql":
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


def _measure_sqlite(connection: Connection, statement: str, values: Any) -> int:
    """Count the steps of SQLite's machine for a statement, in hundreds; a row on the way takes some ten steps."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    database = connection.connection.dbapi_connection
    assert isinstance(database, sqlite3.Connection)
    database.set_progress_handler(count, 100)
    try:
        connection.exec_driver_sql(statement, values).all()
    finally:
        database.set_progress_handler(None, 0)
    return steps * 10


def _measure_postgresql(connection: Connection, statement: str, values: Any) -> int:
    """Count the rows that PostgreSQL touched for a statement, by its own account."""
    explained = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values).scalar()
    assert isinstance(explained, list)

    def count(node: dict[str, Any]) -> int:
        touched = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        touched += node.get("Rows Removed by Index Recheck", 0)
        return int(touched * node["Actual Loops"]) + sum(map(count, node.get("Plans", ())))

    return count(explained[0]["Plan"])


_PAGES: dict[str, Callable[[Any, str], Any]] = {
    "deliveries": lambda tx, agency: tx.deliveries.list_page(agency, limit=PAGE),
    "deliveries in the last state": lambda tx, agency: tx.deliveries.list_page(agency, limit=PAGE, state="sent"),
    "deliveries in a rare state": lambda tx, agency: tx.deliveries.list_page(agency, limit=PAGE, state="failed"),
    "deliveries in no state": lambda tx, agency: tx.deliveries.list_page(agency, limit=PAGE, state="unknown"),
    "to one": lambda tx, agency: tx.deliveries.list_page(agency, limit=PAGE, recipient="R1"),
    "to nobody": lambda tx, agency: tx.deliveries.list_page(agency, limit=PAGE, recipient="R9"),
    "sent to one": lambda tx, agency: tx.deliveries.list_page(agency, limit=PAGE, recipient="R1", state="sent"),
    "failed to one": lambda tx, agency: tx.deliveries.list_page(agency, limit=PAGE, recipient="R1", state="failed"),
    "by number": lambda tx, agency: tx.deliveries.list_page(agency, limit=PAGE, number="17"),
    "sent, by number": lambda tx, agency: tx.deliveries.list_page(agency, limit=PAGE, number="17", state="sent"),
    "to one, by number": lambda tx, agency: tx.deliveries.list_page(agency, limit=PAGE, number="17", recipient="R1"),
    "deliveries long ago": lambda tx, agency: tx.deliveries.list_page(agency, limit=PAGE, until=LONG_AGO),
    "sent long ago": lambda tx, agency: tx.deliveries.list_page(agency, limit=PAGE, until=LONG_AGO, state="sent"),
    "to one, long ago": lambda tx, agency: tx.deliveries.list_page(agency, limit=PAGE, until=LONG_AGO, recipient="R1"),
    "receipts long ago": lambda tx, agency: tx.receipts.list_page(agency, limit=PAGE, until=LONG_AGO),
    "from one, long ago": lambda tx, agency: tx.receipts.list_page(agency, limit=PAGE, until=LONG_AGO, sender="S3"),
    "receipts": lambda tx, agency: tx.receipts.list_page(agency, limit=PAGE),
    "receipts in the last state": lambda tx, agency: tx.receipts.list_page(agency, limit=PAGE, state="confirmed"),
    "set aside": lambda tx, agency: tx.receipts.list_page(agency, limit=PAGE, state="quarantined"),
    "without statuses": lambda tx, agency: tx.receipts.list_page(agency, limit=PAGE, statuses=False),
    "of a rare kind": lambda tx, agency: tx.receipts.list_page(agency, limit=PAGE, kind="recall"),
    "of a rare kind, in the last state": lambda tx, agency: tx.receipts.list_page(
        agency, limit=PAGE, kind="recall", state="confirmed"
    ),
    "statuses": lambda tx, agency: tx.receipts.list_page(agency, limit=PAGE, kind="status"),
    "from one": lambda tx, agency: tx.receipts.list_page(agency, limit=PAGE, sender="S3"),
    "from one, in the last state": lambda tx, agency: tx.receipts.list_page(
        agency, limit=PAGE, sender="S3", state="confirmed"
    ),
    "from one, set aside": lambda tx, agency: tx.receipts.list_page(
        agency, limit=PAGE, sender="S3", state="quarantined"
    ),
    "receipts by number": lambda tx, agency: tx.receipts.list_page(agency, limit=PAGE, number="17"),
    "receipts by number, from one": lambda tx, agency: tx.receipts.list_page(
        agency, limit=PAGE, number="17", sender="S3", kind="recall"
    ),
}


def test_a_page_touches_few_rows_whatever_is_stored(store: Store) -> None:
    """Any filter, of a small agency beside a large one and of the large one, new and old (19.7)."""
    with store._engine.connect() as connection:
        _fill(connection)
    heard: list[tuple[str, Any]] = []

    def hear(_: Connection, __: object, statement: str, values: Any, ___: object, ____: bool) -> None:
        if statement.startswith(("SELECT deliveries.id", "SELECT receipts.id")):
            heard.append((statement, values))

    hear_statements(store._engine, hear)
    asked: dict[str, tuple[str, Any]] = {}
    for agency in (SMALL, LARGE):
        for name, load in _PAGES.items():
            asked[f"{name}, {agency}"] = _ask(store, heard, load, agency)
    measure = _measure_sqlite if store._engine.dialect.name == "sqlite" else _measure_postgresql
    with store._engine.connect() as connection:
        touched = {name: measure(connection, *statement) for name, statement in asked.items()}
    assert {name: count for name, count in touched.items() if count > 60 * PAGE} == {}


def _ask(store: Store, heard: list[tuple[str, Any]], load: Callable[[Any, str], Any], agency: str) -> tuple[str, Any]:
    heard.clear()
    with store.snapshot() as tx:
        load(tx, agency)
    (asked,) = heard
    return asked


@pytest.mark.parametrize("moment", [datetime.min, datetime.max])
def test_a_time_at_the_end_of_the_calendar_is_refused(moment: datetime) -> None:
    """One that UTC does not know is no time of a list, and no error of Python's."""
    east = timezone(timedelta(hours=7 if moment is datetime.min else -7))
    filters = {"since": moment.replace(tzinfo=east)}
    with pytest.raises(InvalidQuery, match="since"):
        PageRequest.parse("x", AGENCY, filters, limit=1, after=None, by_time=True)


def test_a_text_that_is_none(store: Store) -> None:
    """Half a character, as of an argument that is no UTF-8, is refused, and the store answers as before."""
    with pytest.raises(InvalidQuery, match="is no text") as caught, store.snapshot() as tx:
        tx.deliveries.list_page(AGENCY, number="\udcff")
    assert "UTF-8" in caught.value.vi
    with pytest.raises(InvalidQuery), store.snapshot() as tx:
        tx.deliveries.find_by_document_id(AGENCY, "\udcff")
    assert _walk(store, 5, number="7816") == []
