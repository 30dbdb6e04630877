"""Writing is strict, in the standard's order, whole or not at all ("Skeleton", "Signature")."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

import edoc_connector.edxml as edxml
from edoc_connector.errors import AttachmentError, DocumentError
from edoc_connector.mockhub import rebuild_packet


class _Signer:
    """A signer that signs with the digest itself, for a comparison of digests."""

    digest_algorithm = "sha512"

    def blank(self) -> bytes:
        return self.signature(bytes(64))

    def signature(self, digest: bytes) -> bytes:
        return f'<Signature xmlns="{edxml.DS}">{digest.hex()}</Signature>'.encode()


@given(data=st.data(), sealed=st.booleans())
@settings(max_examples=50, deadline=None)
def test_the_digest_is_that_of_the_whole_packet(
    data: st.DataObject,
    sealed: bool,
    documents: st.SearchStrategy[edxml.Document],
    written: Callable[..., bytes],
    whole_canonical: Callable[..., bytes],
) -> None:
    """The signer gets the digest of the exclusive canonical form of the packet without Signature ("Signature")."""
    seal = (lambda digests: b"<Seal>\xff not base64 safe</Seal>") if sealed else None
    packet = written(data.draw(documents), signature=_Signer(), seal=seal)
    said = edxml.read(packet).skeleton.root.find(f".//{{{edxml.DS}}}Signature").text
    canonical = whole_canonical(packet, exclusive=True, without_signature=True)
    assert said == hashlib.sha512(canonical).hexdigest()


def test_a_status_can_be_signed(
    status: Callable[..., edxml.StatusMessage], written: Callable[..., bytes], whole_canonical: Callable[..., bytes]
) -> None:
    """A status packet's signature stands after MessageHeader and covers the packet; a status has no seal."""
    packet = written(status(), signature=_Signer(), seal=lambda digests: b"never made")
    header = edxml.read(packet).skeleton.root[0][0]
    assert [etree.QName(child).localname for child in header] == ["MessageHeader", "Signature"]
    digest = hashlib.sha512(whole_canonical(packet, exclusive=True, without_signature=True))
    assert header[1].text == digest.hexdigest()
    assert edxml.read(packet).attachments == ()


def test_the_skeleton_is_the_standards(document: Callable[..., edxml.Document], written: Callable[..., bytes]) -> None:
    """Prefixes, order and the XML declaration are those of "Skeleton"."""
    packet = written(document(), signature=_Signer())
    assert packet.startswith(b"<?xml version='1.0' encoding='UTF-8'?>")
    root = etree.fromstring(packet)
    assert (root.prefix, root.nsmap) == (None, {None: edxml.NS})
    envelope, encoded = root
    assert (envelope.prefix, encoded.prefix, encoded[0].prefix) == ("edXML", None, None)
    assert [etree.QName(child).localname for child in envelope] == ["edXMLHeader", "edXMLBody"]
    assert [etree.QName(c).localname for c in envelope[0]] == ["MessageHeader", "TraceHeaderList", "Signature"]
    assert envelope[0][2].tag == f"{{{edxml.DS}}}Signature"
    assert envelope[1][0].get("version") == "1.0"


def test_rows_stand_in_the_tables_order(document: Callable[..., edxml.Document], written: Callable[..., bytes]) -> None:
    """MessageHeader, OtherInfo and Bussiness are written in the order of the tables."""
    full = document(
        due_date=datetime(2026, 12, 1).date(),
        priority=edxml.Priority.URGENT,
        appendixes=("a", "b"),
        steering=True,
        to_places=("x",),
        task_codes=("t",),
        place="Hà Nội",
        business=edxml.Business(staff=edxml.StaffInfo(staff="A")),
    )
    header, trace = etree.fromstring(written(full))[0][0]
    assert [etree.QName(child).localname for child in header] == [
        *("From", "To", "DocumentId", "Code", "PromulgationInfo", "DocumentType", "Subject", "SignerInfo", "DueDate"),
        *("OtherInfo", "SteeringType", "ResponseForTask", "ToPlaces"),
    ]
    assert [etree.QName(child).localname for child in header[9]] == ["Priority", "Appendixes"]
    assert [etree.QName(child).localname for child in trace] == ["TraceHeader", "Bussiness"]
    assert [etree.QName(child).localname for child in trace[1]] == ["BussinessDocType", "Paper", "StaffInfo"]


