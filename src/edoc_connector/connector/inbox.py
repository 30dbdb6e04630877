"""What comes in: listed, downloaded, checked, and either kept for the application or entered in the store.

A packet counts as here only when its bytes are safe in the spool and its row says so, in one transaction; the hub is
told afterwards, by a confirmation queued in that same transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..edxml import BusinessType, Document, Message, Packet, StatusMessage, read
from ..errors import (
    AttachmentError,
    DocumentIdConflict,
    EdocError,
    NotFound,
    PacketError,
    ProtocolError,
    VerificationFailed,
)
from ..hubs import MessageType, Waiting
from ..signing import Verification, VerifyPolicy, verify
from ..store import LeaseLost, ReceiptState, SpoolFile, Tx, directory, moves, outgoing, receipts
from ..store.order import Change
from ..store.records import ReceiptRow
from ..store.states import RECEIPTS
from .building import fingerprint
from .fates import columns, fate
from .session import Session
from .signed_files import admit_files
from .statuses import apply_status
from .views import BUSINESS

log = logging.getLogger("edoc_connector.connector.inbox")

# Asks that the document acted on be withdrawn; its receipt shows that an answer is due.
WITHDRAWING = frozenset({BusinessType.RECALL, BusinessType.REPLACE})

_TEXT_LIMIT = 2000
_WRONG_BODIES = 5  # how often a packet is asked for again for which the hub gave another one's body


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A packet that was downloaded and can be read.

    Args:
        packet: the packet.
        verification: what its signatures are worth.
        fingerprint: hash of its content.
        file: where it lies in the spool.
    """

    packet: Packet
    verification: Verification
    fingerprint: str
    file: SpoolFile


