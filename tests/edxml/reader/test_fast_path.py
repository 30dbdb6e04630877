"""The fast path gives the same values as the close reading, or none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from edoc_connector import edxml
from edoc_connector.edxml.message.table import DOCUMENT_HEADER, DOCUMENT_TRACE, ENCODED_ATTACHMENT
from edoc_connector.edxml.reader import elements
from edoc_connector.edxml.reader.fast_path import read_plain_values
from edoc_connector.testing import sample_document


def _closely(packet: Path | bytes, monkeypatch: pytest.MonkeyPatch) -> edxml.Packet:
    with monkeypatch.context() as patched:
        patched.setattr(elements, "read_plain_values", lambda *_: None)
        return edxml.read(packet)


def test_what_we_write_is_read_at_once(tmp_path: Path) -> None:
    """A packet as the standard writes it needs no close look at its parts."""
    path = tmp_path / "a.edxml"
    edxml.write(sample_document(), path, at=datetime.now(UTC))
    root = edxml.read(path).skeleton.root
    for name, table, prefix in (
        ("MessageHeader", DOCUMENT_HEADER, "edXML"),
        ("TraceHeaderList", DOCUMENT_TRACE, "edXML"),
        ("Attachment", ENCODED_ATTACHMENT, None),
    ):
        assert read_plain_values(table, next(root.iter(f"{{{edxml.NS}}}{name}")), prefix) is not None


_ODD: dict[str, Callable[[str], str]] = {
    "as written": lambda text: text,
    "spaces around": lambda text: text.replace("<edXML:Subject>", "<edXML:Subject> "),
    "an empty element": lambda text: text.replace("</edXML:Subject>", "</edXML:Subject><edXML:Content/>"),
    "an attribute": lambda text: text.replace("<edXML:Subject>", "<edXML:Subject a='b'>"),
    "an empty group": lambda text: text.replace("<edXML:Subject>", "<edXML:OtherInfo/><edXML:Subject>"),
    "a group twice": lambda text: text.replace(
        "<edXML:Subject>", "<edXML:Code><edXML:CodeNumber>1</edXML:CodeNumber></edXML:Code><edXML:Subject>"
    ),
    "an element twice": lambda text: text.replace("<edXML:Subject>", "<edXML:Subject>x</edXML:Subject><edXML:Subject>"),
    "an unknown element": lambda text: text.replace("<edXML:Subject>", "<edXML:X>y</edXML:X><edXML:Subject>"),
    "another prefix": lambda text: text.replace("<ContentType>", "<e:ContentType xmlns:e='" + edxml.NS + "'>").replace(
        "</ContentType>", "</e:ContentType>"
    ),
    "another order": lambda text: text.replace(
        "<edXML:Subject>", "<edXML:DueDate>2020/01/01</edXML:DueDate><edXML:Subject>"
    ),
    "stray text": lambda text: text.replace("<edXML:Subject>", "stray<edXML:Subject>"),
    "a comment": lambda text: text.replace("<edXML:Subject>", "<!-- x --><edXML:Subject>"),
    "a comment inside": lambda text: text.replace("<edXML:Subject>", "<edXML:Subject><!-- x -->"),
    "null": lambda text: text.replace("<edXML:FullName>", "<edXML:Position>null</edXML:Position><edXML:FullName>"),
    "a date in another form": lambda text: text.replace(
        "<edXML:Subject>", "<edXML:DueDate>1-2-2020</edXML:DueDate><edXML:Subject>"
    ),
    "text too long": lambda text: text.replace("<edXML:Subject>", "<edXML:Subject>" + 600 * "x"),
    "another namespace": lambda text: text.replace(edxml.NS, "http://www.e-doc.vn/Schema/"),
    "a code of no system": lambda text: text.replace("<edXML:OrganId>", "<edXML:OrganId>?"),
    "something missing": lambda text: text.replace("edXML:OrganName>", "edXML:Website>"),
}


@pytest.mark.parametrize("odd", _ODD)
def test_what_is_odd_is_read_closely(odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both readings of an element with a deviation give the same values and findings."""
    path = tmp_path / "a.edxml"
    edxml.write(sample_document(), path, at=datetime.now(UTC))
    data = _ODD[odd](path.read_text("utf-8")).encode()
    assert (data == path.read_bytes()) == (odd == "as written")
    packet, closely = edxml.read(data), _closely(data, monkeypatch)
    assert packet.message == closely.message
    assert packet.message.model_fields_set == closely.message.model_fields_set
    assert packet.findings == closely.findings
    assert bool(packet.findings) == (odd not in ("as written", "a comment"))


_NAMES = ("ContentId", "AttachmentName", "Description", "MimeType", "Other", "FieldName", "ContentTransferEncoded")
_LEAF = st.tuples(
    st.sampled_from(_NAMES),
    st.sampled_from(("a", " a", "null", "", "<b/>", "<!---->a", "á&amp;")),
    st.sampled_from(("", " ", "x")),
)


@given(st.lists(_LEAF, max_size=8))
def test_any_attachment_is_read_alike(leaves: list[tuple[str, str, str]]) -> None:
    """The fast path gives the same values for any attachment element, or none where there is a finding."""
    inside = "".join(f"<{name}>{text}</{name}>{tail}" for name, text, tail in leaves)
    element = etree.fromstring(f'<Attachment xmlns="{edxml.NS}">{inside}</Attachment>')
    reading = elements.ElementReader((), format_excerpt=str, find_position=lambda _: (1, 1))
    slow = reading._read_closely(ENCODED_ATTACHMENT, element)
    quick = read_plain_values(ENCODED_ATTACHMENT, element, None)
    assert quick is None if reading.findings else quick == slow
