"""Findings and broken rules of a packet in one list, by line (what `edoc lint` shows)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

import edoc_connector.edxml as edxml
from edoc_connector.errors import PacketError

Said = list[tuple[int | None, str]]


def _said(text: str, at: datetime) -> Said:
    return [(one.line, one.code) for one in edxml.remarks(edxml.read(text.encode()), at=at)]


def _line_of(text: str, what: str) -> int:
    return text[: text.index(what)].count("\n") + 1


def test_a_right_packet_has_none(attached: Callable[..., str], at: datetime) -> None:
    """A packet that follows the standard has no remarks."""
    assert _said(attached(), at) == []


@pytest.mark.parametrize("breaks", [0, 1, 1000])
def test_lines_are_those_of_the_file(breaks: int, attached: Callable[..., str], at: datetime) -> None:
    """A finding has the line of its element in the file, however many lines the attachments before it take."""
    content = f"<ContentTransferEncoded>{'QUJD' + chr(10) * breaks}</ContentTransferEncoded>"
    first = f"<Attachment><ContentId>2</ContentId><AttachmentName>b</AttachmentName>{content}</Attachment>"
    text = attached().replace("<Attachment>", f"{first}<odd/>\n<Attachment>", 1)
    text = text.replace("</AttachmentEncoded>", "</AttachmentEncoded>\n<last/>")
    found = {one.code + one.seen: one.line for one in edxml.read(text.encode()).findings}
    assert found["EDX-UNKNOWNodd"] == _line_of(text, "<odd/>")
    assert found["EDX-UNKNOWNlast"] == _line_of(text, "<last/>")
    assert found["EDX-CID2"] == _line_of(text, "<Attachment>")


def test_lines_of_errors_behind_attachments(attached: Callable[..., str]) -> None:
    """An error that only the second parser notices has the line of the file too."""
    text = attached("QU\n\n\nJD").replace("</AttachmentEncoded>", "</AttachmentEncoded>\n<a:b:c/>")
    with pytest.raises(PacketError) as caught:
        edxml.read(text.encode())
    assert caught.value.line == _line_of(text, "<a:b:c/>")
    assert f"line {caught.value.line}" in caught.value.message


def test_a_second_header_behind_an_attachment(attached: Callable[..., str]) -> None:
    """The place of a refused element counts the lines of attachments before it."""
    text = attached("QU\n\n\nJD").replace("</AttachmentEncoded>", "</AttachmentEncoded>\n<edXMLEnvelope/>")
    with pytest.raises(PacketError) as caught:
        edxml.read(text.encode())
    assert caught.value.line == _line_of(text, "<edXMLEnvelope/>")


def test_undeclared_prefixes_have_their_first_line(attached: Callable[..., str]) -> None:
    """The line is that of the first element with the prefix."""
    text = attached().replace("<AttachmentEncoded>", "<AttachmentEncoded>\n<x:odd/>\n<x:odd/>")
    prefix = next(one for one in edxml.read(text.encode()).findings if one.code == "EDX-PREFIX")
    assert prefix.line == _line_of(text, "<x:odd/>")


def test_what_is_said_twice_is_said_once(attached: Callable[..., str], at: datetime) -> None:
    """A finding and a rule about one element are one remark, with the greater weight."""
    text = attached().replace("<edXML:Subject>V/v kết nối</edXML:Subject>\n", "")
    assert _said(text, at) == [(_line_of(text, "<edXML:MessageHeader>"), "EDX-MISSING")]
    text = attached().replace("V/v kết nối", "x" * 501)
    assert _said(text, at) == [(_line_of(text, "<edXML:Subject>"), "EDR-LENGTH")]


def test_rules_have_lines_and_clauses(attached: Callable[..., str], at: datetime) -> None:
    """A remark about a rule of writing has the line of its element, or of the parent of a missing one."""
    text = attached().replace("2026/11/20</edXML:Prom", "2030/01/01</edXML:Prom").replace("DocType>0<", "DocType>1<")
    found = edxml.remarks(edxml.read(text.encode()), at=at)
    promulgated, business = _line_of(text, "<edXML:PromulgationDate>"), _line_of(text, "<edXML:Bussiness>")
    assert [(one.line, one.code, one.xpath.rpartition("/")[2]) for one in found] == [
        (promulgated, "EDR-FUTURE", "PromulgationDate"),
        (promulgated, "EDX-DATE-ID", "PromulgationDate"),
        (business, "EDR-REQUIRED", "BussinessDocReason"),
        (business, "EDR-REQUIRED", "DocumentId"),
    ]
    rules = [one for one in found if one.code.startswith("EDR-")]
    assert all(one.clause.startswith("QCVN 102") and one.message and one.message_vi for one in rules)


def test_the_same_recipient_twice(attached: Callable[..., str], at: datetime) -> None:
    """The second of two elements is named by its position, empty ones between them left out."""
    again = "<edXML:To/>\n<edXML:To><edXML:OrganId>g22</edXML:OrganId><edXML:OrganName>V</edXML:OrganName></edXML:To>"
    text = attached().replace("<edXML:DocumentId>", f"{again}<edXML:DocumentId>", 1)
    last = [one for one in edxml.remarks(edxml.read(text.encode()), at=at) if one.code == "EDR-RECIPIENT-TWICE"]
    assert [(one.line, one.xpath.rpartition("/To")[2]) for one in last] == [
        (_line_of(text, "<edXML:OrganId>g22"), "[3]/OrganId")
    ]


def test_a_seal_is_no_problem(
    document: Callable[..., edxml.Document], written: Callable[..., bytes], at: datetime
) -> None:
    """The seal's name belongs to the seal."""
    data = written(document(), seal=lambda digests: b'<?xml version="1.0"?><Seal/>')
    assert edxml.remarks(edxml.read(data), at=at) == ()


def test_a_status(status: Callable[..., edxml.StatusMessage], written: Callable[..., bytes], at: datetime) -> None:
    """Statuses are held to their own rules."""
    data = written(status(code=edxml.StatusCode.REJECTED, description="r"))
    assert edxml.remarks(edxml.read(data), at=at) == ()
    data = data.replace(b"<edXML:Description>r</edXML:Description>", b"")
    assert [one.code for one in edxml.remarks(edxml.read(data), at=at)] == ["EDR-REQUIRED"]
