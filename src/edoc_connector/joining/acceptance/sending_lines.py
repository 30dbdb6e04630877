"""Lines B1 to B5: documents of every kind, as the receiver gets them."""

from __future__ import annotations

import io
import os
import zipfile
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from ..._core import Text
from ...edxml import Attachment, Document, Priority, ResponseFor
from ...errors import ConfigError, HubError, SigningError
from ...hubs import MessageType
from .outcomes import NotMet
from .raw_packets import write_packet
from .scene import Scene, build_pdf

_SAME_NUMBER = "SAME-NUMBER"
_LOOKS = 2  # until a copy that the hub took would have come
_LONGEST = {"subject": 500, "type_name": 100, "content": 500}


def send_one(scene: Scene) -> None:
    """B1: one recipient, one PDF signed by the agency; the partner gets the same bytes."""
    document = scene.build(attachments=(Attachment.from_bytes(_sign(scene, build_pdf("B1")), name="van-ban.pdf"),))
    arrival = scene.require_arrival(scene.send(document))
    scene.note(f"docId {arrival.get('docId', '–')}")


def _sign(scene: Scene, pdf: bytes) -> bytes:
    """Sign a PDF with the key of the settings, where there is one that can."""
    signer = scene.ours.context.get_signer()
    if signer is None:
        scene.note("PDF chưa ký: chưa cấu hình khóa")
        return pdf
    from ...pdf import sign_pdf

    try:
        with TemporaryDirectory() as folder:
            sign_pdf(pdf, Path(folder) / "signed.pdf", signer=signer, stamp=None)
            return (Path(folder) / "signed.pdf").read_bytes()
    except (ConfigError, SigningError) as error:
        scene.note(f"PDF chưa ký: {error.vi}")
        return pdf


def send_large(scene: Scene) -> None:
    """B2: two recipients, three attachments with Vietnamese names, a large packet."""
    profile = scene.ours.context.packet_profile
    large = min(scene.large, (profile.max_attachment or scene.large) // 2)
    files = (
        Attachment.from_bytes(build_pdf("B2"), name="Phụ lục số 1 - Kế hoạch.pdf"),
        Attachment.from_bytes(_build_docx(), name="Dự thảo quyết định (ý kiến góp ý).docx"),
        Attachment.from_bytes(_build_zip(large), name="Hồ sơ đầy đủ.zip"),
    )
    recipients = (scene.partner.organization, scene.third)
    document = scene.build(attachments=files, recipients=recipients)
    scene.require_arrival(scene.send(document))


def _build_docx() -> bytes:
    """Build a file of the form of a text document: an archive with its two usual members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="xml" ContentType="application/xml"/></Types>',
        )
        archive.writestr(
            "word/document.xml",
            '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body/></w:document>',
        )
    return out.getvalue()


def _build_zip(size: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("du-lieu.bin", os.urandom(size))
    return out.getvalue()


def send_urgent(scene: Scene) -> None:
    """B3: urgent, with a due date, and a reply to an earlier document."""
    due = scene.run.begun_at.date() + timedelta(days=7)
    earlier = ResponseFor(organ_id=scene.partner.organization.id, code="1/KT", document_id="KT-1")
    document = scene.build(priority=Priority.EXPRESS, due_date=due, responses_for=(earlier,))
    arrival = scene.require_arrival(scene.send(document))
    seen = (arrival.get("priority"), arrival.get("due_date"), arrival.get("responses_for"))
    if arrival and seen != (int(Priority.EXPRESS), due.isoformat(), ["KT-1"]):
        raise NotMet(
            Text(f"priority, due date or answered document came as others: {seen}",
                 f"độ khẩn, hạn trả lời hoặc văn bản được phúc đáp khác lúc gửi: {seen}")
        )  # fmt: skip


def send_extremes(scene: Scene) -> None:
    """B4: no attachment, empty optional fields, the longest allowed fields."""
    profile = scene.ours.context.packet_profile
    if profile.needs_attachment:
        scene.note("không tệp đính kèm: trục này không hỗ trợ")
    else:
        scene.require_arrival(scene.send(scene.build("a", attachments=())))
    scene.require_arrival(scene.send(scene.build("b", place=None, type=2)))
    words = {name: ("Kiểm thử độ dài trường " * 30)[:size] for name, size in _LONGEST.items()}
    fields = {name: text.strip().ljust(_LONGEST[name], "x") for name, text in words.items()}
    arrival = scene.require_arrival(scene.send(scene.build("c", **fields)))
    if arrival and arrival["subject"] != fields["subject"]:
        raise NotMet(Text("the longest subject came as another", "trích yếu dài nhất đến nơi bị thay đổi"))


def send_twice(scene: Scene) -> None:
    """B5: the same document twice is one; of another under its number the receiver warns."""
    document = scene.build()
    first = scene.send(document)
    again = scene.retry(lambda: scene.ours.send(document)).id
    scene.require_arrival(first)
    other = scene.build(id=f"{document.id}-khac", subject="Kiểm thử kết nối [B5] văn bản khác cùng số")
    other_id = scene.send(other)
    scene.require_arrival(other_id)
    if not scene.partner.is_own:
        return
    _send_copy(scene, document)
    handed_out = len(scene.run.arrivals[f"partner {first}"])
    if first != again or handed_out != 1:
        raise NotMet(Text(f"the document came {handed_out} times", f"văn bản đến {handed_out} lần"))
    findings = scene.partner.connector.receipt(other_id).authority_findings
    warning = next((one for one in findings if one.code == _SAME_NUMBER and one.detail == first), None)
    if warning is None:
        raise NotMet(
            Text(f"the receiver was not warned that {other_id} has the number of {first}",
                 f"nơi nhận không được cảnh báo {other_id} trùng số, ký hiệu với {first}")
        )  # fmt: skip
    scene.note(f"{document.code}: {other_id}: {warning.message_vi}")


def _send_copy(scene: Scene, document: Document) -> None:
    """Send the document once more past our own store, as another system would: to the hub it is the same one."""
    if scene.memory.get("copy"):
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "packet.edxml"
        write_packet(scene.ours, document, path)
        hub, sender = scene.ours.context.hub, scene.ours.settings.agency.id
        to = (scene.partner.organization.id,)
        try:
            scene.retry(lambda: hub.send(path, message_type=MessageType.EDOC, sender=sender, recipients=to))
            said = Text("taken", "trục nhận")
        except HubError as error:
            said = Text(type(error).__name__, type(error).__name__)
        finally:
            hub.clear_exchanges()
    scene.memory["copy"] = said.en
    scene.note(f"gửi lại {document.id}: {said.vi}")
    for _ in range(_LOOKS):
        scene.tolerate(scene.partner.receive)
