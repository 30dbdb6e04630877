"""Whose certificate it is: what binds a signer to From.OrganId, and what gets round no pin (security, "trust")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from lxml import etree

from edoc_connector import edxml
from edoc_connector.errors import ConfigError
from edoc_connector.signing import (
    Binding,
    OthersMode,
    VerificationStatus,
    VerifyMode,
    VerifyPolicy,
    fingerprint,
    verify,
)
from edoc_connector.testing.keys import AgencyKeys, agency_keys, get_default_authority, make_throwaway_key

NOW = datetime.now(UTC)
UNBOUND, BOUND, CONTRADICTED, MALFORMED = Binding.UNBOUND, Binding.BOUND, Binding.CONTRADICTED, Binding.MALFORMED


@dataclass(frozen=True)
class Agency:
    """An agency as a hub's directory lists it."""

    code: str
    other_code: str | None = None


DIRECTORY = edxml.Directory([Agency("H29.05", "000.05.00.H29"), Agency("H30"), Agency("vxp.saas.03")])


@pytest.fixture(scope="module")
def holder() -> Callable[..., x509.Certificate]:
    """Issues a certificate whose subject has these attributes, under the common authority."""
    ca = get_default_authority()

    def issue(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Certificate:
        names = [(NameOID.ORGANIZATION_NAME, "Sở Nội vụ"), *attributes]
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(oid, value) for oid, value in names]))
            .issuer_name(ca.certificates[0].subject)
            .public_key(make_throwaway_key("p256", "holder").public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=9))
            .sign(ca.key, hashes.SHA256())
        )

    return issue


@pytest.fixture(scope="module")
def other() -> AgencyKeys:
    """Another agency under the same authority."""
    return agency_keys("Sở khác", organ_id="H30", kind="p256")


def _find(code: str, certificate: x509.Certificate, *, trusted: bool = True, **options: Any) -> Binding:
    return VerifyPolicy(**options).find_binding(code, certificate, trusted=trusted)


# -- signers whom nothing binds


def test_another_agency_signs_for_nobody_else(packet_of: Any, other: AgencyKeys, trusted: VerifyPolicy) -> None:
    """Under a common authority one agency's certificate no longer signs for every agency (security, "trusted")."""
    packet = edxml.read(packet_of(keys=other, sealing=other))
    refused = verify(packet, trusted)
    assert (refused.status, refused.reason, refused.detail) == (
        VerificationStatus.UNVERIFIABLE,
        "SIG-UNBOUND",
        "H29.05",
    )
    assert (refused.message, refused.signer) == (None, "Sở khác")
    assert not trusted.admits(refused)


@pytest.mark.parametrize(
    ("mode", "others", "refused"),
    [
        (VerifyMode.TRUSTED, None, True),
        (VerifyMode.TRUSTED, OthersMode.REFUSE, True),
        (VerifyMode.TRUSTED, OthersMode.REPORT, False),
        (VerifyMode.VALID, None, False),
        (VerifyMode.VALID, OthersMode.REFUSE, True),
        (VerifyMode.ANY, None, False),
        (VerifyMode.ANY, OthersMode.REFUSE, True),
    ],
)
def test_every_unbound_signer_is_refused_or_reported(
    mode: VerifyMode, others: OthersMode | None, refused: bool, packet_of: Any, other: AgencyKeys
) -> None:
    """`trusted` refuses unless told otherwise, the other modes report unless told otherwise; silent is none."""
    policy = VerifyPolicy(mode=mode, anchors=(other.root,), organisations_others=others)
    verification = verify(edxml.read(packet_of(keys=other, sealing=None)), policy)
    assert verification.reason == ("SIG-UNBOUND" if refused else "SIG-OK")
    assert [one.code for one in verification.findings] == ([] if refused else ["SIG-UNBOUND"])


def test_the_certificates_own_word_binds(signed: bytes, trusted: VerifyPolicy) -> None:
    """A certificate whose subject names the sender's code is the sender's, without a word in the configuration."""
    verification = verify(edxml.read(signed), trusted)
    assert (verification.reason, verification.findings) == ("SIG-OK", ())


@pytest.mark.parametrize(
    ("oid", "value", "binds"),
    [
        (NameOID.ORGANIZATION_IDENTIFIER, "H29.05", True),
        (NameOID.ORGANIZATION_IDENTIFIER, "GOVVN-H29.05", True),
        (NameOID.SERIAL_NUMBER, "h29.05", True),
        (NameOID.USER_ID, " H29.05 ", True),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "H29.05", False),
        (NameOID.COMMON_NAME, "H29.05", False),
        (NameOID.USER_ID, "MST:H29.05", False),
        (NameOID.USER_ID, "\u041d29.05", False),
        (NameOID.USER_ID, "H29.05.01", False),
    ],
)
def test_which_attributes_name_the_holder(
    oid: x509.ObjectIdentifier, value: str, binds: bool, holder: Callable[..., x509.Certificate]
) -> None:
    """Attributes that identify the holder bind, under a trusted authority; an OU or a common name does not."""
    certificate = holder((oid, value))
    assert _find("H29.05", certificate) is (BOUND if binds else UNBOUND)
    assert _find("H29.05", certificate, trusted=False) is UNBOUND


