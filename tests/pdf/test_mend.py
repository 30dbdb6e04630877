"""PDF files as Word writes them, and small damage that viewers forgive: signed and verified where that is safe."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from edoc_connector.errors import SigningError
from edoc_connector.pdf import verify_pdf
from edoc_connector.signing import VerificationStatus, VerifyMode, VerifyPolicy, human_name
from edoc_connector.testing.keys import AgencyKeys

HIDDEN_FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


class Body:
    """A PDF file that is written object by object.

    Args:
        version: of the header.
    """

    def __init__(self, version: bytes = b"1.5") -> None:
        self.data = b"%PDF-" + version + b"\n%\xe2\xe3\xcf\xd3\n"
        self.places: dict[int, int] = {}

    def add(self, number: int, body: bytes) -> None:
        """Add an object."""
        self.places[number] = len(self.data)
        self.data += b"%d 0 obj\n%s\nendobj\n" % (number, body)

    def add_stream(self, number: int, entries: bytes, content: bytes) -> None:
        """Add a stream."""
        self.add(number, b"<<%s/Length %d>>\nstream\n%s\nendstream" % (entries, len(content), content))

    def add_page(self, font: int, catalog: bytes = b"") -> None:
        """Add a document of one page."""
        self.add(1, b"<</Type/Catalog/Pages 2 0 R%s>>" % catalog)
        self.add(2, b"<</Type/Pages/Kids[3 0 R]/Count 1>>")
        resources = b"/Resources<</Font<</F1 %d 0 R>>>>" % font
        self.add(3, b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R" + resources + b">>")
        self.add_stream(4, b"", b"BT /F1 24 Tf 72 700 Td (Cong van so 12) Tj ET")

    def end(self, size: int, *, free: tuple[int, ...] = (), trailer: bytes = b"", off: int = 0) -> int:
        """Add the cross-reference table; gives its place."""
        place = len(self.data)
        self.data += b"xref\n0 %d\n" % size
        for number in range(size):
            if number in self.places:
                self.data += b"%010d 00000 n \n" % self.places[number]
            else:
                after = next((one for one in sorted(free) if one > number), 0)
                self.data += b"%010d %05d f \n" % (after, 65535 if number == 0 else 0)
        self.data += b"trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, place + off)
        return place


def _word(*, replaces: bool = False) -> bytes:
    """Make a hybrid-reference file as Word does: an object in a compressed stream, which old viewers take for free.

    Args:
        replaces: the hidden object stands in the place of one that old viewers see.
    """
    body, hidden = Body(), 4 if replaces else 6
    body.add_page(font=6)
    if replaces:
        body.add(6, HIDDEN_FONT)
    numbers = b"%d 0 " % hidden
    packed = zlib.compress(numbers + HIDDEN_FONT)
    body.add_stream(5, b"/Type/ObjStm/N 1/First %d/Filter/FlateDecode" % len(numbers), packed)
    rows = zlib.compress(bytes([2, 0, 5, 0]))
    entries = b"/Type/XRef/Size 8/W[1 2 1]/Index[%d 1]/Root 1 0 R/Filter/FlateDecode" % hidden
    body.add_stream(7, entries, rows)
    place = body.end(8, free=() if replaces else (6,))
    stream = body.places[7]
    return _point_to_stream(body.data, place, stream)


def _point_to_stream(data: bytes, before: int, stream: int) -> bytes:
    """Add the empty revision that names the stream of hidden objects."""
    trailer = b"trailer\n<</Size 8/Root 1 0 R/Prev %d/XRefStm %d>>\n" % (before, stream)
    return data + b"xref\n0 0\n" + trailer + b"startxref\n%d\n%%%%EOF\n" % len(data)


def _simple(*, off: int = 0, metadata: bytes | None = None) -> bytes:
    body = Body(b"1.7")
    body.add_page(font=5, catalog=b"" if metadata is None else b"/Metadata 6 0 R")
    body.add(5, HIDDEN_FONT)
    if metadata is not None:
        body.add_stream(6, b"/Type/Metadata/Subtype/XML", metadata)
    body.end(6 if metadata is None else 7, off=off)
    return body.data


BAD_XMP = {
    "a byte that is no UTF-8": b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>S\x00\xee</a></x:xmpmeta>',
    "cut": b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF',
    "other XML": b"<a/>",
    "nothing": b"",
}
FORGIVEN: dict[str, Callable[[], bytes]] = {
    "hybrid": _word,
    "startxref 3 too far": lambda: _simple(off=3),
    "startxref 2 short": lambda: _simple(off=-2),
    "startxref 300 short": lambda: _simple(off=-300),
    "a line end before": lambda: b"\r\n" + _simple(),
    "a byte order mark before": lambda: b"\xef\xbb\xbf" + _simple(),
    "blanks before, and startxref off": lambda: b"   \n" + _simple(off=1),
    "a hybrid file after a line end": lambda: b"\n" + _word(),
    **{f"XMP: {name}": partial(_simple, metadata=metadata) for name, metadata in BAD_XMP.items()},
}

SOONEST = ("hybrid", "startxref 3 too far", "a byte order mark before", "a hybrid file after a line end", "XMP: cut")
"""Forms that every run tries; the others lie between them."""


@pytest.fixture
def policy(agency: AgencyKeys) -> VerifyPolicy:
    """Trust in the signer's root."""
    return VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=(agency.root,))


