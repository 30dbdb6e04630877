"""Intake of packets: download, verify and store them, several at a time and in the order of the hub's list.

Packets are downloaded and verified several at a time, in threads; they are stored in the order in which they are to be
handed out, a few in one transaction. Where one of them cannot be stored, nothing of the transaction was, and each is
stored by itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..._core import Text, describe_error, get_logger
from ...edxml import Document, StatusMessage, read
from ...errors import (
    AttachmentError,
    DocumentIdConflict,
    EdocError,
    ProtocolError,
    StoreError,
    VerificationFailed,
)
from ...hubs import Progress
from ...signing import RevocationMode
from ...store import DONE, FAIL, RECEIPTS, Change, LeaseLost, ReceiptRow, ReceiptState, SpoolFile, Tx
from .._change_rules import KIND_BY_TYPE, KIND_NAMES_VI, WITHDRAWING_TYPES, select_target_ids
from .._context import ConnectorContext
from .._retry import as_error_columns, compute_next_attempt, decide_retry
from .admission import (
    VerifiedPacket,
    admit,
    as_message_columns,
    as_packet_columns,
    as_spool_columns,
    fetch_to_spool,
    is_refusal,
)
from .duplicates import DuplicateChecker
from .status_intake import apply_status

log = get_logger("edoc_connector.connector.inbox")

_QUICK_BYTES = 1 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadedPacket:
    """A packet that was asked for, as far as it came.

    Args:
        row: its receipt, claimed.
        file: its bytes in the spool, where it came.
        verified: the packet, where it can be read and is let in.
        refusal: why it is set aside.
        unverified_columns: what a packet that can be read and is set aside says of itself, as columns of its row;
            not verified.
        retry_error: why it has to be asked for again.
        is_misdelivered: whether it is another packet's body.
        duplicate_checked: whether it seemed to be a duplicate, and was looked at twice.
        recorded_exchanges: what the hub said.
    """

    row: ReceiptRow
    file: SpoolFile | None = None
    verified: VerifiedPacket | None = None
    refusal: EdocError | None = None
    unverified_columns: Mapping[str, Any] = field(default_factory=dict)
    retry_error: EdocError | None = None
    is_misdelivered: bool = False
    duplicate_checked: bool = False
    recorded_exchanges: tuple[dict[str, Any], ...] = ()

    @property
    def is_admitted(self) -> bool:
        """Whether it was decided that it is let in, set aside, or asked for again."""
        return self.verified is not None or self.refusal is not None or self.retry_error is not None

    @property
    def opens_breaker(self) -> bool:
        """Whether the next packet would meet the same error."""
        return self.retry_error is not None and decide_retry(self.retry_error).opens_breaker

    @property
    def is_document(self) -> bool:
        """Whether a document came, and not a status or something that cannot be read."""
        return self.verified is not None and isinstance(self.verified.message, Document)

    @property
    def identity(self) -> tuple[str, ...] | None:
        """Identity of the content, the same for two copies of it; None where there is no content."""
        if self.verified is None:
            return None
        message = self.verified.message
        return (message.id, message.sender.id) if isinstance(message, Document) else (self.verified.fingerprint,)


class Intake:
    """Brings packets in.

    Args:
        context: the store, the hub and the policy.
    """

    def __init__(self, context: ConnectorContext) -> None:
        self._context = context
        self._duplicate_checker = DuplicateChecker(context)

    def fetch(self, keys: Sequence[int], *, within: float = math.inf) -> list[EdocError]:
        """Claim, download, verify and store packets that were listed, one after another.

        Those that other workers are at are left out; those that were not begun in time are given back.

        Args:
            keys: the keys of their receipts.
            within: seconds after which no further one is begun.

        Returns:
            What those met that were not stored.
        """
        deadline = time.monotonic() + within
        rows = self.claim(keys)
        downloads: list[DownloadedPacket] = []
        with self._context.lease_keeper.hold_all(RECEIPTS.table_name, [row.id for row in rows]):
            for row in rows:
                if downloads and (time.monotonic() >= deadline or downloads[-1].opens_breaker):
                    break
                downloads.append(self.download(row))
            self.release(rows[len(downloads) :])
            errors = self.store_packets(downloads)
        self._keep_verified(downloads)
        return errors

    def claim(self, keys: Sequence[int]) -> list[ReceiptRow]:
        """Claim packets that were listed and that nobody is at; the attempt counts from now on."""
        with self._context.store.transaction() as tx:
            return tx.receipts.claim_listed(self._context.lease, agency=self._context.agency, row_ids=keys)

    def release(self, rows: Sequence[ReceiptRow]) -> None:
        """Give back packets that were claimed and not asked for."""
        if rows:
            with self._context.store.transaction() as tx:
                tx.receipts.release_claims(self._context.lease, [row.id for row in rows])

    def download(
        self, row: ReceiptRow, *, on_progress: Progress | None = None, defer_quick: bool = False
    ) -> DownloadedPacket:
        """Download and verify a packet that was claimed. May be called from any thread.

        Args:
            row: its receipt, claimed.
            on_progress: told how far it is, instead of the connector's own.
            defer_quick: whether one that is verified quickly is left to `admit_download`: threads that only compute
                hinder each other.
        """
        self._context.hub.clear_exchanges()
        downloaded = self._fetch_packet(row, on_progress)
        if not (defer_quick and self._is_quick(downloaded)):
            downloaded = self.admit_download(downloaded)
        return replace(downloaded, recorded_exchanges=tuple(self._context.hub.take_exchanges()))

    def admit_download(self, downloaded: DownloadedPacket) -> DownloadedPacket:
        """Verify a packet that was downloaded, unless it was verified or did not come."""
        row, file = downloaded.row, downloaded.file
        if file is None or downloaded.is_admitted:
            return downloaded
        try:
            return replace(downloaded, verified=admit(self._context, file, row))
        except EdocError as error:
            if is_refusal(error):
                return replace(downloaded, refusal=error, unverified_columns=self._read_unverified_columns(file, error))
            self._context.store.spool.discard(file.name)  # it is downloaded again
            return replace(downloaded, file=None, retry_error=error)

    def store_packets(self, downloads: Sequence[DownloadedPacket]) -> list[EdocError]:
        """Store packets, in this order; from one thread at a time.

        Returns:
            What those met that were not stored; why is in the store too, unless another worker took them over.
        """
        return [error for batch in _split_repeats(downloads) for error in self._store_batch(batch)]

    def _keep_verified(self, downloads: Sequence[DownloadedPacket]) -> None:
        """Keep documents as they were verified, for the thread that handles them a moment later."""
        for downloaded in downloads:
            if downloaded.verified is not None and downloaded.is_document:
                self._context.verified_cache.put(
                    downloaded.verified.file.name, downloaded.verified.packet, downloaded.verified.verification
                )

    # -- downloading

    def _fetch_packet(self, row: ReceiptRow, on_progress: Progress | None) -> DownloadedPacket:
        try:
            return DownloadedPacket(row=row, file=fetch_to_spool(self._context, row.hub_doc_id, on_progress))
        except EdocError as error:
            return DownloadedPacket(row=row, retry_error=error)

    def _is_quick(self, downloaded: DownloadedPacket) -> bool:
        """Whether verifying a packet is a matter of milliseconds, in which nobody is asked."""
        context = self._context
        asks_authority = context.requires_signed_pdf_in or context.policy.revocation.mode is not RevocationMode.NONE
        return downloaded.file is not None and downloaded.file.size <= _QUICK_BYTES and not asks_authority

    def _read_unverified_columns(self, file: SpoolFile, refusal: EdocError) -> dict[str, Any]:
        if not isinstance(refusal, VerificationFailed | AttachmentError):
            return {}
        return as_message_columns(
            read(self._context.store.spool.locate(file.name), limits=self._context.packet_limits).message
        )

    # -- storing

    def _store_batch(self, downloads: Sequence[DownloadedPacket]) -> list[EdocError]:
        try:
            stored_packets, duplicate_ids = self._store_together(downloads)
            if duplicate_ids:
                downloads = [
                    self._check_duplicate(downloaded) if downloaded.row.id in duplicate_ids else downloaded
                    for downloaded in downloads
                ]
                stored_packets, _ = self._store_together(downloads)
        except EdocError as error:
            if len(downloads) > 1:  # nothing of it was written: who can be entered alone is
                return [met_error for downloaded in downloads for met_error in self._store_batch([downloaded])]
            self._postpone_unstored(downloads[0], error)
            return [error]
        return [downloaded.retry_error for downloaded in stored_packets if downloaded.retry_error is not None]

    def _store_together(self, downloads: Sequence[DownloadedPacket]) -> tuple[list[DownloadedPacket], set[int]]:
        """Store packets in one transaction; none, where some seem to be duplicates and were not looked at twice yet.

        Returns:
            What was stored, and the keys of those that have to be looked at first.
        """
        with self._context.store.transaction() as tx:
            # Whether a packet is a duplicate is looked up first and written afterwards.
            tx.advisory_lock(f"inbox {self._context.agency}")
            existing_copies = ExistingCopies.from_store(tx, self._context.agency, downloads)
            checked = [
                replace(downloaded, is_misdelivered=True) if _is_misdelivered(tx, downloaded) else downloaded
                for downloaded in downloads
            ]
            duplicate_ids = {
                downloaded.row.id for downloaded in checked if existing_copies.is_suspected_duplicate(downloaded)
            }
            if duplicate_ids:
                return [], duplicate_ids
            new_documents: list[tuple[ReceiptRow, dict[str, Any]]] = []
            for downloaded in checked:
                for exchange in downloaded.recorded_exchanges:
                    tx.audit_log.record("answer", RECEIPTS, downloaded.row.id, exchange)
                if downloaded.verified is not None and existing_copies.is_new_document(downloaded):
                    new_documents.append((downloaded.row, as_packet_columns(downloaded.verified)))
                    continue
                tx.receipts.mark_downloaded(new_documents)  # what comes next may be about them
                new_documents.clear()
                self._store_one(tx, downloaded)
            tx.receipts.mark_downloaded(new_documents)
        return checked, set()

    def _store_one(self, tx: Tx, downloaded: DownloadedPacket) -> None:
        row, file = downloaded.row, downloaded.file
        if downloaded.retry_error is not None:
            self._postpone(tx, row, downloaded.retry_error)
        elif downloaded.refusal is not None and file is not None:
            quarantine(tx, row, downloaded.refusal, {**downloaded.unverified_columns, **as_spool_columns(file)})
        elif downloaded.is_misdelivered and file is not None:
            quarantine(tx, row, _build_misdelivery_error(row), as_spool_columns(file), notify_hub=False)
        elif downloaded.verified is not None:
            _store_verified(tx, row, downloaded.verified)

    def _postpone(self, tx: Tx, row: ReceiptRow, error: EdocError) -> None:
        # The claim counted the attempt; one that says nothing about this packet does not count.
        values = {"attempts": row.attempts - int(decide_retry(error).opens_breaker), **as_error_columns(error)}
        next_attempt_at = compute_next_attempt(self._context.limits, row.attempts, tx.now, error)
        tx.leases.end(RECEIPTS, row.id, state=row.state, fencing_token=row.fence,
            detail=Text(f"not downloaded: {error.message}", f"chưa tải được: {error.vi}"),
            next_attempt_at=next_attempt_at, **values,
        )  # fmt: skip

    def _postpone_unstored(self, downloaded: DownloadedPacket, error: EdocError) -> None:
        """Put off a packet that the store did not take: it is asked for again."""
        if isinstance(error, LeaseLost):
            return
        try:
            with self._context.store.transaction() as tx:
                self._postpone(tx, downloaded.row, error)
        except StoreError as store_error:
            log.warning("docId %s waits until its lease runs out: %s", downloaded.row.hub_doc_id, store_error)

    def _check_duplicate(self, downloaded: DownloadedPacket) -> DownloadedPacket:
        if downloaded.verified is None:
            return downloaded
        self._context.hub.clear_exchanges()
        try:
            verified = self._duplicate_checker.select_packet(downloaded.row, downloaded.verified)
        except EdocError as error:
            self._context.store.spool.discard(downloaded.verified.file.name)  # it is downloaded again
            downloaded = replace(downloaded, verified=None, retry_error=error)
        else:
            downloaded = replace(downloaded, verified=verified, file=verified.file)
        return replace(
            downloaded,
            duplicate_checked=True,
            recorded_exchanges=(*downloaded.recorded_exchanges, *self._context.hub.take_exchanges()),
        )


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
    def from_store(cls, tx: Tx, agency: str, downloads: Sequence[DownloadedPacket]) -> ExistingCopies:
        """Look up the copies of some packets."""
        verified_packets = [packet.verified for packet in downloads if packet.verified is not None]
        document_ids = [packet.message.id for packet in verified_packets if isinstance(packet.message, Document)]
        status_fingerprints = [
            packet.fingerprint for packet in verified_packets if isinstance(packet.message, StatusMessage)
        ]
        documents, statuses = tx.receipts.find_copies(agency, documents=document_ids, statuses=status_fingerprints)
        ids_by_fingerprint: dict[str | None, set[int]] = {}
        for row in statuses:
            ids_by_fingerprint.setdefault(row.fingerprint, set()).add(row.id)
        return cls({(row.document_id, row.sender): row for row in reversed(documents)}, ids_by_fingerprint)

    def is_suspected_duplicate(self, downloaded: DownloadedPacket) -> bool:
        """Whether the content is here under another docId, and was not downloaded a second time yet."""
        if downloaded.verified is None or downloaded.is_misdelivered or downloaded.duplicate_checked:
            return False
        fingerprint = downloaded.verified.fingerprint
        copy = self._match_document(downloaded)
        return (copy is not None and copy.fingerprint == fingerprint) or (
            not downloaded.is_document and bool(self.status_ids.get(fingerprint, set()) - {downloaded.row.id})
        )

    def is_new_document(self, downloaded: DownloadedPacket) -> bool:
        """Whether a document came for the first time and acts on no other one."""
        message = downloaded.verified.message if downloaded.verified is not None else None
        if (
            not isinstance(message, Document)
            or downloaded.is_misdelivered
            or self._match_document(downloaded) is not None
        ):
            return False
        return message.business.type not in WITHDRAWING_TYPES

    def _match_document(self, downloaded: DownloadedPacket) -> ReceiptRow | None:
        message = downloaded.verified.message if downloaded.verified is not None else None
        if not isinstance(message, Document):
            return None
        copy = self.documents.get((message.id, message.sender.id))
        return copy if copy is not None and copy.id != downloaded.row.id else None


def find_document_copy(tx: Tx, row: ReceiptRow, document: Document) -> ReceiptRow | None:
    """Find the receipt under which a document is here already."""
    copy = tx.receipts.find_effective(row.agency, document.id, document.sender.id)
    return copy if copy is not None and copy.id != row.id else None


def quarantine(tx: Tx, row: ReceiptRow, error: EdocError, values: dict[str, Any], *, notify_hub: bool = True) -> None:
    """Set a packet aside, and queue a ``fail`` for the hub if it is to be told."""
    log.error("docId %s is set aside: %s", row.hub_doc_id, error)
    quarantined = tx.receipts.move(
        row, ReceiptState.QUARANTINED, detail=describe_error(error), **values | as_error_columns(error)
    )
    if notify_hub:
        tx.outgoing.enqueue_confirmation(quarantined, FAIL)


def admit_quarantined(tx: Tx, row: ReceiptRow, verified: VerifiedPacket) -> None:
    """Take in a packet that was set aside, as if it had come just now.

    Raises:
        DocumentIdConflict: another document came under its id.
    """
    message = verified.message
    copy = find_document_copy(tx, row, message) if isinstance(message, Document) else None
    if copy is not None and copy.fingerprint != verified.fingerprint:
        raise build_conflict_error(copy.document_id or "")
    if copy is None and row.was_admitted:
        # The application failed on it; what it asks for was entered when it first came.
        tx.receipts.move(row, ReceiptState.WAITING, **as_packet_columns(verified))
        return
    _store_verified(tx, tx.receipts.move(row, ReceiptState.LISTED), verified)
    admitted = tx.receipts.get_by_id(row.id)
    if admitted.state == ReceiptState.HANDLED and tx.outgoing.has_queued_confirmation(admitted, FAIL):
        # A hub that was told so may take no other word, and the application is not to wait for that.
        tx.receipts.move(admitted, ReceiptState.CONFIRMED, detail=Text("it was told fail", "trục đã được báo fail"))


def _is_misdelivered(tx: Tx, downloaded: DownloadedPacket) -> bool:
    """Whether a packet has another one's body: neither sender nor addressee is the one that the hub announced.

    One of the two may differ for an honest reason (a code of the other system, a hub that names itself).
    """
    if downloaded.verified is None or downloaded.duplicate_checked:
        return False
    row, message = downloaded.row, downloaded.verified.message
    if not row.offered_by or message.sender.id == row.offered_by:
        return False
    if message.sender.id in _find_agency_codes(tx, row.agency, row.offered_by):
        return False
    recipient_codes = (
        {recipient.id for recipient in message.recipients}
        if isinstance(message, Document)
        else {message.response_for.organ_id}
    )
    return not recipient_codes & (_find_agency_codes(tx, row.agency, row.agency) | {row.offered_to})


def build_conflict_error(document_id: str) -> DocumentIdConflict:
    """Build the error for another document under an id that is taken."""
    return DocumentIdConflict(
        f"another document came under the id {document_id}; the first is kept, this one set aside. "
        "Ask the sender which one is meant.",
        vi=f"Đã có văn bản khác với mã định danh {document_id}; giữ văn bản đến trước, cách ly văn bản này. "
        "Hãy hỏi lại nơi gửi.",
    )


def _split_repeats(downloads: Iterable[DownloadedPacket]) -> Iterator[list[DownloadedPacket]]:
    """Split packets into runs without a repeat: whether one is a duplicate shows when the other is in the store."""
    batch: list[DownloadedPacket] = []
    identities: set[tuple[str, ...]] = set()
    for downloaded in downloads:
        identity = downloaded.identity
        if identity in identities:
            yield batch
            batch, identities = [], set()
        batch.append(downloaded)
        if identity is not None:
            identities.add(identity)
    if batch:
        yield batch


def _store_verified(tx: Tx, row: ReceiptRow, verified: VerifiedPacket) -> None:
    message = verified.message
    if isinstance(message, StatusMessage):
        apply_status(tx, row, message, as_packet_columns(verified))
    else:
        _store_document(tx, row, verified, message)


def _store_document(tx: Tx, row: ReceiptRow, verified: VerifiedPacket, document: Document) -> None:
    copy = find_document_copy(tx, row, document)
    if copy is not None and copy.fingerprint != verified.fingerprint:
        quarantine(tx, row, build_conflict_error(document.id), as_packet_columns(verified))
    elif copy is not None:
        detail = Text(f"as docId {copy.hub_doc_id}", f"là docId {copy.hub_doc_id}")
        duplicate = tx.receipts.move(row, ReceiptState.DUPLICATE, detail=detail, **as_packet_columns(verified))
        tx.outgoing.enqueue_confirmation(duplicate, DONE, is_first=True)
    else:
        tx.receipts.move(row, ReceiptState.WAITING, **as_packet_columns(verified))
        _mark_change_asked(tx, row, document)


def _mark_change_asked(tx: Tx, row: ReceiptRow, document: Document) -> None:
    if document.business.type not in WITHDRAWING_TYPES:
        return
    kind = KIND_BY_TYPE[document.business.type]
    for document_id in select_target_ids(document):
        target = tx.receipts.find_effective(row.agency, document_id, document.sender.id)
        if target is not None:
            tx.receipts.lock_receipt(target.id)
            reason = document.business.reason or ""
            detail = Text(f"{kind} asked for: {reason}", f"nơi gửi yêu cầu {KIND_NAMES_VI[kind]}: {reason}")
            tx.receipts.record_note(target, detail=detail, change=Change.ASKED)


def _find_agency_codes(tx: Tx, agency: str, code: str) -> set[str | None]:
    """Find an agency's code, and the one of the other system where the directory knows it."""
    entry = tx.directory.find_agency(agency, code)
    return {code, entry.code, entry.other_code} if entry is not None else {code}


def _build_misdelivery_error(row: ReceiptRow) -> ProtocolError:
    return ProtocolError(
        f"under docId {row.hub_doc_id} the hub gave a packet of another sender to another recipient. It is set aside "
        "and not confirmed; the next polls ask for it again. Tell the hub's operator.",
        vi=f"Với docId {row.hub_doc_id}, trục trả về gói tin của nơi gửi khác cho nơi nhận khác. Gói tin bị cách ly, "
        "không xác nhận; các lần nhận sau sẽ tải lại. Hãy báo cho đơn vị vận hành trục.",
    )
