"""Packets on their way from the hub into the store: downloaded, judged, and entered.

Downloading and judging is done for several packets at a time, in threads; entering is done in the order in which they
are to be handed out, a few packets in one transaction. Where one of them cannot be entered, none of the transaction
was, and each is entered by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..._core import describe_error, join_languages
from ...edxml import BusinessType, Document, StatusMessage, read
from ...errors import (
    AttachmentError,
    DocumentIdConflict,
    EdocError,
    PacketError,
    ProtocolError,
    StoreError,
    VerificationFailed,
)
from ...hubs import Progress
from ...signing import RevocationMode, Verification, verify
from ...store import DONE, FAIL, RECEIPTS, Change, LeaseLost, ReceiptRow, ReceiptState, SpoolFile, Tx
from .._context import ConnectorContext
from .._pdf_policy import require_signed_files
from .._retry import as_error_columns, decide_retry
from ..delivery import KIND_BY_TYPE, KIND_NAMES_VI
from ..outbound.packet_builder import compute_fingerprint
from .admission import VerifiedPacket, as_message_columns, as_packet_columns, as_spool_columns, build_policy
from .duplicates import DuplicateChecker
from .status_intake import apply_status

log = logging.getLogger("edoc_connector.connector.inbox")

_QUICK_BYTES = 1 << 20  # bytes

# Asks that the document acted on be withdrawn; its receipt shows that an answer is due.
WITHDRAWING_TYPES = frozenset({BusinessType.RECALL, BusinessType.REPLACE})


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadedPacket:
    """What became of a packet that was asked for.

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
    def is_document(self) -> bool:
        """Whether a document came, and not a status or something that cannot be read."""
        return self.verified is not None and isinstance(self.verified.message, Document)

    @property
    def identity(self) -> tuple[str, ...] | None:
        """What two copies of the same content have in common; None where there is no content."""
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
        self._duplicate_checker = DuplicateChecker(context, self.fetch_to_spool, self.admit)

    def download(
        self, row: ReceiptRow, *, on_progress: Progress | None = None, defer_quick: bool = False
    ) -> DownloadedPacket:
        """Download and judge a packet. May be called from any thread.

        Args:
            row: its receipt, claimed.
            on_progress: told how far it is, beside whom the session tells.
            defer_quick: whether one that is judged quickly is left to `judged`: threads that only compute hinder
                each other.
        """
        self._context.hub.clear_exchanges()
        downloaded = self._fetch_packet(row, on_progress)
        if not (defer_quick and self._is_quick(downloaded)):
            downloaded = self.admit_download(downloaded)
        return replace(downloaded, recorded_exchanges=tuple(self._context.hub.take_exchanges()))

    def admit_download(self, downloaded: DownloadedPacket) -> DownloadedPacket:
        """Judge a packet that was downloaded, unless it was judged or did not come."""
        row, file = downloaded.row, downloaded.file
        if (
            file is None
            or downloaded.verified is not None
            or downloaded.refusal is not None
            or downloaded.retry_error is not None
        ):
            return downloaded
        try:
            return replace(downloaded, verified=self.admit(file, row))
        except (PacketError, VerificationFailed, AttachmentError) as error:
            if not isinstance(error, _NotKnownYet):
                return replace(downloaded, refusal=error, unverified_columns=self._read_unverified_columns(file, error))
            retry_error: EdocError = error
        except EdocError as error:
            retry_error = error
        self._context.store.spool.discard(file.name)  # it is downloaded again
        return replace(downloaded, file=None, retry_error=retry_error)

    def store_packets(self, downloads: Sequence[DownloadedPacket]) -> list[EdocError]:
        """Enter packets, in this order; from one thread at a time.

        Returns:
            What those met that were not entered; why is in the store too, unless another worker took them over.
        """
        return [error for batch in _split_repeats(downloads) for error in self._store_batch(batch)]

    def fetch_to_spool(self, doc_id: str, on_progress: Progress | None = None) -> SpoolFile:
        """Fetch a packet into the spool.

        Raises:
            EdocError: the hub did not give it, or the disk does not take it.
        """
        spool = self._context.store.spool
        with spool.draft_file() as draft:
            self._context.hub.fetch(doc_id, draft, on_progress=on_progress or self._context.on_progress)
            return spool.keep_draft(draft)

    def admit(self, file: SpoolFile, row: ReceiptRow) -> VerifiedPacket:
        """Read and verify a packet, whose bytes were put into the spool, or compared with their hash, just now.

        Raises:
            PacketError: it cannot be read.
            VerificationFailed: the policy does not let it in.
            AttachmentError: a file in it cannot be decoded.
        """
        context = self._context
        packet = read(context.store.spool.locate(file.name), limits=context.packet_limits)
        verification = verify(packet, build_policy(context, row))
        # Hubs that rebuild packets leave no signature on a status, and a status carries no seal.
        if isinstance(packet.message, Document) and not context.policy.admits(verification):
            raise _build_admission_error(row, verification)
        if isinstance(packet.message, Document) and context.requires_signed_pdf_in:
            require_signed_files(packet, build_policy(context, row), doc_id=row.hub_doc_id)
        return VerifiedPacket(
            packet=packet,
            verification=verification,
            fingerprint=compute_fingerprint(packet.message, packet.attachments),
            file=file,
        )

    # -- downloading

    def _fetch_packet(self, row: ReceiptRow, on_progress: Progress | None) -> DownloadedPacket:
        try:
            return DownloadedPacket(row=row, file=self.fetch_to_spool(row.hub_doc_id, on_progress))
        except EdocError as error:
            return DownloadedPacket(row=row, retry_error=error)

    def _is_quick(self, downloaded: DownloadedPacket) -> bool:
        """Whether judging a packet is a matter of milliseconds, in which nobody is asked."""
        context = self._context
        asks_authority = context.requires_signed_pdf_in or context.policy.revocation.mode is not RevocationMode.NONE
        return downloaded.file is not None and downloaded.file.size <= _QUICK_BYTES and not asks_authority

    def _read_unverified_columns(self, file: SpoolFile, refusal: EdocError) -> dict[str, Any]:
        if not isinstance(refusal, VerificationFailed | AttachmentError):
            return {}
        return as_message_columns(
            read(self._context.store.spool.locate(file.name), limits=self._context.packet_limits).message
        )

    # -- entering

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
        for downloaded in stored_packets:
            if downloaded.verified is not None and downloaded.is_document:
                self._context.verified_cache.put(
                    downloaded.verified.file.name, downloaded.verified.packet, downloaded.verified.verification
                )
        return [downloaded.retry_error for downloaded in stored_packets if downloaded.retry_error is not None]

    def _store_together(self, downloads: Sequence[DownloadedPacket]) -> tuple[list[DownloadedPacket], set[int]]:
        """Enter packets in one transaction; none, where some seem to be duplicates and were not looked at twice yet.

        Returns:
            What was entered, and the keys of those that have to be looked at first.
        """
        with self._context.transaction() as tx:
            # Whether a packet is a double is looked up first and written afterwards.
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
        next_attempt_at = self._context.compute_next_attempt(row, tx.now, error)
        tx.leases.end(RECEIPTS, row.id, state=row.state, fencing_token=row.fence,
            detail=join_languages(f"not downloaded: {error.message}", f"chưa tải được: {error.vi}"),
            next_attempt_at=next_attempt_at, **values,
        )  # fmt: skip

    def _postpone_unstored(self, downloaded: DownloadedPacket, error: EdocError) -> None:
        """The store did not take it: it is asked for again."""
        if isinstance(error, LeaseLost):
            return
        try:
            with self._context.transaction() as tx:
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
    """What is here already of packets that came: the same documents, and the same statuses.

    Args:
        documents: the receipts that count, by DocumentId and sender.
        status_ids: the keys of status packets, by fingerprint.
    """

    documents: dict[tuple[str | None, str | None], ReceiptRow]
    status_ids: dict[str | None, set[int]]

    @classmethod
    def from_store(cls, tx: Tx, agency: str, downloads: Sequence[DownloadedPacket]) -> ExistingCopies:
        """Look them up."""
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
        """Whether its content is here under another docId, and nobody looked at both again yet."""
        if downloaded.verified is None or downloaded.is_misdelivered or downloaded.duplicate_checked:
            return False
        fingerprint = downloaded.verified.fingerprint
        copy = self._match_document(downloaded)
        return (copy is not None and copy.fingerprint == fingerprint) or (
            not downloaded.is_document and bool(self.status_ids.get(fingerprint, set()) - {downloaded.row.id})
        )

    def is_new_document(self, downloaded: DownloadedPacket) -> bool:
        """Whether it is a document that came for the first time, about no other one."""
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


