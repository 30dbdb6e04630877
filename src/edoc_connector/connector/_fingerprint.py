"""Fingerprint of a message: one hash of its content, whatever bytes its packet has."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from ..edxml import HUB_DEFAULTS, SEAL_NAME, Attachment, Document, Message, StatusMessage, facts


def compute_fingerprint(message: Message, attachments: Sequence[Attachment] = ()) -> str:
    """Hash the fields of a message and its files: the same for a packet built twice, or rebuilt by a hub.

    Args:
        message: the document or status.
        attachments: the files that came with it; a document's own where they are left out.

    Raises:
        AttachmentError: a file cannot be read.
    """
    content_fields = [[name, value] for name, value in facts(message) if HUB_DEFAULTS.get(name) != value]
    if isinstance(message, StatusMessage):
        content_fields.append(["Timestamp", message.timestamp.isoformat() if message.timestamp else ""])
    files = attachments or (message.attachments if isinstance(message, Document) else ())
    digests = [[file.name, file.size, file.sha256] for file in files if file.name != SEAL_NAME]
    return hashlib.sha256(json.dumps([content_fields, digests], ensure_ascii=False).encode()).hexdigest()
