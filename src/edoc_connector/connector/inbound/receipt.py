"""A received packet: its content, its handling, and the replies to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..._core import UNOBSERVED, Observation, Operation, Text, get_logger, make_lock, strip_hub
from ...edxml import SEAL_NAME, Attachment, BusinessType, Document, Finding, StaffInfo, StatusCode, StatusMessage
from ...errors import NotFound, StoreError, find_stored_name, has_details
from ...hubs import MessageType
from ...signing import Verification
from ...store import DONE, RECEIPTS, Authority, Change, LeaseLost, ReceiptRow, ReceiptState, Tx
from .._change_rules import NEW_KIND, TYPE_BY_KIND, WITHDRAWING_KINDS
from .._context import ConnectorContext
from .._retry import NO_ERROR
from ..naming import find_document_of, is_named_by, name_targets
from ..outbound import (
    Dispatcher,
    StatusReply,
    build_reply_message,
    check_message,
    enqueue_reply,
    find_open_requests,
    lock_replies,
    record_answer,
    require_allowed,
    require_handled,
)
from .admission import VerifiedPacket, open_packet
from .authority import AuthorityFinding, read_authority, read_findings

if TYPE_CHECKING:
    from .receive_loop import ReceiveLoop

log = get_logger("edoc_connector.connector.receipt")

_LEAVING = make_lock()  # held while it is seen who gives a packet back


@dataclass(frozen=True, slots=True)
class _PacketContent:
    """The content of a receipt's packet; of a status the document that it is about, where that came to us."""

    document: Document | None
    attachments: tuple[Attachment, ...]
    status: StatusMessage | None
    verification: Verification
    findings: tuple[Finding, ...]


