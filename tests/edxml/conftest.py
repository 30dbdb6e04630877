"""Documents, packets and strategies for the tests of the packet layer.

Strategies are fixtures of the session: a test draws from them with `st.data()`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import strategies as st
from lxml import etree

import edoc_connector.edxml as edxml
from edoc_connector.edxml import BusinessType, StatusCode

AT = datetime(2026, 11, 21, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="session")
def at() -> datetime:
    """The time of writing."""
    return AT


@pytest.fixture(scope="session")
def document() -> Callable[..., edxml.Document]:
    """Make a small correct document; fields can be set otherwise."""

    def make(**changes: Any) -> edxml.Document:
        fields: dict[str, Any] = {
            "sender": edxml.Organization(id="H29.05", name="Sở Nội vụ"),
            "recipients": (edxml.Organization(id="G22", name="Văn phòng Chính phủ"),),
            "number": "7816",
            "notation": "SNV-VP",
            "issued_on": date(2026, 11, 20),
            "type_name": "Công văn",
            "subject": "V/v kết nối, liên thông văn bản",
            "signer": edxml.SignerInfo(full_name="Nguyễn Văn A"),
            "attachments": (edxml.Attachment.from_bytes(b"%PDF-1.4 content", name="cong-van.pdf"),),
        }
        return edxml.Document(**(fields | changes))

    return make


@pytest.fixture(scope="session")
def status() -> Callable[..., edxml.StatusMessage]:
    """Make a small correct status; fields can be set otherwise."""

    def make(**changes: Any) -> edxml.StatusMessage:
        fields: dict[str, Any] = {
            "sender": edxml.Organization(id="G22", name="Văn phòng Chính phủ"),
            "response_for": edxml.ResponseFor(
                organ_id="H29.05",
                code="7816/SNV-VP",
                document_id="H29.05,2026/11/20,7816/SNV-VP",
                issued_on=date(2026, 11, 20),
            ),
            "code": StatusCode.ARRIVED,
            "timestamp": AT,
        }
        return edxml.StatusMessage(**(fields | changes))

    return make


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., bytes]]:
    """Write a message and return the packet's bytes."""
    with ExitStack() as stack:
        # packets of thousands of examples, each forced to the disk before it is read back: in memory where that can be
        memory = Path("/dev/shm")
        folder = stack.enter_context(TemporaryDirectory(dir=memory)) if memory.is_dir() else tmp_path_factory.mktemp("")
        target = Path(folder) / "packet.edxml"

        def make(message: edxml.Message, **options: Any) -> bytes:
            edxml.write(message, target, **({"at": AT} | options))
            return target.read_bytes()

        yield make


_HEADER = """<edXML:From><edXML:OrganId>H29.05</edXML:OrganId><edXML:OrganName>Sở Nội vụ</edXML:OrganName></edXML:From>
<edXML:To><edXML:OrganId>G22</edXML:OrganId><edXML:OrganName>Văn phòng Chính phủ</edXML:OrganName></edXML:To>
<edXML:DocumentId>H29.05,2026/11/20,7816/SNV-VP</edXML:DocumentId>
<edXML:Code><edXML:CodeNumber>7816</edXML:CodeNumber><edXML:CodeNotation>SNV-VP</edXML:CodeNotation></edXML:Code>
<edXML:PromulgationInfo><edXML:PromulgationDate>2026/11/20</edXML:PromulgationDate></edXML:PromulgationInfo>
<edXML:DocumentType><edXML:Type>2</edXML:Type><edXML:TypeName>Công văn</edXML:TypeName></edXML:DocumentType>
<edXML:Subject>V/v kết nối</edXML:Subject>
<edXML:SignerInfo><edXML:FullName>Nguyễn Văn A</edXML:FullName></edXML:SignerInfo>
"""
_TRACE = """<edXML:TraceHeader><edXML:OrganId>H29.05</edXML:OrganId>
<edXML:Timestamp>2026/11/21 10:04:05</edXML:Timestamp></edXML:TraceHeader>
<edXML:Bussiness><edXML:BussinessDocType>0</edXML:BussinessDocType><edXML:Paper>0</edXML:Paper></edXML:Bussiness>"""
_PACKET = """<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">
<edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXML:edXMLHeader>
<edXML:MessageHeader>{header}</edXML:MessageHeader>
<edXML:TraceHeaderList>{trace}</edXML:TraceHeaderList>
</edXML:edXMLHeader>
<edXML:edXMLBody><edXML:edXMLManifest version="1.0">{references}</edXML:edXMLManifest></edXML:edXMLBody>
</edXML:edXMLEnvelope>
<AttachmentEncoded>{attachments}</AttachmentEncoded>
</edXML>
"""


@pytest.fixture(scope="session")
def packet() -> Callable[..., str]:
    """Make the text of a correct packet without findings; its parts can be set otherwise."""

    def make(**parts: str) -> str:
        standard = {"header": _HEADER, "trace": _TRACE, "references": "", "attachments": ""}
        return _PACKET.format(**(standard | parts))

    return make


