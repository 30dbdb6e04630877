"""Files made to crash, hang or fill memory: each ends with a status and a reason."""

from __future__ import annotations

import io
import re
import sys
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edoc_connector import signing
from edoc_connector.edxml import Attachment
from edoc_connector.errors import AttachmentError
from edoc_connector.pdf import PdfBudget, find_unsigned, verify_pdf
from edoc_connector.pdf import policy as policy_module
from edoc_connector.pdf import verify as verify_module
from edoc_connector.pdf.bounds import limit_work
from edoc_connector.pdf.cms import MAX_CERTIFICATES
from edoc_connector.pdf.reasons import PdfRefused
from edoc_connector.signing import VerificationStatus, VerifyPolicy
from edoc_connector.testing.keys import AgencyKeys, make_throwaway_key

REFUSED = {VerificationStatus.UNVERIFIABLE, VerificationStatus.INVALID}


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 docx", b"\x00" * 100, "không phải".encode()])
def test_not_a_pdf(data: bytes) -> None:
    """Another file under the name of a PDF is reported as such."""
    assert verify_pdf(data).reason == "PDF-NOT-PDF"


@pytest.mark.parametrize(
    "data", [b"%PDF-", b" %PDF-1.7\n", b"%PDF-1.7\n%%EOF\n", b"%PDF-1.7\nstartxref\n99999\n%%EOF\n", b"%PDF-x\n"]
)
def test_a_broken_file(data: bytes) -> None:
    """A file whose first bytes are right and whose rest is wrong is broken."""
    found = verify_pdf(data)
    assert (found.status, found.reason) == (VerificationStatus.UNVERIFIABLE, "PDF-BROKEN")
    assert found.explanation != found.explanation_vi


def test_a_file_of_many_oddities_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand objects with a space too many write no thousand lines of warnings ("Words and screens")."""
    numbers = range(3, 1003)
    fields = b" ".join(b"%d 0 R" % number for number in numbers)
    bodies = [b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[%b]>>>>" % fields, b"<</Type/Pages/Kids[]/Count 0>>"]
    bodies += [b"<</FT/Tx/T(a%d)>>" % number for number in numbers]
    data, places = b"%PDF-1.7\n", []
    for number, body in enumerate(bodies, 1):
        places.append(len(data))
        data += b"%d  0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(bodies) + 1
    tail = b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
    assert verify_pdf(data + tail % (size, table, size, len(data))).reason == "PDF-NONE"
    assert [record.name for record in caplog.records if record.name.startswith("pyhanko")] == []


def test_too_big(plain: bytes) -> None:
    """A file over the limit is not read on."""
    found = verify_pdf(plain, limit=len(plain) - 1)
    assert (found.reason, found.detail) == ("PDF-TOO-BIG", str(len(plain) - 1))
    assert verify_pdf(plain, limit=len(plain)).reason == "PDF-NONE"


def test_encrypted(plain: bytes) -> None:
    """An encrypted file says so, not that it is broken."""
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.pdf_utils.writer import copy_into_new_writer

    writer = copy_into_new_writer(PdfFileReader(io.BytesIO(plain)))
    writer.encrypt("mật khẩu")  # type: ignore[no-untyped-call]  # not annotated in pyHanko
    out = io.BytesIO()
    writer.write(out)  # type: ignore[no-untyped-call]  # not annotated in pyHanko
    assert verify_pdf(out.getvalue()).reason == "PDF-ENCRYPTED"


def _build_endless_table() -> bytes:
    body = b"<</Type/XRef/W[0 0 0]/Size 1000000000/Index[0 1000000000]/Root 2 0 R/Length 0>>\nstream\n\nendstream"
    return b"%PDF-1.7\n1 0 obj\n" + body + b"\nendobj\nstartxref\n9\n%%EOF\n"


def test_a_table_of_a_billion_entries_of_no_width() -> None:
    """Two hundred bytes that would be read for hours: the work is bounded (ISO 32000-2, 7.5.8)."""
    found = verify_pdf(_build_endless_table())
    assert (found.status, found.reason) == (VerificationStatus.UNVERIFIABLE, "PDF-TOO-MUCH")


def test_the_files_of_a_packet_share_one_budget(signed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small files that are much work are no more work than one ("a work budget on PDF checks").

    A file that is refused uses up what is left; the next gets what its own bytes allow, which an honest one needs.
    """
    monkeypatch.setattr(policy_module, "PdfBudget", lambda: PdfBudget(calls=300_000))
    endless, honest = (Attachment.from_bytes(one, name="a.pdf") for one in (_build_endless_table(), signed))
    unsigned = find_unsigned([endless] * 3 + [honest], VerifyPolicy())
    calls = [(one.index, one.verification.reason, int(one.verification.detail.split()[0])) for one in unsigned]
    assert [(index, reason) for index, reason, _ in calls] == [(index, "PDF-TOO-MUCH") for index in range(3)]
    assert calls[0][2] > 300_000
    assert calls[1][2] + calls[2][2] < 30_000


