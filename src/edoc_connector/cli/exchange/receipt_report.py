"""A receipt found by its ids, described for JSON and printed for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._core import Text
from ...errors import AttachmentError, NotFound, PacketError, StoreError, choose_words
from .. import labels
from ..errors import name_commands
from ..output import format_local_time, print_json, print_table, say

if TYPE_CHECKING:
    from ...connector import Connector, Receipt


def find_receipt(connector: Connector, document_id: str, sender: str | None = None) -> Receipt:
    """Find a receipt by its DocumentId or its docId at the hub, in any state.

    Args:
        connector: the connector.
        document_id: the id.
        sender: whose it is; None where that is plain.

    Raises:
        NotFound: nothing came in under this id.
        DocumentIdConflict: packets of several senders did.
    """
    try:
        return connector.receipt(document_id, sender=sender)
    except NotFound:
        found = _find_uncounted(connector, document_id, sender)
        if found is None:
            raise
        return found


def _find_uncounted(connector: Connector, document_id: str, sender: str | None) -> Receipt | None:
    """Find a packet that counts for nothing by its DocumentId: a copy, or one set aside that claims it."""
    from ...connector import ReceiptState

    for state in (ReceiptState.QUARANTINED, ReceiptState.DUPLICATE):
        for receipt in connector.iter_receipts(state=state):
            names = (receipt.id, _read_unverified(receipt).get("document_id"))
            if sender in (None, receipt.sender) and document_id in names:
                return receipt
    return None


def _read_unverified(receipt: Receipt) -> dict[str, Any]:
    """Read the claims of a packet that was set aside, which nobody vouches for; empty where it cannot be read."""
    from ...edxml import BusinessType

    if receipt.state != "quarantined":
        return {}
    try:
        document = receipt.document
    except (PacketError, AttachmentError, NotFound, StoreError):
        return {}
    return {
        "document_id": document.id,
        "sender": document.sender.id,
        "code": document.code,
        "subject": document.subject,
        "kind": (document.business.type or BusinessType.NEW).name.lower(),
    }


def describe_receipt(receipt: Receipt) -> dict[str, Any]:
    """Describe a receipt for JSON; times are UTC. Unverified claims stand where the store knows nothing better."""
    claimed = _read_unverified(receipt)
    return {
        "document_id": receipt.id or claimed.get("document_id", ""),
        "hub_doc_id": receipt.hub_doc_id,
        "sender": receipt.sender or claimed.get("sender", ""),
        "kind": claimed.get("kind", receipt.kind),
        "code": receipt.code or claimed.get("code", ""),
        "issued_on": receipt.issued_on and receipt.issued_on.isoformat(),
        "subject": receipt.subject or claimed.get("subject", ""),
        "state": receipt.state.value,
        "status": receipt.status,
        "change_requested": receipt.change_requested,
        "withdrawn": receipt.withdrawn,
        "received_at": receipt.received_at.isoformat(),
        **describe_authority(receipt),
        "error": receipt.error,
        "error_vi": receipt.error_vi,
    }


def describe_authority(receipt: Receipt) -> dict[str, Any]:
    """Describe for JSON who vouches for a receipt, and whether it counts."""
    return {
        "authority": receipt.authority and receipt.authority.value,
        "took_effect": receipt.took_effect,
        "authority_findings": [
            {"code": one.code, "en": one.message, "vi": one.message_vi} for one in receipt.authority_findings
        ],
    }


def print_receipt(receipt: Receipt, *, as_json: bool) -> None:
    """Print a receipt; warn where it was set aside."""
    found = describe_receipt(receipt)
    if as_json:
        print_json(found)
        return
    rows = (
        (Text("DocumentId", "mã văn bản"), found["document_id"]),
        (Text("docId", "mã trên trục"), found["hub_doc_id"]),
        (Text("from", "nơi gửi"), found["sender"]),
        (Text("authority", "xác thực nơi gửi"), _format_findings(found)),
        (Text("kind", "loại"), labels.format_kind(found["kind"])),
        (Text("number", "số, ký hiệu"), found["code"]),
        (Text("subject", "trích yếu"), found["subject"]),
        (Text("state", "tình trạng"), labels.format_receipt_state(found["state"])),
        (Text("last status", "trạng thái đã báo"), labels.format_status_code(found["status"])),
        (Text("received", "nhận lúc"), format_local_time(receipt.received_at)),
        (Text("error", "lỗi"), found["error"] and name_commands(choose_words(found["error"], found["error_vi"]))),
    )
    print_table(Text("Received", "Văn bản đến"), (Text("field", "trường"), Text("value", "giá trị")), rows)
    if receipt.state == "quarantined":
        warn_set_aside(found)


def _format_findings(description: dict[str, Any]) -> str:
    """Format who vouches for a described receipt, and why, in both languages."""
    findings = description["authority_findings"]
    lines = [labels.format_authority(description["authority"])]
    lines += [f"{one['en']} {one['vi']}" for one in findings]
    if not description["took_effect"]:
        lines.append(str(labels.NO_EFFECT))
    return "\n".join(lines)


def warn_set_aside(description: dict[str, Any]) -> None:
    """Warn on stderr of a packet that was set aside: why, and how it is let in after all."""
    name = description["code"] or description["document_id"] or description["hub_doc_id"]
    say(
        f"set aside, and its sender, number and subject are not verified: {name}: "
        f"{name_commands(description['error'] or '')} "
        f"Once mended: `edoc recheck {description['hub_doc_id']}`",
        f"đã cách ly; nơi gửi, số ký hiệu và trích yếu chưa được xác minh: {name}: "
        f"{name_commands(description['error_vi'] or '')} Khắc phục xong hãy chạy: `edoc recheck "
        f"{description['hub_doc_id']}`",
        err=True,
    )


def format_sender(description: dict[str, Any]) -> str:
    """Format the sender of a described receipt, with a question mark where nobody vouches for it."""
    return f"{description['sender']} (?)" if description["state"] == "quarantined" else str(description["sender"])
