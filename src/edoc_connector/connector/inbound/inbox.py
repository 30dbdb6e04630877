"""What comes in: listed, brought in by `arriving`, and either kept for the application or entered in the store.

A packet counts as here only when its bytes are safe in the spool and its row says so, in one transaction; the hub is
told afterwards, by a confirmation queued in that same transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from ..._core.text import both
from ...edxml import read
from ...errors import AttachmentError, DocumentIdConflict, EdocError, PacketError, ProtocolError
from ...hubs import MessageType, Progress, Waiting
from ...store import ReceiptState, SpoolFile, Tx, outgoing, receipts, transitions
from ...store.audit_log import Note
from ...store.rows import ReceiptRow
from ...store.state_machine import RECEIPTS
from .._context import Session
from .._recovery import mend
from .._retry import columns, fate
from ..outbound.packet_builder import fingerprint
from .admission import bytes_of, kept
from .intake import Arrival, Arrivals, let_in, quarantine

log = logging.getLogger("edoc_connector.connector.inbox")

# Here for good, and the hub was told so.
_TOLD = frozenset({ReceiptState.HANDLED, ReceiptState.CONFIRMED, ReceiptState.DUPLICATE})

_WRONG_BODIES = 5  # how often a packet is asked for again for which the hub gave another one's body
_AT_A_TIME = 200  # what a hub lists is entered in pieces, so that other writers get their turn


class Inbox:
    """Fetches what the hub offers.

    Args:
        session: the store, the hub and the policy.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._arrivals = Arrivals(session)

    def recover(self) -> None:
        """Offer again what dead applications were handling."""
        with self._session.transaction() as tx:
            mend(tx, agency=self._session.agency, limits=self._session.limits)
            for row in transitions.expired(tx, RECEIPTS, agency=self._session.agency):
                transitions.move(
                    tx, RECEIPTS, row["id"], old=row["state"], new=ReceiptState.WAITING, token=row["fence"],
                    detail=both("the worker's lease ran out", "tiến trình đang giữ đã dừng"),
                )  # fmt: skip

    def recheck(self, key: int) -> None:
        """Judge a packet in quarantine once more, by the policy of today; one that never came is asked for again.

        Raises:
            PacketError: it still cannot be read.
            VerificationFailed: the policy still does not let it in.
            DocumentIdConflict: another document came under its id.
            NotFound: its bytes are gone.
        """
        with self._session.store.reading() as tx:
            row = receipts.by_key(tx, key)
        if row.state == ReceiptState.QUARANTINED and row.spool_file is None:
            self._ask_for_again(row)
            return
        file = kept(row)
        self._session.packet(file.name, file.sha256)  # says so where its time to be kept was over
        judged = self._arrivals.judge(file, row)
        with self._session.transaction() as tx:
            # Whether it is a double is looked up first and written afterwards.
            transitions.alone(tx, f"inbox {self._session.agency}")
            let_in(tx, row, judged)

    def _ask_for_again(self, row: ReceiptRow) -> None:
        with self._session.transaction() as tx:
            values: dict[str, Any] = {"attempts": 0, "next_attempt_at": tx.now, **columns(None)}
            receipts.move(tx, row, ReceiptState.LISTED, **values)

    def _again(self, row: ReceiptRow, now: datetime) -> dict[str, Any] | None:
        """Columns and the reason for another download of a packet that was set aside and that the hub still offers."""
        if _may_try_again(row):
            why = both("the hub had given another packet's body", "trục đã trả nhầm nội dung gói tin khác")
            return {"attempts": row.attempts + 1, "detail": why}
        if self._rested(row, now):
            why = both("it never came, and the hub still offers it", "chưa tải được và trục vẫn còn gói tin này")
            return {"attempts": 0, "next_attempt_at": now, "detail": why}
        return None

    def _rested(self, row: ReceiptRow, now: datetime) -> bool:
        """Whether a packet that could not be downloaded was left alone for long.

        One on which the process ended each time, and so no error is known, is left to a person.
        """
        if row.state != ReceiptState.QUARANTINED or row.spool_file is not None or row.error_code is None:
            return False
        return now - row.updated_at >= timedelta(seconds=self._session.limits.backoff_cap)

    def listed(self, kind: MessageType) -> tuple[list[int], list[int]]:
        """Ask the hub what it offers, and enter it.

        Returns:
            The keys of the receipts to fetch, and of those to look at again: the hub offers them although it was told.

        Raises:
            EdocError: the hub did not say.
        """
        asked_at = self._session.store.clock()
        self._session.hub.forget_heard()  # nothing of it is for the evidence, and polls go on for months
        return self._offered(self._session.hub.list_waiting(kind), asked_at)

    def fetch(self, key: int) -> None:
        """Download and check one packet that was listed; nothing where another worker is at it.

        Raises:
            EdocError: it did not come; why is in the store too.
        """
        rows = self.claimed([key])
        if not rows:
            return
        with self._session.keeper.holding(receipts.T, [row.id for row in rows]):
            errors = self.enter([self.brought(row) for row in rows])
        if errors:
            raise errors[0]

    def claimed(self, keys: Sequence[int]) -> list[ReceiptRow]:
        """Take packets that were listed and that nobody is at; the attempt counts from now on."""
        with self._session.transaction() as tx:
            return receipts.claim_listed(tx, self._session.lease, agency=self._session.agency, keys=keys)

    def let_go(self, rows: Sequence[ReceiptRow]) -> None:
        """Give back what was claimed and not asked for."""
        if rows:
            with self._session.transaction() as tx:
                receipts.let_go(tx, self._session.lease, [row.id for row in rows])

    def brought(self, row: ReceiptRow, *, on_progress: Progress | None = None, later: bool = False) -> Arrival:
        """Download and judge a packet that was claimed, or leave that to `judged`. May be called from any thread."""
        return self._arrivals.brought(row, on_progress=on_progress, later=later)

    def judged(self, arrival: Arrival) -> Arrival:
        """Judge what was left to be judged later."""
        return self._arrivals.judged(arrival)

    def enter(self, arrivals: Sequence[Arrival]) -> list[EdocError]:
        """Enter what was brought, in this order; what those met that were not entered."""
        return self._arrivals.enter(arrivals)

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

    def _offered(self, listed: Sequence[Waiting], asked_at: datetime) -> tuple[list[int], list[int]]:
        new: dict[int, None] = {}
        known: dict[int, None] = {}
        for start in range(0, len(listed), _AT_A_TIME):
            self._enter_offers(listed[start : start + _AT_A_TIME], asked_at, new, known)
        return list(new), list(known)

    def _enter_offers(
        self, some: Sequence[Waiting], asked_at: datetime, new: dict[int, None], known: dict[int, None]
    ) -> None:
        with self._session.transaction() as tx:
            rows, made = receipts.offered_all(tx, self._session.agency, [_offer(waiting) for waiting in some])
            for waiting in some:
                row = rows[waiting.doc_id]
                if row.hub_doc_id in made:
                    made.remove(row.hub_doc_id)  # a hub may list it twice
                    tx.notes.append(Note("offer", RECEIPTS.subject, row.id, tx.actor, _announced(waiting)))
                if row.state == ReceiptState.LISTED:
                    new[row.id] = None
                elif (again := self._again(row, tx.now)) is not None:
                    new[row.id] = None
                    rows[waiting.doc_id] = receipts.move(tx, row, ReceiptState.LISTED, **again)
                elif row.confirmed_at is None or row.confirmed_at >= asked_at:
                    continue  # the hub was not told yet when it answered
                elif row.state == ReceiptState.QUARANTINED:
                    _confirm_again(tx, row)
                elif row.state in _TOLD:
                    known[row.id] = None

    def _changed(self, row: ReceiptRow) -> SpoolFile | None:
        """The packet under a docId that we have, where it is another one by now."""
        try:
            file = self._arrivals.download(row.hub_doc_id)
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


