"""Names and times that are kept as numbers come back as they were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Dialect, LargeBinary, Text, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite

from edoc_connector.errors import StoreError
from edoc_connector.store import MACHINES, Store
from edoc_connector.store._sql import TABLES
from edoc_connector.store._sql.compact_types import (
    HexDigest,
    MicrosecondTime,
    NumberedName,
    PackedText,
    ServerNumberedName,
    pack_text,
    unpack_text,
)

TIMELINE = TABLES["timeline"]
SERVER: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
FILE: Dialect = sqlite.dialect()
ROW = {"subject": "receipt", "subject_id": 1, "actor": "me", "new": "x", "detail": "d"}
TIMES = [
    datetime(2026, 11, 29, 1, 2, 3, 456789, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 11, 29, 8, 2, tzinfo=timezone(timedelta(hours=7))),
]


@pytest.mark.parametrize("at", TIMES)
def test_a_row_comes_back(store: Store, at: datetime) -> None:
    """To the microsecond and by its name, on both databases; a search by the name finds it."""
    with store.transaction("test") as tx:
        tx.connection.execute(insert(TIMELINE).values(**ROW, at=at))
        row = tx.connection.execute(select(TIMELINE).where(TIMELINE.c.subject == "receipt")).mappings().one()
        assert (row["subject"], row["at"], row["at"].tzinfo) == ("receipt", at, UTC)
        assert tx.connection.scalar(text("SELECT subject FROM timeline")) == 2


def test_a_name_is_a_number_on_a_server_only(store: Store) -> None:
    """The subject of an entry comes back by its name on both databases, which keep two kinds of values."""
    entries = TABLES["evidence_entries"]
    with store.transaction("test") as tx:
        values: dict[str, Any] = {"agency": "G22", "leaf_hash": b"x", "stored": b"x"}
        rows = [{**values, "subject": "outgoing", "subject_id": 7}, {**values, "subject": None, "subject_id": None}]
        tx.connection.execute(insert(entries), rows)
        found = tx.connection.execute(select(entries.c.subject).where(entries.c.subject == "outgoing"))
        assert found.scalars().all() == ["outgoing"]
        kept = tx.connection.execute(text("SELECT subject FROM evidence_entries ORDER BY id")).scalars().all()
    assert kept == (["outgoing", None] if store.find_database_file() is not None else [3, None])


@pytest.mark.parametrize("text_of", ["0" * 64, "ab" * 32, "AB" * 32, "", "none", "x" * 31, "x" * 30, "é" * 15 + "x"])
def test_a_digest_comes_back(text_of: str) -> None:
    """Whatever is in its place; what is one takes half the bytes on a server, and stays as it is on SQLite."""
    server, file = SERVER, FILE
    kept = HexDigest().process_bind_param(text_of, server)
    assert HexDigest().process_result_value(kept, server) == text_of
    assert (len(kept or b"") == 32) is (text_of == text_of.lower() and len(text_of) == 64)
    assert HexDigest().process_bind_param(text_of, file) == text_of
    assert HexDigest().process_result_value(text_of, file) == text_of
    assert HexDigest().process_bind_param(None, server) is None
    assert HexDigest().process_result_value(None, server) is None


def test_a_time_without_an_offset_is_refused(store: Store) -> None:
    """It would come back as another one."""
    with pytest.raises(ValueError, match="without an offset"):
        MicrosecondTime().process_bind_param(datetime(2026, 1, 1), store._engine.dialect)


def test_damage_is_named(store: Store) -> None:
    """A number of no name, and a time beyond any calendar (faults, row 23)."""
    dialect = store._engine.dialect
    with pytest.raises(StoreError, match="damaged"):
        NumberedName("a").process_result_value(2, dialect)
    with pytest.raises(StoreError, match="damaged"):
        MicrosecondTime().process_result_value(10**30, dialect)
    with pytest.raises(StoreError, match="damaged"):
        HexDigest().process_result_value(b"\xff", SERVER)
    assert NumberedName("a").process_result_value(None, dialect) is None
    assert ServerNumberedName("a").process_result_value(None, dialect) is None
    assert MicrosecondTime().process_result_value(None, dialect) is None


CAUSES = [words for machine in MACHINES for move in machine.transitions for words in (move.cause, move.cause_vi)]


@pytest.mark.parametrize("text", ["", "x", "Văn phòng Chính phủ", "a\0b", "x" * 5000, "𝄞", *CAUSES])
def test_a_text_comes_back(text: str) -> None:
    """Whatever it says, short, long or empty, and from the cache as well (issue, "does not eat the disk")."""
    for _ in range(2):
        assert unpack_text(pack_text(text)) == text


def test_what_repeats_takes_few_bytes() -> None:
    """Causes of moves are in the dictionary; a text that would grow stays as it is, behind a zero."""
    assert sum(len(pack_text(one)) for one in CAUSES) < len("".join(CAUSES).encode()) / 3
    assert pack_text("qZ7") == b"\x00qZ7"


@pytest.mark.parametrize("stored", [b"", b"\x00\xff", b"\x01\xff\xff", b"\x63abc"])
def test_a_damaged_text_is_an_error(stored: bytes) -> None:
    """Bytes that are none, no UTF-8, or of a dictionary of a newer version (faults, row 23)."""
    with pytest.raises(StoreError, match="damaged"):
        unpack_text(stored)


def test_a_text_of_before_is_what_it_says() -> None:
    """On SQLite a column may hold a text as an earlier revision wrote it."""
    assert unpack_text("as it was") == "as it was"
    for dialect, kind in ((sqlite.dialect(), Text), (postgresql.dialect(), LargeBinary)):  # type: ignore[no-untyped-call]
        assert isinstance(PackedText().load_dialect_impl(dialect), kind)
