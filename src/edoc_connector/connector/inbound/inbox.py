"""The inbox: record the hub's offers, and recheck packets in quarantine; `intake` fetches and stores them.

A packet counts as here only when its bytes are safe in the spool and its row says so, in one transaction; the hub is
told afterwards, by a confirmation queued in that same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..._core import Text, bind_log_fields, get_logger, qualify_for_hub
from ...edxml import StatusMessage, read
from ...errors import (
    AttachmentError,
    DocumentIdConflict,
    EdocError,
    HubError,
    PacketError,
    ProtocolError,
    TransportError,
)
from ...hubs import MessageType, Waiting
from ...store import (
    DONE,
    EDOC,
    FAIL,
    NOT_OURS,
    RECEIPTS,
    RESTORED,
    Authority,
    LeaseLost,
    Offer,
    ReceiptRow,
    ReceiptState,
    SpoolFile,
    Tx,
    has_waited,
)
from .._context import ConnectorContext
from .._fingerprint import compute_fingerprint
from .._recovery import recover_receiving
from .._retry import NO_ERROR, compute_next_attempt, decide_retry
from ..delivery import Delivery, build_deliveries
from ..naming import match_delivery, name_response
from .admission import (
    VerifiedPacket,
    admit,
    as_spool_columns,
    fetch_to_spool,
    must_quarantine,
    open_packet,
    require_spool_file,
)
from .authority import read_authority
from .entry import admit_quarantined
from .hub_order import sort_by_creation
from .intake import Intake
from .quarantine import MAX_WRONG_BODIES, set_aside

log = get_logger("edoc_connector.connector.inbox")

# Here for good, and the hub was told so.
_CONFIRMED_STATES = frozenset(
    {ReceiptState.HANDLED, ReceiptState.CONFIRMED, ReceiptState.DUPLICATE, ReceiptState.QUARANTINED}
)

_REQUEUED_PER_POLL = 500  # packets set aside that are downloaded once more at a time
_OFFERS_PER_TRANSACTION = 200  # what a hub lists is entered in pieces, so that other writers get their turn


@dataclass(frozen=True, slots=True)
class ReceivedStatus:
    """A status that a recipient sent.

    Args:
        message: the status.
        delivery: the delivery that it is about, as it is now; None where we sent no such document.
        authority: who vouches that it is its sender's; None where nobody does.
    """

    message: StatusMessage
    delivery: Delivery | None
    authority: Authority | None


class Inbox:
    """Records what one hub offers.

    Args:
        context: the store, the hub and the policy.

    Attributes:
        intake: downloads, verifies and stores packets.
    """

    def __init__(self, context: ConnectorContext) -> None:
        self._context = context
        self.intake = Intake(context)

    @property
    def kinds(self) -> tuple[MessageType, ...]:
        """The kinds of packets in the order in which a poll asks for them.

        Documents first, as a status may be about one of them; where a confirmation confirms every status, statuses.
        """
        if self._context.capabilities.confirms_all_statuses:
            return MessageType.STATUS, MessageType.EDOC
        return MessageType.EDOC, MessageType.STATUS

    def recover(self) -> None:
        """Offer again what dead applications were handling, where a look at the store finds any."""
        with self._context.store.snapshot() as tx:
            work = tx.leases.find_work(self._context.agency, self._context.overdue_limits)
        if work.is_receiving_overdue:
            recover_receiving(self._context)

    def recheck(self, row: ReceiptRow) -> None:
        """Verify a packet in quarantine once more, by the policy of today; one that never came is asked for again.

        Where its bytes still are no packet to let in, the hub is asked for it once more, if it can be.

        Raises:
            PacketError: it still cannot be read.
            VerificationFailed: the policy still does not let it in.
            DocumentIdConflict: another document came under its id.
            NotFound: its bytes are gone.
        """
        if row.state == ReceiptState.QUARANTINED and row.spool_file is None:
            self._requeue_download(row)
            return
        file = require_spool_file(row)
        self._context.store.require_packet(file.name, file.sha256)  # says so where its time to be kept was over
        self._context.hub.clear_exchanges()
        verified = self._admit_again(row, file)
        superseded = file
        try:
            with self._context.store.transaction() as tx:
                # Whether it is a duplicate is looked up first and written afterwards.
                tx.advisory_lock(f"inbox {self._context.agency}")
                self._context.hub.record_exchanges(tx, RECEIPTS, row.id)
                admit_quarantined(tx, self._context, row, verified)
        except EdocError:
            superseded = verified.file
            raise
        finally:
            if verified.file != file:
                self._context.store.spool.delete_file(superseded.name)

    def _admit_again(self, row: ReceiptRow, file: SpoolFile) -> VerifiedPacket:
        """Verify the stored bytes of a packet; where they may not come in, those that the hub gives for it now."""
        try:
            return admit(self._context, file, row)
        except EdocError as error:
            if row.state != ReceiptState.QUARANTINED or not must_quarantine(error):
                raise
            other_file = self._fetch_other_bytes(row)
            if other_file is None:
                raise
        try:
            return admit(self._context, other_file, row)
        except EdocError:
            self._context.store.spool.delete_file(other_file.name)
            raise

    def _fetch_other_bytes(self, row: ReceiptRow) -> SpoolFile | None:
        """Fetch the packet under a docId; None where the hub gives the same bytes as before, or none."""
        try:
            file = fetch_to_spool(self._context, row.hub_doc_id)
        except (HubError, TransportError) as error:
            log.warning("docId %s is not to be had from the hub: %s", row.hub_doc_id, error)
            return None
        if file.sha256 != row.sha256:
            return file
        self._context.store.spool.delete_file(file.name)
        return None

    def _requeue_download(self, row: ReceiptRow) -> None:
        with self._context.store.transaction() as tx:
            values: dict[str, Any] = {"attempts": 0, "next_attempt_at": tx.now, "refetch": False, **NO_ERROR}
            tx.receipts.move(row, ReceiptState.LISTED, **values)

    def requeue_due(self) -> None:
        """Plan another download of packets that were set aside and are due for it, whatever the hub's list shows."""
        with self._context.store.snapshot() as tx:
            rows = tx.receipts.list_refetchable(
                self._context.agency, limit=_REQUEUED_PER_POLL, hub=self._context.hub_name
            )
        if rows:
            with self._context.store.transaction() as tx:
                for row in rows:
                    self._requeue_row(tx, row)

    def _requeue_row(self, tx: Tx, row: ReceiptRow) -> None:
        detail = Text("it is downloaded once more by itself", "hệ thống tự tải lại một lần nữa")
        attempts = min(row.attempts, self._context.fetch_tries - 1)  # so that there is one
        try:
            tx.receipts.move(row, ReceiptState.LISTED, refetch=False, attempts=attempts, detail=detail)
        except LeaseLost as error:
            log.info("another worker has it: %s", error)

    def list_due_ids(self, kind: MessageType) -> list[int]:
        """List the keys of the packets that are due to be downloaded, whatever the hub's list shows."""
        with self._context.store.snapshot() as tx:
            return tx.receipts.list_due_ids(self._context.agency, kind, hub=self._context.hub_name)

    def _plan_redownload(self, row: ReceiptRow, now: datetime) -> dict[str, Any] | None:
        """Plan another download of a packet that was set aside and that the hub still offers: the columns to set."""
        if _can_redownload(row):
            detail = Text("the hub had given another packet's body", "trục đã trả nhầm nội dung gói tin khác")
            return {"attempts": row.attempts + 1, "refetch": False, "next_attempt_at": now, "detail": detail}
        if self._is_redownload_due(row, now):
            detail = Text("it never came, and the hub still offers it", "chưa tải được và trục vẫn còn gói tin này")
            return {"attempts": 0, "refetch": False, "next_attempt_at": now, "detail": detail}
        return None

    def _is_redownload_due(self, row: ReceiptRow, now: datetime) -> bool:
        """Whether a packet that could not be downloaded was left alone for long.

        One on which the process ended each time, and so no error is known, is left to a person.
        """
        if row.state != ReceiptState.QUARANTINED or row.spool_file is not None or row.error_code is None:
            return False
        wait = timedelta(seconds=self._context.limits.backoff_cap)
        return has_waited(row.updated_at, wait, now=now, limits=self._context.overdue_limits)

    def poll_offers(self, kind: MessageType) -> tuple[list[int], list[int]]:
        """Ask the hub what it offers, and record it.

        Returns:
            The keys of the receipts to fetch, and of those to compare again, which were confirmed before.

        Raises:
            EdocError: the hub did not say.
            StoreError: the store is not the one any more that was opened.
        """
        with bind_log_fields(agency=self._context.agency, hub=self._context.hub_name):
            return self._poll_kind(kind)

    def _poll_kind(self, kind: MessageType) -> tuple[list[int], list[int]]:
        self._context.store.require_same(self._context.agency)
        asked_at = self._context.store.clock()
        self._context.hub.clear_exchanges()  # nothing of it is for the evidence, and polls go on for months
        if not self._context.capabilities.lists_by_date:
            offers = sort_by_creation(self._context.hub.list_waiting(kind), asked_at)
            found = self._record_offers(offers, asked_at)
            if self._context.has_several_hubs:  # of one that is emptied must be known that it was asked
                self._record_listed(kind, asked_at)
            return found
        since = self._find_listed_until(kind, asked_at)
        offers = sort_by_creation(self._context.hub.list_since(kind, since=since), asked_at)
        found = self._record_offers(offers, asked_at)
        self._record_listed(kind, asked_at)  # only now: what was listed is recorded, and fetched by its id
        return found

    def _record_listed(self, kind: MessageType, asked_at: datetime) -> None:
        with self._context.store.transaction() as tx:
            tx.schedule.record_listed(self._context.agency, self._name_list(kind), until=asked_at)

    def _find_listed_until(self, kind: MessageType, asked_at: datetime) -> datetime:
        """Find how far the hub's lists by date were read; where none was, note where the first one begins.

        A time to come is one that a clock ahead wrote: nobody knows how far they were read, and the first one is read
        again.
        """
        agency, name = self._context.agency, self._name_list(kind)
        with self._context.store.snapshot() as tx:
            since = tx.schedule.find_listed_until(agency, name)
        if since is not None and since <= asked_at + self._context.overdue_limits.written:
            return since
        start = asked_at - timedelta(days=self._context.capabilities.first_days)
        with self._context.store.transaction() as tx:  # before it is asked for: the first answer may be weeks away
            if since is None:
                tx.schedule.record_listed(agency, name, until=start)
            else:
                log.error("a wrong clock wrote how far %s of %s were listed; they are listed once more", kind, agency)
                tx.schedule.record_listed_anew(agency, name, until=start)
        return start

    def _name_list(self, kind: MessageType) -> str:
        return qualify_for_hub(kind, self._context.hub_name)

    def open_status(self, row: ReceiptRow) -> ReceivedStatus | None:
        """Open a status packet that came in, and find the delivery it is about; None where it is no status.

        Raises:
            NotFound: its bytes are gone, or were removed when their time was over.
            StoreError: they were changed.
        """
        message = open_packet(self._context, row)[0].message
        if not isinstance(message, StatusMessage):
            return None
        with self._context.store.snapshot() as tx:
            delivery = match_delivery(tx, row.agency, name_response(message.response_for)).row
            limit = self._context.limits.arrival_within
            view = build_deliveries(tx, [delivery], arrival_within=limit)[0] if delivery is not None else None
        return ReceivedStatus(message, view, read_authority(row))

    def recheck_offered(self, key: int) -> EdocError | None:
        """Compare a packet that the hub offers after its confirmation with the one that came; confirm it once more.

        Another packet under the same docId, as from a hub that was restored and counts anew, is a receipt of its own.
        The same packet with other content is set aside beside the first, which stays as it is. One that the hub does
        not give now is compared later.

        Returns:
            The trouble with this packet alone, if there was any.

        Raises:
            EdocError: what every other packet would meet too.
        """
        with self._context.store.snapshot() as tx:
            row = tx.receipts.get_by_id(key)
        self._context.hub.clear_exchanges()
        try:
            changed_file = self._fetch_if_changed(row)
        except EdocError as error:
            self._postpone_comparison(row, error)
            return error
        if changed_file is not None and self._is_other_packet(changed_file, row):
            self._begin_anew(row, changed_file)
            return None
        with self._context.store.transaction() as tx:
            self._context.hub.record_exchanges(tx, RECEIPTS, row.id)
            if changed_file is not None:
                _quarantine_second(tx, row, changed_file)
            _enqueue_confirmation(tx, row)
        return None

    def _is_other_packet(self, file: SpoolFile, row: ReceiptRow) -> bool:
        """Whether a packet is not the one that came under its docId before: another document, or another status."""
        try:
            message = read(self._context.store.spool.locate(file.name)).message
        except PacketError:
            return False
        if isinstance(message, StatusMessage) or row.message_type != EDOC:
            return True
        return (message.id, message.sender.id) != (row.document_id, row.sender)

    def _begin_anew(self, row: ReceiptRow, file: SpoolFile) -> None:
        """Let the docId of a packet go to another one, which the next poll finds listed."""
        log.error("docId %s is another packet's now: was the hub restored?", row.hub_doc_id)
        with self._context.store.transaction() as tx:
            self._context.hub.record_exchanges(tx, RECEIPTS, row.id)
            renamed = tx.receipts.give_up_hub_doc_id(row)
            successor = tx.receipts.record_offer(row.agency, row.hub_doc_id, row.message_type, hub=row.hub)
            tx.audit_log.record("offer", RECEIPTS, successor.id, {"succeeds": renamed.hub_doc_id})
        self._context.store.spool.delete_file(file.name)  # it is downloaded as every packet is

    def _postpone_comparison(self, row: ReceiptRow, error: EdocError) -> None:
        """Put the comparison of a packet off that the hub does not give now.

        Raises:
            EdocError: what every other packet would meet too.
        """
        exchanges = self._context.hub.take_exchanges()
        common_error = self._context.hub_probe.find_common_error(error)
        if common_error is not None:
            raise common_error
        log.warning("docId %s is offered again, and not given: %s", row.hub_doc_id, error)
        detail = Text(f"not compared: {error.message}", f"chưa đối chiếu được: {error.vi}")
        with self._context.store.transaction() as tx:
            for exchange in exchanges:
                tx.audit_log.record("answer", RECEIPTS, row.id, exchange)
            next_attempt_at = compute_next_attempt(self._context.limits, row.attempts, tx.now, error)
            tx.receipts.record_note(row, detail=detail, attempts=row.attempts + 1, next_attempt_at=next_attempt_at)

    def _record_offers(self, offers: Sequence[Waiting], asked_at: datetime) -> tuple[list[int], list[int]]:
        new_ids: dict[int, None] = {}
        known_ids: dict[int, None] = {}
        for start in range(0, len(offers), _OFFERS_PER_TRANSACTION):
            self._record_offer_batch(offers[start : start + _OFFERS_PER_TRANSACTION], asked_at, new_ids, known_ids)
        return list(new_ids), list(known_ids)

    def _record_offer_batch(
        self, batch: Sequence[Waiting], asked_at: datetime, new_ids: dict[int, None], known_ids: dict[int, None]
    ) -> None:
        with self._context.store.transaction() as tx:
            rows, new_doc_ids = tx.receipts.record_offers(
                self._context.agency, [_as_offer(waiting, self._context.hub_name) for waiting in batch]
            )
            for waiting in batch:
                row = rows[waiting.doc_id]
                if row.hub_doc_id in new_doc_ids:
                    new_doc_ids.remove(row.hub_doc_id)  # a hub may list it twice
                    tx.audit_log.record("offer", RECEIPTS, row.id, _as_announcement(waiting))
                if row.error_code in (RESTORED, NOT_OURS) and row.state == ReceiptState.QUARANTINED:
                    if row.error_code == RESTORED and not waiting.is_waiting:
                        continue  # it was confirmed after the backup
                    row = rows[waiting.doc_id] = _take_up_after_restore(tx, row)
                if row.state == ReceiptState.LISTED:
                    new_ids[row.id] = None
                elif (redownload_values := self._plan_redownload(row, tx.now)) is not None:
                    new_ids[row.id] = None
                    rows[waiting.doc_id] = tx.receipts.move(row, ReceiptState.LISTED, **redownload_values)
                elif not waiting.is_waiting:
                    continue  # the hub knows that we have it, and lists it all the same
                elif row.confirmed_at is None:
                    tx.outgoing.requeue_refused(row)  # else the hub was not told yet when it answered
                elif asked_at <= row.confirmed_at <= tx.now:  # not one that a clock ahead wrote
                    continue  # nor then
                elif row.state == ReceiptState.QUARANTINED and row.spool_file is None:
                    _enqueue_confirmation(tx, row)
                elif row.state in _CONFIRMED_STATES and row.next_attempt_at <= tx.now:
                    known_ids[row.id] = None

    def _fetch_if_changed(self, row: ReceiptRow) -> SpoolFile | None:
        """Fetch the packet under a docId that we have; None where it still says the same."""
        try:
            file = fetch_to_spool(self._context, row.hub_doc_id)
        except EdocError as error:
            if decide_retry(error).next_state != "failed":
                raise
            log.warning("docId %s is offered again, and not given: %s", row.hub_doc_id, error)
            return None
        if file.sha256 != row.sha256 and self._has_other_content(file, row):
            return file
        self._context.store.spool.delete_file(file.name)
        return None

    def _has_other_content(self, file: SpoolFile, row: ReceiptRow) -> bool:
        """Whether a packet says something else; a hub may write the same packet anew."""
        try:
            packet = read(self._context.store.spool.locate(file.name))
            stored = row.fingerprint
            return compute_fingerprint(packet.message, packet.attachments, stored=stored) != stored
        except (PacketError, AttachmentError):
            return True


