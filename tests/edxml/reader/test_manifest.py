"""Manifest and attachments of a packet, matched by content id ("Body and attachments")."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import edoc_connector.edxml as edxml

Attached = Callable[..., str]


def _codes(text: str) -> list[str]:
    return [finding.code for finding in edxml.read(text.encode()).findings]


@pytest.mark.parametrize(
    ("cid", "ref_cid", "expected"),
    [
        ("cid:1", "cid:1", []),
        ("1", "cid:1", ["EDX-CID"]),
        ("cid:1", "1", ["EDX-CID"]),
        ("cid:cid:1", "cid:cid:1", ["EDX-CID", "EDX-CID"]),
        ("cid: 1", "cid:1", ["EDX-CID"]),
        ("", "cid:1", ["EDX-EMPTY", "EDX-MISSING", "EDX-NO-REFERENCE", "EDX-NO-ATTACHMENT"]),
        ("cid:2", "cid:1", ["EDX-NO-REFERENCE", "EDX-NO-ATTACHMENT"]),
    ],
)
def test_content_ids(cid: str, ref_cid: str, expected: list[str], attached: Attached) -> None:
    """``cid:`` may be missing on one side or doubled; entries without a counterpart are reported."""
    text = attached(cid=cid, ref_cid=ref_cid)
    assert _codes(text) == expected
    (one,) = edxml.read(text.encode()).attachments
    assert one.content_id == (cid.replace("cid:", "").strip() or None)


def test_one_id_for_two(attached: Attached) -> None:
    """Two attachments of one id are both read, and each repetition is an error finding."""
    text = attached()
    for end in ("</Attachment>", "</edXML:Reference>"):
        start = text.index("<Attachment>" if "Att" in end else "<edXML:Reference>")
        stop = text.index(end) + len(end)
        text = text[:stop] + text[start:stop] + text[stop:]
    packet = edxml.read(text.encode())
    assert len(packet.attachments) == 2
    assert [finding.code for finding in packet.findings] == ["EDX-CID-TWICE"] * 2


def test_an_attachment_the_manifest_does_not_list(attached: Attached) -> None:
    """An attachment without Reference is read and reported; a Reference without one is an error."""
    text = attached()
    start, stop = text.index("<edXML:Reference>"), text.index("</edXML:edXMLManifest>")
    assert _codes(text[:start] + text[stop:]) == ["EDX-NO-REFERENCE"]
    start, stop = text.index("<Attachment>"), text.index("</AttachmentEncoded>")
    packet = edxml.read((text[:start] + text[stop:]).encode())
    assert [(one.code, one.seen) for one in packet.findings] == [("EDX-NO-ATTACHMENT", "a.dat")]


def test_manifest_and_attachment_disagree(attached: Attached) -> None:
    """Where manifest and attachment differ, the attachment's own value is taken and the difference reported."""
    packet = edxml.read(attached(ref_name="b.pdf", ref_kind="text/plain").encode())
    assert (packet.attachments[0].name, packet.attachments[0].content_type) == ("a.dat", "application/x-data")
    assert [(one.code, one.seen) for one in packet.findings] == [
        ("EDX-CONTENT-NAME", "b.pdf, a.dat"),
        ("EDX-CONTENT-TYPE", "application/x-data, text/plain"),
    ]


def test_the_manifest_fills_in(attached: Attached) -> None:
    """A name or type that the attachment lacks is taken from the manifest, else from the name or id."""
    packet = edxml.read(attached(name="", kind="").encode())
    assert (packet.attachments[0].name, packet.attachments[0].content_type) == ("a.dat", "application/x-data")
    packet = edxml.read(attached(name="", kind="", ref_name="", ref_kind="").encode())
    assert (packet.attachments[0].name, packet.attachments[0].content_type) == ("1", "application/octet-stream")


def test_xlink_attributes_and_odd_parts(attached: Attached) -> None:
    """Reference may carry xlink attributes; other elements in the groups are reported."""
    text = attached().replace(
        "<edXML:Reference>",
        '<odd>x</odd><edXML:Reference xmlns:xlink="http://www.w3.org/1999/xlink" '
        'xlink:href="cid:1" xlink:role="r" xlink:type="simple">',
    )
    packet = edxml.read(text.replace("<Attachment>", "stray<odd/><Attachment>").encode())
    assert [(one.code, one.seen) for one in packet.findings] == [
        ("EDX-UNKNOWN", "odd: x"),
        ("EDX-TEXT", "stray"),
        ("EDX-UNKNOWN", "odd"),
    ]


def test_long_names(attached: Attached) -> None:
    """An AttachmentName over 500 characters is read whole and reported on both sides."""
    name = "x" * 501
    packet = edxml.read(attached(name=name, ref_name=name).encode())
    assert packet.attachments[0].name == name
    assert [one.code for one in packet.findings] == ["EDX-LENGTH", "EDX-LENGTH"]
