"""Certificates of strangers: read without trust and without a crash."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from edoc_connector.signing.algorithms import is_valid_signature, select_algorithm
from edoc_connector.signing.pki.certificates import (
    MAX_CERTIFICATE_SIZE,
    can_sign,
    days_left,
    find_key_problem,
    find_leaf,
    human_name,
    is_for_other_use,
    key_usage,
    order_chain,
    read_certificate,
    read_certificates,
)
from edoc_connector.testing.keys import AgencyKeys, agency_keys, make_throwaway_key


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_certificate_is_read_or_refused(data: st.DataObject) -> None:
    """Whatever bytes a certificate has, reading gives a certificate or a ValueError."""
    der = bytearray(agency_keys("Sở Nội vụ", organ_id="H29.05").certificate.public_bytes(Encoding.DER))
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(der)))
    with warnings.catch_warnings():
        # the library warns of odd but readable certificates
        warnings.simplefilter("ignore")
        for octets in (bytes(der), bytes(der[:cut])):
            try:
                certificate = read_certificate(octets)
            except ValueError:
                continue
            assert human_name(certificate) is not None
            assert can_sign(certificate) in (True, False)


def test_a_file_without_certificates_is_refused() -> None:
    """A PEM file with other blocks only holds no certificate."""
    with pytest.raises(ValueError):  # noqa: PT011 - the words are the library's
        read_certificates(b"-----BEGIN X-----\nAAAA\n-----END X-----\n")


def _certificate(*names: x509.NameAttribute[str], usage: bool = False) -> x509.Certificate:
    key = make_throwaway_key("p256", "self-made")
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(x509.Name(names))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
    )
    return builder.sign(key, hashes.SHA256())


def test_the_holders_name_for_a_person() -> None:
    """Common name, else organisation, else the whole subject."""
    common = x509.NameAttribute(x509.NameOID.COMMON_NAME, "Nguyễn Văn A")
    organisation = x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Sở Nội vụ")
    country = x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "VN")
    assert human_name(_certificate(country, organisation, common)) == "Nguyễn Văn A"
    assert human_name(_certificate(country, organisation)) == "Sở Nội vụ"
    assert human_name(_certificate(country)) == "C=VN"


def test_key_usage_decides_who_may_sign(agency: AgencyKeys) -> None:
    """digitalSignature or nonRepudiation allow it; an authority's certificate does not; none at all does (RFC 5280)."""
    assert can_sign(agency.certificate)
    assert not can_sign(agency.root)
    assert can_sign(_certificate())
    assert key_usage(agency.certificate) == ("digitalSignature", "contentCommitment")
    assert key_usage(agency.root) == ("keyCertSign", "cRLSign")
    assert key_usage(_certificate()) == ()
    assert not is_for_other_use(_certificate())


def test_days_left_are_whole_days(agency: AgencyKeys) -> None:
    """The last day counts as none left, the first day after as minus one."""
    ends = agency.certificate.not_valid_after_utc
    hour = timedelta(hours=1)
    assert [days_left(agency.certificate, ends + n * hour) for n in (-25, -24, -23, 0, 1, 25)] == [1, 1, 0, 0, -1, -2]


def test_which_of_several_is_the_signers(agency: AgencyKeys, stranger: AgencyKeys) -> None:
    """The signer's certificate is the one whose holder issued none of the others, in whatever order they come."""
    assert find_leaf(agency.certificates[::-1]) == agency.certificate
    assert find_leaf([_certificate()]) is not None
    assert find_leaf([agency.certificate, stranger.certificate]) is None
    assert find_leaf([]) is None
    assert order_chain(agency.certificate, agency.certificates[::-1]) == agency.certificates
    assert order_chain(agency.certificate, stranger.certificates) == (agency.certificate,)


@pytest.mark.parametrize(
    ("kind", "problem"),
    [("rsa", None), ("p256", None), ("p384", None), ("rsa1024", "RSA 1024 < 2048")],
)
def test_which_keys_are_accepted(kind: Any, problem: str | None) -> None:
    """RSA of 2048 bits or more, P-256 and P-384 (What verifies must be what is read)."""
    assert find_key_problem(make_throwaway_key(kind, "kinds").public_key()) == problem


def test_other_kinds_of_keys_are_named() -> None:
    """A key of another kind is a problem that has a name, and no algorithm here."""
    key = ed25519.Ed25519PrivateKey.generate()
    assert "Ed25519" in (find_key_problem(key.public_key()) or "")
    assert find_key_problem(ec.generate_private_key(ec.SECP521R1()).public_key()) == "EC secp521r1"
    assert select_algorithm(key) is None
    assert select_algorithm(ec.generate_private_key(ec.SECP521R1())) is None


def test_algorithm_and_key_must_belong_together() -> None:
    """An RSA value is never checked with an EC key, nor the reverse, nor an ECDSA value of another length."""
    rsa: Any = make_throwaway_key("rsa", "kinds").public_key()
    ec: Any = make_throwaway_key("p256", "kinds").public_key()
    assert not is_valid_signature(rsa, "ecdsa-sha256", b"x", bytes(64))
    assert not is_valid_signature(ec, "rsa-sha256", b"x", bytes(64))
    assert not is_valid_signature(ec, "ecdsa-sha256", b"x", bytes(70))
    assert not is_valid_signature(ec, "ecdsa-sha256", b"x", bytes(64))


def test_a_certificate_made_to_be_much_work_is_not_read() -> None:
    """A certificate larger than any, or with a name of endless marks, is refused before its names are used."""
    with pytest.raises(ValueError, match="larger than 65536 bytes"):
        read_certificate(bytes(MAX_CERTIFICATE_SIZE + 1))
    for marks, refused in ((30, False), (31, True)):
        name = x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "a" + "\u0301" * marks)
        der = _certificate(name).public_bytes(Encoding.DER)
        if refused:
            with pytest.raises(ValueError, match="30 combining marks"):
                read_certificate(der)
        else:
            assert read_certificate(der).subject.get_attributes_for_oid(name.oid)[0].value == name.value