@pytest.fixture(scope="session")
def attached(packet: Callable[..., str]) -> Callable[..., str]:
    """Make the text of a packet with one attachment, from the inside of its content element and other deviations."""

    def make(inside: str | bytes = b"content", **odd: str) -> str:
        text = base64.b64encode(inside).decode() if isinstance(inside, bytes) else inside
        part = {"cid": "cid:1", "ref_cid": "cid:1", "name": "a.dat", "ref_name": "a.dat"}
        part |= {"kind": "application/x-data", "ref_kind": "application/x-data"} | odd
        reference = (
            f"<edXML:Reference><edXML:ContentId>{part['ref_cid']}</edXML:ContentId>"
            f"<edXML:ContentType>{part['ref_kind']}</edXML:ContentType>"
            f"<edXML:AttachmentName>{part['ref_name']}</edXML:AttachmentName></edXML:Reference>"
        )
        attachment = (
            f"<Attachment><ContentId>{part['cid']}</ContentId><AttachmentName>{part['name']}</AttachmentName>"
            f"<ContentType>{part['kind']}</ContentType>"
            f"<ContentTransferEncoded>{text}</ContentTransferEncoded></Attachment>"
        )
        return packet(references=reference, attachments=attachment)

    return make


@pytest.fixture(scope="session")
def read_text() -> Callable[[str], edxml.Packet]:
    """Read a packet from text."""
    return lambda text: edxml.read(text.encode())


@pytest.fixture(scope="session")
def codes() -> Callable[[edxml.Packet], list[str]]:
    """List the codes of a packet's findings."""
    return lambda packet: [finding.code for finding in packet.findings]


@pytest.fixture(scope="session")
def whole_canonical() -> Callable[..., bytes]:
    """Compute the canonical form from the tree of the whole packet, without an element named Signature."""

    def make(data: bytes, *, exclusive: bool, without_signature: bool = False) -> bytes:
        tree = etree.fromstring(data, etree.XMLParser(huge_tree=True, resolve_entities=False)).getroottree()
        if without_signature:
            for signature in tree.iter(f"{{{edxml.DS}}}Signature"):
                before, parent = signature.getprevious(), signature.getparent()
                if before is not None:
                    before.tail = (before.tail or "") + (signature.tail or "")
                else:
                    parent.text = (parent.text or "") + (signature.tail or "")
                parent.remove(signature)
        return etree.tostring(tree, method="c14n", exclusive=exclusive, with_comments=False)

    return make


# -- strategies

# Drawing is most of what an example costs, and goes by the draw: so a text is one draw, and so is which of the optional
# fields are there; nothing is drawn to be thrown away.

_CHARACTERS = st.characters(
    exclude_categories=["Cs"],
    exclude_characters="".join(map(chr, set(range(0x20)) - {0x09, 0x0A, 0x0D})) + "\ufffe\uffff",
)
"""Every character that XML allows."""

_LOCAL = (
    "àáảãạăằắẳẵặâầấẩẫậđèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵĐĂƯƠ"  # Vietnamese
    "&<>\"']\n\r\t"  # means something to XML
    "\u0300\u0301\u0303\u0309\u0323"  # tone marks by themselves
    "\u200b\u200e\u202e\ufeff\xa0\x7f\x85\u2028\ufffd\U0001f600\U0010ffff"  # not seen, or seen to go wrong
)
_LIKELY = str.maketrans("".join(map(chr, range(0xA0, 0x100))), _LOCAL)
"""Puts what matters here in the place of the letters and signs of Latin-1, which are drawn as often as ASCII."""


def _text(most: int = 40) -> st.SearchStrategy[str]:
    """Generate non-empty texts, some of the greatest length allowed."""

    def fitting(drawn: str) -> str:
        text = drawn.translate(_LIKELY).strip()
        if text in ("", "null"):
            return "-"
        return (text * most)[:most].strip() if len(text) == 8 else text

    return st.text(_CHARACTERS, min_size=1, max_size=most).map(fitting)


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def _several(strategy: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[Any]:
    return st.lists(strategy, min_size=least, max_size=3).map(tuple)


@st.composite
def _made(
    draw: st.DrawFn,
    kind: Callable[..., Any],
    optional: dict[str, st.SearchStrategy[Any]],
    least: int = 0,
    /,
    **always: st.SearchStrategy[Any],
) -> Any:
    """Generate values with all mandatory fields and any of the optional ones, at least `least` (0 or 1) of them."""
    chosen = draw(st.integers(least, 2 ** len(optional) - 1))
    there = [name for place, name in enumerate(optional) if chosen >> place & 1]
    return kind(**{name: draw(always[name]) for name in always}, **{name: draw(optional[name]) for name in there})


def _organ_id(drawn: bytes) -> str:
    letter, number, first, second, form = drawn
    main, under = f"{chr(65 + letter % 26)}{number % 100:02}", f"{first % 100:02}"
    deeper = f"{under}.{second % 100:02}"
    return (main, f"{main}.{under}", f"{main}.{deeper}", f"{letter:03}.{deeper}.{main}")[form % 4]


_ORGAN_IDS = st.binary(min_size=5, max_size=5).map(_organ_id)
_DATES = st.integers(date(1945, 9, 2).toordinal(), date(2026, 11, 20).toordinal()).map(date.fromordinal)
_TIMES = st.builds(
    lambda day, second: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day, seconds=second),
    st.integers(0, 47_481),  # to the end of 2099
    st.integers(0, 86_399),
)
_IDS = st.uuids().map(str) | st.builds(
    "{},{:%Y/%m/%d},{}/{}".format, _ORGAN_IDS, _DATES, st.integers(1, 9999), st.sampled_from(["VPCP-TTĐT", "A/B"])
)

