"""Leases: what is worked on is renewed, and nothing else (faults, rows 7 and 24), on either database."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import Receipt
from edoc_connector.errors import StoreError
from edoc_connector.hubs import MessageType
from edoc_connector.store import DeliveryState, OutgoingState, ReceiptState
from edoc_connector.store.deliveries import Deliveries
from edoc_connector.store.outgoing import Outgoing
from edoc_connector.store.receipts import Receipts
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker.jobs import AgencyJobs

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Office

SHORT = {"lease": 1.0, "grace": 0.0, "backoff": 0.0}
PATIENCE = 60.0
DOCUMENT = sample_document()
ANSWER = sample_document(sender=DOCUMENT.recipients[0], recipients=(DOCUMENT.sender,))


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> dict[str, str]:
    """Section ``store`` of the settings, for either database."""
    return {} if request.param == "sqlite" else {"url": request.getfixturevalue("postgres_url")}


def away(*_: object, **__: object) -> None:
    """A store that does not take what it is given."""
    raise StoreError("the database was restarted.", vi="Cơ sở dữ liệu vừa khởi động lại.")


def soon(happened: Callable[[], bool]) -> None:
    """Wait for something."""
    until = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_row_24_a_delivery_whose_outcome_was_not_written(
    office: Office, hub: RunningHub, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease runs out, however busy the process is with other things; then the hub is asked (faults, row 24)."""
    office("G22").send(ANSWER)
    sender, other = office("H29.05", limits=SHORT), office("H29.05", limits=SHORT)
    held = next(sender.receive())
    with monkeypatch.context() as patch:
        patch.setattr(Deliveries, "mark_sent", away)
        fails(StoreError, lambda: sender.send(DOCUMENT), "restarted")
    assert sender.delivery(DOCUMENT.id).state is DeliveryState.SENDING
    soon(lambda: not other.flush().errors and other.delivery(DOCUMENT.id).state is DeliveryState.SENT)
    assert len(hub.packets()) == 2
    assert held.claimed


def test_row_24_answers_whose_outcome_was_not_written(
    office: Office, hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Likewise confirmations and statuses: they go again, or the hub is asked (faults, row 24)."""
    sender = office("H29.05")
    for number in ("1", "2"):
        sender.send(sample_document(number=number))
    receiver, other = office("G22", limits=SHORT), office("G22", limits=SHORT)
    coming: Any = receiver.receive()
    with monkeypatch.context() as patch:
        patch.setattr(Outgoing, "mark_sent", away)
        with next(coming):
            pass
        held = next(coming)
        coming.close()
        receiver.flush()

    def left() -> list[str]:
        with other.context.store.snapshot() as tx:
            return [one.state for one in tx.outgoing.find_all("G22") if one.state != OutgoingState.SENT]

    assert len(left()) == 2
    soon(lambda: not other.flush().errors and not left())
    assert held.claimed
    list(sender.receive())
    assert [one.recipients[0].status for one in sender.deliveries()] == [None, "01"]


def test_row_24_a_packet_whose_handling_was_not_written(
    office: Office, hub: RunningHub, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is offered again when the lease ran out, to another worker too (faults, row 24)."""
    sender = office("H29.05")
    for number in ("1", "2"):
        sender.send(sample_document(number=number))
    receiver, other = office("G22", limits=SHORT), office("G22", limits=SHORT)
    first = receiver.receive()
    second: list[Receipt] = []
    one = next(first)
    with monkeypatch.context() as patch:
        patch.setattr(Receipts, "move", away)
        fails(StoreError, lambda: one.__enter__().__exit__(None, None, None), "restarted")
    held = next(first)

    def receive_again() -> bool:
        if not second:
            second.extend(other.receive())
        return bool(second)

    soon(receive_again)
    assert [again.id for again in second] == [one.id]
    assert second[0].state is ReceiptState.HANDLING
    assert held.claimed


def test_a_poll_keeps_its_lease_while_the_hub_lists(
    office: Office, hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slow the hub is, no second worker asks it the same (faults, row 7)."""
    receiver = office("G22")
    units = AgencyJobs(receiver)
    units.recover()
    renewed: list[bool] = []
    real = receiver.inbox.poll_offers

    def lease_until() -> datetime:
        until = units.read_schedule()["poll"].lease_until
        assert until is not None
        return until

    def listed(asked: MessageType) -> tuple[list[int], list[int]]:
        before = lease_until()
        keeper = receiver.context.lease_keeper
        keeper._renew(list(keeper._hold_counts))
        renewed.append(lease_until() > before)
        return real(asked)

    monkeypatch.setattr(receiver.inbox, "poll_offers", listed)
    assert units.poll()
    assert renewed == [True, True]
    assert not receiver.context.lease_keeper._hold_counts
