"""Requests for certificates: of keys in files and on a real token, signed by the key itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from asn1crypto import csr  # type: ignore[import-untyped]  # it ships no types
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from edoc_connector.errors import SigningError
from edoc_connector.signing import (
    build_request,
    build_subject,
    fingerprint_key,
    open_request_key,
    parse_subject,
    read_request,
)
from edoc_connector.testing.keys import AgencyKeys, agency_keys
from edoc_connector.testing.tokens import SoftToken

PASSWORD = "mật khẩu của khóa"
SUBJECT = build_subject(name="Sở Nội vụ", organ_id="H29.05", email="vanthu@sonv.example.gov.vn")


def _no_secret(_: str) -> str | None:
    return None


def _write_bare_key(path: Path, keys: AgencyKeys) -> str:
    path.write_bytes(keys.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return f"pem:{path}"


def _request(uri: str, secret: str | None = None) -> x509.CertificateSigningRequest:
    with open_request_key(uri, lambda _: secret) as key:
        pem = build_request(key, SUBJECT)
        request = x509.load_pem_x509_csr(pem)
        assert fingerprint_key(key.public_key) == fingerprint_key(request.public_key())  # type: ignore[arg-type]
    return request


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384"])
def test_a_key_without_a_certificate_asks_for_one(kind: str, tmp_path: Path) -> None:
    """A PEM file with a key alone gives a request with the agency's name and code, signed by that key (point 6)."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind=kind)  # type: ignore[arg-type]  # one of three
    request = _request(_write_bare_key(tmp_path / "new.pem", keys))
    assert request.is_signature_valid
    assert _as_der(request.public_key()) == _as_der(keys.key.public_key())
    values = {attribute.oid: attribute.value for attribute in request.subject}
    assert values == {
        NameOID.COUNTRY_NAME: "VN",
        NameOID.ORGANIZATION_NAME: "Sở Nội vụ",
        NameOID.ORGANIZATION_IDENTIFIER: "H29.05",
        NameOID.COMMON_NAME: "Sở Nội vụ",
        NameOID.EMAIL_ADDRESS: "vanthu@sonv.example.gov.vn",
    }


def _as_der(key: object) -> bytes:
    assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_a_pkcs12_file_asks_with_its_password(tmp_path: Path) -> None:
    """The key of a PKCS#12 file asks for another certificate; a wrong password is refused."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256")
    uri = keys.write_p12(tmp_path / "a.p12", password=PASSWORD)
    assert _request(uri, PASSWORD).is_signature_valid
    with pytest.raises(SigningError, match="password is wrong"), open_request_key(uri, lambda _: "wrong"):
        pytest.fail("it was opened")


@pytest.mark.parametrize(("kind", "label"), [("EC:prime256v1", "new-ec"), ("rsa:2048", "new-rsa")])
def test_a_key_made_on_a_token_asks_inside_it(kind: str, label: str, soft_token: SoftToken) -> None:
    """A key pair that the token made, without a certificate, signs its request in the token (point 6)."""
    soft_token.generate_key(kind, label=label, id="c1" if kind[0] == "E" else "c2")
    request = _request(soft_token.build_uri(label), soft_token.pin)
    assert request.is_signature_valid
    is_ec = isinstance(request.public_key(), ec.EllipticCurvePublicKey)
    assert is_ec is (kind[0] == "E")


def test_a_key_on_a_token_with_its_certificate_alone(soft_token: SoftToken) -> None:
    """Where the token has no public object of an EC key, its certificate tells the public part; it is renewed so."""
    request = _request(soft_token.build_uri("p256-key"), soft_token.pin)
    assert request.is_signature_valid
    own = agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256").key.public_key()
    assert _as_der(request.public_key()) == _as_der(own)


def test_a_token_without_a_pin_or_a_key(soft_token: SoftToken) -> None:
    """A missing PIN, a label that is not there and two keys of one label are told as for signing."""
    for label, secret, words in (
        ("agency-key", None, "asks for a PIN"),
        ("gone", soft_token.pin, "there is no private key"),
        ("twin", soft_token.pin, "several private keys"),
    ):
        with pytest.raises(SigningError, match=words), open_request_key(
            soft_token.build_uri(label), lambda _, secret=secret: secret  # type: ignore[misc]  # bound now
        ):  # fmt: skip
            pytest.fail("it was opened")


def test_what_cannot_be_a_request(tmp_path: Path) -> None:
    """No key, an algorithm that requests do not have, a subject that is none, and a request of another key."""
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing", encoding="ascii")
    with pytest.raises(SigningError, match="holds 0 private keys"), open_request_key(f"pem:{empty}", _no_secret):
        pytest.fail("it was opened")
    uri = _write_bare_key(tmp_path / "rsa.pem", agency_keys("Sở Nội vụ", organ_id="H29.05"))
    with (
        open_request_key(f"{uri}?algorithm=rsa-pss-sha256", _no_secret) as key,
        pytest.raises(SigningError, match="requests are not signed with rsa-pss-sha256"),
    ):
        build_request(key, SUBJECT)
    with pytest.raises(SigningError, match="--subject"):
        parse_subject("Sở Nội vụ")
    with pytest.raises(SigningError, match="--subject"):
        build_subject(name="x" * 65, organ_id="H29.05")


def test_a_request_is_read_back_only_with_its_proof(tmp_path: Path) -> None:
    """A request that another key signed is no proof of possession, and is refused (RFC 4211, 4.1)."""
    uri = _write_bare_key(tmp_path / "new.pem", agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256"))
    path = tmp_path / "request.pem"
    with open_request_key(uri, _no_secret) as key:
        path.write_bytes(build_request(key, SUBJECT))
    assert read_request(path).subject == SUBJECT
    der = csr.CertificationRequest.load(read_request(path).public_bytes(Encoding.DER))
    info = der["certification_request_info"].dump()
    other = agency_keys("Kẻ khác", kind="p256").key
    assert isinstance(other, ec.EllipticCurvePrivateKey)
    der["signature"] = other.sign(info, ec.ECDSA(hashes.SHA256()))
    path.write_bytes(der.dump(force=True))
    with pytest.raises(SigningError, match="not signed by its own key"):
        read_request(path)
    path.write_bytes(b"no request")
    with pytest.raises(SigningError, match="no request for a certificate"):
        read_request(path)