def _may_try_again(row: ReceiptRow) -> bool:
    """Whether a packet is worth another download: the hub gave another one's body for it, and still offers it."""
    wrong = row.state == ReceiptState.QUARANTINED and row.error_code == ProtocolError.__name__
    return wrong and row.spool_file is not None and row.attempts < _WRONG_BODIES


def _confirm_again(tx: Tx, row: ReceiptRow) -> None:
    failed = row.state == ReceiptState.QUARANTINED
    outgoing.confirm(tx, row, outgoing.FAIL if failed else outgoing.DONE)


def _set_second_aside(tx: Tx, row: ReceiptRow, file: SpoolFile) -> None:
    """Other bytes under a docId that we have: kept beside the first, once, under a name of their own."""
    name = f"{row.hub_doc_id}~{file.sha256[:12]}"
    second = receipts.offered(tx, row.agency, name, row.message_type)
    if second.state == ReceiptState.LISTED:
        about = {"document_id": row.document_id, "sender": row.sender}
        quarantine(tx, second, _second_body(row), about | bytes_of(file), tell=False)


def _offer(waiting: Waiting) -> receipts.Offer:
    return receipts.Offer(
        hub_doc_id=waiting.doc_id,
        message_type=waiting.message_type,
        sender=waiting.sender,
        recipient=waiting.recipient,
    )


def _announced(waiting: Waiting) -> dict[str, Any]:
    """What the hub says of a packet that it offers, for the evidence."""
    return {
        "sender_announced": waiting.sender,
        "recipient_announced": waiting.recipient,
        "created": waiting.created_text,
        "state_announced": waiting.status,
    }


def _second_body(row: ReceiptRow) -> DocumentIdConflict:
    return DocumentIdConflict(
        f"the hub gives another packet under docId {row.hub_doc_id} than it gave first. The first one counts; this one "
        "is set aside. Ask the sender which one is meant, and tell the hub's operator.",
        vi=f"Với docId {row.hub_doc_id}, trục trả về gói tin khác với lần đầu. Giữ gói tin đầu, cách ly gói tin này. "
        "Hãy hỏi nơi gửi và báo cho đơn vị vận hành trục.",
    )
