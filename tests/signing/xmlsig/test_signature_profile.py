"""What verifies must be what is read: wrapped and mangled signatures, none of which may pass as valid."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from edoc_connector import edxml
from edoc_connector.errors import PacketError
from edoc_connector.signing import Verification, VerificationStatus, VerifyPolicy, verify
from edoc_connector.signing.algorithms import C14N, ENVELOPED, EXC_C14N
from edoc_connector.signing.reasons import REASONS
from edoc_connector.signing.xmlsig import signature_profile
from edoc_connector.signing.xmlsig.signature_profile import MAX_CERTIFICATES, MAX_CHARACTERS, MAX_NODES, MAX_OUTSIDE
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys, agency_keys, authority

NS, DS = edxml.NS, edxml.DS
_Q = f"{{{DS}}}"
_N = f"{{{NS}}}"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"

Mangle = Callable[[etree._Element], Any]


def one(root: etree._Element, name: str) -> etree._Element:
    """The first element of a local name."""
    return next(root.iter(f"{{*}}{name}"))


def _into(name: str, *, position: int = 0) -> Mangle:
    """Move the signature into another element."""
    return lambda root: one(root, name).insert(position, one(root, "Signature"))


def _copy_into(name: str, what: str = "Signature") -> Mangle:
    return lambda root: one(root, name).append(copy.deepcopy(one(root, what)))


def _set(name: str, attribute: str, value: str) -> Mangle:
    return lambda root: one(root, name).set(attribute, value)


def _drop(name: str) -> Mangle:
    return lambda root: one(root, name).getparent().remove(one(root, name))


def _put(name: str, child: str, text: str | None = None, *, namespace: str = DS, position: int = -1) -> Mangle:
    def put(root: etree._Element) -> None:
        holder = one(root, name)
        element = etree.Element(f"{{{namespace}}}{child}")
        element.text = text
        holder.insert(len(holder) if position < 0 else position, element)

    return put


def _text(name: str, text: str | Callable[[str], str]) -> Mangle:
    def change(root: etree._Element) -> None:
        element = one(root, name)
        element.text = text if isinstance(text, str) else text(element.text or "")

    return change


def _transforms(*uris: str, parameter: str = "") -> Mangle:
    def change(root: etree._Element) -> None:
        transforms = one(root, "Transforms")
        for child in list(transforms):
            transforms.remove(child)
        for uri in uris:
            etree.SubElement(transforms, _Q + "Transform", Algorithm=uri)
        if parameter:
            transforms[-1].append(etree.fromstring(parameter))

    return change


def _comment_in(name: str, node: Callable[[], etree._Element]) -> Mangle:
    def change(root: etree._Element) -> None:
        element = one(root, name)
        half, element.text = element.text or "", (element.text or "")[:3]
        inserted = node()
        inserted.tail = half[3:]
        element.insert(0, inserted)

    return change


def _swap_attachments(root: etree._Element) -> None:
    first, second = root.iter("{*}ContentTransferEncoded")
    first.text, second.text = second.text, first.text


def _flip(text: str) -> str:
    octets = bytearray(base64.b64decode(text))
    octets[-1] ^= 1
    return base64.b64encode(octets).decode()


def _certificates(*ders: bytes) -> Mangle:
    def change(root: etree._Element) -> None:
        data = one(root, "X509Data")
        for child in list(data):
            data.remove(child)
        for der in ders:
            etree.SubElement(data, _Q + "X509Certificate").text = base64.b64encode(der).decode()

    return change


def _der(keys: AgencyKeys) -> bytes:
    return keys.certificate.public_bytes(Encoding.DER)


def _other(number: int = 0) -> AgencyKeys:
    return agency_keys(f"Sở khác {number}", organ_id="H29.06", kind="p256")


def _rsa_other() -> AgencyKeys:
    return agency_keys("Sở khác", organ_id="H29.06", kind="rsa")


def _key_value(root: etree._Element, keys: AgencyKeys) -> None:
    numbers: Any = keys.certificate.public_key().public_numbers()
    value = etree.SubElement(one(root, "KeyInfo"), _Q + "KeyValue")
    rsa = etree.SubElement(value, _Q + "RSAKeyValue")
    for name, number in (("Modulus", numbers.n), ("Exponent", numbers.e)):
        octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
        etree.SubElement(rsa, _Q + name).text = base64.b64encode(octets).decode()


def _only_key_value(root: etree._Element) -> None:
    _drop("X509Data")(root)
    _key_value(root, agency_keys("Sở Nội vụ", organ_id="H29.05"))


def _key_value_not_base64(root: etree._Element) -> None:
    _key_value(root, _rsa_other())
    _text("Modulus", "%%%")(root)


def _wrap(root: etree._Element) -> None:
    """The classic: the signed packet goes into an Object of its own signature, another content takes its place."""
    signed = copy.deepcopy(one(root, "edXMLEnvelope"))
    signed.set("Id", "signed")
    one(root, "Reference").set("URI", "#signed")
    etree.SubElement(one(root, "Signature"), _Q + "Object").append(signed)
    one(root, "Subject").text = "V/v khác hẳn"


def _empty_references(root: etree._Element) -> None:
    info = one(root, "SignedInfo")
    info.remove(one(info, "Reference"))


def _many_references(root: etree._Element) -> None:
    info = one(root, "SignedInfo")
    reference = one(info, "Reference")
    info.extend([copy.deepcopy(reference) for _ in range(10_000)])


def _namespaces(count: int) -> Mangle:
    def change(root: etree._Element) -> etree._Element:
        many: dict[str | None, str] = {f"n{n}": f"urn:n{n}" for n in range(count)}
        new = etree.Element(root.tag, nsmap={**root.nsmap, **many})
        new.extend(list(root))
        return new

    return change


XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
XSLT = "http://www.w3.org/TR/1999/REC-xslt-19991116"
BASE64 = "http://www.w3.org/2000/09/xmldsig#base64"
WITH_COMMENTS = EXC_C14N + "WithComments"
INCLUSIVE = f'<ec:InclusiveNamespaces xmlns:ec="{EXC_C14N}" PrefixList="edXML"/>'
STYLESHEET = '<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0"/>'

MANGLED: dict[str, tuple[Mangle, str]] = {
    # -- wrapping: the signature or the signed part somewhere else
    "signature moved to the root": (_into("edXML"), "SIG-PLACE"),
    "signature moved into the envelope": (_into("edXMLEnvelope"), "SIG-PLACE"),
    "signature moved into MessageHeader": (_into("MessageHeader"), "SIG-PLACE"),
    "signature moved behind the attachments": (_into("AttachmentEncoded", position=1), "SIG-PLACE"),
    "signature copied beside itself": (_copy_into("edXMLHeader"), "SIG-MANY"),
    "signature copied to the attachments": (_copy_into("AttachmentEncoded"), "SIG-MANY"),
    "another namespace's Signature beside it": (
        _put("edXMLHeader", "Signature", "x", namespace=NS),
        "SIG-MANY",
    ),
    "an empty DigitalSignature beside it": (_put("edXMLHeader", "DigitalSignature", namespace=NS), "SIG-MANY"),
    "signature inside the signature": (_copy_into("SignatureValue"), "SIG-MANY"),
    "second header": (_put("edXMLEnvelope", "edXMLHeader", namespace=NS, position=0), "EDX-STRUCTURE"),
    "second MessageHeader": (_copy_into("edXMLHeader", "MessageHeader"), "EDX-STRUCTURE"),
    "second header somewhere else": (_put("edXMLBody", "edXMLHeader", namespace=NS), "SIG-STRUCTURE"),
    "second TraceHeaderList": (_copy_into("edXMLHeader", "TraceHeaderList"), "SIG-STRUCTURE"),
    "second body": (_copy_into("edXMLEnvelope", "edXMLBody"), "SIG-STRUCTURE"),
    "second AttachmentEncoded": (_copy_into("edXML", "AttachmentEncoded"), "SIG-STRUCTURE"),
    "second AttachmentEncoded in the envelope": (_copy_into("edXMLEnvelope", "AttachmentEncoded"), "SIG-STRUCTURE"),
    "manifest out of place": (_copy_into("edXML", "edXMLManifest"), "SIG-STRUCTURE"),
    "attachments moved into the header": (
        lambda root: one(root, "edXMLHeader").append(one(root, "AttachmentEncoded")),
        "SIG-STRUCTURE",
    ),
    "signed part wrapped in an Object": (_wrap, "SIG-MANY"),
    "Object with content": (_put("Signature", "Object", "x"), "SIG-OBJECT"),
    # -- what is covered
    "reference to an Id": (_set("Reference", "URI", "#x"), "SIG-URI"),
    "reference to an XPointer": (_set("Reference", "URI", "#xpointer(/)"), "SIG-URI"),
    "reference without a URI": (lambda root: one(root, "Reference").attrib.pop("URI"), "SIG-URI"),
    "reference to a web address": (_set("Reference", "URI", "http://127.0.0.1:9/x"), "SIG-URI"),
    "reference to a file": (_set("Reference", "URI", "file:///etc/hostname"), "SIG-URI"),
    "no reference": (_empty_references, "SIG-SHAPE"),
    "two references": (
        lambda root: one(root, "SignedInfo").append(copy.deepcopy(one(root, "SignedInfo")[2])),
        "SIG-REFERENCES",
    ),
    "ten thousand references": (_many_references, "SIG-TOO-BIG"),
    "a Manifest beside the reference": (_put("SignedInfo", "Manifest"), "SIG-STRUCTURE"),
    "something beside the reference": (_put("SignedInfo", "Extra"), "SIG-SHAPE"),
    "empty reference": (lambda root: one(root, "Reference").clear(), "SIG-URI"),
    "reference without digest": (_drop("DigestValue"), "SIG-SHAPE"),
    # -- transforms
    "no transforms": (_drop("Transforms"), "SIG-TRANSFORMS"),
    "empty transforms": (_transforms(), "SIG-TRANSFORMS"),
    "no enveloped-signature": (_transforms(EXC_C14N), "SIG-TRANSFORMS"),
    "transforms the other way round": (_transforms(EXC_C14N, ENVELOPED), "SIG-TRANSFORMS"),
    "enveloped-signature twice": (_transforms(ENVELOPED, ENVELOPED, EXC_C14N), "SIG-TRANSFORMS"),
    "a transform inserted": (_transforms(ENVELOPED, BASE64, EXC_C14N), "SIG-TRANSFORMS"),
    "an unknown transform": (_transforms(ENVELOPED, "http://www.w3.org/TR/xml-exc-c14n#"), "SIG-TRANSFORMS"),
    "XPath": (
        _transforms(XPATH, ENVELOPED, EXC_C14N, parameter=f'<XPath xmlns="{DS}">not(//*)</XPath>'),
        "SIG-TRANSFORMS",
    ),
    "XSLT": (_transforms(ENVELOPED, XSLT, parameter=STYLESHEET), "SIG-TRANSFORMS"),
    "canonicalisation with comments": (_transforms(ENVELOPED, WITH_COMMENTS), "SIG-TRANSFORMS"),
    "canonicalised twice": (_transforms(ENVELOPED, C14N, EXC_C14N), "SIG-TRANSFORMS"),
    "InclusiveNamespaces": (_transforms(ENVELOPED, EXC_C14N, parameter=INCLUSIVE), "SIG-TRANSFORMS"),
    "something else in Transforms": (_put("Transforms", "XPath"), "SIG-TRANSFORMS"),
    "SignedInfo canonicalised with comments": (_set("CanonicalizationMethod", "Algorithm", WITH_COMMENTS), "SIG-C14N"),
    "SignedInfo with InclusiveNamespaces": (
        lambda root: one(root, "CanonicalizationMethod").append(etree.fromstring(INCLUSIVE)),
        "SIG-C14N",
    ),
    # -- algorithms
    "HMAC": (_set("SignatureMethod", "Algorithm", DS + "hmac-sha1"), "SIG-HMAC"),
    "HMAC with SHA-256": (_set("SignatureMethod", "Algorithm", MORE + "hmac-sha256"), "SIG-HMAC"),
    "truncated HMAC": (
        lambda root: (
            _set("SignatureMethod", "Algorithm", MORE + "hmac-sha256")(root),
            _put("SignatureMethod", "HMACOutputLength", "8")(root),
        ),
        "SIG-HMAC",
    ),
    "HMACOutputLength on RSA": (_put("SignatureMethod", "HMACOutputLength", "8"), "SIG-SHAPE"),
    "RSA-MD5": (_set("SignatureMethod", "Algorithm", MORE + "rsa-md5"), "SIG-MD5"),
    "MD5 digest": (_set("DigestMethod", "Algorithm", MORE + "md5"), "SIG-MD5"),
    "RIPEMD-160 digest": (
        _set("DigestMethod", "Algorithm", "http://www.w3.org/2001/04/xmlenc#ripemd160"),
        "SIG-MD5",
    ),
    "RSA-SHA1": (_set("SignatureMethod", "Algorithm", DS + "rsa-sha1"), "SIG-SHA1"),
    "DSA-SHA1": (_set("SignatureMethod", "Algorithm", DS + "dsa-sha1"), "SIG-SHA1"),
    "SHA-1 digest": (
        lambda root: (_set("DigestMethod", "Algorithm", DS + "sha1")(root), _text("DigestValue", "A" * 27 + "=")(root)),
        "SIG-SHA1",
    ),
    "an unknown algorithm": (_set("SignatureMethod", "Algorithm", "urn:none"), "SIG-ALGORITHM"),
    "no algorithm": (lambda root: one(root, "DigestMethod").attrib.clear(), "SIG-ALGORITHM"),
    "ECDSA with an RSA key": (_set("SignatureMethod", "Algorithm", MORE + "ecdsa-sha256"), "SIG-SIGNATURE"),
    # -- keys
    "certificate swapped": (lambda root: _certificates(_der(_rsa_other()))(root), "SIG-SIGNATURE"),
    "certificate swapped for one of another kind": (lambda root: _certificates(_der(_other()))(root), "SIG-SIGNATURE"),
    "certificate of an RSA-1024 key": (
        lambda root: _certificates(_der(authority("Weak CA").agency("Sở Nội vụ", kind="rsa1024")))(root),
        "SIG-KEY",
    ),
    "KeyValue alone": (_only_key_value, "SIG-NO-CERTIFICATE"),
    "KeyValue of another key": (lambda root: _key_value(root, _rsa_other()), "SIG-KEYVALUE"),
    "KeyValue that is none": (
        lambda root: etree.SubElement(etree.SubElement(one(root, "KeyInfo"), _Q + "KeyValue"), _Q + "DSAKeyValue"),
        "SIG-KEYVALUE",
    ),
    "KeyValue that is not base64": (
        _key_value_not_base64,
        "SIG-KEYVALUE",
    ),
    "no KeyInfo": (_drop("KeyInfo"), "SIG-SHAPE"),
    "empty KeyInfo": (_drop("X509Data"), "SIG-NO-CERTIFICATE"),
    "KeyName alone": (
        lambda root: (_drop("X509Data")(root), _put("KeyInfo", "KeyName", "Sở Nội vụ")(root)),
        "SIG-NO-CERTIFICATE",
    ),
    "RetrievalMethod": (_put("KeyInfo", "RetrievalMethod"), "SIG-KEYINFO"),
    "something else in X509Data": (_put("X509Data", "X509Digest"), "SIG-KEYINFO"),
    "X509Data with a name only": (
        lambda root: (_certificates()(root), _put("X509Data", "X509SubjectName", "CN=user05")(root)),
        "SIG-NO-CERTIFICATE",
    ),
    "certificate cut off": (_text("X509Certificate", "MIIFqTCCBJG"), "SIG-CERTIFICATE"),
    "certificate cut off at a whole octet": (_text("X509Certificate", lambda text: text[:400]), "SIG-CERTIFICATE"),
    "empty certificate": (_text("X509Certificate", ""), "SIG-CERTIFICATE"),
    "two signers": (lambda root: _certificates(_der(_other(0)), _der(_other(1)))(root), "SIG-CERTIFICATES"),
    "too many certificates": (
        lambda root: _certificates(*[_der(_other())] * (MAX_CERTIFICATES + 1))(root),
        "SIG-TOO-BIG",
    ),
    # -- shape and encoding
    "children in another order": (
        lambda root: one(root, "Signature").insert(0, one(root, "SignatureValue")),
        "SIG-SHAPE",
    ),
    "SignedInfo in another order": (
        lambda root: one(root, "SignedInfo").insert(0, one(root, "SignatureMethod")),
        "SIG-SHAPE",
    ),
    "unknown child": (_put("Signature", "Extra", namespace="urn:x"), "SIG-SHAPE"),
    "unknown attribute": (_set("Signature", "x", "1"), "SIG-SHAPE"),
    "attribute on an algorithm": (_set("DigestMethod", "x", "1"), "SIG-SHAPE"),
    "stray text": (_text("Signature", "x"), "SIG-SHAPE"),
    "element in SignatureValue": (_put("SignatureValue", "x"), "SIG-SHAPE"),
    "no SignatureValue": (_text("SignatureValue", ""), "SIG-ENCODING"),
    "SignatureValue not base64": (_text("SignatureValue", "%%%"), "SIG-ENCODING"),
    "DigestValue too short": (_text("DigestValue", "AAAA"), "SIG-ENCODING"),
    "huge SignatureValue": (_text("SignatureValue", "A" * (MAX_CHARACTERS + 1)), "SIG-TOO-BIG"),
    "many nodes": (
        lambda root: [_put("KeyInfo", "KeyName")(root) for _ in range(MAX_NODES)],
        "SIG-TOO-BIG",
    ),
    "an empty signature": (lambda root: one(root, "Signature").clear(), "SIG-EMPTY"),
    # -- comments, instructions, namespaces
    "comment in a value": (_comment_in("Subject", lambda: etree.Comment("x")), "SIG-COMMENT"),
    "instruction in a value": (_comment_in("Subject", lambda: etree.ProcessingInstruction("x")), "SIG-COMMENT"),
    "comment in DigestValue": (_comment_in("DigestValue", lambda: etree.Comment("x")), "SIG-COMMENT"),
    "comment in the certificate": (_comment_in("X509Certificate", lambda: etree.Comment("x")), "SIG-COMMENT"),
    "instruction in SignedInfo": (
        lambda root: one(root, "SignedInfo").append(etree.ProcessingInstruction("x")),
        "SIG-COMMENT",
    ),
    "forty namespaces": (_namespaces(40), "SIG-NAMESPACES"),
    "twenty thousand namespaces": (_namespaces(20_000), "EDX-LIMIT"),
    # -- content
    "a field changed": (_text("Subject", "V/v khác"), "SIG-DIGEST"),
    "a field added": (_put("MessageHeader", "Content", "x", namespace=NS), "SIG-DIGEST"),
    "a recipient added": (_copy_into("MessageHeader", "To"), "SIG-DIGEST"),
    "a station added": (_copy_into("TraceHeaderList", "TraceHeader"), "SIG-DIGEST"),
    "attachments swapped": (_swap_attachments, "SIG-DIGEST"),
    "an attachment's bit flipped": (_text("ContentTransferEncoded", _flip), "SIG-DIGEST"),
    "digest replaced": (_text("DigestValue", _flip), "SIG-DIGEST"),
    "signature value flipped": (_text("SignatureValue", _flip), "SIG-SIGNATURE"),
    "signature value of another length": (_text("SignatureValue", "QUFBQQ=="), "SIG-SIGNATURE"),
    "SignedInfo changed beside the digest": (_set("Reference", "Id", "x"), "SIG-SIGNATURE"),
}


@pytest.fixture
def two_files(packet_of: Any) -> bytes:
    """A signed packet with two attachments of one length."""
    files = tuple(edxml.Attachment.from_bytes(data, name=name) for name, data in (("a.pdf", b"aaa"), ("b.pdf", b"bbb")))
    data: bytes = packet_of(sample_document(attachments=files), sealing=None)
    return data


def _mangled(data: bytes, mangle: Mangle) -> bytes:
    root = etree.fromstring(data)
    changed = mangle(root)
    return etree.tostring(changed if isinstance(changed, etree._Element) and changed.tag == root.tag else root)


def _outcome(data: bytes, policy: VerifyPolicy) -> tuple[str, Verification | None]:
    """The reason code: the reader's, where a packet gets no further."""
    try:
        verification = verify(edxml.read(data), policy)
    except PacketError as error:
        return error.code, None
    return verification.reason, verification


