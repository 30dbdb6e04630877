"""Answers of the VXP interface: the envelope every JSON answer has, and the rows inside."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from edoc_connector.errors import ProtocolError
from edoc_connector.hubs import refusals, strict_json
from edoc_connector.hubs.fields import as_json_or_text, as_printable, as_text, parse_flag, parse_identifier, parse_time
from edoc_connector.hubs.results import Agency, AgencyChange, MessageType, SentState, Waiting
from edoc_connector.hubs.vxp import headers
from edoc_connector.hubs.vxp.calls import Call
from edoc_connector.hubs.wire import WireResponse

R = TypeVar("R")
_Fields = Mapping[str, tuple[str, Callable[[Any], Any]]]

_NEVER_DONE_BEFORE = frozenset({"15", "16", "20"})

_log = logging.getLogger("edoc_connector.hubs.vxp")

_WAITING_FIELDS: _Fields = {
    "service_type": ("serviceType", as_json_or_text),
    "sender": ("from", as_json_or_text),
    "recipient": ("to", as_json_or_text),
    "created_at": ("created_time", parse_time),
    "created_text": ("created_time", as_json_or_text),
    "updated_at": ("updated_time", parse_time),
    "updated_text": ("updated_time", as_json_or_text),
    "status": ("status", as_json_or_text),
    "status_desc": ("status_desc", as_json_or_text),
}
_SENT_FIELDS: _Fields = {
    "sender_doc_id": ("senderDocId", as_text),
    "receiver_doc_id": ("receiverDocId", as_text),
    "sender": ("fromCode", as_text),
    "recipient": ("toCode", as_text),
    "service_type": ("serviceType", as_text),
    "message_type": ("messageType", as_text),
    "title": ("title", as_text),
    "notation": ("notation", as_text),
    "sent_at": ("sentTime", parse_time),
    "sent_text": ("sentTime", as_text),
    "received_at": ("receivedTime", parse_time),
    "received_text": ("receivedTime", as_text),
    "send_status": ("sendStatus", as_text),
    "send_status_desc": ("sendStatusDesc", as_text),
    "receive_status": ("receiveStatus", as_text),
    "receive_status_desc": ("receiveStatusDesc", as_text),
}
_ENTRY_FIELDS: _Fields = {
    "id": ("id", as_text),
    "parent_id": ("pid", as_text),
    "code": ("code", as_text),
    "name": ("name", as_text),
    "mail": ("mail", as_text),
}
_AGENCY_FIELDS: _Fields = {**_ENTRY_FIELDS, "other_code": ("oldCode", as_text)}
_AGENCY_QD20_FIELDS: _Fields = {**_ENTRY_FIELDS, "other_code": ("code102", as_text)}
_CHANGE_FIELDS: _Fields = {
    **_ENTRY_FIELDS,
    "version": ("version", as_text),
    "center_code": ("centerCode", as_text),
    "deleted": ("deleted", parse_flag),
    "is_agency": ("isAgency", parse_flag),
    "modified_at": ("modifyDate", parse_time),
    "modified_text": ("modifyDate", as_text),
}


def parse_envelope(response: WireResponse, call: Call) -> Mapping[str, Any]:
    """The JSON object of a successful answer.

    Raises:
        HubError: status FAIL or a non-zero ErrorCode, whatever the HTTP status; or an HTTP status that is no success.
        OutcomeUnknown: the call handed something over, and the answer is empty, cut off, or a 5xx without a known code.
        ProtocolError: the answer is not the interface's.
    """
    if not 200 <= response.status < 300:
        return _parse_failed_answer(response, call)
    answer = _parse_object(response, call)
    status, code, description = _parse_verdict(answer)
    if status not in ("OK", "FAIL"):
        raise _build_protocol_error(call, "its status is neither OK nor FAIL")
    is_refusal = status == "FAIL" or code not in ("", "0")
    if is_refusal and not _is_done_before(call, code, description):
        raise refusals.build_refusal(code, description, sends=call.sends, answer=response)
    return answer


def build_not_a_packet_error(call: Call, why: str) -> ProtocolError:
    """The error for a raw answer that is no packet.

    Args:
        call: the call that was made.
        why: what came instead, from this library and not from the hub.
    """
    return _build_protocol_error(call, why)


def parse_doc_id(answer: Mapping[str, Any], call: Call) -> str:
    """The DocId of an answer to sendEdoc.

    Raises:
        ProtocolError: it is missing, or nothing a hub could mean by an id.
    """
    found = parse_identifier(answer.get("DocId"))
    if found is None or found.lower() == "null":  # which some hubs write for a value nobody set
        raise _build_protocol_error(call, "it has no DocId that is a number or a text of printable characters")
    return found


def parse_count(answer: Mapping[str, Any], call: Call) -> int:
    """The number in an answer to the counting calls."""
    value = answer.get("count")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _build_protocol_error(call, "its count is not a number")
    return value


def parse_waiting(answer: Mapping[str, Any], call: Call, requested_type: MessageType) -> tuple[Waiting, ...]:
    """The rows of getReceivedEdocList.

    A row without a usable docId, or with one that no signed header carries, cannot be fetched or confirmed; it must not
    hold up the others, so it is logged and left out. When no row has a docId at all the answer is refused.
    """
    rows = _parse_rows(answer, call)
    identified = [(row, found) for row in rows if (found := parse_identifier(row.get("docId"))) is not None]
    usable = [(row, found) for row, found in identified if headers.can_carry(found)]
    if len(usable) < len(rows):
        _log.warning("%s: %d of %d rows have no usable docId", call.name, len(rows) - len(usable), len(rows))
    if rows and not identified:
        raise _build_protocol_error(call, "no row of it has a usable docId")
    return tuple(
        Waiting(
            doc_id=found,
            message_type=_parse_message_type(row.get("messageType"), requested_type),
            **_convert_fields(row, _WAITING_FIELDS),
        )
        for row, found in usable
    )


def parse_sent_states(answer: Mapping[str, Any], call: Call) -> tuple[SentState, ...]:
    """The rows of getSentEdocList."""
    return tuple(SentState(**_convert_fields(row, _SENT_FIELDS)) for row in _parse_rows(answer, call))


def parse_agencies(answer: Mapping[str, Any], call: Call) -> tuple[Agency, ...]:
    """The rows of getAgenciesList; entries without a code are left out, as nothing can be sent to them."""
    return _parse_entries(answer, call, Agency, _AGENCY_FIELDS)


def parse_agencies_qd20(answer: Mapping[str, Any], call: Call) -> tuple[Agency, ...]:
    """The rows of getAgenciesListQD20; entries without a code are left out."""
    return _parse_entries(answer, call, Agency, _AGENCY_QD20_FIELDS)


def parse_agency_changes(answer: Mapping[str, Any], call: Call) -> tuple[AgencyChange, ...]:
    """The rows of getSynchronizeUnit; entries without a code are left out."""
    return _parse_entries(answer, call, AgencyChange, _CHANGE_FIELDS)


def _parse_failed_answer(response: WireResponse, call: Call) -> Mapping[str, Any]:
    """Raise for an HTTP status that is no success; the hub's own code in the body says more than the status."""
    answer = _parse_object_if_any(response)
    _, code, description = _parse_verdict(answer)
    if response.status < 500 and _is_done_before(call, code, description):
        return answer
    refusal = refusals.build_refusal(code, description, sends=call.sends, answer=response)
    may_have_taken = (
        call.sends and response.status >= 500 and refusal.retryable
    )  # it failed inside, perhaps after taking it
    if refusals.is_known_refusal(code, description) and not may_have_taken:
        raise refusal
    if code not in ("", "0") and 400 <= response.status < 500 and response.status not in refusals.MEANING_BY_STATUS:
        raise refusal
    raise refusals.build_status_error(response, sends=call.sends)


