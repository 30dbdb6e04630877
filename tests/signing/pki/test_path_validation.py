"""Whose certificate it is, and what it is for: path validation beyond what whole packets show (RFC 5280, 6.1)."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edoc_connector import edxml
from edoc_connector.errors import ConfigError
from edoc_connector.signing import VerifyMode, VerifyPolicy, verify
from edoc_connector.signing.pki import path_validation
from edoc_connector.signing.pki.certificates import is_for_other_use
from edoc_connector.signing.pki.path_validation import judge_certificate
from edoc_connector.signing.pki.revocation import Revocation, RevocationMode
from edoc_connector.testing.keys import AgencyKeys, authority, get_default_authority, make_throwaway_key

NOW = datetime.now(UTC)

USES: dict[str, tuple[list[x509.ObjectIdentifier], bool]] = {
    "e-mail": ([ExtendedKeyUsageOID.EMAIL_PROTECTION], False),
    "logging in": ([ExtendedKeyUsageOID.CLIENT_AUTH], False),
    "documents": ([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")], False),
    "web server and documents": ([ExtendedKeyUsageOID.SERVER_AUTH, x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")], False),
    "web server that logs in": ([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH], True),
    "web server": ([ExtendedKeyUsageOID.SERVER_AUTH], True),
    "time-stamps": ([ExtendedKeyUsageOID.TIME_STAMPING], True),
    "OCSP": ([ExtendedKeyUsageOID.OCSP_SIGNING], True),
    "programs": ([ExtendedKeyUsageOID.CODE_SIGNING], True),
}


@pytest.mark.parametrize("case", USES)
def test_what_a_certificate_is_for(case: str, xmlsec_signed: Any, trusted: VerifyPolicy) -> None:
    """A web server or time-stamp authority under the agencies' own root signs no packets (key usage)."""
    uses, refused = USES[case]
    keys = get_default_authority().agency("Sở Nội vụ", organ_id="H29.05", uses=uses)
    assert is_for_other_use(keys.certificate) is refused
    reason = verify(edxml.read(xmlsec_signed(keys=keys)), trusted).reason
    assert reason == ("SIG-KEY-USAGE" if refused else "SIG-OK")


def test_a_certificate_that_does_not_say_what_it_is_for() -> None:
    """Without extended key usage a certificate is for anything its key usage allows."""
    assert not is_for_other_use(get_default_authority().certificates[-1])


def test_the_three_presets_have_names() -> None:
    """TRUSTED, VALID and ANY can be said with VerifyPolicy alone, the one name that is exported at the top."""
    assert tuple(VerifyMode) == (VerifyPolicy.TRUSTED, VerifyPolicy.VALID, VerifyPolicy.ANY)
    assert VerifyPolicy(mode=VerifyPolicy.VALID).mode is VerifyMode.VALID
    with pytest.raises(ConfigError):
        VerifyPolicy(mode=VerifyPolicy.TRUSTED)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="OpenSSL's command is not installed")
@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_a_chain_signed_with_sha1(digest: str, trusted: VerifyPolicy, tmp_path: Path) -> None:
    """A link signed with SHA-1 is no link, but under the legacy switch (What verifies: SHA-1)."""
    ca = get_default_authority()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sở Yếu")])
    request = (
        x509.CertificateSigningRequestBuilder().subject_name(name).sign(make_throwaway_key("p256"), hashes.SHA256())
    )
    (tmp_path / "request.pem").write_bytes(request.public_bytes(Encoding.PEM))
    (tmp_path / "ca.pem").write_bytes(ca.certificates[0].public_bytes(Encoding.PEM))
    (tmp_path / "ca.key").write_bytes(ca.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    command = f"openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -{digest} -days 9 -set_serial 7"
    made = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=True).stdout
    certificate = x509.load_pem_x509_certificate(made)
    at = datetime.now(UTC)
    trust = judge_certificate(certificate, ca.certificates[:1], policy=trusted, at=at)
    assert trust.problem == ("SIG-UNTRUSTED" if digest == "sha1" else "")
    legacy = VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=trusted.anchors, legacy_sha1=True)
    assert judge_certificate(certificate, ca.certificates[:1], policy=legacy, at=at).trusted


