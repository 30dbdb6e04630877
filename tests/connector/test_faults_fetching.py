"""What stands in front of a hub, odd answers to a download, and docIds that fail for ever (faults, rows 26 to 33)."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import Connector, Receipt
from edoc_connector.errors import HubError, IntermediaryAnswer, OutcomeUnknown, PacketError, TransportError
from edoc_connector.mockhub import Fault
from edoc_connector.store import DeliveryState, ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import HubPacket, RunningHub
from edoc_connector.worker.jobs import AgencyJobs

if TYPE_CHECKING:
    from tests.connector.conftest import Ahead, Fails, Handle, Office

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

GRACE = 600.0  # seconds; longer than a test takes
PAGE = "<html><head><title>Cache Access Denied</title></head></html>"
CODE_20 = '{"status":"FAIL","ErrorCode":"20","ErrorDesc":"system error"}'

# Status, type and body of answers that are not the hub's.
IN_BETWEEN = [
    (400, "text/html", PAGE),
    (402, "application/json", '{"error":"quota"}'),
    (406, "text/plain", "no"),
    (407, "text/html", PAGE),
    (409, "", ""),
    (411, "text/html", PAGE),
    (415, "application/json", '{"code":"900902","message":"no token"}'),
    (421, "text/html", PAGE),
    (426, "", ""),
    (431, "text/html", PAGE),
    (451, "text/html", PAGE),
    (495, "text/html", PAGE),
    (496, "text/html", PAGE),
    (499, "", ""),
    (302, "text/html", PAGE),
]


def answer(status: int, body: str, media_type: str = "text/html", **changes: object) -> Fault:
    """Plan an answer that is not the hub's, for every call but the list, until it is removed."""
    values: dict[str, object] = {"path": "/downloadEdoc", "count": None} | changes
    return Fault(kind="answer", status=status, body=body, media_type=media_type, **values)  # type: ignore[arg-type]


def receive_quietly(connector: Connector) -> list[Receipt]:
    """Handle what comes in; what the hub says of other packets is no matter of theirs."""
    handled: list[Receipt] = []
    try:
        for receipt in connector.receive():
            with receipt:
                handled.append(receipt)
    except (HubError, TransportError):
        pass
    return handled


def states(packets: Sequence[HubPacket]) -> list[str]:
    """Where packets stand at the hub, in order."""
    return [receipt.state for packet in packets for receipt in packet.receipts]


def test_13_2_row_26_whose_no_is_final_for_documents(office: Office, hub: RunningHub, fails: Fails) -> None:
    """A document waits while something in front of the hub says no, and `explain` names it (faults, row 26)."""
    sender = office("H29.05")
    for number, (status, media_type, body) in enumerate(IN_BETWEEN):
        document = sample_document(number=str(number))
        fault = hub.faults.add(answer(status, body, media_type, path="/sendEdoc"))
        fails(IntermediaryAnswer, lambda document=document: sender.send(document), f"HTTP {status}")  # type: ignore[misc]
        story = sender.explain(document.id)
        assert sender.delivery(document.id).state is DeliveryState.READY
        for words in (story.next[0], story.next_vi[0]):
            assert f"HTTP {status}" + (f", {media_type}" if media_type else "") in words
            assert ("Cache Access Denied" in words) is (body == PAGE)
        hub.faults.remove(fault)
    sender.flush()
    assert {delivery.state for delivery in sender.deliveries()} == {DeliveryState.SENT}
    assert len(hub.packets()) == len(IN_BETWEEN)


