"""The answers of a provincial eDoc hub, and the errors that they mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.errors import (
    AuthenticationRejected,
    DuplicateDocument,
    EdocError,
    HubError,
    HubUnavailable,
    IntermediaryAnswer,
    OutcomeUnknown,
    PacketRefused,
    ProtocolError,
)
from edoc_connector.hubs import Edocservice, Flow, MessageType, WireRequest, WireResponse, run
from edoc_connector.hubs.edocservice import answers

HUB = Edocservice(endpoint="http://h/EdocService", system_id="H29", secret="t")


def _drive(flow: Flow[Any], *replies: tuple[int, Any]) -> tuple[Any, list[WireRequest]]:
    """Answer the requests of a flow in turn; what it returned, and its requests."""
    asked: list[WireRequest] = []
    rest = list(replies)

    def perform(request: WireRequest) -> WireResponse:
        asked.append(request)
        status, body = rest.pop(0)
        return WireResponse(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())

    return run(flow, perform), asked


def _send(packet: Path, *replies: Any, kind: MessageType = MessageType.EDOC) -> tuple[str, int]:
    flow = HUB.send(packet, message_type=kind, sender="H29")
    result, asked = _drive(flow, *((one if isinstance(one, tuple) else (200, one)) for one in replies))
    return result.doc_id, len(asked)


def _refuse(code: str, words: str = "x", /, **more: Any) -> dict[str, Any]:
    return {"docId": 0, "status": "Fail", "code": "9999", "errors": [{"code": code, "description": words}], **more}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (_refuse("N.MessageHeader.Subject"), PacketRefused),
        (_refuse("R.MessageHeader.To.OrganId"), PacketRefused),
        (_refuse("MessageHeader.To.OrganId"), PacketRefused),
        (_refuse("ExistDoc"), DuplicateDocument),
        (_refuse("SendDocument"), PacketRefused),
        (_refuse("BadRequest"), HubError),
        (_refuse("M.UpdateStatusDoc", status="Error", code="0"), PacketRefused),
        (_refuse("Something.New"), PacketRefused),
        (_refuse("Invalid Credentials", status="False"), AuthenticationRejected),
        (_refuse("Unauthorized", status="False"), AuthenticationRejected),
        ({"status": "Fail", "errors": [{"errorCode": "ExistDoc", "errorDescription": "x"}]}, DuplicateDocument),
        ({"status": "Success", "docId": 5, "errors": [{"code": "N.x", "description": "y"}]}, PacketRefused),
        ({"status": "Success", "docId": 5, "errors": ["odd"]}, PacketRefused),
        ({"status": "Success", "docId": 5, "errors": {"code": "R.x"}}, PacketRefused),
        ({"status": "Success", "docId": 5, "errors": "odd"}, PacketRefused),
        ({"status": "Success", "docId": 0}, ProtocolError),
        ({"status": "Success"}, ProtocolError),
        ({"code": "0", "docId": 5}, ProtocolError),
        ({"status": "OK", "docId": 5}, ProtocolError),
        ((401, _refuse("Invalid Credentials", status="False")), AuthenticationRejected),
        ((403, b"no"), AuthenticationRejected),
        ((400, _refuse("N.x")), PacketRefused),
        ((400, _refuse("Odd")), PacketRefused),
        ((400, _refuse("InternalServer")), PacketRefused),
        ((415, b""), IntermediaryAnswer),
        ((500, _refuse("N.x")), OutcomeUnknown),
        ((500, b"<html>"), OutcomeUnknown),
        ((503, b""), HubUnavailable),
        (b"", OutcomeUnknown),
        (b'{"docId":1', OutcomeUnknown),
        (b"<html>portal</html>", ProtocolError),
    ],
)
def test_refusals_of_a_send(answer: Any, error: type[EdocError], packet: Path) -> None:
    """Success is ``status`` Success and no errors, and a docId above 0; every code has its class (table of codes)."""
    with pytest.raises(error) as caught:
        _send(packet, answer)
    assert type(caught.value) is error
    assert caught.value.vi != caught.value.message


@pytest.mark.parametrize("answer", [{"docId": 123, "status": "Success", "code": "0", "errors": []},
                                    {"docId": "123", "status": "SUCCESS", "code": "9999"}])  # fmt: skip
def test_code_alone_says_nothing(answer: Any, packet: Path) -> None:
    """A success is one whatever ``code`` says, and null fields are left out."""
    assert _send(packet, answer) == ("123", 1)


@pytest.mark.parametrize("counter", [True, False], ids=["in place", "taken out"])
@pytest.mark.parametrize(
    "answer",
    [
        {"docId": 5, "status": "Fail", "code": "0"},
        {"docId": 5, "status": "Success", "code": "0", "errors": [{"code": "SendDocument"}]},
        {"docId": 5, "status": "Success", "code": "0", "errors": [{"errorCode": "SendDocument"}]},
        {"docId": 5, "code": "0", "errors": []},
        {"docId": 0, "status": "Success", "code": "0", "errors": []},
    ],
)
def test_trap_code_alone_says_nothing(
    answer: Any, packet: Path, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Success is ``status`` Success, no errors, and of a send a docId above 0; ``code`` may be 0 anyway."""
    if counter:
        with pytest.raises(EdocError):
            _send(packet, answer, answer)
        return
    monkeypatch.setattr(answers, "judge", lambda told: answers.Verdict(told.get("code") == "0", (), "0"))
    monkeypatch.setattr(answers, "parse_number", str)
    assert _send(packet, answer) == (str(answer["docId"]), 1)


