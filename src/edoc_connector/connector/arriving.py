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

from ..edxml import BusinessType, Document, Message, StatusMessage, read
from ..errors import (
    AttachmentError,
    DocumentIdConflict,
    EdocError,
    PacketError,
    ProtocolError,
    StoreError,
    VerificationFailed,
)
from ..hubs import Progress
from ..signing import Verification, verify
from ..store import LeaseLost, ReceiptState, SpoolFile, Tx, directory, moves, outgoing, receipts
from ..store.evidence import Note
from ..store.order import Change
from ..store.records import ReceiptRow
from ..store.states import RECEIPTS
from ..store.words import both, spoken
from .building import fingerprint
from .doubles import Doubles, held
from .fates import columns, fate
from .judging import Judged, bytes_of, claims_of, facts_of, policy_for
from .session import Session
from .signed_files import admit_files
from .statuses import apply_status
from .views import BUSINESS, KINDS_VI

log = logging.getLogger("edoc_connector.connector.inbox")

# Asks that the document acted on be withdrawn; its receipt shows that an answer is due.
WITHDRAWING = frozenset({BusinessType.RECALL, BusinessType.REPLACE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What became of a packet that was asked for.

    Args:
        row: its receipt, claimed.
        file: its bytes in the spool, where it came.
        judged: the packet, where it can be read and is let in.
        refused: why it is set aside.
        claims: what a packet that can be read and is set aside says of itself, as columns of its row; not verified.
        error: why it has to be asked for again.
        misdelivered: whether it is another packet's body.
        heard: what the hub said.
    """

    row: ReceiptRow
    file: SpoolFile | None = None
    judged: Judged | None = None
    refused: EdocError | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    error: EdocError | None = None
    misdelivered: bool = False
    heard: tuple[dict[str, Any], ...] = ()

    @property
    def is_document(self) -> bool:
        """Whether a document came, and not a status or something that cannot be read."""
        return self.judged is not None and isinstance(self.judged.packet.message, Document)

    @property
    def identity(self) -> tuple[str, ...] | None:
        """What two copies of the same content have in common; None where there is no content."""
        if self.judged is None:
            return None
        message = self.judged.packet.message
        return (message.id, message.sender.id) if isinstance(message, Document) else (self.judged.fingerprint,)


class Arrivals:
    """Brings packets in.

    Args:
        session: the store, the hub and the policy.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._doubles = Doubles(session, self.download, self.judge)

    def brought(self, row: ReceiptRow, *, on_progress: Progress | None = None) -> Arrival:
        """Download and judge a packet. May be called from any thread.

        Args:
            row: its receipt, claimed.
            on_progress: told how far it is, beside whom the session tells.
        """
        self._session.hub.forget_heard()
        arrival = self._judged(row, on_progress)
        return replace(arrival, claims=self._claims(arrival), heard=tuple(self._session.hub.take_heard()))

    def enter(self, arrivals: Sequence[Arrival]) -> list[EdocError]:
        """Enter packets, in this order; from one thread at a time.

        Returns:
            What those met that were not entered; why is in the store too, unless another worker took them over.
        """
        return [error for some in _apart(arrivals) for error in self._entered(some)]

    def download(self, doc_id: str, on_progress: Progress | None = None) -> SpoolFile:
        """Fetch a packet into the spool.

        Raises:
            EdocError: the hub did not give it, or the disk does not take it.
        """
        spool = self._session.store.spool
        with spool.drafting() as draft:
            self._session.hub.fetch(doc_id, draft, on_progress=on_progress or self._session.on_progress)
            return spool.keep(draft)

    def judge(self, file: SpoolFile, row: ReceiptRow) -> Judged:
        """Read and verify a packet.

        Raises:
            PacketError: it cannot be read.
            VerificationFailed: the policy does not let it in.
            AttachmentError: a file in it cannot be decoded.
        """
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

    # -- downloading

    def _judged(self, row: ReceiptRow, on_progress: Progress | None) -> Arrival:
        try:
            file = self.download(row.hub_doc_id, on_progress)
        except EdocError as error:
            return Arrival(row=row, error=error)
        try:
            return Arrival(row=row, file=file, judged=self.judge(file, row))
        except _NotKnownYet as error:
            self._session.store.spool.discard(file.name)  # it is downloaded again
            return Arrival(row=row, error=error)
        except (PacketError, VerificationFailed, AttachmentError) as error:
            return Arrival(row=row, file=file, refused=error)
        except EdocError as error:
            return Arrival(row=row, error=error)

    def _claims(self, arrival: Arrival) -> dict[str, Any]:
        if arrival.file is None or not isinstance(arrival.refused, VerificationFailed | AttachmentError):
            return {}
        path = self._session.store.spool.path(arrival.file.name)
        return claims_of(read(path, limits=self._session.packets).message)

    # -- entering

    def _entered(self, arrivals: Sequence[Arrival]) -> list[EdocError]:
        checked = self._checked(arrivals)
        try:
            with self._session.transaction() as tx:
                # Whether a packet is a double is looked up first and written afterwards.
                moves.alone(tx, f"inbox {self._session.agency}")
                for one in checked:
                    self._enter(tx, one)
        except EdocError as error:
            if len(checked) > 1:  # nothing of it was written: who can be entered alone is
                return [found for one in arrivals for found in self._entered([one])]
            self._not_entered(checked[0], error)
            return [error]
        for one in checked:
            if one.judged is not None and one.is_document:
                self._session.fresh.keep(one.judged.file.name, one.judged.packet, one.judged.verification)
        return [one.error for one in checked if one.error is not None]

    def _enter(self, tx: Tx, arrival: Arrival) -> None:
        row, file = arrival.row, arrival.file
        tx.notes.extend(Note("answer", RECEIPTS.subject, row.id, tx.actor, one) for one in arrival.heard)
        if arrival.error is not None:
            self._put_off(tx, row, arrival.error)
        elif arrival.refused is not None and file is not None:
            quarantine(tx, row, arrival.refused, {**arrival.claims, **bytes_of(file)})
        elif arrival.misdelivered and file is not None:
            quarantine(tx, row, _another(row), bytes_of(file), tell=False)
        elif arrival.judged is not None:
            _take_in(tx, row, arrival.judged)

    def _put_off(self, tx: Tx, row: ReceiptRow, error: EdocError) -> None:
        # The claim counted the attempt; one that says nothing about this packet does not count.
        values = {"attempts": row.attempts - int(fate(error).pause), **columns(error)}
        wait = self._session.next_attempt(row, tx.now, error)
        moves.touch(
            tx, RECEIPTS, row.id, state=row.state, token=row.fence,
            detail=both(f"not downloaded: {error.message}", f"chưa tải được: {error.vi}"),
            next_attempt_at=wait, **values,
        )  # fmt: skip

    def _not_entered(self, arrival: Arrival, error: EdocError) -> None:
        """The store did not take it: it is asked for again."""
        if isinstance(error, LeaseLost):
            return
        try:
            with self._session.transaction() as tx:
                self._put_off(tx, arrival.row, error)
        except StoreError as again:
            log.warning("docId %s waits until its lease runs out: %s", arrival.row.hub_doc_id, again)

    def _checked(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Compare with what is here: another packet's body, or the same document once more?"""
        with self._session.store.reading() as tx:
            found = [
                (one, misdelivered(tx, one.row, one.judged.packet.message), held(tx, one.row, one.judged) is not None)
                if one.judged is not None
                else (one, False, False)
                for one in arrivals
            ]
        return [
            replace(one, misdelivered=True) if wrong else self._looked_twice(one) if double else one
            for one, wrong, double in found
        ]

    def _looked_twice(self, arrival: Arrival) -> Arrival:
        if arrival.judged is None:
            return arrival
        self._session.hub.forget_heard()
        try:
            judged = self._doubles.look(arrival.row, arrival.judged)
        except EdocError as error:
            self._session.store.spool.discard(arrival.judged.file.name)  # it is downloaded again
            arrival = replace(arrival, judged=None, error=error)
        else:
            arrival = replace(arrival, judged=judged, file=judged.file)
        return replace(arrival, heard=(*arrival.heard, *self._session.hub.take_heard()))


def acted_on(document: Document) -> tuple[str, ...]:
    """The documents that a recall, an update or a replacement acts on, by DocumentId (edXML, "TraceHeaderList")."""
    business = document.business
    if business.type in (None, BusinessType.NEW):
        return ()
    named = [business.document_id, *(one.document_id for one in business.replaces)]
    if not any(named):
        named = [one.document_id for one in document.responses_for]
    return tuple(dict.fromkeys(one for one in named if one))


def other_copy(tx: Tx, row: ReceiptRow, document: Document) -> ReceiptRow | None:
    """The receipt under which the document is here already."""
    found = receipts.effective(tx, row.agency, document.id, document.sender.id)
    return found if found is not None and found.id != row.id else None


def quarantine(tx: Tx, row: ReceiptRow, error: EdocError, values: dict[str, Any], *, tell: bool = True) -> None:
    """Set a packet aside, and queue a ``fail`` for the hub if it is to be told."""
    log.error("docId %s is set aside: %s", row.hub_doc_id, error)
    receipts.move(tx, row, ReceiptState.QUARANTINED, detail=spoken(error), **values | columns(error))
    if tell:
        outgoing.confirm(tx, receipts.by_key(tx, row.id), outgoing.FAIL)


def misdelivered(tx: Tx, row: ReceiptRow, message: Message) -> bool:
    """Whether it is another packet's body: neither its sender nor its addressee is the one that the hub announced.

    One of the two may differ for an honest reason (a code of the other system, a hub that names itself).
    """
    if not row.offered_by or message.sender.id == row.offered_by:
        return False
    if message.sender.id in _codes(tx, row.agency, row.offered_by):
        return False
    to = {one.id for one in message.recipients} if isinstance(message, Document) else {message.response_for.organ_id}
    return not to & (_codes(tx, row.agency, row.agency) | {row.offered_to})


def conflict(document_id: str) -> DocumentIdConflict:
    """The error for another document under an id that is taken."""
    return DocumentIdConflict(
        f"another document came under the id {document_id}; the first is kept, this one set aside. "
        "Ask the sender which one is meant.",
        vi=f"Đã có văn bản khác với mã định danh {document_id}; giữ văn bản đến trước, cách ly văn bản này. "
        "Hãy hỏi lại nơi gửi.",
    )


def _apart(arrivals: Iterable[Arrival]) -> Iterator[list[Arrival]]:
    """Runs in which no content comes twice: whether one is a double is found out when the other is in the store."""
    some: list[Arrival] = []
    seen: set[tuple[str, ...]] = set()
    for one in arrivals:
        identity = one.identity
        if identity in seen:
            yield some
            some, seen = [], set()
        some.append(one)
        if identity is not None:
            seen.add(identity)
    if some:
        yield some


def _take_in(tx: Tx, row: ReceiptRow, judged: Judged) -> None:
    message = judged.packet.message
    if isinstance(message, StatusMessage):
        apply_status(tx, row, message, facts_of(judged))
    else:
        _keep_document(tx, row, judged, message)


def _keep_document(tx: Tx, row: ReceiptRow, judged: Judged, document: Document) -> None:
    other = other_copy(tx, row, document)
    if other is not None and other.fingerprint != judged.fingerprint:
        quarantine(tx, row, conflict(document.id), facts_of(judged))
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


def _codes(tx: Tx, agency: str, code: str) -> set[str | None]:
    """An agency's code, and the one of the other system where the directory knows it."""
    known = directory.lookup(tx, agency, code)
    return {code, known.code, known.other_code} if known is not None else {code}


def _another(row: ReceiptRow) -> ProtocolError:
    return ProtocolError(
        f"under docId {row.hub_doc_id} the hub gave a packet of another sender to another recipient. It is set aside "
        "and not confirmed; the next polls ask for it again. Tell the hub's operator.",
        vi=f"Với docId {row.hub_doc_id}, trục trả về gói tin của nơi gửi khác cho nơi nhận khác. Gói tin bị cách ly, "
        "không xác nhận; các lần nhận sau sẽ tải lại. Hãy báo cho đơn vị vận hành trục.",
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
