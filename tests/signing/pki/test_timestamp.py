"""Time-stamps (RFC 3161): asked for and believed, against a small authority over loopback and against OpenSSL's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import tsp  # type: ignore[import-untyped]  # it ships no types
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates
from cryptography.x509.oid import ExtendedKeyUsageOID
from lxml import etree

from edoc_connector import edxml
from edoc_connector.errors import SigningError
from edoc_connector.signing import (
    Revocation,
    RevocationMode,
    TimestampAuthority,
    Verification,
    VerifyMode,
    VerifyPolicy,
    seal_maker,
    verify,
)
from edoc_connector.signing.pki.timestamp import check_timestamp
from edoc_connector.signing.reasons import Refused
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys, authority, get_default_authority
from edoc_connector.testing.responders import Responders, build_timestamp_token

DAY = timedelta(days=1)


@pytest.fixture
def pki() -> Iterator[Responders]:
    """The servers of the sender's authority, a time-stamp authority among them."""
    with Responders(get_default_authority()) as responders:
        yield responders


@pytest.fixture
def stamped(pki: Responders, agency: AgencyKeys, packet_of: Any) -> Callable[..., bytes]:
    """Writes a packet whose seal carries a time-stamp."""

    def write(*, at: datetime | None = None, keys: AgencyKeys | None = None, own: bool = False, **tsa: Any) -> bytes:
        moment = at or datetime.now(UTC)
        pki.clock = lambda: moment
        keys = keys or agency
        document = sample_document()
        maker = seal_maker(
            document,
            signer=keys.signer(clock=lambda: moment),
            at=moment,
            timestamp=TimestampAuthority(url=pki.tsa_url, **tsa),
        )
        data: bytes = packet_of(document, keys=keys if own else None, seal=maker)
        return data

    return write


def _trusting(root: Any, **options: Any) -> VerifyPolicy:
    return VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=(root,), **options)


def _codes(verification: Verification) -> list[str]:
    return [finding.code for finding in verification.findings]


@pytest.mark.parametrize("own", [False, True], ids=["seal alone", "with a packet signature"])
def test_a_time_stamped_seal_says_when(own: bool, stamped: Any, agency: AgencyKeys) -> None:
    """With a time-stamp the signing time is the authority's word, not only the signer's (The seal: XAdES B-T)."""
    moment = datetime.now(UTC).replace(microsecond=0)
    verification = verify(edxml.read(stamped(at=moment, own=own)), _trusting(agency.root))
    assert verification.reason == ("SIG-OK" if own else "SEAL-OK")
    assert (verification.signed_at, verification.timestamped, verification.findings) == (moment, True, ())


def test_a_seal_without_one_only_claims(packet_of: Any, agency: AgencyKeys) -> None:
    """Without a time-stamp the result says that the signing time is claimed."""
    verification = verify(edxml.read(packet_of()), _trusting(agency.root))
    assert verification.signed_at is not None
    assert verification.timestamped is False


@pytest.fixture
def short_lived(agency: AgencyKeys) -> AgencyKeys:
    """Keys whose certificate expired yesterday."""
    now = datetime.now(UTC)
    return get_default_authority().agency(
        "Sở Nội vụ", organ_id="H29.05", kind="p256", not_before=now - 20 * DAY, not_after=now - DAY
    )


