"""Statuses that we send about what came in: checked against the order, and queued with the change they report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..._core.text import both
from ...edxml import Document, ResponseFor, StaffInfo, StatusCode, StatusMessage
from ...errors import NotFound, StatusNotAllowed
from ...store import ReceiptState, Tx, outgoing, receipts, status_rules
from ...store.rows import ReceiptRow
from .._context import Session
from ..delivery import KINDS_VI
from ..inbound.intake import acted_on
from ..inbound.status_intake import TAKE_BACK_KIND

ANSWERABLE = frozenset({ReceiptState.HANDLED, ReceiptState.CONFIRMED})


@dataclass(frozen=True, slots=True)
class Said:
    """A status that is to be sent.

    Args:
        code: the status code.
        description: words for the sender; the reason where the code needs one.
        staff: the officer.
    """

    code: StatusCode
    description: str | None = None
    staff: StaffInfo | None = None

    @property
    def actor(self) -> str | None:
        """The officer's name, for the timeline."""
        return self.staff.staff if self.staff is not None else None


@dataclass(frozen=True, slots=True)
class _Standing:
    """Where the thing that a status is about stands.

    Args:
        about: its receipt: the packet's own, or that of the document that a status asks to take back.
        as_request: whether 15 and 16 answer a request that lies beside the codes; else they are codes themselves.
        last: the last code.
        change: where the request stands.
    """

    about: ReceiptRow
    as_request: bool
    last: str | None
    change: str | None

    def require(self, said: Said) -> None:
        status_rules.require(said.code, self.last, change=self.change, change_packet=not self.as_request)

    def after(self, said: Said) -> _Standing:
        if self.as_request and said.code in status_rules.ANSWERS:
            return _Standing(self.about, self.as_request, self.last, status_rules.ANSWERS[said.code])
        return _Standing(self.about, self.as_request, said.code, self.change)


def message(session: Session, about: ReceiptRow, said: Said, *, at: datetime) -> StatusMessage:
    """The status message about a receipt (edXML, "Status packet")."""
    return StatusMessage(
        sender=session.organization,
        response_for=ResponseFor(
            organ_id=about.sender, code=about.code, document_id=about.document_id, issued_on=about.issued_on
        ),
        code=said.code,
        description=said.description,
        timestamp=at.replace(microsecond=0),
        staff=said.staff,
    )


def require(tx: Tx, row: ReceiptRow, said: Said, *, before: Sequence[Said] = ()) -> None:
    """Raise unless a status may be sent after others that are not stored yet.

    Raises:
        StatusNotAllowed: names the state and what is allowed.
    """
    standing = _standing(tx, row)
    for earlier in before:
        standing = standing.after(earlier)
    standing.require(said)


def require_handled(row: ReceiptRow) -> None:
    """Raise unless a receipt was handled: only then is there something to report.

    Raises:
        StatusNotAllowed: says to handle it first.
    """
    if row.state in ANSWERABLE:
        return
    raise StatusNotAllowed(
        f"the packet {row.hub_doc_id} is {row.state}: handle it first (with receipt: …), then answer it.",
        vi=f"Gói tin {row.hub_doc_id} đang ở trạng thái {row.state}: "
        "hãy xử lý trước (with receipt: …) rồi mới trả lời.",
    )


def alone(tx: Tx, row: ReceiptRow) -> None:
    """Wait until nobody else answers a packet, or enters a request about it: what may be said is looked up first."""
    about = _about(tx, row) if row.business == TAKE_BACK_KIND else row
    if about is not None:
        receipts.alone(tx, about.id)


def queue(tx: Tx, session: Session, row: ReceiptRow, said: Said, *, document: Callable[[], Document]) -> ReceiptRow:
    """Check a status against the order, note it and queue it, in the caller's transaction, which called `alone`.

    Args:
        tx: the transaction.
        session: who we are.
        row: the receipt that is answered.
        said: the status.
        document: reads the receipt's document; called only for answers to a recall or a replacement.

    Returns:
        The receipt after it.

    Raises:
        StatusNotAllowed: the code may not be sent now.
    """
    standing = _standing(tx, row)
    standing.require(said)
    about, after = standing.about, standing.after(said)
    detail = _queued(tx, session, about, said)
    current = receipts.said(tx, about, detail=detail, last_code=after.last, change=after.change)
    if said.code in status_rules.ANSWERS:
        _settle_request(tx, row, said, document)
    elif about.id == row.id:
        return current
    return receipts.by_key(tx, row.id)


def _queued(tx: Tx, session: Session, about: ReceiptRow, said: Said) -> str:
    """Queue a status; what was said, in words."""
    outgoing.status(
        tx,
        agency=about.agency,
        code=said.code,
        recipient=about.sender or "",
        message=message(session, about, said, at=tx.now).model_dump_json(),
        receipt_id=about.id,
    )
    en, vi = status_rules.describe(said.code), status_rules.describe(said.code, vi=True)
    return both(f"{en} {said.description or ''}".strip(), f"{vi} {said.description or ''}".strip())


def asking(tx: Tx, row: ReceiptRow) -> list[ReceiptRow]:
    """The recalls and replacements of a document's sender that wait for an answer, newest first."""
    T = receipts.T  # noqa: N806  a table
    wanted = [T.c.business.in_(["recall", "replace"]), T.c.sender == row.sender, T.c.state.in_(sorted(ANSWERABLE))]
    return receipts.find(tx, row.agency, *wanted, T.c.last_code == StatusCode.ARRIVED)


def _standing(tx: Tx, row: ReceiptRow) -> _Standing:
    if row.business != TAKE_BACK_KIND:
        return _Standing(row, row.business == "new", row.last_code, row.change)
    about = _about(tx, row)
    if about is None:
        raise NotFound(
            f"the document {row.document_id} did not come to us.", vi=f"Không có văn bản đến {row.document_id}."
        )
    return _Standing(about, True, about.last_code, about.change)


def _about(tx: Tx, row: ReceiptRow) -> ReceiptRow | None:
    """The document that a status is about."""
    return receipts.effective(tx, row.agency, row.document_id or "", row.sender)


def _settle_request(tx: Tx, row: ReceiptRow, said: Said, document: Callable[[], Document]) -> None:
    """An answer is noted where the request came in, and for a recall or replacement at the documents it acts on."""
    words = status_rules.describe(said.code), status_rules.describe(said.code, vi=True)
    if row.business == TAKE_BACK_KIND:
        receipts.said(tx, row, detail=both(*words), last_code=said.code)
    if row.business not in ("recall", "replace"):
        return
    for document_id in acted_on(document()):
        target = receipts.effective(tx, row.agency, document_id, row.sender)
        if target is not None:
            receipts.alone(tx, target.id)
            detail = both(f"{row.business}: {words[0]}", f"{KINDS_VI[row.business]}: {words[1]}")
            receipts.said(tx, target, detail=detail, change=status_rules.ANSWERS[said.code])