_INNER = [{"docId": 0, "status": "Error", "code": "9999"}, _refuse("InternalServer")]


@pytest.mark.parametrize("inner", _INNER, ids=["thrown inside", "InternalServer"])
def test_an_inner_failure(inner: Any, packet: Path) -> None:
    """The hub failed inside: once more; then it is final, and what exists by now was taken the first time."""
    good = {"docId": 9, "status": "Success"}
    assert _send(packet, inner, good) == ("9", 2)
    assert _send(packet, inner, _refuse("ExistDoc")) == ("", 2)
    with pytest.raises(PacketRefused) as caught:
        _send(packet, inner, inner)
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("more", "doc_id"), [({}, ""), ({"docId": 8}, "status-8"), ({"status": "Error"}, ""), ({"status": "Success"}, "")]
)
def test_exist_trace(more: Any, doc_id: str, packet: Path) -> None:
    """``M.UpdateTraces`` "Exist trace" is success."""
    answer = _refuse("M.UpdateTraces", "Exist trace", **more)
    assert _send(packet, answer, kind=MessageType.STATUS) == (doc_id, 1)


def test_other_words_about_traces(packet: Path) -> None:
    """Another word of that code is a refusal."""
    with pytest.raises(PacketRefused):
        _send(packet, _refuse("M.UpdateTraces", "no such trace"), kind=MessageType.STATUS)


@pytest.mark.parametrize(
    ("answer", "doc_ids"),
    [
        ({"data": [{"docId": 1}, {"docId": 1}, {"docId": 2, "docCode": "x"}]}, ["1", "2"]),
        ({"docIDs": [3, 3, "4"]}, ["3", "4"]),
        ({"data": [{"docId": 1}], "docIDs": [1, 5]}, ["1", "5"]),
        ({"data": [{"docId": 1}, {"docId": None}]}, ["1"]),
        ({"data": []}, []),
        ({"docIDs": []}, []),
    ],
)
def test_both_lists(answer: Any, doc_ids: list[str]) -> None:
    """The list is read in either form, each docId once, and an odd row does not hold up the others."""
    found, _ = _drive(HUB.list_waiting(), (200, {"status": "Success", **answer}))
    assert [row.doc_id for row in found] == doc_ids
    statuses, _ = _drive(HUB.list_waiting(MessageType.STATUS), (200, {"status": "Success", **answer}))
    assert [row.doc_id for row in statuses] == [f"status-{one}" for one in doc_ids]


@pytest.mark.parametrize("answer", [{}, {"data": None}, {"data": {}}, {"docIDs": "1"}, {"data": [{"docId": 0}]}])
def test_lists_that_are_none(answer: Any) -> None:
    """What is no list is never an empty one."""
    with pytest.raises(ProtocolError):
        _drive(HUB.list_waiting(), (200, {"status": "Success", **answer}))


