"""Matching of the documents that packets name with those that are here: the exact id first, then other spellings.

One candidate is a match, with a remark where it is written otherwise; several are none (edXML, "Seen in the wild").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol, TypeVar

from ...edxml import Document, DocumentName, ResponseFor
from ...store import EDOC, DeliveryRow, ReceiptRow, Tx
from .._change_rules import NEW_KIND, select_target_ids
from .agency_codes import find_agency_codes


class _NamedRow(Protocol):
    @property
    def document_id(self) -> str | None: ...

    @property
    def code(self) -> str | None: ...

    @property
    def issued_on(self) -> date | None: ...


_R = TypeVar("_R", bound=_NamedRow)


@dataclass(frozen=True, slots=True)
class DeliveryMatch:
    """A document of ours that a packet names.

    Args:
        row: the document; None where none fits, or several do.
        is_odd: whether it is named otherwise than it is written.
    """

    row: DeliveryRow | None = None
    is_odd: bool = False


@dataclass(frozen=True, slots=True)
class ReceiptMatch:
    """A document that came and that a packet names.

    Args:
        rows: its copies that count, of every sender, newest first; none where none fits, or several do.
        is_odd: whether it is named otherwise than it is written.
    """

    rows: tuple[ReceiptRow, ...] = ()
    is_odd: bool = False


def name_response(response_for: ResponseFor) -> DocumentName:
    """Build the name of the document that a status is about."""
    return DocumentName.from_parts(
        document_id=response_for.document_id,
        organ_id=response_for.organ_id,
        code=response_for.code,
        issued_on=response_for.issued_on,
    )


def name_targets(document: Document) -> tuple[DocumentName, ...]:
    """Build the names of the documents that a recall, an update or a replacement acts on.

    By DocumentId where it states any, else by the organisation, code and date of its ResponseFors.
    """
    target_ids = select_target_ids(document)
    if not document.business.type or target_ids:
        return tuple(DocumentName.from_parts(document_id=target_id) for target_id in target_ids)
    names = (name_response(response_for) for response_for in document.responses_for)
    return tuple(dict.fromkeys(name for name in names if name.code))


def match_delivery(tx: Tx, agency: str, name: DocumentName) -> DeliveryMatch:
    """Find the document of ours that a packet names.

    Args:
        tx: the transaction.
        agency: our code.
        name: the document.
    """
    exact = tx.deliveries.find_by_document_id(agency, name.document_id) if name.document_id else None
    if exact is not None:
        return DeliveryMatch(exact)
    if name.id_spellings:
        spelt = tx.deliveries.find_all(agency, document_id=name.id_spellings, limit=2)
        if len(spelt) == 1:
            return DeliveryMatch(spelt[0], is_odd=True)
    if not name.code:
        return DeliveryMatch()
    if name.days is None:
        same_code = tx.deliveries.find_all(agency, code=name.code, business=NEW_KIND, limit=2)
        found = same_code[0] if len(same_code) == 1 else None
    else:
        found = _select_only(tx.deliveries.list_issued_between(agency, *name.days, business=NEW_KIND), name)
    return DeliveryMatch(found, is_odd=found is not None and _is_named_otherwise(name, found))


def match_receipts(tx: Tx, agency: str, name: DocumentName, sender: str) -> ReceiptMatch:
    """Find the document that came and that a packet names.

    Args:
        tx: the transaction.
        agency: our code.
        name: the document.
        sender: who names it: only a document of that one can be meant where the id is written otherwise.
    """
    exact = tx.receipts.list_effective(agency, [name.document_id]) if name.document_id else []
    if exact:
        return ReceiptMatch(tuple(exact))
    senders = find_agency_codes(tx, agency, sender)
    spelt = [row for row in tx.receipts.list_effective(agency, name.id_spellings) if row.sender in senders]
    if len({row.document_id for row in spelt}) == 1:
        return ReceiptMatch(tuple(spelt), is_odd=True)
    if not name.code:
        return ReceiptMatch()
    if name.days is None:
        stated = tx.receipts.find_all(agency, sender=senders, code=name.code, message_type=EDOC, business=NEW_KIND)
        candidates: Sequence[ReceiptRow] = tx.receipts.list_effective(agency, [row.document_id or "" for row in stated])
    else:
        candidates = tx.receipts.list_issued_between(agency, *name.days, business=NEW_KIND)
    found = _select_only((row for row in candidates if row.sender in senders), name)
    return ReceiptMatch((found,), is_odd=_is_named_otherwise(name, found)) if found is not None else ReceiptMatch()


def is_named_by(document: Document, row: ReceiptRow) -> bool:
    """Tell whether a recall, an update or a replacement names a document that came."""
    return any(_fits(name, row) for name in name_targets(document))


def _fits(name: DocumentName, row: ReceiptRow) -> bool:
    if name.document_id:
        return name.fits_id(row.document_id or "") or _fits_code(name, row)
    return _fits_code(name, row)


def _fits_code(name: DocumentName, row: _NamedRow) -> bool:
    is_near = name.days is None or row.issued_on is None or name.days[0] <= row.issued_on <= name.days[1]
    return is_near and name.fits_code(row.code or "")


def _is_named_otherwise(name: DocumentName, row: _NamedRow) -> bool:
    """Tell whether a document that was found by its code has another id, or is spelt otherwise."""
    stated_day = name.issued_on or row.issued_on
    return name.is_exchanged or bool(name.document_id) or (row.code, row.issued_on) != (name.code, stated_day)


def _select_only(candidates: Iterable[_R], name: DocumentName) -> _R | None:
    """Select the one document that fits by code and date, the very date before the next; None where several do."""
    fitting = [row for row in candidates if _fits_code(name, row)]
    of_day = [row for row in fitting if row.issued_on == name.issued_on] or fitting
    return of_day[0] if len({row.document_id for row in of_day}) == 1 else None
