"""Packet builder: check a message against the standard and the hub's demands, then write, sign and spool it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

from ..._core import Text, get_logger
from ...edxml import (
    Document,
    EnvelopedSigner,
    Message,
    PacketForm,
    Problem,
    SealMaker,
    StatusMessage,
    problems,
    refuse,
    write,
    write_to_memory,
)
from ...errors import DocumentError
from ...hubs import PacketProfile
from ...signing import enveloped, seal_maker
from ...store import SpoolFile, as_store_error
from .._context import ConnectorContext
from .._pdf_policy import refuse_unsigned

log = get_logger("edoc_connector.connector.outbox")

_CLAUSE = "packet profile of the hub"


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


# -- what the hub demands beyond the standard, checked before anything is stored, and written


def find_profile_problems(message: Message, profile: PacketProfile) -> list[Problem]:
    """Find what a hub would not take in a message that the standard allows."""
    problems = list(_find_code_problems(message, profile))
    if isinstance(message, Document):
        problems += [*_find_attachment_problems(message, profile), *_find_type_problems(message, profile)]
    return problems


def as_hub_takes_it(message: Message, profile: PacketProfile) -> Message:
    """Copy a message with the values that a hub demands and the message lacks."""
    if not isinstance(message, Document):
        return message
    values: dict[str, Any] = {}
    if profile.content_from_subject and not message.content:
        values["content"] = message.subject
    if profile.needs_paper and message.business.paper is None:
        values["business"] = message.business.model_copy(update={"paper": False})
    return message.model_copy(update=values) if values else message


def build_form(profile: PacketProfile) -> PacketForm:
    """Build the form in which packets are written for a hub."""
    return PacketForm(needed_elements=profile.needed_elements, status_header=profile.status_header)


def require_packet_size(size: int, profile: PacketProfile) -> None:
    """Refuse a packet that is larger than the hub takes.

    Raises:
        DocumentError: it is.
    """
    if profile.max_packet is None or size <= profile.max_packet:
        return
    text = Text(
        f"the packet has {size} bytes, and the hub takes {profile.max_packet}: send the files in several documents",
        f"gói tin có {size} byte, trục chỉ nhận {profile.max_packet}: hãy chia tệp ra nhiều văn bản",
    )
    problem = _build_problem("HUB-SIZE", "attachments", "AttachmentEncoded", str(size), text)
    raise DocumentError(f"nothing was stored: {text.en}", vi=f"chưa lưu gì: {text.vi}", problems=[problem])


def _find_attachment_problems(document: Document, profile: PacketProfile) -> Iterator[Problem]:
    place = "AttachmentEncoded/Attachment"
    if profile.needs_attachment and not document.attachments:
        text = Text(
            "this hub does not forward a document without an attachment: attach a file",
            "trục này không chuyển tiếp văn bản không có tệp đính kèm: hãy đính kèm tệp",
        )
        yield _build_problem("HUB-ATTACHMENT", "attachments", place, "", text)
    limit = profile.max_attachment
    for number, attachment in enumerate(document.attachments if limit is not None else ()):
        if limit is not None and attachment.size > limit:
            text = Text(
                f"the file has {attachment.size} bytes, and this hub takes {limit} at most: split it, or send it "
                "another way",
                f"tệp có {attachment.size} byte, trục này chỉ nhận tối đa {limit}: hãy chia nhỏ hoặc gửi cách khác",
            )
            field, path = f"attachments[{number}]", f"{place}[{number + 1}]"
            yield _build_problem("HUB-SIZE", field, path, str(attachment.size), text)


def _find_type_problems(document: Document, profile: PacketProfile) -> Iterator[Problem]:
    if profile.document_types and document.type not in profile.document_types:
        known = ", ".join(map(str, profile.document_types))
        text = Text(f"this hub takes the types {known} only", f"trục này chỉ nhận các loại {known}")
        yield _build_problem("HUB-TYPE", "type", "MessageHeader/DocumentType/Type", str(document.type), text)


def _find_code_problems(message: Message, profile: PacketProfile) -> Iterator[Problem]:
    if not profile.code_pattern:
        return
    for field, path, code in _list_codes(message):
        if not re.fullmatch(profile.code_pattern, code):
            text = Text(
                f"this hub takes codes of another form: {profile.code_form}",
                f"trục này nhận mã dạng khác: {profile.code_form_vi}",
            )
            yield _build_problem("HUB-CODE", field, path, code, text)


def _list_codes(message: Message) -> Iterator[tuple[str, str, str]]:
    yield "sender.id", "From/OrganId", message.sender.id
    if isinstance(message, Document):
        for number, recipient in enumerate(message.recipients):
            yield f"recipients[{number}].id", f"To[{number + 1}]/OrganId", recipient.id
    elif isinstance(message, StatusMessage) and message.response_for.organ_id:
        yield "response_for.organ_id", "ResponseFor/OrganId", message.response_for.organ_id


def _build_problem(code: str, field: str, xpath: str, value: str, text: Text) -> Problem:
    return Problem(
        code=code, field=field, xpath=xpath, value=value, message=text.en, message_vi=text.vi, clause=_CLAUSE
    )
