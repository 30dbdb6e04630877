"""PDF files signed with a key on a token (SoftHSM2)."""

from __future__ import annotations

import io
from typing import Any

import pytest
from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]  # it ships no types
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from edoc_connector.pdf import verify_pdf
from edoc_connector.signing import VerificationStatus, load_signer
from edoc_connector.signing.keys.keyring import close_signer
from edoc_connector.testing.keys import agency_keys


@pytest.mark.parametrize(
    ("label", "kind"),
    [("agency-key", "rsa"), ("p256-key", "p256"), ("p384-key", "p384")],
    ids=["RSA", "P-256", "P-384"],
)
def test_a_token_signs_a_pdf(label: str, kind: Any, soft_token: Any, sign: Any, trusting: Any) -> None:
    """The key stays on the token; pyHanko's own validator and ours find the file valid and trusted."""
    signer = load_signer(soft_token.build_uri(label), secrets=lambda _name: soft_token.pin)
    try:
        pdf = sign(signer=signer)
    finally:
        close_signer(signer)
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind=kind)
    (own,) = verify_pdf(pdf, trusting).signatures
    assert (own.status, own.trusted, own.certificate) == (VerificationStatus.VALID, True, keys.certificate)
    anchor = asn1_x509.Certificate.load(keys.root.public_bytes(Encoding.DER))
    intermediate = asn1_x509.Certificate.load(keys.certificates[1].public_bytes(Encoding.DER))
    (embedded,) = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    context = ValidationContext(trust_roots=[anchor], other_certs=[intermediate], allow_fetching=False)
    assert validate_pdf_signature(embedded, context).bottom_line
