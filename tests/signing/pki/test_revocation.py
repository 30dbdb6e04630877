"""Revocation by lists and by OCSP, against real responders over loopback; and nothing fetched that no policy names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from edoc_connector import edxml
from edoc_connector.errors import ConfigError
from edoc_connector.signing import Revocation, RevocationMode, Verification, VerifyMode, VerifyPolicy, verify
from edoc_connector.signing.pki.pki_http import CachedFetch, FetchFailed, fetch_http
from edoc_connector.testing.keys import AgencyKeys, authority, get_default_authority
from edoc_connector.testing.responders import Responders

DAY = timedelta(days=1)
MODES = [RevocationMode.CRL, RevocationMode.OCSP, RevocationMode.EITHER]


@pytest.fixture
def pki() -> Iterator[Responders]:
    """The servers of the sender's authority."""
    with Responders(get_default_authority()) as responders:
        yield responders


def _asking(pki: Responders, mode: RevocationMode, **options: Any) -> Revocation:
    given: dict[str, Any] = {"crl_urls": pki.crl_urls, "ocsp_url": pki.ocsp_url, "fetch": fetch_http} | options
    return Revocation(mode=mode, **given)


def _verified(data: bytes, pki: Responders, revocation: Revocation, **options: Any) -> Verification:
    policy = VerifyPolicy(anchors=(pki.authority.certificates[-1],), revocation=revocation, **options)
    return verify(edxml.read(data), replace(policy, mode=VerifyMode.TRUSTED))


@pytest.mark.parametrize("mode", MODES)
def test_a_certificate_in_force_is_trusted(mode: RevocationMode, pki: Responders, signed: bytes) -> None:
    """Where the responders know nothing against any certificate of the chain, the packet is VALID without findings."""
    verification = _verified(signed, pki, _asking(pki, mode))
    assert (verification.reason, verification.trusted, verification.findings) == ("SIG-OK", True, ())
    assert ("/ocsp" in pki.requested_paths) == (mode is not RevocationMode.CRL)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("which", [0, 1], ids=["the signer's", "the authority's"])
def test_a_revoked_certificate_is_refused(
    mode: RevocationMode, which: int, pki: Responders, signed: bytes, agency: AgencyKeys
) -> None:
    """A revoked certificate, the signer's or one above it, is refused, soft or not (RFC 5280, 6.3; RFC 6960)."""
    pki.revoke(agency.certificates[which])
    for soft in (False, True):
        verification = _verified(signed, pki, _asking(pki, mode, soft=soft))
        assert (verification.status.value, verification.reason) == ("UNVERIFIABLE", "SIG-REVOKED")
        assert verification.message is None
        assert "revoked" in verification.explanation
        assert "thu hồi" in verification.explanation_vi


def test_under_a_lax_policy_revocation_is_reported(pki: Responders, signed: bytes, agency: AgencyKeys) -> None:
    """Where trust is not demanded a revoked certificate is a finding, and the signer is not trusted."""
    pki.revoke(agency.certificate)
    policy = VerifyPolicy(anchors=(agency.root,), revocation=_asking(pki, RevocationMode.CRL))
    verification = verify(edxml.read(signed), policy)
    assert (verification.status.value, verification.trusted) == ("VALID", False)
    assert [finding.code for finding in verification.findings] == ["SIG-REVOKED", "SIG-UNBOUND"]


@pytest.mark.parametrize("mode", MODES)
def test_revoked_later_is_good_then(mode: RevocationMode, pki: Responders, signed: bytes, agency: AgencyKeys) -> None:
    """A packet is judged as of the moment it came: a later revocation does not reach back."""
    arrived = datetime.now(UTC)
    pki.revoke(agency.certificate, at=arrived + timedelta(hours=1))
    pki.clock = lambda: arrived + timedelta(hours=2)
    assert _verified(signed, pki, _asking(pki, mode), at=arrived).reason == "SIG-OK"
    assert _verified(signed, pki, _asking(pki, mode), at=arrived + timedelta(hours=2)).reason == "SIG-REVOKED"


BROKEN: dict[str, tuple[int, Callable[[Responders], bytes]]] = {
    "server error": (503, lambda pki: b""),
    "garbage": (200, lambda pki: b"<html>login</html>"),
    "out of date": (200, lambda pki: pki.build_crl(lasts=-timedelta(hours=1))),
    "redirect": (302, lambda pki: b""),
}


