"""Reading is tolerant and reports each deviation ("Seen in the wild: read these too")."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import edoc_connector.edxml as edxml
from edoc_connector.edxml import BusinessType, StatusCode

Read = Callable[[str], edxml.Packet]
Codes = Callable[[edxml.Packet], list[str]]
NS = edxml.NS


def test_the_plain_packet_has_no_findings(packet: Callable[..., str], read_text: Read) -> None:
    """The packet the variants below are made of is right, so that each finding is the variant's own."""
    read = read_text(packet())
    assert read.findings == ()
    assert (read.kind, read.path, read.size) == ("document", None, len(packet().encode()))
    with read.raw() as stream:
        assert stream.read() == packet().encode()


def test_a_packet_on_disk(packet: Callable[..., str], tmp_path: Path) -> None:
    """A path is read like bytes, and raw() gives the file's bytes."""
    path = tmp_path / "x.edxml"
    path.write_text(packet(), encoding="utf-8")
    read = edxml.read(path)
    assert (read.path, read.size) == (path, path.stat().st_size)
    with read.raw() as stream:
        assert stream.read() == path.read_bytes()
    with pytest.raises(FileNotFoundError):
        edxml.read(tmp_path / "none")


@pytest.mark.parametrize("namespace", ["http://www.e-doc.vn/Schema/", "http://www.go.vn/eDoc", ""])
def test_older_namespaces(namespace: str, packet: Callable[..., str], read_text: Read, codes: Codes) -> None:
    """The older namespaces, or none, are read and reported once."""
    text = packet().replace(NS, namespace)
    if not namespace:
        text = text.replace("edXML:", "").replace(' xmlns:edXML=""', "")
    read = read_text(text)
    assert read.message == read_text(packet()).message
    assert codes(read) == ["EDX-NAMESPACE"]


def test_a_root_without_the_outer_element(attached: Callable[..., str], read_text: Read, codes: Codes) -> None:
    """edXMLEnvelope may be the root, with AttachmentEncoded inside it."""
    text = attached()
    start, end = text.index("<edXML:edXMLEnvelope"), text.index("</edXML:edXMLEnvelope>")
    encoded = text[text.index("<AttachmentEncoded>") : text.index("</edXML>")]
    read = read_text(f"{text[start:end]}{encoded}</edXML:edXMLEnvelope>".replace("xmlns:", f'xmlns="{NS}" xmlns:', 1))
    assert read.message == read_text(attached()).message
    assert codes(read) == ["EDX-ROOT"]
    assert read.attachments[0].size == 7


def test_attachments_inside_the_envelope(attached: Callable[..., str], read_text: Read, codes: Codes) -> None:
    """AttachmentEncoded inside the envelope of a whole packet is read."""
    text = attached().replace("</edXML:edXMLEnvelope>", "").replace("</edXML>", "</edXML:edXMLEnvelope></edXML>")
    read = read_text(text)
    assert codes(read) == []
    assert [one.name for one in read.attachments] == ["a.dat"]


@pytest.mark.parametrize(
    ("standard", "seen"),
    [
        ("edXMLBody", "Body"),
        ("edXMLManifest", "Manifest"),
        ("edXMLHeader", "Header"),
        ("edXMLEnvelope", "Envelope"),
        ("Bussiness", "Business"),
        ("BussinessDocType", "BusinessDocType"),
    ],
)
def test_other_spellings(standard: str, seen: str, attached: Callable[..., str], read_text: Read, codes: Codes) -> None:
    """Other spellings are read as the standard's and reported."""
    text = attached()
    for end in (" ", ">"):
        text = text.replace(f"<edXML:{standard}{end}", f"<edXML:{seen}{end}")
    read = read_text(text.replace(f"</edXML:{standard}>", f"</edXML:{seen}>"))
    assert read.message == read_text(attached()).message
    assert codes(read) == ["EDX-NAME"]
    assert (read.findings[0].seen, read.findings[0].understood) == (seen, standard)


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        (f'<Signature xmlns="{edxml.DS}"><SignedInfo/></Signature>', []),
        ("<edXML:Signature/>", ["EDX-SIGNATURE"]),
        ("<edXML:DigitalSignature/>", ["EDX-SIGNATURE"]),
        ("<Signature/>", ["EDX-SIGNATURE"]),
    ],
)
def test_signatures_do_not_disturb_reading(
    signature: str, expected: list[str], packet: Callable[..., str], read_text: Read, codes: Codes
) -> None:
    """A placeholder for a Signature is no unknown element; it is reported as such ("Signature")."""
    read = read_text(packet().replace("</edXML:edXMLHeader>", f"{signature}</edXML:edXMLHeader>"))
    assert codes(read) == expected
    assert read.unknown == ()


