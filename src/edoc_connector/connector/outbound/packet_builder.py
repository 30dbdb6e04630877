"""From a message to a packet in the spool, and from a document to its fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime

from ...edxml import (
    HUB_DEFAULTS,
    SEAL_NAME,
    Attachment,
    Document,
    Message,
    StatusMessage,
    facts,
    problems,
    refuse,
    write,
)
from ...signing import enveloped, seal_maker
from ...store import SpoolFile, translate_driver_errors
from .._context import ConnectorContext
from .._pdf_policy import refuse_unsigned


def build_packet(
    context: ConnectorContext, message: Message, *, at: datetime, already_checked: bool = False
) -> SpoolFile:
    """Write a message as a packet into the spool, signed where a key is configured, once and for all.

    Args:
        context: the key and the spool.
        message: the document or status.
        at: the time of writing, UTC.
        already_checked: whether `check` was called for it a moment ago.

    Raises:
        DocumentError: the message breaks rules of the standard, or a PDF file is not signed as the settings demand.
        AttachmentError: a file to attach is gone or empty.
        SigningError: the key cannot be used.
        StoreError: the disk is full, or will not have it.
    """
    if not already_checked:
        check_message(message, at=at)  # before a key is touched: a token may ask for its PIN
    if context.requires_signed_pdf_out and isinstance(message, Document):
        refuse_unsigned(message, context.policy)
    signer = context.get_signer()
    seal = None
    if signer is not None and context.seal and isinstance(message, Document):
        seal = seal_maker(message, signer=signer, at=at, timestamp=context.timestamping)
    with context.store.spool.draft_file() as draft, translate_driver_errors():
        signature = enveloped(signer) if signer is not None else None
        # checked above; the spool flushes it
        write(message, draft, at=at, signature=signature, seal=seal, durable=False, checked=True)
        return context.store.spool.keep_draft(draft)


def check_message(message: Message, *, at: datetime) -> None:
    """Hold a message against the standard without writing it.

    Raises:
        DocumentError: it breaks rules.
    """
    refuse(problems(message, at=at))


def compute_fingerprint(message: Message, attachments: Sequence[Attachment] = ()) -> str:
    """Hash of what a message says and of the files in it: the same for a packet built twice, or rebuilt by a hub.

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