@pytest.mark.parametrize(
    "form", [*SOONEST, *(pytest.param(name, marks=pytest.mark.nightly) for name in FORGIVEN if name not in SOONEST)]
)
def test_what_viewers_forgive_is_signed_and_verifies(
    form: str, sign: Any, policy: VerifyPolicy, agency: AgencyKeys
) -> None:
    """Each form is UNSIGNED as it is, takes one signature and a second, and both hold; a change is caught."""
    data = FORGIVEN[form]()
    assert verify_pdf(data).reason == "PDF-NONE"
    once = sign(data)
    first = verify_pdf(once, policy)
    assert (first.status, first.reason, first.signers) == (
        VerificationStatus.VALID,
        "PDF-OK",
        (human_name(agency.certificate),),
    )
    twice = sign(once)
    assert verify_pdf(twice, policy).status is VerificationStatus.VALID
    assert len(verify_pdf(twice, policy).signatures) == 2
    assert verify_pdf(once.replace(b"Cong van so 12", b"Cong van so 13"), policy).reason == "PDF-DIGEST"
    assert once.startswith(b"%PDF-")


def test_what_others_signed_verifies(foreign: Any, policy: VerifyPolicy) -> None:
    """A hybrid file that other software signed is VALID, also behind a line end that a gateway put before it."""
    signed = foreign(_word(), strict=False)
    assert verify_pdf(signed, policy).status is VerificationStatus.VALID
    assert verify_pdf(b"\n" + signed, policy).status is VerificationStatus.VALID


def test_metadata_changed_after_signing_are_a_change(sign: Any, policy: VerifyPolicy, pdfs: Any) -> None:
    """Metadata that cannot be read may stay, and may not be put in another's place."""
    signed = sign(_simple(metadata=BAD_XMP["cut"]))
    other = b"<</Type/Metadata/Subtype/XML/Length 4>>\nstream\n<a b\nendstream"
    assert verify_pdf(pdfs.update(signed, {6: other}), policy).reason == "PDF-MODIFIED"


def test_a_hybrid_file_of_two_faces_is_refused(sign: Any) -> None:
    """A hidden object in the place of an open one makes old and new viewers show different documents."""
    data = _word(replaces=True)
    found = verify_pdf(data)
    assert (found.status, found.reason) == (VerificationStatus.UNVERIFIABLE, "PDF-HYBRID")
    assert "4 0 obj" in found.explanation
    with pytest.raises(SigningError, match="hybrid-reference"):
        sign(data)


def test_objects_hidden_after_signing_are_a_change(foreign: Any, policy: VerifyPolicy) -> None:
    """A revision that hides objects from older viewers may not follow a signature, whatever they are."""
    signed = foreign(_word(), strict=False)
    before = int(re.findall(rb"startxref\s+(\d+)", signed)[-1])
    size = int(re.findall(rb"/Size (\d+)", signed)[-1])
    stream = len(signed) + 1
    rows = zlib.compress(bytes([0, 0, 0, 0]))
    entries = b"<</Type/XRef/Size %d/W[1 2 1]/Index[%d 1]/Root 1 0 R/Filter/FlateDecode/Length %d>>" % (
        size + 2, size + 1, len(rows),
    )  # fmt: skip
    data = signed + b"\n%d 0 obj\n%s\nstream\n%s\nendstream\nendobj\n" % (size, entries, rows)
    table = len(data)
    data += b"xref\n%d 1\n%010d 00000 n \ntrailer\n" % (size, stream)
    data += b"<</Size %d/Root 1 0 R/Prev %d/XRefStm %d>>\n" % (size + 2, before, stream)
    data += b"startxref\n%d\n%%%%EOF\n" % table
    found = verify_pdf(data, policy)
    assert found.status is not VerificationStatus.VALID, found.explanation


def test_a_signed_file_whose_pointer_is_off_is_not_guessed_at(signed: bytes, sign: Any) -> None:
    """A file with a signature keeps its wrong startxref, and the reason says so in both languages."""
    place = int(re.findall(rb"startxref\s+(\d+)", signed)[-1])
    data = signed.replace(b"startxref\n%d" % place, b"startxref\n%d" % (place + 3))
    found = verify_pdf(data)
    assert (found.status, found.reason) == (VerificationStatus.UNVERIFIABLE, "PDF-POINTER")
    assert str(place) in found.explanation
    assert str(place) in found.explanation_vi
    with pytest.raises(SigningError, match="signed"):
        sign(data)


@pytest.mark.parametrize("before", [b"x", b"HTTP/1.1 200 OK\r\n\r\n", b"\x00\x01"])
def test_other_bytes_before_the_file_are_told(before: bytes, signed: bytes) -> None:
    """Bytes that are not blank before %PDF belong to no signature: a true reason instead of a guess."""
    assert verify_pdf(before + signed).reason == "PDF-LEADING"


def test_damage_beyond_that_stays_broken() -> None:
    """A table that is nowhere near, or a file without any, is told as broken."""
    assert verify_pdf(_simple().replace(b"xref\n0 6", b"xxxx\n0 6")).reason == "PDF-BROKEN"
    assert verify_pdf(b"%PDF-1.7\n").reason == "PDF-BROKEN"
    assert verify_pdf(b"%PDF-1.7\nstartxref\n99999\n%%EOF\n").reason == "PDF-BROKEN"
