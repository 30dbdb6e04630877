"""What a person on the page, or a test, does as an agency: answer a packet, recall a document, send one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from edoc_connector.mockhub.hub import WAITING_STATES, Hub
from edoc_connector.mockhub.incoming import Incoming
from edoc_connector.mockhub.packets import (
    Draft,
    build_document_packet,
    build_recall,
    build_status_packet,
    extract_facts,
    parse_packet,
)
from edoc_connector.mockhub.storage import Agency, Packet, Receipt

CODES_NEEDING_REASON: Final = frozenset({"02", "13", "16"})
"""Those that must give a reason (Decision 28/2018/QĐ-TTg)."""

CODE_BY_ACTION: Final[Mapping[str, str]] = {"accept": "03", "reject": "02", "agree": "15", "refuse": "16"}
"""Buttons, by the code that they send."""

# What may follow a recipient's last code (Decision 28/2018/QĐ-TTg); nothing was sent before the first.
_NEXT_CODES: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset({"01", "02", "03"}),
    "01": frozenset({"02", "03"}),
    "03": frozenset({"04", "05", "06"}),
    "04": frozenset({"04", "05", "06"}),
    "05": frozenset({"04", "05", "06"}),
}
_REPLIES_TO_CHANGE: Final = frozenset({"15", "16"})


class NotDoneError(Exception):
    """An action that was not performed.

    Args:
        name: of the text that says why.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that a person gives as an agency.

    Args:
        agency: code of the agency.
        code: status code.
        reason: reason or remark.
        is_forced: whether it goes out although the packet does not wait for it.
    """

    agency: str
    code: str
    reason: str = ""
    is_forced: bool = False


def answer_packet(hub: Hub, packet: Packet, answer: Answer) -> None:
    """Answer a packet as an agency; 01 goes before the first 02 or 03.

    Raises:
        NotDoneError: a reason is missing, there is no such agency, or the packet does not wait for that answer.
        RefusedError: as `Hub.accept`.
    """
    agency = hub.storage.find_agency(answer.agency)
    if agency is None:
        raise NotDoneError("wrong.agency")
    receipt = next((one for one in hub.storage.list_receipts(packet.id) if one.recipient == agency.code), None)
    if not answer.is_forced and answer.code not in list_codes(hub, packet, receipt, agency):
        raise NotDoneError("wrong.order")
    if answer.code in CODES_NEEDING_REASON and not answer.reason.strip():
        raise NotDoneError("wrong.reason")
    if answer.code in ("02", "03") and not _find_last_code(hub, packet, agency.code):
        _send_status(hub, agency, packet, "01", "")
    _send_status(hub, agency, packet, answer.code, answer.reason)
    if receipt is not None and receipt.state in WAITING_STATES:
        hub.confirm(agency.system_id, receipt.id, "done", actor=format_actor(agency.code))


def format_actor(code: str) -> str:
    """Format who acted, where it was not the agency's own system."""
    return f"{code} (page)"


def list_codes(hub: Hub, packet: Packet, receipt: Receipt | None, agency: Agency) -> frozenset[str]:
    """List the codes that a packet waits for from an agency: of its sender the take-back 13, of a recipient the next.

    Once the agency's own system took the packet, that answers.
    """
    if packet.sender == agency.code and packet.business == "0":
        return frozenset({"13"})
    if receipt is None or (receipt.state not in WAITING_STATES and not _was_played(hub, packet, receipt)):
        return frozenset()
    if packet.business != "0" or packet.status:
        is_open = receipt.state in WAITING_STATES and (packet.business not in ("", "0") or packet.status == "13")
        return _REPLIES_TO_CHANGE if is_open else frozenset()
    return _NEXT_CODES.get(_find_last_code(hub, packet, agency.code), frozenset())


def _was_played(hub: Hub, packet: Packet, receipt: Receipt) -> bool:
    events = [one for one in hub.storage.list_events(packet.id) if one.receipt_id == receipt.id]
    return bool(events) and events[-1].actor == format_actor(receipt.recipient)


def _find_last_code(hub: Hub, packet: Packet, sender: str) -> str:
    codes = [one.status for one in hub.storage.list_about(packet) if one.status and one.sender == sender]
    return codes[-1] if codes else ""


def _send_status(hub: Hub, agency: Agency, packet: Packet, code: str, reason: str) -> None:
    answered = extract_facts(parse_packet(hub.get_path(packet)))
    is_own = packet.sender == agency.code
    recipients = [one.recipient for one in hub.storage.list_receipts(packet.id)] if is_own else [packet.sender]
    for to in recipients:
        content = build_status_packet(
            code=code,
            sender={"OrganId": agency.code, "OrganName": agency.name},
            answered_facts=answered,
            to=to,
            reason=reason,
            at=hub.now(),
        )
        hub.accept(Incoming(packet=content, system_id=agency.system_id, sender=agency.code, message_type="status"))


def recall_document(hub: Hub, packet: Packet, reason: str) -> str:
    """Recall a document as its sender; gives the id of the packet that says so.

    Raises:
        NotDoneError: it is no document, a reason is missing, or its sender is no agency of this hub.
        RefusedError: as `Hub.accept`.
    """
    agency = hub.storage.find_agency(packet.sender)
    if agency is None:
        raise NotDoneError("wrong.agency")
    if packet.business != "0":
        raise NotDoneError("wrong.order")
    if not reason.strip():
        raise NotDoneError("wrong.reason")
    facts = extract_facts(parse_packet(hub.get_path(packet)))
    sender = (agency.code, agency.name)
    return send_draft(hub, build_recall(facts, sender=sender, recipients=facts.recipients, reason=reason))


def send_draft(hub: Hub, draft: Draft) -> str:
    """Send a document as its sender; gives its id at the hub.

    Raises:
        NotDoneError: its sender is no agency of this hub.
        RefusedError: as `Hub.accept`.
    """
    agency = hub.storage.find_agency(draft.sender[0])
    if agency is None:
        raise NotDoneError("wrong.agency")
    content = build_document_packet(draft, at=hub.now())
    return hub.accept(Incoming(packet=content, system_id=agency.system_id, sender=agency.code, message_type="edoc"))
