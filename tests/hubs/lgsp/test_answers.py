"""Lists and directories of a platform."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edoc_connector.errors import EdocError, HubUnavailable, IntermediaryAnswer, PacketRefused, ProtocolError
from edoc_connector.hubs import Lgsp, MessageType


@pytest.fixture
def lgsp() -> Lgsp:
    """A platform by hand, whose lists are of one window."""
    return Lgsp(endpoint="http://h", system_id="s", secret="k", first_days=1)


def _row(**values: Any) -> dict[str, Any]:
    return {"serviceType": "eDoc", "docId": "1", "from": "G22", "to": "H29", "status": "initial", **values}


def test_what_waits_comes_first(lgsp: Lgsp, answered: Any) -> None:
    """The state orders the work and leaves nothing out (Listing)."""
    states = ["done", "initial", "fail", "", "processing"]
    rows = [_row(docId=str(number), status=state) for number, state in enumerate(states)]
    found = answered(lgsp.list_waiting(), {"code": 200, "count": 5, "data": rows})
    assert [row.is_waiting for row in found] == [True, True, True, False, False]
    assert {row.doc_id for row in found} == {"0", "1", "2", "3", "4"}


def test_the_fields_of_a_row(lgsp: Lgsp, answered: Any) -> None:
    """Times are read in Vietnam's zone; a kind that is not known is the one asked for."""
    row = _row(createdTime="2026-11-22 10:00:00", messageType="x", updatedTime="soon", statusDesc=["a"])
    (found,) = answered(lgsp.list_waiting(MessageType.STATUS), {"code": 200, "data": [row]})
    assert (found.message_type, found.sender, found.recipient) == (MessageType.STATUS, "G22", "H29")
    assert found.created_at.isoformat() == "2026-11-22T03:00:00+00:00"
    assert (found.updated_at, found.updated_text, found.status_desc) == (None, "soon", '["a"]')


@pytest.mark.parametrize("answer", [{"count": 0}, {"count": "0", "data": None}, {"data": []}, {"data": None}])
def test_nothing_came(lgsp: Lgsp, answered: Any, answer: Any) -> None:
    """An empty list says that nothing came."""
    assert answered(lgsp.list_waiting(), {"code": 200, **answer}) == ()


@pytest.mark.parametrize(
    "answer", [{}, {"count": 3}, {"count": 3, "data": []}, {"data": {}}, {"data": [1]}, {"data": [{"docId": None}]}]
)
def test_no_news_is_never_concluded(lgsp: Lgsp, answered: Any, answer: Any) -> None:
    """What is no list, or counts what it does not list, is a protocol error."""
    with pytest.raises(ProtocolError):
        answered(lgsp.list_waiting(), {"code": 200, **answer})


@pytest.mark.parametrize(
    "wrap", [lambda rows: rows, lambda rows: {"code": 200, "data": rows}, lambda rows: {"success": True, "data": rows}]
)
def test_the_directory_in_each_form(lgsp: Lgsp, answered: Any, wrap: Any) -> None:
    """An array or ``data``; names of the members as seen and as guessed; entries without a code are left out."""
    rows = [
        {"orgCode": "H37.DN.001", "orgName": "Công ty", "parentCode": "H37", "email": "a@b"},
        {"code": "H37", "name": "Tỉnh", "pid": ""},
        {"orgName": "Không mã"},
    ]
    found = answered(lgsp.agencies(), wrap(rows))
    assert [(one.code, one.name, one.parent_id, one.mail) for one in found] == [
        ("H37.DN.001", "Công ty", "H37", "a@b"), ("H37", "Tỉnh", "", ""),
    ]  # fmt: skip


def test_a_directory_that_is_none(lgsp: Lgsp, answered: Any) -> None:
    """Answers without data, or without any code, are no empty directory."""
    for answer in ({"code": 200}, [{"orgName": "x"}], {"code": 200, "data": {"a": 1}}):
        with pytest.raises(ProtocolError):
            answered(lgsp.agencies(), answer)


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (400, {"success": False, "data": {"errorCode": "22"}}, PacketRefused),
        (400, {"code": 400, "message": "no", "errorDetail": [{"exception": "x"}]}, PacketRefused),
        (400, {"code": "900901", "message": "gateway"}, IntermediaryAnswer),
        (500, {"success": False, "data": {"errorCode": "22"}}, PacketRefused),
        (503, {"success": False, "data": {"errorCode": "20"}}, HubUnavailable),
        (404, {"code": 200, "data": {"docId": "1"}}, ProtocolError),
    ],
)
def test_the_platforms_word_beside_the_http_status(
    lgsp: Lgsp, answered: Any, packet: Any, status: int, answer: Any, error: type[EdocError]
) -> None:
    """The platform's own code says more than the HTTP status, and a gateway's JSON is nobody's verdict."""
    flow = lgsp.send(packet, message_type=MessageType.EDOC, sender="H29")
    with pytest.raises(error) as caught:
        answered(flow, answer, status=status)
    assert isinstance(caught.value, ProtocolError) is (error in (ProtocolError, IntermediaryAnswer))


@pytest.mark.parametrize("status", [200, 409])
def test_a_confirmation_that_was_made_before(lgsp: Lgsp, answered: Any, status: int) -> None:
    """A refusal that says "already done" is success (faults, row 18)."""
    answer = {"code": 500, "message": "docId was already done", "data": None}
    assert answered(lgsp.confirm("1"), json.dumps(answer).encode(), status=status) is None