def test_13_2_row_26_whose_no_is_final_for_answers_of_ours(office: Office, hub: RunningHub, handle: Handle) -> None:
    """Confirmations and statuses wait as well: one expired proxy password loses none of them (faults, row 26)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    for status, media_type, body in IN_BETWEEN[3:6]:
        for path in ("/updateStatus", "/sendEdoc"):
            hub.faults.add(answer(status, body, media_type, path=path))
    (receipt,) = handle(receiver)
    for _ in range(3):
        assert receiver.flush().errors
    assert any("HTTP 407, text/html" in words for words in receiver.explain(receipt.id).next)
    hub.faults.clear()
    receiver.flush()
    assert receiver.receipt(receipt.id).state is ReceiptState.CONFIRMED
    assert [packet.packet.status for packet in hub.packets()] == ["", "01"]


def test_13_2_row_26_whose_no_is_final_for_questions(office: Office, hub: RunningHub, fails: Fails) -> None:
    """A proxy that refuses the question after a lost answer leaves it open, and no person is asked (faults, row 26)."""
    sender, document = office("H29.05"), sample_document()
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    fails(OutcomeUnknown, lambda: sender.send(document))
    hub.faults.add(answer(407, PAGE, path="/getSentEdocList"))
    assert [type(error) for error in sender.flush().errors] == [IntermediaryAnswer]
    assert sender.delivery(document.id).state is DeliveryState.UNKNOWN
    assert not any("person" in step for step in sender.explain(document.id).next)
    hub.faults.clear()
    sender.flush()
    assert sender.delivery(document.id).state is DeliveryState.SENT
    assert len(hub.packets()) == 1


def test_13_2_row_26_whose_no_is_final_the_hubs_own(office: Office, hub: RunningHub, fails: Fails) -> None:
    """An answer in the hub's own form is its verdict, whatever the HTTP status (faults, row 9)."""
    sender = office("H29.05")
    own = '{"status":"FAIL","ErrorCode":"77","ErrorDesc":"mẫu cũ"}'.encode().decode("latin-1")
    for number, (status, media_type, body) in enumerate(
        [(400, "application/json", own), (404, "text/plain", own), (413, "text/html", PAGE), (422, "", "")]
    ):
        document = sample_document(number=str(number))
        fault = hub.faults.add(answer(status, body, media_type, path="/sendEdoc"))
        fails(HubError, lambda document=document: sender.send(document))  # type: ignore[misc]
        assert sender.delivery(document.id).state is DeliveryState.FAILED
        hub.faults.remove(fault)


GHOSTS = [
    (404, PAGE),
    (405, ""),
    (500, ""),
    (501, PAGE),
    (403, PAGE),
    (200, CODE_20),
    (503, ""),
    (401, ""),
    (407, PAGE),
]


@pytest.fixture
def haunted(office: Office, hub: RunningHub) -> Callable[[int, int], list[str]]:
    """Offers G22 packets that cannot be had, and good ones behind them; gives the docIds of the former."""

    def make(ghosts: int, good: int) -> list[str]:
        found = []
        for number in range(ghosts):
            doc_id = hub.offer(b"?", sender="H30", to="G22", doc_id=f"ghost-{number}")
            status, body = GHOSTS[number % len(GHOSTS)]
            hub.faults.add(answer(status, body, doc_id=doc_id))
            found.append(doc_id)
        sender = office("H29.05")
        for number in range(good):
            sender.send(sample_document(number=str(number)))
        return found

    return make


def test_14_2_row_27_one_doc_id_never_closes_the_hub(
    office: Office, hub: RunningHub, haunted: Callable[[int, int], list[str]], ahead: Ahead
) -> None:
    """A worker counts and backs off each such docId, takes all others, and never pauses (faults, row 27)."""
    ghosts = haunted(len(GHOSTS), 10)
    receiver = office("G22", worker={"tries": 3, "poll": 0.001}, limits={"backoff": 60.0, "backoff_cap": 600.0})
    jobs = AgencyJobs(receiver)
    jobs.recover()
    assert jobs.poll()
    for turn in range(4):
        while jobs.fetch():
            assert jobs.find_open_until() is None
        if turn == 0:
            assert len(receiver.receipts(state=ReceiptState.WAITING)) == 10
            (row, *_) = (one for one in receiver.receipts() if one.hub_doc_id == ghosts[0])
            assert "HTTP 404" in (row.error or "")
            assert not jobs.fetch()  # none of them is due: they back off by themselves
        ahead(receiver, 700)
    aside = receiver.receipts(state=ReceiptState.QUARANTINED)
    assert sorted(one.hub_doc_id for one in aside) == sorted(ghosts)
    assert set(states(hub.packets()[: len(ghosts)])) == {"initial"}
    next_steps = receiver.explain(ghosts[4]).next
    assert any("person" in step for step in next_steps)
    assert any("downloaded once more" in step and "HTTP 403" in step for step in next_steps)


