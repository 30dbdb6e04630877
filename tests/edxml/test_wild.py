"""Every variant of "Seen in the wild": a packet of our own for each, read like the plain one, and its finding."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

import edoc_connector.edxml as edxml
from edoc_connector.errors import PacketError

_NS = edxml.NS


def _renamed(standard: str, seen: str) -> Callable[[str], str]:
    return lambda text: re.sub(rf"(</?edXML:){standard}\b", rf"\1{seen}", text)


def _replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text, old
        return text.replace(old, new)

    return change


def _without_root(text: str) -> str:
    start, end = text.index("<edXML:edXMLEnvelope"), text.index("</edXML:edXMLEnvelope>")
    encoded = text[text.index("<AttachmentEncoded>") : text.index("</edXML>")]
    return f"{text[start:end]}{encoded}</edXML:edXMLEnvelope>".replace("xmlns:", f'xmlns="{_NS}" xmlns:', 1)


def _prefixed_attachments(text: str) -> str:
    head, tail = text.split("<AttachmentEncoded>")
    tail = re.sub(r"<(/?)(\w+)(?=[ >])", r"<\1edXML:\2", "<AttachmentEncoded>" + tail).replace(
        "/edXML:edXML>", "/edXML>"
    )
    return (head + tail).replace(f'xmlns="{_NS}">', f'xmlns="{_NS}" xmlns:edXML="{_NS}">', 1)


def _shuffled(text: str) -> str:
    subject = text[text.index("<edXML:Subject>") : text.index("</edXML:Subject>") + len("</edXML:Subject>")]
    return text.replace(subject, "").replace("<edXML:From>", f"{subject}<edXML:From>")


_ID = "H29.05,2026/11/20,7816/SNV-VP"
_EMPTY = "<edXML:{0}></edXML:{0}>"
_SIGNER = "</edXML:SignerInfo>"
_LISTED = (
    "<edXML:Reference><edXML:ContentId>cid:2</edXML:ContentId><edXML:AttachmentName>b</edXML:AttachmentName>"
    "</edXML:Reference>"
)
_NULL = "<edXML:ApplicationType>null</edXML:ApplicationType>"
_REFERENCE = re.compile(r"<edXML:Reference>.*?</edXML:Reference>", re.DOTALL)
_ATTACHMENT = re.compile(r"<Attachment>.*?</Attachment>", re.DOTALL)

VARIANTS: dict[str, tuple[Callable[[str], str], set[str]]] = {
    "attachments with the prefix": (_prefixed_attachments, {"EDX-PREFIX-FORM"}),
    "header without the prefix": (lambda text: re.sub(r"(</?)edXML:", r"\1", text), {"EDX-PREFIX-FORM"}),
    "children in another order": (_shuffled, {"EDX-ORDER"}),
    "root without the outer edXML": (_without_root, {"EDX-ROOT"}),
    "namespace of e-doc.vn": (_replaced(_NS, "http://www.e-doc.vn/Schema/"), {"EDX-NAMESPACE"}),
    "namespace of go.vn": (_replaced(_NS, "http://www.go.vn/eDoc"), {"EDX-NAMESPACE"}),
    "Body": (_renamed("edXMLBody", "Body"), {"EDX-NAME"}),
    "Manifest": (_renamed("edXMLManifest", "Manifest"), {"EDX-NAME"}),
    "Business with one s": (_renamed("Bussiness", "Business"), {"EDX-NAME"}),
    "BusinessDocType with one s": (_renamed("BussinessDocType", "BusinessDocType"), {"EDX-NAME"}),
    "an empty DigitalSignature": (
        _replaced("</edXML:edXMLHeader>", "<edXML:DigitalSignature/></edXML:edXMLHeader>"),
        {"EDX-SIGNATURE"},
    ),
    "a Signature in the edXML namespace": (
        _replaced("</edXML:edXMLHeader>", "<edXML:Signature>x</edXML:Signature></edXML:edXMLHeader>"),
        {"EDX-SIGNATURE"},
    ),
    "cid: missing in the manifest": (_replaced("<edXML:ContentId>cid:1<", "<edXML:ContentId>1<"), {"EDX-CID"}),
    "cid: missing in the attachment": (_replaced("<ContentId>cid:1<", "<ContentId>1<"), {"EDX-CID"}),
    "cid: doubled": (_replaced("<ContentId>cid:1<", "<ContentId>cid:cid:1<"), {"EDX-CID"}),
    "another type in the manifest": (
        _replaced("<edXML:ContentType>application/x-data<", "<edXML:ContentType>text/plain<"),
        {"EDX-CONTENT-TYPE"},
    ),
    "an attachment the manifest does not list": (lambda text: _REFERENCE.sub("", text), {"EDX-NO-REFERENCE"}),
    "a manifest entry without attachment": (
        _replaced("</edXML:edXMLManifest>", f"{_LISTED}</edXML:edXMLManifest>"),
        {"EDX-NO-ATTACHMENT"},
    ),
    "base64 with line breaks": (_replaced("Encoded>Y29u", "Encoded>\nY2\r\n9u"), {"EDX-BASE64-SPACE"}),
    "base64 with spaces": (_replaced("Encoded>Y29u", "Encoded> Y29 u"), {"EDX-BASE64-SPACE"}),
    "CRLF line ends": (lambda text: text.replace("\n", "\r\n"), {"EDX-LINE-ENDS"}),
    "a byte order mark": (lambda text: f"\ufeff{text}", {"EDX-BOM"}),
    "CRLF after the root": (lambda text: text + "\r\n\r\n", {"EDX-LINE-ENDS", "EDX-AFTER-ROOT"}),
    "a date dd/MM/yyyy": (_replaced("2026/11/20</edXML:Prom", "20/11/2026</edXML:Prom"), {"EDX-DATE-FORM"}),
    "an ISO date": (_replaced("2026/11/20</edXML:Prom", "2026-11-20</edXML:Prom"), {"EDX-DATE-FORM"}),
    "a date with a time": (_replaced("2026/11/20</edXML:Prom", "2026/11/20 10:11:12</edXML:Prom"), {"EDX-DATE-FORM"}),
    "an ISO time": (_replaced("2026/11/21 10:04:05", "2026-11-21T10:04:05+07:00"), {"EDX-TIME-FORM"}),
    "an empty element for a text": (_replaced(_SIGNER, _SIGNER + _EMPTY.format("ApplicationType")), {"EDX-EMPTY"}),
    "an empty element for a number": (_replaced(_SIGNER, _SIGNER + _EMPTY.format("SteeringType")), {"EDX-EMPTY"}),
    "an empty ResponseFor": (_replaced(_SIGNER, _SIGNER + _EMPTY.format("ResponseFor")), {"EDX-EMPTY"}),
    "the text null": (_replaced(_SIGNER, _SIGNER + _NULL), {"EDX-NULL"}),
}  # fmt: skip
"""How each changes the plain packet without changing what it says, and what is reported."""


@pytest.mark.parametrize("name", VARIANTS)
def test_each_variant_is_read_and_reported(name: str, attached: Callable[..., str], validated: list[str]) -> None:
    """A variant reads equal to the plain packet, attachments and all, and its finding has a line and advice."""
    change, expected = VARIANTS[name]
    plain, odd = edxml.read(attached().encode()), edxml.read(change(attached()).encode())
    assert plain.findings == ()
    assert odd.message.model_dump() == plain.message.model_dump()
    assert [(one.name, one.sha256) for one in odd.attachments] == [(one.name, one.sha256) for one in plain.attachments]
    assert {finding.code for finding in odd.findings} == expected
    for finding in odd.findings:
        assert finding.line is not None or finding.code == "EDX-AFTER-ROOT"
        assert finding.advice
        assert finding.advice_vi


def test_a_time_without_an_hour(attached: Callable[..., str]) -> None:
    """A time that is only a date is read as the day's first moment, and reported ("times missing")."""
    packet = edxml.read(attached().replace("2026/11/21 10:04:05", "2026/11/21").encode())
    assert [finding.code for finding in packet.findings] == ["EDX-TIME-FORM"]
    assert f"{packet.message.trace[0].timestamp:%Y-%m-%d %H:%M}" == "2026-11-20 17:00"


