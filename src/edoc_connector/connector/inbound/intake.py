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

from ..._core.text import both, spoken
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
from ...store import LeaseLost, ReceiptState, SpoolFile, Tx, directory, outgoing, receipts, timeline, transitions
from ...store.audit_log import Note
from ...store.rows import ReceiptRow
from ...store.state_machine import RECEIPTS
from ...store.status_rules import Change
from .._context import Session
from .._pdf_policy import admit_files
from .._retry import columns, fate
from ..delivery import BUSINESS, KINDS_VI
from ..outbound.packet_builder import fingerprint
from .admission import Judged, bytes_of, claims_of, facts_of, policy_for
from .duplicates import Doubles
from .status_intake import apply_status

log = logging.getLogger("edoc_connector.connector.inbox")

_QUICK = 1 << 20  # bytes

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
        looked_twice: whether it seemed to be a duplicate, and was looked at twice.
        heard: what the hub said.
    """

    row: ReceiptRow
    file: SpoolFile | None = None
    judged: Judged | None = None
    refused: EdocError | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    error: EdocError | None = None
    misdelivered: bool = False
    looked_twice: bool = False
    heard: tuple[dict[str, Any], ...] = ()

    @property
    def is_document(self) -> bool:
        """Whether a document came, and not a status or something that cannot be read."""
        return self.judged is not None and isinstance(self.judged.message, Document)

    @property
    def identity(self) -> tuple[str, ...] | None:
        """What two copies of the same content have in common; None where there is no content."""
        if self.judged is None:
            return None
        message = self.judged.message
        return (message.id, message.sender.id) if isinstance(message, Document) else (self.judged.fingerprint,)


class Arrivals:
    """Brings packets in.

    Args:
        session: the store, the hub and the policy.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._doubles = Doubles(session, self.download, self.judge)

    def brought(self, row: ReceiptRow, *, on_progress: Progress | None = None, later: bool = False) -> Arrival:
        """Download and judge a packet. May be called from any thread.

        Args:
            row: its receipt, claimed.
            on_progress: told how far it is, beside whom the session tells.
            later: whether one that is judged quickly is left to `judged`: threads that only compute hinder each other.
        """
        self._session.hub.forget_heard()
        arrival = self._downloaded(row, on_progress)
        if not (later and self._is_quick(arrival)):
            arrival = self.judged(arrival)
        return replace(arrival, heard=tuple(self._session.hub.take_heard()))

    def judged(self, arrival: Arrival) -> Arrival:
        """Judge a packet that was downloaded, unless it was judged or did not come."""
        row, file = arrival.row, arrival.file
        if file is None or arrival.judged is not None or arrival.refused is not None or arrival.error is not None:
            return arrival
        try:
            return replace(arrival, judged=self.judge(file, row))
        except (PacketError, VerificationFailed, AttachmentError) as error:
            if not isinstance(error, _NotKnownYet):
                return replace(arrival, refused=error, claims=self._claims(file, error))
            again: EdocError = error
        except EdocError as error:
            again = error
        self._session.store.spool.discard(file.name)  # it is downloaded again
        return replace(arrival, file=None, error=again)

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
        """Read and verify a packet, whose bytes were put into the spool, or compared with their hash, just now.

        Raises:
            PacketError: it cannot be read.
            VerificationFailed: the policy does not let it in.
            AttachmentError: a file in it cannot be decoded.
        """
        session = self._session
        packet = read(session.store.spool.path(file.name), limits=session.packets)
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

    def _downloaded(self, row: ReceiptRow, on_progress: Progress | None) -> Arrival:
        try:
            return Arrival(row=row, file=self.download(row.hub_doc_id, on_progress))
        except EdocError as error:
            return Arrival(row=row, error=error)

    def _is_quick(self, arrival: Arrival) -> bool:
        """Whether judging a packet is a matter of milliseconds, in which nobody is asked."""
        session = self._session
        asks = session.signed_pdf_in or session.policy.revocation.mode is not RevocationMode.NONE
        return arrival.file is not None and arrival.file.size <= _QUICK and not asks

    def _claims(self, file: SpoolFile, refused: EdocError) -> dict[str, Any]:
        if not isinstance(refused, VerificationFailed | AttachmentError):
            return {}
        return claims_of(read(self._session.store.spool.path(file.name), limits=self._session.packets).message)

    # -- entering

    def _entered(self, arrivals: Sequence[Arrival]) -> list[EdocError]:
        try:
            entered, doubles = self._enter(arrivals)
            if doubles:
                arrivals = [self._looked_twice(one) if one.row.id in doubles else one for one in arrivals]
                entered, _ = self._enter(arrivals)
        except EdocError as error:
            if len(arrivals) > 1:  # nothing of it was written: who can be entered alone is
                return [found for one in arrivals for found in self._entered([one])]
            self._not_entered(arrivals[0], error)
            return [error]
        for one in entered:
            if one.judged is not None and one.is_document:
                self._session.fresh.keep(one.judged.file.name, one.judged.packet, one.judged.verification)
        return [one.error for one in entered if one.error is not None]

    def _enter(self, arrivals: Sequence[Arrival]) -> tuple[list[Arrival], set[int]]:
        """Enter packets in one transaction; none, where some seem to be duplicates and were not looked at twice yet.

        Returns:
            What was entered, and the keys of those that have to be looked at first.
        """
        with self._session.transaction() as tx:
            # Whether a packet is a double is looked up first and written afterwards.
            transitions.alone(tx, f"inbox {self._session.agency}")
            here = _Here.of(tx, self._session.agency, arrivals)
            checked = [replace(one, misdelivered=True) if _misdelivered(tx, one) else one for one in arrivals]
            doubles = {one.row.id for one in checked if here.seems_double(one)}
            if doubles:
                return [], doubles
            plain: list[tuple[ReceiptRow, dict[str, Any]]] = []
            for one in checked:
                tx.notes.extend(Note("answer", RECEIPTS.subject, one.row.id, tx.actor, said) for said in one.heard)
                if one.judged is not None and here.is_plain(one):
                    plain.append((one.row, facts_of(one.judged)))
                    continue
                receipts.taken_in(tx, plain)  # what comes next may be about them
                plain.clear()
                self._enter_one(tx, one)
            receipts.taken_in(tx, plain)
        return checked, set()

    def _enter_one(self, tx: Tx, arrival: Arrival) -> None:
        row, file = arrival.row, arrival.file
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
        transitions.touch(
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
        return replace(arrival, looked_twice=True, heard=(*arrival.heard, *self._session.hub.take_heard()))


@dataclass(frozen=True, slots=True)
class _Here:
    """What is here already of packets that came: the same documents, and the same statuses.

    Args:
        documents: the receipts that count, by DocumentId and sender.
        statuses: the keys of status packets, by fingerprint.
    """

    documents: dict[tuple[str | None, str | None], ReceiptRow]
    statuses: dict[str | None, set[int]]

    @classmethod
    def of(cls, tx: Tx, agency: str, arrivals: Sequence[Arrival]) -> _Here:
        """Look them up."""
        judged = [one.judged for one in arrivals if one.judged is not None]
        ids = [one.message.id for one in judged if isinstance(one.message, Document)]
        said = [one.fingerprint for one in judged if isinstance(one.message, StatusMessage)]
        documents, statuses = receipts.copies(tx, agency, documents=ids, statuses=said)
        by_content: dict[str | None, set[int]] = {}
        for row in statuses:
            by_content.setdefault(row.fingerprint, set()).add(row.id)
        return cls({(row.document_id, row.sender): row for row in reversed(documents)}, by_content)

    def seems_double(self, arrival: Arrival) -> bool:
        """Whether its content is here under another docId, and nobody looked at both again yet."""
        if arrival.judged is None or arrival.misdelivered or arrival.looked_twice:
            return False
        fingerprint = arrival.judged.fingerprint
        other = self._document(arrival)
        return (other is not None and other.fingerprint == fingerprint) or (
            not arrival.is_document and bool(self.statuses.get(fingerprint, set()) - {arrival.row.id})
        )

    def is_plain(self, arrival: Arrival) -> bool:
        """Whether it is a document that came for the first time, about no other one."""
        message = arrival.judged.message if arrival.judged is not None else None
        if not isinstance(message, Document) or arrival.misdelivered or self._document(arrival) is not None:
            return False
        return message.business.type not in WITHDRAWING

    def _document(self, arrival: Arrival) -> ReceiptRow | None:
        message = arrival.judged.message if arrival.judged is not None else None
        if not isinstance(message, Document):
            return None
        other = self.documents.get((message.id, message.sender.id))
        return other if other is not None and other.id != arrival.row.id else None


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
    after = receipts.move(tx, row, ReceiptState.QUARANTINED, detail=spoken(error), **values | columns(error))
    if tell:
        outgoing.confirm(tx, after, outgoing.FAIL)


def let_in(tx: Tx, row: ReceiptRow, judged: Judged) -> None:
    """Take in a packet that was set aside, as if it had come just now.

    Raises:
        DocumentIdConflict: another document came under its id.
    """
    message = judged.message
    other = other_copy(tx, row, message) if isinstance(message, Document) else None
    if other is not None and other.fingerprint != judged.fingerprint:
        raise conflict(other.document_id or "")
    if other is None and timeline.happened(tx, RECEIPTS, row.id, ReceiptState.WAITING):
        # The application failed on it; what it asks for was entered when it first came.
        receipts.move(tx, row, ReceiptState.WAITING, **facts_of(judged))
        return
    _take_in(tx, receipts.move(tx, row, ReceiptState.LISTED), judged)
    after = receipts.by_key(tx, row.id)
    if after.state == ReceiptState.HANDLED and outgoing.was_queued(tx, after, outgoing.FAIL):
        # A hub that was told so may take no other word, and the application is not to wait for that.
        receipts.move(tx, after, ReceiptState.CONFIRMED, detail=both("it was told fail", "trục đã được báo fail"))


def _misdelivered(tx: Tx, arrival: Arrival) -> bool:
    """Whether it is another packet's body: neither its sender nor its addressee is the one that the hub announced.

    One of the two may differ for an honest reason (a code of the other system, a hub that names itself).
    """
    if arrival.judged is None or arrival.looked_twice:
        return False
    row, message = arrival.row, arrival.judged.message
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
    message = judged.message
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
        after = receipts.move(tx, row, ReceiptState.DUPLICATE, detail=detail, **facts_of(judged))
        outgoing.confirm(tx, after, outgoing.DONE, first=True)
    else:
        receipts.move(tx, row, ReceiptState.WAITING, **facts_of(judged))
        _note_request(tx, row, document)


def _note_request(tx: Tx, row: ReceiptRow, document: Document) -> None:
    if document.business.type not in WITHDRAWING:
        return
    for document_id in acted_on(document):
        target = receipts.effective(tx, row.agency, document_id, document.sender.id)
        if target is not None:
            receipts.alone(tx, target.id)
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
