"""What comes in: listed, downloaded, checked, and either kept for the application or entered in the store.

A packet counts as here only when its bytes are safe in the spool and its row says so, in one transaction; the hub is
told afterwards, by a confirmation queued in that same transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from ..edxml import BusinessType, Document, Message, StatusMessage, read
from ..errors import (
    AttachmentError,
    DocumentIdConflict,
    EdocError,
    PacketError,
    ProtocolError,
    VerificationFailed,
)
from ..hubs import MessageType, Waiting
from ..signing import Verification, verify
from ..store import LeaseLost, ReceiptState, SpoolFile, Tx, directory, moves, outgoing, receipts
from ..store.evidence import Note
from ..store.order import Change
from ..store.records import ReceiptRow
from ..store.states import RECEIPTS
from ..store.words import both, spoken
from .building import fingerprint
from .clocks import mend
from .doubles import Doubles
from .fates import columns, fate
from .judging import Judged, bytes_of, facts_of, kept, policy_for
from .session import Session
from .signed_files import admit_files
from .statuses import apply_status
from .views import BUSINESS, KINDS_VI

log = logging.getLogger("edoc_connector.connector.inbox")

# Asks that the document acted on be withdrawn; its receipt shows that an answer is due.
WITHDRAWING = frozenset({BusinessType.RECALL, BusinessType.REPLACE})

# Here for good, and the hub was told so.
_TOLD = frozenset({ReceiptState.HANDLED, ReceiptState.CONFIRMED, ReceiptState.DUPLICATE})

_WRONG_BODIES = 5  # how often a packet is asked for again for which the hub gave another one's body


class Inbox:
    """Fetches what the hub offers.

    Args:
        session: the store, the hub and the policy.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._doubles = Doubles(session, self._download, self._judge)

    def recover(self) -> None:
        """Offer again what dead applications were handling."""
        with self._session.transaction() as tx:
            mend(tx, agency=self._session.agency, limits=self._session.limits)
            for row in moves.expired(tx, RECEIPTS, agency=self._session.agency):
                moves.move(
                    tx, RECEIPTS, row["id"], old=row["state"], new=ReceiptState.WAITING, token=row["fence"],
                    detail=both("the worker's lease ran out", "tiến trình đang giữ đã dừng"),
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
        judged = self._judge(kept(row), row)
        message = judged.packet.message
        with self._session.transaction() as tx:
            if isinstance(message, Document) and _other(tx, row, message) is not None:
                raise _conflict(message.id)
            receipts.move(tx, row, ReceiptState.WAITING, **facts_of(judged))

    def listed(self, kind: MessageType) -> tuple[list[int], list[int]]:
        """Ask the hub what it offers, and enter it.

        Returns:
            The keys of the receipts to fetch, and of those to look at again: the hub offers them although it was told.

        Raises:
            EdocError: the hub did not say.
        """
        return self._offered(self._session.hub.list_waiting(kind))

    def fetch(self, key: int) -> None:
        """Download and check one packet that was listed; nothing where another worker is at it.

        Raises:
            EdocError: it did not come; why is in the store too.
        """
        with self._session.transaction() as tx:
            row = receipts.claim(
                tx, self._session.lease, agency=self._session.agency, state=ReceiptState.LISTED, key=key, count=True
            )
        if row is None:
            return
        self._session.hub.forget_heard()
        with self._session.keeper.holding():
            try:
                self._take_in(row, self._download(row.hub_doc_id))
            except LeaseLost:
                raise
            except EdocError as error:
                self._put_off(row, error)
                raise

    def look_again(self, key: int) -> None:
        """Compare a packet that the hub offers although it was told with what came then; tell it once more.

        Other bytes under the same docId are set aside beside the first, which stays as it is.

        Raises:
            EdocError: the hub did not give it.
        """
        with self._session.store.reading() as tx:
            row = receipts.by_key(tx, key)
        self._session.hub.forget_heard()
        second = self._changed(row)
        with self._session.transaction() as tx:
            self._session.heard(tx, RECEIPTS, row.id)
            if second is not None:
                _set_second_aside(tx, row, second)
            _confirm_again(tx, row)

    def _poll(self, kind: MessageType) -> Iterator[EdocError]:
        try:
            new, known = self.listed(kind)
        except EdocError as error:
            yield error
            return
        for step, keys in ((self.fetch, new), (self.look_again, known)):
            for key in keys:
                try:
                    step(key)
                except LeaseLost as error:
                    log.info("another worker has it: %s", error)
                except EdocError as error:
                    yield error

    def _offered(self, listed: Sequence[Waiting]) -> tuple[list[int], list[int]]:
        new: dict[int, None] = {}
        known: dict[int, None] = {}
        with self._session.transaction() as tx:
            for waiting in listed:
                row = receipts.offered(
                    tx, self._session.agency, waiting.doc_id, waiting.message_type,
                    sender=waiting.sender, recipient=waiting.recipient,
                )  # fmt: skip
                if row.created_at == tx.now:
                    tx.notes.append(Note("offer", RECEIPTS.subject, row.id, tx.actor, _announced(waiting)))
                if row.state == ReceiptState.LISTED or _try_again(tx, row):
                    new[row.id] = None
                elif row.confirmed_at is not None and row.state == ReceiptState.QUARANTINED:
                    _confirm_again(tx, row)
                elif row.confirmed_at is not None and row.state in _TOLD:
                    known[row.id] = None
        return list(new), list(known)

    def _changed(self, row: ReceiptRow) -> SpoolFile | None:
        """The packet under a docId that we have, where it is another one by now."""
        try:
            file = self._download(row.hub_doc_id)
        except EdocError as error:
            if fate(error).state != "failed":
                raise
            log.warning("docId %s is offered again, and not given: %s", row.hub_doc_id, error)
            return None
        if file.sha256 != row.sha256 and self._other_content(file, row):
            return file
        self._session.store.spool.discard(file.name)
        return None

    def _other_content(self, file: SpoolFile, row: ReceiptRow) -> bool:
        """Whether it says something else; a hub may write the same packet anew."""
        try:
            packet = read(self._session.store.spool.path(file.name))
            return fingerprint(packet.message, packet.attachments) != row.fingerprint
        except (PacketError, AttachmentError):
            return True

    def _download(self, doc_id: str) -> SpoolFile:
        spool = self._session.store.spool
        with spool.drafting() as draft:
            self._session.hub.fetch(doc_id, draft, on_progress=self._session.on_progress)
            return spool.keep(draft)

    def _put_off(self, row: ReceiptRow, error: EdocError) -> None:
        with self._session.transaction() as tx:
            # The claim counted the attempt; one that says nothing about this packet does not count.
            values = {"attempts": row.attempts - int(fate(error).pause), **columns(error)}
            self._session.heard(tx, RECEIPTS, row.id)
            wait = self._session.next_attempt(row, tx.now, error)
            moves.touch(
                tx, RECEIPTS, row.id, state=row.state, token=row.fence,
                detail=both(f"not downloaded: {error.message}", f"chưa tải được: {error.vi}"),
                next_attempt_at=wait, **values,
            )  # fmt: skip

    def _take_in(self, row: ReceiptRow, file: SpoolFile) -> None:
        try:
            judged = self._judge(file, row)
        except _NotKnownYet as error:
            self._put_off(row, error)
            raise
        except (PacketError, VerificationFailed, AttachmentError) as error:
            with self._session.transaction() as tx:
                self._session.heard(tx, RECEIPTS, row.id)
                _quarantine(tx, row, error, bytes_of(file))
            return
        with self._session.store.reading() as tx:
            misdelivered = _misdelivered(tx, row, judged.packet.message)
        if not misdelivered:
            judged = self._looked_twice(row, judged)
        with self._session.transaction() as tx:
            moves.alone(tx, f"inbox {row.agency}")  # whether it is a double is looked up first and written afterwards
            self._session.heard(tx, RECEIPTS, row.id)
            if misdelivered:
                _quarantine(tx, row, _another(row), bytes_of(file), tell=False)
            elif isinstance(judged.packet.message, StatusMessage):
                apply_status(tx, row, judged.packet.message, facts_of(judged))
            else:
                _keep_document(tx, row, judged, judged.packet.message)

    def _looked_twice(self, row: ReceiptRow, judged: Judged) -> Judged:
        try:
            return self._doubles.look(row, judged)
        except EdocError:
            self._session.store.spool.discard(judged.file.name)  # it is downloaded again
            raise

    def _judge(self, file: SpoolFile, row: ReceiptRow) -> Judged:
        session = self._session
        packet = read(session.store.spool.checked(file.name, file.sha256), limits=session.packets)
        verification = verify(packet, policy_for(session, row))
        # Hubs that rebuild packets leave no signature on a status, and a status carries no seal.
        if isinstance(packet.message, Document) and not session.policy.admits(verification):
            raise _refused(row, verification)
        if isinstance(packet.message, Document) and session.signed_pdf_in:
            admit_files(packet, policy_for(session, row), doc_id=row.hub_doc_id)
        return Judged(
            packet=packet,
            verification=verification,
            fingerprint=fingerprint(packet.message, packet.attachments),
            file=file,
        )


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
        _quarantine(tx, row, _conflict(document.id), facts_of(judged))
    elif other is not None:
        detail = both(f"as docId {other.hub_doc_id}", f"là docId {other.hub_doc_id}")
        receipts.move(tx, row, ReceiptState.DUPLICATE, detail=detail, **facts_of(judged))
        outgoing.confirm(tx, receipts.by_key(tx, row.id), outgoing.DONE)
    else:
        receipts.move(tx, row, ReceiptState.WAITING, **facts_of(judged))
        _note_request(tx, row, document)


def _note_request(tx: Tx, row: ReceiptRow, document: Document) -> None:
    if document.business.type not in WITHDRAWING:
        return
    for document_id in acted_on(document):
        target = receipts.effective(tx, row.agency, document_id, document.sender.id)
        if target is not None:
            kind, reason = BUSINESS[document.business.type], document.business.reason or ""
            detail = both(f"{kind} asked for: {reason}", f"nơi gửi yêu cầu {KINDS_VI[kind]}: {reason}")
            receipts.said(tx, target, detail=detail, change=Change.ASKED)


def _other(tx: Tx, row: ReceiptRow, document: Document) -> ReceiptRow | None:
    found = receipts.effective(tx, row.agency, document.id, document.sender.id)
    return found if found is not None and found.id != row.id else None


def _quarantine(tx: Tx, row: ReceiptRow, error: EdocError, values: dict[str, Any], *, tell: bool = True) -> None:
    log.error("docId %s is set aside: %s", row.hub_doc_id, error)
    receipts.move(tx, row, ReceiptState.QUARANTINED, detail=spoken(error), **values | columns(error))
    if tell:
        outgoing.confirm(tx, receipts.by_key(tx, row.id), outgoing.FAIL)


def _misdelivered(tx: Tx, row: ReceiptRow, message: Message) -> bool:
    """Whether it is another packet's body: neither its sender nor its addressee is the one that the hub announced.

    One of the two may differ for an honest reason (a code of the other system, a hub that names itself).
    """
    if not row.offered_by or message.sender.id in _codes(tx, row.agency, row.offered_by):
        return False
    to = {one.id for one in message.recipients} if isinstance(message, Document) else {message.response_for.organ_id}
    return not to & (_codes(tx, row.agency, row.agency) | {row.offered_to})


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


def _set_second_aside(tx: Tx, row: ReceiptRow, file: SpoolFile) -> None:
    """Other bytes under a docId that we have: kept beside the first, once, under a name of their own."""
    name = f"{row.hub_doc_id}~{file.sha256[:12]}"
    second = receipts.offered(tx, row.agency, name, row.message_type)
    if second.state == ReceiptState.LISTED:
        about = {"document_id": row.document_id, "sender": row.sender}
        _quarantine(tx, second, _second_body(row), about | bytes_of(file), tell=False)


def _announced(waiting: Waiting) -> dict[str, Any]:
    """What the hub says of a packet that it offers, for the evidence."""
    return {
        "sender_announced": waiting.sender,
        "recipient_announced": waiting.recipient,
        "created": waiting.created_text,
        "state_announced": waiting.status,
    }


def _another(row: ReceiptRow) -> ProtocolError:
    return ProtocolError(
        f"under docId {row.hub_doc_id} the hub gave a packet of another sender to another recipient. It is set aside "
        "and not confirmed; the next polls ask for it again. Tell the hub's operator.",
        vi=f"Với docId {row.hub_doc_id}, trục trả về gói tin của nơi gửi khác cho nơi nhận khác. Gói tin bị cách ly, "
        "không xác nhận; các lần nhận sau sẽ tải lại. Hãy báo cho đơn vị vận hành trục.",
    )


def _second_body(row: ReceiptRow) -> DocumentIdConflict:
    return DocumentIdConflict(
        f"the hub gives another packet under docId {row.hub_doc_id} than it gave first. The first one counts; this one "
        "is set aside. Ask the sender which one is meant, and tell the hub's operator.",
        vi=f"Với docId {row.hub_doc_id}, trục trả về gói tin khác với lần đầu. Giữ gói tin đầu, cách ly gói tin này. "
        "Hãy hỏi nơi gửi và báo cho đơn vị vận hành trục.",
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