def _is_done_before(call: Call, code: str, description: str) -> bool:
    """Whether a refusal says that it was done before; one for who we are, or for a failure inside, does not."""
    return (
        call.done_before is not None and code not in _NEVER_DONE_BEFORE and bool(call.done_before.search(description))
    )


def _parse_object_if_any(response: WireResponse) -> Mapping[str, Any]:
    """The JSON object of an answer that is an error in any case; empty where there is none, such as a proxy's page."""
    try:
        answer = strict_json.loads(response.body)
    except strict_json.NotJsonError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _parse_object(response: WireResponse, call: Call) -> Mapping[str, Any]:
    body = response.body.strip()
    try:
        answer = strict_json.loads(body)
    except strict_json.NotJsonError as error:
        if call.sends and (not body or body.startswith(b"{")):  # began as an answer does, or never began
            raise refusals.build_lost_answer_error("empty" if not body else "JSON cut off or broken") from None
        raise _build_protocol_error(call, _describe_body(body, str(error))) from None
    if not isinstance(answer, dict):
        raise _build_protocol_error(call, "it is no JSON object")
    return answer


def _describe_body(body: bytes, why: str) -> str:
    if not body:
        return "it is empty"
    return "it is an HTML page, as proxies send" if body.startswith(b"<") else f"it is not JSON ({why})"


def _parse_verdict(answer: Mapping[str, Any]) -> tuple[str, str, str]:
    status, code, description = (
        as_json_or_text(answer.get(key)).strip() for key in ("status", "ErrorCode", "ErrorDesc")
    )
    return status.upper(), code, description


def _parse_rows(answer: Mapping[str, Any], call: Call) -> list[Mapping[str, Any]]:
    if "data" not in answer:  # a hub with nothing to say writes [] or null; silence is no "no news"
        raise _build_protocol_error(call, "it has no data")
    rows = answer["data"]
    if rows is None:
        return []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _build_protocol_error(call, "its data is no list of objects")
    return rows


def _parse_entries(answer: Mapping[str, Any], call: Call, kind: Callable[..., R], fields: _Fields) -> tuple[R, ...]:
    rows = _parse_rows(answer, call)
    usable = [row for row in rows if parse_identifier(row.get("code")) is not None]
    if len(usable) < len(rows):
        _log.warning("%s: %d of %d entries have no usable code", call.name, len(rows) - len(usable), len(rows))
    return tuple(kind(**_convert_fields(row, fields)) for row in usable)


def _convert_fields(row: Mapping[str, Any], fields: _Fields) -> dict[str, Any]:
    return {attribute: convert(row.get(key)) for attribute, (key, convert) in fields.items()}


def _parse_message_type(value: Any, requested_type: MessageType) -> MessageType:
    """The row's own message type, or what was asked for where the hub writes none or one that is not known."""
    words = as_json_or_text(value).strip().lower()
    return MessageType(words) if words in set(MessageType) else requested_type


def _build_protocol_error(call: Call, why: str) -> ProtocolError:
    why = as_printable(why)
    return ProtocolError(
        f"The answer to {call.name} is not the hub's: {why}. "
        "Check the endpoint and any proxy in between; nothing was concluded from it.",
        vi=f"Câu trả lời cho {call.name} không đúng giao thức của trục: {why}. "
        "Hãy kiểm tra địa chỉ trục (endpoint) và proxy ở giữa; câu trả lời này không được sử dụng.",
    )
