"""Two documents under one id: the one that is attested better counts, whichever came first.

DocumentIds can be guessed, so whoever sends first must not keep the id by that. Of two that are attested alike the
first counts, and so it does where it came before authorities were kept.
"""

from __future__ import annotations

from dataclasses import replace

from ..._core import Text
from ...errors import DocumentIdConflict
from ...store import FAIL, ReceiptRow, ReceiptState, Tx
from .authority import AuthorityFinding, Ruling, as_authority_columns, is_better, read_authority
from .quarantine import set_aside

_DONE_STATES = frozenset({ReceiptState.HANDLED, ReceiptState.CONFIRMED})


def gives_way(copy: ReceiptRow, ruling: Ruling) -> bool:
    """Whether the document that is here gives way to another one under its id.

    Args:
        copy: the receipt of the one that is here.
        ruling: what was decided about the other one.
    """
    return copy.authority_findings is not None and is_better(ruling.authority, read_authority(copy))


def displace(tx: Tx, copy: ReceiptRow, row: ReceiptRow, ruling: Ruling) -> Ruling:
    """Set the document that is here aside for one that is attested better.

    One that the application has handled is set aside too: what was done with it is to be undone, which the findings of
    the other one say. The hub was told `done` of it, and is told nothing else.

    Args:
        tx: the transaction.
        copy: the receipt of the one that is here.
        row: the receipt of the other one.
        ruling: what was decided about the other one.

    Returns:
        The ruling, with a finding about the one that gave way.

    Raises:
        DocumentIdConflict: the application is at it; the other one has to wait.
    """
    if copy.state == ReceiptState.HANDLING:
        raise _build_busy_error(copy, row)
    quarantined = set_aside(tx, copy, _build_displaced_error(copy, row), {})
    is_done = copy.state in _DONE_STATES
    if not is_done:
        tx.outgoing.enqueue_confirmation(quarantined, FAIL)
    finding = AuthorityFinding("AUTH-DISPLACED-HANDLED" if is_done else "AUTH-DISPLACED", copy.hub_doc_id)
    return replace(ruling, findings=(*ruling.findings, finding))


def confirm_authority(tx: Tx, copy: ReceiptRow, row: ReceiptRow, ruling: Ruling) -> None:
    """Note that a document that is here came again, where it is attested better now.

    Args:
        tx: the transaction.
        copy: the receipt of the one that is here.
        row: the receipt of the same one.
        ruling: what was decided about that one.
    """
    if not gives_way(copy, ruling):
        return
    detail = Text(f"attested better as docId {row.hub_doc_id}", f"được xác thực tốt hơn qua docId {row.hub_doc_id}")
    tx.receipts.record_note(copy, detail=detail, said_with=ruling.authority, **as_authority_columns(ruling))


def build_conflict_error(document_id: str) -> DocumentIdConflict:
    """Build the error for another document under an id that is taken."""
    return DocumentIdConflict(
        f"another document came under the id {document_id}; the first is kept, this one set aside. "
        "Ask the sender which one is meant.",
        vi=f"Đã có văn bản khác cùng mã văn bản {document_id}; giữ văn bản đến trước, cách ly văn bản này. "
        "Hãy hỏi lại nơi gửi.",
    )


def _build_displaced_error(copy: ReceiptRow, row: ReceiptRow) -> DocumentIdConflict:
    return DocumentIdConflict(
        f"another document came under the id {copy.document_id}, as docId {row.hub_doc_id}, that is attested better; "
        "that one counts, this one is set aside. Ask the sender which one is meant.",
        vi=f"Có văn bản khác cùng mã văn bản {copy.document_id} (docId {row.hub_doc_id}) được xác thực tốt hơn; lấy "
        "văn bản đó, cách ly văn bản này. Hãy hỏi lại nơi gửi.",
    )


def _build_busy_error(copy: ReceiptRow, row: ReceiptRow) -> DocumentIdConflict:
    return DocumentIdConflict(
        f"docId {row.hub_doc_id} waits: the application is at docId {copy.hub_doc_id}, another document under the id "
        f"{copy.document_id} that is attested less. The next poll takes it in, once the application is done.",
        vi=f"docId {row.hub_doc_id} chưa tiếp nhận: phần mềm của đơn vị đang xử lý docId {copy.hub_doc_id}, văn bản "
        f"khác cùng mã văn bản {copy.document_id} và được xác thực kém hơn. Xử lý xong, lần nhận sau sẽ tiếp nhận.",
    )
