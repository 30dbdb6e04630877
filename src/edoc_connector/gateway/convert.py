"""From the interface's models to the connector's values, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..connector import AgencyRecord, Delivery, Receipt, RecipientState, Story, TimelineEntry
from ..edxml import (
    Attachment,
    BusinessType,
    Document,
    Organization,
    ReceiverChange,
    ResponseFor,
    SignerInfo,
    StaffInfo,
    StatusMessage,
    safe_name,
)
from ..errors import AttachmentError, NotFound, PacketError, StoreError
from ..store import DirectoryRow
from . import models
from .addresses import encode_delivery_id, format_receipt_href
from .uploads import StoredUpload, Upload

_SAME_NAMES = frozenset(models.DocumentIn.model_fields) - {
    "recipients", "signer", "id", "responses_for", "attachments", "update", "replace",
}  # fmt: skip
_UNKNOWN_TYPES = frozenset({"", "application/octet-stream"})  # what clients say that do not know


def build_document(upload: Upload, sender: Organization) -> Document:
    """Build the document of an upload.

    Raises:
        DocumentError: values that a document cannot be made of.
        AttachmentError: a file is named and did not come.
    """
    given = upload.document
    values = {name: getattr(given, name) for name in _SAME_NAMES} | ({"id": given.id} if given.id else {})
    return Document(
        sender=sender,
        recipients=tuple(build_organization(one) for one in given.recipients),
        signer=SignerInfo(**given.signer.model_dump()),
        responses_for=tuple(ResponseFor(**one.model_dump()) for one in given.responses_for),
        attachments=tuple(_list_attachments(upload)),
        **values,
    )


def build_organization(given: models.OrganizationIn) -> Organization:
    """Build an organisation."""
    return Organization(**given.model_dump())


def build_staff(given: models.StaffIn | None) -> StaffInfo | None:
    """Build the officer in charge."""
    return None if given is None else StaffInfo(**given.model_dump())


def build_receiver_changes(update: models.UpdateIn) -> tuple[ReceiverChange, ...]:
    """Build the recipients that an update adds and takes away."""
    return tuple(ReceiverChange(**one.model_dump()) for one in update.receivers)


def _list_attachments(upload: Upload) -> Iterator[Attachment]:
    """List the files in the order of the document, then those that it does not name."""
    files = {file.name: file for file in upload.files}
    for given in upload.document.attachments:
        if given.content is not None:
            yield Attachment.from_bytes(
                given.content, name=given.name, content_type=given.content_type, description=given.description
            )
        elif given.name in files:
            yield _attach_file(files.pop(given.name), given)
        else:
            raise _build_missing_file_error(given.name)
    for file in files.values():
        yield _attach_file(file, None)


def _attach_file(file: StoredUpload, given: models.AttachmentIn | None) -> Attachment:
    said = None if file.content_type in _UNKNOWN_TYPES else file.content_type
    return Attachment.from_path(
        file.path,
        name=file.name,
        content_type=(given.content_type if given is not None else None) or said,
        description=given.description if given is not None else None,
    )


def _build_missing_file_error(name: str) -> AttachmentError:
    return AttachmentError.withholding(
        "the file {name} is named in `attachments` and did not come: give its `content`, or a part `files` of that "
        "name.",
        vi="tệp {name} có trong `attachments` nhưng không được gửi kèm: hãy gửi `content` hoặc phần `files` cùng tên.",
        hidden={"name": name},
    )


# -- deliveries


def describe_delivery(delivery: Delivery) -> models.DeliveryOut:
    """Describe a delivery."""
    return models.DeliveryOut(**_list_delivery_values(delivery))


def describe_delivery_fully(delivery: Delivery) -> models.DeliveryDetail:
    """Describe a delivery, and what happened to it."""
    timeline = [_describe_entry(entry) for entry in delivery.timeline]
    return models.DeliveryDetail(**_list_delivery_values(delivery), timeline=timeline)


def _list_delivery_values(delivery: Delivery) -> dict[str, Any]:
    names = frozenset(models.DeliveryOut.model_fields) - {"id", "document_id", "kind", "recipients"}
    return {name: getattr(delivery, name) for name in names} | {
        "id": encode_delivery_id(delivery.id),
        "document_id": delivery.id,
        "kind": delivery.business.name.lower(),
        "targets": list(delivery.targets),
        "recipients": [_describe_recipient(one) for one in delivery.recipients],
    }


def _describe_recipient(recipient: RecipientState) -> models.RecipientOut:
    return models.RecipientOut(**{name: getattr(recipient, name) for name in models.RecipientOut.model_fields})


def _describe_entry(entry: TimelineEntry) -> models.TimelineEntryOut:
    names = frozenset(models.TimelineEntryOut.model_fields) - {"previous", "state"}
    values = {name: getattr(entry, name) for name in names}
    return models.TimelineEntryOut(**values, previous=entry.from_, state=entry.to)


# -- receipts


def describe_receipt(receipt: Receipt) -> models.ReceiptOut:
    """Describe a packet that came in."""
    return models.ReceiptOut(**_list_receipt_values(receipt))


def describe_receipt_fully(receipt: Receipt) -> models.ReceiptDetail:
    """Describe a packet that came in, with what it says as far as it can be read."""
    try:
        content = receipt.load()
    except (NotFound, PacketError, StoreError):
        return models.ReceiptDetail(
            **_list_receipt_values(receipt),
            document=None,
            status_message=None,
            attachments=[],
            verification=None,
            findings=[],
        )
    return models.ReceiptDetail(
        **_list_receipt_values(receipt),
        document=None if content.document is None else _describe_document(content.document),
        status_message=None if content.status is None else _describe_status(content.status),
        attachments=[_describe_attachment(receipt, number) for number in range(len(content.attachments))],
        verification=_describe_verification(content.verification),
        findings=[
            models.FindingOut(code=one.code, message=one.message, message_vi=one.message_vi) for one in content.findings
        ],
    )


def _list_receipt_values(receipt: Receipt) -> dict[str, Any]:
    names = frozenset(models.ReceiptOut.model_fields) - {"id", "document_id"}
    values = {name: getattr(receipt, name) for name in names}
    return values | {"id": receipt.key, "document_id": receipt.id}


def _describe_attachment(receipt: Receipt, number: int) -> models.AttachmentOut:
    attachment = receipt.attachments[number]
    return models.AttachmentOut(
        number=number,
        name=attachment.name,
        safe_name=safe_name(attachment.name),
        content_type=attachment.content_type,
        description=attachment.description,
        href=f"{format_receipt_href(receipt.agency, receipt.key)}/attachments/{number}",
    )


def _describe_document(document: Document) -> models.DocumentOut:
    business = document.business
    targets = [one.document_id for one in business.replaces]
    targets += [business.document_id] if business.document_id else []
    names = ("id", "number", "notation", "issued_on", "place", "type_name", "subject", "content", "due_date", "pages")
    return models.DocumentOut(
        **{name: getattr(document, name) for name in names},
        sender=_describe_organization(document.sender),
        recipients=[_describe_organization(one) for one in document.recipients],
        signer_name=document.signer.full_name,
        signer_position=document.signer.position,
        signer_competence=document.signer.competence,
        priority=document.priority,
        kind=(business.type or BusinessType.NEW).name.lower(),
        reason=business.reason,
        targets=targets,
    )


def _describe_organization(organization: Organization) -> models.OrganizationOut:
    return models.OrganizationOut(id=organization.id, name=organization.name)


def _describe_status(status: StatusMessage) -> models.StatusOut:
    return models.StatusOut(
        code=str(status.code),
        description=status.description,
        timestamp=status.timestamp,
        sender=_describe_organization(status.sender),
        document_id=status.response_for.document_id,
    )


def _describe_verification(verification: Any) -> models.VerificationOut:
    names = frozenset(models.VerificationOut.model_fields) - {"status"}
    values = {name: getattr(verification, name) for name in names}
    return models.VerificationOut(**values, status=verification.status.name)


# -- the rest


def describe_story(story: Story) -> models.StoryOut:
    """Describe the history of a document."""
    return models.StoryOut(
        document_id=story.document_id,
        title=story.title,
        title_vi=story.title_vi,
        events=[models.StoryEvent(time=one.time, text=one.text, text_vi=one.text_vi) for one in story.events],
        next=list(story.next),
        next_vi=list(story.next_vi),
    )


def describe_agency(record: AgencyRecord) -> models.DirectoryEntryOut:
    """Describe an agency that was found in the directory."""
    names = frozenset(models.DirectoryEntryOut.model_fields) - {"active"}
    return models.DirectoryEntryOut(**{name: getattr(record, name) for name in names}, active=not record.ended)


def describe_entry(row: DirectoryRow) -> models.DirectoryEntryOut:
    """Describe an agency of the directory."""
    return models.DirectoryEntryOut(**{name: getattr(row, name) for name in models.DirectoryEntryOut.model_fields})