class Inbox:
    """Fetches what the hub offers.

    Args:
        session: the store, the hub and the policy.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def recover(self) -> None:
        """Offer again what dead applications were handling."""
        with self._session.transaction() as tx:
            for row in moves.expired(tx, RECEIPTS, agency=self._session.agency):
                moves.move(
                    tx, RECEIPTS, row["id"], old=row["state"], new=ReceiptState.WAITING, token=row["fence"],
                    detail="the worker's lease ran out",
                )  # fmt: skip

    def poll(self) -> EdocError | None:
        """List, download and check whatever the hub offers; what it met, if not all went well.

        Packets that came down are kept whatever happens to the others.
        """
        trouble: EdocError | None = None
        for kind in (MessageType.EDOC, MessageType.STATUS):  # documents first: a status may be about one of them
            for error in self._poll(kind):
                log.warning("not received: %s", error)
                trouble = trouble or error
                if fate(error).pause:
                    return trouble
        return trouble

    def recheck(self, row: ReceiptRow) -> None:
        """Judge a packet in quarantine once more, by the policy of today.

        Raises:
            PacketError: it still cannot be read.
            VerificationFailed: the policy still does not let it in.
            DocumentIdConflict: another document came under its id.
            NotFound: its bytes are gone.
        """
        judged = self._judge(_kept(row), row)
        message = judged.packet.message
        with self._session.transaction() as tx:
            if isinstance(message, Document) and _other(tx, row, message) is not None:
                raise _conflict(message.id)
            receipts.move(tx, row, ReceiptState.WAITING, **_facts(judged))

    def _poll(self, kind: MessageType) -> Iterator[EdocError]:
        try:
            listed = self._session.hub.list_waiting(kind)
        except EdocError as error:
            yield error
            return
        for key, waiting in self._offered(listed).items():
            try:
                self._fetch(key, waiting)
            except LeaseLost as error:
                log.info("another worker has it: %s", error)
            except EdocError as error:
                yield error

    def _offered(self, listed: Sequence[Waiting]) -> dict[int, Waiting]:
        """The rows to download; what is here and confirmed already is confirmed again."""
        keys: dict[int, Waiting] = {}
        with self._session.transaction() as tx:
            for waiting in listed:
                row = receipts.offered(tx, self._session.agency, waiting.doc_id, waiting.message_type)
                if row.state == ReceiptState.LISTED or _try_again(tx, row):
                    keys[row.id] = waiting
                elif row.confirmed_at is not None:
                    _confirm_again(tx, row)
        return keys

    def _fetch(self, key: int, waiting: Waiting) -> None:
        with self._session.transaction() as tx:
            row = receipts.claim(
                tx, self._session.lease, agency=self._session.agency, state=ReceiptState.LISTED, key=key
            )
        if row is None:  # another worker is at it
            return
        with self._session.keeper.holding():
            try:
                file = self._download(row)
            except EdocError as error:
                self._put_off(row, error)
                raise
            self._take_in(row, file, waiting)

    def _download(self, row: ReceiptRow) -> SpoolFile:
        spool = self._session.store.spool
        with spool.drafting() as draft:
            self._session.hub.fetch(row.hub_doc_id, draft, on_progress=self._session.on_progress)
            return spool.keep(draft)

    def _put_off(self, row: ReceiptRow, error: EdocError) -> None:
        with self._session.transaction() as tx:
            values = {"attempts": row.attempts + 1, **columns(error)}
            wait = self._session.next_attempt(row, tx.now, error)
            moves.touch(
                tx, RECEIPTS, row.id, state=row.state, token=row.fence, detail=f"not downloaded: {error.message}",
                next_attempt_at=wait, **values,
            )  # fmt: skip

    def _take_in(self, row: ReceiptRow, file: SpoolFile, waiting: Waiting) -> None:
        try:
            judged = self._judge(file, row)
        except _NotKnownYet as error:
            self._put_off(row, error)
            raise
        except (PacketError, VerificationFailed, AttachmentError) as error:
            with self._session.transaction() as tx:
                _quarantine(tx, row, error, _bytes(file))
            return
        with self._session.transaction() as tx:
            if _misdelivered(tx, row, waiting, judged.packet.message):
                _quarantine(tx, row, _another(row), _bytes(file), tell=False)
            elif isinstance(judged.packet.message, StatusMessage):
                apply_status(tx, row, judged.packet.message, _facts(judged))
            else:
                _keep_document(tx, row, judged, judged.packet.message)

    def _judge(self, file: SpoolFile, row: ReceiptRow) -> Judged:
        session = self._session
        packet = read(session.store.spool.checked(file.name, file.sha256), limits=session.packets)
        verification = verify(packet, _policy_for(session, row))
        # Hubs that rebuild packets leave no signature on a status, and a status carries no seal.
        if isinstance(packet.message, Document) and not session.policy.admits(verification):
            raise _refused(row, verification)
        if isinstance(packet.message, Document) and session.signed_pdf_in:
            admit_files(packet, _policy_for(session, row), doc_id=row.hub_doc_id)
        return Judged(
            packet=packet,
            verification=verification,
            fingerprint=fingerprint(packet.message, packet.attachments),
            file=file,
        )


def opened(session: Session, row: ReceiptRow) -> tuple[Packet, Verification]:
    """The packet of a receipt, judged as at the time it came in.

    Raises:
        NotFound: its bytes are gone.
        StoreError: they were changed.
        PacketError: it cannot be read.
    """
    file = _kept(row)
    packet = read(session.store.spool.checked(file.name, file.sha256), limits=session.packets)
    return packet, verify(packet, _policy_for(session, row))


def _policy_for(session: Session, row: ReceiptRow) -> VerifyPolicy:
    """The policy, with certificates judged at the time the packet came: one that expires later was good then."""
    return replace(session.policy, at=session.policy.at or row.created_at)


def acted_on(document: Document) -> tuple[str, ...]:
    """The documents that a recall, an update or a replacement acts on, by DocumentId (edXML, "TraceHeaderList")."""
    business = document.business
    if business.type in (None, BusinessType.NEW):
        return ()
    named = [business.document_id, *(one.document_id for one in business.replaces)]
    if not any(named):
        named = [one.document_id for one in document.responses_for]
    return tuple(dict.fromkeys(one for one in named if one))


def _keep_document(tx: Tx, row: ReceiptRow, judged: Judged, document: Document) -> None:
    other = _other(tx, row, document)
    if other is not None and other.fingerprint != judged.fingerprint:
        _quarantine(tx, row, _conflict(document.id), _facts(judged))
    elif other is not None:
        detail = f"as docId {other.hub_doc_id}"
        receipts.move(tx, row, ReceiptState.DUPLICATE, detail=detail, **_facts(judged))
        outgoing.confirm(tx, receipts.by_key(tx, row.id), outgoing.DONE)
    else:
        receipts.move(tx, row, ReceiptState.WAITING, **_facts(judged))
        _note_request(tx, row, document)


def _note_request(tx: Tx, row: ReceiptRow, document: Document) -> None:
    if document.business.type not in WITHDRAWING:
        return
    for document_id in acted_on(document):
        target = receipts.effective(tx, row.agency, document_id, document.sender.id)
        if target is not None:
            detail = f"{BUSINESS[document.business.type]} asked for: {document.business.reason or ''}"
            receipts.said(tx, target, detail=detail, change=Change.ASKED)


def _other(tx: Tx, row: ReceiptRow, document: Document) -> ReceiptRow | None:
    found = receipts.effective(tx, row.agency, document.id, document.sender.id)
    return found if found is not None and found.id != row.id else None


def _quarantine(tx: Tx, row: ReceiptRow, error: EdocError, values: dict[str, Any], *, tell: bool = True) -> None:
    log.error("docId %s is set aside: %s", row.hub_doc_id, error)
    receipts.move(tx, row, ReceiptState.QUARANTINED, detail=error.message, **values | columns(error))
    if tell:
        outgoing.confirm(tx, receipts.by_key(tx, row.id), outgoing.FAIL)


def _misdelivered(tx: Tx, row: ReceiptRow, waiting: Waiting, message: Message) -> bool:
    """Whether it is another packet's body: neither its sender nor its addressee is the one that the hub announced.

    One of the two may differ for an honest reason (a code of the other system, a hub that names itself).
    """
    if not waiting.sender or message.sender.id in _codes(tx, row.agency, waiting.sender):
        return False
    to = {one.id for one in message.recipients} if isinstance(message, Document) else {message.response_for.organ_id}
    return not to & (_codes(tx, row.agency, row.agency) | {waiting.recipient})


def _codes(tx: Tx, agency: str, code: str) -> set[str | None]:
    """An agency's code, and the one of the other system where the directory knows it."""
    known = directory.lookup(tx, agency, code)
    return {code, known.code, known.other_code} if known is not None else {code}


