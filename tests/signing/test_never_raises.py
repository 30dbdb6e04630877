"""What a stranger can put into a packet never makes `verify` raise: odd values that are signed, and mutations."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from edoc_connector import edxml
from edoc_connector.errors import PacketError
from edoc_connector.signing import (
    LocalSigner,
    Revocation,
    RevocationMode,
    TimestampAuthority,
    VerifyMode,
    VerifyPolicy,
    enveloped,
    seal_maker,
    verify,
)
from edoc_connector.signing.pki.certificates import read_certificate
from edoc_connector.signing.pki.path_validation import judge_certificate
from edoc_connector.signing.pki.pki_http import fetch_http
from edoc_connector.signing.xmlsig import xades
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys, get_default_authority, make_throwaway_key
from edoc_connector.testing.responders import Responders

_SHA1 = bytes.fromhex("2b0e03021a")  # its object identifier, DER
_STATUS = """<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXML:edXMLEnvelope
xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXML:edXMLHeader><edXML:MessageHeader><edXML:From>
<edXML:OrganId>G22</edXML:OrganId><edXML:OrganName>VPCP</edXML:OrganName></edXML:From><edXML:ResponseFor>
<edXML:OrganId>H29.05</edXML:OrganId><edXML:Code>1/A</edXML:Code><edXML:DocumentId>d-1</edXML:DocumentId>
</edXML:ResponseFor><edXML:StatusCode>03</edXML:StatusCode><edXML:Timestamp>2026/11/20 10:00:00</edXML:Timestamp>
</edXML:MessageHeader></edXML:edXMLHeader></edXML:edXMLEnvelope><AttachmentEncoded><Attachment>
<ContentId>cid:1</ContentId><AttachmentName>edoc-seal.xml</AttachmentName><ContentType>application/xml</ContentType>
<ContentTransferEncoded>%s</ContentTransferEncoded></Attachment></AttachmentEncoded></edXML>"""


def test_a_seal_in_a_status_is_refused(agency: AgencyKeys) -> None:
    """Status packets have no seal (The seal, Fields): one that carries it all the same is UNVERIFIABLE."""
    document = sample_document()
    seal = seal_maker(document, signer=agency.signer(), at=datetime.now(UTC))(())
    verification = verify(edxml.read((_STATUS % base64.b64encode(seal).decode()).encode()))
    assert (verification.reason, verification.status.value) == ("SEAL-STATUS", "UNVERIFIABLE")
    assert verification.message is None


@pytest.mark.parametrize("claimed", ["0001-01-01T00:00:00+07:00", "9999-12-31T23:59:59-07:00"])
def test_a_signing_time_that_no_clock_shows_is_refused(
    claimed: str, packet_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signing time that is none in UTC makes the seal UNVERIFIABLE (XAdES baseline B, SigningTime)."""
    build = xades.build_object
    monkeypatch.setattr(
        "edoc_connector.signing.xmlsig.seal.build_object",
        lambda certificate, at, **ids: build(certificate, at=claimed, **ids),
    )
    verification = verify(edxml.read(packet_of(keys=None)))
    assert (verification.reason, verification.status.value) == ("SEAL-PROPERTIES", "UNVERIFIABLE")


def test_an_odd_certificate_is_not_trusted(packet_of: Any, agency: AgencyKeys) -> None:
    """A subject's attribute of an unknown kind that is no text makes nobody trusted (path validation)."""
    key = make_throwaway_key("p256", "odd")
    unknown = x509.NameAttribute(x509.ObjectIdentifier("1.2.3.4.5"), "AAAA")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "E"), unknown])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(5).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=9))
    )
    der = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    odd = read_certificate(der.replace(b"\x0c\x04AAAA", b"\x04\x04AAAA"))  # an OCTET STRING in place of UTF8String
    signer = LocalSigner(key=key, certificates=(odd,))
    seal = seal_maker(sample_document(), signer=signer, at=now)
    policy = VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=(agency.root,))
    verification = verify(edxml.read(packet_of(keys=None, seal=seal)), policy)
    assert (verification.reason, verification.status.value) == ("SIG-UNTRUSTED", "UNVERIFIABLE")