def test_14_2_row_27_a_hundred_ghosts_in_front_of_a_hundred(
    office: Office, haunted: Callable[[int, int], list[str]]
) -> None:
    """All hundred good documents come in the first poll (faults, row 27)."""
    haunted(100, 100)
    receiver = office("G22")
    assert len(receive_quietly(receiver)) == 100
    assert len(receiver.receipts(state=ReceiptState.LISTED)) == 100


def test_14_2_row_27_one_confirmation_never_closes_the_hub(office: Office, hub: RunningHub, handle: Handle) -> None:
    """A confirmation that fails for ever is its docId's trouble too: statuses and others go on (faults, row 27)."""
    sender, receiver = office("H29.05"), office("G22", limits={"backoff": 60.0})
    for number, (status, body) in enumerate(GHOSTS):
        sender.send(sample_document(number=str(number)))
        hub.faults.add(answer(status, body, path="/updateStatus", doc_id=hub.packets()[-1].receipts[0].id))
    sender.send(sample_document(number="77"))
    assert len(handle(receiver)) == len(GHOSTS) + 1
    jobs = AgencyJobs(receiver)
    jobs.recover()
    while jobs.report():
        pass
    receiver.flush()
    assert jobs.find_open_until() is None
    assert [packet.packet.status for packet in hub.packets()].count("01") == len(GHOSTS) + 1
    documents = [packet for packet in hub.packets() if not packet.packet.status]
    assert states(documents).count("done") == 1


def test_14_2_row_27_the_connection_speaks_for_the_hub(office: Office, hub: RunningHub, handle: Handle) -> None:
    """Where the list does not come either, the hub is in trouble: work pauses, no try is counted (faults, row 8)."""
    office("H29.05").send(sample_document())
    office("H29.05").send(sample_document(number="2"))
    receiver = office("G22", limits={"backoff": 600.0})
    jobs = AgencyJobs(receiver)
    jobs.recover()
    assert jobs.poll()
    hub.faults.add(Fault(kind="error", status=503, count=None))
    assert jobs.fetch()
    assert jobs.find_open_until() is not None
    assert [receipt._row.attempts for receipt in receiver.receipts()] == [0, 0]


def test_14_2_row_27_statuses_wait_for_no_ghost(office: Office, hub: RunningHub, ahead: Ahead, handle: Handle) -> None:
    """What its sender offered before holds a status up for two tries, not for ever (faults, row 27)."""
    sender, receiver = office("H29.05", limits={"backoff": 60.0}), office("G22")
    ghost = hub.offer(b"?", sender="G22", to="H29.05")
    hub.faults.add(answer(500, "", doc_id=ghost))
    sender.send(sample_document())
    handle(receiver)
    jobs = AgencyJobs(sender)
    jobs.recover()
    assert jobs.poll()
    for _ in range(4):
        while jobs.fetch():
            pass
        ahead(sender, 3700)
    (delivery,) = sender.deliveries()
    assert delivery.recipient("G22").status == "01"


