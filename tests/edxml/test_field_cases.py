"""Packets of other people's builders and libraries: each is read with what it says ("Seen in the wild")."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

import edoc_connector.edxml as edxml
from edoc_connector.edxml import Limits
from edoc_connector.errors import AttachmentError, PacketError

from ..conftest import COLLECTIONS

_CASES = COLLECTIONS["shared"] / "cases" / "packets"
_ID = "H29.05,2026/11/20,7816/SNV-VP"
_BYTES = bytes(range(256)) * 4 + b"\xfb\xef\xff\xfe"

_CAPITAL = """<?xml version="1.0" encoding="UTF-8"?><EdXMLEnvelope xmlns="http://www.go.vn/eDoc"><MessageHeader>
<From><OrganId>H29.05</OrganId><OrganName>Sở Nội vụ</OrganName></From>
<To><OrganId>G22</OrganId><OrganName>VPCP</OrganName></To><DocumentId>{id}</DocumentId>
<Code><CodeNumber>7816</CodeNumber><CodeNotation>SNV-VP</CodeNotation></Code>
<PromulgationInfo><PromulgationDate>2026-11-19T17:00:00.000Z</PromulgationDate></PromulgationInfo>
<Subject>V/v</Subject><SignerInfo><Signer>Trần Thị B</Signer></SignerInfo>
<TraceHeaderList><TraceHeader><OrganId>H29.05</OrganId><Time>2026-11-20T02:00:00.000Z</Time></TraceHeader>{more}
</TraceHeaderList></MessageHeader><Manifest><Attachment><Content>{content}</Content><FileName>a.dat</FileName>
<FileType>application/x-data</FileType></Attachment></Manifest></EdXMLEnvelope>"""


def _codes(packet: edxml.Packet) -> set[str]:
    return {finding.code for finding in packet.findings}


def _document(packet: edxml.Packet) -> edxml.Document:
    assert isinstance(packet.message, edxml.Document)
    return packet.message


def _content(packet: edxml.Packet) -> bytes:
    with packet.attachments[0].open() as stream:
        return stream.read()


def _capital(more: str = "") -> edxml.Packet:
    return edxml.read(_CAPITAL.format(id=_ID, content=base64.b64encode(b"content").decode(), more=more).encode())


def test_capital_roots() -> None:
    """``EdXMLEnvelope``, header and manifest parts directly in it, other names of fields: read, findings."""
    packet = _capital()
    message = _document(packet)
    assert (message.id, message.code, message.issued_on) == (_ID, "7816/SNV-VP", date(2026, 11, 20))
    assert (message.signer.full_name, message.trace[0].organ_id) == ("Trần Thị B", "H29.05")
    assert f"{message.trace[0].timestamp:%H:%M}" == "02:00"
    assert (packet.attachments[0].name, packet.attachments[0].content_type) == ("a.dat", "application/x-data")
    assert _content(packet) == b"content"
    names = {finding.seen for finding in packet.findings if finding.code == "EDX-NAME"}
    assert names == {"EdXMLEnvelope", "Manifest", "Content", "FileName", "FileType", "Signer", "Time"}
    assert {"EDX-ROOT", "EDX-NAMESPACE", "EDX-MISSING", "EDX-PLACE"} <= _codes(packet)
    assert "EDX-UNKNOWN" not in _codes(packet)


def test_capital_frame(attached: Callable[..., str]) -> None:
    """``EdXML`` around ``EdXMLEnvelope``, ``EdXMLHeader`` and ``EdXMLBody`` are the standard's parts."""
    text = re.sub(r"(</?(?:edXML:)?)edXML(?=[A-Z>\s][^:]*?)", r"\1EdXML", attached())
    packet = edxml.read(text.encode())
    assert _document(packet).id == _ID
    assert {finding.seen for finding in packet.findings if finding.code == "EDX-NAME"} >= {"EdXML", "EdXMLHeader"}