@pytest.mark.parametrize("name", MANGLED)
def test_no_mangled_signature_verifies(name: str, two_files: bytes, trusted: VerifyPolicy) -> None:
    """Each variant has its reason code, is not VALID and hands out nothing (What verifies must be what is read)."""
    mangle, expected = MANGLED[name]
    assert verify(edxml.read(two_files), trusted).status is VerificationStatus.VALID
    reason, verification = _outcome(_mangled(two_files, mangle), trusted)
    assert reason == expected
    if verification is None:
        return
    assert verification.status is REASONS[expected].status
    assert verification.status is not VerificationStatus.VALID
    assert (verification.message, verification.attachments, verification.method) == (None, (), None)
    assert (verification.certificate, verification.trusted) == (None, None)


@pytest.mark.parametrize("name", MANGLED)
def test_the_refusal_does_not_depend_on_the_policy(name: str, two_files: bytes) -> None:
    """Under the laxest policy, legacy switch and all, none of them verifies either."""
    mangle, _ = MANGLED[name]
    try:
        packet = edxml.read(_mangled(two_files, mangle))
    except PacketError:
        return
    assert verify(packet, VerifyPolicy(legacy_sha1=True)).status is not VerificationStatus.VALID


def test_undeclared_prefixes_have_no_canonical_form(signed: bytes) -> None:
    """A packet whose prefixes are not declared is UNVERIFIABLE, however its signature looks."""
    data = signed.replace(b"<edXML:Subject>", b"<nope:Subject>").replace(b"</edXML:Subject>", b"</nope:Subject>")
    verification = verify(edxml.read(data))
    assert (verification.reason, verification.status.value) == ("SIG-ILL-FORMED", "UNVERIFIABLE")


