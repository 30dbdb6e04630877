"""Paths to an anchor in bounded work, and anchors that are no authorities (RFC 5280, 6.1; RFC 4158)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from edoc_connector import edxml
from edoc_connector.signing import VerifyMode, VerifyPolicy, judge_certificate, verify
from edoc_connector.signing.pki.certificates import is_authority
from edoc_connector.signing.pki.path_building import (
    MAX_PATHS_TRIED,
    MAX_SIGNATURE_CHECKS,
    PathBudget,
    PathWorkExceeded,
    iter_paths,
    may_be_signed_by,
)
from edoc_connector.testing.keys import AgencyKeys, Authority, get_default_authority, make_throwaway_key

NOW = datetime.now(UTC)
Issue = Callable[..., x509.Certificate]
_KEYS: dict[str, ec.EllipticCurvePrivateKey] = {}


def _key(name: str) -> ec.EllipticCurvePrivateKey:
    return _KEYS.setdefault(name, ec.generate_private_key(ec.SECP256R1()))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, text)])


def _issue(
    subject: str,
    issuer: str,
    *,
    key: str = "",
    signed_by: str = "",
    ca: bool | None = True,
    usage: x509.KeyUsage | None = None,
    ends_at: datetime = NOW + timedelta(days=9),
) -> x509.Certificate:
    """Issue a certificate; keys go by names, which are the holders' if left out."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(_key(key or subject).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=9))
        .not_valid_after(ends_at)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(_key(signed_by or issuer), hashes.SHA256())