@pytest.mark.parametrize("counter", [True, False], ids=["in place", "taken out"])
def test_trap_a_later_hub_takes_post(counter: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On 405 the other method is used, and remembered; a hub that goes back is followed (list)."""
    if not counter:
        monkeypatch.setattr("edoc_connector.hubs.edocservice.calls.OTHER_METHOD", {"GET": "GET", "POST": "POST"})
        with pytest.raises(AssertionError):
            _require_other_method()
        return
    _require_other_method()


def _require_other_method() -> None:
    hub = Edocservice(endpoint="http://h/EdocService", system_id="H29", secret="t")
    good = (200, {"status": "Success", "data": []})
    _, asked = _drive(hub.list_waiting(), (405, b""), good)
    assert [one.method for one in asked] == ["GET", "POST"]
    _, asked = _drive(hub.list_waiting(MessageType.STATUS), good)
    assert [one.method for one in asked] == ["POST"]
    _, asked = _drive(hub.list_waiting(), (405, b""), good)
    assert [one.method for one in asked] == ["POST", "GET"]
    other = Edocservice(endpoint="http://h/EdocService", system_id="H30", secret="t", list_method="POST")
    with pytest.raises(ProtocolError):
        _drive(other.list_waiting(), (405, b""), (405, b""))
    _, asked = _drive(other.list_waiting(), good)
    assert [one.method for one in asked] == ["POST"]


@pytest.mark.parametrize("counter", [True, False], ids=["in place", "taken out"])
def test_trap_a_row_for_each_recipient(counter: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list has one row per document and recipient; each document is fetched once (list)."""
    rows = (200, {"status": "Success", "data": [{"docId": 7}, {"docId": 7}], "docIDs": [7, 7]})
    if not counter:
        monkeypatch.setattr(answers, "parse_waiting", lambda answer, _: answer["data"] + answer["docIDs"])
    assert (len(_drive(HUB.list_waiting(), rows)[0]) == 1) is counter


@pytest.mark.parametrize("counter", [True, False], ids=["in place", "taken out"])
def test_trap_a_wrong_type_is_no_packet(tmp_path: Path, counter: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """``{}``, the answer to a wrong type, is nothing to conclude from: it is fetched again."""
    if not counter:
        monkeypatch.setattr(Edocservice, "_check_download", lambda _self, part, _: part.write_bytes(b"{}"))
        _drive(HUB.fetch("57", tmp_path / "x"), (200, {}))
        assert (tmp_path / "x").exists()
        return
    with pytest.raises(ProtocolError):
        _drive(HUB.fetch("57", tmp_path / "x"), (200, {}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("GetDocument.NotFound", HubError),
        ("DocID", HubError),
        ("InternalServer", HubUnavailable),
        ("Unauthorized", AuthenticationRejected),
    ],
)
def test_refusals_of_a_fetch(code: str, error: type[EdocError], tmp_path: Path) -> None:
    """A packet that is not given is that packet's trouble; a hub that failed inside is asked later."""
    with pytest.raises(error) as caught:
        _drive(HUB.fetch("57", tmp_path / "x"), (200, _refuse(code)))
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("answer", "is_there"),
    [
        ({"status": "Success", "code": "200", "errors": [], "isExist": True}, True),
        ({"status": "Success", "isExist": False}, False),
        ({"result": True}, True),
        ({"result": False}, False),
    ],
)
def test_existence(answer: Any, is_there: bool) -> None:
    """Whether the hub has a document is told in one of two forms."""
    assert _drive(HUB.has_document(sender="H29", recipients=["G22"], code="1/A"), (200, answer))[0] is is_there


@pytest.mark.parametrize("answer", [{}, {"status": "Success"}, {"isExist": True}, {"result": "true"}, _refuse("x")])
def test_existence_that_is_not_told(answer: Any) -> None:
    """Anything else is neither yes nor no."""
    with pytest.raises(EdocError):
        _drive(HUB.has_document(sender="H29", recipients=["G22"], code="1/A"), (200, answer))


def test_the_directory() -> None:
    """Entries with a code, with what the library keeps of them; odd ones are left out."""
    rows = [
        {"organId": "H29", "organName": "UBND tỉnh", "email": "a@b.vn", "organizationInCharge": "x", "fax": None},
        {"organId": "H29.05", "organName": None},
        {"organName": "without a code"},
    ]
    found, _ = _drive(HUB.agencies(), (200, {"status": "Success", "organizations": rows}))
    assert [(one.code, one.name, one.mail) for one in found] == [("H29", "UBND tỉnh", "a@b.vn"), ("H29.05", "", "")]


@pytest.mark.parametrize("rows", [None, [], {}, [{}], "x"])
def test_a_directory_without_anybody(rows: Any) -> None:
    """The organisation that was asked about is in it itself: an empty one is an error, and replaces nothing."""
    with pytest.raises(ProtocolError):
        _drive(HUB.agencies(), (200, {"status": "Success", "organizations": rows}))


def test_a_verdict_without_a_code() -> None:
    """A refusal with nothing in it is the hub's own failure."""
    verdict = answers.judge({"status": "Error", "code": "9999"})
    assert (verdict.is_success, verdict.is_inner_failure, verdict.is_known_trace) == (False, True, False)
