"""Verifying packets: what is found in the wild, policies, trust, and two verifiers that must agree."""

from __future__ import annotations

import asyncio
import base64
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from edoc_connector import edxml
from edoc_connector.signing import VerificationStatus, VerifyMode, VerifyPolicy, enveloped, fingerprint, verify
from edoc_connector.signing import verify as verify_function
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import (
    AgencyKeys,
    Authority,
    agency_keys,
    authority,
    get_default_authority,
    make_throwaway_key,
)

NOW = datetime.now(UTC)

SAMPLES = {
    "bkav-status.edxml": "SIG-NONE",
    "edoc.edxml": "SIG-ILL-FORMED",
    "edoc_replacement.edxml": "SIG-NAMESPACE",
    "edoc_revocation.edxml": "SIG-NAMESPACE",
    "edoc_update.edxml": "SIG-NAMESPACE",
    "status.edxml": "SIG-NONE",
    "status_acceptance_03.edxml": "SIG-NONE",
    "status_assignment_04.edxml": "SIG-NONE",
    "status_cancellation_13.edxml": "SIG-NONE",
    "status_change-acceptance_15.edxml": "SIG-NONE",
    "status_change-rejection_16.edxml": "SIG-NONE",
    "status_finish_06.edxml": "SIG-NONE",
    "status_inbox_01.edxml": "SIG-NONE",
    "status_processing_05.edxml": "SIG-NONE",
    "status_rejection_02.edxml": "SIG-NONE",
}


def test_packets_in_the_wild_are_never_valid(sample: Path) -> None:
    """Unsigned packets and placeholder signatures read as such, with the reason (The edXML packet, Signature)."""
    verification = verify(edxml.read(sample))
    assert verification.reason == SAMPLES[sample.name]
    expected = VerificationStatus.UNSIGNED if SAMPLES[sample.name] == "SIG-NONE" else VerificationStatus.UNVERIFIABLE
    assert verification.status is expected
    assert verification.explanation
    assert verification.explanation_vi
    assert (verification.signer, verification.message) == (None, None)


def test_the_old_sample_stays_unverifiable_when_its_prefixes_are_declared(collection: Path) -> None:
    """Behind its undeclared prefixes a sample hides comments, SHA-1 and a digest of something else: never VALID."""
    data = (collection / "samples" / "edoc.edxml").read_bytes()
    prefixes = f'<edXML xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:edXML="{edxml.NS}" xmlns='.encode()
    declared = data.replace(b"<edXML xmlns=", prefixes, 1)
    assert verify(edxml.read(declared)).reason == "SIG-COMMENT"
    bare = re.sub(rb"<!--.*?-->", b"", declared, flags=re.DOTALL)
    assert verify(edxml.read(bare)).reason == "SIG-SHA1"
    assert verify(edxml.read(bare), VerifyPolicy(legacy_sha1=True)).reason == "SIG-DIGEST"