def test_an_impostor_with_the_authoritys_name(trusted: VerifyPolicy) -> None:
    """An authority of the same names and other keys issues nothing that is trusted."""
    impostor = authority("Throwaway CA", kind="p384").agency("Sở Nội vụ", organ_id="H29.05", kind="p256")
    for brought in (impostor.certificates[1:], impostor.certificates[1:-1], trusted.anchors):
        trust = judge_certificate(impostor.certificate, brought, policy=trusted, at=NOW)
        assert (trust.trusted, trust.problem) == (False, "SIG-UNTRUSTED")


def test_an_agency_issues_nothing(agency: AgencyKeys, trusted: VerifyPolicy) -> None:
    """A certificate signed with an agency's own key, under a genuine chain, leads nowhere (basicConstraints)."""
    key = make_throwaway_key("p256", "sub-agency")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Văn phòng Chính phủ")]))
        .issuer_name(agency.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=9))
        .sign(agency.key, hashes.SHA256())
    )
    trust = judge_certificate(certificate, agency.certificates, policy=trusted, at=NOW)
    assert (trust.trusted, trust.problem) == (False, "SIG-UNTRUSTED")


def test_a_path_found_good_is_judged_by_the_moment(trusted: VerifyPolicy) -> None:
    """A path that is known already is no longer good once one of its certificates is not valid (RFC 5280, 6.1.3)."""
    ca = get_default_authority()
    issuing, root = ca.certificates
    long_lived = ca.agency("Sở Bền", kind="p256", not_after=NOW + timedelta(days=5000)).certificate
    for _ in range(2):
        now = judge_certificate(long_lived, [issuing], policy=trusted, at=NOW)
        assert (now.trusted, now.chain) == (True, (long_lived, issuing, root))
        late = judge_certificate(
            long_lived, [issuing], policy=trusted, at=issuing.not_valid_after_utc + timedelta(days=1)
        )
        assert (late.trusted, late.problem) == (False, "SIG-EXPIRED")
        early = judge_certificate(
            long_lived, [issuing], policy=trusted, at=long_lived.not_valid_before_utc - timedelta(days=1)
        )
        assert (early.trusted, early.problem) == (False, "SIG-NOT-YET-VALID")


def test_a_path_found_good_is_good_for_those_anchors_only(agency: AgencyKeys, trusted: VerifyPolicy) -> None:
    """What one policy trusts says nothing of another's anchors, nor of what came with another signature."""
    other = VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=authority("Another CA").certificates[-1:])
    for _ in range(2):
        assert judge_certificate(agency.certificate, agency.certificates[1:], policy=trusted, at=NOW).trusted
        assert (
            judge_certificate(agency.certificate, agency.certificates[1:], policy=other, at=NOW).problem
            == "SIG-UNTRUSTED"
        )
        assert judge_certificate(agency.certificate, (), policy=trusted, at=NOW).problem == "SIG-UNTRUSTED"


def test_revocation_is_asked_although_the_path_is_known(agency: AgencyKeys, trusted: VerifyPolicy) -> None:
    """A path that was found good without asking for revocation is not good where a policy asks ("Revocation")."""
    revocation = Revocation(mode=RevocationMode.CRL, hosts=frozenset({"crl.example"}))
    asking = VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=trusted.anchors, revocation=revocation)
    for _ in range(2):
        assert judge_certificate(agency.certificate, agency.certificates[1:], policy=trusted, at=NOW).trusted
        asked = judge_certificate(agency.certificate, agency.certificates[1:], policy=asking, at=NOW)
        assert (asked.trusted, asked.problem) == (False, "SIG-REVOCATION-UNKNOWN")


def test_few_paths_are_kept(agency: AgencyKeys, trusted: VerifyPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Senders without number do not fill the memory: the paths used last are kept."""
    paths = path_validation._ValidPaths()
    monkeypatch.setattr(path_validation, "_PATHS", paths)
    monkeypatch.setattr(path_validation, "_MAX_PATHS", 2)
    senders = [get_default_authority().agency(f"Sở {number}", kind="p256").certificate for number in range(3)]
    for sender in (*senders, senders[1]):
        assert judge_certificate(sender, agency.certificates[1:], policy=trusted, at=NOW).trusted
    assert [asked[0][0] for asked in paths._chains] == [senders[2], senders[1]]