def _changed(packet: Callable[..., str], old: str, new: str) -> str:
    assert old in packet()
    return packet().replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "code", "seen", "understood"),
    [
        ("<edXML:Subject>V/v kết nối<", "<edXML:Subject> V/v kết nối\n<", "EDX-SPACE", "", ""),
        (
            "H29.05</edXML:OrganId><edXML:OrganName>",
            "H29<!-- x -->.05</edXML:OrganId><edXML:OrganName>",
            "EDX-COMMENT",
            "",
            "H29.05",
        ),
        ("<edXML:Subject>V/v kết nối<", "<edXML:Subject>V/v <?pi?>kết nối<", "EDX-COMMENT", "", "V/v kết nối"),
        ("2026/11/20</edXML:Prom", "20/11/2026</edXML:Prom", "EDX-DATE-FORM", "20/11/2026", "2026/11/20"),
        ("2026/11/20</edXML:Prom", "2026-11-20</edXML:Prom", "EDX-DATE-FORM", "2026-11-20", "2026/11/20"),
        (
            "2026/11/20</edXML:Prom",
            "2026-11-19T17:00:00Z</edXML:Prom",
            "EDX-DATE-FORM",
            "2026-11-19T17:00:00Z",
            "2026/11/20",
        ),
        (
            "2026/11/21 10:04:05",
            "2026-11-21T10:04:05.123",
            "EDX-TIME-FORM",
            "2026-11-21T10:04:05.123",
            "2026/11/21 10:04:05",
        ),
        ("2026/11/21 10:04:05", "21/11/2026 10:04:05", "EDX-TIME-FORM", "21/11/2026 10:04:05", "2026/11/21 10:04:05"),
        ("<edXML:Paper>0<", "<edXML:Paper>false<", "EDX-FORM", "false", "0"),
        ("<edXML:Type>2<", "<edXML:Type>02<", "EDX-FORM", "02", "2"),
    ],
)
def test_values_in_other_forms(
    packet: Callable[..., str], read_text: Read, old: str, new: str, code: str, seen: str, understood: str
) -> None:
    """Values in other forms read equal, with a finding that holds the text seen and the value understood."""
    read = read_text(_changed(packet, old, new))
    assert read.message == read_text(packet()).message
    assert [(one.code, one.seen, one.understood) for one in read.findings] == [(code, seen, understood)]