@pytest.mark.parametrize("own", [False, True], ids=["seal alone", "with a packet signature"])
def test_the_certificate_is_judged_as_of_the_time_stamp(
    own: bool, stamped: Any, short_lived: AgencyKeys, packet_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is proved to have been signed while the certificate was valid stays valid after it expired (B-T)."""
    moment = datetime.now(UTC) - 5 * DAY
    if own:
        # the packet's own signature would be refused now; the writer's clock stands where the signer's does
        signer = short_lived.signer(clock=lambda: moment)
        monkeypatch.setattr(AgencyKeys, "signer", lambda self, **_: signer)
    verification = verify(edxml.read(stamped(at=moment, keys=short_lived, own=own)), _trusting(short_lived.root))
    assert (verification.reason, verification.method, verification.trusted) == ("SEAL-OK", "seal", True)
    assert verification.judged_at == verification.signed_at == moment.replace(microsecond=0)
    assert verification.findings == ()


def test_without_a_believed_time_stamp_the_certificate_has_expired(stamped: Any, short_lived: AgencyKeys) -> None:
    """A stranger's time-stamp does not bring an expired certificate back."""
    data = stamped(at=datetime.now(UTC) - 5 * DAY, keys=short_lived)
    stranger = authority("Other stamps").certificates[-1]
    policy = _trusting(short_lived.root, timestamp_anchors=(stranger,))
    assert verify(edxml.read(data), policy).reason == "SIG-EXPIRED"


AFTER_A_BUNDLE = """
import sys
from edoc_connector._core import split_certificates
from edoc_connector.signing import load_signer
load_signer(sys.argv[1], secrets=lambda _: "mật khẩu")
print(len(split_certificates(open(sys.argv[2], "rb").read())))
from asn1crypto import cms, tsp
cms.ContentType("data")
print(cms.ContentType("tst_info").dotted)
"""


def test_keys_and_bundles_read_first_do_not_hinder_time_stamps(agency: AgencyKeys, tmp_path: Path) -> None:
    """A PKCS#12 key and a PKCS#7 bundle are read, and tokens can still be made (RFC 3161, 2.4.2)."""
    key = agency.write_p12(tmp_path / "key.p12", password="mật khẩu")
    bundle = tmp_path / "chain.p7b"
    bundle.write_bytes(serialize_certificates([agency.certificate], Encoding.DER))
    command = [sys.executable, "-c", AFTER_A_BUNDLE, key, str(bundle)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.stdout.split() == ["1", "1.2.840.113549.1.9.16.1.4"], done.stderr


def test_a_time_stamp_is_not_believed_of_anybody(stamped: Any, stranger: AgencyKeys) -> None:
    """Without anchors, or with those of others, a time-stamp is a finding and the time is a claim."""
    packet = edxml.read(stamped())
    for policy in (VerifyPolicy(), VerifyPolicy(anchors=(stranger.root,))):
        verification = verify(packet, policy)
        assert (verification.reason, verification.timestamped) == ("SEAL-OK", False)
        assert "SIG-TIMESTAMP" in _codes(verification)
        assert verification.signed_at is not None


def test_a_claimed_time_after_the_time_stamp_is_reported(pki: Responders, agency: AgencyKeys, packet_of: Any) -> None:
    """Nobody signs after the time-stamp over the signature: the claim is a finding."""
    document = sample_document()
    now = datetime.now(UTC)
    maker = seal_maker(
        document,
        signer=agency.signer(),
        at=now + timedelta(hours=2),
        timestamp=TimestampAuthority(url=pki.tsa_url),
    )
    verification = verify(edxml.read(packet_of(document, keys=None, seal=maker)), _trusting(agency.root))
    assert (verification.reason, verification.timestamped) == ("SEAL-OK", True)
    assert _codes(verification) == ["SIG-TIME"]


# -- tokens that prove nothing


def _other_message(pki: Responders) -> bytes:
    return TimestampAuthority(url=pki.tsa_url)(b"something else")


def _flipped(pki: Responders) -> bytes:
    token = bytearray(TimestampAuthority(url=pki.tsa_url)(b"data"))
    token[-1] ^= 1
    return bytes(token)


def _info(**changes: Any) -> Any:
    import hashlib

    values = {
        "version": "v1",
        "policy": "1.3.6.1.4.1.99999.1",
        "message_imprint": {
            "hash_algorithm": {"algorithm": "sha256"},
            "hashed_message": hashlib.sha256(b"data").digest(),
        },
        "serial_number": 1,
        "gen_time": datetime.now(UTC).replace(microsecond=0),
    }
    return tsp.TSTInfo(values | changes)


def _by(keys: Callable[[], AgencyKeys], **changes: Any) -> Callable[[Responders], bytes]:
    return lambda pki: bytes(build_timestamp_token(_info(**changes), keys()).dump())


def _tsa(**options: Any) -> AgencyKeys:
    return get_default_authority().agency("TSA", **({"uses": [ExtendedKeyUsageOID.TIME_STAMPING]} | options))


UNBELIEVED: dict[str, Callable[[Responders], bytes]] = {
    "no ASN.1": lambda pki: b"token",
    "another structure": lambda pki: get_default_authority().certificates[0].public_bytes(Encoding.DER),
    "over something else": _other_message,
    "bit flipped": _flipped,
    "cut off": lambda pki: TimestampAuthority(url=pki.tsa_url)(b"data")[:-9],
    "by an agency": _by(lambda: get_default_authority().agency("Sở", kind="p256")),
    "by a short key": _by(lambda: _tsa(kind="rsa1024")),
    "by a curve not accepted": _by(lambda: _tsa(kind="p521")),
    "in the future": _by(lambda: _tsa(kind="p256"), gen_time=datetime.now(UTC).replace(microsecond=0) + DAY),
    "before the authority's certificate": _by(
        lambda: _tsa(kind="p256"), gen_time=datetime.now(UTC).replace(microsecond=0) - 9 * DAY
    ),
    "signed with SHA-1": lambda pki: bytes(build_timestamp_token(_info(), _tsa(kind="p256"), digest="sha1").dump()),
    "over a SHA-1 hash": _by(
        lambda: _tsa(kind="p256"),
        message_imprint={"hash_algorithm": {"algorithm": "sha1"}, "hashed_message": bytes(20)},
    ),
}


@pytest.mark.parametrize("case", UNBELIEVED)
def test_a_token_that_proves_nothing(case: str, pki: Responders) -> None:
    """Malformed, over other data, or by one who is no time-stamp authority: not believed (RFC 3161, 2.3, 2.4.2)."""
    policy = VerifyPolicy(anchors=(get_default_authority().certificates[-1],))
    with pytest.raises(Refused) as refusal:
        check_timestamp(UNBELIEVED[case](pki), b"data", policy=policy, at=datetime.now(UTC))
    assert refusal.value.code == "SIG-TIMESTAMP"


def test_a_revoked_authority_is_not_believed(pki: Responders) -> None:
    """The time-stamp authority's certificate is checked for revocation as a signer's is."""
    token = TimestampAuthority(url=pki.tsa_url)(b"data")
    revocation = Revocation(mode=RevocationMode.CRL, crl_urls=pki.crl_urls)
    policy = VerifyPolicy(anchors=(pki.tsa.root,), revocation=revocation)
    assert check_timestamp(token, b"data", policy=policy, at=datetime.now(UTC))
    pki.revoke(pki.tsa.certificate)
    later = VerifyPolicy(anchors=(pki.tsa.root,), revocation=Revocation(mode=RevocationMode.CRL, crl_urls=pki.crl_urls))
    with pytest.raises(Refused, match="SIG-REVOKED"):
        check_timestamp(token, b"data", policy=later, at=datetime.now(UTC))


def _edit_stamp(packet: bytes, change: Callable[[etree._Element], object]) -> Callable[[Any], bytes]:
    with edxml.read(packet).attachments[-1].open() as stream:
        root = etree.fromstring(stream.read())
    change(next(root.iter("{*}SignatureTimeStamp")))
    return lambda digests: etree.tostring(root)


EDITS: dict[str, Callable[[etree._Element], object]] = {
    "not base64": lambda stamp: setattr(stamp[-1], "text", "%%%"),
    "empty": lambda stamp: setattr(stamp[-1], "text", ""),
    "unknown canonicalisation": lambda stamp: stamp[0].set("Algorithm", "urn:none"),
    "over the other canonical form": lambda stamp: stamp.remove(stamp[0]),
}


@pytest.mark.parametrize("case", EDITS)
def test_a_misshapen_time_stamp_is_a_finding(case: str, stamped: Any, packet_of: Any, agency: AgencyKeys) -> None:
    """Time-stamps are not signed themselves: a broken one takes nothing from the seal but its time."""
    seal = _edit_stamp(stamped(), EDITS[case])
    verification = verify(edxml.read(packet_of(keys=None, seal=seal)), _trusting(agency.root))
    assert verification.reason == "SEAL-OK"
    # SignatureValue declares ds: itself, so its two canonical forms differ by what they inherit
    assert verification.timestamped is False
    assert _codes(verification) == ["SIG-TIMESTAMP"]


# -- asking


ANSWERS: dict[str, tuple[int, Callable[[Responders], bytes]]] = {
    "server error": (500, lambda pki: b""),
    "garbage": (200, lambda pki: b"<html>login</html>"),
    "rejection": (200, lambda pki: bytes.fromhex("30053003020102")),
    "another's time-stamp": (200, lambda pki: pki.build_timestamp(_request())),
    "no token": (200, lambda pki: bytes.fromhex("30053003020100")),
}


def _request() -> bytes:
    from rfc3161_client import TimestampRequestBuilder

    return TimestampRequestBuilder().data(b"other").build().as_bytes()


@pytest.mark.parametrize("case", ANSWERS)
def test_no_time_stamp_no_seal(case: str, pki: Responders, agency: AgencyKeys, packet_of: Any) -> None:
    """Where a time-stamp is asked for and there is none, nothing is written, and the error says why."""
    status, body = ANSWERS[case]
    pki.answer_overrides["/tsa"] = (status, body(pki))
    document = sample_document()
    maker = seal_maker(
        document, signer=agency.signer(), at=datetime.now(UTC), timestamp=TimestampAuthority(url=pki.tsa_url)
    )
    with pytest.raises(SigningError, match="no time-stamp") as error:
        packet_of(document, keys=None, seal=maker)
    assert "dấu thời gian" in error.value.vi


def test_asking_ends(pki: Responders) -> None:
    """An authority that does not answer in time is given up."""
    with pytest.raises(SigningError, match="timed out"):
        TimestampAuthority(url=pki.tsa_url, timeout=1e-9)(b"data")


# -- OpenSSL, both ways

openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="OpenSSL's command is not installed")

CONFIG = """
[tsa]
default_tsa = it
[it]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
"""


def _pem(keys: AgencyKeys, folder: Path) -> None:
    key = keys.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "tsa.key").write_bytes(key)
    (folder / "tsa.pem").write_bytes(keys.certificate.public_bytes(Encoding.PEM))
    (folder / "root.pem").write_bytes(keys.root.public_bytes(Encoding.PEM))
    (folder / "issuing.pem").write_bytes(keys.certificates[1].public_bytes(Encoding.PEM))