def test_a_bomb(pdfs: Any) -> None:
    """A table that unpacks to hundreds of megabytes is not unpacked."""
    packed = zlib.compress(zlib.compress(bytes(300 << 20), 9), 9)
    head = b"<</Type/XRef/W[1 2 1]/Size 9/Root 2 0 R/Filter[/FlateDecode/FlateDecode]/Length %d>>" % len(packed)
    pdf = b"%PDF-1.7\n1 0 obj\n" + head + b"\nstream\n" + packed + b"\nendstream\nendobj\nstartxref\n9\n%%EOF\n"
    found = verify_pdf(pdf)
    assert found.reason == "PDF-BROKEN"
    assert "limit" in found.detail


RINGS = {
    "fields that hold themselves": (b"/AcroForm << /Fields [5 0 R] >>", b"<< /FT /Sig /T (a) /Kids [5 0 R] >>"),
    "a field that is a number": (b"/AcroForm << /Fields [5 0 R] >>", b"7"),
    "fields that are a name": (b"/AcroForm << /Fields /None >>", b"7"),
    "a form that is a text": (b"/AcroForm (x)", b"7"),
    "a value that is a text": (b"/AcroForm << /Fields [5 0 R] >>", b"<< /FT /Sig /T (a) /V (x) >>"),
    "a value that is its field": (b"/AcroForm << /Fields [5 0 R] >>", b"<< /FT /Sig /T (a) /V 5 0 R >>"),
    "nesting": (b"/AcroForm << /Fields [5 0 R] >>", b"[" * 5000 + b"]" * 5000),
    "an object that is not there": (b"/AcroForm 99 0 R", b"7"),
}


@pytest.mark.parametrize("case", RINGS)
def test_objects_of_the_wrong_kind(case: str, pdfs: Any) -> None:
    """Rings, nesting and wrong types in the places of signatures give a status."""
    catalogue, field = RINGS[case]
    found = verify_pdf(pdfs.letter(catalogue=catalogue, o5=field))
    assert found.status in REFUSED | {VerificationStatus.UNSIGNED}


def test_very_many_signatures(pdfs: Any) -> None:
    """A file with more signatures than any document has is not examined one by one."""
    fields = {f"o{n}": b"<< /FT /Sig /T (f%d) /V << /Type /Sig >> >>" % n for n in range(5, 105)}
    refs = b" ".join(b"%s 0 R" % name[1:].encode() for name in fields)
    found = verify_pdf(pdfs.letter(catalogue=b"/AcroForm << /Fields [%s] >>" % refs, **fields))
    assert (found.reason, found.detail) == ("PDF-TOO-MUCH", "> 64 signatures")


def test_what_it_says_is_shown_short_and_printable(pdfs: Any) -> None:
    """Texts from the file cannot fill a log or move a terminal's cursor."""
    value = b"<< /Type /Sig /SubFilter /%s#1b#5b2J >>" % (b"A" * 5000)
    field = b"<< /FT /Sig /T (a) /V %s >>" % value
    (one,) = verify_pdf(pdfs.letter(catalogue=b"/AcroForm << /Fields [5 0 R] >>", o5=field)).signatures
    assert len(one.detail) <= 200
    assert "\x1b" not in one.detail


