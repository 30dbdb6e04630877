"""Packet builder: write, sign and spool a message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypedDict

from ..._core import get_logger
from ...edxml import (
    Document,
    EnvelopedSigner,
    Message,
    PacketForm,
    SealMaker,
    StatusMessage,
    problems,
    refuse,
    write,
    write_to_memory,
)
from ...hubs import PacketProfile
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
    if _is_small(context, message):
        return context.store.spool.keep_content(_write_to_memory(context, message, at=at))
    with _write_draft(context, message, at=at) as draft:
        return context.store.spool.keep_draft(draft)


def measure_packet(context: ConnectorContext, document: Document, *, at: datetime) -> tuple[int, bool]:
    """Build the packet of a document that was checked, as `build_packet` does, and keep nothing of it.

    Returns:
        Its bytes, and whether it is signed.

    Raises:
        EdocError: as for `build_packet`.
    """
    with _write_draft(context, document, at=at) as draft:
        return draft.stat().st_size, context.get_signer() is not None


def _is_small(context: ConnectorContext, message: Message) -> bool:
    """Whether a message's files are small enough for its packet to be built in memory."""
    if isinstance(message, StatusMessage):
        return True
    return sum(attachment.size for attachment in message.attachments) <= context.limits.in_memory


def _write_to_memory(context: ConnectorContext, message: Message, *, at: datetime) -> bytes:
    message, profile, options = _prepare(context, message, at=at)
    try:
        content = write_to_memory(message, at=at, **options)
    except OSError as error:
        raise as_store_error(error) from error
    require_packet_size(len(content), profile)
    return content


@contextmanager
def _write_draft(context: ConnectorContext, message: Message, *, at: datetime) -> Iterator[Path]:
    message, profile, options = _prepare(context, message, at=at)
    with context.store.spool.draft_file() as draft:
        try:
            # Checked above; the spool flushes it.
            write(message, draft, at=at, durable=False, checked=True, **options)
            require_packet_size(draft.stat().st_size, profile)
        except OSError as error:
            raise as_store_error(error) from error
        yield draft


class _WriteOptions(TypedDict):
    """What `write` and `write_to_memory` take beside a message and a time."""

    signature: EnvelopedSigner | None
    seal: SealMaker | None
    form: PacketForm


def _prepare(
    context: ConnectorContext, message: Message, *, at: datetime
) -> tuple[Message, PacketProfile, _WriteOptions]:
    """Prepare a message for its hub: as the hub takes it, what the hub demands, and what signs and seals it."""
    if context.requires_signed_pdf_out and isinstance(message, Document):
        refuse_unsigned(message, context.policy)
    profile = context.choose_form(message)
    message = as_hub_takes_it(message, profile)
    signer = context.get_signer()
    seal = None
    if signer is not None and context.seal and isinstance(message, Document):
        seal = seal_maker(message, signer=signer, at=at, timestamp=context.timestamping, form=context.seal_form)
    seals_status = context.seal and context.seal_form > 1
    status = message if seals_status and isinstance(message, StatusMessage) else None
    signature = enveloped(signer, status=status) if signer is not None else None
    return message, profile, {"signature": signature, "seal": seal, "form": build_form(profile)}


def check_message(context: ConnectorContext, message: Message, *, at: datetime) -> None:
    """Check a message against the standard, and against what the hub demands beyond it, without writing it.

    Raises:
        DocumentError: it breaks rules.
    """
    found = [*problems(message, at=at), *find_profile_problems(message, context.packet_profile)]
    refuse(found)
    if isinstance(message, Document) and any(problem.code == "EDR-MARK" for problem in found):
        log.warning("document %s: a mark of secrecy stands in its subject or in the name of a file", message.id)
