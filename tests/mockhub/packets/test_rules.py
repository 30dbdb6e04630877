"""Each rule of what a rebuilding hub does, one case each (VXP interface, section of that name)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from edoc_connector.mockhub import rebuild_packet
from edoc_connector.mockhub.codes import RefusedError
from edoc_connector.mockhub.packets import NS

Make = Callable[..., Any]
AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
FILLED = "<PromulgationAmount>1</PromulgationAmount><PageAmount>1</PageAmount><Direction>false</Direction>"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@pytest.fixture
def rebuilt(tmp_path: Path) -> Callable[[bytes], Any]:
    def run(data: bytes) -> Any:
        source, target = tmp_path / "in.edxml", tmp_path / "out.edxml"
        source.write_bytes(data)
        rebuild_packet(source, target, at=AT, organ_id="hub", limit=1 << 20)
        return etree.fromstring(target.read_bytes())

    return run


def written(root: Any, name: str) -> str:
    """Every element of a name as text, without prefixes, declarations and the white space between elements."""
    text = "".join(etree.tostring(node, encoding="unicode") for node in root.iter(f"{{{NS}}}{name}"))
    return re.sub(r"(?<=>)[ \r\n]+|[ \r\n]+(?=<)| xmlns(:\w+)?=\"[^\"]*\"|(?<=<)edXML:|(?<=</)edXML:", "", text)


def by_rule(cases: list[tuple[str, str, str, str]]) -> pytest.MarkDecorator:
    """A test a case: rule in words, element to look at, what is given, what is written."""
    return pytest.mark.parametrize(
        ("name", "given", "expected"), [case[1:] for case in cases], ids=[case[0] for case in cases]
    )


HEADER_RULES = [
    ("SteeringType 0 where it was absent", "SteeringType", "", "<SteeringType>0</SteeringType>"),
    ("numbers are rewritten", "SteeringType", "<e:SteeringType>007</e:SteeringType>", "<SteeringType>7</SteeringType>"),
    ("a sign is read", "SteeringType", "<e:SteeringType>+1</e:SteeringType>", "<SteeringType>1</SteeringType>"),
    ("a negative number is left out", "SteeringType", "<e:SteeringType>-1</e:SteeringType>", ""),
    ("the last of two counts", "ApplicationType", "<e:ApplicationType>a</e:ApplicationType>"
     "<e:ApplicationType>b</e:ApplicationType>", "<ApplicationType>b</ApplicationType>"),
    ("and were it empty", "ApplicationType", "<e:ApplicationType>a</e:ApplicationType><e:ApplicationType/>", ""),
    ("no OtherInfo is invented", "OtherInfo", "", ""),
    ("an OtherInfo is filled in", "OtherInfo", "<e:OtherInfo/>",
     f"<OtherInfo><Priority>0</Priority>{FILLED}</OtherInfo>"),
    ("unreadable is the default", "OtherInfo", "<e:OtherInfo><e:Priority> 1 </e:Priority>"
     "<e:PageAmount>x</e:PageAmount></e:OtherInfo>", f"<OtherInfo><Priority>0</Priority>{FILLED}</OtherInfo>"),
    ("negative is left out of OtherInfo", "OtherInfo", "<e:OtherInfo><e:Priority>-1</e:Priority></e:OtherInfo>",
     f"<OtherInfo>{FILLED}</OtherInfo>"),
    ("too large for the library", "Priority", "<e:OtherInfo><e:Priority>3000000000</e:Priority></e:OtherInfo>",
     "<Priority>0</Priority>"),
    ("true in any case", "Direction", "<e:OtherInfo><e:Direction>TRUE</e:Direction></e:OtherInfo>",
     "<Direction>true</Direction>"),
    ("but not with blanks", "Direction", "<e:OtherInfo><e:Direction> true </e:Direction></e:OtherInfo>",
     "<Direction>false</Direction>"),
    ("the last OtherInfo", "Priority", "<e:OtherInfo><e:Priority>1</e:Priority></e:OtherInfo><e:OtherInfo/>",
     "<Priority>0</Priority>"),
    ("of two in a group that is read by name, the first", "Priority",
     "<e:OtherInfo><e:Priority>1</e:Priority><e:Priority>2</e:Priority></e:OtherInfo>", "<Priority>1</Priority>"),
    ("no Appendixes without one", "Appendixes", "<e:OtherInfo><e:Appendixes>text</e:Appendixes></e:OtherInfo>", ""),
    ("Appendixes of an empty one", "Appendixes",
     "<e:OtherInfo><e:Appendixes><e:Appendix/></e:Appendixes></e:OtherInfo>", "<Appendixes/>"),
    ("ToPlaces are put together", "ToPlaces", "<e:ToPlaces><e:Place/><e:Place> a </e:Place></e:ToPlaces>"
     "<e:ToPlaces><e:Place>b</e:Place></e:ToPlaces>", "<ToPlaces><Place>a</Place><Place>b</Place></ToPlaces>"),
    ("no ToPlaces without one", "ToPlaces", "<e:ToPlaces/>", ""),
    ("the last ResponseForTask", "ResponseForTask", "<e:ResponseForTask><e:TaskCode>a</e:TaskCode></e:ResponseForTask>"
     "<e:ResponseForTask><e:TaskCode>b</e:TaskCode><e:TaskCode>c</e:TaskCode></e:ResponseForTask>",
     "<ResponseForTask><TaskCode>b</TaskCode><TaskCode>c</TaskCode></ResponseForTask>"),
    ("no empty ResponseForTask", "ResponseForTask", "<e:ResponseForTask/>", ""),
    ("every ResponseFor", "ResponseFor", "<e:ResponseFor/><e:ResponseFor><e:PromulgationDate>20/11/2026"
     "</e:PromulgationDate><e:Code>1/CV</e:Code></e:ResponseFor>",
     "<ResponseFor/><ResponseFor><Code>1/CV</Code><PromulgationDate>0026/05/19</PromulgationDate></ResponseFor>"),
    ("a date runs over", "DueDate", "<e:DueDate>2026/02/30</e:DueDate>", "<DueDate>2026/03/02</DueDate>"),
    ("a time behind a date is cut", "DueDate", "<e:DueDate>2026/11/20 08:00</e:DueDate>",
     "<DueDate>2026/11/20</DueDate>"),
    ("an ISO date is left out", "DueDate", "<e:DueDate>2026-11-20</e:DueDate>", ""),
    ("the second From", "From", "<e:From><e:OrganId>G99</e:OrganId></e:From>", "<From><OrganId>G99</OrganId></From>"),
    ("no From without an element", "From", "<e:From>text</e:From>", ""),
    ("organisations are trimmed", "From", "<e:From><e:OrganId> G99\n</e:OrganId><e:Email> </e:Email></e:From>",
     "<From><OrganId>G99</OrganId></From>"),
    ("no DocumentType is invented", "DocumentType", "", ""),
    ("DocumentType/Type 2 where absent", "DocumentType", "<e:DocumentType><e:TypeDetail>x</e:TypeDetail>"
     "</e:DocumentType>", "<DocumentType><Type>2</Type></DocumentType>"),
    ("DocumentType/Type 2 where no number", "DocumentType", "<e:DocumentType><e:Type> 1 </e:Type></e:DocumentType>",
     "<DocumentType><Type>2</Type></DocumentType>"),
    ("an empty group stays", "SignerInfo", "<e:SignerInfo><e:FullName/></e:SignerInfo>", "<SignerInfo/>"),
    ("a text of blanks is an empty element", "Content", "<e:Content> </e:Content>", "<Content/>"),
    ("an empty text is none", "Content", "<e:Content/>", ""),
    ("no-break spaces stay", "Content", "<e:Content>\u00a0a\u3000</e:Content>", "<Content>\u00a0a\u3000</Content>"),
    ("another namespace inside is none of the library's business", "Content", '<Content xmlns="urn:x">c</Content>',
     "<Content>c</Content>"),
    ("text of the element alone", "Content", "<e:Content>a<e:x>b</e:x>c</e:Content>", "<Content>ac</Content>"),
]  # fmt: skip


@by_rule(HEADER_RULES)
def test_a_rule_of_the_header(rebuilt: Make, packet: Make, name: str, given: str, expected: str) -> None:
    """What the library makes of an element of MessageHeader."""
    assert written(rebuilt(packet(header=given)), name) == expected


TRACE_RULES = [
    ("the last Bussiness", "Bussiness", "<e:Bussiness><e:Paper>1</e:Paper></e:Bussiness>",
     "<Bussiness><Paper>1</Paper></Bussiness>"),
    ("Business with one s is dropped", "Business", "<e:Business><e:BusinessDocType>1</e:BusinessDocType></e:Business>",
     ""),
    ("texts of Bussiness as they are", "Bussiness", "<e:Bussiness><e:Paper>007</e:Paper></e:Bussiness>",
     "<Bussiness><Paper>007</Paper></Bussiness>"),
    ("an empty Bussiness stays", "Bussiness", "<e:Bussiness/>", "<Bussiness/>"),
    ("groups of Bussiness that occur twice stay", "StaffInfo", "<e:Bussiness><e:StaffInfo/><e:StaffInfo>"
     "<e:Staff>a</e:Staff><e:Staff>b</e:Staff></e:StaffInfo></e:Bussiness>",
     "<StaffInfo/><StaffInfo><Staff>b</Staff></StaffInfo>"),
    ("receivers", "BussinessDocumentInfo", "<e:Bussiness><e:BussinessDocumentInfo><e:ReceiverList><e:Receiver>"
     "<e:ReceiverType>1</e:ReceiverType><e:OrganId>a</e:OrganId></e:Receiver><e:Receiver/></e:ReceiverList>"
     "</e:BussinessDocumentInfo></e:Bussiness>", "<BussinessDocumentInfo><ReceiverList><Receiver><OrganId>a</OrganId>"
     "<ReceiverType>1</ReceiverType></Receiver><Receiver/></ReceiverList></BussinessDocumentInfo>"),
    ("replacements", "ReplacementInfoList", "<e:Bussiness><e:ReplacementInfoList><e:ReplacementInfo><e:OrganIdList>"
     "<e:OrganId>a</e:OrganId><e:OrganId/></e:OrganIdList><e:DocumentId>d</e:DocumentId></e:ReplacementInfo>"
     "</e:ReplacementInfoList></e:Bussiness>", "<ReplacementInfoList><ReplacementInfo><DocumentId>d</DocumentId>"
     "<OrganIdList><OrganId>a</OrganId></OrganIdList></ReplacementInfo></ReplacementInfoList>"),
    ("a time stamp without a time is left out", "TraceHeader",
     "<e:TraceHeader><e:OrganId>H1</e:OrganId><e:Timestamp>2026/11/28</e:Timestamp></e:TraceHeader>",
     "<TraceHeader><OrganId>H29.05</OrganId><Timestamp>2026/11/20 08:00:00</Timestamp></TraceHeader>"
     "<TraceHeader><OrganId>H1</OrganId></TraceHeader>"
     "<TraceHeader><OrganId>hub</OrganId><Timestamp>2026/11/22 10:00:00</Timestamp></TraceHeader>"),
]  # fmt: skip


@by_rule(TRACE_RULES)
def test_a_rule_of_the_trace(rebuilt: Make, packet: Make, name: str, given: str, expected: str) -> None:
    """What the library makes of an element of TraceHeaderList; the packet's own Bussiness goes before it."""
    data = packet()
    end = data.rindex(b"</edXML:TraceHeaderList>")
    added = re.sub("(</?)e:", r"\1edXML:", given).encode()
    assert written(rebuilt(data[:end] + added + data[end:]), name) == expected


