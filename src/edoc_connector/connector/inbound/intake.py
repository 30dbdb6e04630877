"""Intake of packets: download, verify and store them, several at a time and in the order of the hub's list.

Packets are downloaded and verified several at a time, in threads; they are stored in the order in which they are to be
handed out, a few in one transaction. Where one of them cannot be stored, nothing of the transaction was, and each is
stored by itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from ..._core import Text, bind_log_fields, drop_traceback, get_logger
from ...edxml import Document, Message, StatusMessage
from ...errors import EdocError, StoreError
from ...hubs import Progress
from ...signing import RevocationMode, Verification
from ...store import RECEIPTS, STATUS, LeaseLost, ReceiptRow, ReceiptState, SpoolFile, Tx
from .._context import ConnectorContext
from .._retry import Blame, as_error_columns, compute_next_attempt, find_blame
from ..naming import is_same_agency
from .admission import (
    VerifiedPacket,
    as_message_columns,
    as_spool_columns,
    build_verified,
    fetch_to_spool,
    find_signer,
    is_verdict,
    must_quarantine,
    name_document,
    require_admission,
    verify_file,
)
from .authority import as_authority_columns
from .claims import build_columns, find_addressees, judge, judge_verified
from .duplicates import DuplicateChecker, ExistingCopies
from .entry import enter_packet
from .quarantine import quarantine, quarantine_misdelivered

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
        unadmitted: what a packet that can be read and is set aside says of itself, what its signatures are worth, and
            the organisation that its signer's certificate is bound to.
        retry_error: why it has to be asked for again.
        common_error: what every other packet would meet too: the hub or this machine is in trouble, not the packet.
        is_misdelivered: whether it is another packet's body.
        duplicate_checked: whether it seemed to be another packet's body or a duplicate, and a second look brought it
            again.
        looks: how many looks brought another packet instead.
        recorded_exchanges: what the hub said.
    """

    row: ReceiptRow
    file: SpoolFile | None = None
    verified: VerifiedPacket | None = None
    refusal: EdocError | None = None
    unadmitted: tuple[Message, Verification, str] | None = None
    retry_error: EdocError | None = None
    common_error: EdocError | None = None
    is_misdelivered: bool = False
    duplicate_checked: bool = False
    looks: int = 0
    recorded_exchanges: tuple[dict[str, Any], ...] = ()

    @property
    def is_decided(self) -> bool:
        """Whether it was decided that it is let in, set aside, or asked for again."""
        return self.verified is not None or self.refusal is not None or self.retry_error is not None

    @property
    def message(self) -> Message | None:
        """What came, let in or not; None where it cannot be read."""
        if self.verified is not None:
            return self.verified.message
        return None if self.unadmitted is None else self.unadmitted[0]

    @property
    def is_document(self) -> bool:
        """Whether a document came, and not a status or something that cannot be read."""
        return self.verified is not None and isinstance(self.verified.message, Document)

    @property
    def identity(self) -> tuple[str, ...] | None:
        """What two packets share of which the second must see the first in the store; None where nothing came.

        For a document its id and sender, whatever it says, as another one under the same id is a conflict; for a status
        the fingerprint of its content.
        """
        if self.verified is None:
            return None
        message = self.verified.message
        return (message.id, message.sender.id) if isinstance(message, Document) else (self.verified.fingerprint,)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPackets:
    """The result of downloading and storing some packets.

    Args:
        stored: how many came in, or were set aside.
        errors: what the others met; why is in the store too, unless another worker took them over.
        common_error: the one of these that every other packet would meet too.
    """

    stored: int
    errors: tuple[EdocError, ...] = ()
    common_error: EdocError | None = None

    @classmethod
    def of(cls, downloads: Sequence[DownloadedPacket], errors: Sequence[EdocError]) -> StoredPackets:
        """Sum up what became of some packets.

        Args:
            downloads: the packets.
            errors: what those met that were not stored.
        """
        common = [downloaded.common_error for downloaded in downloads if downloaded.common_error is not None]
        common += [error for error in errors if find_blame(error) is Blame.ALL]
        return cls(
            stored=len(downloads) - len(errors), errors=tuple(errors), common_error=common[0] if common else None
        )