def _openssl(*arguments: object) -> str:
    done = subprocess.run(["openssl", "ts", *map(str, arguments)], capture_output=True, text=True, check=True)
    return done.stdout


@openssl
def test_openssls_time_stamps_are_believed(tmp_path: Path) -> None:
    """A token that OpenSSL's time-stamp authority makes is believed."""
    _pem(_tsa(kind="p256"), tmp_path)
    (tmp_path / "serial").write_text("01\n")
    (tmp_path / "ts.cnf").write_text(CONFIG.format(folder=tmp_path))
    (tmp_path / "data").write_bytes(b"data")
    query, token = tmp_path / "q.tsq", tmp_path / "t.der"
    _openssl("-query", "-data", tmp_path / "data", "-sha256", "-cert", "-out", query)
    signer = ("-signer", tmp_path / "tsa.pem", "-inkey", tmp_path / "tsa.key", "-chain", tmp_path / "issuing.pem")
    _openssl("-reply", "-config", tmp_path / "ts.cnf", "-queryfile", query, *signer, "-token_out", "-out", token)
    policy = VerifyPolicy(anchors=(get_default_authority().certificates[-1],))
    moment = check_timestamp(token.read_bytes(), b"data", policy=policy, at=datetime.now(UTC))
    assert abs(moment - datetime.now(UTC)) < timedelta(minutes=5)