REFERENCE = '<Reference URI="#a" Id="i"><Transforms><Transform Algorithm="t">x</Transform></Transforms></Reference>'
SIGNATURE_RULES = [
    ("X509SubjectName and the first certificate", "X509Data", "<KeyInfo><KeyValue/><X509Data><X509Certificate>1"
     "</X509Certificate><X509SubjectName>CN=a</X509SubjectName><X509Certificate>2</X509Certificate></X509Data></KeyInfo>",
     "<X509Data><X509SubjectName>CN=a</X509SubjectName><X509Certificate>1</X509Certificate></X509Data>"),
    ("methods are made up where they are absent", "SignedInfo", f"<SignedInfo>{REFERENCE}</SignedInfo>",
     '<SignedInfo><CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>'
     '<SignatureMethod Algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1"/><Reference URI="#a">'
     '<Transforms><Transform Algorithm="t"/></Transforms><DigestMethod/></Reference></SignedInfo>'),
    ("a Reference has a URI", "Reference", "<SignedInfo><Reference><Transforms/></Reference></SignedInfo>",
     '<Reference URI=""><DigestMethod/></Reference>'),
    ("an empty signature stays", "Signature", "", "<Signature/>"),
    ("a KeyInfo without a certificate stays", "Signature", "<KeyInfo><KeyName>k</KeyName></KeyInfo><Object/>",
     "<Signature><KeyInfo/></Signature>"),
]  # fmt: skip