def test_empty_elements_are_left_out(document: Callable[..., edxml.Document], written: Callable[..., bytes]) -> None:
    """Empty texts, spaces, empty groups and empty models leave no element ("left out")."""
    packet = written(
        document(
            place=" \n",
            content="",
            responses_for=(edxml.ResponseFor(), edxml.ResponseFor(code="1/A")),
            to_places=("", " a "),
            business=edxml.Business(staff=edxml.StaffInfo()),
            attachments=(),
        )
    )
    structural = {"AttachmentEncoded", "edXMLManifest"}
    empty = {etree.QName(e).localname for e in etree.fromstring(packet).iter("*") if not len(e) and not e.text}
    assert empty <= structural
    read = edxml.read(packet)
    assert read.findings == ()
    assert (read.message.place, read.message.to_places, read.message.business.staff) == (None, ("a",), None)
    assert read.message.responses_for == (edxml.ResponseFor(code="1/A"),)


def test_the_sender_is_the_first_station(
    document: Callable[..., edxml.Document], written: Callable[..., bytes], at: datetime
) -> None:
    """Writing adds the sender's TraceHeader in Vietnam time where there is none, and keeps a trace that is given."""
    packet = written(document())
    assert b"<edXML:Timestamp>2026/11/21 10:04:05</edXML:Timestamp>" in packet
    trace = (edxml.TraceHeader(organ_id="H29.05", timestamp=at), edxml.TraceHeader(organ_id="G22", timestamp=at))
    assert edxml.read(written(document(trace=trace))).message.trace == trace


def test_the_seal_is_the_last_attachment(
    document: Callable[..., edxml.Document], written: Callable[..., bytes]
) -> None:
    """The seal's maker gets name, size and SHA-256 of every attachment, and the seal comes last ("The seal")."""
    told: list[edxml.AttachmentDigest] = []

    def seal(digests: Sequence[edxml.AttachmentDigest]) -> bytes:
        told.extend(digests)
        return b"<Seal/>"

    files = (
        edxml.Attachment.from_bytes(b"a" * 1_000_001, name="a.pdf"),
        edxml.Attachment.from_bytes(b"b", name="b.doc", content_id="attachment-1"),
    )
    packet = edxml.read(written(document(attachments=files), seal=seal))
    assert [one.name for one in packet.attachments] == ["a.pdf", "b.doc", "edoc-seal.xml"]
    assert [one.content_id for one in packet.attachments] == ["attachment-2", "attachment-1", "attachment-3"]
    assert packet.attachments[2].content_type == "application/xml"
    with packet.attachments[2].open() as stream:
        assert stream.read() == b"<Seal/>"
    assert [(one.name, one.size, one.sha256) for one in told] == [(one.name, one.size, one.sha256) for one in files]


def test_all_problems_are_told_at_once(document: Callable[..., edxml.Document], folder: Path, at: datetime) -> None:
    """DocumentError lists every error in both languages; an existing target stays as it was."""
    target = folder / "x.edxml"
    target.write_bytes(b"before")
    with pytest.raises(DocumentError) as caught:
        edxml.write(document(number="", subject="x" * 501, recipients=()), target, at=at)
    assert {problem.field for problem in caught.value.problems} == {"number", "subject", "recipients"}
    assert "subject has 501 characters" in caught.value.message
    assert "subject có 501 ký tự" in caught.value.vi
    assert target.read_bytes() == b"before"


def test_warnings_do_not_stop_writing(document: Callable[..., edxml.Document], written: Callable[..., bytes]) -> None:
    """A text over a limit that only warns is written, and read with a finding ("Lengths count characters")."""
    packet = edxml.read(written(document(place="x" * 51)))
    assert [finding.code for finding in packet.findings] == ["EDX-LENGTH"]


