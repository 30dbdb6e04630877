"""Packet builder: write, sign and spool a message."""

from __future__ import annotations

from datetime import datetime

from ..._core import get_logger
from ...edxml import Document, Message, StatusMessage, problems, refuse, write
from ...signing import enveloped, seal_maker
from ...store import SpoolFile, as_store_error
from .._context import ConnectorContext
from .._pdf_policy import refuse_unsigned
from .packet_profile import as_hub_takes_it, build_form, find_profile_problems, require_packet_size

log = get_logger("edoc_connector.connector.outbox")


def build_packet(
    context: ConnectorContext, message: Message, *, at: datetime, already_checked: bool = False
) -> SpoolFile:
    """Write a message as a packet into the spool, signed where a key is configured, once and for all.

    Args:
        context: the key and the spool.
        message: the document or status.
        at: the time of writing, UTC.
        already_checked: whether `check_message` was called for it a moment ago.

    Raises:
        DocumentError: the message breaks rules of the standard, or a PDF file is not signed as the settings demand.
        AttachmentError: a file to attach is gone or empty.
        SigningError: the key cannot be used.
        StoreError: the disk is full, or will not have it.
    """
    if not already_checked:
        check_message(context, message, at=at)  # before a key is touched: a token may ask for its PIN
    if context.requires_signed_pdf_out and isinstance(message, Document):
        refuse_unsigned(message, context.policy)
    profile = context.packet_profile
    message = as_hub_takes_it(message, profile)
    signer = context.get_signer()
    seal = None
    if signer is not None and context.seal and isinstance(message, Document):
        seal = seal_maker(message, signer=signer, at=at, timestamp=context.timestamping, form=context.seal_form)
    seals_status = context.seal and context.seal_form > 1
    status = message if seals_status and isinstance(message, StatusMessage) else None
    signature = enveloped(signer, status=status) if signer is not None else None
    with context.store.spool.draft_file() as draft:
        try:
            # Checked above; the spool flushes it.
            form = build_form(profile)
            write(message, draft, at=at, signature=signature, seal=seal, durable=False, checked=True, form=form)
            require_packet_size(draft.stat().st_size, profile)
        except OSError as error:
            raise as_store_error(error) from error
        return context.store.spool.keep_draft(draft)


def check_message(context: ConnectorContext, message: Message, *, at: datetime) -> None:
    """Check a message against the standard, and against what the hub demands beyond it, without writing it.

    Raises:
        DocumentError: it breaks rules.
    """
    found = [*problems(message, at=at), *find_profile_problems(message, context.packet_profile)]
    refuse(found)
    if isinstance(message, Document) and any(problem.code == "EDR-MARK" for problem in found):
        log.warning("document %s: a mark of secrecy stands in its subject or in the name of a file", message.id)
