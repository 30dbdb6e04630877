"""Signing PDF files: the written signature, and the verdicts of other verifiers."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]  # it ships no types
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from edoc_connector.edxml import Attachment
from edoc_connector.errors import AttachmentError, SigningError
from edoc_connector.pdf import sign_pdf, verify_pdf
from edoc_connector.signing import VerificationStatus, load_signer
from edoc_connector.testing.keys import AgencyKeys, agency_keys, get_default_authority

VALID = VerificationStatus.VALID


def judged_by_pyhanko(pdf: bytes, root: x509.Certificate) -> list[Any]:
    """Ask pyHanko's own validator about each signature."""
    anchor = asn1_x509.Certificate.load(root.public_bytes(Encoding.DER))
    reader = PdfFileReader(io.BytesIO(pdf))
    return [
        validate_pdf_signature(one, ValidationContext(trust_roots=[anchor], allow_fetching=False))
        for one in reader.embedded_signatures
    ]


@pytest.mark.parametrize("kind", ["rsa", "rsa3072", "p256", "p384"])
def test_it_verifies_with_pyhanko(kind: Any, sign: Any, trusting: Any) -> None:
    """Every kind of key: intact, valid, trusted and covering the whole file, for pyHanko's own validator and for us."""
    keys = agency_keys("Sở Nội vụ", kind=kind)
    pdf = sign(keys=keys)
    (status,) = judged_by_pyhanko(pdf, keys.root)
    assert status.bottom_line, status.pretty_print_details()
    (own,) = verify_pdf(pdf, trusting).signatures
    assert (own.status, own.reason, own.trusted) == (VALID, "PDF-OK", True)
    assert own.certificate == keys.certificate
    assert own.chain == keys.certificates


@pytest.mark.parametrize("algorithm", ["rsa-sha384", "rsa-sha512", "rsa-pss-sha256", "rsa-pss-sha512"])
def test_other_algorithms(algorithm: str, sign: Any, trusting: Any, agency: AgencyKeys, tmp_path: Path) -> None:
    """A signer's own algorithm is the one that the file names, RSASSA-PSS with its parameters (RFC 8017)."""
    uri = agency.write_pem(tmp_path / "key.pem")
    pdf = sign(signer=load_signer(f"{uri}?algorithm={algorithm}"))
    assert verify_pdf(pdf, trusting).signatures[0].algorithms == (algorithm, algorithm.rpartition("-")[2])
    (status,) = judged_by_pyhanko(pdf, agency.root)
    assert status.bottom_line


def test_poppler_accepts_it(sign: Any, tmp_path: Path) -> None:
    """A verifier of another family, poppler on NSS: valid, and the total document signed."""
    if shutil.which("pdfsig") is None and "CI" not in os.environ:
        pytest.skip("not installed: pdfsig (Debian: poppler-utils)")
    for kind in ("rsa", "p256"):
        (tmp_path / "a.pdf").write_bytes(sign(keys=agency_keys("Sở Nội vụ", kind=kind)))
        said = subprocess.run(["pdfsig", "-nocert", tmp_path / "a.pdf"], capture_output=True, text=True).stdout
        assert "Signature is Valid" in said
        assert "Total document signed" in said
        assert "ETSI.CAdES.detached" in said


def test_it_is_pades_baseline_b(sign: Any) -> None:
    """Signed attributes as ETSI EN 319 142-1, 6.3 has them: the certificate is bound, no time is among them."""
    at = datetime(2026, 11, 20, 7, 5, 9, tzinfo=UTC)
    pdf = sign(at=at, reason="Phát hành", location="Hà Nội")
    (embedded,) = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    attributes = {one["type"].native for one in embedded.signer_info["signed_attrs"]}
    assert {"content_type", "message_digest", "signing_certificate_v2"} <= attributes
    assert "signing_time" not in attributes
    assert embedded.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
    (own,) = verify_pdf(pdf).signatures
    assert (own.signed_at, own.stated_reason, own.location) == (at, "Phát hành", "Hà Nội")


def test_a_second_signature_leaves_the_first_valid(sign: Any, trusting: Any, agency: AgencyKeys) -> None:
    """Signatures add up: the clerk signs for the agency after the director, and both hold."""
    director = get_default_authority().agency("Nguyễn Văn A", kind="p256")
    pdf = sign(sign(keys=director))
    found = verify_pdf(pdf, trusting)
    assert [one.reason for one in found.signatures] == ["PDF-EXTENDED", "PDF-OK"]
    assert [(one.whole_document, one.modified) for one in found.signatures] == [(False, True), (True, False)]
    assert (found.status, found.reason) == (VALID, "PDF-OK")
    assert found.signers == ("Nguyễn Văn A", agency.certificate.subject.rfc4514_string().split(",")[0][3:])
    assert all(status.bottom_line for status in judged_by_pyhanko(pdf, agency.root))


def test_the_signer_is_asked_once(sign: Any, agency: AgencyKeys) -> None:
    """The place for the value is measured without signing: a token that asks for its PIN asks once."""
    asked = []

    class Counting:
        algorithm = agency.signer().algorithm
        certificates = agency.certificates

        def sign(self, data: bytes) -> bytes:
            asked.append(data)
            return agency.signer().sign(data)

    assert verify_pdf(sign(signer=Counting())).status is VALID
    assert len(asked) == 1