def test_an_impossible_date_inside_an_id(attached: Callable[..., str]) -> None:
    """``2014/02/30`` inside a DocumentId is kept as it is, and reported."""
    odd = _ID.replace("2026/11/20", "2014/02/30")
    packet = edxml.read(attached().replace(_ID, odd).encode())
    assert packet.message.id == odd
    assert [finding.code for finding in packet.findings] == ["EDX-ID-DATE"]


def test_bytes_before_the_declaration(attached: Callable[..., str]) -> None:
    """``1212`` before the XML is refused with a code and a place."""
    with pytest.raises(PacketError, match="1212") as caught:
        edxml.read(b"1212" + attached().encode())
    assert (caught.value.code, caught.value.line) == ("EDX-LEADING-BYTES", 1)


def test_unknown_elements_are_kept(attached: Callable[..., str]) -> None:
    """An element that no table has is in the packet as an element, and raw() gives the bytes as they came."""
    text = attached().replace(_SIGNER, f"{_SIGNER}<edXML:Odd a='1'>x<edXML:y>z</edXML:y></edXML:Odd>")
    packet = edxml.read(text.encode())
    (kept,) = packet.unknown
    assert (kept.get("a"), "".join(kept.itertext())) == ("1", "xz")
    with packet.raw() as stream:
        assert stream.read() == text.encode()