# -- pins by an attribute


@pytest.mark.parametrize(
    ("entry", "oid", "value"),
    [
        ("tax:0400260612", NameOID.USER_ID, "MST:0400260612"),
        ("tax:0400260612", NameOID.USER_ID, "mst : 0400260612"),
        ("tax:0301519977-029", NameOID.USER_ID, "MST:0301519977-029"),
        ("tax:0301519977029", NameOID.USER_ID, "MST:0301519977-029"),
        ("tax:0400260612", NameOID.ORGANIZATION_IDENTIFIER, "VATVN-0400260612"),
        ("budget:1047665", NameOID.USER_ID, "MNS:1047665"),
        ("code:H29.05.01", NameOID.ORGANIZATION_IDENTIFIER, "H29.05.01"),
        ("code:H37.DN.001", NameOID.SERIAL_NUMBER, "H37.DN.001"),
    ],
)
def test_a_pin_by_an_attribute(
    entry: str, oid: x509.ObjectIdentifier, value: str, holder: Callable[..., x509.Certificate]
) -> None:
    """Tax code, budget code and organisation's code pin a holder whose certificates change (as they are written)."""
    listed = {"H29.05": (entry,)}
    certificate = holder((NameOID.USER_ID, "CCCD:025199009534"), (oid, value))
    assert _find("H29.05", certificate, organisations=listed) is BOUND
    assert _find("H29.05", certificate, organisations=listed, trusted=False) is CONTRADICTED
    assert _find("H29.05", holder((NameOID.COMMON_NAME, value)), organisations=listed) is CONTRADICTED
    longer = holder((oid, f"{value}1"))
    assert _find("H29.05", longer, organisations=listed) is CONTRADICTED


@pytest.mark.parametrize(
    "entry", ["tax:", "tax:12345", "tax:MST:0400260612", "budget:x", "code:", "code:\u041d29", "code:H29.", "sha256"]
)
def test_a_pin_that_names_nobody(entry: str) -> None:
    """A pin of no known form is a mistake in the configuration, told in both languages."""
    with pytest.raises(ConfigError, match="names no certificate") as error:
        VerifyPolicy(organisations={"H29.05": (entry,)})
    assert error.value.vi


# -- spellings

DISGUISES = {
    "Cyrillic": "\u041d29.05",
    "full width": "\uff28\uff12\uff19.\uff10\uff15",
    "long s": "\u017f29.05",
    "zero width space": "H29\u200b.05",
    "soft hyphen": "H29.0\u00ad5",
    "right to left": "\u202eH29.05",
    "combining dot": "H29.05\u0307",
    "dot at the end": "H29.05.",
    "dot before": ".H29.05",
    "two dots": "H29..05",
    "space inside": "H29 .05",
    "line end inside": "H29\n.05",
    "NUL": "H29.05\x00",
    "slash": "H29/05",
    "endless": "H29.05" + ".1" * 60,
}


@pytest.mark.parametrize("said", DISGUISES.values(), ids=DISGUISES)
def test_a_code_in_disguise_is_refused(said: str, agency: AgencyKeys, other: AgencyKeys) -> None:
    """Invisible, foreign and misplaced characters make no code, whoever signs and whatever is configured."""
    for options in ({}, {"organisations": {"H29.05": ()}}, {"directory": DIRECTORY}):
        for certificate in (agency.certificate, other.certificate):
            assert _find(said, certificate, **options) is MALFORMED
            assert not VerifyPolicy(**options).speaks_for(said, certificate, trusted=True)


@pytest.mark.parametrize("disguise", ["Cyrillic", "full width", "zero width space", "dot at the end"])
def test_a_packet_under_a_code_in_disguise_is_invalid(disguise: str, xmlsec_signed: Any, agency: AgencyKeys) -> None:
    """Such a packet is INVALID in every mode, and its code is shown by its code points (security, "trust")."""

    def put_on(root: etree._Element) -> None:  # our own writer refuses some of them
        next(root.iter(f"{{{edxml.NS}}}OrganId")).text = DISGUISES[disguise]

    packet = edxml.read(xmlsec_signed(before=put_on))
    for mode in VerifyMode:
        verification = verify(packet, VerifyPolicy(mode=mode, anchors=(agency.root,)))
        assert (verification.status, verification.reason) == (VerificationStatus.INVALID, "SIG-ORGAN-ID")
        assert verification.detail.isascii()