_AFRESH: dict[str, Any] = {"refetch": False, **NO_ERROR}


def _take_up_after_restore(tx: Tx, row: ReceiptRow) -> ReceiptRow:
    """Take up a packet again that a restore set aside: the hub still offers it, so it was not confirmed since.

    A status about a document that the store does not know waits until it does.
    """
    if row.error_code == NOT_OURS:
        is_known = tx.deliveries.find_by_document_id(row.agency, row.document_id or "") is not None
        detail = Text("the document that it is about is known by now", "đã có văn bản mà thông báo này nói đến")
        return tx.receipts.move(row, ReceiptState.LISTED, detail=detail, **_AFRESH) if is_known else row
    detail = Text("the hub still offers it: it was not confirmed since the backup",
                  "trục vẫn còn đưa ra: chưa được xác nhận kể từ bản sao lưu")  # fmt: skip
    state = ReceiptState.WAITING if row.was_admitted else ReceiptState.LISTED
    values = _AFRESH | ({} if row.was_admitted else {"attempts": 0})
    return tx.receipts.move(row, state, detail=detail, next_attempt_at=tx.now, **values)


def _can_redownload(row: ReceiptRow) -> bool:
    """Whether a packet is worth another download: the hub gave another one's body for it, and still offers it."""
    had_wrong_body = row.state == ReceiptState.QUARANTINED and row.error_code == ProtocolError.__name__
    return had_wrong_body and row.spool_file is not None and row.attempts < MAX_WRONG_BODIES


