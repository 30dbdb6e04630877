"""Answers of the VXP interface, given by hand."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.errors import (
    AuthenticationRejected,
    CallNotSupported,
    DuplicateDocument,
    EdocError,
    HubError,
    HubUnavailable,
    IntermediaryAnswer,
    OutcomeUnknown,
    PacketRefused,
    ProtocolError,
    StoreError,
    UnknownRecipient,
)
from edoc_connector.hubs import Agency, Fetched, Flow, MessageType, Outcome, SendResult, Vxp

OK = {"status": "OK", "ErrorCode": "0", "ErrorDesc": "OK"}
HTML = b"<!DOCTYPE html><html><body>Bad gateway</body></html>"

Answered = Callable[..., Any]


@pytest.fixture
def sending(vxp: Vxp, packet: Path) -> Flow[SendResult]:
    """Begin a send whose answer is still to come."""
    return vxp.send(packet, message_type=MessageType.EDOC, sender="H29")


def fail(code: Any, description: str = "no") -> dict[str, Any]:
    """Build a refusal."""
    return {"status": "FAIL", "ErrorCode": code, "ErrorDesc": description}


def test_sent(sending: Flow[SendResult], answered: Answered) -> None:
    """The hub's id of the packet is the result (VXP interface, send)."""
    assert answered(sending, {**OK, "DocId": "abc-1"}) == SendResult(doc_id="abc-1")


def test_doc_id_as_a_number(sending: Flow[SendResult], answered: Answered) -> None:
    """Hubs that number their packets are understood: the id is the number's text."""
    assert answered(sending, {**OK, "DocId": 12}) == SendResult(doc_id="12")


@pytest.mark.parametrize("doc_id", [None, 1.5, ["a"], {"a": 1}, "", "a\nb", " a", "x" * 257, True, "absent", "null"])
def test_unusable_doc_id(doc_id: Any, sending: Flow[SendResult], answered: Answered) -> None:
    """A DocId that is missing, a list or no id is not bound to the packet (faults, row 13)."""
    with pytest.raises(ProtocolError, match="DocId"):
        answered(sending, OK if doc_id == "absent" else {**OK, "DocId": doc_id})


@pytest.mark.parametrize("body", [b"", b"  \r\n", b'{"status":"OK","Doc', b'{"status":"OK",}'])
def test_cut_off_answer_to_a_send(body: bytes, sending: Flow[SendResult], answered: Answered) -> None:
    """An empty or truncated answer to a send leaves the outcome unknown (faults, row 12)."""
    with pytest.raises(OutcomeUnknown, match="Ask the hub") as caught:
        answered(sending, body)
    assert "hỏi trục" in caught.value.vi


@pytest.mark.parametrize("body", [HTML, b"OK", b"[]", b'"OK"', b"\xff\xfe", b"{}", b'{"status":"fine"}'])
def test_other_answers_to_a_send(body: bytes, sending: Flow[SendResult], answered: Answered) -> None:
    """A page or other JSON with status 200 is a protocol error, neither sent nor refused (faults, row 11)."""
    with pytest.raises(ProtocolError, match="sendEdoc"):
        answered(sending, body)


@pytest.mark.parametrize("body", [b"", HTML, b'{"status":"OK","da', b'{"status":"OK","ErrorCode":"0"}'])
def test_no_news_is_never_concluded(body: bytes, vxp: Vxp, answered: Answered) -> None:
    """A list answer without data is an error and never an empty list (VXP interface, calls)."""
    with pytest.raises(ProtocolError):
        answered(vxp.list_waiting(), body)


@pytest.mark.parametrize("data", [None, []])
def test_nothing_waits(data: Any, vxp: Vxp, answered: Answered) -> None:
    """An empty list is an empty list (VXP interface, list)."""
    assert answered(vxp.list_waiting(), {**OK, "data": data}) == ()


@pytest.mark.parametrize("data", [{}, "x", [1], 0])
def test_data_of_another_kind(data: Any, vxp: Vxp, answered: Answered) -> None:
    """Data that is no list of objects is a protocol error (VXP interface, list)."""
    with pytest.raises(ProtocolError, match="no list of objects"):
        answered(vxp.list_waiting(), {**OK, "data": data})


