"""Answers of the VXP interface: the envelope every JSON answer has, and the rows inside."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from edoc_connector.errors import ProtocolError
from edoc_connector.hubs import refusals, strict_json
from edoc_connector.hubs.fields import flag, identifier, moment, printable, text, written
from edoc_connector.hubs.results import Agency, AgencyChange, MessageType, SentState, Waiting
from edoc_connector.hubs.vxp import headers
from edoc_connector.hubs.vxp.calls import Call
from edoc_connector.hubs.wire import WireResponse

R = TypeVar("R")
_Fields = Mapping[str, tuple[str, Callable[[Any], Any]]]

_NEVER_SETTLED = frozenset({"15", "16", "20"})

_log = logging.getLogger("edoc_connector.hubs.vxp")

_WAITING: _Fields = {
    "service_type": ("serviceType", written),
    "sender": ("from", written),
    "recipient": ("to", written),
    "created_at": ("created_time", moment),
    "created_text": ("created_time", written),
    "updated_at": ("updated_time", moment),
    "updated_text": ("updated_time", written),
    "status": ("status", written),
    "status_desc": ("status_desc", written),
}
_SENT: _Fields = {
    "sender_doc_id": ("senderDocId", text),
    "receiver_doc_id": ("receiverDocId", text),
    "sender": ("fromCode", text),
    "recipient": ("toCode", text),
    "service_type": ("serviceType", text),
    "message_type": ("messageType", text),
    "title": ("title", text),
    "notation": ("notation", text),
    "sent_at": ("sentTime", moment),
    "sent_text": ("sentTime", text),
    "received_at": ("receivedTime", moment),
    "received_text": ("receivedTime", text),
    "send_status": ("sendStatus", text),
    "send_status_desc": ("sendStatusDesc", text),
    "receive_status": ("receiveStatus", text),
    "receive_status_desc": ("receiveStatusDesc", text),
}
_ENTRY: _Fields = {
    "id": ("id", text),
    "parent_id": ("pid", text),
    "code": ("code", text),
    "name": ("name", text),
    "mail": ("mail", text),
}
_AGENCY: _Fields = {**_ENTRY, "other_code": ("oldCode", text)}
_AGENCY_QD20: _Fields = {**_ENTRY, "other_code": ("code102", text)}
_CHANGE: _Fields = {
    **_ENTRY,
    "version": ("version", text),
    "center_code": ("centerCode", text),
    "deleted": ("deleted", flag),
    "is_agency": ("isAgency", flag),
    "modified_at": ("modifyDate", moment),
    "modified_text": ("modifyDate", text),
}


def envelope(response: WireResponse, call: Call) -> Mapping[str, Any]:
    """The JSON object of a successful answer.

    Raises:
        HubError: status FAIL or a non-zero ErrorCode, whatever the HTTP status; or an HTTP status that is no success.
        OutcomeUnknown: the call handed something over, and the answer is empty, cut off, or a 5xx without a known code.
        ProtocolError: the answer is not the interface's.
    """
    if not 200 <= response.status < 300:
        return _failed(response, call)
    answer = _object(response, call)
    status, code, description = _verdict(answer)
    if status not in ("OK", "FAIL"):
        raise _not_ours(call, "its status is neither OK nor FAIL")
    refused = status == "FAIL" or code not in ("", "0")
    if refused and not _settled(call, code, description):
        raise refusals.refusal(code, description, sends=call.sends, answer=response)
    return answer


def not_a_packet(call: Call, why: str) -> ProtocolError:
    """The error for a raw answer that is no packet.

    Args:
        call: the call that was made.
        why: what came instead, from this library and not from the hub.
    """
    return _not_ours(call, why)


def doc_id(answer: Mapping[str, Any], call: Call) -> str:
    """The DocId of an answer to sendEdoc.

    Raises:
        ProtocolError: it is missing, or nothing a hub could mean by an id.
    """
    found = identifier(answer.get("DocId"))
    if found is None or found.lower() == "null":  # which some hubs write for a value nobody set
        raise _not_ours(call, "it has no DocId that is a number or a text of printable characters")
    return found


def count(answer: Mapping[str, Any], call: Call) -> int:
    """The number in an answer to the counting calls."""
    value = answer.get("count")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _not_ours(call, "its count is not a number")
    return value


def waiting(answer: Mapping[str, Any], call: Call, asked: MessageType) -> tuple[Waiting, ...]:
    """The rows of getReceivedEdocList.

    A row without a usable docId, or with one that no signed header carries, cannot be fetched or confirmed; it must not
    hold up the others, so it is logged and left out. When no row has a docId at all the answer is refused.
    """
    rows = _rows(answer, call)
    known = [(row, found) for row in rows if (found := identifier(row.get("docId"))) is not None]
    usable = [(row, found) for row, found in known if headers.fits(found)]
    if len(usable) < len(rows):
        _log.warning("%s: %d of %d rows have no usable docId", call.name, len(rows) - len(usable), len(rows))
    if rows and not known:
        raise _not_ours(call, "no row of it has a usable docId")
    return tuple(
        Waiting(doc_id=found, message_type=_kind(row.get("messageType"), asked), **_values(row, _WAITING))
        for row, found in usable
    )


def sent(answer: Mapping[str, Any], call: Call) -> tuple[SentState, ...]:
    """The rows of getSentEdocList."""
    return tuple(SentState(**_values(row, _SENT)) for row in _rows(answer, call))


def agencies(answer: Mapping[str, Any], call: Call) -> tuple[Agency, ...]:
    """The rows of getAgenciesList; entries without a code are left out, as nothing can be sent to them."""
    return _entries(answer, call, Agency, _AGENCY)


def agencies_qd20(answer: Mapping[str, Any], call: Call) -> tuple[Agency, ...]:
    """The rows of getAgenciesListQD20; entries without a code are left out."""
    return _entries(answer, call, Agency, _AGENCY_QD20)


def changes(answer: Mapping[str, Any], call: Call) -> tuple[AgencyChange, ...]:
    """The rows of getSynchronizeUnit; entries without a code are left out."""
    return _entries(answer, call, AgencyChange, _CHANGE)


def _failed(response: WireResponse, call: Call) -> Mapping[str, Any]:
    """Raise for an HTTP status that is no success; the hub's own code in the body says more than the status."""
    answer = _object_if_any(response)
    _, code, description = _verdict(answer)
    if response.status < 500 and _settled(call, code, description):
        return answer
    said = refusals.refusal(code, description, sends=call.sends, answer=response)
    unsettled = call.sends and response.status >= 500 and said.retryable  # it failed inside, perhaps after taking it
    if refusals.knows(code, description) and not unsettled:
        raise said
    if code not in ("", "0") and 400 <= response.status < 500 and response.status not in refusals.STATUSES:
        raise said
    raise refusals.status_error(response, sends=call.sends)