def _usage(**uses: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    every = dict.fromkeys((*names, "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(**(every | uses))


def _ring(count: int, names: int = 1) -> list[x509.Certificate]:
    """Authorities of few names, each of which issued the one before it."""
    return [
        _issue(f"X{n % names}", f"X{(n + 1) % names}", key=f"x{n}", signed_by=f"x{(n + 1) % count}")
        for n in range(count)
    ]


# -- bounded work


@pytest.mark.parametrize("names", [1, 3])
def test_certificates_of_one_name_are_no_maze(names: int) -> None:
    """Nine certificates of one name took minutes; twice as many take twice the checks (a budget on paths)."""
    leaf, root = _issue("Sở Rối", "X0", signed_by="x0", ca=False), _issue("root", "root")
    spent = []
    for count in (9, 18):
        budget = PathBudget()
        assert list(iter_paths(leaf, _ring(count, names), [root], budget)) == []
        spent.append(MAX_SIGNATURE_CHECKS - budget.checks)
    assert spent[1] < 2.3 * spent[0]
    assert spent[1] < MAX_SIGNATURE_CHECKS


def test_copies_of_one_authority_are_one() -> None:
    """Any number of certificates of one name and one key are one step, not a path through each."""
    copies = [_issue("X", "X", key="x", signed_by="x") for _ in range(30)]
    leaf, root = _issue("leaf", "X", signed_by="x", ca=False), _issue("X", "X", key="x", signed_by="x")
    assert list(iter_paths(leaf, copies, [root], PathBudget())) == [(leaf, root)]


def _ladder(rungs: int) -> list[x509.Certificate]:
    """Two certificates for each authority of a long chain: a path for each choice."""
    return [_issue(f"L{n}", f"L{n + 1}") for n in range(rungs) for _ in range(2)]


def test_paths_without_number_are_given_up() -> None:
    """A chain with a choice at each step has a path for each; after some it is no honest one any more."""
    leaf, root = _issue("leaf", "L0", ca=False), _issue("L5", "L5")
    with pytest.raises(PathWorkExceeded):
        assert len(list(iter_paths(leaf, _ladder(5), [root], PathBudget()))) <= MAX_PATHS_TRIED
    trust = judge_certificate(leaf, _expired_ladder(), policy=VerifyPolicy(anchors=(root,)), at=NOW)
    assert (trust.trusted, trust.problem) == (False, "SIG-UNTRUSTED")
    assert "too many" in trust.detail


def _expired_ladder() -> list[x509.Certificate]:
    ends_at = NOW - timedelta(days=1)
    return [_issue(f"L{n}", f"L{n + 1}", ends_at=ends_at) for n in range(5) for _ in range(2)]


def test_a_budget_is_shared() -> None:
    """What one signature of a file spent is gone for the next (the same in PDF files, unbounded in number)."""
    budget, root = PathBudget(checks=3), _issue("root", "root")
    chain = [_issue("A", "B"), _issue("B", "root")]
    assert len(list(iter_paths(_issue("one", "A", ca=False), chain, [root], budget))) == 1
    assert budget.checks == 0
    with pytest.raises(PathWorkExceeded):
        list(iter_paths(_issue("two", "A", ca=False), chain, [root], budget))
    policy = VerifyPolicy(anchors=(root,))
    trust = judge_certificate(_issue("three", "A", ca=False), chain, policy=policy, at=NOW, budget=budget)
    assert (trust.trusted, trust.problem) == (False, "SIG-UNTRUSTED")


def test_a_path_is_not_endless() -> None:
    """A chain longer than any real one leads nowhere."""
    root = _issue("L20", "L20")
    assert (
        list(
            iter_paths(
                _issue("leaf", "L0", ca=False), [_issue(f"L{n}", f"L{n + 1}") for n in range(20)], [root], PathBudget()
            )
        )
        == []
    )


def test_names_that_are_the_same_to_the_standard() -> None:
    """Case and spaces do not part a certificate from its issuer (RFC 5280, 7.1)."""
    root = _issue("Root  CA", "Root  CA", key="r", signed_by="r")
    leaf = _issue("leaf", "ROOT CA", signed_by="r", ca=False)
    assert list(iter_paths(leaf, [], [root], PathBudget())) == [(leaf, root)]
    assert judge_certificate(leaf, [], policy=VerifyPolicy(anchors=(root,)), at=NOW).trusted


def test_who_may_have_signed() -> None:
    """RSA in both paddings and ECDSA are checked; what cannot be checked here is left to the validator."""
    rsa_key, ed_key = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        ed25519.Ed25519PrivateKey.generate(),
    )
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)

    def build(
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name("a"))
            .issuer_name(_name("a"))
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(NOW)
            .not_valid_after(NOW + timedelta(days=1))
        )

    by_rsa = [build(rsa_key).sign(rsa_key, hashes.SHA256(), rsa_padding=one) for one in (None, pss)]
    by_ec, by_ed = build(_key("a")).sign(_key("a"), hashes.SHA256()), build(ed_key).sign(ed_key, None)
    assert [may_be_signed_by(one, by_rsa[0]) for one in (*by_rsa, by_ec, by_ed)] == [True, True, False, False]
    assert [may_be_signed_by(one, by_ec) for one in (*by_rsa, by_ec, by_ed)] == [False, False, True, False]
    assert may_be_signed_by(by_ed, by_ed)


# -- what an anchor is


@pytest.mark.parametrize("ca", [False, None], ids=["CA:FALSE", "no basicConstraints"])
def test_an_anchor_that_is_no_authority_matches_only_itself(ca: bool | None) -> None:
    """An agency's own certificate in `trust` issues nothing (security, "a trust anchor without CA:TRUE")."""
    own = _issue("Sở Nội vụ", "Sở Nội vụ", ca=ca, usage=_usage(digital_signature=True))
    issued = _issue("Sở giả", "Sở Nội vụ", ca=False)
    policy = VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=(own,))
    assert judge_certificate(own, [], policy=policy, at=NOW).trusted
    trust = judge_certificate(issued, [own], policy=policy, at=NOW)
    assert (trust.trusted, trust.problem) == (False, "SIG-UNTRUSTED")
    assert "Sở Nội vụ is trusted for itself only" in trust.detail


