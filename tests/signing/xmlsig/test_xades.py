"""The seal as a document: who made it, how it is written, and that its signature is XAdES baseline B."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lxml import etree

from edoc_connector import edxml
from edoc_connector.errors import SigningError
from edoc_connector.signing import Verification, VerificationStatus, VerifyMode, VerifyPolicy, seal_maker, verify
from edoc_connector.signing.pki.certificates import fingerprint
from edoc_connector.signing.xmlsig.c14n import canonicalise
from edoc_connector.signing.xmlsig.seal import SEAL_NS
from edoc_connector.signing.xmlsig.signature_profile import SIGNED_PROPERTIES
from edoc_connector.signing.xmlsig.xades import build_object
from edoc_connector.signing.xmlsig.xmldsig import NewReference, build_signature, build_signed_info, sign_signed_info
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys, agency_keys

NS, DS = edxml.NS, edxml.DS
_S = f"{{{SEAL_NS}}}"
_N = f"{{{NS}}}"
XADES = "{http://uri.etsi.org/01903/v1.3.2#}"
Mangle = Callable[[etree._Element], Any]


def one(root: etree._Element, name: str) -> etree._Element:
    """The first element of a local name."""
    return next(root.iter(f"{{*}}{name}"))


def _verify(data: bytes, policy: VerifyPolicy | None = None) -> Verification:
    return verify(edxml.read(data), policy)


# -- who sealed


def test_a_strangers_seal_is_not_trusted(packet_of: Any, stranger: AgencyKeys, trusted: VerifyPolicy) -> None:
    """A seal by a key nobody knows proves nothing under a policy that asks for trust; otherwise it is reported."""
    data = packet_of(keys=None, sealing=stranger)
    strict, lax = _verify(data, trusted), _verify(data, VerifyPolicy(anchors=trusted.anchors))
    assert (strict.status.value, strict.reason, strict.message) == ("UNVERIFIABLE", "SIG-UNTRUSTED", None)
    assert strict.signer == "Kẻ lạ"
    assert (lax.status.value, lax.trusted) == ("VALID", False)
    assert "SIG-UNTRUSTED" in [finding.code for finding in lax.findings]


def test_packet_and_seal_by_different_signers(packet_of: Any, agency: AgencyKeys, trusted: VerifyPolicy) -> None:
    """Where another agency signed the packet around the seal, the seal counts, and the finding names the other."""
    other = agency_keys("Trung tâm", organ_id="H29.99", kind="p256")
    for policy in (trusted, VerifyPolicy()):
        verification = _verify(packet_of(keys=other, sealing=agency), policy)
        assert (verification.reason, verification.signer) == ("SEAL-OK", "Sở Nội vụ")
        assert ("SIG-TWO-SIGNERS", "Trung tâm") in [(f.code, f.detail) for f in verification.findings]


def test_the_seal_must_be_the_senders(packet_of: Any, agency: AgencyKeys) -> None:
    """From.OrganId must be the certificate's organisation where the configuration says so (The seal, Checking)."""
    other = agency_keys("Sở khác", organ_id="H29.06", kind="p256")
    policy = VerifyPolicy(
        mode=VerifyMode.TRUSTED,
        anchors=(agency.root,),
        organisations={"H29.05": (f"sha256:{fingerprint(agency.certificate)}",)},
    )
    right, wrong = (_verify(packet_of(keys=None, sealing=keys), policy) for keys in (agency, other))
    assert right.reason == "SEAL-OK"
    assert (wrong.status, wrong.reason) == (VerificationStatus.INVALID, "SIG-ORGANISATION")
    assert "H29.05" in wrong.explanation


# -- writing


def test_the_seal_is_written_as_specified(packet_of: Any, rich: edxml.Document) -> None:
    """Last attachment, application/xml, Vietnam time, fields, attachments without the seal, ds:Signature (The seal)."""
    packet = edxml.read(packet_of(rich))
    last = packet.attachments[-1]
    assert (last.name, last.content_type) == ("edoc-seal.xml", "application/xml")
    with last.open() as stream:
        root = etree.fromstring(stream.read())
    assert root.tag == "{urn:edoc-connector:seal:2}Seal"
    assert datetime.fromisoformat(root.get("created", "")).utcoffset() == timedelta(hours=7)
    fields = [(field.get("name"), field.text) for field in root.iter(f"{_S}Field")]
    assert fields == [*edxml.facts(rich), *edxml.refreshed_facts(rich)]
    names = [pair for pair in fields if str(pair[0]).endswith("OrganName")]
    assert names == [("From.OrganName", "Sở Nội vụ"), ("To.1.OrganName", "Bộ A"), ("To.2.OrganName", "VPCP")]
    assert [text for name, text in fields if name == "To.OrganId"] == ["A01", "G22"]
    files = [(a.get("name"), a.get("size"), a.get("sha256")) for a in root.iter(f"{_S}Attachment")]
    assert files == [(a.name, str(a.size), a.sha256) for a in rich.attachments]
    assert (root[-1].prefix, root[-1].tag) == ("ds", f"{{{DS}}}Signature")
    assert one(root, "SigningTime").text == root.get("created")
    assert one(root, "CertDigest")[0].get("Algorithm") == "http://www.w3.org/2001/04/xmlenc#sha256"


