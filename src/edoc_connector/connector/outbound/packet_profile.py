"""A hub's packet profile: what it demands beyond the standard, checked before anything is stored, and written."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..._core import Text
from ...edxml import Document, Message, PacketForm, Problem, StatusMessage
from ...errors import DocumentError
from ...hubs import PacketProfile

_CLAUSE = "packet profile of the hub"


def find_profile_problems(message: Message, profile: PacketProfile) -> list[Problem]:
    """Find what a hub would not take in a message that the standard allows."""
    problems = list(_find_code_problems(message, profile))
    if isinstance(message, Document):
        problems += [*_find_attachment_problems(message, profile), *_find_type_problems(message, profile)]
    return problems


def as_hub_takes_it(message: Message, profile: PacketProfile) -> Message:
    """Copy a message with the values that a hub demands and the message lacks."""
    if profile.content_from_subject and isinstance(message, Document) and not message.content:
        return message.model_copy(update={"content": message.subject})
    return message


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
