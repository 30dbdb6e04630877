"""What a worker does, one step after the other, without threads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

from edoc_connector.connector import Authority, Delivery, Handlers, Receipt
from edoc_connector.edxml import StatusMessage
from edoc_connector.mockhub import Fault
from edoc_connector.store import HUB_BREAKER, DeliveryState, ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker.jobs import AgencyJobs, Job

if TYPE_CHECKING:
    from tests.worker.conftest import Office, SettingsOf, WorkerOf

POLL_NOW = {"worker": {"poll": 0.001, "idle": 0.05, "tries": 3}}


def _send(office: Office, hub: RunningHub, number: str = "7816") -> str:
    """Store a document while the hub cannot be reached: only a worker sends it."""
    hub.stop()
    connector = office("H29.05")
    document = sample_document(number=number)
    with pytest.raises(Exception, match=r"."):
        connector.send(document)
    hub.start()
    return document.id


def test_a_document_goes_all_the_way(office: Office, worker: WorkerOf, hub: RunningHub) -> None:
    """Workers on both sides send, poll, handle, confirm and report; each handler is called once (issue, "Worker")."""
    got, told = [], []
    theirs, ours = Handlers(), Handlers()

    @theirs.on_receipt
    def register(receipt: Receipt) -> None:
        got.append(receipt.id)
        receipt.accept()

    @ours.on_status
    def note(delivery: Delivery, status: StatusMessage) -> None:
        told.append((delivery.id, str(status.code)))

    document_id = _send(office, hub)
    sender, receiver = worker("H29.05", ours, **POLL_NOW), worker("G22", theirs, **POLL_NOW)
    for _ in range(3):
        sender.run_once(rounds=10)
        receiver.run_once(rounds=10)
    sender.run_once(rounds=10)
    assert got == [document_id]
    assert told == [(document_id, "01"), (document_id, "03")]
    assert office("G22").receipt(document_id).state is ReceiptState.CONFIRMED
    assert office("H29.05").delivery(document_id).recipient("G22").out_of_order == 0


def test_a_handler_is_told_who_vouches_and_nothing_of_what_does_not_count(
    office: Office, worker: WorkerOf, hub: RunningHub
) -> None:
    """A third argument is the authority; a forged status is not told (issue, "what handlers get")."""
    handlers = Handlers()
    told: list[tuple[str, Authority | None]] = []
    plain: list[str] = []

    @handlers.on_status
    async def note(delivery: Delivery, status: StatusMessage, authority: Authority | None) -> None:
        told.append((str(status.code), authority))

    handlers.on_status(lambda delivery, status: plain.append(str(status.code)))
    office("H29.05").send(sample_document())
    with next(iter(office("G22").receive())) as receipt:
        receipt.accept()
    packet = hub.packets()[-1].path.read_bytes()
    hub.offer(packet.replace(b">03<", b">06<"), sender="H30", to="H29.05", message_type="status")
    sender = worker("H29.05", handlers, **POLL_NOW)
    for _ in range(4):
        sender.run_once(rounds=10)
    assert told == [("01", Authority.HUB_ANNOUNCED), ("03", Authority.HUB_ANNOUNCED)]
    assert plain == ["01", "03"]
    handlers.close()


def test_a_handler_that_fails_is_called_again_later(office: Office, worker: WorkerOf, hub: RunningHub) -> None:
    """The packet waits with a back-off, the traceback is kept, and success clears the error (issue, "DMS handlers")."""
    handlers = Handlers()
    calls = []

    @handlers.on_receipt
    def register(receipt: Receipt) -> None:
        calls.append(receipt.id)
        if len(calls) == 1:
            raise ValueError("the DMS is full")

    document_id = office("H29.05").send(sample_document()).id
    receiver = worker("G22", handlers, limits={"backoff": 600.0}, **POLL_NOW)
    receiver.run_once(rounds=10)
    waiting = office("G22").receipt(document_id)
    assert (waiting.state, len(calls)) == (ReceiptState.WAITING, 1)
    assert "the DMS is full" in str(waiting.error)
    assert 'raise ValueError("the DMS is full")' in str(waiting.traceback)
    receiver.run_once(rounds=3)
    assert len(calls) == 1
    make_due(office("G22").settings.store_url())
    receiver.run_once(rounds=3)
    receipt = office("G22").receipt(document_id)
    assert receipt.error is None
    assert receipt.state in (ReceiptState.HANDLED, ReceiptState.CONFIRMED)


def make_due(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE receipts SET next_attempt_at = created_at"))
    engine.dispose()


def test_a_poison_packet_is_set_aside_and_the_rest_goes_on(office: Office, worker: WorkerOf, hub: RunningHub) -> None:
    """After N tries it is quarantined, the hub is told nothing, and recheck offers it again (issue, "Worker")."""
    handlers = Handlers()
    handled = []

    @handlers.on_receipt
    def register(receipt: Receipt) -> None:
        if receipt.code.startswith("13/"):
            raise RuntimeError("never")
        handled.append(receipt.code)

    connector = office("H29.05")
    for number in ("12", "13", "14"):
        connector.send(sample_document(number=number))
    receiver = worker("G22", handlers, **POLL_NOW)
    for _ in range(5):
        receiver.run_once(rounds=10)
    assert sorted(handled) == ["12/SNV-VP", "14/SNV-VP"]
    (poison,) = office("G22").receipts(state=ReceiptState.QUARANTINED)
    assert poison.code == "13/SNV-VP"
    assert "RuntimeError: never" in str(poison.traceback)
    assert office("G22").recheck(poison.hub_doc_id).state is ReceiptState.WAITING


def test_a_handler_that_ends_the_process_is_counted(
    office: Office, worker: WorkerOf, hub: RunningHub, settings: SettingsOf
) -> None:
    """A packet on which the worker dies again and again is set aside too (issue, "a poison packet")."""
    handlers = Handlers()

    @handlers.on_receipt
    def register(receipt: Receipt) -> None:
        raise SystemExit

    document_id = office("H29.05").send(sample_document()).id
    for _ in range(4):
        receiver = worker("G22", handlers, **POLL_NOW)
        try:
            receiver.run_once(rounds=10)
        except SystemExit:
            AgencyJobs(receiver.connectors[0]).release()
    assert office("G22").receipts()[0].id == document_id
    assert office("G22").receipts()[0].state is ReceiptState.QUARANTINED


def test_a_status_handler_that_fails(office: Office, worker: WorkerOf, hub: RunningHub) -> None:
    """The next status about the same document waits for it; after N tries it is given up, and said so (issue)."""
    handlers = Handlers()
    told = []

    @handlers.on_status
    def note(delivery: Delivery, status: StatusMessage) -> None:
        told.append(str(status.code))
        if status.code == "01":
            raise ValueError("not yet")

    office("H29.05").send(sample_document())
    with next(iter(office("G22").receive())) as receipt:
        receipt.accept()
    sender = worker("H29.05", handlers, **POLL_NOW)
    for _ in range(6):
        sender.run_once(rounds=10)
    assert told == ["01", "01", "01", "03"]


def test_a_status_that_was_pruned_before_it_was_told(
    office: Office, worker: WorkerOf, hub: RunningHub, caplog: pytest.LogCaptureFixture
) -> None:
    """No handler is blamed for it, and it is not tried again and again ("prune")."""
    handlers = Handlers()
    told = []

    @handlers.on_status
    def note(delivery: Delivery, status: StatusMessage) -> None:
        told.append(str(status.code))

    connector = office("H29.05")
    connector.send(sample_document())
    with next(iter(office("G22").receive())):
        pass
    assert list(connector.receive()) == []
    assert connector.prune(timedelta(0), dry_run=False).packets
    sender = worker("H29.05", handlers, **POLL_NOW)
    for _ in range(3):
        sender.run_once(rounds=10)
    assert told == []
    assert "the application failed" not in caplog.text
    assert caplog.text.count("the application was not told of the status") == 1


def test_row_08_retry_after_is_obeyed_and_outlives_a_restart(office: Office, worker: WorkerOf, hub: RunningHub) -> None:
    """503 with Retry-After: a new worker does not ask before its time, and no message is lost (faults, row 8)."""
    document_id = _send(office, hub)
    hub.faults.add(Fault(kind="error", status=503, retry_after="600", path="/sendEdoc", count=None))
    for _ in range(2):
        sender = worker("H29.05", **POLL_NOW)
        sender.run_once(rounds=10)
        gate = sender.agency_jobs[0].read_schedule()[HUB_BREAKER]
        assert gate.failures == 1
        assert gate.next_at - gate.updated_at >= timedelta(seconds=590)
    assert office("H29.05").delivery(document_id).attempts == 2  # by the first worker, and by `_send`


def test_row_10_a_hub_that_refuses_us_pauses_everything_and_works_again(
    office: Office, worker: WorkerOf, hub: RunningHub
) -> None:
    """The queue is kept and goes out once the hub takes us again (faults, row 10)."""
    document_id = _send(office, hub)
    hub.faults.add(Fault(kind="error", status=401, path="/sendEdoc", count=1))
    sender = worker("H29.05", **POLL_NOW)
    sender.run_once(rounds=10)
    for _ in range(3):
        sender.run_once(rounds=10)
    assert office("H29.05").delivery(document_id).state is DeliveryState.SENT
    assert sender.agency_jobs[0].read_schedule()[HUB_BREAKER].failures == 0


def test_the_time_of_the_next_poll_is_in_the_database(worker: WorkerOf, hub: RunningHub) -> None:
    """A restart does not poll at once, and a poll that failed backs off (issue, "kept in the database")."""
    first = worker("G22", worker={"poll": 600.0})
    first.run_once(rounds=10)
    due = first.agency_jobs[0].read_schedule()[Job.POLL].next_at
    second = worker("G22", worker={"poll": 600.0})
    second.agency_jobs[0].recover()
    assert not second.agency_jobs[0].poll()
    assert second.agency_jobs[0].read_schedule()[Job.POLL].next_at == due


def test_working_once_polls_now(office: Office, worker: WorkerOf, hub: RunningHub) -> None:
    """`run_once` asks the hub whenever the next poll is due, and tells whether it answered."""
    receiver = worker("G22", worker={"poll": 600.0})
    assert receiver.run_once(rounds=10) == {"G22": True}
    document_id = office("H29.05").send(sample_document()).id
    assert receiver.run_once(rounds=10) == {"G22": True}
    assert office("G22").receipt(document_id).state is ReceiptState.WAITING
    hub.faults.add(Fault(kind="error", status=503, count=None))
    assert receiver.run_once(rounds=10) == {"G22": False}
    hub.faults.clear()
    assert receiver.run_once(rounds=10) == {"G22": True}
    assert receiver.agency_jobs[0].find_open_until() is None


def test_working_once_beside_another_worker(worker: WorkerOf, hub: RunningHub) -> None:
    """What another worker is at is left to it, also where the poll is not due."""
    first, second = worker("G22", worker={"poll": 600.0}), worker("G22", worker={"poll": 600.0})
    first.run_once(rounds=10)
    asked_at = first.agency_jobs[0].read_schedule()[Job.POLL].succeeded_at
    with first.agency_jobs[0].store.transaction() as tx:
        assert tx.schedule.claim_job(first.connectors[0].context.lease, "G22", Job.POLL, only_due=False)
    assert second.run_once(rounds=10) == {"G22": True}  # as the last poll went
    assert second.agency_jobs[0].read_schedule()[Job.POLL].succeeded_at == asked_at


def test_a_poll_that_fails_backs_off(worker: WorkerOf, hub: RunningHub) -> None:
    """The hub's trouble is noted at the job (faults, row 8)."""
    hub.faults.add(Fault(kind="error", status=500, count=None))
    one = worker("G22", limits={"backoff": 600.0})
    one.run_once(rounds=10)
    job = one.agency_jobs[0].read_schedule()[Job.POLL]
    assert (job.failures, job.error_code) == (1, "500")
    assert not one.agency_jobs[0].poll()