@pytest.mark.parametrize(
    ("old", "new", "attr", "value", "expected"),
    [
        ("<edXML:Type>2<", "<edXML:Type>hai<", "type", None, ["EDX-VALUE", "EDX-MISSING"]),
        ("<edXML:Type>2</edXML:Type>", "<edXML:Type/>", "type", None, ["EDX-EMPTY", "EDX-MISSING"]),
        ("<edXML:Type>2</edXML:Type>", "", "type", None, ["EDX-MISSING"]),
        ("<edXML:Subject>V/v kết nối<", "<edXML:Subject>null<", "subject", "", ["EDX-NULL", "EDX-MISSING"]),
        (
            "2026/11/20</edXML:Prom",
            "2014/02/30</edXML:Prom",
            "issued_on",
            None,
            ["EDX-VALUE", "EDX-MISSING", "EDX-DATE-ID"],
        ),
        ("<edXML:Type>2<", "<edXML:TypeDetail/><edXML:Type>2<", "type_detail", None, ["EDX-EMPTY", "EDX-ORDER"]),
        (
            ",2026/11/20,7816/SNV-VP<",
            ",2014/02/30,7816/SNV-VP<",
            "id",
            "H29.05,2014/02/30,7816/SNV-VP",
            ["EDX-ID-DATE"],
        ),
        ("2026/11/20</edXML:Prom", "2026/11/19</edXML:Prom", "issued_on", date(2026, 11, 19), ["EDX-DATE-ID"]),
        ("<edXML:DocumentId>H29.05,2026/11/20,7816/SNV-VP<", "<edXML:DocumentId>9<", "id", "9", ["EDX-ID-FORM"]),
        (
            "<edXML:Subject>",
            f"<edXML:Content>{'x' * 501}</edXML:Content><edXML:Subject>",
            "content",
            "x" * 501,
            ["EDX-LENGTH", "EDX-ORDER"],
        ),
        ("<edXML:Subject>V/v kết nối<", "<edXML:Subject>V/v <b>kết</b> nối<", "subject", "V/v  nối", ["EDX-NESTED"]),
        (
            "</edXML:Subject>",
            "</edXML:Subject><edXML:Subject>x</edXML:Subject>",
            "subject",
            "V/v kết nối",
            ["EDX-REPEATED"],
        ),
        ("</edXML:Subject>", "</edXML:Subject>stray", "subject", "V/v kết nối", ["EDX-TEXT"]),
        (
            "</edXML:Subject>",
            "</edXML:Subject><edXML:Odd a='1'>x<y>z</y></edXML:Odd>",
            "subject",
            "V/v kết nối",
            ["EDX-UNKNOWN"],
        ),
        (
            "</edXML:Subject>",
            "</edXML:Subject><Subject xmlns='urn:x'>x</Subject>",
            "subject",
            "V/v kết nối",
            ["EDX-UNKNOWN"],
        ),
        ("<edXML:Subject>", "<edXML:Subject lang='vi'>", "subject", "V/v kết nối", ["EDX-ATTRIBUTE"]),
        (
            "</edXML:Code>",
            "</edXML:Code><edXML:Code><edXML:CodeNumber>9</edXML:CodeNumber></edXML:Code>",
            "number",
            "7816",
            ["EDX-GROUP", "EDX-REPEATED", "EDX-ORDER"],
        ),
        ("<edXML:Subject>", "<edXML:OtherInfo/><edXML:Subject>", "priority", None, ["EDX-EMPTY"]),
        (
            "</edXML:SignerInfo>",
            "</edXML:SignerInfo><edXML:SteeringType>2</edXML:SteeringType>",
            "steering",
            "2",
            ["EDX-KEPT"],
        ),
    ],
)
def test_values_that_say_nothing_or_too_much(
    packet: Callable[..., str],
    read_text: Read,
    codes: Codes,
    old: str,
    new: str,
    attr: str,
    value: object,
    expected: list[str],
) -> None:
    """A text that is no value is absent, never a default; extra elements are reported with all their text."""
    read = read_text(_changed(packet, old, new))
    assert getattr(read.message, attr) == value
    assert codes(read) == expected
    read.message.model_dump_json()


def test_unknown_elements_are_shown_whole(packet: Callable[..., str], read_text: Read) -> None:
    """A finding holds every text and attribute of an element that no table has."""
    read = read_text(_changed(packet, "</edXML:Subject>", "</edXML:Subject><o a='1' xmlns='urn:x'>b<c>d</c>e</o>"))
    assert read.findings[0].seen == 'o a="1": b d e'
    assert read.findings[0].xpath == "/edXML/edXMLEnvelope/edXMLHeader/MessageHeader/o"


def test_xpaths_count_alike_elements(packet: Callable[..., str], read_text: Read) -> None:
    """The XPath of an element among others of its name has a position."""
    two = "<edXML:To><edXML:OrganId>x</edXML:OrganId><edXML:OrganName>y</edXML:OrganName></edXML:To><edXML:DocumentId>H"
    read = read_text(_changed(packet, "<edXML:DocumentId>H", two))
    assert [(one.code, one.xpath) for one in read.findings] == [
        ("EDX-ORGAN-ID", "/edXML/edXMLEnvelope/edXMLHeader/MessageHeader/To[2]/OrganId")
    ]