EMPTY = {
    "DigitalSignature": "<edXML:DigitalSignature/>",
    "DigitalSignature with space": "<edXML:DigitalSignature> \n </edXML:DigitalSignature>",
    "Signature": f'<Signature xmlns="{edxml.DS}"/>',
    "with a comment": "<edXML:DigitalSignature><!-- later --></edXML:DigitalSignature>",
    "two of them": "<edXML:DigitalSignature/><edXML:Signature/>",
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_signature_elements_are_unsigned(name: str, packet_of: Any) -> None:
    """An empty DigitalSignature is as good as none: UNSIGNED (The edXML packet, Signature)."""
    data = packet_of(keys=None, sealing=None)
    data = data.replace(b"</edXML:edXMLHeader>", EMPTY[name].encode() + b"</edXML:edXMLHeader>")
    verification = verify(edxml.read(data))
    assert (verification.status, verification.reason) == (VerificationStatus.UNSIGNED, "SIG-EMPTY")


def test_older_forms_of_the_frame_verify_too(xmlsec_signed: Any) -> None:
    """Body, Manifest and the older namespace do not stand in a signature's way (The edXML packet, Seen in the wild)."""
    names = {"edXMLBody": "Body", "edXMLManifest": "Manifest"}

    def rename(root: etree._Element) -> None:
        for element in root.iter("*"):
            local = etree.QName(element).localname
            element.tag = f"{{http://www.e-doc.vn/Schema/}}{names.get(local, local)}"

    assert verify(edxml.read(xmlsec_signed(before=rename))).reason == "SIG-OK"


def _double(name: str, *, namespace: str = edxml.NS, text: str = "khác") -> Callable[[etree._Element], None]:
    """Add a second element of a name, behind the first one."""

    def add(root: etree._Element) -> None:
        first = next(root.iter(f"{{*}}{name}"))
        second = etree.Element(f"{{{namespace}}}{name}")
        second.text = text
        first.addnext(second)

    return add


AMBIGUOUS = {
    "Subject": (_double("Subject"), "Subject"),
    "the same text": (_double("Subject", text="V/v kết nối, liên thông văn bản"), "Subject"),
    "an empty one": (_double("Subject", text=""), "Subject"),
    "of another namespace": (_double("Subject", namespace="urn:other"), "Subject"),
    "below a group": (_double("CodeNumber"), "Code.CodeNumber"),
    "a name of an attachment": (_double("AttachmentName"), "Reference.AttachmentName"),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_an_element_that_occurs_twice_is_never_valid(name: str, xmlsec_signed: Any, trusted: VerifyPolicy) -> None:
    """Signed so by its sender, a packet that readers take differently is UNVERIFIABLE, by name ("What a seal says")."""
    change, element = AMBIGUOUS[name]
    verification = verify(edxml.read(xmlsec_signed(before=change)), trusted)
    assert (verification.status, verification.reason) == (VerificationStatus.UNVERIFIABLE, "SIG-AMBIGUOUS")
    assert verification.detail == element
    assert element in verification.explanation
    assert element in verification.explanation_vi
    assert (verification.message, trusted.admits(verification)) == (None, False)


def test_a_packet_whose_root_is_the_envelope_verifies(xmlsec_signed: Any) -> None:
    """The root edXMLEnvelope without the outer edXML is read, and verifies (The edXML packet, Seen in the wild)."""

    def unwrap(root: etree._Element) -> None:
        envelope = root[0]
        envelope.append(root[1])
        root.tag = envelope.tag
        children = list(envelope)
        root.remove(envelope)
        root.extend(children)

    assert verify(edxml.read(xmlsec_signed(before=unwrap))).reason == "SIG-OK"


def test_status_packets_verify_by_their_own_signature(
    agency: AgencyKeys, tmp_path: Path, trusted: VerifyPolicy
) -> None:
    """A status packet carries no seal and relies on the packet signature (The seal, Fields)."""
    message = edxml.StatusMessage(
        sender=edxml.Organization(id="G22", name="VPCP"),
        response_for=edxml.ResponseFor(organ_id="H29.05", code="7816/SNV-VP", document_id="d", issued_on=NOW.date()),
        code=edxml.StatusCode("01"),
        timestamp=NOW,
        description="Đã đến",
    )
    path = tmp_path / "status.edxml"
    edxml.write(message, path, at=NOW, signature=enveloped(agency.signer()))
    trusted = replace(trusted, organisations={"G22": (f"sha256:{fingerprint(agency.certificate)}",)})
    verification = verify(edxml.read(path), trusted)
    assert (verification.reason, verification.method, verification.attachments) == ("SIG-OK", "packet", ())
    assert isinstance(verification.message, edxml.StatusMessage)
    path.write_bytes(path.read_bytes().replace(b">01<", b">03<"))
    assert verify(edxml.read(path), trusted).reason == "SIG-DIGEST"


# -- who signed


def test_a_valid_packet_tells_who_signed(signed: bytes, trusted: VerifyPolicy, agency: AgencyKeys) -> None:
    """Signer, chain up to the anchor, algorithms and the moment judged at are in the result (Design, signing)."""
    verification = verify(edxml.read(signed), trusted)
    assert verification.status is VerificationStatus.VALID
    assert verification.signer == "Sở Nội vụ"
    assert verification.chain == agency.certificates
    assert verification.algorithms == ("rsa-sha256", "sha256")
    assert verification.findings == ()
    assert abs(verification.judged_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert isinstance(verification.message, edxml.Document)
    assert verification.message.subject == sample_document().subject


def test_without_anchors_nobody_is_trusted(signed: bytes, agency: AgencyKeys) -> None:
    """With no authorities configured trust is not judged, and the result says so."""
    verification = verify(edxml.read(signed))
    assert (verification.status, verification.trusted) == (VerificationStatus.VALID, None)
    assert [finding.code for finding in verification.findings] == ["SIG-NOT-JUDGED", "SIG-UNBOUND"]
    assert verification.chain == agency.certificates[:2]


def test_a_stranger_is_not_trusted(packet_of: Any, stranger: AgencyKeys, trusted: VerifyPolicy) -> None:
    """A signature by an unknown key is UNVERIFIABLE when trust is asked for, reported otherwise (VerifyPolicy)."""
    packet = edxml.read(packet_of(keys=stranger, sealing=None))
    strict = verify(packet, trusted)
    assert (strict.status, strict.reason) == (VerificationStatus.UNVERIFIABLE, "SIG-UNTRUSTED")
    assert (strict.message, strict.signer) == (None, "Kẻ lạ")
    lax = verify(packet, VerifyPolicy(mode=VerifyMode.VALID, anchors=trusted.anchors))
    assert (lax.status, lax.trusted) == (VerificationStatus.VALID, False)
    assert [finding.code for finding in lax.findings] == ["SIG-UNTRUSTED", "SIG-UNBOUND"]


def test_a_root_that_the_packet_brings_is_no_anchor(
    packet_of: Any, stranger: AgencyKeys, trusted: VerifyPolicy
) -> None:
    """Certificates in the packet may be links of a path, never its anchor (building blocks, xmlsec defaults)."""
    root = etree.fromstring(packet_of(keys=stranger, sealing=None))
    data = next(root.iter(f"{{{edxml.DS}}}X509Data"))
    for one in (stranger.root, trusted.anchors[0]):
        text = base64.b64encode(one.public_bytes(Encoding.DER)).decode()
        etree.SubElement(data, f"{{{edxml.DS}}}X509Certificate").text = text
    # two chains in one KeyInfo: whose signature it is cannot be told; with the stranger's own root it can, in vain
    assert verify(edxml.read(etree.tostring(root)), trusted).reason == "SIG-CERTIFICATES"
    data.remove(data[-1])
    assert verify(edxml.read(etree.tostring(root)), trusted).reason == "SIG-UNTRUSTED"


def test_a_certificate_can_be_trusted_by_itself(packet_of: Any, stranger: AgencyKeys) -> None:
    """An agency's own certificate given as an anchor is trusted without its authority."""
    policy = VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=(stranger.certificate,))
    verification = verify(edxml.read(packet_of(keys=stranger, sealing=None)), policy)
    assert (verification.reason, verification.chain) == ("SIG-OK", (stranger.certificate,))


def test_missing_links_come_from_the_policy(xmlsec_signed: Any, agency: AgencyKeys) -> None:
    """A hub keeps one certificate; the link above it may be configured (VXP interface, What the hub does)."""

    def leaf_only(signature: etree._Element) -> None:
        last = list(signature.iter(f"{{{edxml.DS}}}X509Certificate"))[-1]
        last.getparent().remove(last)

    packet = edxml.read(xmlsec_signed(template=leaf_only))
    alone = VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=(agency.root,))
    helped = VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=(agency.root,), intermediates=agency.certificates[1:2])
    assert verify(packet, alone).reason == "SIG-UNTRUSTED"
    assert verify(packet, helped).chain == agency.certificates


