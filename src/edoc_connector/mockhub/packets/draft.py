"""Document packets that the hub writes when a person composes one on its page."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from lxml import etree

from edoc_connector.mockhub.codes import format_packet_time
from edoc_connector.mockhub.packets.reader import CONTENT_ELEMENT, NS, PacketFacts
from edoc_connector.mockhub.packets.rebuild import remove_non_xml

NEW: Final = "0"
RECALL: Final = "1"


@dataclass(frozen=True, slots=True)
class DraftFile:
    """A file of a draft.

    Args:
        name: its name.
        media_type: its type.
        content: its bytes.
    """

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A document that somebody composed.

    Args:
        sender: code and name of the agency that sends.
        recipients: codes and names of those that are to receive it.
        number: its number.
        notation: its notation.
        issued_on: date of promulgation.
        subject: what it is about.
        type_name: kind of document, e.g. ``Công văn``.
        place: place of promulgation.
        signer: who signed it.
        priority: 0 to 3.
        files: its attachments.
        document_id: DocumentId; of the standard's own form where empty.
        business: BussinessDocType.
        about: DocumentId of the document that is changed.
        reason: why a document is changed.
    """

    sender: tuple[str, str]
    recipients: Sequence[tuple[str, str]]
    number: str
    notation: str
    issued_on: date
    subject: str
    type_name: str = "Công văn"
    place: str = "Hà Nội"
    signer: str = ""
    priority: int = 0
    files: Sequence[DraftFile] = ()
    document_id: str = ""
    business: str = NEW
    about: str = ""
    reason: str = ""

    @property
    def identifier(self) -> str:
        """Its DocumentId."""
        issued = self.issued_on.strftime("%Y/%m/%d")
        return self.document_id or f"{self.sender[0]},{issued},{self.number}/{self.notation}"


def build_recall(facts: PacketFacts, *, sender: tuple[str, str], recipients: Sequence[str], reason: str) -> Draft:
    """Build the draft that recalls a document: under an id of its own, with the document's names and the reason.

    Args:
        facts: of the document.
        sender: code and name of the agency that sent it.
        recipients: codes of those that received it.
        reason: why.
    """
    try:
        issued_on = datetime.strptime(facts.issued_on, "%Y/%m/%d").date()
    except ValueError:
        issued_on = date(2000, 1, 1)
    return Draft(
        sender=sender,
        recipients=[(code, code) for code in recipients],
        number=facts.number,
        notation=facts.notation,
        issued_on=issued_on,
        subject=facts.title,
        document_id=str(uuid.uuid4()),
        about=facts.document_id,
        business=RECALL,
        reason=reason,
    )


def build_document_packet(draft: Draft, *, at: datetime) -> bytes:
    """Build the bytes of a document packet.

    Args:
        draft: what it says.
        at: when it is sent.
    """
    tree = etree.Element(_qualify("edXML"), nsmap={None: NS})
    envelope = etree.SubElement(tree, _qualify("edXMLEnvelope"), nsmap={"edXML": NS})
    header = etree.SubElement(envelope, _qualify("edXMLHeader"))
    _append_message(etree.SubElement(header, _qualify("MessageHeader")), draft)
    _append_trace(etree.SubElement(header, _qualify("TraceHeaderList")), draft, at)
    body = etree.SubElement(envelope, _qualify("edXMLBody"))
    manifest = etree.SubElement(body, _qualify("edXMLManifest"), version="1.0")
    encoded = etree.SubElement(tree, _qualify("AttachmentEncoded"), nsmap={None: NS})
    for number, file in enumerate(draft.files, start=1):
        names = {"ContentId": f"cid:attachment-{number}", "AttachmentName": file.name, "ContentType": file.media_type}
        _append_texts(etree.SubElement(manifest, _qualify("Reference")), names)
        attachment = etree.SubElement(encoded, _qualify("Attachment"))
        _append_texts(attachment, names)
        _append_texts(attachment, {CONTENT_ELEMENT: base64.b64encode(file.content).decode()})
    return etree.tostring(tree, encoding="UTF-8", xml_declaration=True)


def _append_message(message: etree._Element, draft: Draft) -> None:
    for name, (code, title) in [("From", draft.sender), *(("To", one) for one in draft.recipients)]:
        _append_texts(etree.SubElement(message, _qualify(name)), {"OrganId": code, "OrganName": title})
    _append_texts(message, {"DocumentId": draft.identifier})
    _append_group(message, "Code", {"CodeNumber": draft.number, "CodeNotation": draft.notation})
    issued = draft.issued_on.strftime("%Y/%m/%d")
    _append_group(message, "PromulgationInfo", {"Place": draft.place, "PromulgationDate": issued})
    _append_group(message, "DocumentType", {"Type": "2", "TypeName": draft.type_name})
    _append_texts(message, {"Subject": draft.subject, "Content": draft.subject})
    _append_group(message, "SignerInfo", {"FullName": draft.signer or draft.sender[1]})
    _append_group(message, "OtherInfo", {"Priority": str(draft.priority)})
    _append_texts(message, {"SteeringType": "0"})


def _append_trace(trace: etree._Element, draft: Draft, at: datetime) -> None:
    _append_group(trace, "TraceHeader", {"OrganId": draft.sender[0], "Timestamp": format_packet_time(at)})
    about = {} if draft.business == NEW else {"DocumentId": draft.about}
    reason = {} if draft.business == NEW else {"BussinessDocReason": draft.reason}
    _append_group(trace, "Bussiness", {**about, "BussinessDocType": draft.business, **reason, "Paper": "0"})


def _append_group(parent: etree._Element, name: str, values: Mapping[str, str]) -> None:
    _append_texts(etree.SubElement(parent, _qualify(name)), values)


def _append_texts(parent: etree._Element, values: Mapping[str, str]) -> None:
    for name, text in values.items():
        etree.SubElement(parent, _qualify(name)).text = remove_non_xml(text)


def _qualify(local: str) -> str:
    return f"{{{NS}}}{local}"