def test_a_request_inside_a_trace_header(attached: Callable[..., str]) -> None:
    """A recall that stands inside a TraceHeader is no new document; somebody's own ``Business`` there is none."""
    text = attached()
    request = text[text.index("<edXML:Bussiness>") : text.index("</edXML:TraceHeaderList>")]
    moved = text.replace(request, "").replace("</edXML:TraceHeader>", f"{request}</edXML:TraceHeader>")
    packet = edxml.read(moved.replace("DocType>0<", "DocType>1<").encode())
    assert _document(packet).business.type == edxml.BusinessType.RECALL
    assert {"EDX-PLACE", "EDX-MISSING"} == _codes(packet)
    own = moved.replace(request, "<edXML:Business><edXML:BusinessCode>sendEdoc</edXML:BusinessCode></edXML:Business>")
    packet = edxml.read(own.encode())
    assert _document(packet).business.type == edxml.BusinessType.NEW
    assert {"EDX-UNKNOWN", "EDX-MISSING"} == _codes(packet)


def test_a_report_in_the_same_frame(packet: Callable[..., str]) -> None:
    """A report that names no document and lists no files is refused as no document packet."""
    text = re.sub(r"<edXML:edXMLManifest.*</edXML:edXMLManifest>", "<AVReport/>", packet(header="<Subject>r</Subject>"))
    with pytest.raises(PacketError, match="not a document packet") as caught:
        edxml.read(text.encode())
    assert caught.value.code == "EDX-STRUCTURE"
    assert "không phải gói tin văn bản" in caught.value.vi


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("declared", ['encoding="UTF-16"', "encoding='utf-16'", 'encoding="UTF-8"', ""])
def test_utf16_with_a_mark(codec: str, declared: str, attached: Callable[..., str], tmp_path: Path) -> None:
    """UTF-16 with a byte order mark is decoded before anything else; the bytes stay as they came."""
    text = attached().replace('encoding="UTF-8"', declared)
    data = f"\ufeff{text}".encode(codec)
    path = tmp_path / "packet.edxml"
    path.write_bytes(data)
    plain = edxml.read(attached().encode())
    for source in (data, path):
        packet = edxml.read(source)
        assert packet.message == plain.message
        assert _content(packet) == b"content"
        assert _codes(packet) == {"EDX-UTF16"}
        assert codec.upper() in packet.findings[0].message
        with packet.raw() as stream:
            assert stream.read() == data
        assert packet.size == len(data)


def test_utf16_keeps_positions(attached: Callable[..., str]) -> None:
    """Lines and columns of findings are those of the text, also behind a declaration of UTF-16."""
    text = attached().replace('encoding="UTF-8"', 'encoding="UTF-16"').replace("\n", "")
    odd = text.replace("<edXML:Subject>", "<edXML:Odd/><edXML:Subject>")
    finding = next(f for f in edxml.read(f"\ufeff{odd}".encode("utf-16-le")).findings if f.code == "EDX-UNKNOWN")
    assert (finding.line, finding.column) == (1, odd.index("<edXML:Odd/>") + 1)


def test_damaged_and_endless_utf16(attached: Callable[..., str]) -> None:
    """UTF-16 that is none, or more of it than memory should hold, is refused with a code and a place."""
    data = f"\ufeff{attached()}".encode("utf-16-le")
    with pytest.raises(PacketError, match="UTF-16 is damaged") as caught:
        edxml.read(data[:-2] + b"\x00\xd8")
    assert (caught.value.code, caught.value.line) == ("EDX-NOT-XML", attached().count("\n"))
    assert edxml.read(data, limits=Limits(recoded=len(data))).message.id == _ID
    with pytest.raises(PacketError) as caught:
        edxml.read(data, limits=Limits(recoded=len(data) - 1))
    assert caught.value.code == "EDX-LIMIT"