def _enqueue_confirmation(tx: Tx, row: ReceiptRow) -> None:
    is_quarantined = row.state == ReceiptState.QUARANTINED
    tx.outgoing.enqueue_confirmation(row, FAIL if is_quarantined else DONE)


def _quarantine_second(tx: Tx, row: ReceiptRow, file: SpoolFile) -> None:
    """Set other bytes under a docId that we have aside, once, under a name of their own."""
    name = f"{row.hub_doc_id}~{file.sha256[:12]}"
    second = tx.receipts.record_offer(row.agency, name, row.message_type, hub=row.hub)
    if second.state == ReceiptState.LISTED:
        values = {"document_id": row.document_id, "sender": row.sender}
        set_aside(tx, second, _build_second_body_error(row), values | as_spool_columns(file))


def _as_offer(waiting: Waiting, hub: str) -> Offer:
    return Offer(
        hub_doc_id=waiting.doc_id,
        message_type=waiting.message_type,
        sender=waiting.sender,
        recipient=waiting.recipient,
        hub=hub,
    )


def _as_announcement(waiting: Waiting) -> dict[str, Any]:
    """Express the hub's announcement of a packet as a note for the evidence."""
    return {
        "sender_announced": waiting.sender,
        "recipient_announced": waiting.recipient,
        "created": waiting.created_text,
        "state_announced": waiting.status,
    }


def _build_second_body_error(row: ReceiptRow) -> DocumentIdConflict:
    return DocumentIdConflict(
        f"the hub gives another packet under docId {row.hub_doc_id} than it gave first. The first one counts; this one "
        "is set aside. Ask the sender which one is meant, and tell the hub's operator.",
        vi=f"Với docId {row.hub_doc_id}, trục trả về gói tin khác với lần đầu. Giữ gói tin đầu, cách ly gói tin này. "
        "Hãy hỏi nơi gửi và báo cho đơn vị vận hành trục.",
    )
