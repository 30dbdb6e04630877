"""Fingerprint of a message: one hash of its content, whatever bytes its packet has."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence

from ..edxml import HUB_DEFAULTS, SEAL_NAME, Attachment, Document, Message, StatusMessage, complete, facts

_EARLIER_DEFAULTS = HUB_DEFAULTS.keys() - {"SteeringType", "OtherInfo.Priority"}
"""What fingerprints of earlier versions leave out; stores keep those."""


def compute_fingerprint(message: Message, attachments: Sequence[Attachment] = (), *, stored: str | None = None) -> str:
    """Hash the fields of a message and its files: the same for a packet built twice, or rebuilt by a hub.

    Args:
        message: the document or status.
        attachments: the files that came with it; a document's own where they are left out.
        stored: a fingerprint in the store to compare with; it is given back where an earlier version made it of the
            same content, so that the two are equal.

    Raises:
        AttachmentError: a file cannot be read.
    """
    current = _hash_content(message, attachments, HUB_DEFAULTS)
    if stored is None or stored == current or not isinstance(message, Document):
        return current
    earlier = (_hash_content(one, attachments, _EARLIER_DEFAULTS) for one in (message, complete(message)))
    return stored if stored in earlier else current


def compute_earlier_fingerprint(message: Message) -> str:
    """Hash a message as earlier versions did, so that ids which are derived from it stay as they were."""
    return _hash_content(message, (), _EARLIER_DEFAULTS)


def _hash_content(message: Message, attachments: Sequence[Attachment], defaults: Collection[str]) -> str:
    content_fields = [
        [name, value] for name, value in facts(message) if name not in defaults or HUB_DEFAULTS[name] != value
    ]
    if isinstance(message, StatusMessage):
        content_fields.append(["Timestamp", message.timestamp.isoformat() if message.timestamp else ""])
    files = attachments or (message.attachments if isinstance(message, Document) else ())
    digests = [[file.name, file.size, file.sha256] for file in files if file.name != SEAL_NAME]
    return hashlib.sha256(json.dumps([content_fields, digests], ensure_ascii=False).encode()).hexdigest()