_PLAIN = base64.b64encode(_BYTES).decode()
_URL_SAFE = base64.urlsafe_b64encode(_BYTES).decode()


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (_URL_SAFE, {"EDX-BASE64-URL"}),
        (_PLAIN.rstrip("="), {"EDX-BASE64-PADDING"}),
        (_URL_SAFE.rstrip("="), {"EDX-BASE64-URL", "EDX-BASE64-PADDING"}),
        (
            _URL_SAFE[:99] + "\n" + _URL_SAFE[99:].rstrip("="),
            {"EDX-BASE64-SPACE", "EDX-BASE64-URL", "EDX-BASE64-PADDING"},
        ),
        (_PLAIN[:99] + "&#10;<!--a-b_c-->" + _PLAIN[99:].rstrip("="), {"EDX-BASE64-PADDING"}),
        (_PLAIN + "<!--a-b_c-->", set()),
    ],
)
def test_base64_of_other_alphabets(text: str, codes: set[str], attached: Callable[..., str]) -> None:
    """Base64 without padding or in the URL-safe alphabet is decoded, with a finding; hyphens of comments are none."""
    packet = edxml.read(attached(text).encode())
    assert _content(packet) == _BYTES
    assert packet.attachments[0].head() == _BYTES[:4096]
    assert packet.attachments[0].size == len(_BYTES)
    assert {code for code in _codes(packet) if code.startswith("EDX-BASE64")} == codes
    assert list(packet.content_findings()) == []


def test_large_base64_of_other_alphabets(attached: Callable[..., str]) -> None:
    """The same of a text that is decoded in pieces."""
    data = bytes(range(256)) * 4096 + b"\xfb\xef\xff\xfe"
    packet = edxml.read(attached(base64.urlsafe_b64encode(data).decode().rstrip("=")).encode())
    assert _content(packet) == data
    assert _codes(packet) == {"EDX-BASE64-URL", "EDX-BASE64-PADDING"}


@pytest.mark.parametrize("text", ["data:application/pdf;base64,QUJD", "QU-D+/==", "ab_d/abc", "QUJDR", "QQ="])
def test_what_is_still_no_base64(text: str, attached: Callable[..., str]) -> None:
    """A data: URL, letters of both alphabets and a lone letter are refused, for that attachment only."""
    packet = edxml.read(attached(text).encode())
    assert _document(packet).id == _ID
    assert _codes(packet) == set()
    assert [finding.code for finding in packet.content_findings()] == ["EDX-BASE64"]
    with pytest.raises(AttachmentError):
        _content(packet)


def test_a_namespace_declaration_on_each_attachment(attached: Callable[..., str]) -> None:
    """As many declarations as attachments are read, as the vendor's library writes them; 513 different ones are not."""
    declaration = f'<Attachment xmlns:edXML="{edxml.NS}">'
    text = attached()
    one = text[text.index("<Attachment>") : text.index("</AttachmentEncoded>")]
    many = "".join(one.replace("<Attachment>", declaration).replace("cid:1<", f"cid:{n}<") for n in range(1, 601))
    packet = edxml.read(text.replace(one, many).encode())
    assert len(packet.attachments) == 600
    odd = "".join(f'<edXML:Odd xmlns="urn:{n}"/>' for n in range(513))
    with pytest.raises(PacketError, match="512 different namespace declarations") as caught:
        edxml.read(text.replace("<edXML:Subject>", f"{odd}<edXML:Subject>").encode())
    assert caught.value.code == "EDX-LIMIT"


@pytest.mark.parametrize("seen", ["2", "x", "-1"])
def test_other_steering_types(seen: str, attached: Callable[..., str]) -> None:
    """Another SteeringType is kept as read, with a finding, and is none that we may write."""
    text = attached().replace(
        "</edXML:SignerInfo>", f"</edXML:SignerInfo><edXML:SteeringType>{seen}</edXML:SteeringType>"
    )
    packet = edxml.read(text.encode())
    message = _document(packet)
    assert message.steering == seen
    assert _codes(packet) == {"EDX-KEPT"}
    assert edxml.Document(**dict(message)).steering == seen
    assert [problem.code for problem in message.validate()] == ["EDR-VALUE"]


