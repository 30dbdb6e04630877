"""Verifying PDF files: sound and changed ones, and the trust in their signers."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asn1crypto import keys as asn1_keys  # type: ignore[import-untyped]  # it ships no types
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.signers.pdf_signer import PdfSigner, PdfTimeStamper
from pyhanko.sign.timestamps import DummyTimeStamper
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator.registry import SimpleCertificateStore

from edoc_connector.edxml import Attachment
from edoc_connector.pdf import PDF_REASONS, is_pdf, verify_pdf
from edoc_connector.pdf.embed import PyhankoSigner
from edoc_connector.signing import VerificationStatus, VerifyMode, VerifyPolicy
from edoc_connector.testing.keys import AgencyKeys, agency_keys, authority, get_default_authority

VALID, INVALID = VerificationStatus.VALID, VerificationStatus.INVALID
UNSIGNED, UNVERIFIABLE = VerificationStatus.UNSIGNED, VerificationStatus.UNVERIFIABLE


def test_every_reason_has_words() -> None:
    """Each code leads to a status and explains itself in both languages, with a place for what was seen."""
    for code, row in PDF_REASONS.items():
        assert row.status is not None, code
        assert row.en != row.vi
        assert row.en.endswith((".", "{detail}")), code
        assert ("{detail}" in row.en) == ("{detail}" in row.vi), code


def test_an_unsigned_file(plain: bytes, trusting: VerifyPolicy) -> None:
    """No signature is UNSIGNED, whatever is demanded."""
    found = verify_pdf(plain, trusting)
    assert (found.status, found.reason, found.signatures) == (UNSIGNED, "PDF-NONE", ())
    assert "no signature" in found.explanation
    assert "không có chữ ký" in found.explanation_vi


@pytest.mark.parametrize(
    ("name", "content_type", "data", "expected"),
    [
        ("a.pdf", None, b"no", True),
        ("A.PDF", None, b"no", True),
        ("a.bin", "application/pdf", b"no", True),
        ("a.doc", None, b"\n\n%PDF-1.4", True),
        ("a.doc", None, b"no", False),
    ],
)
def test_what_is_a_pdf(name: str, content_type: str | None, data: bytes, expected: bool) -> None:
    """Name, media type or first bytes: renaming a PDF takes it out of no rule."""
    assert is_pdf(Attachment.from_bytes(data, name=name, content_type=content_type)) is expected


# -- changed after signing


def test_a_changed_byte(sign: Any, pdfs: Any) -> None:
    """A changed byte of what was signed is INVALID."""
    found = verify_pdf(sign(pdfs.letter(), stamp=None).replace(b"(Cong van)", b"(Cong voi)"))
    assert (found.status, found.reason) == (INVALID, "PDF-DIGEST")
    assert found.signatures[0].modified is True
    assert found.signatures[0].certificate is None
    assert "changed" in found.explanation
    assert "thay đổi" in found.explanation_vi


def test_a_changed_signature_value(signed: bytes) -> None:
    """A signature value that is not the key's is INVALID."""
    end = re.search(rb"(0000)+>", signed)
    assert end is not None
    last = signed[: end.start()].rstrip(b"0")[-1:]
    at = signed.rindex(last, 0, end.start())
    found = verify_pdf(signed[:at] + (b"7" if last != b"7" else b"6") + signed[at + 1 :])
    assert (found.status, found.reason) == (INVALID, "PDF-SIGNATURE")


REVISIONS = {
    "page content": {4: b"<< /Length 41 >>\nstream\nBT /F1 14 Tf 72 700 Td (Khac han) Tj ET  \nendstream"},
    "page content put elsewhere": {
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 90 0 R >>",
        90: b"<< /Length 10 >>\nstream\n0 0 9 9 re\nendstream",
    },
    "another page": {2: b"<< /Type /Pages /Kids [3 0 R 3 0 R] /Count 2 >>"},
}


@pytest.mark.parametrize("change", REVISIONS)
def test_a_revision_after_signing(change: str, sign: Any, pdfs: Any, trusting: VerifyPolicy) -> None:
    """Incremental updates: not a byte of what was signed changes, and yet the document does."""
    pdf = pdfs.update(sign(pdfs.letter(), stamp=None), REVISIONS[change])
    found = verify_pdf(pdf, trusting)
    assert (found.status, found.reason) == (INVALID, "PDF-MODIFIED")
    (one,) = found.signatures
    assert (one.modified, one.whole_document) == (True, False)
    assert one.signer is not None
    assert one.detail in found.explanation
    assert one.detail in found.explanation_vi


