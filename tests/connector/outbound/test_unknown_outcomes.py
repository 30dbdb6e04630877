"""Unknown outcomes back off and step aside; what proves one settles it without a person (faults, row 32)."""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.client import HubClient
from edoc_connector.connector import Connector
from edoc_connector.connector._retry import Undecided
from edoc_connector.errors import HubError, HubUnavailable, OutcomeUnknown
from edoc_connector.mockhub import Fault
from edoc_connector.store import STATUS, DeliveryState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import Worker

if TYPE_CHECKING:
    from tests.connector.conftest import Ahead, Fails, Handle, Office, SettingsOf

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

ID = sample_document().id
LIMITS = {"grace": 0.0, "backoff": 10.0, "backoff_cap": 3600.0}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions about all that we sent, and the packets sent, in order."""
    made: list[str] = []
    for name in ("sent_state", "send"):
        real = getattr(HubClient, name)

        def noting(self: HubClient, *args: Any, _name: str = name, _real: Any = real, **kwargs: Any) -> object:
            if kwargs.get("since") is None:
                made.append(_name)
            return _real(self, *args, **kwargs)

        monkeypatch.setattr(HubClient, name, noting)
    return made


def wait_until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _refuse_list(hub: RunningHub) -> None:
    hub.hub.config = replace(hub.hub.config, recent_sent=False)


def _make_undecided(sender: Connector, hub: RunningHub, fails: Fails, number: int = 1) -> list[str]:
    """Documents whose answers were lost, at a hub that does not tell what it has."""
    _refuse_list(hub)
    documents = [sample_document(number=str(index)) for index in range(1, number + 1)]
    for document in documents:
        hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
        fails(OutcomeUnknown, partial(sender.send, document))
    return [document.id for document in documents]


def test_row_32_each_question_waits_longer(
    office: Office, hub: RunningHub, fails: Fails, ahead: Ahead, calls: list[str]
) -> None:
    """A hub that does not tell is asked ever more seldom, up to the cap: attempts count (faults, row 32)."""
    sender = office("H29.05", limits=LIMITS)
    _make_undecided(sender, hub, fails)
    waits = []
    for _ in range(12):
        sender.outbox.flush(only_due=True)
        (delivery,) = sender.deliveries()
        now = sender.context.store.clock()
        assert delivery.next_attempt_at is not None
        waits.append(delivery.next_attempt_at - now)
        ahead(sender, waits[-1].total_seconds() + 1)
    asked = calls.count("sent_state")
    assert asked == len(waits)
    assert waits[0] <= timedelta(seconds=21)
    assert waits[-1] > timedelta(seconds=1700)
    assert sum(waits, timedelta()) > timedelta(hours=2)
    assert delivery.attempts == len(waits) + 1


def test_an_outcome_that_stays_open_leaves_no_circle(
    office: Office, hub: RunningHub, fails: Fails, ahead: Ahead
) -> None:
    """What was thought about it, the hub's list among it, is free with its error (soak, "memory levels off")."""
    sender = office("H29.05", limits=LIMITS)
    _make_undecided(sender, hub, fails)
    ahead(sender, 4000)
    gc.collect()
    gc.disable()
    logging.disable()  # what is logged holds errors as well, as long as pytest keeps it
    try:
        _, error = next(iter(sender.outbox.outboxes)).send_next_delivery()
        assert isinstance(error, Undecided)
        freed = weakref.ref(error)
        del error
        assert freed() is None
    finally:
        gc.enable()
        logging.disable(logging.NOTSET)
    assert [one.state for one in sender.deliveries()] == [DeliveryState.UNKNOWN]