@pytest.mark.parametrize(("days", "expected"), [(0, "SIG-OK"), (400, "SIG-EXPIRED"), (-20, "SIG-NOT-YET-VALID")])
def test_certificates_are_judged_at_the_stated_time(
    days: int, expected: str, signed: bytes, trusted: VerifyPolicy
) -> None:
    """An expired certificate is judged at the moment the policy states (What happens when something breaks, 25)."""
    at = NOW + timedelta(days=days)
    strict = verify(edxml.read(signed), VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=trusted.anchors, at=at))
    assert (strict.reason, strict.judged_at) == (expected, at)
    lax = verify(edxml.read(signed), VerifyPolicy(at=at))
    assert lax.status is VerificationStatus.VALID
    assert ([finding.code for finding in lax.findings if finding.code == expected] == [expected]) == (days != 0)


def _issuing(*, not_after: datetime, ca: bool = True) -> AgencyKeys:
    """An agency under an issuing authority of its own making, itself under the known root."""
    root = get_default_authority()
    root_key = make_throwaway_key("p256", "Throwaway CA root")
    key = make_throwaway_key("p256", "odd issuer")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Odd issuer")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(root.certificates[-1].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=20))
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    return Authority(key=key, certificates=(certificate, root.certificates[-1])).agency(
        "Sở Lạ", organ_id="H29.05", kind="p256"
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"not_after": NOW + timedelta(days=9)}, "SIG-OK"),
        ({"not_after": NOW - timedelta(days=9)}, "SIG-EXPIRED"),
        ({"not_after": NOW + timedelta(days=9), "ca": False}, "SIG-UNTRUSTED"),
    ],
    ids=["sound", "expired", "no authority"],
)
def test_every_link_of_the_chain_counts(
    options: dict[str, Any], expected: str, packet_of: Any, trusted: VerifyPolicy
) -> None:
    """A chain with an expired link, or with a link that is no authority, is not trusted (RFC 5280, 6.1)."""
    packet = edxml.read(packet_of(keys=_issuing(**options), sealing=None))
    assert verify(packet, trusted).reason == expected