def test_a_download_that_always_fails_is_set_aside(office: Office, worker: WorkerOf, hub: RunningHub) -> None:
    """The others come in meanwhile (issue, "one packet of garbage in front of 100 good ones")."""
    connector = office("H29.05")
    for number in ("1", "2"):
        connector.send(sample_document(number=number))
    receiver = worker("G22", **POLL_NOW)
    units = receiver.agency_jobs[0]
    units.recover()
    assert units.poll()
    hub.faults.add(Fault(kind="html", path="/getEdoc", count=3))
    for _ in range(8):
        units.fetch()
    states = sorted(receipt.state for receipt in office("G22").receipts())
    assert states[-1] == ReceiptState.WAITING
    assert ReceiptState.LISTED not in states


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_row_25_the_end_of_our_certificate_is_warned_of(worker: WorkerOf, caplog: pytest.LogCaptureFixture) -> None:
    """Before it ends a warning, afterwards an error (faults, row 25)."""
    early = worker("H29.05", worker={"certificate_days": 100_000})
    early.agency_jobs[0].recover()
    assert early.agency_jobs[0].watch()
    assert "our certificate ends in" in caplog.text
    assert not early.agency_jobs[0].watch()
    late = worker("G22")
    late.agency_jobs[0].recover()
    late.connectors[0].context.store.clock = lambda: datetime(2200, 1, 1, tzinfo=UTC)
    assert late.agency_jobs[0].watch()
    assert "our certificate ended on" in caplog.text


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_row_25_a_key_that_cannot_be_loaded(worker: WorkerOf, caplog: pytest.LogCaptureFixture) -> None:
    """The watch says so and looks again later (faults, row 25)."""
    one = worker("H29.05", signing={"key": "pem:missing.pem"}, limits={"backoff": 600.0})
    one.agency_jobs[0].recover()
    assert one.agency_jobs[0].watch()
    job = one.agency_jobs[0].read_schedule()[Job.WATCH]
    assert job.failures == 1
    assert "missing.pem" in str(job.error_text)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_row_22_a_clock_that_is_off_is_told_of(worker: WorkerOf, caplog: pytest.LogCaptureFixture) -> None:
    """Where the hub's time had to be learnt, the watch says that ours is wrong (faults, row 22)."""
    one = worker("H29.05")
    one.agency_jobs[0].recover()
    one.connectors[0].context.hub.time.offset = timedelta(minutes=10)
    assert one.agency_jobs[0].watch()
    assert "clock is -600 seconds from the hub's" in caplog.text
