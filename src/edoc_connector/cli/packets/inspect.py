"""The command inspect: shows what a packet says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..._core import Text
from ...errors import AttachmentError, choose_words
from ..options import JsonFlag, PacketFile, TrustOption, build_policy
from ..output import print_json, print_table, show_progress
from .files import read_packet, save_attachments
from .verdicts import describe_verification, print_verification

if TYPE_CHECKING:
    from ...edxml import Attachment, Finding, Packet
    from ...signing import Verification


def inspect(
    file: PacketFile,
    as_json: JsonFlag = False,
    extract: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the attachments to this folder. / Ghi các tệp đính kèm vào thư mục."),
    ] = None,
    trust: TrustOption = None,
) -> None:
    """Show what a packet says. / Xem nội dung gói tin.

    Exit code 0: read; 2: cannot be read. / Mã kết thúc 0: đọc được; 2: không đọc được.
    """
    from ...signing import verify as check

    with show_progress(Text("reading", "đang đọc")):
        packet = read_packet(file)
        description = _describe_packet(packet, check(packet, build_policy(trust)))
        if extract is not None:
            for entry, written in zip(
                description["attachments"], save_attachments(packet.attachments, extract), strict=True
            ):
                entry["path"] = written and str(written)
    (print_json if as_json else _print_packet)(description)


def _describe_packet(packet: Packet, verification: Verification) -> dict[str, Any]:
    findings = (*packet.findings, *packet.content_findings())
    return {
        "kind": packet.kind,
        "message": packet.message.model_dump(mode="json"),
        "attachments": [_describe_attachment(attachment) for attachment in packet.attachments],
        "signature": describe_verification(verification) | {"xml": _extract_signature(packet)},
        "findings": [_describe_finding(finding) for finding in findings],
    }


def _describe_attachment(attachment: Attachment) -> dict[str, Any]:
    try:
        size, sha256 = attachment.size, attachment.sha256
    except AttachmentError:
        size, sha256 = None, None  # the reason is among the findings (EDX-BASE64)
    return {
        "name": attachment.name,
        "content_id": attachment.content_id,
        "content_type": attachment.content_type,
        "size": size,
        "sha256": sha256,
        "description": attachment.description,
        "field_name": attachment.field_name,
        "mime_type": attachment.mime_type,
    }


def _describe_finding(finding: Finding) -> dict[str, str]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "xpath": finding.xpath,
        "message": finding.message,
        "message_vi": finding.message_vi,
    }


def _extract_signature(packet: Packet) -> str | None:
    """Extract the signature as it stands in the packet, in any namespace."""
    from lxml import etree

    found = packet.skeleton.root.xpath(
        "//*[local-name()='edXMLHeader' or local-name()='Header']"
        "/*[local-name()='Signature' or local-name()='DigitalSignature']"
    )
    texts = [etree.tostring(element, encoding="unicode", with_tail=False) for element in found]
    return "\n".join(texts) or None


def _print_packet(description: dict[str, Any]) -> None:
    rows = [(name, value) for name, value in _flatten("", description["message"]) if value not in (None, "")]
    print_table(f"{description['kind']}", (Text("field", "trường"), Text("value", "giá trị")), rows)
    if description["attachments"]:
        columns = (Text("attachment", "tệp đính kèm"), Text("type", "loại"), Text("bytes", "byte"), "SHA-256")
        keys = ("name", "content_type", "size", "sha256")
        print_table("", columns, ([entry[key] for key in keys] for entry in description["attachments"]))
    print_verification(description["signature"])
    if description["findings"]:
        findings = (
            (f["code"], f["xpath"], choose_words(f["message"], f["message_vi"])) for f in description["findings"]
        )
        print_table(
            Text("Findings", "Ghi nhận"),
            (Text("code", "mã"), Text("where", "vị trí"), Text("what", "nội dung")),
            findings,
        )


def _flatten(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [pair for name, item in value.items() for pair in _flatten(f"{prefix}.{name}" if prefix else name, item)]
    if isinstance(value, list):
        return [pair for index, item in enumerate(value, 1) for pair in _flatten(f"{prefix}[{index}]", item)]
    return [(prefix, value)]