@pytest.mark.parametrize("fault", ["empty", "vanished", "unreadable", "undecodable"])
def test_a_bad_attachment_writes_nothing(
    fault: str,
    document: Callable[..., edxml.Document],
    attached: Callable[..., str],
    folder: Path,
    at: datetime,
) -> None:
    """An attachment of 0 bytes, gone or unreadable is an AttachmentError; no file appears, none is changed."""
    good, path = edxml.Attachment.from_bytes(b"good", name="good.pdf"), folder / "bad.pdf"
    path.write_bytes(b"" if fault == "empty" else b"content")
    bad = edxml.Attachment.from_path("/proc/self/mem" if fault == "unreadable" else path, name="bad.pdf")
    if fault == "vanished":
        path.unlink()
    if fault == "undecodable":
        bad = edxml.read(attached("!!").encode()).attachments[0]
    target = folder / "x.edxml"
    target.write_bytes(b"before")
    with pytest.raises(AttachmentError) as caught:
        edxml.write(document(attachments=(good, bad)), target, at=at)
    named = {"vanished": str(path), "unreadable": "/proc/self/mem"}.get(fault, bad.name)
    assert named in caught.value.full
    assert named not in caught.value.message  # a file's name may tell what a document is about
    assert target.read_bytes() == b"before"


def test_a_signature_of_another_length_is_refused(
    document: Callable[..., edxml.Document], folder: Path, at: datetime
) -> None:
    """A signature of another length than announced is an error, and no file appears."""

    class Wrong(_Signer):
        def signature(self, digest: bytes) -> bytes:
            return super().signature(digest) if digest == bytes(64) else b"<short/>"

    with pytest.raises(ValueError, match="8 bytes long"):
        edxml.write(document(), folder / "x.edxml", at=at, signature=Wrong())
    assert list(folder.iterdir()) == []


def test_the_time_needs_a_zone(document: Callable[..., edxml.Document], folder: Path) -> None:
    """A naive time of writing is a mistake of the caller, raised before anything is written."""
    with pytest.raises(ValueError, match="time zone"):
        edxml.write(document(), folder / "x.edxml", at=datetime(2026, 11, 21))


def test_a_folder_that_is_not_there(document: Callable[..., edxml.Document], folder: Path, at: datetime) -> None:
    """A packet that cannot be written is an OSError that names the place."""
    with pytest.raises(FileNotFoundError):
        edxml.write(document(), folder / "none" / "x.edxml", at=at)


def test_a_packet_is_for_its_user_alone(document: Callable[..., edxml.Document], folder: Path, at: datetime) -> None:
    """A packet is made with mode 0600, whatever the umask ("On the disk")."""
    before = os.umask(0)
    try:
        edxml.write(document(), folder / "x.edxml", at=at)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "x.edxml").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.zip", "application/zip"),
        ("a.ZIP", "application/x-zip-compressed"),
        ("a.Zip", "application/x-zip-compressed"),
        ("a.ZIP ", "application/x-zip-compressed"),
    ],
)
def test_a_zip_under_another_name_is_announced_as_another_zip(
    name: str, content_type: str, document: Callable[..., edxml.Document], written: Callable[..., bytes], tmp_path: Path
) -> None:
    """Of a name in .ZIP the national hub's library would unpack `application/zip`: the file crosses whole (Fields)."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("in-it.txt", b"x")
    attachment = edxml.Attachment.from_bytes(packed.getvalue(), name=name, content_type="application/zip")
    packet = written(document(attachments=(attachment,)))
    root = etree.fromstring(packet)
    assert [one.text for one in root.iter(f"{{{edxml.NS}}}ContentType")] == [content_type] * 2
    (tmp_path / "in.edxml").write_bytes(packet)
    rebuild_packet(tmp_path / "in.edxml", tmp_path / "out.edxml", at=datetime.now(UTC), organ_id="hub", limit=1 << 20)
    for data in (packet, (tmp_path / "out.edxml").read_bytes()):
        (read,) = edxml.read(data).attachments
        assert (read.name.strip(), b"".join(read.pieces())) == (name.strip(), packed.getvalue())


@given(data=st.data(), signed=st.booleans(), sealed=st.booleans())
@settings(max_examples=30, deadline=None)
def test_what_is_written_to_memory_is_what_is_written_to_a_file(
    data: st.DataObject,
    signed: bool,
    sealed: bool,
    documents: st.SearchStrategy[edxml.Document],
    written: Callable[..., bytes],
) -> None:
    """A small packet has the same bytes, wherever it is built."""
    document = data.draw(documents)
    signature = _Signer() if signed else None
    seal = (lambda digests: repr(digests).encode()) if sealed else None
    at = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
    in_memory = edxml.write_to_memory(document, at=at, signature=signature, seal=seal)
    assert in_memory == written(document, at=at, signature=signature, seal=seal)
