"""Comparison of organisations' codes: by their spelling, and by the hub's directory of both systems."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ...edxml import Directory, OrganId
from ...errors import DocumentIdConflict
from ...store import EDOC, DirectoryRow, ReceiptRow, Tx

_MAX_NAMED = 5  # of the senders of one DocumentId


def find_agency_codes(tx: Tx, agency: str, code: str, *, succession: bool = True) -> frozenset[str]:
    """Find an agency's code, the one of the other system where the directory knows it, and those of before and after.

    Args:
        tx: the transaction.
        agency: whose directory it is.
        code: the code, in any spelling.
        succession: whether the codes that it took the place of count, and those that took its place.
    """
    parsed = OrganId.parse(code)
    pairs = _pair(tx.directory.list_by_code(agency, parsed.value), parsed)
    return frozenset({code, *pairs, *(_find_line(tx, agency, parsed, pairs) if succession else ())})


def _find_line(tx: Tx, agency: str, code: OrganId, pairs: frozenset[str]) -> frozenset[str]:
    """Find the codes of before and after of an agency, by its code and by the other one that an ended code had."""
    ended = [replace(row, active=True) for row in tx.directory.list_by_code(agency, code.value, ended=True)]
    return tx.directory.list_line(agency, pairs | _pair(ended, code))


def _pair(rows: Iterable[DirectoryRow], code: OrganId) -> frozenset[str]:
    return frozenset(one.value for one in Directory(rows).codes(code))


def is_same_agency(tx: Tx, agency: str, one: str, other: str, *, succession: bool = True) -> bool:
    """Tell whether two codes are those of one agency; arguments as of `find_agency_codes`."""
    if OrganId.parse(one) == OrganId.parse(other):
        return True
    return OrganId.parse(other).value in find_agency_codes(tx, agency, one, succession=succession)


def find_same_code(tx: Tx, agency: str, code: str, candidates: Iterable[str | None]) -> str | None:
    """Find the code of the same agency among some, as it is written there; None where it is none of them.

    A code of before or after counts where only one of them is such: of two agencies that went into one, the heir's word
    is about neither.
    """
    known = [candidate for candidate in candidates if candidate]
    if code in known or not known:
        return code if known else None
    # looked up once: a packet may name thousands
    own_codes = find_agency_codes(tx, agency, code, succession=False)
    same = next((candidate for candidate in known if OrganId.parse(candidate).value in own_codes), None)
    if same is not None:
        return same
    line = find_agency_codes(tx, agency, code)
    related = {candidate for candidate in known if OrganId.parse(candidate).value in line}
    return related.pop() if len(related) == 1 else None


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