def _settled(call: Call, code: str, description: str) -> bool:
    """Whether a refusal says that it was done before; one for who we are, or for a failure inside, does not."""
    return call.settled is not None and code not in _NEVER_SETTLED and bool(call.settled.search(description))


def _object_if_any(response: WireResponse) -> Mapping[str, Any]:
    """The JSON object of an answer that is an error in any case; empty where there is none, such as a proxy's page."""
    try:
        answer = strict_json.loads(response.body)
    except strict_json.NotJsonError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _object(response: WireResponse, call: Call) -> Mapping[str, Any]:
    body = response.body.strip()
    try:
        answer = strict_json.loads(body)
    except strict_json.NotJsonError as error:
        if call.sends and (not body or body.startswith(b"{")):  # began as an answer does, or never began
            raise refusals.lost_answer("empty" if not body else "JSON cut off or broken") from None
        raise _not_ours(call, _seen(body, str(error))) from None
    if not isinstance(answer, dict):
        raise _not_ours(call, "it is no JSON object")
    return answer


def _seen(body: bytes, why: str) -> str:
    if not body:
        return "it is empty"
    return "it is an HTML page, as proxies send" if body.startswith(b"<") else f"it is not JSON ({why})"


def _verdict(answer: Mapping[str, Any]) -> tuple[str, str, str]:
    status, code, description = (written(answer.get(key)).strip() for key in ("status", "ErrorCode", "ErrorDesc"))
    return status.upper(), code, description


def _rows(answer: Mapping[str, Any], call: Call) -> list[Mapping[str, Any]]:
    if "data" not in answer:  # a hub with nothing to say writes [] or null; silence is no "no news"
        raise _not_ours(call, "it has no data")
    rows = answer["data"]
    if rows is None:
        return []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _not_ours(call, "its data is no list of objects")
    return rows


def _entries(answer: Mapping[str, Any], call: Call, kind: Callable[..., R], fields: _Fields) -> tuple[R, ...]:
    rows = _rows(answer, call)
    coded = [row for row in rows if identifier(row.get("code")) is not None]
    if len(coded) < len(rows):
        _log.warning("%s: %d of %d entries have no usable code", call.name, len(rows) - len(coded), len(rows))
    return tuple(kind(**_values(row, fields)) for row in coded)


def _values(row: Mapping[str, Any], fields: _Fields) -> dict[str, Any]:
    return {attribute: convert(row.get(key)) for attribute, (key, convert) in fields.items()}


def _kind(value: Any, asked: MessageType) -> MessageType:
    """The row's own message type, or what was asked for where the hub writes none or one that is not known."""
    said = written(value).strip().lower()
    return MessageType(said) if said in set(MessageType) else asked


def _not_ours(call: Call, why: str) -> ProtocolError:
    why = printable(why)
    return ProtocolError(
        f"The answer to {call.name} is not the hub's: {why}. "
        "Check the endpoint and any proxy in between; nothing was concluded from it.",
        vi=f"Câu trả lời cho {call.name} không đúng giao thức của trục: {why}. "
        "Hãy kiểm tra địa chỉ trục (endpoint) và proxy ở giữa; câu trả lời này không được sử dụng.",
    )