@pytest.mark.parametrize("asks", ["found", "not found", "refused"])
def test_vxp_what_was_sent_is_asked_for_since_a_time_first(
    asks: str, office: Office, hub: RunningHub, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list since a time settles a send; where it does not, or is refused, the whole list does (VXP, settling)."""
    sender, document = office("H29.05", limits=LIMITS), sample_document()
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    fails(OutcomeUnknown, partial(sender.send, document))
    windows: list[datetime | None] = []
    real = HubClient.sent_state

    def asking(self: HubClient, *args: Any, **kwargs: Any) -> object:
        since: datetime | None = kwargs.get("since")
        windows.append(since)
        if since is not None and asks == "refused":
            raise HubError("no list since a time", vi="không có danh sách theo thời gian")
        return () if since is not None and asks == "not found" else real(self, *args, **kwargs)

    monkeypatch.setattr(HubClient, "sent_state", asking)
    sender.flush()
    assert sender.delivery(document.id).state is DeliveryState.SENT
    (delivery,) = sender.deliveries()
    assert windows[0] is not None
    assert timedelta(hours=23) < delivery.created_at - windows[0] < timedelta(hours=25)
    assert windows[1:] == ([] if asks == "found" else [None])


def test_vxp_a_list_since_a_time_that_is_cut_off_is_no_answer(
    office: Office, hub: RunningHub, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub that fails is not asked for more at once: the outcome stays unknown (faults, row 32)."""
    sender, document = office("H29.05", limits=LIMITS), sample_document()
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    fails(OutcomeUnknown, partial(sender.send, document))
    asked: list[object] = []

    def failing(_: HubClient, *args: Any, **kwargs: Any) -> object:
        asked.append((args, kwargs))
        raise HubUnavailable("busy", vi="bận")

    monkeypatch.setattr(HubClient, "sent_state", failing)
    sender.flush()
    assert sender.delivery(document.id).state is DeliveryState.UNKNOWN
    assert len(asked) == 1


def test_row_32_a_days_questions_about_many(
    office: Office, hub: RunningHub, fails: Fails, ahead: Ahead, calls: list[str]
) -> None:
    """What nobody can tell costs a question or two an hour in the long run (faults, row 32)."""
    sender = office("H29.05", limits=LIMITS)
    _make_undecided(sender, hub, fails, 4)
    for _ in range(14 * 4):
        ahead(sender, 3601.0)
        sender.outbox.flush(only_due=True)
    before = calls.count("sent_state")
    for _ in range(12):
        ahead(sender, 300.0)
        sender.outbox.flush(only_due=True)
    assert calls.count("sent_state") - before <= 2 * 4


def test_row_32_what_waits_goes_before_old_questions(
    office: Office, hub: RunningHub, fails: Fails, calls: list[str]
) -> None:
    """A document that is stored last is sent before the hub is asked about those before it (faults, row 32)."""
    sender = office("H29.05")
    _make_undecided(sender, hub, fails, 3)
    hub.faults.add(Fault(kind="error", path="/sendEdoc", status=503))
    with pytest.raises(Exception, match="busy"):
        sender.send(sample_document(number="77"))
    calls.clear()
    sender.flush()
    assert calls == ["send", "sent_state", "sent_state", "sent_state"]


def test_row_32_statuses_go_before_old_questions(
    office: Office, hub: RunningHub, handle: Handle, calls: list[str]
) -> None:
    """Undecided statuses about five documents; one about a sixth leaves before the hub is asked (faults, row 32)."""
    sender, receiver = office("H29.05"), office("G22")
    for number in range(1, 7):
        sender.send(sample_document(number=str(number)))
    receipts = handle(receiver)
    _refuse_list(hub)
    for receipt in receipts[:5]:
        hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
        receipt.accept()
    hub.faults.add(Fault(kind="error", path="/sendEdoc", status=503))
    receipts[5].accept()
    calls.clear()
    receiver.flush()
    assert calls[0] == "send"
    assert set(calls[1:]) == {"sent_state"}


def test_row_32_one_thread_asks_at_a_time(
    settings: SettingsOf, office: Office, hub: RunningHub, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub that lets questions wait holds one thread of a worker, and the others send (faults, row 32)."""
    sender = office("H29.05")
    _make_undecided(sender, hub, fails, 8)
    asked, may_answer = threading.Semaphore(0), threading.Event()
    asking: list[int] = []
    real = HubClient.sent_state

    def slow(self: HubClient, *args: Any, **kwargs: Any) -> object:
        asking.append(1)
        asked.release()
        may_answer.wait(20)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(HubClient, "sent_state", slow)
    hub.faults.add(Fault(kind="error", path="/sendEdoc", status=503))
    document = sample_document(number="77")
    fails(HubUnavailable, lambda: sender.send(document))
    with Worker([settings("H29.05", worker={"concurrency": 3, "idle": 0.05})]) as worker:
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            assert asked.acquire(timeout=10)
            wait_until(lambda: sender.delivery(document.id).state is DeliveryState.SENT)
            assert len(asking) == 1
        finally:
            may_answer.set()
            worker.stop()
            thread.join()


def test_row_32_a_call_asks_one_old_question_at_most(
    office: Office, hub: RunningHub, fails: Fails, calls: list[str]
) -> None:
    """Who sends a document does not wait for questions about all the others that tell nothing (faults, row 32)."""
    sender = office("H29.05")
    _make_undecided(sender, hub, fails, 5)
    calls.clear()
    assert sender.send(sample_document(number="77")).state is DeliveryState.SENT
    assert calls.count("sent_state") <= 1


@pytest.fixture
def undecided(office: Office, hub: RunningHub, fails: Fails, handle: Handle) -> Connector:
    """A sender that does not know whether its document arrived, and a receiver that reported 01."""
    sender, receiver = office("H29.05"), office("G22")
    _make_undecided(sender, hub, fails)
    fails(OutcomeUnknown, lambda: sender.send(sample_document(number="1")), "settle")
    handle(receiver)
    receiver.flush()
    return sender


def test_row_32_a_recipients_status_settles(undecided: Connector, handle: Handle) -> None:
    """01 of a recipient proves that the hub has the document: no person is asked (faults, row 32)."""
    (delivery,) = undecided.deliveries()
    assert delivery.state is DeliveryState.UNKNOWN
    handle(undecided)
    (delivery,) = undecided.deliveries()
    assert delivery.state is DeliveryState.SENT
    assert undecided.reconcile().undecided == ()
    story = undecided.explain(delivery.id)
    assert "G22 reported 01: it came there, so the hub has it" in story.text()
    assert "G22 đã báo 01: văn bản đã đến nơi nhận nên trục đã có" in story.text(vi=True)


def test_row_32_what_was_reported_on_is_not_sent_again(undecided: Connector, handle: Handle, calls: list[str]) -> None:
    """A person said that it did not arrive, and 01 comes before it is sent again: it is not (faults, row 32)."""
    (delivery,) = undecided.deliveries()
    undecided.settle(delivery.id, arrived=False)
    calls.clear()
    handle(undecided)
    undecided.flush()
    assert undecided.delivery(delivery.id).state is DeliveryState.SENT
    assert calls.count("send") == 0


def test_row_32_copies_that_are_all_ours_settle(
    office: Office, hub: RunningHub, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document that is at the hub twice, since it was slow to list the first: both are ours (faults, row 32)."""
    sender = office("H29.05")
    document = sample_document()
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    fails(OutcomeUnknown, lambda: sender.send(document))
    real = HubClient.sent_state

    def twice(self: HubClient, *args: Any, **kwargs: Any) -> object:
        rows: Any = real(self, *args, **kwargs)
        return (*rows, *(replace(row, sender_doc_id="second", receiver_doc_id="copy") for row in rows))

    monkeypatch.setattr(HubClient, "sent_state", twice)
    assert sender.send(document).state is DeliveryState.SENT
    assert sender.reconcile().undecided == ()


def test_row_32_an_answer_settles_a_request(office: Office, hub: RunningHub, handle: Handle) -> None:
    """The recipient's 15 proves that the 13 was at the hub, though its answer was lost (faults, row 32)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    handle(receiver)
    handle(sender)
    _refuse_list(hub)
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    sender.take_back(ID, reason="Sai số")
    sender.flush()
    with sender.context.store.snapshot() as tx:
        assert [row.state for row in tx.outgoing.find_all("H29.05", kind=STATUS)] == ["unknown"]
    for receipt in receiver.receive():
        with receipt:
            receipt.agree_change()
    receiver.flush()
    handle(sender)
    with sender.context.store.snapshot() as tx:
        assert [row.state for row in tx.outgoing.find_all("H29.05", kind=STATUS)] == ["sent"]
