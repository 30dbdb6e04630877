"""Rows of the registers: documents that went out or came in, found by their words, and the numbers of those entered."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, func, select

from ._sql import TABLES
from .directory import fold_words, has_words
from .listing import match_times
from .rows import EDOC, STATUS

if TYPE_CHECKING:
    from .transaction import Tx

_SENT = TABLES["deliveries"]
_RECIPIENTS = TABLES["delivery_recipients"]
_RECEIVED = TABLES["receipts"]
_OUTGOING = TABLES["outgoing"]
_ACCEPTED = "03"
_ENTERED_WITHIN = timedelta(days=366)  # of a document's coming; nobody waits longer to enter one


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterFilter:
    """What of a register is wanted; what is left out lets everything through.

    Args:
        since: only what was stored, or offered by the hub, then or later.
        until: only what was before.
        text: only documents of which each of these words begins a word, without diacritics: of the number and notation,
            the subject, the DocumentId, or of code and name of the other organisation.
        states: only these states.
        kinds: only these kinds (``new``, ``recall``, …).
    """

    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    states: Collection[str] | None = None
    kinds: Collection[str] | None = None


@dataclass(slots=True, eq=False)
class Registers:
    """Finds the rows of registers. Words are looked for in the rows of the time that is wanted, one by one.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def find_sent(self, agency: str, wanted: RegisterFilter) -> list[int]:
        """Find the deliveries that are wanted: their keys, the newest first."""
        where = _match(_SENT, agency, wanted)
        columns = (_SENT.c.id, _SENT.c.code, _SENT.c.subject, _SENT.c.document_id)
        rows = self._fetch(columns if wanted.text else columns[:1], where, _SENT)
        words = fold_words(wanted.text)
        if not words:
            return [row[0] for row in rows]
        others = self._list_recipients(where)
        return [row[0] for row in rows if has_words(" ".join((*row[1:], *others.get(row[0], ()))), words)]

    def find_received(self, agency: str, wanted: RegisterFilter) -> list[int]:
        """Find the packets that came in and are wanted: their keys, the newest first."""
        where = [*_match(_RECEIVED, agency, wanted), _RECEIVED.c.business.is_not(None)]
        columns = (
            _RECEIVED.c.id, _RECEIVED.c.sender, _RECEIVED.c.code, _RECEIVED.c.subject, _RECEIVED.c.document_id,
        )  # fmt: skip
        rows = self._fetch(columns if wanted.text else columns[:1], where, _RECEIVED)
        words = fold_words(wanted.text)
        if not words:
            return [row[0] for row in rows]
        names = self._load_names(agency, {row[1] for row in rows if row[1]})
        return [row[0] for row in rows if has_words(" ".join((*filter(None, row[1:]), names.get(row[1], ""))), words)]

    def number_accepted(self, agency: str, *, since: datetime, until: datetime) -> dict[int, tuple[int, datetime]]:
        """Number the documents that were entered in the register (03) in some time, in the order of that.

        Args:
            agency: code of the agency.
            since: from then on.
            until: before then.

        Returns:
            By the receipt's key the number, from 1, and when it was entered. Nothing that comes later moves a number.
        """
        entered_at = func.min(_OUTGOING.c.created_at)
        query = (
            select(_RECEIVED.c.id, entered_at)
            .join_from(_RECEIVED, _OUTGOING, _OUTGOING.c.receipt_id == _RECEIVED.c.id)
            .where(_OUTGOING.c.kind == STATUS, _OUTGOING.c.code == _ACCEPTED)
            .where(_RECEIVED.c.agency == agency, _RECEIVED.c.message_type == EDOC)
            .where(_RECEIVED.c.created_at >= since - _ENTERED_WITHIN, _RECEIVED.c.created_at < until)
            .group_by(_RECEIVED.c.id)
            .having(entered_at >= since, entered_at < until)
            .order_by(entered_at, _RECEIVED.c.id)
        )
        rows = self._tx.connection.execute(query)
        return {row_id: (number, at) for number, (row_id, at) in enumerate(rows, start=1)}

    def _fetch(self, columns: Sequence[Any], where: Iterable[ColumnElement[bool]], table: Any) -> Sequence[Any]:
        query = select(*columns).where(*where).order_by(table.c.created_at.desc(), table.c.id.desc())
        return self._tx.connection.execute(query).all()

    def _list_recipients(self, where: Iterable[ColumnElement[bool]]) -> dict[int, list[str]]:
        query = (
            select(_RECIPIENTS.c.delivery_id, _RECIPIENTS.c.organ_id, _RECIPIENTS.c.name)
            .join_from(_SENT, _RECIPIENTS, _RECIPIENTS.c.delivery_id == _SENT.c.id)
            .where(*where)
        )
        found: dict[int, list[str]] = {}
        for delivery_id, code, name in self._tx.connection.execute(query):
            found.setdefault(delivery_id, []).extend((code, name))
        return found

    def _load_names(self, agency: str, codes: Collection[str]) -> dict[str, str]:
        return {code: row.name for code, row in self._tx.directory.load(agency, codes).items()}


def _match(table: Any, agency: str, wanted: RegisterFilter) -> list[ColumnElement[bool]]:
    where = [table.c.agency == agency, *match_times(table.c.created_at, wanted.since, wanted.until)]
    for column, values in ((table.c.state, wanted.states), (table.c.business, wanted.kinds)):
        where += [] if values is None else [column.in_(sorted(values))]
    return where
