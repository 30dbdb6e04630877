"""Comparison of organisations' codes: by their spelling, and by the hub's directory of both systems."""

from __future__ import annotations

from collections.abc import Iterable

from ...edxml import Directory, OrganId
from ...errors import DocumentIdConflict
from ...store import EDOC, ReceiptRow, Tx

_MAX_NAMED = 5  # of the senders of one DocumentId


def find_agency_codes(tx: Tx, agency: str, code: str) -> frozenset[str]:
    """Find an agency's code, and the one of the other system where the directory knows it.

    Args:
        tx: the transaction.
        agency: whose directory it is.
        code: the code, in any spelling.
    """
    parsed = OrganId.parse(code)
    directory = Directory(tx.directory.list_by_code(agency, parsed.value))
    return frozenset({code, *(one.value for one in directory.codes(parsed))})


def is_same_agency(tx: Tx, agency: str, one: str, other: str) -> bool:
    """Tell whether two codes are those of one agency."""
    if OrganId.parse(one) == OrganId.parse(other):
        return True
    return OrganId.parse(other).value in find_agency_codes(tx, agency, one)


def find_same_code(tx: Tx, agency: str, code: str, candidates: Iterable[str | None]) -> str | None:
    """Find the code of the same agency among some, as it is written there; None where it is none of them."""
    known = [candidate for candidate in candidates if candidate]
    if code in known or not known:
        return code if known else None
    own_codes = find_agency_codes(tx, agency, code)  # looked up once: a packet may name thousands
    return next((candidate for candidate in known if OrganId.parse(candidate).value in own_codes), None)


def find_document_of(tx: Tx, agency: str, document_id: str, sender: str | None) -> ReceiptRow | None:
    """Find the copy of a document that counts, of a sender by any of its codes; of anybody where none is given."""
    found = tx.receipts.find_effective(agency, document_id, sender)
    if found is not None or not sender:
        return found
    copies = tx.receipts.list_effective(agency, [document_id])
    code = find_same_code(tx, agency, sender, [copy.sender for copy in copies])
    return next((copy for copy in copies if copy.sender == code), None) if code is not None else None


def find_receipt(tx: Tx, agency: str, any_id: str, sender: str | None = None) -> ReceiptRow | None:
    """Find the one packet that an id means, a DocumentId or a docId of the hub.

    Args:
        tx: the transaction.
        agency: to whom it came.
        any_id: the id.
        sender: whose it is, by any of its codes; left out, anybody's.

    Raises:
        DocumentIdConflict: it is the id of packets of several senders, and none is named.
    """
    found = tx.receipts.list_by_any_id(agency, any_id)
    if sender is not None:
        codes = find_agency_codes(tx, agency, sender)
        of_sender = [row for row in found if OrganId.parse(_get_sender(row)).value in codes]
        of_sender = of_sender or tx.receipts.find_all(agency, document_id=any_id, sender=codes, message_type=EDOC)
        return next(iter(of_sender), None)
    if len(found) > 1:
        codes = find_agency_codes(tx, agency, _get_sender(found[0]))
        if any(OrganId.parse(_get_sender(row)).value not in codes for row in found):
            raise _build_ambiguous_error(any_id, found)
    return found[0] if found else None


def _get_sender(row: ReceiptRow) -> str:
    """Get who sent a packet: as it says itself, else as the hub announced."""
    return row.sender or row.offered_by or ""


def _build_ambiguous_error(any_id: str, rows: Iterable[ReceiptRow]) -> DocumentIdConflict:
    senders = list(dict.fromkeys(_get_sender(row) for row in rows))
    named = ", ".join([*senders[:_MAX_NAMED], *(["…"] if len(senders) > _MAX_NAMED else [])])
    return DocumentIdConflict(
        f"several senders used the id {any_id}: {named}. Say whose packet is meant (sender).",
        vi=f"Nhiều nơi gửi dùng chung mã {any_id}: {named}. Hãy nêu rõ nơi gửi (sender).",
    )