class Intake:
    """Brings packets in.

    Args:
        context: the store, the hub and the policy.
    """

    def __init__(self, context: ConnectorContext) -> None:
        self._context = context
        self._duplicate_checker = DuplicateChecker(context)

    def fetch(self, keys: Sequence[int], *, within: float = math.inf) -> StoredPackets:
        """Claim, download, verify and store packets that were listed, one after another.

        Those that other workers are at are left out; those that were not begun in time are given back.

        Args:
            keys: the keys of their receipts.
            within: seconds after which no further one is begun.
        """
        deadline = time.monotonic() + within
        rows = self.claim(keys)
        downloads: list[DownloadedPacket] = []
        with self._context.lease_keeper.hold_all(RECEIPTS.table_name, [row.id for row in rows]):
            for row in rows:
                if downloads and (time.monotonic() >= deadline or downloads[-1].common_error is not None):
                    break
                downloads.append(self.find_common_error(self.download(row)))
            self.release(rows[len(downloads) :])
            errors = self.store_packets(downloads)
        self._keep_verified(downloads)
        return StoredPackets.of(downloads, errors)

    def claim(self, keys: Sequence[int]) -> list[ReceiptRow]:
        """Claim packets that were listed and that nobody is at; the attempt counts from now on.

        One whose downloads failed too often is set aside instead.
        """
        with self._context.store.transaction() as tx:
            rows = tx.receipts.claim_listed(self._context.lease, agency=self._context.agency, row_ids=keys)
            exhausted = [row for row in rows if row.attempts > self._context.fetch_tries]
            for row in exhausted:
                self._set_unfetched_aside(tx, row)
            return [row for row in rows if row not in exhausted]

    def _set_unfetched_aside(self, tx: Tx, row: ReceiptRow) -> None:
        """Set a packet aside that did not come; the hub is not told.

        It is tried again by itself, but for one on which the process ended each time, and so no error is known.
        """
        count = row.attempts - 1
        log.error("docId %s is set aside after %d tries", row.hub_doc_id, count)
        reason = Text(row.error_text or "the worker ended each time", row.error_vi or "lần nào tiến trình cũng dừng")
        tx.receipts.move(
            row,
            ReceiptState.QUARANTINED,
            detail=Text(f"{count} downloads failed: {reason.en}", f"{count} lần tải không được: {reason.vi}"),
            attempts=count,
            refetch=row.error_code is not None,
            next_attempt_at=tx.now + timedelta(seconds=self._context.limits.backoff_cap),
        )

    def find_common_error(self, downloaded: DownloadedPacket) -> DownloadedPacket:
        """Find out whether the error that a packet met is its own trouble, or that of the hub or this machine."""
        if downloaded.retry_error is None:
            return downloaded
        return replace(downloaded, common_error=self._context.hub_probe.find_common_error(downloaded.retry_error))

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
        with bind_log_fields(agency=row.agency, hub=self._context.hub_name, doc_id=row.hub_doc_id):
            downloaded = self._fetch_packet(row, on_progress)
            if not (defer_quick and self._is_quick(downloaded)):
                downloaded = self.admit_download(downloaded)
        return replace(downloaded, recorded_exchanges=tuple(self._context.hub.take_exchanges()))

    def admit_download(self, downloaded: DownloadedPacket) -> DownloadedPacket:
        """Verify a packet that was downloaded, unless it was verified or did not come."""
        row, file = downloaded.row, downloaded.file
        if file is None or downloaded.is_decided:
            return downloaded
        unadmitted: tuple[Message, Verification, str] | None = None
        try:
            packet, verification = verify_file(self._context, file, row)
            signer = find_signer(self._context, packet.message, verification)
            unadmitted = name_document(packet.message, row.hub_doc_id), verification, signer
            require_admission(self._context, row, packet, verification)
            return replace(
                downloaded, verified=build_verified(packet, verification, file, signer=signer, doc_id=row.hub_doc_id)
            )
        except EdocError as error:
            if must_quarantine(error):
                return replace(downloaded, refusal=error, unadmitted=unadmitted)
            self._context.store.spool.delete_file(file.name)  # it is downloaded again
            return replace(downloaded, file=None, retry_error=drop_traceback(error))

    def store_packets(self, downloads: Sequence[DownloadedPacket]) -> list[EdocError]:
        """Store packets, in this order; from one thread at a time.

        Returns:
            What those met that were not stored; why is in the store too, unless another worker took them over.
        """
        return [error for batch in _split_repeats(downloads) for error in self._store_batch(batch)]

    def _keep_verified(self, downloads: Sequence[DownloadedPacket]) -> None:
        """Keep documents as they were verified, for the thread that handles them a moment later.

        One whose file is gone was not taken in: a second look brought another packet for its docId.
        """
        for downloaded in downloads:
            if downloaded.verified is None or not downloaded.is_document:
                continue
            if self._context.store.spool.is_here(downloaded.verified.file.name):
                self._context.verified_cache.put(
                    downloaded.verified.file.name, downloaded.verified.packet, downloaded.verified.verification
                )

    # -- downloading

    def _fetch_packet(self, row: ReceiptRow, on_progress: Progress | None) -> DownloadedPacket:
        try:
            return DownloadedPacket(row=row, file=fetch_to_spool(self._context, row.hub_doc_id, on_progress))
        except EdocError as error:
            return DownloadedPacket(row=row, retry_error=drop_traceback(error))

    def _is_quick(self, downloaded: DownloadedPacket) -> bool:
        """Whether verifying a packet is a matter of milliseconds, in which nobody is asked."""
        context = self._context
        asks_authority = context.requires_signed_pdf_in or context.policy.revocation.mode is not RevocationMode.NONE
        return downloaded.file is not None and downloaded.file.size <= _QUICK_BYTES and not asks_authority

    # -- storing

    def _store_batch(self, downloads: Sequence[DownloadedPacket]) -> list[EdocError]:
        try:
            stored_packets, duplicate_ids = self._store_together(downloads)
            if duplicate_ids:
                # What a look brings may be another one of these, or come in meanwhile: it is stored as if it came now.
                return self.store_packets(
                    [
                        self._check_duplicate(downloaded) if downloaded.row.id in duplicate_ids else downloaded
                        for downloaded in downloads
                    ]
                )
        except EdocError as error:
            if len(downloads) > 1:  # nothing of it was written: who can be entered alone is
                return [met_error for downloaded in downloads for met_error in self._store_batch([downloaded])]
            self._postpone_unstored(downloads[0], error)
            return [error]
        self._discard_repeats(stored_packets)
        return [downloaded.retry_error for downloaded in stored_packets if downloaded.retry_error is not None]

    def _discard_repeats(self, downloads: Sequence[DownloadedPacket]) -> None:
        """Discard the odd bodies that came before the packets; of two that are the same one stays."""
        for downloaded in downloads:
            row, file = downloaded.row, downloaded.file
            if row.spool_file is not None and file is not None and not downloaded.is_misdelivered:
                self._context.store.spool.delete_file(row.spool_file)

    def _store_together(self, downloads: Sequence[DownloadedPacket]) -> tuple[list[DownloadedPacket], set[int]]:
        """Store packets in one transaction; none, where some seem to be duplicates and were not looked at twice yet.

        Returns:
            What was stored, and the keys of those that have to be looked at first.
        """
        with self._context.store.transaction() as tx:
            # Whether a packet is a duplicate is looked up first and written afterwards.
            tx.advisory_lock(f"inbox {self._context.agency}")
            packets = [downloaded.verified for downloaded in downloads if downloaded.verified is not None]
            shares_numbers = bool(self._context.capabilities.status_prefix)
            existing_copies = ExistingCopies.from_store(tx, self._context.agency, packets)
            checked = [
                replace(downloaded, is_misdelivered=True)
                if _is_misdelivered(tx, downloaded, shares_numbers=shares_numbers)
                else downloaded
                for downloaded in downloads
            ]
            duplicate_ids = {
                downloaded.row.id for downloaded in checked if _is_suspected(tx, downloaded, existing_copies)
            }
            if duplicate_ids:
                return [], duplicate_ids
            new_documents: list[tuple[ReceiptRow, dict[str, Any]]] = []
            for downloaded in checked:
                row, verified = downloaded.row, downloaded.verified
                for exchange in downloaded.recorded_exchanges:
                    tx.audit_log.record("answer", RECEIPTS, row.id, exchange)
                if (
                    verified is not None
                    and not downloaded.is_misdelivered
                    and existing_copies.is_new_document(row, verified)
                ):
                    judged = judge_verified(tx, self._context, row, verified)
                    if judged.ruling.counts:
                        new_documents.append((row, build_columns(verified, judged)))
                        continue
                tx.receipts.mark_downloaded(new_documents)  # what comes next may be about them
                new_documents.clear()
                self._store_one(tx, downloaded)
            tx.receipts.mark_downloaded(new_documents)
        return checked, set()

    def _store_one(self, tx: Tx, downloaded: DownloadedPacket) -> None:
        row, file = downloaded.row, downloaded.file
        if downloaded.retry_error is not None:
            self._postpone(tx, row, downloaded.retry_error, is_counted=downloaded.common_error is None)
        elif downloaded.is_misdelivered and file is not None:
            values = self._describe_other_body(tx, downloaded) | as_spool_columns(file)
            quarantine_misdelivered(tx, row, values, limits=self._context.limits)
        elif downloaded.refusal is not None and file is not None:
            values = self._describe_unadmitted(tx, downloaded) | as_spool_columns(file)
            is_told = is_verdict(downloaded.refusal)
            quarantine(tx, row, downloaded.refusal, values, limits=self._context.limits, notify_hub=is_told)
        elif downloaded.verified is not None:
            enter_packet(tx, self._context, row, downloaded.verified)

    def _describe_other_body(self, tx: Tx, downloaded: DownloadedPacket) -> dict[str, Any]:
        """Describe another packet's body: who vouches for it, and nothing of what it says."""
        if downloaded.verified is None:
            return {}
        return as_authority_columns(judge_verified(tx, self._context, downloaded.row, downloaded.verified).ruling)

    def _describe_unadmitted(self, tx: Tx, downloaded: DownloadedPacket) -> dict[str, Any]:
        """Describe a packet that is set aside: who vouches for it, and what it says."""
        if downloaded.unadmitted is None:
            return {}
        message, verification, signer = downloaded.unadmitted
        judged = judge(tx, self._context, downloaded.row, message, verification, signer=signer)
        return as_message_columns(message) | as_authority_columns(judged.ruling)

    def _postpone(self, tx: Tx, row: ReceiptRow, error: EdocError, *, is_counted: bool) -> None:
        # The claim counted the attempt; one that says nothing about this packet does not count.
        attempts = row.attempts if is_counted else row.attempts - 1
        values = {"attempts": attempts, **as_error_columns(error)}
        next_attempt_at = compute_next_attempt(self._context.limits, attempts, tx.now, error)
        if attempts >= self._context.fetch_tries:
            next_attempt_at = tx.now  # it is set aside, for which nothing has to be waited for
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
                self._postpone(tx, downloaded.row, error, is_counted=find_blame(error) is Blame.ITEM)
        except StoreError as store_error:
            log.warning("docId %s waits until its lease runs out: %s", downloaded.row.hub_doc_id, store_error)

    def _check_duplicate(self, downloaded: DownloadedPacket) -> DownloadedPacket:
        """Look a second time at a packet; one that the look brings in its place was not looked at itself."""
        if downloaded.verified is None:
            return downloaded
        self._context.hub.clear_exchanges()
        try:
            verified = self._duplicate_checker.select_packet(downloaded.row, downloaded.verified, downloaded.looks)
        except EdocError as error:
            self._context.store.spool.delete_file(downloaded.verified.file.name)  # it is downloaded again
            checked = replace(downloaded, verified=None, retry_error=drop_traceback(error))
        else:
            is_same = verified is downloaded.verified
            looks = downloaded.looks + (not is_same)
            checked = replace(downloaded, verified=verified, file=verified.file, duplicate_checked=is_same, looks=looks)
        exchanges = (*downloaded.recorded_exchanges, *self._context.hub.take_exchanges())
        return self.find_common_error(replace(checked, recorded_exchanges=exchanges))


