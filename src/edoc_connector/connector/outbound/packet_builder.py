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
from ...store import SpoolFile
from ...store._sql.engine import driver_errors
from .._context import Session
from .._pdf_policy import refuse_unsigned


def build(session: Session, message: Message, *, at: datetime, checked: bool = False) -> SpoolFile:
    """Write a message as a packet into the spool, signed where a key is configured, once and for all.

    Args:
        session: the key and the spool.
        message: the document or status.
        at: the time of writing, UTC.
        checked: whether `check` was called for it a moment ago.

    Raises:
        DocumentError: the message breaks rules of the standard, or a PDF file is not signed as the settings demand.
        AttachmentError: a file to attach is gone or empty.
        SigningError: the key cannot be used.
        StoreError: the disk is full, or will not have it.
    """
    if not checked:
        check(message, at=at)  # before a key is touched: a token may ask for its PIN
    if session.signed_pdf_out and isinstance(message, Document):
        refuse_unsigned(message, session.policy)
    signer = session.signer()
    seal = None
    if signer is not None and session.seal and isinstance(message, Document):
        seal = seal_maker(message, signer=signer, at=at, timestamp=session.timestamp)
    with session.store.spool.drafting() as draft, driver_errors():
        signature = enveloped(signer) if signer is not None else None
        # checked above; the spool flushes it
        write(message, draft, at=at, signature=signature, seal=seal, durable=False, checked=True)
        return session.store.spool.keep(draft)


def check(message: Message, *, at: datetime) -> None:
    """Hold a message against the standard without writing it.

    Raises:
        DocumentError: it breaks rules.
    """
    refuse(problems(message, at=at))


def fingerprint(message: Message, attachments: Sequence[Attachment] = ()) -> str:
    """Hash of what a message says and of the files in it: the same for a packet built twice, or rebuilt by a hub.

    Args:
        message: the document or status.
        attachments: the files that came with it; a document's own where they are left out.

    Raises:
        AttachmentError: a file cannot be read.
    """
    said = [[name, value] for name, value in facts(message) if HUB_DEFAULTS.get(name) != value]
    if isinstance(message, StatusMessage):
        said.append(["Timestamp", message.timestamp.isoformat() if message.timestamp else ""])
    files = attachments or (message.attachments if isinstance(message, Document) else ())
    digests = [[one.name, one.size, one.sha256] for one in files if one.name != SEAL_NAME]
    return hashlib.sha256(json.dumps([said, digests], ensure_ascii=False).encode()).hexdigest()
