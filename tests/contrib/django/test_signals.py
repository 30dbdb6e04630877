"""Signals tell the application what came, in a transaction, and its exceptions leave it waiting (point 3)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import ModuleType
from typing import Any

from django.db import connection
from django.dispatch import Signal
from django.test import override_settings

from edoc_connector.config import Settings
from edoc_connector.contrib.django import (
    change_requested,
    delivery_expired,
    document_received,
    get_connector,
    status_received,
)
from edoc_connector.store import ReceiptState
from edoc_connector.testing import MockOffice, sample_document

Work = Callable[[], None]


@contextmanager
def listening(signal: Signal, handle: Callable[..., None] | None = None) -> Iterator[list[dict[str, Any]]]:
    """Connect a receiver that notes what it is told, and then does more."""
    told: list[dict[str, Any]] = []

    def receive(**values: Any) -> None:
        told.append(values)
        if handle is not None:
            handle(**values)

    signal.connect(receive)
    try:
        yield told
    finally:
        signal.disconnect(receive)


def test_an_exception_leaves_the_document_waiting_and_its_rows_unwritten(
    dms: ModuleType, g22: MockOffice, work: Work, edoc_settings: Callable[..., Settings]
) -> None:
    """A receiver that fails rolls back what the others wrote; the next time it goes well, there is one row."""
    document_id = g22.send(subject="Kế hoạch")

    def fail(**_: Any) -> None:
        raise ValueError("no room in the register")

    patient = override_settings(EDOC=edoc_settings("H29.05", limits={"backoff": 0.5}))
    with patient, listening(document_received, fail) as told:
        work()
    assert [one["receipt"].id for one in told][:1] == [document_id]
    assert dms.Incoming.objects.count() == 0
    (waiting,) = get_connector().receipts()
    assert waiting.state is ReceiptState.WAITING
    assert "no room in the register" in (waiting.traceback or "")
    assert g22.list_statuses(document_id) == []
    time.sleep(1.0)  # its back-off
    work()
    assert [row.subject for row in dms.Incoming.objects.all()] == ["Kế hoạch"]
    assert dms.IncomingFile.objects.count() == 1
    assert g22.list_statuses(document_id) == ["01"]


def test_a_document_told_twice_is_one_row(dms: ModuleType, g22: MockOffice) -> None:
    """`take_in` looks for the DocumentId of that sender first: a worker may die between two commits."""
    g22.send()
    for receipt in get_connector().receive():
        rows = [dms.Incoming.take_in(receipt) for _ in range(2)]
    assert [is_new for _, is_new in rows] == [True, False]
    assert rows[0][0].pk == rows[1][0].pk


def test_a_recall_is_a_change_and_no_document(dms: ModuleType, g22: MockOffice, work: Work) -> None:
    """`change_requested` is sent for what its sender wants back; nothing is answered by itself."""
    document_id = g22.send()
    with listening(change_requested) as asked, listening(document_received) as came:
        work()
        g22.recall(document_id)
        work()
    assert [one["receipt"].kind for one in asked] == ["recall"]
    assert [one["receipt"].kind for one in came] == ["new"]
    assert dms.Incoming.objects.get().receipt.change_requested
    assert g22.list_statuses(document_id) == ["01", "01"]


def test_a_status_is_told_with_its_delivery(dms: ModuleType, g22: MockOffice, work: Work) -> None:
    """`status_received` has the delivery and the status; an exception has it told again."""
    delivery = get_connector().send(sample_document())
    g22.reject(delivery.id, "Sai thẩm quyền")
    failures = [ValueError("not now")]

    def fail_once(**_: Any) -> None:
        if failures:
            raise failures.pop()

    with listening(status_received, fail_once) as told:
        work()
        work()
    assert {one["delivery"].id for one in told} == {delivery.id}
    assert [str(one["status"].code) for one in told] == ["01", "01", "02"]


def test_a_deadline_that_ran_out_is_told(dms: ModuleType, g22: MockOffice, work: Work) -> None:
    """`delivery_expired` has the delivery, by the poll after its deadline."""
    connector = get_connector()
    delivery = connector.queue(sample_document(), deadline=timedelta(milliseconds=200))
    time.sleep(0.3)
    with listening(delivery_expired) as told:
        work()
    assert [one["delivery"].id for one in told] == [delivery.id]


def test_connections_of_the_workers_threads_are_closed(dms: ModuleType, g22: MockOffice, work: Work) -> None:
    """Around each receiver old connections are closed, as around a request: none outlives CONN_MAX_AGE = 0."""
    g22.send()
    seen = []
    connection.ensure_connection()
    before = connection.connection
    with listening(document_received, lambda **_: seen.append(connection.connection)):
        work()
    assert seen[0] is not None
    assert seen[0] is not before
    assert connection.connection is None