class Receipt:
    """A packet that came in.

    As a context manager it is handled once: a block that ends normally makes it ``handled``, and the confirmation and
    status 01 go out; a block that raises leaves it waiting, and the next `Connector.receive` offers it again::

        with receipt:
            save(receipt.document, receipt.attachments)
        receipt.accept()

    The status methods may be called inside the block too: then what they say is stored together with ``handled``, or
    not at all. A status goes out at once; where the hub is out of reach it stays queued and leaves with a later call.

    Args:
        context: the store, the hub and the key.
        row: the receipt as it was read or claimed.
        outbox: sends what is queued; None where somebody else does.
        receive_loop: the loop that handed it out: sends, and claims the next packet when this one is ``handled``.
        verified: the packet, where it was verified a moment ago.
        is_claimed: whether the row is held for this object.
    """

    def __init__(
        self,
        context: ConnectorContext,
        row: ReceiptRow,
        *,
        outbox: Dispatcher | None = None,
        receive_loop: ReceiveLoop | None = None,
        verified: VerifiedPacket | None = None,
        is_claimed: bool = False,
    ) -> None:
        self._context = context
        self._row = row
        self._outbox = outbox
        self._receive_loop = receive_loop
        self._verified = verified
        self._is_claimed = is_claimed
        self._owner = context.lease.owner
        self._is_inside = False
        self._staged: list[StatusReply] = []
        self._content: _PacketContent | None = None
        self._observed: Observation = UNOBSERVED
        if is_claimed:
            context.lease_keeper.hold(RECEIPTS.table_name, row.id)

    def __repr__(self) -> str:
        return f"<Receipt {self.id!r} from {self.sender} {self.kind} {self.state}>"

    # -- what the store knows

    @property
    def key(self) -> int:
        """Its number in the store; grows with each packet."""
        return self._row.id

    @property
    def agency(self) -> str:
        """Code of the agency of ours that it came to."""
        return self._row.agency

    @property
    def id(self) -> str:
        """The DocumentId: of the document, or of the document that a status is about."""
        return self._row.document_id or ""

    @property
    def hub_doc_id(self) -> str:
        """The hub's id of the packet."""
        return self._row.hub_doc_id

    @property
    def state(self) -> ReceiptState:
        """Where it stands, as this object last knew."""
        return ReceiptState(self._row.state)

    @property
    def kind(self) -> str:
        """``new``, ``recall``, ``update`` or ``replace`` (a document), ``take_back`` or ``status``."""
        return self._row.business or "status"

    @property
    def business(self) -> BusinessType | None:
        """What a document packet asks for; None for a status packet."""
        return TYPE_BY_KIND.get(self.kind)

    @property
    def sender(self) -> str:
        """Code of the organisation it came from; empty while that is not known. Of a packet set aside, what it says."""
        return self._row.sender or ""

    @property
    def code(self) -> str:
        """Number and notation of the document."""
        return self._row.code or ""

    @property
    def issued_on(self) -> date | None:
        """Date of promulgation of the document."""
        return self._row.issued_on

    @property
    def subject(self) -> str:
        """Trích yếu; for a status its words."""
        return self._row.subject or ""

    @property
    def received_at(self) -> datetime:
        """When the hub first offered it to us, UTC."""
        return self._row.created_at

    @property
    def status(self) -> str | None:
        """The last status that we sent about it."""
        return self._row.last_code

    @property
    def change_requested(self) -> bool:
        """Whether the sender asked for the document back, recalls or replaces it, and waits for 15 or 16."""
        return self._row.change == Change.ASKED

    @property
    def withdrawn(self) -> bool:
        """Whether we agreed that the document no longer counts."""
        return self._row.change == Change.AGREED

    @property
    def authority(self) -> Authority | None:
        """Who vouches that it is its sender's; None where nobody does, and where it came before that was kept."""
        return read_authority(self._row)

    @property
    def authority_findings(self) -> tuple[AuthorityFinding, ...]:
        """Why `authority` is what it is, and what else was found of sender, addressee and age."""
        return read_findings(self._row)

    @property
    def took_effect(self) -> bool:
        """Whether what it says was let count. What does not is kept and shown, and moves nothing."""
        return self._row.took_effect

    @property
    def error(self) -> str | None:
        """Why it was set aside, or not downloaded; None where nothing is wrong."""
        return self._row.error_text

    @property
    def error_vi(self) -> str | None:
        """`error` in Vietnamese."""
        return self._row.error_vi

    @property
    def traceback(self) -> str | None:
        """Where the application failed on it last, as Python tells; None where it did not."""
        return self._row.traceback

    # -- what the packet holds

    @property
    def document(self) -> Document:
        """The document; for a request to take one back, that one. Of a valid packet, only what was signed.

        Raises:
            NotFound: the packet is not here, or is a status about a document that is not.
            StoreError: the packet's file was changed.
            PacketError: it cannot be read.
        """
        document = self.load().document
        if document is None:
            raise NotFound(
                f"the document {self.id} that this status is about did not come to us; see status_message.",
                vi=f"Không có văn bản đến {self.id} mà trạng thái này nói tới; hãy xem status_message.",
            )
        return document

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The document's files, without the seal. Their names come from outside: do not use them as paths."""
        return self.load().attachments

    @property
    def status_message(self) -> StatusMessage | None:
        """What a status packet says; None for a document."""
        return self.load().status

    @property
    def verification(self) -> Verification:
        """What the packet's signatures are worth."""
        return self.load().verification

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Where the packet differs from the standard, and how it was read."""
        return self.load().findings

    def load(self) -> _PacketContent:
        """Read the packet now, once; the properties above do it when they are first used."""
        if self._content is None:
            self._content = self._read_content()
        return self._content

    def _read_content(self) -> _PacketContent:
        packet, verification = open_packet(self._context, self._row, self._verified)
        self._verified = None  # it is not kept twice
        packet_message = verification.message or packet.message
        if isinstance(packet_message, StatusMessage):
            subject_document = self._read_subject_document()
            files = tuple(subject_document.attachments) if subject_document is not None else ()
            return _PacketContent(subject_document, files, packet_message, verification, packet.findings)
        # of a valid packet as they were signed: under the names and descriptions that were sealed
        carried_files = verification.attachments if verification.message is not None else packet.attachments
        files = tuple(file for file in carried_files if file.name != SEAL_NAME)
        # one that states no id goes by the one that it was stored under
        document_id = packet_message.id or self._row.document_id or self._row.hub_doc_id
        document = packet_message.model_copy(update={"id": document_id, "attachments": files})
        return _PacketContent(document, files, None, verification, packet.findings)

    def _read_subject_document(self) -> Document | None:
        """Read the document that a status packet is about; None where it did not come to us."""
        with self._context.store.snapshot() as tx:
            row = find_document_of(tx, self._row.agency, self.id, self.sender)
        return Receipt(self._context, row).document if row is not None else None

    # -- handling it

    def __enter__(self) -> Self:
        """Begin to handle it.

        Raises:
            StoreError: it was handled before, or another worker has it.
        """
        if self._is_claimed and self._owner != self._context.lease.owner:
            raise build_forked_error()
        if not self._is_claimed:
            self._claim()
        self._is_inside = True
        self._observed = observe_handling(self._context, self._row)
        self._observed.attach()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make it ``handled``, or give it back.

        Raises:
            LeaseLost: another worker took it over; nothing was written.
        """
        self._is_inside = False
        self._observed.detach()
        if self._owner != self._context.lease.owner:
            if error is None:
                raise build_forked_error()
            return
        if error is not None:
            self._staged.clear()
            name = find_stored_name(error)
            self._observed.end(name)
            self.give_back(Text(f"{name} in the application", f"phần mềm của đơn vị gặp lỗi {name}"))
            return
        try:
            with self._observed:
                self._finish()
        finally:
            self._release_lease()
        self._dispatch()

    def give_back(self, why: Text | str, **values: Any) -> None:
        """Leave it waiting for a later `Connector.receive`; harmless where it is not held."""
        self._leave(ReceiptState.WAITING, why, **values)

    def set_aside(self, why: Text | str, **values: Any) -> None:
        """Keep it from being handed out again before `Connector.recheck`; the hub is told nothing."""
        log.error("docId %s is set aside%s", self.hub_doc_id, f": {Text.of(why).en}" if has_details() else "")
        self._leave(ReceiptState.QUARANTINED, why, **values)

    def _leave(self, state: ReceiptState, detail: Text | str, **values: Any) -> None:
        self._observed.detach()
        self._observed.end(values.get("error_code"))
        self._is_inside = False
        self._staged.clear()
        with _LEAVING:  # a loop that was left is closed when Python likes, beside the next one
            is_ours = self._is_claimed and self._owner == self._context.lease.owner
            self._is_claimed = self._is_claimed and not is_ours
        if not is_ours:
            return
        try:
            with self._context.store.transaction() as tx:
                self._row = tx.receipts.move(self._row, state, detail=detail, **values)
        except LeaseLost as lost:
            log.warning("it was given to another worker meanwhile: %s", lost)
        finally:
            self._release_lease()

    @property
    def inside(self) -> bool:
        """Whether its block is running."""
        return self._is_inside

    @property
    def claimed(self) -> bool:
        """Whether it is held for this object."""
        return self._is_claimed

    def _claim(self) -> None:
        with self._context.store.transaction() as tx:
            row = tx.receipts.claim_next(
                self._context.lease, agency=self._row.agency, state=ReceiptState.WAITING, only_id=self._row.id
            )
            state = self._row.state if row is not None else tx.receipts.get_by_id(self._row.id).state
        if row is None:
            raise StoreError(
                f"the packet {self.hub_doc_id} cannot be handled now: it is {state}. Take packets from receive().",
                vi=f"Chưa xử lý được gói tin {self.hub_doc_id}: đang ở tình trạng {state}. "
                "Hãy lấy gói tin qua receive().",
            )
        self._row, self._owner = row, self._context.lease.owner
        self._is_claimed = True
        self._context.lease_keeper.hold(RECEIPTS.table_name, row.id)

    def _release_lease(self) -> None:
        self._is_claimed = False
        self._context.lease_keeper.release(RECEIPTS.table_name, self._row.id)

    def _finish(self) -> None:
        with (self._receive_loop or self._context.store).transaction() as tx:
            lock_replies(tx, self._row)
            row = tx.receipts.move(self._row, ReceiptState.HANDLED, **NO_ERROR)
            tx.outgoing.enqueue_confirmation(row, DONE, is_first=True)
            for reply in [*self._select_arrival_replies(row), *self._staged]:
                row = self._enqueue_reply(tx, row, reply)
        self._staged.clear()
        self._row = row

    def _dispatch(self) -> None:
        """Send queued messages, where that is not left to others."""
        sender = self._receive_loop or self._outbox
        if sender is not None:
            sender.dispatch_due()

    # -- answering it

    def accept(self, description: str | None = None, *, staff: StaffInfo | None = None, queue: bool = False) -> None:
        """Say that it was entered in the register (03).

        Args:
            description: words for the sender.
            staff: the officer.
            queue: whether a worker is left to send it, instead of calling the hub now; inside the block it goes with
                the rest, at the end of it.

        Raises:
            StatusNotAllowed: 03 may not be sent now; the error says what may.
            DocumentError: the words break a rule of the standard.
        """
        self._reply(StatusReply(StatusCode.ACCEPTED, description, staff), queue=queue)

    def reject(self, reason: str, *, staff: StaffInfo | None = None, queue: bool = False) -> None:
        """Refuse it for good (02); arguments and errors as for `accept`, and the reason is required."""
        self._reply(StatusReply(StatusCode.REJECTED, reason, staff), queue=queue)

    def assign(self, description: str | None = None, *, staff: StaffInfo | None = None, queue: bool = False) -> None:
        """Say to whom it was assigned (04); as `accept`."""
        self._reply(StatusReply(StatusCode.ASSIGNED, description, staff), queue=queue)

    def processing(
        self, description: str | None = None, *, staff: StaffInfo | None = None, queue: bool = False
    ) -> None:
        """Say that it is being worked on (05); as `accept`."""
        self._reply(StatusReply(StatusCode.PROCESSING, description, staff), queue=queue)

    def complete(self, description: str | None = None, *, staff: StaffInfo | None = None, queue: bool = False) -> None:
        """Say that it is finished (06); as `accept`."""
        self._reply(StatusReply(StatusCode.COMPLETED, description, staff), queue=queue)

    def agree_change(
        self, description: str | None = None, *, staff: StaffInfo | None = None, queue: bool = False
    ) -> None:
        """Agree to the recall, update, replacement or taking back that was asked for (15); as `accept`.

        On the receipt of the packet that asks, or of the document it asks for. After it, a document that was recalled,
        replaced or taken back takes no further status.
        """
        self._answer(StatusReply(StatusCode.CHANGE_AGREED, description, staff), queue=queue)

    def refuse_change(self, reason: str, *, staff: StaffInfo | None = None, queue: bool = False) -> None:
        """Refuse what was asked for (16); as `agree_change`, and the reason is required."""
        self._answer(StatusReply(StatusCode.CHANGE_REFUSED, reason, staff), queue=queue)

    def _answer(self, reply: StatusReply, *, queue: bool) -> None:
        """Answer the packet that asks, and load what that changed here."""
        request_receipt = self._find_request_receipt()
        request_receipt._reply(reply, queue=queue)
        if request_receipt is not self:
            self._refresh()

    def _reply(self, reply: StatusReply, *, queue: bool) -> None:
        now = self._context.store.clock()
        check_message(self._context, build_reply_message(self._context, self._row, reply, at=now), at=now)
        if self._is_inside:
            self._stage(reply)
            return
        with self._context.store.transaction(reply.actor) as tx:
            lock_replies(tx, self._row)
            row = tx.receipts.get_by_id(self._row.id)
            require_handled(row)
            self._row = self._enqueue_reply(tx, row, reply)
        if queue:
            return
        self._dispatch()
        self._refresh()

    def _refresh(self) -> None:
        """Load its row again: what was sent may have moved it."""
        with self._context.store.snapshot() as tx:
            self._row = tx.receipts.get_by_id(self._row.id)

    def _stage(self, reply: StatusReply) -> None:
        """Keep a status for the end of the block, where 01 goes before it."""
        with self._context.store.snapshot() as tx:
            row = tx.receipts.get_by_id(self._row.id)
            require_allowed(tx, row, reply, earlier_replies=[*self._select_arrival_replies(row), *self._staged])
        self._staged.append(reply)

    def _select_arrival_replies(self, row: ReceiptRow) -> list[StatusReply]:
        """Select 01 where it is due: a document that was given back before it was handled takes no code any more."""
        is_due = self.business is not None and row.last_code is None and row.change != Change.AGREED
        return [StatusReply(StatusCode.ARRIVED)] if is_due else []

    def _enqueue_reply(self, tx: Tx, row: ReceiptRow, reply: StatusReply) -> ReceiptRow:
        current = enqueue_reply(tx, self._context, row, reply)
        if not reply.is_answer:
            return current
        targets = name_targets(self.document) if row.business in WITHDRAWING_KINDS else ()
        return record_answer(tx, row, reply, targets=targets)

    def _find_request_receipt(self) -> Receipt:
        """Find the receipt to answer with 15 or 16: of the packet that asks, where this is the document it asks for."""
        if self.kind != NEW_KIND or self._is_inside:
            return self
        with self._context.store.snapshot() as tx:
            rows = find_open_requests(tx, self._row)
        candidates = (Receipt(self._context, row, outbox=self._outbox, receive_loop=self._receive_loop) for row in rows)
        return next((candidate for candidate in candidates if is_named_by(candidate.document, self._row)), self)


def observe_handling(context: ConnectorContext, row: ReceiptRow) -> Observation:
    """Begin to observe that the application handles a packet."""
    kind = MessageType.STATUS if row.business is None else MessageType.EDOC
    doc_id = strip_hub(row.hub_doc_id, row.hub)
    telemetry = context.near_hub(row.hub).hub.telemetry
    return telemetry.observe(Operation.PROCESS, kind, message_id=doc_id, document_id=row.document_id)


def attach_observation(receipt: Receipt) -> None:
    """Have what this task observes belong to the handling of a packet, which began in another thread."""
    receipt._observed.detach()
    receipt._observed.attach()


def detach_observation(receipt: Receipt) -> None:
    """End that, in the same task."""
    receipt._observed.detach()


def build_forked_error() -> StoreError:
    """Build the error for a packet that the process has in hand from which this one was forked."""
    return StoreError(
        "this packet, or call of receive(), belongs to the process that this one was forked from, which goes on with "
        "it. Call receive() in this process.",
        vi="Gói tin này, hoặc lần gọi receive() này, thuộc tiến trình cha và do tiến trình cha xử lý tiếp. Hãy gọi "
        "receive() trong tiến trình này.",
    )
