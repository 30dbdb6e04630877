"""The lists of a connector: pages with cursors, walks in constant memory, and no query per row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from sqlalchemy import Connection

from edoc_connector import AsyncConnector
from edoc_connector.connector import Connector, DeliveryState, ReceiptState, lists
from edoc_connector.edxml.message.organ_id import Directory
from edoc_connector.errors import InvalidQuery
from edoc_connector.store import DirectoryEntry
from edoc_connector.store._sql import hear_statements
from edoc_connector.testing import sample_document

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office, SettingsOf

FIVE = range(5)


@pytest.fixture
def exchanged(office: Office, handle: Handle) -> tuple[Connector, Connector, list[str]]:
    """A sender and a receiver of five documents, and their ids, newest first."""
    sender, receiver = office("H29.05"), office("G22")
    ids = [sender.send(sample_document(number=str(number))).id for number in FIVE]
    handle(receiver)
    return sender, receiver, ids[::-1]


def test_a_page_says_that_there_is_more(exchanged: tuple[Connector, Connector, list[str]]) -> None:
    """Nothing is cut silently: `next` leads on, and is None at the end (14.11, lists)."""
    sender, receiver, ids = exchanged
    for load in (sender.deliveries, receiver.receipts):
        first = load(limit=2)
        second = load(limit=2, after=first.next)
        third = load(limit=2, after=second.next)
        assert [one.id for one in (*first, *second, *third)] == ids
        assert (len(first), third.next) == (2, None)
        assert repr(first.next) in repr(first)


def test_a_page_has_a_hundred_where_nobody_says(office: Office) -> None:
    """The default is bounded however much there is (14.11, limits by default)."""
    sender = office("H29.05")
    with sender.context.store.transaction() as tx:
        entries = [DirectoryEntry(code=f"H{number:04}", name="x") for number in range(1, 1102)]
        tx.directory.replace_agencies("H29.05", entries)
    page = sender.directory()
    assert (len(page), page.next is None) == (100, False)
    assert [one.code for one in sender.iter_directory()] == [f"H{number:04}" for number in range(1, 1102)]
    with pytest.raises(InvalidQuery, match="iter_directory"):
        Directory(page)
    assert "H1101" in Directory(sender.iter_directory())


def test_walks_have_everything(
    exchanged: tuple[Connector, Connector, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The iterators go through pages, and take the filters (14.11, lists)."""
    monkeypatch.setattr(lists, "MAX_LIMIT", 2)
    sender, receiver, ids = exchanged
    assert [one.id for one in sender.iter_deliveries(state=DeliveryState.SENT)] == ids
    assert [one.id for one in receiver.iter_receipts(state=ReceiptState.CONFIRMED, sender="H29.05")] == ids
    assert list(sender.iter_deliveries(recipient="H30.99")) == []
    (found,) = sender.deliveries(number="3")
    assert found.code.startswith("3/")


def test_a_page_costs_the_same_number_of_queries_whatever_is_on_it(
    exchanged: tuple[Connector, Connector, list[str]],
) -> None:
    """What a row needs is fetched for the page as a whole (14.11: 100,000 rows took 42 s)."""
    for connector in exchanged[:2]:
        heard: list[str] = []

        def hear(_: Connection, __: object, statement: str, *___: Any, heard: list[str] = heard) -> None:
            heard.append(statement)

        hear_statements(connector.context.store._engine, hear)
        load = connector.deliveries if connector is exchanged[0] else connector.receipts
        counts = []
        for limit in (2, 5):
            heard.clear()
            assert len(load(limit=limit)) == limit
            counts.append(len(heard))
        assert counts[0] == counts[1] <= 5


def test_asynchronous_twins(
    exchanged: tuple[Connector, Connector, list[str]], settings: SettingsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages and walks are the same with `AsyncConnector` (14.11, lists)."""
    monkeypatch.setattr("edoc_connector.connector.async_connector.MAX_LIMIT", 2)
    ids = exchanged[2]

    async def look() -> None:
        async with AsyncConnector.open(settings("H29.05")) as sender:
            page = await sender.deliveries(limit=3)
            assert [one.id for one in page] == ids[:3]
            assert [one.id for one in await sender.deliveries(limit=3, after=page.next)] == ids[3:]
            assert [one.id async for one in sender.iter_deliveries()] == ids
            assert [one async for one in sender.iter_directory()] == []
        async with AsyncConnector.open(settings("G22")) as receiver:
            receipts = await receiver.receipts(limit=4)
            assert ([one.id for one in receipts], receipts.next is None) == (ids[:4], False)
            assert [one.id async for one in receiver.iter_receipts()] == ids

    anyio.run(look)
