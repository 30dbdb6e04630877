"""A damaged database is found by its own check, and is a StoreError wherever it is read."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from edoc_connector.errors import StoreError
from edoc_connector.store import NewDelivery, PacketRetention, Store, find_damage

New = Callable[..., NewDelivery]
AGENCY = "H29.05"


def check(store: Store, *, deep: bool) -> list[str]:
    with store.snapshot() as tx:
        return find_damage(tx.connection, deep=deep)


@pytest.mark.parametrize("deep", [False, True])
def test_a_sound_database(store: Store, new_delivery: New, deep: bool) -> None:
    """Nothing is reported."""
    with store.transaction("test") as tx:
        tx.deliveries.add(new_delivery())
    assert check(store, deep=deep) == []


@pytest.fixture
def file(store: Store, url: str, new_delivery: New) -> Path:
    """A closed file of SQLite with a few deliveries."""
    if not url.startswith("sqlite"):
        pytest.skip("bytes of a server's files are its own")
    for number in range(40):
        with store.transaction("test") as tx:
            tx.deliveries.add(new_delivery(document_id=str(number)))
    store.close()
    return Path(url.removeprefix("sqlite:///"))


def test_row_35_a_damaged_index(file: Path, tmp_path: Path) -> None:
    """SQLite's check says what is wrong (faults, row 35)."""
    with closing(sqlite3.connect(file)) as database:
        (size,) = database.execute("PRAGMA page_size").fetchone()
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'ix_deliveries_agency_code'"
        (page,) = database.execute(query).fetchone()
    content = bytearray(file.read_bytes())
    content[page * size - 40 : page * size] = b"X" * 40  # within the entries, which fill a page from its end
    file.write_bytes(content)
    with Store.open(f"sqlite:///{file}", spool=tmp_path / "spool") as store:
        assert any("ix_deliveries_agency_code" in line for line in check(store, deep=True))


def test_row_35_a_value_that_nobody_wrote(file: Path, tmp_path: Path) -> None:
    """A time, a day or a text that cannot be read is a StoreError (faults, row 35)."""
    for column, value in (("created_at", "yesterday"), ("issued_on", 7), ("updated_at", "2026-13-40 00:00:00.000000")):
        with closing(sqlite3.connect(file)) as database, database:
            (before,) = database.execute(f"SELECT {column} FROM deliveries WHERE id = 1").fetchone()
            database.execute(f"UPDATE deliveries SET {column} = ? WHERE id = 1", (value,))
        with Store.open(f"sqlite:///{file}", spool=tmp_path / "spool") as store:
            with pytest.raises(StoreError, match="damaged"), store.snapshot() as tx:
                tx.deliveries.find_by_document_id(AGENCY, "0")
            with pytest.raises(StoreError, match="damaged"), store.snapshot() as tx:
                tx.deliveries.find_all(AGENCY)
        with closing(sqlite3.connect(file)) as database, database:
            database.execute(f"UPDATE deliveries SET {column} = ? WHERE id = 1", (before,))


def test_row_35_texts_that_are_no_utf_8(file: Path, tmp_path: Path) -> None:
    """Bytes that are no text are a StoreError (faults, row 35)."""
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE deliveries SET subject = CAST(x'ff80fe' AS TEXT)")
    with Store.open(f"sqlite:///{file}", spool=tmp_path / "spool") as store:
        with pytest.raises(StoreError), store.snapshot() as tx:
            tx.deliveries.find_by_document_id(AGENCY, "0")
        with pytest.raises(StoreError), store.transaction("test") as tx:
            tx.deliveries.find_all(AGENCY)


@pytest.mark.parametrize("seed", range(24))
def test_row_35_bytes_that_changed(file: Path, tmp_path: Path, seed: int) -> None:
    """Whatever of the file is changed: what is read is right, or a StoreError says that it cannot be (row 35)."""
    draw = random.Random(seed)
    content = bytearray(file.read_bytes())
    for _ in range(draw.choice([1, 20, 400])):
        content[draw.randrange(len(content))] = draw.randrange(256)
    if seed % 3 == 2:
        content = content[: draw.randrange(len(content))]
    file.write_bytes(content)
    try:
        with Store.open(f"sqlite:///{file}", spool=tmp_path / "spool") as store:
            with store.snapshot() as tx:
                tx.deliveries.find_all(AGENCY)
                PacketRetention(tx).list_rows(AGENCY)
                find_damage(tx.connection, deep=True)
            store.require_same(AGENCY)
    except StoreError:
        return  # the one kind of error that there may be


def test_row_35_the_schema_says_what_is_no_text(file: Path, tmp_path: Path) -> None:
    """SQLite names in its error what it found, and that may be no UTF-8 (faults, row 35)."""
    content = file.read_bytes().replace(b"CREATE TABLE deliveries", b"CREATE \xab\xff\xfeBLE deliveries")
    file.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        Store.open(f"sqlite:///{file}", spool=tmp_path / "spool")