def test_a_comment_after_signing(sign: Any, pdfs: Any) -> None:
    """An annotation put over the page is a change."""
    pdf = sign(pdfs.letter(b"/MediaBox [0 0 595 842] /Annots [5 0 R]", o5=_NOTE % b"cu"), stamp=None)
    assert verify_pdf(pdf).status is VALID
    assert verify_pdf(pdfs.update(pdf, {5: _NOTE % b"moi"})).reason == "PDF-MODIFIED"


_NOTE = b"<< /Type /Annot /Subtype /FreeText /Rect [72 600 300 700] /DA (/F1 12 Tf) /Contents (%s) >>"
_FIELD = b"<< /FT /Tx /T (so_tien) /V (%s) /Type /Annot /Subtype /Widget /Rect [72 500 300 520] >>"


def test_a_form_filled_in_after_signing(sign: Any, pdfs: Any) -> None:
    """PDF viewers let form fields be filled in after signing; nobody vouches for that, so it is a change."""
    letter = pdfs.letter(
        b"/MediaBox [0 0 595 842] /Annots [5 0 R]", b"/AcroForm << /Fields [5 0 R] >>", o5=_FIELD % b"1 dong"
    )
    signed = sign(letter, stamp=None)
    assert verify_pdf(signed).status is VALID
    found = verify_pdf(pdfs.update(signed, {5: _FIELD % b"1 ty dong"}))
    assert (found.reason, found.detail) == ("PDF-MODIFIED", "so_tien")


@pytest.mark.parametrize("more", [b"% them\n", b"junk\n%%EOF\n", b"7 0 obj\n7\nendobj\nstartxref\n9\n"])
def test_bytes_appended(more: bytes, sign: Any, signed: bytes) -> None:
    """Bytes after the end that are no revision are a change too: another reader might repair the file with them."""
    for pdf in (signed, sign(signed, stamp=None)):
        assert verify_pdf(pdf + more).status in (INVALID, UNVERIFIABLE)


def test_white_space_appended(signed: bytes) -> None:
    """A line end that mail software adds is no change."""
    found = verify_pdf(signed + b"\r\n")
    assert (found.status, found.reason) == (VALID, "PDF-EXTENDED")


def test_a_broken_signature_is_not_made_good_by_another(sign: Any, pdfs: Any, trusting: VerifyPolicy) -> None:
    """Whoever changes a document and signs it himself leaves the first signature broken, and the file INVALID."""
    changed = pdfs.update(sign(pdfs.letter(), stamp=None), REVISIONS["page content"])
    found = verify_pdf(sign(changed), trusting)
    assert [one.status for one in found.signatures] == [INVALID, VALID]
    assert (found.status, found.reason) == (INVALID, "PDF-MODIFIED")


# -- which bytes are covered


def test_a_value_written_longer(sign: Any, pdfs: Any) -> None:
    """The signature dictionary is put in anew with a longer value, so that the lengths add up to the whole file.

    The appended revision changes the page. Verifiers that only compare lengths, as pyHanko 0.38 does, find the entire
    file covered and nothing modified.
    """
    signed = sign(pdfs.letter(), stamp=None)
    forged = _with_longer_value(signed, pdfs)
    (embedded,) = PdfFileReader(io.BytesIO(forged)).embedded_signatures
    embedded.compute_integrity_info()
    assert embedded.coverage == SignatureCoverageLevel.ENTIRE_FILE
    found = verify_pdf(forged)
    assert (found.status, found.reason) == (INVALID, "PDF-COVERAGE")


