"""The calls of the interface, one row each (VXP interface, "Calls")."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from edoc_connector.mockhub import wire
from edoc_connector.mockhub.codes import ErrorCode, RefusedError, hub_time
from edoc_connector.mockhub.compose import status_packet
from edoc_connector.mockhub.faults import Fault
from edoc_connector.mockhub.hub import Hub, Incoming
from edoc_connector.mockhub.packets import Facts
from edoc_connector.mockhub.storage import Agency, Packet, Receipt

GARBAGE: Final = b"\x00\xff<edXML>\x1f\x8b not a packet"
MESSAGE_TYPES: Final = frozenset({"edoc", "status"})
STATES: Final[Mapping[str, str]] = {
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

    signed: wire.Signed
    body: bytes = b""
    upload: Path | bytes = b""
    fault: Fault | None = None

    def parameter(self, name: str) -> str:
        """A signed parameter, empty where it is absent."""
        return self.signed.parameters.get(name, "")

    def faulty(self, kind: str) -> bool:
        """Whether the answer is to have this fault."""
        return self.fault is not None and self.fault.kind == kind


@dataclass(frozen=True, slots=True)
class PacketAnswer:
    """An answer that is a packet: bytes, or a file, as base64 in JSON where `wrapped`."""

    content: bytes | Path
    wrapped: bool


Answer: TypeAlias = dict[str, Any] | PacketAnswer
Handler: TypeAlias = Callable[[Hub, Call], Answer]


@dataclass(frozen=True, slots=True)
class CallRow:
    """A row of the table: HTTP method, parameters that must be signed, what answers, whether the body is a packet."""

    method: str
    parameters: tuple[str, ...]
    handler: Handler
    upload: bool = False


def perform(hub: Hub, name: str, call: Call) -> Answer:
    """Answer a call.

    Raises:
        RefusedError: the hub says no.
    """
    row = CALLS[name]
    if name in hub.config.refuse:
        raise RefusedError(ErrorCode.NOT_ALLOWED, f"{name} is refused by this hub's configuration")
    wire.require(call.signed, row.parameters)
    for parameter, allowed in _CHOICES.items():
        if parameter in row.parameters and call.parameter(parameter) not in allowed:
            raise RefusedError(ErrorCode.MALFORMED, f"{parameter} is none of {', '.join(sorted(allowed))}")
    return row.handler(hub, call)


def _send(hub: Hub, call: Call) -> Answer:
    incoming = Incoming(
        packet=call.upload,
        system_id=call.signed.system_id,
        sender=call.parameter("from"),
        message_type=call.parameter("messagetype"),
        to=_recipients(call.parameter("to")),
    )
    return {"DocId": hub.accept(incoming)}


def _recipients(text: str) -> tuple[str, ...] | None:
    if not text:
        return None
    try:
        codes = json.loads(text)
    except (ValueError, RecursionError):
        codes = None
    if not isinstance(codes, list) or not codes or not all(isinstance(code, str) and code for code in codes):
        raise RefusedError(ErrorCode.MALFORMED, "to is not a JSON array of agency codes")
    return tuple(codes)


def _list(hub: Hub, call: Call) -> Answer:
    found = hub.waiting(call.signed.system_id, call.parameter("messagetype"))
    data = [_waiting_row(receipt, packet) for receipt, packet in found]
    if call.faulty("duplicate"):
        data = [row for row in data for _ in range(2)]
    if call.faulty("out-of-order"):
        data.reverse()
    return {"data": data}


def _waiting_row(receipt: Receipt, packet: Packet) -> dict[str, str]:
    return {
        "docId": receipt.id,
        "serviceType": "eDoc",
        "messageType": packet.message_type,
        "created_time": _time(receipt.created),
        "updated_time": _time(receipt.updated),
        "from": packet.sender,
        "to": receipt.recipient,
        "status": receipt.state,
        "status_desc": STATES[receipt.state],
    }


def _fetch(hub: Hub, call: Call) -> Answer:
    return PacketAnswer(_content(hub, call), wrapped=True)


def _download(hub: Hub, call: Call) -> Answer:
    return PacketAnswer(_content(hub, call), wrapped=False)


def _content(hub: Hub, call: Call) -> bytes | Path:
    _, packet = hub.received(call.signed.system_id, call.parameter("docId"))
    if call.faulty("garbage"):
        return GARBAGE
    if call.faulty("wrong-body"):
        return _other_body(hub, packet)
    path = hub.path(packet)
    return path if hub.tamper is None else hub.tamper(path.read_bytes())


def _other_body(hub: Hub, packet: Packet) -> bytes | Path:
    """Another packet of the same kind, or one made up where the hub has no other."""
    others = [other for other in hub.storage.packets(message_type=packet.message_type) if other.id != packet.id]
    if others:
        return hub.path(others[-1])
    nobody = Facts(
        kind="edoc", sender="", recipients=(), document_id="another document", business="0", number="1",
        notation="KHAC", title="", issued_on="2000/01/01", status="",
    )  # fmt: skip
    sender = {"OrganId": "X00", "OrganName": "Another agency"}
    return status_packet(code="01", sender=sender, answered=nobody, to="X01", reason="", at=hub.now())


def _confirm(hub: Hub, call: Call) -> Answer:
    hub.confirm(call.signed.system_id, call.parameter("docid"), call.parameter("status"))
    return {}


def _sent(hub: Hub, call: Call) -> Answer:
    doc_id = call.parameter("docId") or None
    if doc_id is None and not hub.config.recent_sent:
        raise RefusedError(
            ErrorCode.NOT_ALLOWED, "getSentEdocList without docId is refused by this hub's configuration"
        )
    found = hub.sent(call.signed.system_id, call.parameter("messagetype"), doc_id)
    data = [_sent_row(hub, packet, receipt) for packet, receipts in found for receipt in receipts]
    if call.faulty("duplicate"):
        data = [row for row in data for _ in range(2)]
    if call.faulty("out-of-order"):
        data.reverse()
    return {"data": data}


def _sent_row(hub: Hub, packet: Packet, receipt: Receipt) -> dict[str, str]:
    return {
        "senderDocId": packet.id if hub.config.sender_doc_id == "hub" else packet.document_id,
        "receiverDocId": receipt.id,
        "fromCode": packet.sender,
        "toCode": receipt.recipient,
        "serviceType": "eDoc",
        "messageType": packet.message_type,
        "title": packet.title,
        "notation": packet.notation,
        "sentTime": _time(packet.sent),
        "receivedTime": _time(receipt.updated) if receipt.state != "initial" else "",
        "sendStatus": "done",
        "sendStatusDesc": "Đã gửi",
        "receiveStatus": receipt.state,
        "receiveStatusDesc": STATES[receipt.state],
    }


def _agencies(hub: Hub, _: Call) -> Answer:
    known = hub.storage.agencies()
    return {"data": [{**_agency_row(agency, known), "oldCode": agency.old_code} for agency in known]}


def _agencies_qd20(hub: Hub, call: Call) -> Answer:
    level = call.parameter("level")
    if not (level.isascii() and level.isdigit()):
        raise RefusedError(ErrorCode.MALFORMED, "level is not a number")
    known = hub.storage.agencies()
    chosen = [agency for agency in known if int(level) in (0, len(agency.code.split(".")))]
    rows = [{**_agency_row(agency, known), "code102": agency.old_code} for agency in chosen]
    return {"data": [{name: value for name, value in row.items() if name != "pid"} for row in rows]}


def _changes(hub: Hub, _: Call) -> Answer:
    known = hub.storage.agencies(removed=True)
    rows = [_agency_row(agency, known) | _change_row(agency) for agency in known]
    return {"data": sorted(rows, key=lambda row: int(row["version"]))}


def _change_row(agency: Agency) -> dict[str, Any]:
    return {
        "version": agency.version,
        "centerCode": agency.system_id,
        "deleted": bool(agency.deleted),
        "modifyDate": _time(agency.modified),
        "isAgency": True,
    }


def _agency_row(agency: Agency, known: list[Agency]) -> dict[str, Any]:
    parent = next((str(other.id) for other in known if other.code == agency.parent), "")
    return {"id": str(agency.id), "pid": parent, "code": agency.code, "name": agency.name, "mail": agency.mail}


def _register(hub: Hub, call: Call) -> Answer:
    try:
        given = json.loads(call.body)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict) or not isinstance(given.get("code"), str) or not given["code"]:
        raise RefusedError(ErrorCode.MALFORMED, "the body is not a JSON object with a code")
    known = hub.storage.agency(given["code"])
    if known is not None and known.system_id != call.signed.system_id:
        raise RefusedError(ErrorCode.NOT_ALLOWED, f"agency {given['code']} is another system's")
    hub.storage.put_agency(
        code=given["code"],
        system_id=call.signed.system_id,
        name=_text(given, "name"),
        mail=_text(given, "mail"),
        parent=_text(given, "pcode"),
        at=hub.now(),
    )
    return {}


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    return value if isinstance(value, str) else ""


def _remove(hub: Hub, call: Call) -> Answer:
    agency = hub.own_agency(call.signed.system_id, call.parameter("AgencyCode"), ErrorCode.UNKNOWN_AGENCY)
    hub.storage.mark_agency(agency.code, deleted=True, at=hub.now())
    return {}


def _count_edoc(hub: Hub, call: Call) -> Answer:
    return {"count": len(hub.waiting(call.signed.system_id, "edoc"))}


def _count_status(hub: Hub, call: Call) -> Answer:
    return {"count": len(hub.waiting(call.signed.system_id, "status"))}


def _time(stored: str) -> str:
    return hub_time(datetime.fromisoformat(stored))


_TYPED = ("servicetype", "messagetype")
_CHOICES: Final[Mapping[str, frozenset[str]]] = {
    "servicetype": frozenset({"eDoc"}),
    "messagetype": MESSAGE_TYPES,
    "status": frozenset({"processing", "done", "fail"}),
}
CALLS: Final[Mapping[str, CallRow]] = {
    "sendEdoc": CallRow("POST", ("from", *_TYPED, "hash-file"), _send, upload=True),
    "getReceivedEdocList": CallRow("POST", _TYPED, _list),
    "getEdoc": CallRow("POST", ("docId",), _fetch),
    "downloadEdoc": CallRow("GET", ("docId",), _download),
    "updateStatus": CallRow("POST", ("docid", "status"), _confirm),
    "getSentEdocList": CallRow("POST", _TYPED, _sent),
    "getAgenciesList": CallRow("POST", (), _agencies),
    "getAgenciesListQD20": CallRow("POST", ("level",), _agencies_qd20),
    "getSynchronizeUnit": CallRow("POST", (), _changes),
    "registerAgency": CallRow("POST", (), _register),
    "deleteAgency": CallRow("POST", ("AgencyCode",), _remove),
    "countReceiveEdoc": CallRow("POST", _TYPED, _count_edoc),
    "countReceiveStatus": CallRow("POST", _TYPED, _count_status),
}