def test_a_link_that_is_not_valid_yet(packet_of: Any, trusted: VerifyPolicy) -> None:
    """A chain whose issuer's certificate begins after the stated time is not trusted then."""
    agency = get_default_authority().agency("Sở Sớm", kind="p256", not_before=NOW - timedelta(days=60))
    policy = VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=trusted.anchors, at=NOW - timedelta(days=40))
    packet = edxml.read(packet_of(keys=agency, sealing=None))
    assert verify(packet, policy).reason == "SIG-NOT-YET-VALID"


def test_verifying_inside_a_running_event_loop(signed: bytes, trusted: VerifyPolicy) -> None:
    """Path validation works where an event loop already runs in the thread."""

    async def inside() -> str:
        return verify(edxml.read(signed), trusted).reason

    assert asyncio.run(inside()) == "SIG-OK"


def test_an_organisation_signs_with_its_own_certificate(
    packet_of: Any, agency: AgencyKeys, stranger: AgencyKeys
) -> None:
    """From.OrganId must be the certificate's organisation, by fingerprint or subject, where configured (The seal)."""
    by_subject = VerifyPolicy(anchors=(agency.root,), organisations={"H29.05": ("O=Sở Nội vụ,C=VN",)})
    other = agency_keys("Sở khác", organ_id="H29.06", kind="p256")
    impostor = authority("Impostor CA").agency("Sở Nội vụ", kind="p256")
    results = [
        verify(edxml.read(packet_of(keys=keys, sealing=None)), by_subject).reason for keys in (agency, other, impostor)
    ]
    # the impostor has the right name, from an authority that nobody trusts
    assert results == ["SIG-OK", "SIG-ORGANISATION", "SIG-ORGANISATION"]
    unlisted = VerifyPolicy(organisations={"H30": ("O=Sở Nội vụ",)})
    assert verify(edxml.read(packet_of(keys=stranger, sealing=None)), unlisted).reason == "SIG-OK"


# -- two verifiers