def _with_longer_value(signed: bytes, pdfs: Any) -> bytes:
    spans = re.search(rb"/ByteRange \[\s*0 (\d+) (\d+) (\d+)\s*\]", signed)
    assert spans is not None
    before, after, rest = map(int, spans.groups())
    number = int(re.findall(rb"(\d+) 0 obj", signed[: spans.start()])[-1])
    value = bytes.fromhex(signed[before + 1 : after - 1].decode())
    escaped = b"".join(b"\\%03o" % byte if byte in b"()\\\r\n" else bytes([byte]) for byte in value)
    for zeros in range(20_000):
        dictionary = (
            b"<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached /ByteRange [0 %d %d %d]"
            b" /Contents (%s) >>" % (before, after, rest, escaped + bytes(zeros))
        )
        forged: bytes = pdfs.update(signed, REVISIONS["page content"] | {number: dictionary})
        if before + rest + 2 * (len(value) + zeros) + 2 == len(forged):
            return forged
    raise AssertionError("no length fits")


RANGES: dict[str, Callable[[int, int, int], tuple[int, int, int, int]]] = {
    "does not start at the beginning": lambda a, b, c: (1, a - 1, b, c),
    "leaves a byte out at the end": lambda a, b, c: (0, a, b, c - 1),
    "goes beyond the end": lambda a, b, c: (0, a, b, c + 1),
    "leaves out more than the value": lambda a, b, c: (0, a - 9, b, c),
    "takes in part of the value": lambda a, b, c: (0, a + 1, b, c),
    "is empty": lambda a, b, c: (0, 0, 0, 0),
    "runs backwards": lambda a, b, c: (0, b, a, c),
}


@pytest.mark.parametrize("case", RANGES)
def test_a_byte_range_that_does_not_fit(case: str, signed: bytes) -> None:
    """The hole is the signature's own value and nothing else, and nothing else is left out (ISO 32000-2, 12.8.1)."""
    found = re.search(rb"/ByteRange \[\s*0 (\d+) (\d+) (\d+)\s*\]", signed)
    assert found is not None
    other = b"/ByteRange [%d %d %d %d]" % RANGES[case](*map(int, found.groups()))
    assert len(other) <= len(found[0])
    changed = signed.replace(found[0], other.ljust(len(found[0])))
    result = verify_pdf(changed)
    # the range is itself signed: one that still leaves out the value alone is seen by the digest
    assert (result.status, result.reason) in {(INVALID, "PDF-COVERAGE"), (INVALID, "PDF-DIGEST")}


def test_a_value_of_half_a_byte(signed: bytes) -> None:
    """A value that readers complete with a zero is not byte by byte what stands in the file."""
    (one,) = verify_pdf(signed.replace(b"000>", b"00 >")).signatures
    assert (one.status, one.reason) == (INVALID, "PDF-COVERAGE")


def test_a_byte_range_of_other_things(signed: bytes) -> None:
    """Two numbers, or no numbers, are no byte range."""
    found = re.search(rb"/ByteRange \[[^]]*\]", signed)
    assert found is not None
    for other in (b"/ByteRange [0 9]", b"/ByteRange [0 (a) 9 9]"):
        assert verify_pdf(signed.replace(found[0], other.ljust(len(found[0])))).reason == "PDF-COVERAGE"


# -- who signed


def test_trust(signed: bytes, trusting: VerifyPolicy, agency: AgencyKeys) -> None:
    """Nobody to trust: VALID, not judged. A trusted root: trusted. Another's root: not; UNVERIFIABLE if demanded."""
    (one,) = verify_pdf(signed).signatures
    assert (one.status, one.trusted, [f.code for f in one.findings]) == (VALID, None, ["SIG-NOT-JUDGED"])
    (one,) = verify_pdf(signed, trusting).signatures
    assert (one.status, one.trusted, one.findings) == (VALID, True, ())
    stranger = authority("Stranger CA").agency("Kẻ lạ", kind="p256").root
    (one,) = verify_pdf(signed, VerifyPolicy(mode=VerifyMode.VALID, anchors=(stranger,))).signatures
    assert (one.status, one.trusted, [f.code for f in one.findings]) == (VALID, False, ["SIG-UNTRUSTED"])
    found = verify_pdf(signed, VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=(stranger,)))
    assert (found.status, found.reason, found.signatures[0].trusted) == (UNVERIFIABLE, "SIG-UNTRUSTED", False)
    assert found.signatures[0].signer is not None
    assert found.explanation != found.explanation_vi