_ORGANIZATIONS = _made(
    edxml.Organization,
    {
        name: _text(most)
        for name, most in {
            "in_charge": 500,
            "address": 500,
            "email": 100,
            "telephone": 20,
            "fax": 20,
            "website": 100,
        }.items()
    },
    id=_ORGAN_IDS,
    name=_text(200),
)
_STAFF = _made(
    edxml.StaffInfo,
    {name: _text(20) for name in ("department", "department_id", "staff", "staff_id", "email", "mobile")},
    1,
)
_RESPONSES = _made(
    edxml.ResponseFor, {"organ_id": _ORGAN_IDS, "code": _text(20), "document_id": _IDS, "issued_on": _DATES}, 1
)
_BUSINESSES = {
    BusinessType.NEW: {},
    BusinessType.RECALL: {"document_id": _IDS, "reason": _text()},
    BusinessType.UPDATE: {
        "document_id": _IDS,
        "reason": _text(),
        "content_changed": st.booleans(),
        "receivers_changed": st.just(True),
        "receivers": _several(st.builds(edxml.ReceiverChange, organ_id=_ORGAN_IDS, added=st.booleans()), 1),
    },
    BusinessType.REPLACE: {
        "reason": _text(),
        "replaces": _several(
            st.builds(edxml.Replacement, document_id=_IDS, organ_ids=_several(_ORGAN_IDS, 1)),
            1,
        ),
    },
}
_BUSINESS = st.one_of(
    [
        _made(edxml.Business, {"staff": _STAFF}, type=st.just(kind), paper=st.booleans(), **fields)
        for kind, fields in _BUSINESSES.items()
    ]
)
_NAMES = st.builds("{}{}".format, _text(20), st.sampled_from([".pdf", ".DOCX", ".zip", ""])).map(
    lambda name: "edoc-seal.xml.pdf" if name == "edoc-seal.xml" else name
)
_ATTACHMENTS = _made(
    edxml.Attachment.from_bytes, {"description": _text()}, data=st.binary(min_size=1, max_size=200), name=_NAMES
)
_NUMBERS = st.integers(0, 999_999_999)
_OPTIONAL = {
    "priority": st.sampled_from(edxml.Priority),
    "due_date": _DATES,
    "type_detail": _NUMBERS,
    "copies": _NUMBERS,
    "pages": _NUMBERS,
    "steering_document": st.booleans(),
    "steering": st.booleans(),
    "content": _text(500),
    "place": _text(50),
    "sphere": _text(100),
    "typer_notation": _text(10),
    "reply_for": _text(),
    "reference_codes": _text(),
    "application_type": _text(),
    "responses_for": _several(_RESPONSES, 1),
    "trace": _several(st.builds(edxml.TraceHeader, organ_id=_ORGAN_IDS, timestamp=_TIMES), 1),
    "appendixes": _several(_text(), 1),
    "task_codes": _several(_text(), 1),
    "to_places": _several(_text(150), 1),
    "attachments": _several(_ATTACHMENTS, 1),
}


@pytest.fixture(scope="session")
def documents() -> st.SearchStrategy[edxml.Document]:
    """Generate correct documents of all four business types."""
    return _made(
        edxml.Document,
        _OPTIONAL,
        sender=_ORGANIZATIONS,
        recipients=st.lists(_ORGANIZATIONS, min_size=1, max_size=3, unique_by=lambda one: one.id).map(tuple),
        number=_text(11).map(lambda text: text.translate({ord("/"): "-", ord(","): "-"})),
        notation=_text(30),
        issued_on=_DATES,
        type_name=_text(100),
        subject=_text(500),
        signer=_made(edxml.SignerInfo, {"position": _text(100), "competence": _text(100)}, full_name=_text(50)),
        type=st.integers(0, 999),
        business=_BUSINESS,
    )


@pytest.fixture(scope="session")
def statuses() -> st.SearchStrategy[edxml.StatusMessage]:
    """Generate correct statuses of all codes."""
    return _made(
        edxml.StatusMessage,
        {"staff": _STAFF},
        sender=_ORGANIZATIONS,
        response_for=_made(
            edxml.ResponseFor,
            {"code": _text(20), "issued_on": _DATES},
            organ_id=_ORGAN_IDS,
            document_id=_IDS,
        ),
        code=st.sampled_from(StatusCode),
        description=_text(),
        timestamp=_TIMES,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder that must hold no leftovers of writing when the test ends."""
    yield tmp_path
    assert not list(tmp_path.glob(".edoc-*"))