def test_a_year_that_a_library_mangled(attached: Callable[..., str]) -> None:
    """``0026/05/19`` gives a finding, and another one that offers the date inside DocumentId."""
    packet = edxml.read(attached().replace("2026/11/20</edXML:Prom", "0026/05/19</edXML:Prom").encode())
    assert _document(packet).issued_on == date(26, 5, 19)
    assert _codes(packet) == {"EDX-YEAR", "EDX-DATE-ID"}
    (offer,) = (finding for finding in packet.findings if finding.code == "EDX-DATE-ID")
    assert (offer.seen, offer.understood) == ("0026/05/19", "2026/11/20")
    assert offer.xpath.endswith("/PromulgationInfo/PromulgationDate")


def test_a_zip_under_the_name_of_a_pdf(attached: Callable[..., str]) -> None:
    """A zip under application/pdf is handed out as it is, with a finding that says so."""
    data = b"PK\x03\x04" + bytes(60)
    packet = edxml.read(
        attached(data, name="a.pdf", ref_name="a.pdf", kind="application/pdf", ref_kind="application/pdf").encode()
    )
    assert _content(packet) == data
    (finding,) = packet.findings
    assert finding.code == "EDX-CONTENT-BYTES"
    assert "application/zip; they are handed out as they came" in finding.message
    assert "application/zip; tệp được giữ nguyên" in finding.message_vi


@pytest.mark.parametrize("seen", ["1", "cid:cid:1", "CID:1"])
def test_a_content_id_is_not_read_as_itself(seen: str, attached: Callable[..., str]) -> None:
    """The finding on a ContentId says how it should be written, not that it was read as itself."""
    packet = edxml.read(attached(cid=seen).encode())
    finding = next(one for one in packet.findings if one.code == "EDX-CID")
    assert f"'{finding.seen}'" in finding.message
    assert f"'cid:{finding.understood}'" in finding.message
    assert finding.seen != f"cid:{finding.understood}"


_READ = [
    *("a-capital-root", "c-net", "e-zip-as-pdf", "f-business-in-trace", "h-many-groups", "k2-utf16le-bom", "k9-cdata"),
    *("l1-data-url", "l2-urlsafe", "l3-unpadded", "m00-date", "m02-date", "m04-date", "m06-date", "m08-date"),
    *("n-year26", "many600-rebuilt-by-vendor"),
]
_FINDING = {
    "a-capital-root": "EDX-NAME",
    "e-zip-as-pdf": "EDX-CONTENT-BYTES",
    "k2-utf16le-bom": "EDX-UTF16",
    "l2-urlsafe": "EDX-BASE64-URL",
    "l3-unpadded": "EDX-BASE64-PADDING",
    "m00-date": "EDX-DATE-FORM",
    "m02-date": "EDX-DATE-FORM",
    "m04-date": "EDX-DATE-FORM",
    "m06-date": "EDX-DATE-FORM",
    "m08-date": "EDX-DATE-ID",
    "n-year26": "EDX-YEAR",
}


@pytest.mark.skipif(not _CASES.is_dir(), reason="other people's packets are not here")
@pytest.mark.parametrize("name", _READ)
def test_collected_cases(name: str) -> None:
    """Each collected packet of another builder is read, with its number, its day and its finding."""
    packet = edxml.read(_CASES / f"{name}.edxml")
    message = _document(packet)
    assert message.number
    assert message.issued_on
    assert len(packet.attachments) == (600 if name.startswith("many") else 1)
    assert _FINDING.get(name) in {None, *_codes(packet)}
    assert [one.code for one in packet.content_findings()] == (["EDX-BASE64"] if name.startswith("l1") else [])


@pytest.mark.skipif(not _CASES.is_dir(), reason="other people's packets are not here")
def test_the_collected_report() -> None:
    """The collected report in the same frame is refused as no document packet."""
    with pytest.raises(PacketError, match="not a document packet"):
        edxml.read(_CASES / "i-go-avreport.edxml")