def _try_again(tx: Tx, row: ReceiptRow) -> bool:
    """Whether a packet is worth another download: the hub gave another one's body for it, and still offers it."""
    wrong = row.state == ReceiptState.QUARANTINED and row.error_code == ProtocolError.__name__
    if not wrong or row.attempts >= _WRONG_BODIES:
        return False
    receipts.move(tx, row, ReceiptState.LISTED, attempts=row.attempts + 1)
    return True


def _confirm_again(tx: Tx, row: ReceiptRow) -> None:
    failed = row.state == ReceiptState.QUARANTINED
    outgoing.confirm(tx, row, outgoing.FAIL if failed else outgoing.DONE)


def _bytes(file: SpoolFile) -> dict[str, Any]:
    return {"spool_file": file.name, "sha256": file.sha256, "size": file.size}


def _kept(row: ReceiptRow) -> SpoolFile:
    if row.spool_file is None or row.sha256 is None:
        raise NotFound(
            f"docId {row.hub_doc_id} was not downloaded yet: call receive().",
            vi=f"docId {row.hub_doc_id} chưa được tải về: hãy gọi receive().",
        )
    return SpoolFile(row.spool_file, row.sha256, row.size or 0)


def _facts(judged: Judged) -> dict[str, Any]:
    """What a row says of a packet, beside its bytes."""
    message, verification = judged.packet.message, judged.verification
    values = {
        **_bytes(judged.file),
        "sender": message.sender.id,
        "fingerprint": judged.fingerprint,
        "verification": verification.status.value,
        "verification_text": verification.explanation[:_TEXT_LIMIT],
        "findings": len(judged.packet.findings),
        **columns(None),
    }
    if isinstance(message, StatusMessage):
        about = message.response_for
        return values | {
            "message_type": receipts.STATUS,
            "document_id": about.document_id,
            "code": about.code,
            "issued_on": about.issued_on,
            "subject": message.description,
        }
    return values | {
        "message_type": receipts.EDOC,
        "document_id": message.id,
        "business": BUSINESS.get(message.business.type or BusinessType.NEW),
        "code": message.code,
        "subject": message.subject,
        "issued_on": message.issued_on,
    }


def _another(row: ReceiptRow) -> ProtocolError:
    return ProtocolError(
        f"under docId {row.hub_doc_id} the hub gave a packet of another sender to another recipient. It is set aside "
        "and not confirmed; the next polls ask for it again. Tell the hub's operator.",
        vi=f"Với docId {row.hub_doc_id}, trục trả về gói tin của nơi gửi khác cho nơi nhận khác. Gói tin bị cách ly, "
        "không xác nhận; các lần nhận sau sẽ tải lại. Hãy báo cho đơn vị vận hành trục.",
    )


def _conflict(document_id: str) -> DocumentIdConflict:
    return DocumentIdConflict(
        f"another document came under the id {document_id}; the first is kept, this one set aside. "
        "Ask the sender which one is meant.",
        vi=f"Đã có văn bản khác với mã định danh {document_id}; giữ văn bản đến trước, cách ly văn bản này. "
        "Hãy hỏi lại nơi gửi.",
    )


class _NotKnownYet(VerificationFailed):
    """Whether the signer's certificate was revoked could not be asked: the packet waits, as where a download fails."""


def _refused(row: ReceiptRow, verification: Verification) -> VerificationFailed:
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