def test_empty_groups_of_values(packet: Callable[..., str], read_text: Read, codes: Codes) -> None:
    """An empty ResponseFor is absent, and so is one with only the text null (a hub writes the first)."""
    for empty in ("<edXML:ResponseFor/>", "<edXML:ResponseFor><edXML:OrganId> </edXML:OrganId></edXML:ResponseFor>"):
        read = read_text(_changed(packet, "</edXML:SignerInfo>", f"</edXML:SignerInfo>{empty}"))
        assert read.message.responses_for == ()
        assert codes(read) == ["EDX-EMPTY"]
    null = "<edXML:ResponseFor><edXML:OrganId>null</edXML:OrganId></edXML:ResponseFor>"
    read = read_text(_changed(packet, "</edXML:SignerInfo>", f"</edXML:SignerInfo>{null}"))
    assert read.message.responses_for == ()
    assert codes(read) == ["EDX-NULL", "EDX-EMPTY"]


def test_a_hubs_own_station(packet: Callable[..., str], read_text: Read, codes: Codes) -> None:
    """A hub appends a TraceHeader, its OrganId absent or null, and puts Bussiness first (VXP interface)."""
    plain = packet()
    start, end = plain.index("<edXML:Bussiness>"), plain.index("</edXML:Bussiness>") + len("</edXML:Bussiness>")
    business = plain[start:end]
    hub = "<edXML:TraceHeader>{}<edXML:Timestamp>2026/11/21 10:05:00</edXML:Timestamp></edXML:TraceHeader>"
    for organ_id, code in (("", []), ("<edXML:OrganId>null</edXML:OrganId>", ["EDX-NULL"])):
        text = plain.replace(business, hub.format(organ_id))
        read = read_text(text.replace("<edXML:TraceHeaderList>", f"<edXML:TraceHeaderList>{business}"))
        assert [one.organ_id for one in read.message.trace] == ["H29.05", None]
        assert codes(read) == [*code, "EDX-MISSING", "EDX-ORDER"]


def test_what_is_missing_is_never_made_up(packet: Callable[..., str], read_text: Read, codes: Codes) -> None:
    """An empty header gives an empty message with findings; no field takes the default of writing."""
    read = read_text(packet(header="", trace=""))
    message = read.message
    assert (message.type, message.issued_on, message.recipients, message.id) == (None, None, (), "")
    assert (message.sender.id, message.signer.full_name) == ("", "")
    assert (message.business.type, message.business.paper) == (BusinessType.NEW, None)
    assert set(codes(read)) == {"EDX-MISSING"}
    message.model_dump_json()


def test_a_business_type_nobody_knows(packet: Callable[..., str], read_text: Read, codes: Codes) -> None:
    """A Bussiness of an unknown or missing type is of no type, not a new document."""
    for wrong in ("7", "x", ""):
        read = read_text(_changed(packet, "DocType>0<", f"DocType>{wrong}<"))
        assert read.message.business.type is None
        assert codes(read) == ["EDX-VALUE" if wrong else "EDX-EMPTY", "EDX-MISSING"]


def test_a_document_without_trace(packet: Callable[..., str], read_text: Read, codes: Codes) -> None:
    """A document without TraceHeaderList is read as a new one."""
    text = packet()
    start, end = text.index("<edXML:TraceHeaderList>"), text.index("</edXML:edXMLHeader>")
    read = read_text(text[:start] + text[end:])
    assert read.message.business.type is BusinessType.NEW
    assert codes(read) == ["EDX-MISSING"]


def test_parts_that_occur_twice(packet: Callable[..., str], read_text: Read, codes: Codes) -> None:
    """A second TraceHeaderList or body, and unknown parts of the frame, are reported with their text."""
    text = packet().replace(
        "</edXML:edXMLHeader>", "<edXML:TraceHeaderList>more</edXML:TraceHeaderList>" + "</edXML:edXMLHeader>"
    )
    text = text.replace("<AttachmentEncoded>", "lost<odd>x</odd><AttachmentEncoded>")
    read = read_text(text)
    assert [(one.code, one.seen) for one in read.findings] == [
        ("EDX-TEXT", "lost"),
        ("EDX-UNKNOWN", "odd: x"),
        ("EDX-REPEATED", "more"),
    ]


_STATUS = """<edXML:From><edXML:OrganId>G22</edXML:OrganId><edXML:OrganName>VPCP</edXML:OrganName></edXML:From>
<edXML:ResponseFor><edXML:OrganId>H29.05</edXML:OrganId><edXML:Code>1/A</edXML:Code></edXML:ResponseFor>
<edXML:StatusCode>{}</edXML:StatusCode><edXML:Timestamp>2026/11/21 10:00:00</edXML:Timestamp>"""


