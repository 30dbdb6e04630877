"""The lists of a connector: what was sent, what came in, and the directory; a page at a time, or walked through."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal, TypedDict, Unpack, overload

from .._core import Page, iterate_pages
from ..store import MAX_LIMIT, DeliveryState, DirectoryRow, ReceiptState
from ._context import ConnectorContext
from .delivery import Delivery, build_deliveries
from .inbound import Receipt
from .outbound import Dispatcher
from .registers import IncomingEntry, OutgoingEntry, Register, RegisterDirection, build_register


class DeliveryFilters(TypedDict, total=False):
    """Filters of `Lists.deliveries`; those left out, or None, let everything through.

    Args:
        state: only deliveries in this state.
        recipient: only those to the organisation with this code.
        since: only those stored then or later; a time with its zone.
        until: only those stored before.
        number: only those with this number and notation (``7816/SNV-VP``), or with this number (``7816``).
    """

    state: DeliveryState | None
    recipient: str | None
    since: datetime | None
    until: datetime | None
    number: str | None


class ReceiptFilters(TypedDict, total=False):
    """Filters of `Lists.receipts`; those left out, or None, let everything through.

    Args:
        state: only packets in this state.
        kind: only those of this kind (`Receipt.kind`).
        sender: only those that were let in from the organisation with this code.
        since: only those that the hub offered then or later; a time with its zone.
        until: only those that it offered before.
        number: only documents with this number and notation (``7816/SNV-VP``), or with this number (``7816``).
        statuses: False leaves statuses out, unless they are set aside or were not downloaded yet.
    """

    state: ReceiptState | None
    kind: str | None
    sender: str | None
    since: datetime | None
    until: datetime | None
    number: str | None
    statuses: bool


class Lists:
    """The part of a `Connector` that lists what is in its store."""

    context: ConnectorContext
    outbox: Dispatcher

    def deliveries(
        self, *, limit: int | None = None, after: str | None = None, **filters: Unpack[DeliveryFilters]
    ) -> Page[Delivery]:
        """List a page of deliveries, newest first.

        What is stored meanwhile moves no page: the next one begins where this one ended.

        Args:
            limit: deliveries on the page, 1 to 1,000; 100 where it is left out.
            after: `Page.next` of the page before, with the same filters.
            filters: see `DeliveryFilters`.

        Raises:
            InvalidQuery: a value cannot be, or the cursor is one of another list.
        """
        with self.context.store.snapshot() as tx:
            rows = tx.deliveries.list_page(self.context.agency, limit=limit, after=after, **filters)
            views = build_deliveries(tx, rows, arrival_within=self.context.limits.arrival_within)
        return Page(views, next=rows.next)

    def iter_deliveries(self, **filters: Unpack[DeliveryFilters]) -> Iterator[Delivery]:
        """Walk through all deliveries, newest first, with a page in memory at a time.

        Args:
            filters: see `DeliveryFilters`.

        Raises:
            InvalidQuery: a value cannot be.
        """
        return iterate_pages(lambda after: self.deliveries(limit=MAX_LIMIT, after=after, **filters))

    def receipts(
        self, *, limit: int | None = None, after: str | None = None, **filters: Unpack[ReceiptFilters]
    ) -> Page[Receipt]:
        """List a page of the packets that came in, newest first.

        Args:
            limit: packets on the page, 1 to 1,000; 100 where it is left out.
            after: `Page.next` of the page before, with the same filters.
            filters: see `ReceiptFilters`.

        Raises:
            InvalidQuery: a value cannot be, or the cursor is one of another list.
        """
        with self.context.store.snapshot() as tx:
            rows = tx.receipts.list_page(self.context.agency, limit=limit, after=after, **filters)
        return Page((Receipt(self.context, row, outbox=self.outbox) for row in rows), next=rows.next)

    def unanswered(self, *, limit: int = 100) -> list[Receipt]:
        """List the documents that came in and that nobody accepted or rejected in time, the oldest first.

        For longer than `limits.unanswered_after`, and for a year more at most.

        Args:
            limit: documents at most.
        """
        allowed = timedelta(seconds=self.context.limits.unanswered_after)
        with self.context.store.snapshot() as tx:
            rows = tx.receipts.list_unanswered(self.context.agency, received_before=tx.now - allowed, limit=limit)
        return [Receipt(self.context, row, outbox=self.outbox) for row in rows]

    def iter_receipts(self, **filters: Unpack[ReceiptFilters]) -> Iterator[Receipt]:
        """Walk through all packets that came in, newest first, with a page in memory at a time.

        Args:
            filters: see `ReceiptFilters`.

        Raises:
            InvalidQuery: a value cannot be.
        """
        return iterate_pages(lambda after: self.receipts(limit=MAX_LIMIT, after=after, **filters))

    @overload
    def register(
        self,
        direction: Literal["outgoing", RegisterDirection.OUTGOING],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        text: str = "",
    ) -> Register[OutgoingEntry]: ...

    @overload
    def register(
        self,
        direction: Literal["incoming", RegisterDirection.INCOMING],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        text: str = "",
    ) -> Register[IncomingEntry]: ...

    @overload
    def register(
        self,
        direction: RegisterDirection | str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        text: str = "",
    ) -> Register[OutgoingEntry] | Register[IncomingEntry]: ...

    def register(
        self,
        direction: RegisterDirection | str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        text: str = "",
    ) -> Register[OutgoingEntry] | Register[IncomingEntry]:
        """Build the register of incoming or of outgoing documents, the oldest first (Decree 30/2020/NĐ-CP).

        Documents, updates and replacements stand in it; recalls and statuses do not. Of each, the packet is read for
        what the store has no column for.

        Args:
            direction: ``incoming`` or ``outgoing``.
            since: only what was stored, or offered by the hub, then or later; a time with its zone.
            until: only what was before.
            text: only documents of which each of these words begins a word, without diacritics: of number and notation,
                subject, DocumentId, or code and name of the other organisation.

        Raises:
            InvalidQuery: there is no such register, or a time has no zone.
            StoreError: the store cannot be read.
        """
        return build_register(self.context, direction, since=since, until=until, text=text)

    def directory(
        self, *, active: bool | None = None, limit: int | None = None, after: str | None = None
    ) -> Page[DirectoryRow]:
        """List a page of the directory as it was last taken over, by code.

        Args:
            active: only agencies that the hub listed then, or only those that it did not list any more.
            limit: agencies on the page, 1 to 1,000; 100 where it is left out.
            after: `Page.next` of the page before, with the same filter.

        Raises:
            InvalidQuery: a value cannot be, or the cursor is one of another list.
        """
        with self.context.store.snapshot() as tx:
            return tx.directory.list_page(self.context.agency, active=active, limit=limit, after=after)

    def iter_directory(self, *, active: bool | None = None) -> Iterator[DirectoryRow]:
        """Walk through the whole directory, by code, with a page in memory at a time.

        Args:
            active: see `directory`.
        """
        return iterate_pages(lambda after: self.directory(active=active, limit=MAX_LIMIT, after=after))