@pytest.mark.parametrize("extra", [{"status": "FAIL"}, {"ErrorCode": "99"}, {"ErrorCode": 99, "ErrorDesc": None}])
def test_fail_or_code_is_an_error(extra: dict[str, Any], vxp: Vxp, answered: Answered) -> None:
    """FAIL, or a code that is not zero, is an error although the HTTP status is 200 (VXP interface, calls)."""
    with pytest.raises(HubError) as caught:
        answered(vxp.agencies(), {**OK, "data": [], **extra})
    assert not caught.value.retryable


def test_list(vxp: Vxp, answered: Answered) -> None:
    """Rows become typed; times are UTC, or None beside the text of unknown ones (VXP interface, list)."""
    row = {
        "docId": "d-1", "serviceType": "eDoc", "messageType": "status", "created_time": "2026-11-22 10:00:01.5",
        "updated_time": "hôm qua", "from": "G22", "to": "H29", "status": "initial", "status_desc": None, "other": [1],
    }  # fmt: skip
    (waiting,) = answered(vxp.list_waiting(MessageType.STATUS), {**OK, "data": [row]})
    assert (waiting.doc_id, waiting.message_type, waiting.sender) == ("d-1", MessageType.STATUS, "G22")
    assert waiting.created_at == datetime(2026, 11, 22, 3, 0, 1, 500_000, tzinfo=UTC)
    assert (waiting.created_text, waiting.updated_at) == ("2026-11-22 10:00:01.5", None)
    assert (waiting.updated_text, waiting.status_desc) == ("hôm qua", "")


def test_bad_row_does_not_hold_up_the_others(vxp: Vxp, answered: Answered, caplog: pytest.LogCaptureFixture) -> None:
    """A row that cannot be fetched is logged and left out, the others proceed (faults, row 21)."""
    rows = [{"docId": "../../etc"}, {"docId": None}, {"docId": 7, "messageType": "?"}]
    with caplog.at_level(logging.WARNING, "edoc_connector"):
        found = answered(vxp.list_waiting(), {**OK, "data": rows})
    assert [w.doc_id for w in found] == ["../../etc", "7"]
    assert "1 of 3 rows" in caplog.text
    assert found[1].message_type is MessageType.EDOC
    with pytest.raises(ProtocolError, match="docId"):
        answered(vxp.list_waiting(), {**OK, "data": [{"docId": ""}]})


def test_sent_state(vxp: Vxp, answered: Answered) -> None:
    """One typed row per receiver (VXP interface, state of what we sent)."""
    row = {
        "senderDocId": "s", "receiverDocId": "r", "fromCode": "H29", "toCode": "G22", "title": "V/v", "notation": "7/A",
        "sentTime": 1_795_312_800_000, "receivedTime": "", "sendStatus": "done", "receiveStatus": "initial",
    }  # fmt: skip
    (state,) = answered(vxp.sent_state(), {**OK, "data": [row]})
    assert (state.sender_doc_id, state.recipient, state.notation) == ("s", "G22", "7/A")
    assert state.sent_at == datetime.fromtimestamp(1_795_312_800, UTC)
    assert (state.received_at, state.receive_status) == (None, "initial")


def test_directory(vxp: Vxp, answered: Answered, caplog: pytest.LogCaptureFixture) -> None:
    """Entries carry both codes; one without a code is left out and counted (VXP interface, directory)."""
    rows = [{"id": 5, "pid": 1, "code": "H29", "name": "Hà Nội", "mail": None, "oldCode": "000.00.00.H29"}, {"id": 6}]
    found = answered(vxp.agencies(), {**OK, "data": rows})
    assert found == (Agency(code="H29", name="Hà Nội", id="5", parent_id="1", other_code="000.00.00.H29"),)
    assert "1 of 2 entries" in caplog.text
    (qd20,) = answered(vxp.agencies_qd20(2), {**OK, "data": [{"code": "H29.05", "code102": "000.01.05.H29"}]})
    assert qd20 == Agency(code="H29.05", other_code="000.01.05.H29")


def test_directory_changes(vxp: Vxp, answered: Answered) -> None:
    """Changes tell what was removed, and when (VXP interface, directory changes)."""
    row = {"code": "H29", "deleted": "1", "isAgency": False, "modifyDate": "22/11/2026 10:00:00", "version": 3}
    (change,) = answered(vxp.agency_changes(), {**OK, "data": [row]})
    assert (change.deleted, change.is_agency, change.version) == (True, False, "3")
    assert change.modified_at == datetime(2026, 11, 22, 3, tzinfo=UTC)