def test_judged_at_another_time(signed: bytes, trusting: VerifyPolicy) -> None:
    """Certificates are judged at the policy's moment, and a claimed time outside the certificate's life is reported."""
    later = datetime.now(UTC) + timedelta(days=400)
    found = verify_pdf(signed, replace(trusting, at=later))
    assert (found.status, found.reason, found.judged_at) == (UNVERIFIABLE, "SIG-EXPIRED", later)
    earlier = datetime.now(UTC) - timedelta(hours=1)
    (one,) = verify_pdf(signed, replace(trusting, at=earlier)).signatures
    assert (one.status, [f.code for f in one.findings]) == (VALID, ["SIG-TIME"])


def test_one_stranger_among_signers(sign: Any, trusting: VerifyPolicy) -> None:
    """A file is only as trusted as each of its signatures."""
    stranger = authority("Stranger CA").agency("Kẻ lạ", kind="p256")
    found = verify_pdf(sign(sign(), keys=stranger), trusting)
    assert [one.reason for one in found.signatures] == ["PDF-EXTENDED", "SIG-UNTRUSTED"]
    assert (found.status, found.reason) == (UNVERIFIABLE, "SIG-UNTRUSTED")


# -- what other software writes


def test_the_older_format(foreign: Any, trusting: VerifyPolicy) -> None:
    """adbe.pkcs7.detached with a signing time in it, as most software of agencies still writes."""
    (one,) = verify_pdf(foreign(subfilter=SigSeedSubFilter.ADOBE_PKCS7_DETACHED), trusting).signatures
    assert (one.status, one.trusted) == (VALID, True)
    assert one.signed_at is not None
    assert abs(datetime.now(UTC) - one.signed_at) < timedelta(minutes=5)


def test_pss(foreign: Any, trusting: VerifyPolicy) -> None:
    """RSASSA-PSS is accepted with one hash throughout."""
    (one,) = verify_pdf(foreign(prefer_pss=True), trusting).signatures
    assert (one.status, one.algorithms) == (VALID, ("rsa-pss-sha256", "sha256"))


def _weak(kind: Any) -> AgencyKeys:
    return agency_keys("Yếu", kind=kind)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"md_algorithm": "sha1"}, "PDF-ALGORITHM"),
        ({"md_algorithm": "sha224"}, "PDF-ALGORITHM"),
        ({"kind": "rsa1024"}, "PDF-KEY"),
        ({"kind": "p521"}, "PDF-KEY"),
        ({"signing": False}, "PDF-KEY-USAGE"),
        ({"uses": [ExtendedKeyUsageOID.SERVER_AUTH]}, "PDF-KEY-USAGE"),
    ],
)
def test_what_is_not_accepted(options: dict[str, Any], code: str, foreign: Any, trusting: VerifyPolicy) -> None:
    """Weak hashes and keys, and certificates for other uses, are UNVERIFIABLE whatever they sign."""
    issued = {name: value for name, value in options.items() if name != "md_algorithm"}
    keys = get_default_authority().agency("Yếu", **issued)
    md = {"md_algorithm": options.get("md_algorithm", "sha256")}
    found = verify_pdf(foreign(keys=keys, **md), trusting)
    assert (found.status, found.reason) == (UNVERIFIABLE, code)


def test_sha1_by_the_legacy_switch(foreign: Any, trusting: VerifyPolicy) -> None:
    """SHA-1 only by the switch that reports itself."""
    (one,) = verify_pdf(foreign(md_algorithm="sha1"), replace(trusting, legacy_sha1=True)).signatures
    assert one.status is VALID
    assert [f.code for f in one.findings] == ["SIG-SHA1-ACCEPTED", "SIG-SHA1-ACCEPTED"]


@pytest.mark.parametrize("subfilter", [b"/adbe.x509.rsa_sha1", b"/adbe.pkcs7.sha1", b"/Own.Format", b"/ETSI.RFC3161"])
def test_formats_not_known_here(subfilter: bytes, foreign: Any) -> None:
    """A signature of another format is reported, not skipped: a file that carries one is not UNSIGNED."""
    pdf = foreign(subfilter=SigSeedSubFilter.ADOBE_PKCS7_DETACHED)
    padded = subfilter.ljust(len(b"/adbe.pkcs7.detached"))
    found = verify_pdf(pdf.replace(b"/adbe.pkcs7.detached", padded))
    assert (found.status, found.reason) == (UNVERIFIABLE, "PDF-FORMAT")
    assert found.detail == subfilter.decode()


