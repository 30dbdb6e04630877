"""The hub itself, without HTTP: packets taken, kept, offered and confirmed."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from edoc_connector._core import make_private_folder, write_private
from edoc_connector.mockhub import packets
from edoc_connector.mockhub.codes import ErrorCode, RefusedError
from edoc_connector.mockhub.config import AgencySpec, MockHubConfig
from edoc_connector.mockhub.dialects import EdocserviceDesk, LgspDesk
from edoc_connector.mockhub.faults import FaultPlan, RequestLog
from edoc_connector.mockhub.incoming import Incoming
from edoc_connector.mockhub.packets import AttachmentSpool
from edoc_connector.mockhub.storage import Agency, DuplicateError, Event, Packet, Receipt, Storage

RECENT_PERIOD: Final = timedelta(days=30)
WAITING_STATES: Final = frozenset({"initial", "processing"})

# From a receipt's state to those it may be moved to. Saying again what it is already succeeds: the answer to a
# confirmation gets lost, and the receiver then confirms again.
ALLOWED_STATES: Final[Mapping[str, frozenset[str]]] = {
    "initial": frozenset({"processing", "done", "fail"}),
    "processing": frozenset({"processing", "done", "fail"}),
    "done": frozenset({"done"}),
    "fail": frozenset({"fail"}),
}


class Hub:
    """A hub with its data.

    Args:
        config: see `MockHubConfig`; the directory is made if missing.

    Attributes:
        faults: the fault plan.
        requests: a record of the calls that came last.
        tamper: applied to a packet's bytes each time a receiver fetches it; None leaves them. For tests: one field or
            one attachment byte changed on the way.
        clock_offset: how far the hub's clock is ahead.
        clock_tolerance: how far a request's timestamp may be off; None takes any.
        lgsp: tokens and logins of the platform on the same port.
        edocservice: numbers and calls of the provincial eDoc hub on the same port.
    """

    def __init__(self, config: MockHubConfig) -> None:
        self.config = config
        self.faults = FaultPlan(config.fault_seed)
        for fault in config.faults:
            self.faults.add(fault)
        self.requests = RequestLog()
        self.lgsp = LgspDesk(self)
        self.tamper: Callable[[bytes], bytes] | None = None
        self.clock_offset = config.clock_offset
        self.clock_tolerance = config.clock_tolerance
        self._packets_folder = config.data / "packets"
        self.incoming_folder = config.data / "incoming"
        for folder in (config.data, self._packets_folder, self.incoming_folder):
            make_private_folder(folder)
        for leftover in self.incoming_folder.iterdir():  # uploads that were cut off when the hub last stopped
            leftover.unlink()
        self.storage = Storage(config.data / "hub.sqlite3")
        self.edocservice = EdocserviceDesk(self)
        self._secrets: dict[str, str] = {}
        self.add_agencies(config.agencies)

    def close(self) -> None:
        """Release the database; the hub cannot be used afterwards."""
        self.storage.close()

    def now(self) -> datetime:
        """Tell the hub's time, aware UTC."""
        return self.config.clock().astimezone(UTC) + self.clock_offset

    def format_now(self) -> str:
        """Format the hub's time as the database keeps it, to the microsecond and comparable as text."""
        return self.now().isoformat(timespec="microseconds")

    @property
    def secrets(self) -> Mapping[str, str]:
        """HMAC keys by system id; in memory only."""
        return self._secrets

    def add_agency(self, spec: AgencySpec) -> None:
        """Register an agency and its system's secret, or change them."""
        self.add_agencies([spec])

    def add_agencies(self, specs: Sequence[AgencySpec]) -> None:
        """Register agencies and their systems' secrets, or change them: a whole directory at once."""
        self._secrets.update((spec.system, spec.secret) for spec in specs)
        self.storage.put_agencies(specs, at=self.now())

    def new_incoming_path(self) -> Path:
        """Give a path for a packet on its way in; the caller removes what is left there."""
        return self.incoming_folder / f"{uuid.uuid4()}.edxml"

    def get_path(self, packet: Packet) -> Path:
        """Give the path of the bytes that receivers of a packet get."""
        return self._packets_folder / f"{packet.id}.edxml"

    def accept(self, incoming: Incoming) -> str:
        """Take a packet and offer it to its recipients.

        Returns:
            The DocId for the sender.

        Raises:
            RefusedError: 19, 22, 18, 23, 25, and last 21 or 22 where the library that rebuilds packets fails on this
                one; checked in this order, and nothing was kept.
        """
        sender = self._require_sender(incoming)
        with AttachmentSpool(self.incoming_folder) as spool:
            is_rebuilt = not self.config.pass_through
            root = packets.parse_packet(incoming.packet, spool if is_rebuilt else None, strict=is_rebuilt)
            packets.add_missing_id(root)
            facts = packets.extract_facts(root)
            recipients = [self._require_recipient(code) for code in incoming.to or facts.recipients]
            packet = self._build_packet(incoming, sender, facts, _compute_identity(incoming, facts, recipients))
            receipts = [
                self._build_receipt(packet, recipient) for recipient in dict.fromkeys(r.code for r in recipients)
            ]
            if self.storage.has_packet(packet.identity):
                raise _build_exists_error(facts.document_id)
            self._store_content(incoming.packet, packet, root, spool)
        self._record_packet(packet, receipts, facts)
        return packet.id

    def offer(
        self, data: bytes, *, sender: str, to: Sequence[str], message_type: str = "edoc", doc_id: str = ""
    ) -> str:
        """Put bytes up for receivers without any check, for tests of what a hub should never pass on.

        Args:
            data: the bytes that receivers get.
            sender: code shown as ``from``.
            to: codes of the receivers; each must be registered.
            message_type: ``edoc`` or ``status``.
            doc_id: docId of the first receiver; a new one by default.

        Returns:
            The docId of the first receiver.
        """
        packet = Packet(
            id=str(uuid.uuid4()), system_id="", sender=sender, message_type=message_type, identity=str(uuid.uuid4()),
            document_id="", business="", title="", notation="", status="", size=len(data), sent=self.format_now(),
        )  # fmt: skip
        receipts = [self._build_receipt(packet, code, doc_id if index == 0 else "") for index, code in enumerate(to)]
        write_private(self.get_path(packet), data)
        self.storage.add_packet(packet, receipts, [self._build_event(packet, "", "offered", sender)])
        return receipts[0].id

    def list_waiting(self, system_id: str, message_type: str) -> list[tuple[Receipt, Packet]]:
        """List the packets that a system's agencies have not confirmed."""
        return self.storage.list_waiting(system_id, message_type)

    def get_received(self, system_id: str, doc_id: str) -> tuple[Receipt, Packet]:
        """Get a packet that is for an agency of a system.

        Raises:
            RefusedError: 26, there is none; the same for one that is somebody else's.
        """
        receipt = self.storage.find_receipt(doc_id)
        agency = self.storage.find_agency(receipt.recipient) if receipt else None
        packet = self.storage.find_packet(receipt.packet_id) if receipt else None
        if receipt is None or packet is None or agency is None or agency.system_id != system_id:
            raise RefusedError(ErrorCode.NO_SUCH_DOC, f"there is no docId {doc_id} for {system_id}")
        return receipt, packet

    def is_waiting(self, system_id: str, doc_id: str) -> bool:
        """Tell whether a docId is offered to an agency of a system and not confirmed."""
        try:
            receipt, _ = self.get_received(system_id, doc_id)
        except RefusedError:
            return False
        return receipt.state in WAITING_STATES

    def confirm(self, system_id: str, doc_id: str, state: str, *, actor: str = "") -> None:
        """Note a receiver's confirmation of a packet: ``processing``, ``done`` or ``fail``.

        Raises:
            RefusedError: 26, no such packet, or it is done or failed already.
        """
        receipt, packet = self.get_received(system_id, doc_id)
        if state not in ALLOWED_STATES[receipt.state]:
            raise RefusedError(ErrorCode.NO_SUCH_DOC, f"docId {doc_id} is {receipt.state} and waits no more")
        if state != receipt.state:
            self.mark(receipt, packet, state, actor=actor)

    def mark(self, receipt: Receipt, packet: Packet, state: str, *, actor: str = "") -> None:
        """Move a receipt to a state, whatever it was."""
        event = self._build_event(packet, receipt.id, state, actor or receipt.recipient)
        self.storage.set_state(receipt.id, state, event)

    def note_report(self, system_id: str, doc_id: str, code: str) -> None:
        """Note a business status that a receiver told by a call; no sender hears of it.

        Raises:
            RefusedError: 26, no such packet.
        """
        receipt, packet = self.get_received(system_id, doc_id)
        self.storage.add_event(self._build_event(packet, receipt.id, f"told {code}", receipt.recipient))

    def list_sent(self, system_id: str, message_type: str, doc_id: str | None) -> list[tuple[Packet, list[Receipt]]]:
        """List a system's sent packets: one by its DocId, or those of the last 30 days; empty where there is none."""
        if doc_id is None:
            since = (self.now() - RECENT_PERIOD).isoformat(timespec="microseconds")
            found = self.storage.list_packets(system_id=system_id, message_type=message_type, since=since)
        else:
            packet = self.storage.find_packet(doc_id)
            found = [packet] if packet is not None and packet.system_id == system_id else []
        return [(packet, self.storage.list_receipts(packet.id)) for packet in found]

    def require_own_agency(self, system_id: str, code: str, error_code: ErrorCode) -> Agency:
        """Get an agency that a system speaks for.

        Raises:
            RefusedError: `error_code`, where it is not registered or another system's.
        """
        agency = self.storage.find_agency(code)
        if agency is None or agency.system_id != system_id:
            raise RefusedError(error_code, f"agency {code} is not registered for {system_id}")
        return agency

    def _require_sender(self, incoming: Incoming) -> Agency:
        return self.require_own_agency(incoming.system_id, incoming.sender, ErrorCode.UNKNOWN_SENDER)

    def _require_recipient(self, code: str) -> Agency:
        agency = self.storage.find_agency(code)
        if agency is None:
            raise RefusedError(ErrorCode.UNKNOWN_AGENCY, f"the receiver {code} does not exist")
        if agency.locked:
            raise RefusedError(ErrorCode.LOCKED, f"the receiver {code} is locked")
        return agency

    def _build_packet(self, incoming: Incoming, sender: Agency, facts: packets.PacketFacts, identity: str) -> Packet:
        return Packet(
            id=str(uuid.uuid4()),
            system_id=incoming.system_id,
            sender=sender.code,
            message_type=incoming.message_type,
            identity=identity,
            document_id=facts.document_id,
            business=facts.business,
            title=facts.title,
            notation=facts.code,
            status=facts.status,
            size=_measure_size(incoming.packet),
            sent=self.format_now(),
            about=facts.about,
        )

    def _build_receipt(self, packet: Packet, recipient: str, doc_id: str = "") -> Receipt:
        return Receipt(
            id=doc_id or str(uuid.uuid4()),
            packet_id=packet.id,
            recipient=recipient,
            state="initial",
            created=packet.sent,
            updated=packet.sent,
        )

    def _build_event(self, packet: Packet, receipt_id: str, what: str, actor: str) -> Event:
        return Event(packet_id=packet.id, receipt_id=receipt_id, at=self.format_now(), actor=actor, what=what)

    def _store_content(self, source: Path | bytes, packet: Packet, root: packets.Node, spool: AttachmentSpool) -> None:
        if self.config.pass_through:
            if isinstance(source, bytes):
                write_private(self.get_path(packet), source)
            else:
                source.replace(self.get_path(packet))
            return
        rebuilt = self.incoming_folder / f"{packet.id}.rebuilt"
        try:
            organ_id, limit = self.config.trace_organ_id, self.config.max_packet
            packets.write_packet(root, spool, rebuilt, at=self.now(), organ_id=organ_id, limit=limit)
            rebuilt.replace(self.get_path(packet))
        finally:
            rebuilt.unlink(missing_ok=True)

    def _record_packet(self, packet: Packet, receipts: Sequence[Receipt], facts: packets.PacketFacts) -> None:
        events = [self._build_event(packet, "", f"status {facts.status}" if facts.status else "sent", packet.sender)]
        try:
            self.storage.add_packet(packet, receipts, events)
        except DuplicateError as error:
            self.get_path(packet).unlink()
            raise _build_exists_error(facts.document_id) from error


def _compute_identity(incoming: Incoming, facts: packets.PacketFacts, recipients: Sequence[Agency]) -> str:
    """Compute the text that two packets share when one is the other sent again.

    A recall, update or replacement has a DocumentId of its own, but some systems reuse the document's: the kind of
    business keeps them apart. A status has no id: only the very same bytes to the same recipients are the same status.
    """
    if facts.kind == "status":
        key = [incoming.message_type, _compute_digest(incoming.packet), sorted(agency.code for agency in recipients)]
    else:
        key = [facts.document_id, facts.business]
    return json.dumps([incoming.system_id, facts.kind, *key], ensure_ascii=False)


def _measure_size(packet: Path | bytes) -> int:
    return len(packet) if isinstance(packet, bytes) else packet.stat().st_size


def _compute_digest(packet: Path | bytes) -> str:
    if isinstance(packet, bytes):
        return hashlib.sha256(packet).hexdigest()
    with packet.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _build_exists_error(document_id: str) -> RefusedError:
    return RefusedError(ErrorCode.EXISTS, f"ExistDoc: {document_id} was sent before")