def test_register_and_delete(vxp: Vxp, answered: Answered) -> None:
    """Both return nothing, and both are unknown after an answer without a yes or no (VXP interface, calls)."""
    assert answered(vxp.register_agency(code="H29.01", name="Văn phòng", parent_code="H29"), OK) is None
    assert answered(vxp.delete_agency("H29.01"), OK) is None
    with pytest.raises(OutcomeUnknown):
        answered(vxp.delete_agency("H29.01"), status=502)


@pytest.mark.parametrize("value", [4, "4"])
def test_counts(value: Any, vxp: Vxp, answered: Answered) -> None:
    """Counts are numbers however they are written (VXP interface, counts)."""
    assert answered(vxp.count_received_edoc(), {**OK, "count": value}) == 4
    assert answered(vxp.count_received_status(), {**OK, "count": value}) == 4


@pytest.mark.parametrize("value", [None, "four", -1, True, "4" * 20, "٤"])
def test_count_that_is_none(value: Any, vxp: Vxp, answered: Answered) -> None:
    """A count that is no number is a protocol error (VXP interface, counts)."""
    with pytest.raises(ProtocolError, match="count"):
        answered(vxp.count_received_edoc(), {**OK, "count": value})


def test_confirm(vxp: Vxp, answered: Answered) -> None:
    """A confirmation that the hub had already is a success (faults, row 18)."""
    assert answered(vxp.confirm("d"), OK) is None
    assert answered(vxp.confirm("d"), fail("99", "Status already done")) is None
    assert answered(vxp.confirm("d"), fail("99", "Status already done"), status=409) is None
    with pytest.raises(HubError, match="no packet with this docId"):
        answered(vxp.confirm("d", Outcome.FAIL), fail("26"))


@pytest.mark.parametrize("fetch_with", ["downloadEdoc", "getEdoc"])
def test_fetch(fetch_with: Any, vxp: Vxp, answered: Answered, tmp_path: Path) -> None:
    """Both calls put the same bytes in place, and leave nothing else behind (VXP interface, fetch)."""
    to = tmp_path / "in" / "p.edxml"
    to.parent.mkdir()
    content = b"<edXML>\r\n</edXML>"
    encoded = {**OK, "data": base64.encodebytes(content).decode()}
    flow = replace(vxp, fetch_with=fetch_with).fetch("d-1", to)
    assert answered(flow, content if fetch_with == "downloadEdoc" else encoded) == Fetched(
        doc_id="d-1", path=to, size=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    assert to.read_bytes() == content
    assert list(to.parent.iterdir()) == [to]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (HTML, "HTML"),
        (b"<?xml version='1.0'?>\n<!-- x --><HTML lang='vi'>", "HTML"),
        (b"\xef\xbb\xbf<!DOCTYPE html><html>", "HTML"),
        (b"<head><title>502 Bad Gateway</title></head>", "HTML"),
        (b"\r\n<body>", "HTML"),
        (b'\xef\xbb\xbf {"status":"OK","ErrorCode":"0"}', "JSON and not a packet"),
        (b'{"status":"FAIL","ErrorCode":"26","ErrorDesc":"?"}', "no packet with this docId"),
    ],
)
def test_download_of_something_else(body: bytes, said: str, vxp: Vxp, answered: Answered, tmp_path: Path) -> None:
    """An answer in a packet's place is an error, and nothing is at the target (faults, rows 11, 14 and 15)."""
    with pytest.raises(HubError, match=said):
        answered(vxp.fetch("d", tmp_path / "p"), body)
    assert list(tmp_path.iterdir()) == []


def test_partial_content(vxp: Vxp, answered: Answered, tmp_path: Path) -> None:
    """Half a packet, announced as such, is not stored as a whole one (faults, row 15)."""
    with pytest.raises(ProtocolError):
        answered(vxp.fetch("d", tmp_path / "p"), b"<edXML", status=206)
    assert list(tmp_path.iterdir()) == []


def test_poison_is_kept(vxp: Vxp, answered: Answered, tmp_path: Path) -> None:
    """Bytes that are no XML are stored all the same: judging packets comes later (faults, row 21)."""
    answered(vxp.fetch("d", tmp_path / "p"), b'1212<?xml version="1.0"?>')
    assert (tmp_path / "p").read_bytes().startswith(b"1212")