def test_a_disagreement_is_unverifiable(signed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the two verifiers differ nothing is claimed (Design, signing). No packet is known that brings it about."""
    module = sys.modules[verify_function.__module__]
    monkeypatch.setattr(module, "is_valid_by_xmlsec", lambda *args, **kwargs: False)
    verification = verify(edxml.read(signed))
    assert (verification.status, verification.reason) == (VerificationStatus.UNVERIFIABLE, "SIG-DISAGREE")


def test_two_readings_of_one_signature_must_be_the_same(
    signed: bytes, stranger: AgencyKeys, packet_of: Any, tmp_path: Path
) -> None:
    """A packet that changes between its two readings is UNVERIFIABLE: what was read is not what was checked."""
    path = tmp_path / "moving.edxml"
    path.write_bytes(signed)
    packet = edxml.read(path)
    for changed in (packet_of(keys=stranger, sealing=None), b"garbage"):
        path.write_bytes(changed)
        assert verify(packet).reason == "SIG-DISAGREE"


def test_large_packets_have_one_verifier(signed: bytes) -> None:
    """Above the limit only the streaming verifier reads the packet, and the result says so."""
    verification = verify(edxml.read(signed), VerifyPolicy(second_verifier_limit=1000))
    assert verification.reason == "SIG-OK"
    assert "SIG-ONE-VERIFIER" in [finding.code for finding in verification.findings]
    changed = signed.replace("Giám đốc".encode(), "Bộ trưởng".encode())
    assert verify(edxml.read(changed), VerifyPolicy(second_verifier_limit=1000)).reason == "SIG-DIGEST"


RAISED: dict[str, tuple[edxml.Limits, Callable[[bytes], bytes]]] = {
    "deep": (
        edxml.Limits(depth=100),
        lambda data: data.replace(b"</edXML:MessageHeader>", b"<a>" * 80 + b"</a>" * 80 + b"</edXML:MessageHeader>"),
    ),
    "many attributes": (
        edxml.Limits(attributes=100),
        lambda data: data.replace(
            b"<edXML:MessageHeader>",
            b"<edXML:MessageHeader " + b" ".join(b'a%d="x"' % number for number in range(90)) + b">",
        ),
    ),
    "many bytes": (
        edxml.Limits(skeleton=20 << 20),
        lambda data: data.replace(b"</edXML:edXMLHeader>", b" " * (17 << 20) + b"</edXML:edXMLHeader>"),
    ),
}


@pytest.mark.parametrize("case", RAISED)
def test_raised_limits_hold_for_the_second_verifier_too(case: str, xmlsec_signed: Any) -> None:
    """A packet read with raised limits is verified with them: two verifiers do not differ over how much they read."""
    limits, change = RAISED[case]
    data = change(xmlsec_signed())
    policy = VerifyPolicy(second_verifier_limit=32 << 20)
    # changed after it was signed, which both verifiers see; that is as far as the second must get
    assert verify(edxml.read(data, limits=limits), policy).reason == "SIG-DIGEST"


def test_attachments_do_not_count_as_skeleton_in_the_second_verifier(packet_of: Any) -> None:
    """The second verifier parses attachments with the rest: more than a skeleton may hold is no disagreement."""
    limits = edxml.Limits(skeleton=64 << 10)
    document = sample_document(attachments=(edxml.Attachment.from_bytes(bytes(100_000), name="a.pdf"),))
    assert verify(edxml.read(packet_of(document), limits=limits)).reason == "SIG-OK"


def test_no_canonical_form_for_the_streaming_verifier(xmlsec_signed: Any, signed: bytes) -> None:
    """A relative namespace leaves a packet without a canonical form: a reason, not a crash."""
    data = signed.replace(b"<edXML:edXMLHeader>", b'<edXML:edXMLHeader xmlns:r="rel/ative">', 1)
    assert verify(edxml.read(data)).reason == "SIG-CANONICAL"


def test_importing_the_package_stays_cheap() -> None:
    """Path validation, xmlsec and an event loop are loaded when a packet is verified, not before."""
    code = "import sys, edoc_connector.signing; print([m for m in sys.modules if m.split('.')[0] in %r])"
    heavy = {"pyhanko_certvalidator", "xmlsec", "asn1crypto", "asyncio", "aiohttp", "requests"}
    done = subprocess.run([sys.executable, "-c", code % heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_signature_over_a_packet_in_utf16(packet_of: Callable[..., bytes], trusted: VerifyPolicy) -> None:
    """A packet that was recoded from UTF-16 verifies by both verifiers: canonical XML has one encoding."""
    text = packet_of().decode().replace("UTF-8", "UTF-16")
    verification = verify(edxml.read(f"\ufeff{text}".encode("utf-16-le")), policy=trusted)
    assert verification.status is VerificationStatus.VALID, verification.explanation
    changed = text.replace("</edXML:Subject>", "x</edXML:Subject>")
    verification = verify(edxml.read(f"\ufeff{changed}".encode("utf-16-le")), policy=trusted)
    assert verification.status is VerificationStatus.INVALID
