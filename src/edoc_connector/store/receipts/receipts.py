"""Packets that come in: recorded as they are offered, claimed, moved and confirmed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, bindparam, select, update

from ..._core import LONE_HUB, Text
from .._sql import TABLES, CompiledStatement
from ..rows import CONFIRM, ReceiptRow
from ..state_machine import RECEIPTS, OutgoingState, ReceiptState
from ..status_rules import Authority
from ..transitions import HeldRow
from .conditions import TABLE, build_unnoticed_condition
from .queries import ReceiptQueries

if TYPE_CHECKING:
    from ..work import Lease

_ANY_OF: BindParameter[Any] = bindparam("any_of", expanding=True)
_SELECT_STATES = select(TABLE.c.id, TABLE.c.state).where(TABLE.c.id.in_(_ANY_OF))
_UPDATE_CONFIRMED = update(TABLE).where(TABLE.c.id.in_(_ANY_OF))
_UPDATE_RETURNING_ROW = CompiledStatement(update(TABLE).where(TABLE.c.id == bindparam("row_id")).returning(TABLE))
_UNNOTICED = build_unnoticed_condition()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A packet that the hub offers.

    Args:
        hub_doc_id: the hub's id of it.
        message_type: `EDOC` or `STATUS`.
        sender: the sender that the hub announces.
        recipient: the recipients that the hub announces.
        hub: name of the hub.
    """

    hub_doc_id: str
    message_type: str
    sender: str = ""
    recipient: str = ""
    hub: str = LONE_HUB


