"""Attachments as values, and how manifest and content are matched ("Body and attachments")."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

import edoc_connector.edxml as edxml
from edoc_connector.errors import AttachmentError

Attached = Callable[..., str]


def _codes(text: str) -> list[str]:
    return [finding.code for finding in edxml.read(text.encode()).findings]


def test_from_path(tmp_path: Path) -> None:
    """Name and type follow from the path; size and hash are those of the file."""
    path = tmp_path / "Công văn.PDF"
    path.write_bytes(b"content")
    one = edxml.Attachment.from_path(path)
    assert (one.name, one.content_type, one.size) == ("Công văn.PDF", "application/pdf", 7)
    assert one.sha256 == "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    other = edxml.Attachment.from_path(path, name="x", content_type="a/b", description="d", content_id="9")
    assert (other.name, other.content_type, other.description, other.content_id) == ("x", "a/b", "d", "9")
    assert edxml.Attachment.from_bytes(b"x", name="no extension").content_type == "application/octet-stream"


@pytest.mark.parametrize("name", ["none.pdf", "."])
def test_a_path_that_is_no_file(name: str, tmp_path: Path) -> None:
    """A path that does not exist, or is a folder, is an AttachmentError at once."""
    with pytest.raises(AttachmentError, match="cannot read") as caught:
        edxml.Attachment.from_path(tmp_path / name)
    assert "không đọc được" in caught.value.vi


def test_a_file_that_vanished(tmp_path: Path) -> None:
    """A file that vanished before it is read is an AttachmentError."""
    path = tmp_path / "a.pdf"
    path.write_bytes(b"content")
    one = edxml.Attachment.from_path(path)
    path.unlink()
    with pytest.raises(AttachmentError):
        one.open()


def test_attachments_are_values() -> None:
    """Attachments are frozen, compared by fields and content, and can be copied and pickled."""
    one, same = (edxml.Attachment.from_bytes(b"x", name="a.pdf", description="d") for _ in range(2))
    other = edxml.Attachment.from_bytes(b"y", name="a.pdf", description="d")
    assert one == same == copy.deepcopy(one) == pickle.loads(pickle.dumps(one))
    assert hash(one) == hash(same)
    assert one != other
    assert one != "a.pdf"
    assert repr(one) == "Attachment(name='a.pdf', content_type='application/pdf')"
    with pytest.raises(AttributeError, match="frozen"):
        one.name = "b"  # type: ignore[misc]


def test_attachments_of_a_packet_can_be_pickled(attached: Attached) -> None:
    """An attachment that was read can go to another process."""
    (one,) = edxml.read(attached().encode()).attachments
    assert pickle.loads(pickle.dumps(one)) == one


def test_save(attached: Attached, folder: Path) -> None:
    """Saving writes the whole file; where that fails, a file of that name stays as it was and none is left over."""
    target = folder / "a.pdf"
    target.write_bytes(b"before")
    (bad,) = edxml.read(attached("QUJD" * 1_000_000 + "*").encode()).attachments
    with pytest.raises(AttachmentError):
        bad.save(target)
    assert target.read_bytes() == b"before"
    (good,) = edxml.read(attached().encode()).attachments
    good.save(target)
    assert target.read_bytes() == b"content"


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