def test_14_2_row_27_a_duplicate_whose_first_doc_id_is_gone(office: Office, hub: RunningHub, handle: Handle) -> None:
    """A duplicate is told as one although the hub does not serve the first docId any more (faults, rows 19, 27)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    assert len(handle(receiver)) == 1
    first = hub.packets()[0]
    hub.faults.add(answer(404, PAGE, doc_id=first.receipts[0].id))
    hub.offer(first.path.read_bytes(), sender="H29.05", to="G22")
    sender.send(sample_document(number="2"))
    assert len(receive_quietly(receiver)) == 1
    for _ in range(6):
        receive_quietly(receiver)
    assert receiver.receipts(state=ReceiptState.DUPLICATE)
    documents = [packet for packet in hub.packets() if not packet.packet.status]
    assert states(documents) == ["done", "done", "done"]


def test_14_2_row_27_a_confirmed_packet_that_is_not_given(office: Office, hub: RunningHub, handle: Handle) -> None:
    """One that is offered after its confirmation, and not given, backs off, and others are taken (faults, row 27)."""
    sender, receiver = office("H29.05"), office("G22", limits={"backoff": 600.0})
    sender.send(sample_document())
    assert len(handle(receiver)) == 1
    packet = hub.packets()[0]
    hub.hub.storage.set_state(packet.receipts[0].id, "initial", packet.events[-1])
    fault = answer(403, PAGE, doc_id=packet.receipts[0].id)
    number = hub.faults.add(fault)
    sender.send(sample_document(number="2"))
    jobs = AgencyJobs(receiver)
    jobs.recover()
    assert jobs.poll()
    while jobs.fetch():
        pass
    assert jobs.find_open_until() is None
    assert len(receiver.receipts(state=ReceiptState.WAITING)) == 1
    hub.faults.remove(number)
    assert len(handle(receiver)) == 1
    assert states(hub.packets())[0] == "initial"  # it is compared when its time has come


ODD_BODIES = {
    "null": b"null",
    "list": b"[]",
    "array": b'[{"data":"PGVkWE1MLz4="}]',
    "object": b'{"message":"try later"}',
    "ok": b'{"status":"OK","ErrorCode":"0"}',
    "text": b"Service temporarily unavailable",
    "html": PAGE.encode(),
    "soap": b"<soap:Envelope xmlns:soap='http://schemas.xmlsoap.org/soap/envelope/'><soap:Body><soap:Fault/></soap:Body>"
    b"</soap:Envelope>",
    "xml": b"<?xml version='1.0'?><error>busy</error>",
    "nuls": bytes(2000),
    "gzip": gzip.compress(b"<edXML/>"),
    "number": b"0",
    "string": b'"PGVkWE1MLz4="',
    "empty": b"",
    "spaces": b"   \r\n",
    "base64": b"PGVkWE1MLz4=",
}


def odd_faults() -> Iterator[tuple[str, Fault]]:
    """Give one answer of each odd kind, with status 200, in place of a packet, or a part of one."""
    for name, body in ODD_BODIES.items():
        yield name, answer(200, body.decode("latin-1"), "application/octet-stream", count=1)
    for kind in ("half", "cut", "truncated"):
        yield kind, Fault(kind=kind, path="/downloadEdoc")


def test_14_3_row_28_fail_only_after_two_identical_downloads_one_odd_answer(office: Office, hub: RunningHub) -> None:
    """One odd 200 of any kind, or a part of a packet, loses nothing, and the hub is told nothing (faults, row 28)."""
    sender, receiver = office("H29.05"), office("G22")
    for number, (name, fault) in enumerate(odd_faults()):
        sender.send(sample_document(number=str(number)))
        hub.faults.add(fault)
        assert receive_quietly(receiver) == [], name
        assert states(hub.packets())[-1] == "initial", name
        (receipt,) = receive_quietly(receiver)
        assert (receipt.code, receipt.error) == (f"{number}/SNV-VP", None), name
        receiver.flush()
    assert {one.state for one in receiver.receipts()} == {ReceiptState.CONFIRMED}
    assert {receipt.state for packet in hub.packets() for receipt in packet.receipts if not packet.packet.status} == {
        "done"
    }
    assert receiver.fsck(deep=True) == []


def test_14_3_row_28_fail_only_after_two_identical_downloads_an_interval_apart(
    office: Office, hub: RunningHub, handle: Handle, ahead: Ahead
) -> None:
    """However often it is polled, the second look comes after `limits.grace`, and only then `fail` (faults, row 28)."""
    hub.offer(b"poison", sender="H29.05", to="G22")
    receiver = office("G22", limits={"grace": GRACE})
    for _ in range(3):
        assert handle(receiver) == []
        receiver.flush()
    (aside,) = receiver.receipts()
    assert (aside.state, states(hub.packets())) == (ReceiptState.QUARANTINED, ["initial"])
    story = receiver.explain(aside.hub_doc_id)
    assert any("downloaded once more" in step for step in story.next)
    assert any("tải lại" in step for step in story.next_vi)
    assert handle(ahead(receiver, GRACE + 1)) == []
    receiver.flush()
    assert states(hub.packets()) == ["fail"]
    assert [one.state for one in receiver.receipts()] == [ReceiptState.QUARANTINED]
    assert not any("downloaded once more" in step for step in receiver.explain(aside.hub_doc_id).next)


def test_14_3_row_28_fail_only_after_two_identical_downloads_other_bytes_each_time(
    office: Office, hub: RunningHub, handle: Handle
) -> None:
    """Nonsense that is another one each time is no packet of the sender's: the hub is told nothing (faults, row 28)."""
    office("H29.05").send(sample_document())
    receiver = office("G22")
    for number in range(4):
        hub.faults.add(answer(200, f"nonsense {number}", "text/plain", count=1))
        assert handle(receiver) == []
        receiver.flush()
        assert states(hub.packets()) == ["initial"]
    assert len(handle(receiver)) == 1


