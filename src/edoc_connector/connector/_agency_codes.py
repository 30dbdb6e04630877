"""Comparison of organisations' codes: by their spelling, and by the hub's directory of both systems."""

from __future__ import annotations

from collections.abc import Iterable

from ..edxml import Directory, OrganId
from ..store import ReceiptRow, Tx


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