def test_an_anchor_whose_key_usage_forbids_issuing() -> None:
    """CA:TRUE without keyCertSign is no authority either (RFC 5280, 4.2.1.3)."""
    odd = _issue("odd", "odd", usage=_usage(digital_signature=True))
    assert not is_authority(odd)
    assert not judge_certificate(
        _issue("leaf", "odd", ca=False), [], policy=VerifyPolicy(anchors=(odd,)), at=NOW
    ).trusted
    assert is_authority(_issue("fine", "fine", usage=_usage(key_cert_sign=True)))


def test_an_anchor_vouches_while_it_is_valid() -> None:
    """An expired anchor vouches for nobody at a later moment, and still does for an earlier one."""
    root = _issue("old root", "old root", ends_at=NOW - timedelta(days=1))
    leaf = _issue("leaf", "old root", ca=False)
    policy = VerifyPolicy(anchors=(root,))
    for _ in range(2):  # known paths are no exception
        late = judge_certificate(leaf, [], policy=policy, at=NOW)
        assert (late.trusted, late.problem) == (False, "SIG-EXPIRED")
        assert "old root" in late.detail
        assert judge_certificate(leaf, [], policy=policy, at=NOW - timedelta(days=2)).trusted


def test_an_authority_signs_certificates_not_packets(packet_of: Callable[..., bytes], trusted: VerifyPolicy) -> None:
    """A certificate with CA:TRUE is no agency's: trusted it is refused, else reported; an anchor counts for itself."""
    root = get_default_authority()
    key = make_throwaway_key("p256", "signing authority")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_IDENTIFIER, "H29.05")]))
        .issuer_name(root.certificates[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True, key_cert_sign=True), critical=True)
        .sign(root.key, hashes.SHA256())
    )
    keys = AgencyKeys(key=key, certificates=(certificate, *root.certificates))
    packet = edxml.read(packet_of(keys=keys, sealing=None))
    strict = verify(packet, trusted)
    assert (strict.reason, "CA:TRUE" in strict.detail) == ("SIG-KEY-USAGE", True)
    lax = verify(packet, VerifyPolicy(anchors=trusted.anchors))
    assert (lax.reason, lax.trusted) == ("SIG-OK", False)
    assert "SIG-KEY-USAGE" in [one.code for one in lax.findings]
    assert judge_certificate(certificate, [], policy=VerifyPolicy(anchors=(certificate,)), at=NOW).trusted


def _agency_with(uses: Sequence[x509.ObjectIdentifier], usage: x509.KeyUsage | None) -> AgencyKeys:
    ca: Authority = get_default_authority()
    key = make_throwaway_key("rsa", "login")
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_IDENTIFIER, "H29.05")]))
        .issuer_name(ca.certificates[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=9))
    )
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    if uses:
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    return AgencyKeys(key=key, certificates=(builder.sign(ca.key, hashes.SHA256()), *ca.certificates))


@pytest.mark.parametrize(
    ("logs_in", "usage", "reason"),
    [
        (False, None, "SIG-OK"),
        (True, None, "SIG-KEY-USAGE"),
        (True, _usage(digital_signature=True), "SIG-KEY-USAGE"),
        (True, _usage(digital_signature=True, content_commitment=True), "SIG-OK"),
        (False, _usage(digital_signature=True), "SIG-OK"),
        (False, _usage(key_encipherment=True), "SIG-KEY-USAGE"),
    ],
)
def test_certificates_without_key_usage_and_for_logging_in(
    logs_in: bool, usage: x509.KeyUsage | None, reason: str, xmlsec_signed: Callable[..., bytes], trusted: VerifyPolicy
) -> None:
    """No key usage restricts nothing (RFC 5280, 4.2.1.3); clientAuth alone signs only with contentCommitment."""
    keys = _agency_with([ExtendedKeyUsageOID.CLIENT_AUTH] if logs_in else [], usage)
    # our own signer refuses such keys; other software does not
    assert verify(edxml.read(xmlsec_signed(keys=keys)), trusted).reason == reason