def select_target_ids(document: Document) -> tuple[str, ...]:
    """The documents that a recall, an update or a replacement acts on, by DocumentId (edXML, "TraceHeaderList")."""
    business = document.business
    if business.type in (None, BusinessType.NEW):
        return ()
    target_ids = [business.document_id, *(reference.document_id for reference in business.replaces)]
    if not any(target_ids):
        target_ids = [reference.document_id for reference in document.responses_for]
    return tuple(dict.fromkeys(reference for reference in target_ids if reference))


def find_document_copy(tx: Tx, row: ReceiptRow, document: Document) -> ReceiptRow | None:
    """The receipt under which the document is here already."""
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
    if copy is None and tx.timeline.has_been_in_state(RECEIPTS, row.id, ReceiptState.WAITING):
        # The application failed on it; what it asks for was entered when it first came.
        tx.receipts.move(row, ReceiptState.WAITING, **as_packet_columns(verified))
        return
    _store_verified(tx, tx.receipts.move(row, ReceiptState.LISTED), verified)
    admitted = tx.receipts.get_by_id(row.id)
    if admitted.state == ReceiptState.HANDLED and tx.outgoing.has_queued_confirmation(admitted, FAIL):
        # A hub that was told so may take no other word, and the application is not to wait for that.
        tx.receipts.move(
            admitted, ReceiptState.CONFIRMED, detail=join_languages("it was told fail", "trục đã được báo fail")
        )