@pytest.mark.parametrize("case", BROKEN)
def test_missing_information_is_hard_or_soft(case: str, pki: Responders, signed: bytes) -> None:
    """A list that is missing or out of date makes the packet UNVERIFIABLE; softly it is a finding, and names why."""
    status, body = BROKEN[case]
    pki.answer_overrides["/issuing.crl"] = (status, body(pki))
    hard = _verified(signed, pki, _asking(pki, RevocationMode.CRL))
    assert (hard.status.value, hard.reason) == ("UNVERIFIABLE", "SIG-REVOCATION-UNKNOWN")
    if case != "out of date":
        assert "/issuing.crl" in hard.explanation
    soft = _verified(signed, pki, _asking(pki, RevocationMode.CRL, soft=True))
    assert (soft.reason, soft.trusted) == ("SIG-OK", True)
    assert [finding.code for finding in soft.findings] == ["SIG-REVOCATION-UNKNOWN"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("soft", [False, True])
def test_what_is_not_known_of_an_authority_hides_no_revoked_signer(
    mode: RevocationMode,
    soft: bool,
    pki: Responders,
    signed: bytes,
    agency: AgencyKeys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without information on the issuing authority a revoked signer is still refused as revoked (Revocation, soft)."""
    pki.revoke(agency.certificate)
    pki.answer_overrides["/root.crl"] = (503, b"")
    answer = pki.build_ocsp_answer
    unauthorized = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)

    def about_the_signer(_pki: Responders, body: bytes) -> bytes:
        known = ocsp.load_der_ocsp_request(body).serial_number == agency.certificate.serial_number
        return answer(body) if known else unauthorized.public_bytes(Encoding.DER)

    monkeypatch.setattr(Responders, "build_ocsp_answer", about_the_signer)
    assert _verified(signed, pki, _asking(pki, mode, soft=soft)).reason == "SIG-REVOKED"


@pytest.mark.parametrize("answer", [(200, b"garbage"), (200, b""), (500, b"")], ids=["garbage", "empty", "error"])
def test_an_ocsp_answer_that_is_none(answer: tuple[int, bytes], pki: Responders, signed: bytes) -> None:
    """What is no OCSP answer proves nothing; where either proof will do, the list still counts."""
    pki.answer_overrides["/ocsp"] = answer
    assert _verified(signed, pki, _asking(pki, RevocationMode.OCSP)).reason == "SIG-REVOCATION-UNKNOWN"
    assert _verified(signed, pki, _asking(pki, RevocationMode.EITHER)).reason == "SIG-OK"


def test_an_ocsp_responder_that_knows_nothing(pki: Responders, signed: bytes) -> None:
    """Another authority's responder says unauthorized, which proves nothing."""
    with Responders(authority("Other CA"), "Other CA") as other:
        revocation = _asking(pki, RevocationMode.OCSP, ocsp_url=other.ocsp_url)
        verification = _verified(signed, pki, revocation)
    assert verification.reason == "SIG-REVOCATION-UNKNOWN"
    assert "unauthorized" in verification.explanation


@pytest.mark.parametrize("authorized", [True, False])
def test_an_ocsp_responder_by_delegation(authorized: bool, pki: Responders, signed: bytes) -> None:
    """Another may answer for the authority if it made it an OCSP responder, and only then (RFC 6960, 4.2.2.2)."""
    uses = [ExtendedKeyUsageOID.OCSP_SIGNING if authorized else ExtendedKeyUsageOID.CLIENT_AUTH]
    pki.delegate = pki.authority.agency("OCSP", kind="p256", uses=uses, extensions=[x509.OCSPNoCheck()])
    # the list clears the authority above, for which the delegate may not speak
    verification = _verified(signed, pki, _asking(pki, RevocationMode.OCSP))
    assert verification.reason == ("SIG-OK" if authorized else "SIG-REVOCATION-UNKNOWN")


def test_a_strangers_list_clears_nobody(pki: Responders, signed: bytes, tmp_path: Path) -> None:
    """A list that the authority did not sign is no information, whoever issued it (RFC 5280, 6.3.3)."""
    with Responders(authority("Throwaway CA", kind="p384")) as impostor:
        file = tmp_path / "impostor.crl"
        file.write_bytes(impostor.build_crl())
    revocation = Revocation(mode=RevocationMode.CRL, crl_files=(file,))
    assert _verified(signed, pki, revocation).reason == "SIG-REVOCATION-UNKNOWN"


def test_lists_in_files_and_folders(pki: Responders, signed: bytes, agency: AgencyKeys, tmp_path: Path) -> None:
    """Lists are read from files, PEM or DER, and from folders, anew for each packet: nothing is fetched."""
    folder = tmp_path / "crls"
    folder.mkdir()
    root, issuing = tmp_path / "root.crl", folder / "issuing.crl"
    root.write_bytes(pki.build_crl(root=True))
    issuing.write_bytes(x509.load_der_x509_crl(pki.build_crl()).public_bytes(Encoding.PEM))
    revocation = Revocation(mode=RevocationMode.CRL, crl_files=(root, folder))
    assert _verified(signed, pki, revocation).reason == "SIG-OK"
    pki.revoke(agency.certificate)
    issuing.write_bytes(pki.build_crl())
    assert _verified(signed, pki, revocation).reason == "SIG-REVOKED"
    issuing.unlink()
    assert _verified(signed, pki, revocation).reason == "SIG-REVOCATION-UNKNOWN"
    root.unlink()
    assert "root.crl" in _verified(signed, pki, revocation).explanation
    assert pki.requested_paths == []


# -- addresses in certificates


@pytest.fixture
def telling(pki: Responders) -> AgencyKeys:
    """An agency whose certificate says where revocation is told: the responders' own host, and one outside."""
    points = [
        x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
        for url in ("http://crl.invalid/ca.crl", "ldap://127.0.0.1/cn=x", "http://[", pki.crl_urls[0])
    ]
    access = [
        x509.AccessDescription(method, x509.UniformResourceIdentifier(pki.ocsp_url))
        for method in (AuthorityInformationAccessOID.CA_ISSUERS, AuthorityInformationAccessOID.OCSP)
    ]
    extensions = [x509.CRLDistributionPoints(points), x509.AuthorityInformationAccess(access)]
    return get_default_authority().agency("Sở Nội vụ", organ_id="H29.05", kind="p256", extensions=extensions)


def test_addresses_in_certificates_are_not_fetched(
    pki: Responders, telling: AgencyKeys, packet_of: Any, tmp_path: Path
) -> None:
    """An address in a stranger's certificate is fetched by no policy that does not allow its host."""
    data = packet_of(keys=telling, sealing=telling)
    lists = tmp_path / "root.crl"
    lists.write_bytes(pki.build_crl(root=True))
    for policy in (VerifyPolicy(), VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=(telling.root,))):
        assert verify(edxml.read(data), policy).reason == "SIG-OK"
    elsewhere = Revocation(mode=RevocationMode.EITHER, crl_files=(lists,), hosts=frozenset({"pki.example"}))
    assert _verified(data, pki, elsewhere).reason == "SIG-REVOCATION-UNKNOWN"
    assert pki.requested_paths == []


@pytest.mark.parametrize("mode", MODES)
def test_addresses_in_certificates_count_where_their_host_is_allowed(
    mode: RevocationMode, pki: Responders, telling: AgencyKeys, packet_of: Any, tmp_path: Path
) -> None:
    """Where the policy allows a host, addresses on it are used, others still not."""
    data = packet_of(keys=telling, sealing=None)
    lists = tmp_path / "root.crl"
    lists.write_bytes(pki.build_crl(root=True))
    allowed = Revocation(mode=mode, crl_files=(lists,), hosts=frozenset({"127.0.0.1"}), fetch=fetch_http)
    assert _verified(data, pki, allowed).reason == "SIG-OK"
    assert set(pki.requested_paths) <= {"/issuing.crl", "/ocsp"}
    pki.revoke(telling.certificate)
    assert _verified(data, pki, allowed).reason == "SIG-REVOKED"


# -- what cannot work


@pytest.mark.parametrize(
    "options",
    [
        {"mode": RevocationMode.CRL},
        {"mode": RevocationMode.OCSP, "ocsp_url": "ldap://ca.example/"},
        {"mode": RevocationMode.CRL, "crl_urls": ("file:///etc/hostname",)},
        {"mode": RevocationMode.CRL, "crl_urls": ("http://[",)},
        {"mode": RevocationMode.CRL, "crl_files": (Path("/nowhere/ca.crl"),)},
    ],
    ids=["no source", "ldap", "file", "malformed", "no file"],
)
def test_settings_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    """Mistakes in the settings show when they are made, in both languages, not when a packet comes."""
    with pytest.raises(ConfigError) as error:
        Revocation(**options)
    assert error.value.vi


def test_revocation_needs_somebody_to_trust(pki: Responders) -> None:
    """Revocation without a trusted authority is refused: nobody's list would count."""
    with pytest.raises(ConfigError, match="authority"):
        VerifyPolicy(revocation=_asking(pki, RevocationMode.CRL))


def test_answers_are_kept_for_a_while(pki: Responders, signed: bytes) -> None:
    """One packet after another asks once; a failure is remembered too, so that a dead server is not waited for."""
    revocation = _asking(pki, RevocationMode.EITHER, fetch=CachedFetch())
    for _ in range(3):
        assert _verified(signed, pki, revocation).reason == "SIG-OK"
    assert sorted(pki.requested_paths) == ["/issuing.crl", "/ocsp", "/ocsp", "/root.crl"]
    forgetful = CachedFetch(answer_seconds=0, failure_seconds=0)
    for _ in range(2):
        with pytest.raises(FetchFailed, match="404"):
            forgetful(f"{pki.url}/none")
    assert pki.requested_paths.count("/none") == 2