@pytest.mark.parametrize("data", [None, "", "a", "@@@@", "YQ==YQ==", ["YQ=="]])
def test_base64_that_is_none(data: Any, vxp: Vxp, answered: Answered, tmp_path: Path) -> None:
    """A packet that does not decode strictly is not stored (faults, row 15)."""
    with pytest.raises(ProtocolError, match="getEdoc"):
        answered(vxp.get_edoc("d", tmp_path / "p"), {**OK, "data": data})
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_gone(vxp: Vxp, answered: Answered, tmp_path: Path) -> None:
    """A disk that does not take the packet is an error to the caller (faults, row 23)."""
    encoded = {**OK, "data": base64.b64encode(b"x").decode()}
    with pytest.raises(StoreError, match="cannot be written"):
        answered(vxp.get_edoc("d", tmp_path / "gone" / "p"), encoded)


@pytest.mark.parametrize(
    ("status", "body", "sends", "reads"),
    [
        (401, b"", AuthenticationRejected, AuthenticationRejected),
        (403, HTML, AuthenticationRejected, AuthenticationRejected),
        (400, fail("99", "bad"), PacketRefused, HubError),
        (400, fail("", "bad"), PacketRefused, HubError),
        (400, {"status": "fail", "errorCode": "77", "errorDesc": "bad"}, PacketRefused, HubError),
        (404, fail("99", "no such unit"), PacketRefused, HubError),
        (400, OK, ProtocolError, ProtocolError),
        (429, fail("99", "slower"), HubUnavailable, HubUnavailable),
        (401, fail("99", "who?"), AuthenticationRejected, AuthenticationRejected),
        (422, fail("99", "x"), PacketRefused, HubError),
        (413, HTML, PacketRefused, HubError),
        (400, fail("18"), UnknownRecipient, UnknownRecipient),
        (302, b"", IntermediaryAnswer, IntermediaryAnswer),
        (404, HTML, CallNotSupported, CallNotSupported),
        (100, b"", ProtocolError, ProtocolError),
        (429, b"", HubUnavailable, HubUnavailable),
        (503, b"", HubUnavailable, HubUnavailable),
        (503, fail("20"), HubUnavailable, HubUnavailable),
        (500, b"", OutcomeUnknown, HubUnavailable),
        (500, b"[]", OutcomeUnknown, HubUnavailable),
        (500, fail("20"), OutcomeUnknown, HubUnavailable),
        (500, fail("15"), AuthenticationRejected, AuthenticationRejected),
        (500, OK, OutcomeUnknown, HubUnavailable),
        (504, HTML, OutcomeUnknown, HubUnavailable),
        (599, HTML, OutcomeUnknown, HubUnavailable),
        (408, b"", OutcomeUnknown, HubUnavailable),
    ],
)
def test_http_status(
    status: int,
    body: Any,
    sends: type[EdocError],
    reads: type[EdocError],
    vxp: Vxp,
    sending: Flow[SendResult],
    answered: Answered,
) -> None:
    """Each HTTP status has its error; a 5xx to a send leaves the outcome unknown (faults, rows 5, 8, 9 and 10)."""
    with pytest.raises(sends) as sent:
        answered(sending, body, status=status)
    with pytest.raises(reads) as read:
        answered(vxp.list_waiting(), body, status=status)
    assert (type(sent.value), type(read.value)) == (sends, reads)


@pytest.mark.parametrize("status", [400, 402, 406, 407, 409, 410, 411, 412, 414, 415, 416, 417, 418, 421, 423, 424])
@pytest.mark.parametrize("body", [b"", b"Bad Request", HTML, b'{"message":"no"}', b"[]", {"status": 400, "error": "x"}])
def test_13_2_row_26_whose_no_is_final(
    status: int, body: Any, vxp: Vxp, sending: Flow[SendResult], answered: Answered, tmp_path: Path
) -> None:
    """A 4xx that is not in the hub's own form refuses no packet and no confirmation (faults, row 26)."""
    flows = (sending, vxp.confirm("d"), vxp.list_waiting(), vxp.fetch("d", tmp_path / "p"))
    for flow in flows:
        with pytest.raises(IntermediaryAnswer, match=f"HTTP {status}") as caught:
            answered(flow, body, status=status, headers={"content-type": "text/html"})
        assert "text/html" in caught.value.vi