@openssl
def test_openssl_believes_the_authority_of_these_tests(pki: Responders, tmp_path: Path) -> None:
    """The small authority that the other tests use makes tokens that OpenSSL verifies."""
    _pem(pki.tsa, tmp_path)
    (tmp_path / "data").write_bytes(b"data")
    (tmp_path / "t.der").write_bytes(TimestampAuthority(url=pki.tsa_url)(b"data"))
    told = _openssl(
        "-verify", "-data", tmp_path / "data", "-in", tmp_path / "t.der", "-token_in", "-CAfile", tmp_path / "root.pem"
    )
    assert "Verification: OK" in told


def test_an_authority_revoked_since_cannot_date_back(
    pki: Responders, stamped: Callable[..., bytes], agency: AgencyKeys
) -> None:
    """Who has the key of a revoked authority writes any moment: its stamps count no more (ETSI EN 319 132-1, 5.3)."""
    now = datetime.now(UTC)
    data = stamped(at=now - timedelta(hours=2))
    pki.clock = lambda: datetime.now(UTC)
    revocation = Revocation(mode=RevocationMode.CRL, crl_urls=pki.crl_urls)
    policy = VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=(agency.root,), revocation=revocation)
    assert verify(edxml.read(data), policy).timestamped
    pki.revoke(pki.tsa.certificate, at=now - timedelta(hours=1))
    again = Revocation(mode=RevocationMode.CRL, crl_urls=pki.crl_urls)
    verification = verify(edxml.read(data), replace(policy, revocation=again))
    assert not verification.timestamped
    assert "SIG-TIMESTAMP" in [one.code for one in verification.findings]