@pytest.mark.parametrize("said", ["h29.05", "H29.5", "H29.005", "H29-05", "H29_05", "H29.O5", "000.05.00.H29"])
def test_no_spelling_gets_round_a_pin(said: str, agency: AgencyKeys, other: AgencyKeys) -> None:
    """A code that is read as the pinned one, and the agency's other code, count with its pins."""
    pinned = {"H29.05": (f"sha256:{fingerprint(agency.certificate)}",)}
    options: dict[str, Any] = {"organisations": pinned, "directory": DIRECTORY}
    assert _find(said, other.certificate, **options) is CONTRADICTED
    # outside both grammars only the exact letters count: the true holder is not taken for one who writes them
    expected = UNBOUND if said in ("H29-05", "H29_05", "H29.O5") else BOUND
    assert _find(said, agency.certificate, **options) is expected


def test_the_other_code_without_a_directory(agency: AgencyKeys, other: AgencyKeys) -> None:
    """No rule computes one system's code from the other's: without a directory they are two (the codes)."""
    pinned = {"H29.05": (f"sha256:{fingerprint(agency.certificate)}",)}
    assert _find("000.05.00.H29", other.certificate, organisations=pinned) is UNBOUND
    assert _find("000.05.00.H29", agency.certificate) is UNBOUND
    assert _find("000.05.00.H29", agency.certificate, directory=DIRECTORY) is BOUND


def test_an_exact_entry_is_the_last_word(agency: AgencyKeys, other: AgencyKeys) -> None:
    """A directory that pairs two pinned codes lends neither one's certificates to the other."""
    pairing = edxml.Directory([Agency("H29.05", "H30")])
    pinned = {
        "H29.05": (f"sha256:{fingerprint(agency.certificate)}",),
        "H30": (f"sha256:{fingerprint(other.certificate)}",),
    }
    options: dict[str, Any] = {"organisations": pinned, "directory": pairing}
    assert _find("H29.05", other.certificate, **options) is CONTRADICTED
    assert _find("H30", agency.certificate, **options) is CONTRADICTED
    assert _find("H30", other.certificate, **options) is BOUND


# -- codes outside both grammars


@pytest.mark.parametrize("code", ["vxp.saas.03", "H37.DN.001"])
def test_a_code_of_no_system_counts_only_where_it_is_held(code: str, holder: Callable[..., x509.Certificate]) -> None:
    """Test hubs' and enterprises' codes count as directory or configuration holds them, letter by letter."""
    certificate = holder((NameOID.ORGANIZATION_IDENTIFIER, code))
    entry = (f"sha256:{fingerprint(certificate)}",)
    listing = edxml.Directory([Agency(code)])
    assert _find(code, certificate) is UNBOUND
    assert _find(code, certificate, directory=listing) is BOUND
    assert _find(code, certificate, organisations={code: entry}) is BOUND
    swapped = code.swapcase()
    assert _find(swapped, certificate, directory=listing) is UNBOUND
    assert _find(swapped, certificate, organisations={code: entry}) is UNBOUND
    assert _find(swapped, certificate, organisations={code: ("sha256:" + "0" * 64,)}) is CONTRADICTED


def test_a_packet_without_a_code(agency: AgencyKeys) -> None:
    """Where a packet names no sender, nobody is bound to it."""
    assert _find("", agency.certificate) is UNBOUND


@pytest.mark.parametrize("code", ["\u041d29.05", "H29.05.", "H29\u200b", ""])
def test_a_configured_code_in_disguise(code: str) -> None:
    """A pin under a code that no packet may have would pin nothing: it is refused, and shown by its code points."""
    with pytest.raises(ConfigError, match="is no code of an organisation") as error:
        VerifyPolicy(organisations={code: ()})
    assert error.value.message.isascii()
    assert error.value.vi


def test_the_organisation_of_a_certificate(holder: Callable[..., x509.Certificate]) -> None:
    """The code asked for comes first, then one that is listed, then what the certificate says; else none (trust)."""
    certificate = holder((NameOID.ORGANIZATION_IDENTIFIER, "H29.05"), (NameOID.SERIAL_NUMBER, "1234567"))
    listed = VerifyPolicy(organisations={"H30": (f"sha256:{fingerprint(certificate)}",)})
    assert listed.find_organisation("G22", certificate, trusted=True) == "H30"
    assert listed.find_organisation("H29.05", certificate, trusted=True) == "H29.05"
    assert VerifyPolicy().find_organisation("G22", certificate, trusted=True) == "H29.05"
    assert VerifyPolicy().find_organisation("G22", certificate, trusted=False) == ""