@pytest.mark.parametrize("status", [426, 428, 431, 444, 449, 451, 460, 463, 494, 495, 496, 497, 498, 499])
def test_13_2_row_26_whose_no_is_final_of_proxies_own(status: int, vxp: Vxp, answered: Answered) -> None:
    """What nginx, load balancers and filters make up for themselves is no verdict either (faults, row 26)."""
    for body in (b"", HTML, b"{}"):
        with pytest.raises(IntermediaryAnswer, match=f"HTTP {status}"):
            answered(vxp.confirm("d"), body, status=status)


def test_exist_doc_whatever_its_code(sending: Flow[SendResult], answered: Answered) -> None:
    """ExistDoc in the description says duplicate even beside another code (VXP interface, settling)."""
    with pytest.raises(DuplicateDocument):
        answered(sending, fail("21", "Error: ExistDoc 000.00.00.H29,2026/11/20,1/A"))


def test_refused_download(vxp: Vxp, answered: Answered, tmp_path: Path) -> None:
    """A download that the hub refuses by HTTP status has the error of that status or code (faults, rows 8 and 14)."""
    with pytest.raises(HubUnavailable):
        answered(vxp.fetch("d", tmp_path / "p"), HTML, status=503)
    with pytest.raises(HubError, match="no packet with this docId"):
        answered(vxp.fetch("d", tmp_path / "p"), fail("26"), status=400)
    assert list(tmp_path.iterdir()) == []


def test_a_doc_id_that_no_header_carries(vxp: Vxp, answered: Answered, caplog: pytest.LogCaptureFixture) -> None:
    """A row that could be neither fetched nor confirmed is logged and left out, alone too (faults, row 21)."""
    with caplog.at_level(logging.WARNING, "edoc_connector"):
        assert [w.doc_id for w in answered(vxp.list_waiting(), {**OK, "data": [{"docId": "bad;1"}, {"docId": 2}]})] == [
            "2"
        ]
        assert answered(vxp.list_waiting(), {**OK, "data": [{"docId": "Đ"}]}) == ()
    assert "1 of 2 rows" in caplog.text
    assert "1 of 1 rows" in caplog.text


def test_a_list_where_a_text_belongs_costs_no_other_row(vxp: Vxp, answered: Answered) -> None:
    """Recipients as a real array are kept as JSON text; nothing odd in one row holds up the others (faults, row 21)."""
    rows = [{"docId": 1, "to": ["H29", "G22"]}, {"docId": 2, "to": '["H29"]'}]
    rows.append({"docId": 3, "from": {"a": 1}, "created_time": [1], "messageType": ["edoc"]})
    found = answered(vxp.list_waiting(), {**OK, "data": rows})
    assert [w.recipient for w in found] == ['["H29","G22"]', '["H29"]', ""]
    assert (found[2].sender, found[2].created_at, found[2].created_text) == ('{"a":1}', None, "[1]")


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (500, fail("20", "org.hibernate: Session/EntityManager is already closed"), HubUnavailable),
        (500, fail("99", "Status already done"), HubUnavailable),
        (200, fail("20", "already done"), HubUnavailable),
        (200, fail("15", "hash already expired"), AuthenticationRejected),
        (200, fail("99", "The connection was already closed"), HubError),
    ],
)
def test_what_is_no_confirmation(
    status: int, answer: dict[str, Any], error: type[HubError], vxp: Vxp, answered: Answered
) -> None:
    """Words of a failure or a lock-out do not settle a confirmation, only that it was made before (faults, row 18)."""
    with pytest.raises(error):
        answered(vxp.confirm("d"), answer, status=status)


@pytest.mark.parametrize(
    "words", ["Already confirmed", "the packet has already been received", "is ALREADY  processed"]
)
def test_words_of_a_confirmation_made_before(words: str, vxp: Vxp, answered: Answered) -> None:
    """The words of a hub that it knew already are understood (faults, row 18)."""
    assert answered(vxp.confirm("d"), fail("99", words)) is None


@pytest.mark.parametrize("words", ["ResponseFor: NotExistDoc", "not ExistDoc"])
def test_what_is_no_duplicate(words: str, sending: Flow[SendResult], answered: Answered) -> None:
    """A document that the hub misses is no duplicate: the code beside the words counts (VXP interface, settling)."""
    with pytest.raises(PacketRefused):
        answered(sending, fail("22", words))