def _is_suspected(tx: Tx, downloaded: DownloadedPacket, existing_copies: ExistingCopies) -> bool:
    """Whether a packet may be another one's body, and was not downloaded a second time yet.

    Its content is here under another docId, or it contradicts what the hub announced.
    """
    if downloaded.verified is None or downloaded.is_misdelivered or downloaded.duplicate_checked:
        return False
    row, verified = downloaded.row, downloaded.verified
    return existing_copies.has_content(row, verified) or _is_contradicted(tx, row, verified.message)


def _is_contradicted(tx: Tx, row: ReceiptRow, message: Message) -> bool:
    """Whether a packet is of another kind, or a status of another sender, than the hub announced.

    Such a status counts for nothing and leaves no trace by which the packet that was announced would be missed; a
    document does, when its own docId brings it once more.
    """
    is_status = isinstance(message, StatusMessage)
    if is_status != (row.message_type == STATUS):
        return True
    return is_status and not _is_announced_sender(tx, row, message.sender.id)


def _is_announced_sender(tx: Tx, row: ReceiptRow, sender: str) -> bool:
    """Whether a sender is the one that the hub announced, or it announced nobody."""
    return not row.offered_by or sender == row.offered_by or is_same_agency(tx, row.agency, row.offered_by, sender)


def _is_of_shared_number(tx: Tx, row: ReceiptRow, message: Message) -> bool:
    """Whether a packet is of the other kind than was listed, or for somebody else: the hub took one for the other."""
    if isinstance(message, StatusMessage) != (row.message_type == STATUS):
        return True
    addressees = find_addressees(tx, row, message)
    return bool(addressees) and row.agency not in addressees


def _is_misdelivered(tx: Tx, downloaded: DownloadedPacket, *, shares_numbers: bool) -> bool:
    """Whether a packet has another one's body: neither sender nor addressee is the one that the hub announced.

    One of the two may differ for an honest reason (a code of the other system, a hub that names itself).
    """
    row, message = downloaded.row, downloaded.message
    if message is None or downloaded.duplicate_checked:
        return False
    if shares_numbers:
        return _is_of_shared_number(tx, row, message)
    if downloaded.verified is None:
        return False
    if _is_announced_sender(tx, row, message.sender.id):
        return False
    addressees = find_addressees(tx, row, message)
    return bool(addressees) and not addressees & {row.agency, row.offered_to}


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
