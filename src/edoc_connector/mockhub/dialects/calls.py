"""The calls of the interface, one row each (VXP interface, "Calls")."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from edoc_connector.mockhub.codes import ErrorCode, RefusedError, format_hub_time, parse_window_time
from edoc_connector.mockhub.dialects import wire
from edoc_connector.mockhub.dialects.wrong_bodies import find_wrong_body
from edoc_connector.mockhub.faults import Fault
from edoc_connector.mockhub.incoming import Incoming
from edoc_connector.mockhub.storage import Agency, Packet, Receipt

if TYPE_CHECKING:
    from edoc_connector.mockhub.hub import Hub

MESSAGE_TYPES: Final = frozenset({"edoc", "status"})
STATE_NAMES: Final[Mapping[str, str]] = {
    "initial": "Chờ nhận",
    "processing": "Đang nhận",
    "done": "Đã nhận",
    "fail": "Nhận lỗi",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A genuine request.

    Args:
        signed: who asks, with the signed parameters.
        body: the body; empty where it is in `upload`.
        upload: the packet, of a call that sends one: its bytes, or a file where they are many.
        fault: what is to be wrong in the answer.
    """

    signed: wire.SignedRequest
    body: bytes = b""
    upload: Path | bytes = b""
    fault: Fault | None = None

    def get_parameter(self, name: str) -> str:
        """Get a signed parameter, empty where it is absent."""
        return self.signed.find_parameter(name) or ""

    def has_fault(self, kind: str) -> bool:
        """Tell whether the answer is to have this fault."""
        return self.fault is not None and self.fault.kind == kind


@dataclass(frozen=True, slots=True)
class PacketAnswer:
    """An answer that is a packet: bytes, or a file, as base64 in JSON where `wrapped`."""

    content: bytes | Path
    wrapped: bool


Answer: TypeAlias = dict[str, Any] | PacketAnswer
Handler: TypeAlias = "Callable[[Hub, Call], Answer]"


@dataclass(frozen=True, slots=True)
class CallSpec:
    """A row of the table of calls.

    Args:
        method: HTTP method.
        parameters: names of the parameters that must be signed.
        handler: makes the answer.
        upload: whether the body is a packet.
        refusal: fields of the answer to a call that is refused, beside its code.
        escaped: whether the answer escapes what is not ASCII.
    """

    method: str
    parameters: tuple[str, ...]
    handler: Handler
    upload: bool = False
    refusal: Mapping[str, str] = field(default_factory=dict)
    escaped: bool = False


def perform_call(hub: Hub, name: str, call: Call) -> Answer:
    """Answer a call.

    Raises:
        RefusedError: the hub says no.
    """
    row = CALLS[name]
    if name in hub.config.refuse:
        raise RefusedError(ErrorCode.NOT_ALLOWED, f"{name} is refused by this hub's configuration")
    wire.require_signed(call.signed, row.parameters)
    for parameter, choices in _CHOICES.items():
        if parameter in row.parameters and call.get_parameter(parameter) not in choices:
            raise RefusedError(ErrorCode.MALFORMED, f"{parameter} is none of {', '.join(sorted(choices))}")
    return row.handler(hub, call)


def _handle_send(hub: Hub, call: Call) -> Answer:
    incoming = Incoming(
        packet=call.upload,
        system_id=call.signed.system_id,
        sender=call.get_parameter("from"),
        message_type=call.get_parameter("messagetype"),
        to=_parse_recipients(call.get_parameter("to")),
    )
    return {"DocId": hub.accept(incoming)}


def _parse_recipients(text: str) -> tuple[str, ...] | None:
    if not text:
        return None
    try:
        codes = json.loads(text)
    except (ValueError, RecursionError):
        codes = None
    if not isinstance(codes, list) or not codes or not all(isinstance(code, str) and code for code in codes):
        raise RefusedError(ErrorCode.MALFORMED, "to is not a JSON array of agency codes")
    return tuple(codes)


def _handle_list(hub: Hub, call: Call) -> Answer:
    found = [
        (receipt.created, _build_waiting_row(receipt, packet))
        for receipt, packet in hub.list_waiting(call.signed.system_id, call.get_parameter("messagetype"))
        if call.get_parameter("status") != "initial" or receipt.state == "initial"
    ]
    return {"data": _select_rows(call, found, recipient="to")}


