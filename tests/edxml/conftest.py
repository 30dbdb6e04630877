"""Documents, packets and strategies for the tests of the packet layer.

Strategies are fixtures of the session: a test draws from them with `st.data()`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
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
    """Makes a small correct document; fields can be set otherwise."""

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
    """Makes a small correct status; fields can be set otherwise."""

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
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """Writes a message and gives the packet's bytes."""
    target = tmp_path_factory.mktemp("written") / "packet.edxml"

    def make(message: edxml.Message, **options: Any) -> bytes:
        edxml.write(message, target, **({"at": AT} | options))
        return target.read_bytes()

    return make


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
    """Makes the text of a correct packet without findings; its parts can be set otherwise."""

    def make(**parts: str) -> str:
        standard = {"header": _HEADER, "trace": _TRACE, "references": "", "attachments": ""}
        return _PACKET.format(**(standard | parts))

    return make


@pytest.fixture(scope="session")
def attached(packet: Callable[..., str]) -> Callable[..., str]:
    """Makes the text of a packet with one attachment, given its content element's inside and what else is odd."""

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
    """Reads a packet given as text."""
    return lambda text: edxml.read(text.encode())


@pytest.fixture(scope="session")
def codes() -> Callable[[edxml.Packet], list[str]]:
    """The codes of a packet's findings."""
    return lambda packet: [finding.code for finding in packet.findings]


@pytest.fixture(scope="session")
def whole_canonical() -> Callable[..., bytes]:
    """The canonical form by parsing the whole packet, attachments and all, without an element named Signature."""

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

_CHARACTERS = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff") | st.sampled_from(
    "\n\r\t&<>\"']"
)


def _text(most: int = 40) -> st.SearchStrategy[str]:
    return st.text(_CHARACTERS, min_size=1, max_size=most).map(str.strip).filter(lambda text: text not in ("", "null"))


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def _several(strategy: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[Any]:
    return st.lists(strategy, min_size=least, max_size=3).map(tuple)


_ORGAN_IDS = st.from_regex(r"[A-Z][0-9]{2}(\.[0-9]{2}){0,2}", fullmatch=True) | st.from_regex(
    r"[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.[A-Z][0-9]{2}", fullmatch=True
)
_DATES = st.dates(date(1945, 9, 2), date(2026, 11, 20))
_TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)
_IDS = st.uuids().map(str) | st.builds(
    "{},{:%Y/%m/%d},{}/{}".format, _ORGAN_IDS, _DATES, st.integers(1, 9999), st.sampled_from(["VPCP-TTĐT", "A/B"])
)


def _said(kind: type[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values of a model whose fields may all be absent, with at least one present."""
    return st.fixed_dictionaries({}, optional=fields).filter(bool).map(lambda given: kind(**given))


_ORGANIZATIONS = st.builds(
    edxml.Organization,
    id=_ORGAN_IDS,
    name=_text(),
    **{name: _maybe(_text(20)) for name in ("in_charge", "address", "email", "telephone", "fax", "website")},
)
_STAFF = _said(
    edxml.StaffInfo,
    **{name: _text(20) for name in ("department", "department_id", "staff", "staff_id", "email", "mobile")},
)
_RESPONSES = _said(edxml.ResponseFor, organ_id=_ORGAN_IDS, code=_text(20), document_id=_IDS, issued_on=_DATES)
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
    st.builds(edxml.Business, type=st.just(kind), paper=st.booleans(), staff=_maybe(_STAFF), **fields)
    for kind, fields in _BUSINESSES.items()
)
_NAMES = st.builds("{}{}".format, _text(20), st.sampled_from([".pdf", ".DOCX", ".zip", ""])).filter(
    lambda name: name != "edoc-seal.xml"
)
_ATTACHMENTS = st.builds(
    edxml.Attachment.from_bytes, st.binary(min_size=1, max_size=200), name=_NAMES, description=_maybe(_text())
)


@pytest.fixture(scope="session")
def documents() -> st.SearchStrategy[edxml.Document]:
    """Correct documents of all four business types."""
    return st.builds(
        edxml.Document,
        sender=_ORGANIZATIONS,
        recipients=st.lists(_ORGANIZATIONS, min_size=1, max_size=3, unique_by=lambda one: one.id).map(tuple),
        number=_text(11).filter(lambda text: "/" not in text and "," not in text),
        notation=_text(30),
        issued_on=_DATES,
        type_name=_text(),
        subject=_text(500),
        signer=st.builds(edxml.SignerInfo, full_name=_text(), position=_maybe(_text()), competence=_maybe(_text())),
        type=st.integers(0, 999),
        priority=_maybe(st.sampled_from(edxml.Priority)),
        responses_for=_several(_RESPONSES),
        trace=_several(st.builds(edxml.TraceHeader, organ_id=_ORGAN_IDS, timestamp=_TIMES)),
        business=_BUSINESS,
        attachments=_several(_ATTACHMENTS),
        due_date=_maybe(_DATES),
        **{name: _maybe(st.integers(0, 999_999_999)) for name in ("type_detail", "copies", "pages")},
        **{name: _maybe(st.booleans()) for name in ("steering_document", "steering")},
        **{name: _several(_text()) for name in ("appendixes", "task_codes", "to_places")},
        **{
            name: _maybe(_text(10))
            for name in (
                "place",
                "content",
                "sphere",
                "typer_notation",
                "reply_for",
                "reference_codes",
                "application_type",
            )
        },
    )


@pytest.fixture(scope="session")
def statuses() -> st.SearchStrategy[edxml.StatusMessage]:
    """Correct statuses of all codes."""
    about = st.builds(
        edxml.ResponseFor, organ_id=_ORGAN_IDS, code=_maybe(_text(20)), document_id=_IDS, issued_on=_maybe(_DATES)
    )
    return st.builds(
        edxml.StatusMessage,
        sender=_ORGANIZATIONS,
        response_for=about,
        code=st.sampled_from(StatusCode),
        description=_text(),
        timestamp=_TIMES,
        staff=_maybe(_STAFF),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder that must hold no leftovers of writing when the test ends."""
    yield tmp_path
    assert not list(tmp_path.glob(".edoc-*"))