def test_signing_time_needs_an_offset(agency: AgencyKeys) -> None:
    """A signing time without a zone is refused before anything is written."""
    with pytest.raises(SigningError, match="time zone"):
        seal_maker(sample_document(), signer=agency.signer(), at=datetime(2026, 11, 20, 10, 0))


@pytest.mark.parametrize("days", [-400, 400])
def test_an_impossible_signing_time_is_reported(days: int, agency: AgencyKeys, packet_of: Any) -> None:
    """A claimed time outside the certificate's validity, or in the future, is a finding: nobody vouches for it."""
    document = sample_document()
    maker = seal_maker(document, signer=agency.signer(), at=datetime.now(UTC) + timedelta(days=days))
    verification = _verify(packet_of(document, keys=None, seal=maker))
    assert verification.reason == "SEAL-OK"
    assert "SIG-TIME" in [finding.code for finding in verification.findings]


# -- seals of another maker, rightly signed but not as XAdES baseline B asks


def _sealed_by_hand(agency: AgencyKeys, change: Mangle) -> Callable[[Any], bytes]:
    """A seal whose signed properties are changed before they are signed."""

    def make(digests: Any) -> bytes:
        root = etree.Element(f"{_S}Seal", created="2026-11-20T10:00:00+07:00", nsmap={None: SEAL_NS})
        for name, value in edxml.facts(sample_document()):
            etree.SubElement(root, f"{_S}Field", name=name).text = value
        for digest in digests:
            etree.SubElement(root, f"{_S}Attachment", name=digest.name, size=str(digest.size), sha256=digest.sha256)
        signer = agency.signer()
        now = datetime.now(UTC).isoformat()
        holder = build_object(agency.certificate, at=now, signature_id="s", properties_id="p", content_id="c")
        change(holder)
        digest_of = [hashlib.sha256(canonicalise(part, exclusive=True)).digest() for part in (root, holder[0][0])]
        references = [
            NewReference(uri="#p", type=SIGNED_PROPERTIES, transforms=(), digest=digest_of[1]),
            NewReference(id="c", digest=digest_of[0]),
        ]
        info = build_signed_info(references, algorithm=signer.algorithm, prefix="ds")
        # transforms=() writes an empty Transforms, which stands for inclusive canonicalisation
        plain = hashlib.sha256(_inclusive_of(root, holder)).digest()
        next(info.iter(f"{{{DS}}}DigestValue")).text = base64.b64encode(plain).decode()
        signature = build_signature(info, sign_signed_info(signer, info), agency.certificates, prefix="ds", id="s")
        signature.append(holder)
        root.append(signature)
        return etree.tostring(root)

    return make


def _inclusive_of(root: etree._Element, holder: etree._Element) -> bytes:
    """The inclusive canonical form of the signed properties where they will stand."""
    copy = etree.fromstring(etree.tostring(root))
    signature = etree.SubElement(copy, f"{{{DS}}}Signature", nsmap={"ds": DS})
    signature.append(etree.fromstring(etree.tostring(holder)))
    return canonicalise(signature[0][0][0], exclusive=False)


def _no_time(holder: etree._Element) -> None:
    one(holder, "SigningTime").text = ""


def _no_offset(holder: etree._Element) -> None:
    one(holder, "SigningTime").text = "2026-11-20T10:00:00"


def _no_certificate(holder: etree._Element) -> None:
    one(holder, "SigningCertificateV2").clear()


def _sha1_certificate(holder: etree._Element) -> None:
    one(holder, "DigestMethod").set("Algorithm", f"{DS}sha1")


def _no_method(holder: etree._Element) -> None:
    one(holder, "CertDigest").remove(one(holder, "DigestMethod"))


def _not_base64(holder: etree._Element) -> None:
    one(holder, "DigestValue").text = "%%%"


def _other_certificate(holder: etree._Element) -> None:
    one(holder, "DigestValue").text = base64.b64encode(bytes(32)).decode()


BY_HAND: dict[str, tuple[Mangle, str]] = {
    "as it should be": (lambda holder: None, "SEAL-OK"),
    "no signing time": (_no_time, "SEAL-PROPERTIES"),
    "signing time without zone": (_no_offset, "SEAL-PROPERTIES"),
    "no certificate digest": (_no_certificate, "SEAL-PROPERTIES"),
    "certificate digest by SHA-1": (_sha1_certificate, "SEAL-PROPERTIES"),
    "certificate digest without method": (_no_method, "SEAL-PROPERTIES"),
    "certificate digest not base64": (_not_base64, "SEAL-PROPERTIES"),
    "digest of another certificate": (_other_certificate, "SEAL-CERTIFICATE"),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_signed_properties_must_be_baseline_b(case: str, agency: AgencyKeys, packet_of: Any) -> None:
    """Signing time and the digest of the very certificate are required, and signed (The seal: XAdES baseline B)."""
    change, expected = BY_HAND[case]
    verification = _verify(packet_of(keys=None, seal=_sealed_by_hand(agency, change)))
    assert verification.reason == expected, verification.explanation