def test_content_that_cannot_be_decoded() -> None:
    """An attachment's own error is the attachment's, and comes through."""

    class Broken:
        def open(self) -> Any:
            raise AttachmentError("broken", vi="hỏng")

    with pytest.raises(AttachmentError, match="broken"):
        verify_pdf(Attachment(name="a.pdf", content=Broken()))  # type: ignore[arg-type]


def test_a_profiler_is_set_again() -> None:
    """Counting the work hides a caller's profiler only while it lasts, and an error ends it as well."""
    seen: list[str] = []

    def profiler(_frame: object, event: str, _argument: object) -> None:
        seen.append(event)

    before = sys.getprofile()
    sys.setprofile(profiler)
    try:
        with pytest.raises(ValueError, match="x"), limit_work(0):
            raise ValueError("x")
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(before)


def test_work_that_hides_its_errors() -> None:
    """The end of the allowance is not an error that code on the way can take for a broken object."""

    def stubborn() -> None:
        while True:
            try:
                len(())
            except Exception:
                continue

    with pytest.raises(PdfRefused, match="PDF-TOO-MUCH"), limit_work(0):
        stubborn()


def _outside(pdf: bytes) -> bytes:
    return re.sub(rb"<30[0-9a-fA-F]{200,}>", b"<>", pdf)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutations(signed: bytes, data: st.DataObject) -> None:
    """Bytes changed, cut out, doubled or put in anywhere: never an exception, never VALID for another content."""
    start = data.draw(st.integers(0, len(signed) - 1))
    end = data.draw(st.integers(start, min(len(signed), start + 40)))
    put = data.draw(st.one_of(st.binary(max_size=12), st.sampled_from([b"<<", b">>", b"[", b"0 R", b"99999", b"/V"])))
    changed = signed[:start] + put + signed[end:]
    found = verify_pdf(changed)
    if found.status is VerificationStatus.VALID:
        assert _outside(changed) == _outside(signed)


def _ring(count: int) -> AgencyKeys:
    """A signer who brings many authorities of one name, each issued by the next."""
    now = datetime.now(UTC)

    def issue(subject: str, key: str, issuer_key: str, *, ca: bool) -> x509.Certificate:
        names = [x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, name)]) for name in (subject, "X")]
        return (
            x509.CertificateBuilder()
            .subject_name(names[0])
            .issuer_name(names[1])
            .public_key(make_throwaway_key("p256", key).public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=9))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(make_throwaway_key("p256", issuer_key), hashes.SHA256())
        )

    ring = [issue("X", f"ring {n}", f"ring {(n + 1) % count}", ca=True) for n in range(count)]
    leaf = issue("Sở Rối", "ring leaf", "ring 0", ca=False)
    return AgencyKeys(key=make_throwaway_key("p256", "ring leaf"), certificates=(leaf, *ring))


def test_certificates_of_one_name_are_no_maze(foreign: Any, trusting: VerifyPolicy) -> None:
    """Twenty certificates of one name end at once, without a path (security, "the same in PDFs")."""
    found = verify_pdf(foreign(keys=_ring(20), bytes_reserved=1 << 16), trusting)
    assert (found.status, found.reason) == (VerificationStatus.UNVERIFIABLE, "SIG-UNTRUSTED")


def test_very_many_certificates(foreign: Any) -> None:
    """A signature that brings more certificates than any chain has is not read on."""
    found = verify_pdf(foreign(keys=_ring(MAX_CERTIFICATES + 1), bytes_reserved=1 << 16))
    assert (found.reason, found.detail) == ("PDF-TOO-MUCH", "> 32 certificates")


def test_the_signatures_of_a_file_share_one_budget(
    foreign: Any, trusting: VerifyPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many signatures in a file do not bring the work of building paths with each of them."""
    budgets: list[object] = []
    judge = signing.judge_certificate

    def record_budget(*arguments: Any, **named: Any) -> Any:
        budgets.append(named["budget"])
        return judge(*arguments, **named)

    monkeypatch.setattr(verify_module, "judge_certificate", record_budget)
    pdf = foreign(foreign(), keys=_ring(3), field_name="Signature2")
    assert len(verify_pdf(pdf, trusting).signatures) == 2
    assert len(budgets) == 2
    assert budgets[0] is budgets[1]
