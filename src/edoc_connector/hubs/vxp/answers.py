"""Answers of the VXP interface: the envelope of every JSON answer, and the rows inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..._core import get_logger
from ...errors import EdocError
from ..fields import as_json_or_text, as_text, parse_flag, parse_identifier, parse_time
from ..messages import build_protocol_error
from ..refusals import build_refusal, build_status_error, is_known_refusal
from ..results import Agency, AgencyChange, MessageType, SentState, Waiting
from ..strict_json import Fields, convert_fields, parse_message_type, parse_object, parse_object_if_any, require_rows
from ..wire import WireResponse
from .calls import Call
from .headers import can_carry

R = TypeVar("R")

_NEVER_DONE_BEFORE = frozenset({"15", "16", "20"})
"""Codes that refuse our system or tell of a failure inside: no words beside them say that the call was made before."""

_log = get_logger("edoc_connector.hubs.vxp")

_WAITING_FIELDS: Fields = {
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
_SENT_FIELDS: Fields = {
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
_ENTRY_FIELDS: Fields = {
    "id": ("id", as_text),
    "parent_id": ("pid", as_text),
    "code": ("code", as_text),
    "name": ("name", as_text),
    "mail": ("mail", as_text),
}
_AGENCY_FIELDS: Fields = {**_ENTRY_FIELDS, "other_code": ("oldCode", as_text)}
_AGENCY_QD20_FIELDS: Fields = {**_ENTRY_FIELDS, "other_code": ("code102", as_text)}
_CHANGE_FIELDS: Fields = {
    **_ENTRY_FIELDS,
    "version": ("version", as_text),
    "center_code": ("centerCode", as_text),
    "deleted": ("deleted", parse_flag),
    "is_agency": ("isAgency", parse_flag),
    "modified_at": ("modifyDate", parse_time),
    "modified_text": ("modifyDate", as_text),
}


def parse_envelope(response: WireResponse, call: Call) -> Mapping[str, Any]:
    """Parse the JSON object of a successful answer, or raise the error that the answer means.

    Raises:
        HubError: status FAIL or a non-zero ErrorCode, whatever the HTTP status; or an HTTP status that is no success.
        OutcomeUnknown: the call handed something over, and the answer is empty, cut off, or a 5xx without a known code.
        ProtocolError: the answer is not the interface's.
    """
    if not 200 <= response.status < 300:
        return _parse_failed_answer(response, call)
    answer = parse_object(response, call.name, sends=call.sends)
    status, code, description = _parse_verdict(answer)
    if status not in ("OK", "FAIL"):
        raise build_protocol_error(call.name, "its status is neither OK nor FAIL")
    is_refusal = status == "FAIL" or code not in ("", "0")
    if is_refusal and not _is_done_before(call, code, description):
        raise build_refusal(code, description, sends=call.sends, answer=response)
    return answer


def parse_doc_id(answer: Mapping[str, Any], call: Call) -> str:
    """Parse the DocId of an answer to sendEdoc.

    Raises:
        ProtocolError: the DocId is missing, or no id at all.
    """
    found = parse_identifier(next((value for name, value in answer.items() if name.lower() == "docid"), None))
    if found is None or found.lower() == "null":  # which some hubs write for a value nobody set
        raise build_protocol_error(call.name, "it has no DocId that is a number or a text of printable characters")
    return found


def parse_count(answer: Mapping[str, Any], call: Call) -> int:
    """Parse the number in an answer to the counting calls."""
    value = answer.get("count")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise build_protocol_error(call.name, "its count is not a number")
    return value


def parse_waiting(answer: Mapping[str, Any], call: Call, requested_type: MessageType) -> tuple[Waiting, ...]:
    """Parse the rows of getReceivedEdocList.

    A packet without a usable docId, or with one that no signed header carries, cannot be fetched or confirmed; its row
    must not hold up the others, so it is logged and left out. An answer in which no row has a docId is refused.
    """
    rows = _parse_rows(answer, call)
    identified = [(row, found) for row in rows if (found := parse_identifier(row.get("docId"))) is not None]
    usable = [(row, found) for row, found in identified if can_carry(found)]
    if len(usable) < len(rows):
        _log.warning("%s: %d of %d rows have no usable docId", call.name, len(rows) - len(usable), len(rows))
    if rows and not identified:
        raise build_protocol_error(call.name, "no row of it has a usable docId")
    return tuple(
        Waiting(
            doc_id=found,
            message_type=parse_message_type(row.get("messageType"), requested_type),
            **convert_fields(row, _WAITING_FIELDS),
        )
        for row, found in usable
    )


def parse_sent_states(answer: Mapping[str, Any], call: Call) -> tuple[SentState, ...]:
    """Parse the rows of getSentEdocList."""
    return tuple(SentState(**convert_fields(row, _SENT_FIELDS)) for row in _parse_rows(answer, call))


def parse_agencies(answer: Mapping[str, Any], call: Call) -> tuple[Agency, ...]:
    """Parse the rows of getAgenciesList; entries without a code are left out, as nothing can be sent to them."""
    return _parse_entries(answer, call, Agency, _AGENCY_FIELDS)


def parse_agencies_qd20(answer: Mapping[str, Any], call: Call) -> tuple[Agency, ...]:
    """Parse the rows of getAgenciesListQD20; entries without a code are left out."""
    return _parse_entries(answer, call, Agency, _AGENCY_QD20_FIELDS)


def parse_agency_changes(answer: Mapping[str, Any], call: Call) -> tuple[AgencyChange, ...]:
    """Parse the rows of getSynchronizeUnit; entries without a code are left out."""
    return _parse_entries(answer, call, AgencyChange, _CHANGE_FIELDS)


def _parse_failed_answer(response: WireResponse, call: Call) -> Mapping[str, Any]:
    """Raise for an HTTP status that is no success; the hub's own code in the body says more than the status.

    The answer of a call that was made before is returned.
    """
    answer = parse_object_if_any(response)
    status, code, description = _parse_verdict(answer)
    if response.status < 500 and _is_done_before(call, code, description):
        return answer
    refusal = build_refusal(code, description, sends=call.sends, answer=response)
    # a hub that failed inside may have failed after it took the packet
    may_have_taken = call.sends and response.status >= 500 and refusal.retryable
    if is_known_refusal(code, description) and not may_have_taken:
        raise refusal
    if status == "OK" and code in ("", "0"):
        raise _build_contradiction_error(response, call)
    is_hub_form = status == "FAIL" or code not in ("", "0")
    error = build_status_error(response, sends=call.sends, is_hub_form=is_hub_form)
    # the hub's own words say more than the table's, where both say the same
    raise refusal if is_hub_form and type(error) is type(refusal) else error


def _build_contradiction_error(response: WireResponse, call: Call) -> EdocError:
    """Build the error for an OK beside an HTTP status that is none: neither a yes nor a no."""
    if response.status >= 500:
        return build_status_error(response, sends=call.sends)
    return build_protocol_error(call.name, f"it says OK, and HTTP {response.status}")


def _is_done_before(call: Call, code: str, description: str) -> bool:
    """Tell whether a refusal says that the call was made before."""
    return (
        call.done_before is not None and code not in _NEVER_DONE_BEFORE and bool(call.done_before.search(description))
    )


def _parse_verdict(answer: Mapping[str, Any]) -> tuple[str, str, str]:
    """Parse status, code and description; facades in front of hubs write the names in their own case."""
    values = {name.lower(): value for name, value in answer.items()}
    status, code, description = (
        as_json_or_text(values.get(key)).strip() for key in ("status", "errorcode", "errordesc")
    )
    return status.upper(), code, description


def _parse_rows(answer: Mapping[str, Any], call: Call) -> list[Mapping[str, Any]]:
    if "data" not in answer:  # a hub with nothing to say writes [] or null; silence is no "no news"
        raise build_protocol_error(call.name, "it has no data")
    return require_rows(answer["data"], call.name, "data")


def _parse_entries(answer: Mapping[str, Any], call: Call, kind: Callable[..., R], fields: Fields) -> tuple[R, ...]:
    rows = _parse_rows(answer, call)
    usable = [row for row in rows if parse_identifier(row.get("code")) is not None]
    if len(usable) < len(rows):
        _log.warning("%s: %d of %d entries have no usable code", call.name, len(rows) - len(usable), len(rows))
    if rows and not usable:
        raise build_protocol_error(call.name, "no entry of it has a usable code")
    return tuple(kind(**convert_fields(row, fields)) for row in usable)