def test_comments_between_elements_are_harmless(signed: bytes) -> None:
    """A comment that no value holds is outside the canonical form and outside what is read: it changes nothing."""
    verification = verify(edxml.read(signed.replace(b"<edXML:Subject>", b"<!-- x --><edXML:Subject>")))
    assert verification.reason == "SIG-OK"


@pytest.mark.parametrize("node", ["<!--x-->", "<?x y?>"])
def test_a_parent_is_looked_at_once_however_many_comments_it_holds(
    node: str, signed: bytes, trusted: VerifyPolicy
) -> None:
    """A hub's comments between elements cost their number, not its square, and a comment changes nothing."""
    commented = signed.replace(b"<edXML:From>", node.encode() * 10_000 + b"<edXML:From>")
    tree = _Counting(etree.fromstring(commented))
    signature_profile._check_texts(tree)  # type: ignore[arg-type]  # as far as it goes
    assert tree.looked_up == 1
    assert verify(edxml.read(commented), trusted).reason == ("SIG-OK" if node == "<!--x-->" else "SIG-DIGEST")


class _Counting:
    """A tree whose comments all stand in one parent, which counts how often its children are asked for."""

    def __init__(self, root: etree._Element) -> None:
        self._root = root
        self.looked_up = 0

    def iter(self, *kinds: Any) -> Any:
        """Iterate as the tree does, over nodes that know this parent."""
        return (self for _ in self._root.iter(*kinds))

    def getparent(self) -> _Counting:
        """Give the one parent."""
        return self

    def iterchildren(self, tag: str) -> Any:
        """Count a look at the children."""
        self.looked_up += 1
        return self._root.iterchildren(tag)


@pytest.mark.parametrize(("count", "reason"), [(MAX_OUTSIDE, "SIG-DIGEST"), (MAX_OUTSIDE + 1, "SIG-STRUCTURE")])
@pytest.mark.parametrize("place", ["before", "behind"])
def test_instructions_beside_the_root_are_few(count: int, reason: str, place: str, signed: bytes) -> None:
    """The second verifier takes quadratic time in them: more than any packet has are not handed to it."""
    added = b"<?x y?>" * count
    changed = signed.replace(b"<edXML ", added + b"<edXML ", 1) if place == "before" else signed + added
    assert verify(edxml.read(changed)).reason == reason