@pytest.mark.parametrize("soft", [False, True])
def test_an_ocsp_answer_by_an_unknown_hash_proves_nothing(soft: bool, signed: bytes, agency: AgencyKeys) -> None:
    """An answer that names the issuer by a hash nobody knows counts as none, and hides no other (RFC 6960, 4.1.1)."""

    def fetch(url: str, *, body: bytes | None = None, content_type: str = "", timeout: float = 1) -> bytes:
        answer = fetch_http(url, body=body, content_type=content_type, timeout=timeout)
        return answer.replace(_SHA1, _SHA1[:-1] + b"\x7f") if body else answer

    with Responders(get_default_authority()) as pki:
        pki.revoke(agency.certificate)
        reasons = []
        for mode in (RevocationMode.OCSP, RevocationMode.EITHER):
            lists = pki.crl_urls if mode is RevocationMode.EITHER else ()
            revocation = Revocation(mode=mode, crl_urls=lists, ocsp_url=pki.ocsp_url, fetch=fetch, soft=soft)
            policy = VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=(agency.root,), revocation=revocation)
            verification = verify(edxml.read(signed), policy)
            reasons.append([verification.reason, *(one.code for one in verification.findings)])
    assert reasons[0] == (["SIG-OK", "SIG-REVOCATION-UNKNOWN"] if soft else ["SIG-REVOCATION-UNKNOWN"])
    assert reasons[1] == ["SIG-REVOKED"]


# -- mutations


@pytest.fixture(scope="module")
def packets(agency: AgencyKeys, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, ...]:
    """A packet with its own signature, and one with a seal that has a time-stamp."""
    document, at = sample_document(), datetime.now(UTC)
    own, sealed = (tmp_path_factory.mktemp("packets") / name for name in ("own.edxml", "sealed.edxml"))
    edxml.write(document, own, at=at, signature=enveloped(agency.signer()))
    with Responders(get_default_authority()) as pki:
        stamp = TimestampAuthority(url=pki.tsa_url)
        edxml.write(document, sealed, at=at, seal=seal_maker(document, signer=agency.signer(), at=at, timestamp=stamp))
    return own.read_bytes(), sealed.read_bytes()


def _mutated(data: bytes, changes: Sequence[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for place, value in changes:
        changed[place % len(changed)] = value
    return bytes(changed)


def _inside(packet: bytes, name: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A packet with what the first element of a name encodes in base64 changed."""
    found = re.search(rb"<(?:\w+:)?%s>([A-Za-z0-9+/=\s]+)<" % name, packet)
    assert found is not None
    return packet[: found.start(1)] + base64.b64encode(change(base64.b64decode(found[1]))) + packet[found.end(1) :]


def _in_seal(packet: bytes, change: Callable[[bytes], bytes]) -> bytes:
    start = packet.rindex(b"<ContentTransferEncoded>")
    return packet[:start] + _inside(packet[start:], b"ContentTransferEncoded", change)


_WHERE: dict[str, tuple[int, Callable[[bytes, Callable[[bytes], bytes]], bytes]]] = {
    "certificate": (0, lambda packet, change: _inside(packet, b"X509Certificate", change)),
    "anywhere": (0, lambda packet, change: change(packet)),
    "seal": (1, _in_seal),
    "seal's certificate": (
        1,
        lambda packet, change: _in_seal(packet, partial(_inside, name=b"X509Certificate", change=change)),
    ),
    "time-stamp": (
        1,
        lambda packet, change: _in_seal(packet, partial(_inside, name=b"EncapsulatedTimeStamp", change=change)),
    ),
}
_CHANGES = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=3)


@pytest.mark.filterwarnings("ignore")  # of odd serial numbers and names: mutated ones are odd
@pytest.mark.parametrize("where", _WHERE)
@settings(max_examples=int(os.environ.get("EDOC_MUTATIONS", "60")), deadline=None)
@given(changes=_CHANGES)
def test_mutations_are_judged_and_never_raise(
    where: str, packets: tuple[bytes, ...], agency: AgencyKeys, changes: list[tuple[int, int]]
) -> None:
    """Whatever is changed in a certificate, a seal, a time-stamp or the packet: verify gives a status and a reason."""
    which, mutate = _WHERE[where]
    data = mutate(packets[which], lambda inner: _mutated(inner, changes))
    try:
        packet = edxml.read(data)
    except PacketError:
        return
    for mode in (VerifyMode.TRUSTED, VerifyMode.ANY):
        verification = verify(packet, VerifyPolicy(mode=mode, anchors=(agency.root,)))
        assert verification.explanation
        assert verification.explanation_vi
        assert (verification.message is None) == (verification.status.value != "VALID")


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=int(os.environ.get("EDOC_MUTATIONS", "60")), deadline=None)
@given(which=st.integers(0, 1), changes=_CHANGES)
def test_mutated_certificates_are_judged(agency: AgencyKeys, which: int, changes: list[tuple[int, int]]) -> None:
    """The signer's certificate or one above it, changed at a few places: judging it gives a problem, not an error."""
    certificates = list(agency.certificates[:-1])
    try:
        certificates[which] = read_certificate(_mutated(certificates[which].public_bytes(Encoding.DER), changes))
    except ValueError:
        return
    policy = VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=(agency.root,))
    trust = judge_certificate(certificates[0], certificates[1:], policy=policy, at=datetime.now(UTC))
    assert trust.trusted or trust.problem