def _is_misdelivered(tx: Tx, downloaded: DownloadedPacket) -> bool:
    """Whether it is another packet's body: neither its sender nor its addressee is the one that the hub announced.

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
    """The error for another document under an id that is taken."""
    return DocumentIdConflict(
        f"another document came under the id {document_id}; the first is kept, this one set aside. "
        "Ask the sender which one is meant.",
        vi=f"Đã có văn bản khác với mã định danh {document_id}; giữ văn bản đến trước, cách ly văn bản này. "
        "Hãy hỏi lại nơi gửi.",
    )


def _split_repeats(downloads: Iterable[DownloadedPacket]) -> Iterator[list[DownloadedPacket]]:
    """Runs in which no content comes twice: whether one is a double is found out when the other is in the store."""
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
        detail = join_languages(f"as docId {copy.hub_doc_id}", f"là docId {copy.hub_doc_id}")
        duplicate = tx.receipts.move(row, ReceiptState.DUPLICATE, detail=detail, **as_packet_columns(verified))
        tx.outgoing.enqueue_confirmation(duplicate, DONE, is_first=True)
    else:
        tx.receipts.move(row, ReceiptState.WAITING, **as_packet_columns(verified))
        _mark_change_asked(tx, row, document)


def _mark_change_asked(tx: Tx, row: ReceiptRow, document: Document) -> None:
    if document.business.type not in WITHDRAWING_TYPES:
        return
    for document_id in select_target_ids(document):
        target = tx.receipts.find_effective(row.agency, document_id, document.sender.id)
        if target is not None:
            tx.receipts.lock_receipt(target.id)
            kind, reason = KIND_BY_TYPE[document.business.type], document.business.reason or ""
            detail = join_languages(f"{kind} asked for: {reason}", f"nơi gửi yêu cầu {KIND_NAMES_VI[kind]}: {reason}")
            tx.receipts.record_note(target, detail=detail, change=Change.ASKED)


def _find_agency_codes(tx: Tx, agency: str, code: str) -> set[str | None]:
    """An agency's code, and the one of the other system where the directory knows it."""
    entry = tx.directory.find_agency(agency, code)
    return {code, entry.code, entry.other_code} if entry is not None else {code}


def _build_misdelivery_error(row: ReceiptRow) -> ProtocolError:
    return ProtocolError(
        f"under docId {row.hub_doc_id} the hub gave a packet of another sender to another recipient. It is set aside "
        "and not confirmed; the next polls ask for it again. Tell the hub's operator.",
        vi=f"Với docId {row.hub_doc_id}, trục trả về gói tin của nơi gửi khác cho nơi nhận khác. Gói tin bị cách ly, "
        "không xác nhận; các lần nhận sau sẽ tải lại. Hãy báo cho đơn vị vận hành trục.",
    )


class _NotKnownYet(VerificationFailed):
    """Whether the signer's certificate was revoked could not be asked: the packet waits, as where a download fails."""


def _build_admission_error(row: ReceiptRow, verification: Verification) -> VerificationFailed:
    if verification.reason == "SIG-REVOCATION-UNKNOWN":
        return _NotKnownYet(
            f"docId {row.hub_doc_id} waits: {verification.explanation}. It is tried again at the next poll.",
            vi=f"docId {row.hub_doc_id} chưa tiếp nhận: {verification.explanation_vi}. Sẽ thử lại ở lần nhận sau.",
        )
    return VerificationFailed(
        f"docId {row.hub_doc_id} is not let in ({verification.status}): {verification.explanation} "
        "Ask the sender to send it again, or correct [receive] in the settings and call recheck().",
        vi=f"Không tiếp nhận docId {row.hub_doc_id} ({verification.status}): {verification.explanation_vi} "
        "Hãy đề nghị nơi gửi gửi lại, hoặc sửa mục [receive] trong cấu hình rồi gọi recheck().",
    )
