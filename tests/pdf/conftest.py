"""PDF files made by hand, signed with our signers and with other software's, and changed afterwards."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import keys as asn1_keys  # type: ignore[import-untyped]  # it ships no types
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko_certvalidator.registry import SimpleCertificateStore

from edoc_connector.pdf import sign_pdf
from edoc_connector.signing import VerifyMode, VerifyPolicy
from edoc_connector.testing import sample_pdf
from edoc_connector.testing.keys import AgencyKeys, agency_keys

NAME = "Uỷ ban nhân dân phường Vỹ Dạ"


@pytest.fixture(scope="session")
def agency() -> AgencyKeys:
    """The signing agency's keys."""
    return agency_keys(NAME, organ_id="H29.05")


@pytest.fixture(scope="session")
def trusting(agency: AgencyKeys) -> VerifyPolicy:
    """Trust in the agency's root authority."""
    return VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=(agency.root,))


@dataclass(frozen=True)
class Pdfs:
    """Makes PDF files, and revisions of them, byte by byte."""

    @staticmethod
    def build(objects: Mapping[int, bytes], *, trailer: bytes = b"") -> bytes:
        """A file of numbered objects; number 1 is its catalogue."""
        out = b"%PDF-1.7\n"
        return out + _objects(objects, len(out), b"/Root 1 0 R /Size %d %s" % (max(objects) + 1, trailer), whole=True)

    @staticmethod
    def letter(page: bytes = b"/MediaBox [0 0 595 842]", catalogue: bytes = b"", **more: bytes) -> bytes:
        """One page that says "Cong van", with entries for its page and catalogue, and further objects as ``o5``."""
        text = b"BT /F1 14 Tf 72 700 Td (Cong van) Tj ET"
        font = b"/Type /Font /Subtype /Type1 /BaseFont /Helvetica"
        objects = {
            1: b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalogue,
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 << %s >> >> >> %s >>"
            % (font, page),
            4: b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        }
        return Pdfs.build(objects | {int(name[1:]): body for name, body in more.items()})

    @staticmethod
    def update(pdf: bytes, objects: Mapping[int, bytes]) -> bytes:
        """The file with objects put in the place of others, as a revision after what is there."""
        size, root = (re.findall(rb"/%s (\d+)" % name, pdf)[-1] for name in (b"Size", b"Root"))
        before = re.findall(rb"startxref\s+(\d+)", pdf)[-1]
        trailer = b"/Root %s 0 R /Size %d /Prev %s" % (root, max(int(size), max(objects) + 1), before)
        return pdf + _objects(objects, len(pdf), trailer, whole=False)


def _objects(objects: Mapping[int, bytes], start: int, trailer: bytes, *, whole: bool) -> bytes:
    out, table = b"", b"0 1\n0000000000 65535 f \n" if whole else b""
    for number, body in sorted(objects.items()):
        table += b"%d 1\n%010d 00000 n \n" % (number, start + len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    return out + b"xref\n%strailer\n<< %s >>\nstartxref\n%d\n%%%%EOF\n" % (table, trailer, start + len(out))


@pytest.fixture(scope="session")
def pdfs() -> Pdfs:
    """Makes PDF files byte by byte."""
    return Pdfs()


@pytest.fixture(scope="session")
def plain() -> bytes:
    """A PDF file without signatures."""
    return sample_pdf(["CONG VAN 7816/SNV-VP"])


Sign = Callable[..., bytes]


@pytest.fixture
def sign(tmp_path: Path, agency: AgencyKeys, plain: bytes) -> Sign:
    """Signs a file with our own code, and gives the bytes."""

    def signed(source: Any = None, *, keys: AgencyKeys = agency, **options: Any) -> bytes:
        target = tmp_path / "signed.pdf"
        sign_pdf(plain if source is None else source, target, signer=options.pop("signer", keys.signer()), **options)
        return target.read_bytes()

    return signed


@pytest.fixture
def signed(sign: Sign) -> bytes:
    """A signed file without a stamp."""
    return sign(stamp=None)


@pytest.fixture
def foreign(agency: AgencyKeys, plain: bytes) -> Sign:
    """Signs a file with pyHanko's own signer, in whatever way is asked: what other people's software might send."""

    def signed(source: bytes | None = None, *, keys: AgencyKeys = agency, **options: Any) -> bytes:
        strict = options.pop("strict", True)
        der = keys.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        certificates = [asn1_x509.Certificate.load(one.public_bytes(Encoding.DER)) for one in keys.certificates]
        store: Any = SimpleCertificateStore()  # type: ignore[no-untyped-call]  # not annotated in pyHanko
        store.register_multiple(certificates[1:])
        signer = signers.SimpleSigner(
            signing_cert=certificates[0],
            signing_key=asn1_keys.PrivateKeyInfo.load(der),
            cert_registry=store,
            prefer_pss=options.pop("prefer_pss", False),
        )
        reserved = options.pop("bytes_reserved", None)
        usual: dict[str, Any] = {"field_name": "Signature1", "subfilter": SigSeedSubFilter.PADES}
        metadata = signers.PdfSignatureMetadata(**(usual | options))
        writer = IncrementalPdfFileWriter(io.BytesIO(source or plain), strict=strict)
        signed: bytes = signers.sign_pdf(writer, metadata, signer=signer, bytes_reserved=reserved).getvalue()
        return signed

    return signed