def test_inside_a_running_event_loop(sign: Any) -> None:
    """pyHanko's coroutines run elsewhere, so a caller may be in a thread with a loop of its own."""

    async def program() -> VerificationStatus:
        return verify_pdf(sign(stamp=None)).status

    assert asyncio.run(program()) is VALID


def test_in_a_worker_thread_of_an_async_program(sign: Any) -> None:
    """The way `AsyncConnector` calls blocking code."""

    async def program() -> bytes:
        return await asyncio.to_thread(sign, stamp=None)

    assert verify_pdf(asyncio.run(program())).status is VALID


def test_source_and_target(agency: AgencyKeys, plain: bytes, tmp_path: Path) -> None:
    """A path, bytes or an attachment is signed, and the target may be the source."""
    path = tmp_path / "a.pdf"
    path.write_bytes(plain)
    sign_pdf(path, path, signer=agency.signer(), stamp=None)
    assert len(verify_pdf(str(path)).signatures) == 1
    sign_pdf(Attachment.from_path(path), path, signer=agency.signer(), stamp=None)
    assert len(verify_pdf(Attachment.from_path(path)).signatures) == 2


def _encrypted(plain: bytes) -> bytes:
    from pyhanko.pdf_utils.writer import copy_into_new_writer

    writer = copy_into_new_writer(PdfFileReader(io.BytesIO(plain)))
    writer.encrypt("mật khẩu")  # type: ignore[no-untyped-call]  # not annotated in pyHanko
    out = io.BytesIO()
    writer.write(out)  # type: ignore[no-untyped-call]  # not annotated in pyHanko
    return out.getvalue()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda plain: b"PK\x03\x04", "not a PDF file"),
        (lambda plain: plain[:200], "not built as PDF files are"),
        (lambda plain: plain.replace(b"/Pages 2 0 R", b"/Pages 9 0 R"), "not built as PDF files are"),
        (_encrypted, "encrypted"),
    ],
    ids=["not a PDF", "cut off", "no pages", "encrypted"],
)
def test_files_that_cannot_be_signed(make: Any, words: str, agency: AgencyKeys, plain: bytes, tmp_path: Path) -> None:
    """A typed error in both languages that says what to do; nothing is written."""
    with pytest.raises(SigningError, match=words) as caught:
        sign_pdf(make(plain), tmp_path / "out.pdf", signer=agency.signer())
    assert "printing to PDF" in caught.value.message
    assert "in ra PDF" in caught.value.vi
    assert list(tmp_path.iterdir()) == []


def test_a_locked_file(foreign: Any, agency: AgencyKeys, tmp_path: Path) -> None:
    """A signature that allows no changes (ISO 32000-2, 12.8.2.2) is not broken by another."""
    from pyhanko.sign.fields import MDPPerm

    locked = foreign(certify=True, docmdp_permissions=MDPPerm.NO_CHANGES)
    with pytest.raises(SigningError, match="cannot be signed"):
        sign_pdf(locked, tmp_path / "out.pdf", signer=agency.signer())


def test_a_key_that_must_not_sign(plain: bytes, tmp_path: Path) -> None:
    """An expired certificate refuses to sign, and leaves no file."""
    past = datetime.now(UTC) - timedelta(days=1)
    keys = get_default_authority().agency("Hết hạn", not_before=past - timedelta(days=9), not_after=past)
    with pytest.raises(SigningError, match="expired"):
        sign_pdf(plain, tmp_path / "out.pdf", signer=keys.signer())
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_is_not_there(agency: AgencyKeys, tmp_path: Path) -> None:
    """The source's own error comes through."""
    with pytest.raises(AttachmentError):
        sign_pdf(tmp_path / "none.pdf", tmp_path / "out.pdf", signer=agency.signer())


def test_an_empty_field_of_the_same_name(sign: Any, plain: bytes) -> None:
    """A form may have signature fields that nobody signed; ours gets a name of its own."""
    from pyhanko.sign.fields import SigFieldSpec, append_signature_field

    writer = IncrementalPdfFileWriter(io.BytesIO(plain))
    append_signature_field(writer, SigFieldSpec("Signature1", box=(10, 10, 100, 50)))
    out = io.BytesIO()
    writer.write(out)  # type: ignore[no-untyped-call]  # not annotated in pyHanko
    (own,) = verify_pdf(sign(out.getvalue())).signatures
    assert (own.field, own.status) == ("Signature2", VALID)


def test_the_example_runs(plain: bytes, agency: AgencyKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example signs with a PKCS#12 file, its password in the environment, and prints a valid verdict."""
    (tmp_path / "in.pdf").write_bytes(plain)
    key = agency.write_p12(tmp_path / "agency.p12", password="bí mật")
    root = agency.write_root(tmp_path / "ca.pem")
    monkeypatch.setenv("KEY_PASSWORD", "bí mật")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    example = Path(__file__).parents[2] / "examples" / "sign_pdf.py"
    command: list[str | Path] = [sys.executable, example, tmp_path / "in.pdf", tmp_path / "out.pdf", key, root]
    said = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
    assert "VALID PDF-OK" in said
    assert "bí mật" not in said