def _select_rows(call: Call, rows: Sequence[tuple[str, dict[str, str]]], *, recipient: str) -> list[dict[str, str]]:
    """Select the rows of a list that a call asks for: by time, recipient and page.

    What cannot be read, or may be left from another call of the same service object, selects nothing: `status` other
    than ``initial``, and `to` as sendEdoc has it, a JSON array.

    Args:
        call: asks.
        rows: time in ISO 8601 and fields of each.
        recipient: name of the field with the recipient's code.
    """
    start, end = (parse_window_time(call.get_parameter(name)) for name in ("fromDate", "toDate"))
    to = call.get_parameter("to")
    chosen = [
        row
        for time, row in rows
        if (start is None or datetime.fromisoformat(time) >= start)
        and (end is None or datetime.fromisoformat(time) < end + timedelta(seconds=1))
        and (not to or to.startswith("[") or row[recipient] == to)
    ]
    page = _select_page(call, chosen)
    if call.has_fault("duplicate"):
        page = [row for row in page for _ in range(2)]
    return page[::-1] if call.has_fault("out-of-order") else page


def _select_page(call: Call, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Select a page; the first has the number 1, and so has 0, so that no caller misses a row."""
    size, index = (_parse_count(call.get_parameter(name)) for name in ("pageSize", "pageIndex"))
    start = (max(index, 1) - 1) * size
    return rows[start : start + size] if size else rows


def _parse_count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _build_waiting_row(receipt: Receipt, packet: Packet) -> dict[str, str]:
    return {
        "docId": receipt.id,
        "serviceType": "eDoc",
        "messageType": packet.message_type,
        "created_time": _format_time(receipt.created),
        "updated_time": _format_time(receipt.updated),
        "from": packet.sender,
        "to": receipt.recipient,
        "status": receipt.state,
        "status_desc": STATE_NAMES[receipt.state],
    }


def _handle_fetch(hub: Hub, call: Call) -> Answer:
    return PacketAnswer(_select_content(hub, call), wrapped=True)


def _handle_download(hub: Hub, call: Call) -> Answer:
    return PacketAnswer(_select_content(hub, call), wrapped=False)


def _select_content(hub: Hub, call: Call) -> bytes | Path:
    _, packet = hub.get_received(call.signed.system_id, call.get_parameter("docId"))
    wrong = find_wrong_body(hub, packet, call.fault)
    if wrong is not None:
        return wrong
    path = hub.get_path(packet)
    return path if hub.tamper is None else hub.tamper(path.read_bytes())


def _handle_confirm(hub: Hub, call: Call) -> Answer:
    hub.confirm(call.signed.system_id, _choose_doc_id(hub, call), call.get_parameter("status"))
    return {}


def _choose_doc_id(hub: Hub, call: Call) -> str:
    """Choose between `docid` and a `docId` beside it, of which one is left from another call: the one that waits."""
    given = call.signed.list_parameters("docid")
    if len(given) == 1:
        return given[0]
    return next((doc_id for doc_id in given if hub.is_waiting(call.signed.system_id, doc_id)), given[0])


def _handle_sent_list(hub: Hub, call: Call) -> Answer:
    doc_id = call.get_parameter("docId") or None
    if doc_id is None and not hub.config.recent_sent:
        raise RefusedError(
            ErrorCode.NOT_ALLOWED, "getSentEdocList without docId is refused by this hub's configuration"
        )
    found = hub.list_sent(call.signed.system_id, call.get_parameter("messagetype"), doc_id)
    rows = [(packet.sent, _build_sent_row(hub, packet, receipt)) for packet, receipts in found for receipt in receipts]
    return {"data": _select_rows(call, rows, recipient="toCode")}


def _build_sent_row(hub: Hub, packet: Packet, receipt: Receipt) -> dict[str, str]:
    sender_doc_ids = {"hub": packet.id, "document": packet.document_id, "none": ""}
    row = {
        "senderDocId": sender_doc_ids[hub.config.sender_doc_id],
        "receiverDocId": receipt.id,
        "fromCode": packet.sender,
        "toCode": receipt.recipient,
        "serviceType": "eDoc",
        "messageType": packet.message_type,
        "title": packet.title,
        "notation": packet.notation,
        "sentTime": _format_time(packet.sent),
        "receivedTime": _format_time(receipt.updated) if receipt.state != "initial" else "",
        "sendStatus": "done",
        "sendStatusDesc": "Đã gửi",
        "receiveStatus": receipt.state,
        "receiveStatusDesc": STATE_NAMES[receipt.state],
    }
    return _leave_out_empty(row)


def _leave_out_empty(row: dict[str, Any]) -> dict[str, Any]:
    """Leave out the fields without a value, as the hub does."""
    return {name: value for name, value in row.items() if value != ""}


def _handle_agencies(hub: Hub, _: Call) -> Answer:
    directory = hub.storage.list_agencies()
    ids = _collect_ids(directory)
    rows = ({**_build_agency_row(agency, ids), "oldCode": agency.old_code} for agency in directory)
    return {"data": [_leave_out_empty(row) for row in rows]}


def _handle_agencies_qd20(hub: Hub, call: Call) -> Answer:
    level = call.get_parameter("level")
    if not (level.isascii() and level.isdigit()):
        raise RefusedError(ErrorCode.MALFORMED, "level is not a number")
    directory = hub.storage.list_agencies()
    chosen = [agency for agency in directory if int(level) in (0, len(agency.code.split(".")))]
    ids = _collect_ids(directory)
    rows = ({**_build_agency_row(agency, ids), "code102": agency.old_code, "pid": ""} for agency in chosen)
    return {"data": [_leave_out_empty(row) for row in rows]}


def _handle_changes(hub: Hub, _: Call) -> Answer:
    directory = hub.storage.list_agencies(include_removed=True)
    ids = _collect_ids(directory)
    rows = [_build_agency_row(agency, ids) | _build_change_row(agency) for agency in directory]
    return {"data": [_leave_out_empty(row) for row in sorted(rows, key=lambda row: int(row["version"]))]}


def _build_change_row(agency: Agency) -> dict[str, Any]:
    return {
        "version": agency.version,
        "centerCode": agency.system_id,
        "deleted": bool(agency.deleted),
        "modifyDate": _format_time(agency.modified),
        "isAgency": True,
    }


def _collect_ids(directory: list[Agency]) -> dict[str, str]:
    """Collect the ids of a directory by code: looking for each parent in a list of thousands takes minutes."""
    return {agency.code: str(agency.id) for agency in directory}


def _build_agency_row(agency: Agency, ids: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": str(agency.id),
        "pid": ids.get(agency.parent, ""),
        "code": agency.code,
        "name": agency.name,
        "mail": agency.mail,
    }


def _handle_register(hub: Hub, call: Call) -> Answer:
    try:
        fields = json.loads(call.body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not isinstance(fields.get("code"), str) or not fields["code"]:
        raise RefusedError(ErrorCode.MALFORMED, "the body is not a JSON object with a code")
    known = hub.storage.find_agency(fields["code"])
    if known is not None and known.system_id != call.signed.system_id:
        raise RefusedError(ErrorCode.NOT_ALLOWED, f"agency {fields['code']} is another system's")
    hub.storage.put_agency(
        code=fields["code"],
        system_id=call.signed.system_id,
        name=_get_text(fields, "name"),
        mail=_get_text(fields, "mail"),
        parent=_get_text(fields, "pcode"),
        at=hub.now(),
    )
    return {}


def _get_text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _handle_remove(hub: Hub, call: Call) -> Answer:
    agency = hub.require_own_agency(call.signed.system_id, call.get_parameter("AgencyCode"), ErrorCode.UNKNOWN_AGENCY)
    hub.storage.mark_agency(agency.code, deleted=True, at=hub.now())
    return {}


def _handle_count_edoc(hub: Hub, call: Call) -> Answer:
    return {"count": len(hub.list_waiting(call.signed.system_id, "edoc"))}


def _handle_count_status(hub: Hub, call: Call) -> Answer:
    return {"count": len(hub.list_waiting(call.signed.system_id, "status"))}


def _format_time(stored: str) -> str:
    return format_hub_time(datetime.fromisoformat(stored))


_TYPE_PARAMETERS = ("servicetype", "messagetype")
_CHOICES: Final[Mapping[str, frozenset[str]]] = {
    "servicetype": frozenset({"eDoc"}),
    "messagetype": MESSAGE_TYPES,
    "status": frozenset({"processing", "done", "fail"}),
}
CALLS: Final[Mapping[str, CallSpec]] = {
    "sendEdoc": CallSpec(
        "POST",
        ("from", "messagetype", "hash-file"),  # some clients leave servicetype out where they send a status
        _handle_send,
        upload=True,
        refusal={"DocId": ""},  # without it the vendor's client throws
        escaped=True,
    ),
    "getReceivedEdocList": CallSpec("POST", _TYPE_PARAMETERS, _handle_list),
    "getEdoc": CallSpec("POST", ("docId",), _handle_fetch),
    "downloadEdoc": CallSpec("GET", ("docId",), _handle_download),
    "updateStatus": CallSpec("POST", ("docid", "status"), _handle_confirm),
    "getSentEdocList": CallSpec("POST", _TYPE_PARAMETERS, _handle_sent_list),
    "getAgenciesList": CallSpec("POST", (), _handle_agencies),
    "getAgenciesListQD20": CallSpec("POST", ("level",), _handle_agencies_qd20),
    "getSynchronizeUnit": CallSpec("POST", (), _handle_changes),
    "registerAgency": CallSpec("POST", (), _handle_register),
    "deleteAgency": CallSpec("POST", ("AgencyCode",), _handle_remove),
    "countReceiveEdoc": CallSpec("POST", _TYPE_PARAMETERS, _handle_count_edoc),
    "countReceiveStatus": CallSpec("POST", _TYPE_PARAMETERS, _handle_count_status),
}
