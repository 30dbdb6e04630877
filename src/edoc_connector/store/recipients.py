"""Recipients of the packets that we send: where each stands with a document, and what they said of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, bindparam, insert, select, update

from .._core import Text
from ._sql import TABLES, CompiledStatement, Row, split_keys
from .rows import DeliveryRow, RecipientRow
from .state_machine import DELIVERIES, DeliveryState
from .status_rules import CHANGE_BY_ANSWER, Authority, Change, is_not_further, list_allowed_codes
from .transitions import LeaseLost

if TYPE_CHECKING:
    from .transaction import Tx

TABLE = TABLES["delivery_recipients"]

REFUSED_LATER = "refused_later"
"""What the timeline of a delivery says when the hub is found to have refused it for a recipient after it took it."""

# Made once: every document needs them.
_DELIVERY_IDS: BindParameter[Any] = bindparam("delivery_ids", expanding=True)
_QUERY = select(TABLE).where(TABLE.c.delivery_id.in_(_DELIVERY_IDS)).order_by(TABLE.c.id)
_SELECT_OF_ONE = CompiledStatement(
    select(TABLE).where(TABLE.c.delivery_id == bindparam("delivery_id")).order_by(TABLE.c.id)
)


@dataclass(slots=True, eq=False)
class Recipients:
    """Keeps where each recipient stands with the packets that we send.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def load(self, delivery_ids: Sequence[int]) -> Mapping[int, tuple[RecipientRow, ...]]:
        """Load the recipients of some deliveries, by the delivery's key, in the document's order."""
        found: dict[int, list[RecipientRow]] = {delivery_id: [] for delivery_id in delivery_ids}
        for row in self._select_rows(delivery_ids):
            found[row["delivery_id"]].append(RecipientRow.from_row(row))
        return {delivery_id: tuple(rows) for delivery_id, rows in found.items()}

    def _select_rows(self, delivery_ids: Sequence[int]) -> Iterable[Row]:
        if len(delivery_ids) == 1:
            return _SELECT_OF_ONE.fetch_all(self._tx.connection, {"delivery_id": delivery_ids[0]})
        return (
            row
            for chunk in split_keys(delivery_ids)
            for row in self._tx.connection.execute(_QUERY, {"delivery_ids": chunk}).mappings()
        )

    def list_unanswered(self, row: DeliveryRow) -> tuple[RecipientRow, ...]:
        """List the recipients of a recall, an update or a replacement that have not answered it with 15 or 16."""
        return tuple(
            recipient_row
            for recipient_row in self.load([row.id])[row.id]
            if recipient_row.last_code not in CHANGE_BY_ANSWER
        )

    def find(self, delivery_id: int, organ_id: str) -> RecipientRow | None:
        """Find the standing of a delivery with one recipient."""
        return next((row for row in self.load([delivery_id])[delivery_id] if row.organ_id == organ_id), None)

    def lock(self, delivery_id: int) -> None:
        """Lock the standing of a delivery's recipients, which is read first and written afterwards."""
        self._tx.advisory_lock(f"delivery {delivery_id}")

    def record_status(
        self,
        delivery: DeliveryRow,
        organ_id: str,
        code: str,
        *,
        reported_at: datetime | None,
        description: str | None,
        name: str = "",
        authority: Authority | None = None,
    ) -> bool:
        """Record a status that a recipient sent; one out of order is recorded too, and flagged.

        A flagged one does not turn the document back: 01 after 03 leaves it at 03, and an answer that nobody asked for
        withdraws nothing.

        Args:
            delivery: the document it is about.
            organ_id: who says it; one that is no recipient is added.
            code: the status code.
            reported_at: its time stamp; None where it has none that can be read.
            description: its words.
            name: the organisation's name, for one that is added.
            authority: who vouches for it; None where nobody does.

        Returns:
            Whether the code was in order.
        """
        self.lock(delivery.id)
        row = self.find(delivery.id, organ_id)
        is_recipient = row is not None
        row = row or self._add(delivery, organ_id, name)
        in_order = is_recipient and code in list_allowed_codes(
            row.last_code, change=row.change, is_change_packet=delivery.business != "new"
        )
        values: dict[str, Any] = {} if in_order else {"out_of_order": row.out_of_order + 1}
        values |= {"refused_at": None, "refusal": None, "refusal_vi": None}  # it came to the recipient after all
        answer = delivery.business == "new" and code in CHANGE_BY_ANSWER
        if in_order or not (answer or is_not_further(row.last_code, code)):
            values |= {"last_description": description, "last_at": reported_at, "authority": authority}
            values |= {"change": CHANGE_BY_ANSWER[code]} if answer else {"last_code": code}
        self._tx.connection.execute(update(TABLE).where(TABLE.c.id == row.id).values(values))
        detail: Text | str = description or ""
        if is_recipient:
            self._settle_reported(delivery, organ_id, code)
        if not in_order:
            detail = Text(f"{detail} (out of order)".strip(), f"{detail} (không đúng thứ tự)".strip())
        self._tx.timeline.record_change(
            DELIVERIES,
            delivery.id,
            old=row.last_code,
            new=code,
            detail=detail,
            actor=organ_id,
            recipient=organ_id,
            authority=authority,
            stated_at=reported_at,
        )
        return in_order

    def record_late_refusal(self, delivery: DeliveryRow, organ_id: str, *, words: Text) -> bool:
        """Record that the hub, which took the document, did not bring it to a recipient.

        A later status of the recipient corrects that.

        Args:
            delivery: the document.
            organ_id: the recipient.
            words: what the hub says.

        Returns:
            Whether that is new, and not contradicted by what the recipient reported.
        """
        self.lock(delivery.id)
        row = self.find(delivery.id, organ_id)
        if row is None or row.last_code is not None or row.refused_at is not None:
            return False
        values = {"refused_at": self._tx.now, "refusal": words.en, "refusal_vi": words.vi}
        self._tx.connection.execute(update(TABLE).where(TABLE.c.id == row.id).values(values))
        self._tx.timeline.record_change(
            DELIVERIES, delivery.id, old=delivery.state, new=REFUSED_LATER, detail=words, recipient=organ_id
        )
        return True

    def _settle_reported(self, delivery: DeliveryRow, organ_id: str, code: str) -> None:
        """Settle a delivery whose outcome was unknown: it came to a recipient, so the hub has it."""
        if delivery.state != DeliveryState.UNKNOWN:
            return
        values: dict[str, Any] = {"sent_at": self._tx.now, "error_code": None, "error_text": None, "error_vi": None}
        cause = describe_report(organ_id, code)
        try:
            self._tx.transitions.move(
                DELIVERIES, delivery.id, old=delivery.state, new=DeliveryState.SENT, cause=cause, **values
            )
        except LeaseLost:
            return  # another worker settled it first

    def record_request(
        self, delivery: DeliveryRow, organ_ids: Collection[str], *, request: str, detail: Text | str
    ) -> None:
        """Record that recipients are asked to give the document back, or to agree to its recall or replacement.

        Args:
            delivery: the document.
            organ_ids: the recipients asked.
            request: ``13``, or the kind of packet that asks them (``recall``, ``replace``).
            detail: the reason.
        """
        for organ_id in organ_ids:
            self._set_change(delivery, organ_id, Change.ASKED)
            self._tx.timeline.record_change(
                DELIVERIES, delivery.id, old=None, new=request, detail=detail, recipient=organ_id
            )

    def record_answer(
        self,
        delivery: DeliveryRow,
        organ_id: str,
        code: str,
        *,
        detail: Text | str,
        authority: Authority | None = None,
        stated_at: datetime | None = None,
    ) -> None:
        """Record a recipient's answer (15 or 16) to a recall or a replacement in the document acted on, if asked.

        Args:
            delivery: the document acted on.
            organ_id: the recipient.
            code: the answer.
            detail: what it answers.
            authority: who vouches for it; None where nobody does.
            stated_at: the time that it gives itself; None where it gives none.
        """
        recipient_row = self.find(delivery.id, organ_id)
        if recipient_row is None or recipient_row.change != Change.ASKED:
            return
        self._set_change(delivery, organ_id, CHANGE_BY_ANSWER[code])
        self._tx.timeline.record_change(
            DELIVERIES,
            delivery.id,
            old=None,
            new=code,
            detail=detail,
            actor=organ_id,
            recipient=organ_id,
            authority=authority,
            stated_at=stated_at,
        )

    def _set_change(self, delivery: DeliveryRow, organ_id: str, change: Change) -> None:
        statement = update(TABLE).where(TABLE.c.delivery_id == delivery.id, TABLE.c.organ_id == organ_id)
        self._tx.connection.execute(statement.values(change=change))

    def _add(self, delivery: DeliveryRow, organ_id: str, name: str) -> RecipientRow:
        values = {"delivery_id": delivery.id, "organ_id": organ_id, "name": name or organ_id}
        self._tx.connection.execute(insert(TABLE).values(values))
        found = self.find(delivery.id, organ_id)
        if found is None:
            raise LookupError(organ_id)
        return found


def describe_report(organ_id: str, code: str | None) -> Text:
    """Describe what a recipient's report proves."""
    return Text(
        f"{organ_id} reported {code}: it came there, so the hub has it",
        f"{organ_id} đã báo {code}: văn bản đã đến nơi nhận nên trục đã có",
    )
