"""Received documents and statuses as other software reads them: JSON, and CSV with the same facts in lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from .._core import format_table
from ..connector import Delivery, Receipt, RecipientState
from ..edxml import Document, StatusCode


def describe_received(receipt: Receipt, document: Document, files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Describe a received document.

    Args:
        receipt: the packet that came in.
        document: what it holds.
        files: its files, as they were written.
    """
    verification, message = receipt.verification, receipt.status_message
    return {
        "kind": receipt.kind,
        "document_id": receipt.id,
        "hub_doc_id": receipt.hub_doc_id,
        "sender": receipt.sender,
        "received_at": receipt.received_at.isoformat(),
        "reason": message.description if message is not None else document.business.reason,
        "signature": verification.status.name,
        "trusted": verification.trusted,
        "authority": receipt.authority and receipt.authority.value,
        "files": list(files),
        "document": document.model_dump(mode="json", exclude={"attachments"}),
    }


def format_received_csv(facts: Mapping[str, Any]) -> str:
    """Format a received document as a table of one line."""
    document = facts["document"]
    row = {
        "kind": facts["kind"],
        "document_id": facts["document_id"],
        "sender": facts["sender"],
        "sender_name": document["sender"]["name"],
        "code": f"{document['number']}/{document['notation']}",
        "issued_on": document["issued_on"],
        "type_name": document["type_name"],
        "subject": document["subject"],
        "signer": document["signer"]["full_name"],
        "received_at": facts["received_at"],
        "reason": facts["reason"],
        "signature": facts["signature"],
        "authority": facts["authority"],
        "files": ";".join(one["file"] for one in facts["files"] if one["file"]),
    }
    return _format_csv([row])


def describe_status(delivery: Delivery, *, number: int, name: str) -> dict[str, Any]:
    """Describe where a document stands.

    Args:
        delivery: the document.
        number: grows with each change.
        name: name of the file that it came in.
    """
    return {
        "number": number,
        "name": name,
        "document_id": delivery.id,
        "kind": delivery.business.name.lower(),
        "targets": list(delivery.targets),
        "code": delivery.code,
        "state": delivery.state.value,
        "state_vi": delivery.state.text.vi,
        "hub_doc_id": delivery.hub_doc_id,
        "sent_at": _format_time(delivery.sent_at),
        "expired_at": _format_time(delivery.expired_at),
        "error": delivery.last_error,
        "error_vi": delivery.last_error_vi,
        "recipients": [_describe_recipient(one) for one in delivery.recipients],
    }


def _describe_recipient(recipient: RecipientState) -> dict[str, Any]:
    status = recipient.status
    return {
        "organ_id": recipient.organ_id,
        "name": recipient.name,
        "status": None if status is None else str(status),
        "status_vi": status.text.vi if isinstance(status, StatusCode) else None,
        "text": recipient.description,
        "time": _format_time(recipient.time),
        "change": recipient.change and str(recipient.change),
        "refused": recipient.refusal,
        "refused_vi": recipient.refusal_vi,
        "authority": recipient.authority and recipient.authority.value,
    }


def format_status_csv(facts: Mapping[str, Any]) -> str:
    """Format where a document stands as a table with a line for each recipient."""
    common = {name: value for name, value in facts.items() if name not in ("targets", "recipients")}
    return _format_csv([common | one for one in facts["recipients"]])


def _format_time(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _format_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    listed = list(rows)
    return format_table([listed[0], *(row.values() for row in listed)])