@dataclass(slots=True, eq=False)
class Receipts(ReceiptQueries):
    """Keeps the packets that come in.

    Args:
        tx: the transaction.
    """

    def record_offer(
        self,
        agency: str,
        hub_doc_id: str,
        message_type: str,
        *,
        sender: str = "",
        recipient: str = "",
        hub: str = LONE_HUB,
    ) -> ReceiptRow:
        """Record one packet that the hub offers; returns its row."""
        offer = Offer(hub_doc_id=hub_doc_id, message_type=message_type, sender=sender, recipient=recipient, hub=hub)
        return self.record_offers(agency, [offer])[0][hub_doc_id]

    def record_offers(self, agency: str, offers: Sequence[Offer]) -> tuple[dict[str, ReceiptRow], set[str]]:
        """Record packets that the hub offers: rows for those that are new, ``listed``.

        Args:
            agency: to whom they are offered.
            offers: in the hub's order; the keys of new rows follow it.

        Returns:
            The rows by the hub's ids, and the ids of those that were made.
        """
        known = self.find_by_hub_doc_ids(agency, [offer.hub_doc_id for offer in offers])
        new = {
            offer.hub_doc_id: {
                "agency": agency, "hub_doc_id": offer.hub_doc_id, "message_type": offer.message_type,
                "offered_by": offer.sender, "offered_to": offer.recipient, "hub": offer.hub,
            }
            for offer in offers if offer.hub_doc_id not in known
        }  # fmt: skip
        if not new:
            return known, set()
        unique = ("agency", "hub_doc_id")
        rows = self._tx.transitions.insert_rows_once(
            RECEIPTS, list(new.values()), unique_columns=unique, state=ReceiptState.LISTED
        )
        inserted = {row["hub_doc_id"]: ReceiptRow.from_row(row) for row in rows}
        if len(inserted) < len(new):  # another worker listed them a moment ago
            known |= self.find_by_hub_doc_ids(agency, new.keys() - inserted.keys())
        return known | inserted, set(inserted)

    def move(self, row: ReceiptRow, new: ReceiptState, *, detail: Text | str = "", **values: Any) -> ReceiptRow:
        """Move a receipt as its holder; a stale holder is fenced off. Returns the receipt as it is afterwards.

        Raises:
            LeaseLost: somebody else moved or took it.
        """
        return ReceiptRow.from_row(
            self._tx.transitions.move_returning_row(
                RECEIPTS, row.id, old=row.state, new=new, fencing_token=row.fence, detail=detail, **values
            )
        )

    def mark_downloaded(self, downloads: Sequence[tuple[ReceiptRow, Mapping[str, Any]]]) -> None:
        """Mark documents as downloaded: they wait for the application. All in one go.

        Args:
            downloads: the receipts, claimed, and the facts of their packets: the same columns of each.

        Raises:
            LeaseLost: somebody else moved or took one of them; none was noted.
        """
        rows = [HeldRow(row.id, row.fence, values) for row, values in downloads]
        self._tx.transitions.move_all(RECEIPTS, rows, old=ReceiptState.LISTED, new=ReceiptState.WAITING)

    def mark_confirmed(self, outcomes: Mapping[int, str], *, remark: Text | None = None) -> None:
        """Mark packets as confirmed to the hub.

        Args:
            outcomes: what it was told (`outgoing.DONE` or `outgoing.FAIL`), by receipt.
            remark: what the timelines say besides.
        """
        also = Text("", "") if remark is None else Text(f"; {remark.en}", f"; {remark.vi}")
        found = {
            row["id"]: row["state"]
            for row in self._tx.connection.execute(_SELECT_STATES, {"any_of": sorted(outcomes)}).mappings()
        }
        self._tx.connection.execute(
            _UPDATE_CONFIRMED, {"any_of": sorted(outcomes), "confirmed_at": self._tx.now, "updated_at": self._tx.now}
        )
        for row_id, code in outcomes.items():
            detail = Text(f"the hub was told {code}{also.en}", f"đã báo trục: {code}{also.vi}")
            self._tx.timeline.record_change(RECEIPTS, row_id, old=found[row_id], new=found[row_id], detail=detail)
        finished = [
            HeldRow(row_id, None)
            for row_id, code in outcomes.items()
            if code == "done" and found[row_id] == ReceiptState.HANDLED
        ]
        self._tx.transitions.move_all(RECEIPTS, finished, old=ReceiptState.HANDLED, new=ReceiptState.CONFIRMED)

    def claim_next(
        self,
        lease: Lease,
        *,
        agency: str,
        state: ReceiptState,
        after_id: int = 0,
        only_id: int | None = None,
        only_due: bool = False,
        count_attempt: bool = False,
    ) -> ReceiptRow | None:
        """Claim the next receipt in a state (`LISTED` to download it, `WAITING` to hand it out), or one of them.

        Args:
            lease: the worker.
            agency: code of the agency.
            state: the state to look in.
            after_id: only rows with a greater key.
            only_id: only this row.
            only_due: only one whose next attempt is due.
            count_attempt: whether the attempt counts from now on, so that one which ends the process counts too.
        """
        only_ids = [only_id] if only_id is not None else None
        rows = self._tx.leases.claim(
            RECEIPTS,
            lease,
            agency=agency,
            states=[state],
            only_ids=only_ids,
            only_due=only_due,
            after_id=after_id,
            count_attempt=count_attempt,
        )
        return ReceiptRow.from_row(rows[0]) if rows else None

    def claim_listed(self, lease: Lease, *, agency: str, row_ids: Collection[int]) -> list[ReceiptRow]:
        """Claim some packets that wait to be downloaded, in one go; the attempt counts from now on.

        Args:
            lease: the worker.
            agency: code of the agency.
            row_ids: the rows; those that another worker is at, or that are not `LISTED` any more, are left out.

        Returns:
            The rows that are held now, by key.
        """
        states = [ReceiptState.LISTED]
        rows = self._tx.leases.claim(
            RECEIPTS,
            lease,
            agency=agency,
            states=states,
            only_ids=row_ids,
            only_due=False,
            limit=len(row_ids),
            count_attempt=True,
        )
        return [ReceiptRow.from_row(row) for row in rows]

    def release_claims(self, lease: Lease, row_ids: Collection[int]) -> None:
        """Give back packets that `claim_listed` took and that were not asked for: the attempt did not happen.

        Args:
            lease: the worker.
            row_ids: the rows; those that it does not hold any more stay as they are.
        """
        still_held = [
            TABLE.c.id.in_(sorted(row_ids)),
            TABLE.c.state == ReceiptState.LISTED,
            TABLE.c.lease_owner == lease.owner,
        ]
        values = {"lease_owner": None, "lease_until": None, "attempts": TABLE.c.attempts - 1}
        self._tx.connection.execute(update(TABLE).where(*still_held, TABLE.c.attempts > 0).values(values))

    def claim_next_status(self, lease: Lease, *, agency: str, only_id: int | None = None) -> ReceiptRow | None:
        """Claim the next status that the application was not told of; statuses about one document come in their order.

        Args:
            lease: the worker.
            agency: code of the agency.
            only_id: only this row.
        """
        only_ids = [only_id] if only_id is not None else None
        states = [ReceiptState.CONFIRMED]  # only a confirmed one stays as it is while the application looks at it
        rows = self._tx.leases.claim(
            RECEIPTS, lease, agency=agency, states=states, only_ids=only_ids, where=_UNNOTICED, count_attempt=True
        )
        return ReceiptRow.from_row(rows[0]) if rows else None

    def give_up_hub_doc_id(self, row: ReceiptRow) -> ReceiptRow:
        """Give up the hub's id of a packet, under which the hub has another one now; returns the receipt afterwards.

        Its row, timeline and evidence stay. A confirmation that still waits would meet the other packet: it goes to the
        id that the receipt has from now on, which no hub knows.
        """
        name = f"{row.hub_doc_id}~{row.id}"
        detail = Text(
            f"the hub has another packet under docId {row.hub_doc_id} now; this one is called {name} from here on",
            f"trục nay có gói tin khác với docId {row.hub_doc_id}; từ đây gói tin này mang mã {name}",
        )
        acks = TABLES["outgoing"]
        waiting = [acks.c.receipt_id == row.id, acks.c.kind == CONFIRM, acks.c.state == OutgoingState.READY]
        self._tx.connection.execute(update(acks).where(*waiting).values(hub_doc_id=name))
        renamed = self.record_note(row, detail=detail, hub_doc_id=name)
        self._tx.identities.pop((RECEIPTS.subject, row.id), None)
        return renamed

    def lock_receipt(self, receipt_id: int) -> None:
        """Lock the standing of the answers to a packet, which is read first and written afterwards."""
        self._tx.advisory_lock(f"receipt {receipt_id}")

    def record_note(
        self,
        row: ReceiptRow,
        *,
        detail: Text | str,
        said_with: Authority | None = None,
        stated_at: datetime | None = None,
        **values: Any,
    ) -> ReceiptRow:
        """Record a status code or a request about a receipt without moving it; returns the receipt afterwards.

        Args:
            row: the receipt.
            detail: words for the timeline.
            said_with: who vouches for what came about it; None where nobody does, or nothing came.
            stated_at: the time that it gives itself; None where it gives none.
            values: columns to set.
        """
        (updated,) = _UPDATE_RETURNING_ROW.fetch_all(
            self._tx.connection, {**values, "updated_at": self._tx.now, "row_id": row.id}
        )
        self._tx.timeline.record_change(
            RECEIPTS, row.id, old=row.state, new=row.state, detail=detail, authority=said_with, stated_at=stated_at
        )
        return ReceiptRow.from_row(updated)