def test_a_value_that_is_no_cms(signed: bytes) -> None:
    """Whatever stands in Contents, there is a status and a reason."""
    hole = re.search(rb"<30[0-9a-fA-F]{200,}>", signed)
    assert hole is not None
    size = len(hole[0]) - 2
    for value in (
        b"00" * (size // 2),
        b"30" * (size // 2),
        b"3080" + b"a" * (size - 4),
        b"30030201" + b"0" * (size - 8),
    ):
        found = verify_pdf(signed.replace(hole[0], b"<" + value + b">"))
        assert (found.status, found.reason) == (UNVERIFIABLE, "PDF-CMS")


def _value_put(pdf: bytes, make: Any) -> bytes:
    """The file with another signature value over the same bytes."""
    spans = re.search(rb"/ByteRange \[\s*0 (\d+) (\d+) (\d+)\s*\]", pdf)
    assert spans is not None
    before, after, _ = map(int, spans.groups())
    value: bytes = make(pdf[:before] + pdf[after:]).hex().encode()
    return pdf[: before + 1] + value.ljust(after - before - 2, b"0") + pdf[after - 1 :]


def _pkcs7(keys: AgencyKeys, *options: pkcs7.PKCS7Options) -> Any:
    """Makes CMS values with cryptography's own code."""

    def make(data: bytes) -> bytes:
        builder = pkcs7.PKCS7SignatureBuilder().set_data(data).add_signer(keys.certificate, keys.key, hashes.SHA256())
        for one in keys.certificates[1:]:
            builder = builder.add_certificate(one)
        return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary, *options])

    return make


DETACHED, BARE = pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.NoAttributes


def test_values_of_other_makers(foreign: Any, trusting: VerifyPolicy, agency: AgencyKeys) -> None:
    """A CMS value by other code is accepted; one with the content in it, or without signed attributes, is not."""
    pdf = foreign(bytes_reserved=20_000)
    assert verify_pdf(_value_put(pdf, _pkcs7(agency, DETACHED)), trusting).status is VALID
    for options, words in (((DETACHED, BARE), "no signed attributes"), ((), "not detached")):
        found = verify_pdf(_value_put(pdf, _pkcs7(agency, *options)), trusting)
        assert (found.status, found.reason) == (UNVERIFIABLE, "PDF-CMS")
        assert words in found.detail


def test_a_date_that_is_none(sign: Any, agency: AgencyKeys) -> None:
    """A time of signing that cannot be read is no time; the signature holds."""

    def make(data: bytes) -> bytes:
        signing = PyhankoSigner(agency.signer()).async_sign(hashlib.sha256(data).digest(), "sha256", use_pades=True)
        value: bytes = asyncio.run(signing).dump()
        return value

    dated = sign(stamp=None, at=datetime(2026, 11, 20, tzinfo=UTC))
    assert dated.count(rb"/M (D\07220261120000000Z)") == 1
    for other in (rb"/M (X\07220261120000000Z)", rb"/M (D\07220261120000000 )", rb"/M (D\07220269920000000Z)"):
        pdf = dated.replace(rb"/M (D\07220261120000000Z)", other)
        (one,) = verify_pdf(_value_put(pdf, make)).signatures
        assert (one.status, one.signed_at) == (VALID, None)


def test_a_dictionary_put_in_again(signed: bytes, pdfs: Any) -> None:
    """The very same signature dictionary in a later revision: that revision is not covered by it."""
    spans = re.search(rb"\n(\d+) 0 obj\s*(<<(?:(?!endobj).)*?/ByteRange.*?>>)\s*endobj", signed, re.DOTALL)
    assert spans is not None
    found = verify_pdf(pdfs.update(signed, {int(spans[1]): spans[2]}))
    assert (found.status, found.reason) == (INVALID, "PDF-COVERAGE")