def test_14_3_row_28_recheck_asks_the_hub_again(office: Office, hub: RunningHub, fails: Fails, handle: Handle) -> None:
    """What was odd and is whole at the hub now comes in by `recheck`, without waiting (faults, row 28)."""
    office("H29.05").send(sample_document())
    receiver = office("G22", limits={"grace": GRACE})
    number = hub.faults.add(answer(200, "nonsense", "text/plain"))
    assert handle(receiver) == []
    (aside,) = receiver.receipts()
    fails(PacketError, lambda: receiver.recheck(aside.hub_doc_id))  # the hub gives the same still
    hub.faults.remove(number)
    ghost = hub.faults.add(answer(404, PAGE))
    fails(PacketError, lambda: receiver.recheck(aside.hub_doc_id))
    hub.faults.remove(ghost)
    assert receiver.recheck(aside.hub_doc_id).state is ReceiptState.WAITING
    assert len(handle(receiver)) == 1
    assert receiver.fsck(deep=True) == []


@pytest.mark.parametrize("fetch_with", ["downloadEdoc", "getEdoc"])
@pytest.mark.parametrize("kind", ["half", "cut"])
def test_13_3_row_28_a_cut_download_is_a_transport_fault(
    office: Office, hub: RunningHub, kind: str, fetch_with: str, ahead: Ahead
) -> None:
    """A body cut without a length, or with too small a one, is fetched again before anything is told (faults, 28)."""
    office("H29.05").send(sample_document())
    receiver = office("G22", limits={"grace": GRACE}, hub={"fetch_with": fetch_with})
    hub.faults.add(Fault(kind=kind, path=f"/{fetch_with}"))
    assert receive_quietly(receiver) == []
    receiver.flush()
    assert states(hub.packets()) == ["initial"]
    assert len(receive_quietly(ahead(receiver, GRACE + 1))) == 1
    receiver.flush()
    assert states(hub.packets())[:1] == ["done"]


@pytest.mark.parametrize("set_aside", [False, True], ids=["backing off", "set aside"])
def test_13_4_row_33_fetching_is_retried_on_its_own(
    office: Office, hub: RunningHub, set_aside: bool, ahead: Ahead, handle: Handle
) -> None:
    """What was seen is fetched by its id, although the hub's list has moved on (faults, row 33)."""
    office("H29.05").send(sample_document())
    receiver = office("G22", worker={"tries": 2, "poll": 0.001}, limits={"backoff": 1.0, "backoff_cap": 600.0})
    fault = hub.faults.add(answer(500, ""))
    for _ in range(4 if set_aside else 1):
        receive_quietly(receiver)
        ahead(receiver, 10)
    (receipt,) = receiver.receipts()
    assert receipt.state is (ReceiptState.QUARANTINED if set_aside else ReceiptState.LISTED)
    packet = hub.packets()[0]
    hub.hub.storage.set_state(packet.receipts[0].id, "done", packet.events[-1])
    hub.faults.remove(fault)
    assert receiver.context.hub.list_waiting() == ()
    ahead(receiver, 700)
    assert len(handle(receiver)) == 1