def _status(packet: Callable[..., str], code: str) -> str:
    text = packet(header=_STATUS.format(code))
    start, end = text.index("<edXML:TraceHeaderList>"), text.index("</edXML:edXMLHeader>")
    text = text[:start] + text[end:]
    start, end = text.index("<edXML:edXMLBody>"), text.index("</edXML:edXMLEnvelope>")
    text = text[:start] + text[end:]
    return text.replace("<AttachmentEncoded></AttachmentEncoded>", "")


@pytest.mark.parametrize(
    ("written", "code", "expected"),
    [
        ("03", StatusCode.ACCEPTED, []),
        ("3", StatusCode.ACCEPTED, ["EDX-FORM"]),
        ("99", "99", ["EDX-VALUE"]),
        ("", "", ["EDX-EMPTY", "EDX-MISSING"]),
    ],
)
def test_status_codes(
    written: str, code: str, expected: list[str], packet: Callable[..., str], read_text: Read, codes: Codes
) -> None:
    """A status code is two digits; one that nobody knows is kept as it is ("Status packet")."""
    read = read_text(_status(packet, written))
    assert read.kind == "status"
    assert read.message.code == code
    assert read.message.timestamp == datetime(2026, 11, 21, 3, tzinfo=UTC)
    assert codes(read) == expected
    read.message.model_dump_json()


def test_a_status_with_parts_of_a_document(packet: Callable[..., str], read_text: Read) -> None:
    """ "No TraceHeaderList, no body": in a status both are reported with their text."""
    read = read_text(packet(header=_STATUS.format("01")))
    assert [finding.code for finding in read.findings] == ["EDX-UNKNOWN"] * 3
    assert "2026/11/21 10:04:05" in "".join(finding.seen for finding in read.findings)


def test_dates_are_read_in_vietnam_time(packet: Callable[..., str], read_text: Read) -> None:
    """ "Vietnam time (UTC+7) without an offset": aware UTC inside."""
    read = read_text(packet())
    assert read.message.trace[0].timestamp == datetime(2026, 11, 21, 3, 4, 5, tzinfo=UTC)
    assert read.message.issued_on == date(2026, 11, 20)


def test_every_finding_has_its_words() -> None:
    """Each code has words and severity in the catalogue, in both languages."""
    for code, kind in edxml.FINDING_KINDS.items():
        assert code.startswith("EDX-")
        finding = edxml.Finding(code, "/*", "{seen}", "{x}")
        assert finding.message
        assert finding.message_vi
        assert finding.severity is kind.severity
        assert bool(kind.advice) == bool(kind.advice_vi)


@pytest.mark.parametrize(
    ("added", "ambiguous"),
    [
        ("", ()),
        ("<edXML:Subject>khác</edXML:Subject>", (("Subject", "khác"),)),
        ("<edXML:Subject>a</edXML:Subject><edXML:Subject>b</edXML:Subject>", (("Subject", "a"),)),
        ("<edXML:Subject/>", (("Subject", ""),)),
        ('<Subject xmlns="urn:other">khác</Subject>', (("Subject", "khác"),)),
        ('<Other xmlns="urn:other">khác</Other>', ()),
        ("<edXML:To><edXML:OrganId>A01</edXML:OrganId><edXML:OrganName>A</edXML:OrganName></edXML:To>", ()),
        ("<edXML:Code><edXML:CodeNumber>9</edXML:CodeNumber></edXML:Code>", (("Code", "9"), ("Code.CodeNumber", "9"))),
    ],
    ids=["nothing", "second", "two more", "empty", "another namespace", "unknown", "may be several", "a group"],
)
def test_what_readers_take_differently_is_listed(
    added: str, ambiguous: tuple[tuple[str, str], ...], packet: Callable[..., str], read_text: Read
) -> None:
    """Elements that occur more often than the standard allows are listed once, unsigned packets' too ("What a seal
    says": an element that occurs twice)."""
    read = read_text(packet().replace("</edXML:MessageHeader>", f"{added}</edXML:MessageHeader>"))
    assert read.ambiguous == ambiguous
    assert read.message.subject == read_text(packet()).message.subject
