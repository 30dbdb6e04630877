"""Signers over keys at hand: their reports, their refusals to sign, and the watch over secrets."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID

from edoc_connector.errors import SigningError
from edoc_connector.signing import LocalSigner, SignatureAlgorithm, load_signer
from edoc_connector.signing.signer import require_certificate
from edoc_connector.signing.xmlsig.xmldsig import NewReference, build_signed_info, sign_signed_info
from edoc_connector.testing.keys import AgencyKeys, get_default_authority, make_throwaway_key

PASSWORD = "mật-khẩu-Rất-Bí-Mật-7"
DATA = b"what is signed"


@pytest.fixture(scope="module", params=["rsa", "p256", "p384"])
def keys(request: pytest.FixtureRequest) -> AgencyKeys:
    """Keys of every kind that signs."""
    return get_default_authority().agency("Sở Nội vụ", organ_id="H29.05", kind=request.param, key_name="signer tests")


def test_algorithms_follow_the_key(keys: AgencyKeys) -> None:
    """RSA signs with RSA-SHA256, P-256 with ECDSA-SHA256 (The edXML packet, Signature)."""
    expected = {"rsa": "rsa-sha256", "p256": "ecdsa-sha256", "p384": "ecdsa-sha384"}
    algorithm = keys.signer().algorithm
    assert isinstance(algorithm, SignatureAlgorithm)
    assert algorithm in expected.values()


def test_a_signer_reports_its_certificate(keys: AgencyKeys) -> None:
    """Certificate, days to expiry and key usage can be asked of a signer (Signers)."""
    signer = keys.signer()
    assert signer.certificate == keys.certificate
    assert signer.days_left == 364
    a_month_late = keys.certificate.not_valid_after_utc + timedelta(days=30, hours=1)
    assert keys.signer(clock=lambda: a_month_late).days_left == -31
    assert signer.key_usage == ("digitalSignature", "contentCommitment")
    signer.refuse_unfit()


NOW = datetime.now(UTC)
UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"not_before": NOW - timedelta(days=20), "not_after": NOW - timedelta(days=1)}, "expired"),
    "not yet valid": ({"not_before": NOW + timedelta(days=1)}, "valid only from"),
    "not for signing": ({"signing": False}, "digitalSignature"),
    "for web servers only": ({"uses": [ExtendedKeyUsageOID.SERVER_AUTH]}, "extended key usage"),
    "RSA 1024": ({"kind": "rsa1024"}, "2048"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_an_unfit_certificate_refuses_to_sign(case: str, tmp_path: Path) -> None:
    """A certificate not valid now, not for signing, or with a weak key refuses before anything is sent (faults, 25)."""
    changes, words = UNFIT[case]
    keys = get_default_authority().agency("Sở Nội vụ", **changes)
    signer = load_signer(keys.write_pem(tmp_path / "key.pem"))
    with pytest.raises(SigningError, match=words) as error:
        signer.sign(DATA)
    assert error.value.vi


def test_the_clock_decides_whether_a_certificate_is_valid(agency: AgencyKeys, tmp_path: Path) -> None:
    """The moment is the clock's: two years on, the same key refuses."""
    uri = agency.write_pem(tmp_path / "key.pem")
    assert load_signer(uri).sign(DATA)
    with pytest.raises(SigningError, match="expired"):
        load_signer(uri, clock=lambda: NOW + timedelta(days=730)).sign(DATA)


def test_a_key_of_another_kind_is_no_signer(agency: AgencyKeys) -> None:
    """Only RSA, P-256 and P-384 keys sign packets (The edXML packet, Signature)."""
    key: Any = ed25519.Ed25519PrivateKey.generate()
    with pytest.raises(SigningError):
        LocalSigner(key=key, certificates=agency.certificates)


class _Remote:
    """A signer of someone else's making."""

    algorithm = SignatureAlgorithm.RSA_SHA256

    def __init__(self, certificates: tuple[Any, ...]) -> None:
        self.certificates = certificates

    def sign(self, data: bytes) -> bytes:
        return make_throwaway_key("rsa", "another key").sign(data, *_pkcs1())  # type: ignore[call-arg]  # the key is an RSA key


def _pkcs1() -> tuple[Any, Any]:
    return PKCS1v15(), SHA256()


def test_a_signer_that_uses_another_key_is_found_out(agency: AgencyKeys) -> None:
    """What a signer made is checked with its certificate before it is used: a token may hold several keys."""
    info = build_signed_info([NewReference(digest=bytes(32))], algorithm="rsa-sha256")
    with pytest.raises(SigningError, match="does not belong"):
        sign_signed_info(_Remote(agency.certificates), info)


def test_a_signer_without_certificates_cannot_sign_packets() -> None:
    """A signature without a certificate, or with one whose key no receiver accepts, is not made."""
    with pytest.raises(SigningError, match="certificate"):
        require_certificate(_Remote(()))
    with pytest.raises(SigningError, match="secp521r1"):
        require_certificate(_Remote((get_default_authority().agency("Sở", kind="p521").certificate,)))


def test_the_watch_over_logs_and_errors_sees_what_it_should(told: Any) -> None:
    """The watch over every test of this folder catches a secret in a log record, a traceback and an error's words."""
    for tell in (
        lambda: logging.getLogger("edoc_connector.signing").debug("password %s", PASSWORD),
        lambda: SigningError(f"the password {PASSWORD}", vi=""),
        lambda: SigningError("", vi=PASSWORD),
        _logged_with_its_traceback,
    ):
        tell()
        assert told.secrets_of(SimpleNamespace(PASSWORD=PASSWORD)) == [PASSWORD]
        told.words.clear()


def _logged_with_its_traceback() -> None:
    try:
        int(PASSWORD)
    except ValueError:
        logging.getLogger("another.library").exception("failed")