@by_rule(SIGNATURE_RULES)
def test_a_rule_of_the_signature(rebuilt: Make, packet: Make, name: str, given: str, expected: str) -> None:
    """What the library makes of a part of the Signature."""
    signature = f'<Signature xmlns="http://www.w3.org/2000/09/xmldsig#">{given}</Signature>'
    found = rebuilt(packet(signature=signature)).find(f".//{{{NS}}}Signature")
    assert written(found, name) == expected


def test_a_digital_signature_is_unknown(rebuilt: Make, packet: Make) -> None:
    """Unknown elements are gone, an empty edXML:DigitalSignature among them."""
    root = rebuilt(packet(signature="<e:DigitalSignature/>"))
    assert written(root, "DigitalSignature") == written(root, "Signature") == ""


def test_a_missing_document_id_is_invented(rebuilt: Make, packet: Make) -> None:
    """An invented UUID where DocumentId is missing."""
    data = packet(document_id="d")
    root = rebuilt(data.replace(b"<edXML:DocumentId>d</edXML:DocumentId>", b""))
    assert re.fullmatch(f"<DocumentId>{UUID}</DocumentId>", written(root, "DocumentId"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [("209", "cid:cid:209"), ("cid:209", "cid:cid:209"), ("cid:cid:209", "cid:cid:cid:209"), ("", f"cid:cid:{UUID}")],
)
def test_cid_is_put_before_a_content_id(rebuilt: Make, packet: Make, given: str, expected: str) -> None:
    """`cid:` put before every ContentId, also where it was there, and before one that is invented."""
    root = rebuilt(packet(attachments=((given, "a.pdf", "application/pdf", b"x"),)))
    first, second = re.findall("<ContentId>(.*?)</ContentId>", written(root, "ContentId"))
    assert first == second
    assert re.fullmatch(expected, first)


def test_the_last_content_id_counts_that_is_not_empty(rebuilt: Make, packet: Make) -> None:
    """Of an element that occurs twice the last; the library does not take an empty ContentId."""
    data = packet(attachments=(("cid:1", "a.pdf", "application/pdf", b"x"),))
    for added, expected in (("<ContentId>2</ContentId>", "cid:cid:2"), ("<ContentId>cid:</ContentId>", "cid:cid:1")):
        root = rebuilt(data.replace(b"</Attachment>", f"{added}</Attachment>".encode()))
        assert written(root, "ContentId") == f"<ContentId>{expected}</ContentId>" * 2


@pytest.mark.parametrize(("given", "kind"), [("pdf", "pdf"), ("DOC", "doc"), ("txt", "zip"), ("unk", "xsl")])
def test_a_format_element_beats_the_name(rebuilt: Make, packet: Make, given: str, kind: str) -> None:
    """A `Format` element beats the name, but for `unk`."""
    data = packet(attachments=(("cid:1", "a.xsl", "text/plain", b"x"),))
    root = rebuilt(data.replace(b"</Attachment>", f"<Format>{given}</Format></Attachment>".encode()))
    assert (
        written(root, "ContentType")
        == f"<ContentType>text/plain</ContentType><ContentType>application/{kind}</ContentType>"
    )
    assert written(root, "Format") == ""


def test_each_attachment_declares_the_namespace(rebuilt: Make, packet: Make, tmp_path: Path) -> None:
    """`ContentTransferEncoded` prefixed, with a declaration of its own on each."""
    rebuilt(packet(attachments=tuple((f"cid:{n}", "a.pdf", "application/pdf", b"x") for n in range(3))))
    opening = f'<edXML:ContentTransferEncoded xmlns:edXML="{NS}">'
    assert (tmp_path / "out.edxml").read_text().count(opening) == 3


def test_characters_are_escaped_as_the_library_does(rebuilt: Make, packet: Make, tmp_path: Path) -> None:
    """Carriage returns and characters beyond the first plane leave as hexadecimal references, line ends as CRLF."""
    rebuilt(packet(subject="TEXT").replace(b"TEXT", "a&#13;\n\U0001f4c4 ]]&gt; /&gt; b".encode()))
    expected = "<edXML:Subject>a&#xD;\r\n&#x1f4c4; ]]&gt; /&gt; b</edXML:Subject>"
    assert expected in (tmp_path / "out.edxml").read_bytes().decode()


REPLACEMENTS = "<ReplacementInfoList><ReplacementInfo><OrganIdList/></ReplacementInfo></ReplacementInfoList>"
DATED = "<edXML:PromulgationInfo>"
TRACED = "<edXML:TraceHeaderList>"
REFUSED = [
    ("SteeringType empty", DATED, f"<SteeringType/>{DATED}", "22"),
    ("SteeringType no integer", DATED, f"<SteeringType> 1 </SteeringType>{DATED}", "22"),
    ("SteeringType too large", DATED, f"<SteeringType>2147483648</SteeringType>{DATED}", "22"),
    ("no To", "edXML:To>", "edXML:Not>", "22"),
    ("SignedInfo without Reference", TRACED, f"<Signature><SignedInfo/></Signature>{TRACED}", "22"),
    ("OrganIdList without OrganId", "</edXML:Bussiness>", f"{REPLACEMENTS}</edXML:Bussiness>", "22"),
    ("another namespace", NS, "http://www.e-doc.vn/Schema/", "22"),
    ("no edXMLHeader", "edXMLHeader>", "Header>", "22"),
    ("no MessageHeader", "MessageHeader>", "Status>", "22"),
    ("no zip", "<ContentType>text/plain", "<ContentType>application/zip", "21"),
    ("no zip, for want of a ContentType", "<ContentType>text/plain</ContentType>", "", "21"),
    ("a Format that is no extension", "</Attachment>", "<Format>a/b</Format></Attachment>", "21"),
]


@pytest.mark.parametrize(("old", "new", "code"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_packet_on_which_the_library_throws_is_refused(
    rebuilt: Make, packet: Make, old: str, new: str, code: str
) -> None:
    """The library throws on these: the hub refuses the packet and passes nothing on."""
    data = packet(attachments=(("cid:1", "a.txt", "text/plain", b"x"),))
    rebuilt(data)
    assert old.encode() in data
    with pytest.raises(RefusedError, match=rf"^{code}:"):
        rebuilt(data.replace(old.encode(), new.encode()))


def test_an_envelope_as_root_is_refused(rebuilt: Make, packet: Make) -> None:
    """The library looks for edXMLEnvelope in the root element, whatever that is called."""
    data = packet()
    rebuilt(data.replace(b"<edXML ", b"<other ").replace(b"</edXML>", b"</other>"))
    start, end = data.index(b"<edXML:edXMLEnvelope"), data.index(b"<AttachmentEncoded>")
    with pytest.raises(RefusedError, match=r"^22:"):
        rebuilt(data[start:end])
