"""Duplicate checker: tell a document sent twice from a hub that returns one packet's body for two docIds.

A hub's list names no DocumentId, so a wrong body of the right sender and recipient can only be told by what else is
here. Confirming it as a duplicate would make the hub forget a document that never came. So before anything counts as a
duplicate, both docIds are downloaded once more: where either gives another packet now, that one is taken in, once it
stood the same test. What contradicts the hub's announcement is downloaded once more as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..._core import get_logger
from ...edxml import BusinessType, Document, StatusMessage
from ...errors import EdocError, ProtocolError
from ...store import ReceiptRow, Tx
from .._context import ConnectorContext
from .._retry import decide_retry
from .admission import VerifiedPacket, admit, fetch_to_spool, must_quarantine

log = get_logger("edoc_connector.connector.doubles")

_MAX_LOOKS = 8  # docIds that are looked at for one receipt
_MAX_CHECKS = 5  # a hub that cannot be asked for so long is believed


@dataclass(frozen=True, slots=True)
class DuplicateChecker:
    """Downloads what seems to be a duplicate a second time.

    Args:
        context: the store and the hub.
    """

    context: ConnectorContext

    def select_packet(self, row: ReceiptRow, verified: VerifiedPacket, looks: int = 0) -> VerifiedPacket:
        """Select the packet to take in for a receipt: the one that came, or the one that a second look brought.

        Args:
            row: the receipt.
            verified: what came for it.
            looks: how many looks brought another packet before.

        Raises:
            EdocError: the hub could not be asked, or gives a docId one known body now and another one then; the receipt
                has to wait.
        """
        copy = self._find_copy(row, verified)
        doc_ids = list(dict.fromkeys([row.hub_doc_id, *_list_ids_there(row, copy)]))
        is_changing = False
        for doc_id in doc_ids:  # it grows: what a look brings may be here under a third docId, whose body is missing
            other_packet = self._look_again(doc_id, row, verified)
            if other_packet is None:
                continue
            copy = self._find_copy(row, other_packet)
            if copy is None and looks < _MAX_LOOKS:
                log.error("the hub had given another packet's body for docId %s", row.hub_doc_id)
                self.context.store.spool.delete_file(verified.file.name)  # its content is here, under the other docId
                return other_packet
            self.context.store.spool.delete_file(other_packet.file.name)
            is_changing = True  # between packets that are here, or without an end
            doc_ids += [one for one in _list_ids_there(row, copy) if one not in doc_ids and len(doc_ids) < _MAX_LOOKS]
        if is_changing:
            raise _build_changing_error(row)
        return verified

    def _find_copy(self, row: ReceiptRow, verified: VerifiedPacket) -> ReceiptRow | None:
        with self.context.store.snapshot() as tx:
            return find_receipt_with_same_content(tx, row, verified)

    def _look_again(self, doc_id: str, row: ReceiptRow, verified: VerifiedPacket) -> VerifiedPacket | None:
        """Download what the hub gives for a docId now; None where it gives the same, or nothing after many looks.

        Args:
            doc_id: which.
            row: the receipt.
            verified: what came for it.
        """
        try:
            file = fetch_to_spool(self.context, doc_id)
        except EdocError as error:
            if decide_retry(error).next_state == "failed" or row.attempts >= _MAX_CHECKS:
                _log_giving_up(doc_id, error)
                return None
            raise
        try:
            packet = None if file.sha256 == verified.file.sha256 else admit(self.context, file, row)
        except EdocError as error:
            self.context.store.spool.delete_file(file.name)
            if must_quarantine(error) and row.attempts >= _MAX_CHECKS:
                _log_giving_up(doc_id, error)
                return None
            raise  # an odd body tells as little as none
        if packet is None or packet.fingerprint == verified.fingerprint:
            self.context.store.spool.delete_file(file.name)
            return None
        return packet


def _list_ids_there(row: ReceiptRow, copy: ReceiptRow | None) -> list[str]:
    """List the docId of a copy, where the hub of a receipt has it: another one may have offered it once more."""
    return [copy.hub_doc_id] if copy is not None and copy.hub == row.hub else []


def _build_changing_error(row: ReceiptRow) -> ProtocolError:
    return ProtocolError(
        f"the hub gives different packets when docId {row.hub_doc_id} is checked again: none of "
        "them is believed, and nothing is confirmed. It is asked for again; tell the hub's operator if it stays so.",
        vi=f"Khi kiểm tra lại docId {row.hub_doc_id}, trục trả về các gói tin khác nhau nên hệ thống "
        "không chấp nhận và không xác nhận gói nào. Hệ thống sẽ tải lại; nếu vẫn vậy, hãy báo đơn vị vận hành trục.",
    )


def _log_giving_up(doc_id: str, error: EdocError) -> None:
    log.warning("whether docId %s has a body of its own cannot be found out: %s", doc_id, error)


@dataclass(frozen=True, slots=True)
class ExistingCopies:
    """Copies that are here already of packets that came: the same documents, and the same statuses.

    Args:
        documents: the receipts that count, by DocumentId and sender.
        status_ids: the keys of status packets, by fingerprint.
    """

    documents: dict[tuple[str | None, str | None], ReceiptRow]
    status_ids: dict[str | None, set[int]]

    @classmethod
    def from_store(cls, tx: Tx, agency: str, packets: Sequence[VerifiedPacket]) -> ExistingCopies:
        """Look up the copies of some packets."""
        document_ids = [packet.message.id for packet in packets if isinstance(packet.message, Document)]
        status_fingerprints = [packet.fingerprint for packet in packets if isinstance(packet.message, StatusMessage)]
        documents, statuses = tx.receipts.find_copies(agency, documents=document_ids, statuses=status_fingerprints)
        ids_by_fingerprint: dict[str | None, set[int]] = {}
        for row in statuses:
            ids_by_fingerprint.setdefault(row.fingerprint, set()).add(row.id)
        return cls({(row.document_id, row.sender): row for row in reversed(documents)}, ids_by_fingerprint)

    def has_content(self, row: ReceiptRow, verified: VerifiedPacket) -> bool:
        """Whether a packet's content is here under another docId."""
        if isinstance(verified.message, StatusMessage):
            return bool(self.status_ids.get(verified.fingerprint, set()) - {row.id})
        return verified.has_content_of(self._match_document(row, verified.message))

    def is_new_document(self, row: ReceiptRow, verified: VerifiedPacket) -> bool:
        """Whether a document came for the first time and acts on no other one."""
        message = verified.message
        if not isinstance(message, Document) or self._match_document(row, message) is not None:
            return False
        return message.business.type in (None, BusinessType.NEW)

    def _match_document(self, row: ReceiptRow, document: Document) -> ReceiptRow | None:
        copy = self.documents.get((document.id, document.sender.id))
        return copy if copy is not None and copy.id != row.id else None


def find_receipt_with_same_content(tx: Tx, row: ReceiptRow, verified: VerifiedPacket) -> ReceiptRow | None:
    """Find the receipt that has the same content already."""
    message = verified.message
    if not isinstance(message, Document):
        return tx.receipts.find_same_status(row, verified.fingerprint)
    copy = find_receipt_with_same_id(tx, row, message)
    return copy if verified.has_content_of(copy) else None


def find_receipt_with_same_id(tx: Tx, row: ReceiptRow, document: Document) -> ReceiptRow | None:
    """Find the receipt under which a document of this id and sender is here already, whatever it says."""
    copy = tx.receipts.find_effective(row.agency, document.id, document.sender.id)
    return copy if copy is not None and copy.id != row.id else None
