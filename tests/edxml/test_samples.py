"""Packets as other people write them, compared with a plain walk over their elements: nothing is lost."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import edoc_connector.edxml as edxml
from edoc_connector.edxml.message.values import write_time
from edoc_connector.errors import PacketError


def _leaves(data: bytes) -> list[tuple[str, str]]:
    """Iterate over names and texts of all leaves but those of Signature and of attachments' content, by lxml alone."""
    root = etree.fromstring(data, etree.XMLParser(recover=True, huge_tree=True, resolve_entities=False))
    found = []
    for element in root.iter("*"):
        name = _name(element)
        inside = {_name(above) for above in element.iterancestors()}
        text = (element.text or "").strip()
        if text and name != "ContentTransferEncoded" and "Signature" not in inside:
            found.append((name, text))
    return found


def _name(element: etree._Element) -> str:
    """Find the local name, also of an element with an undeclared prefix."""
    return str(element.tag).rpartition("}")[2].rpartition(":")[2]


def _said(packet: edxml.Packet) -> str:
    """Join everything that the reader gives into one text; times as on the wire, codes as numbers."""
    attachments = [(f"cid:{a.content_id}", a.name, a.description, a.content_type) for a in packet.attachments]
    findings = [finding.seen for finding in packet.findings]
    return "\n".join(
        [packet.message.model_dump_json(), *map(repr, edxml.facts(packet.message)), repr(attachments), *findings]
    )


def test_every_element_is_there(sample: Path) -> None:
    """Each text of the source is in the model, in an attachment or in a finding."""
    packet = edxml.read(sample)
    assert packet.kind == ("status" if "status" in sample.name else "document")
    said = _said(packet)
    leaves = _leaves(sample.read_bytes())
    assert len(leaves) > 10
    for tag, text in leaves:
        if tag == "Timestamp":
            assert text in [_wire(moment) for moment in _moments(packet.message)], text
        else:
            shown = text.replace('"', '\\"')
            assert shown in said or unicodedata.normalize("NFC", shown) in said, (tag, text)


def _moments(message: edxml.Message) -> list[Any]:
    if isinstance(message, edxml.StatusMessage):
        return [message.timestamp]
    return [one.timestamp for one in message.trace]


def _wire(moment: datetime) -> str:
    return write_time(moment)


@pytest.mark.parametrize("name", ["edoc_replacement", "edoc_revocation", "edoc_update"])
def test_attachments_unpack(name: str, collection: Path) -> None:
    """The samples' zips, written as streams, unpack to the file of the stated name."""
    packet = edxml.read(collection / "samples" / f"{name}.edxml")
    (attachment,) = packet.attachments
    expected = {"data": ("quy-dinh.doc", 3584), "shared": ("1896_QD-TTg_m_294779.doc", 388347)}
    assert (attachment.name, attachment.size) == expected[collection.name]
    assert attachment.content_type == "application/msword"
    assert list(packet.content_findings()) == []


LINES_OF_UPDATE = {
    "data": {
        "EDX-LINE-ENDS": 1,
        "EDX-DATE-ID": 37,
        "EDX-SIGNATURE": 101,
        "EDX-PACKED": 134,
        "EDX-PREFIX-FORM": 139,
    },
    "shared": {
        "EDX-LINE-ENDS": 1,
        "EDX-DATE-ID": 53,
        "EDX-ID-DATE": 91,
        "EDX-SIGNATURE": 117,
        "EDX-PACKED": 151,
        "EDX-PREFIX-FORM": 156,
    },
}


def test_what_the_samples_are_known_for(collection: Path) -> None:
    """Undeclared prefixes, an empty ResponseFor, a missing Bussiness and a placeholder content are reported."""
    packet = edxml.read(collection / "samples" / "edoc.edxml")
    expected = {"EDX-PREFIX", "EDX-EMPTY", "EDX-ORDER", "EDX-MISSING", "EDX-ORGAN-ID", "EDX-LINE-ENDS"}
    expected.add("EDX-PREFIX-FORM")
    assert expected == {f.code for f in packet.findings}
    assert packet.skeleton.has_namespace_errors
    assert [finding.code for finding in packet.content_findings()] == ["EDX-BASE64"]
    update = edxml.read(collection / "samples" / "edoc_update.edxml")
    assert {finding.code: finding.line for finding in update.findings} == LINES_OF_UPDATE[collection.name]


def test_bytes_before_the_declaration(collection: Path) -> None:
    """``edoc_new.edxml`` begins with digits: not XML, refused with an error that says so in both languages."""
    with pytest.raises(PacketError) as caught:
        edxml.read(collection / "samples" / "edoc_new.edxml")
    assert caught.value.code == "EDX-LEADING-BYTES"
    digits = {"data": "45", "shared": "1212"}[collection.name]
    assert f"{len(digits)} bytes ('{digits}')" in caught.value.message
    assert f"{len(digits)} byte ('{digits}')" in caught.value.vi
    assert (caught.value.line, caught.value.column) == (1, 1)


def test_canonical_forms(sample: Path) -> None:
    """The streamed canonical form of a well-formed sample is that of the whole tree."""
    packet = edxml.read(sample)
    if packet.skeleton.has_namespace_errors:
        return
    tree = etree.parse(sample, etree.XMLParser(huge_tree=True))
    for exclusive in (True, False):
        whole = etree.tostring(tree, method="c14n", exclusive=exclusive, with_comments=False)
        assert b"".join(packet.skeleton.iter_canonical(exclusive=exclusive)) == whole