def test_a_signature_against_a_lock(foreign: Any, sign: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The author allowed no changes (ISO 32000-2, 12.8.2.2); software that signs all the same breaks that."""
    locked = foreign(certify=True, docmdp_permissions=MDPPerm.NO_CHANGES)
    monkeypatch.setattr(PdfSigner, "_enforce_certification_constraints", lambda *_: None)
    found = verify_pdf(sign(locked, stamp=None))
    assert [one.reason for one in found.signatures] == ["PDF-MODIFIED", "PDF-OK"]
    assert found.status is INVALID


# -- time stamps of the document


def _stamped(pdf: bytes, keys: AgencyKeys) -> bytes:
    der = keys.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    chain = [asn1_x509.Certificate.load(one.public_bytes(Encoding.DER)) for one in keys.certificates]
    store: Any = SimpleCertificateStore()  # type: ignore[no-untyped-call]  # not annotated in pyHanko
    store.register_multiple(chain[1:])
    timestamper = DummyTimeStamper(chain[0], asn1_keys.PrivateKeyInfo.load(der), certs_to_embed=store)
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    stamped: bytes = PdfTimeStamper(timestamper).timestamp_pdf(writer, "sha256", validation_context=None).getvalue()
    return stamped


@pytest.fixture
def authority_of_time() -> AgencyKeys:
    """A time-stamp authority's keys, under the same root as the agency's."""
    return get_default_authority().agency("Cấp dấu thời gian", uses=[ExtendedKeyUsageOID.TIME_STAMPING])


def test_a_document_time_stamp(sign: Any, trusting: VerifyPolicy, authority_of_time: AgencyKeys) -> None:
    """A time stamp after the signature (ISO 32000-2, 12.8.5) is listed with the authority's time; both hold."""
    found = verify_pdf(_stamped(sign(), authority_of_time), trusting)
    assert [(one.kind, one.reason) for one in found.signatures] == [
        ("signature", "PDF-EXTENDED"),
        ("timestamp", "PDF-OK"),
    ]
    stamp = found.signatures[1]
    assert (stamp.signer, stamp.trusted) == ("Cấp dấu thời gian", True)
    assert stamp.signed_at is not None
    assert (found.status, found.reason, len(found.signers)) == (VALID, "PDF-EXTENDED", 1)


def test_a_time_stamp_is_no_signature(plain: bytes, authority_of_time: AgencyKeys, pdfs: Any) -> None:
    """A file with a time stamp only is UNSIGNED, and INVALID when changed after it."""
    stamped = _stamped(plain, authority_of_time)
    assert verify_pdf(stamped).reason == "PDF-NONE"
    letter = _stamped(pdfs.letter(), authority_of_time)
    assert verify_pdf(pdfs.update(letter, REVISIONS["page content"])).reason == "PDF-MODIFIED"
    assert verify_pdf(letter.replace(b"(Cong van)", b"(Cong voi)")).reason == "PDF-DIGEST"


def test_who_may_stamp_time(sign: Any, trusting: VerifyPolicy, agency: AgencyKeys) -> None:
    """An agency's certificate makes no time stamps, and the policy may name other authorities for them."""
    other = authority("Time CA").agency("Giờ", uses=[ExtendedKeyUsageOID.TIME_STAMPING])
    assert verify_pdf(_stamped(sign(), agency), trusting).signatures[1].reason == "PDF-KEY-USAGE"
    pdf = _stamped(sign(), other)
    assert verify_pdf(pdf, trusting).signatures[1].reason == "SIG-UNTRUSTED"
    assert verify_pdf(pdf, trusting).status is VALID  # the signature itself needs no time stamp
    stamps = replace(trusting, timestamp_anchors=(other.root,))
    assert [one.status for one in verify_pdf(pdf, stamps).signatures] == [VALID, VALID]


def test_a_time_stamp_that_is_none(plain: bytes, authority_of_time: AgencyKeys) -> None:
    """A time stamp's place with an ordinary value in it, and a stamp over other bytes."""
    stamped = _stamped(plain, authority_of_time)
    found = verify_pdf(_value_put(stamped, _pkcs7(authority_of_time, DETACHED)))
    assert (found.signatures[0].reason, found.signatures[0].detail) == ("PDF-CMS", "no time stamp")
    other = PdfFileReader(io.BytesIO(_stamped(plain + b"\n", authority_of_time))).embedded_signatures[0].pkcs7_content
    found = verify_pdf(_value_put(stamped, lambda _data: other.rstrip(b"\0")))
    assert (found.status, found.reason) == (INVALID, "PDF-DIGEST")
    keyless = get_default_authority().agency("Không EKU", uses=[ExtendedKeyUsageOID.EMAIL_PROTECTION])
    assert verify_pdf(_stamped(plain, keyless)).signatures[0].reason == "PDF-KEY-USAGE"
