"""Signatures of other people's software, sound as such: what is refused for proving too little, and what is let in."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from typing import Any

import pytest
import xmlsec
from lxml import etree

from edoc_connector import edxml
from edoc_connector.signing import VerifyPolicy, verify
from edoc_connector.testing.keys import AgencyKeys, agency_keys, authority

NS, DS = edxml.NS, edxml.DS
_Q = f"{{{DS}}}"
_N = f"{{{NS}}}"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"

Mangle = Callable[[etree._Element], Any]


def one(root: etree._Element, name: str) -> etree._Element:
    """The first element of a local name."""
    return next(root.iter(f"{{*}}{name}"))


def _copy_into(name: str, what: str = "Signature") -> Mangle:
    return lambda root: one(root, name).append(copy.deepcopy(one(root, what)))


def _set(name: str, attribute: str, value: str) -> Mangle:
    return lambda root: one(root, name).set(attribute, value)


def _comment_in(name: str, node: Callable[[], etree._Element]) -> Mangle:
    def change(root: etree._Element) -> None:
        element = one(root, name)
        half, element.text = element.text or "", (element.text or "")[:3]
        inserted = node()
        inserted.tail = half[3:]
        element.insert(0, inserted)

    return change


def _other(number: int = 0) -> AgencyKeys:
    return agency_keys(f"Sở khác {number}", organ_id="H29.06", kind="p256")


def _key_value(root: etree._Element, keys: AgencyKeys) -> None:
    numbers: Any = keys.certificate.public_key().public_numbers()
    value = etree.SubElement(one(root, "KeyInfo"), _Q + "KeyValue")
    rsa = etree.SubElement(value, _Q + "RSAKeyValue")
    for name, number in (("Modulus", numbers.n), ("Exponent", numbers.e)):
        octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
        etree.SubElement(rsa, _Q + name).text = base64.b64encode(octets).decode()


XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"


def _object(signature: etree._Element) -> None:
    etree.SubElement(signature, _Q + "Object", Id="hidden").text = "x"


def _xpath(signature: etree._Element) -> None:
    transform = next(signature.iter(_Q + "Transform"))
    transform.set("Algorithm", XPATH)
    etree.SubElement(transform, _Q + "XPath").text = "not(ancestor-or-self::*[local-name()='Signature'])"


_C = xmlsec.constants
_HMAC = xmlsec.Key.from_binary_data(_C.KeyDataHmac, b"shared secret")
FOREIGN: dict[str, tuple[dict[str, Any], str]] = {
    "Object inside": ({"template": _object}, "SIG-OBJECT"),
    "only an element signed": (
        {"uri": "#h", "transforms": (_C.TransformExclC14N,), "before": _set("MessageHeader", "Id", "h")},
        "SIG-URI",
    ),
    "XPath instead of enveloped-signature": ({"template": _xpath}, "SIG-TRANSFORMS"),
    "canonicalised with comments": (
        {"transforms": (_C.TransformEnveloped, _C.TransformExclC14NWithComments)},
        "SIG-TRANSFORMS",
    ),
    "SignedInfo canonicalised with comments": ({"c14n": _C.TransformInclC14NWithComments}, "SIG-C14N"),
    "canonical XML 1.1": ({"c14n": _C.TransformInclC14N11}, "SIG-C14N"),
    "HMAC": ({"method": _C.TransformHmacSha256, "key": _HMAC}, "SIG-HMAC"),
    "RSA-SHA1": ({"method": _C.TransformRsaSha1}, "SIG-SHA1"),
    "RSA-MD5": ({"method": _C.TransformRsaMd5}, "SIG-MD5"),
    "RSA-SHA224": ({"method": _C.TransformRsaSha224}, "SIG-ALGORITHM"),
    "SHA-1 digest": ({"digest": _C.TransformSha1}, "SIG-SHA1"),
    "MD5 digest": ({"digest": _C.TransformMd5}, "SIG-MD5"),
    "RSA-1024": ({"keys": authority("Weak CA").agency("Sở", kind="rsa1024")}, "SIG-KEY"),
    "not for signing": ({"keys": authority("Strict CA").agency("Sở", signing=False)}, "SIG-KEY-USAGE"),
    "comment in a value": ({"before": _comment_in("Subject", lambda: etree.Comment("x"))}, "SIG-COMMENT"),
    "instruction in a value": (
        {"before": _comment_in("Subject", lambda: etree.ProcessingInstruction("x"))},
        "SIG-COMMENT",
    ),
    "two TraceHeaderLists": ({"before": _copy_into("edXMLHeader", "TraceHeaderList")}, "SIG-STRUCTURE"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_xmlsec_alone_would_accept_is_refused(name: str, xmlsec_signed: Any) -> None:
    """Signatures that hold as such, in a shape or with algorithms that prove too little (xmlsec defaults)."""
    options, expected = FOREIGN[name]
    verification = verify(edxml.read(xmlsec_signed(**options)))
    assert verification.reason == expected, verification.explanation
    assert verification.message is None


def _own_key_value(signature: etree._Element) -> None:
    _key_value(signature, agency_keys("Sở Nội vụ", organ_id="H29.05"))


def _ec_key_value(signature: etree._Element) -> None:
    numbers: Any = _other().certificate.public_key().public_numbers()
    namespace = "{http://www.w3.org/2009/xmldsig11#}"
    value = etree.SubElement(etree.SubElement(one(signature, "KeyInfo"), _Q + "KeyValue"), namespace + "ECKeyValue")
    etree.SubElement(value, namespace + "NamedCurve", URI="urn:oid:1.2.840.10045.3.1.7")
    point = b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    etree.SubElement(value, namespace + "PublicKey").text = base64.b64encode(point).decode()


ACCEPTED: dict[str, dict[str, Any]] = {
    "as written here": {},
    "inclusive canonicalisation after": {"transforms": (_C.TransformEnveloped, _C.TransformInclC14N)},
    "enveloped-signature alone": {"transforms": (_C.TransformEnveloped,)},
    "SignedInfo canonicalised inclusively": {"c14n": _C.TransformInclC14N, "transforms": (_C.TransformEnveloped,)},
    "RSA-SHA384": {"method": _C.TransformRsaSha384},
    "RSA-SHA512, SHA-512": {"method": _C.TransformRsaSha512, "digest": _C.TransformSha512},
    "ECDSA P-256": {"keys": _other(), "method": _C.TransformEcdsaSha256},
    "ECDSA P-384 SHA-384": {
        "keys": agency_keys("Sở", kind="p384"),
        "method": _C.TransformEcdsaSha384,
        "digest": _C.TransformSha384,
    },
    "KeyValue of the same key beside": {"template": _own_key_value},
    "EC KeyValue of the same key beside": {
        "keys": _other(),
        "method": _C.TransformEcdsaSha256,
        "template": _ec_key_value,
    },
    "comment between elements": {"before": lambda root: one(root, "edXMLHeader").insert(0, etree.Comment("XML 102"))},
    "xml:lang on the frame": {
        "before": _set("edXMLHeader", "{http://www.w3.org/XML/1998/namespace}lang", "vi"),
        "transforms": (_C.TransformEnveloped,),
        "c14n": _C.TransformInclC14N,
    },
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_other_software_rightly_writes_verifies(name: str, xmlsec_signed: Any) -> None:
    """The whitelist lets in what hub packets have, and both verifiers agree on it (What verifies)."""
    verification = verify(edxml.read(xmlsec_signed(**ACCEPTED[name])))
    assert verification.reason == "SIG-OK", verification.explanation
    assert verification.message is not None


@pytest.mark.parametrize(
    "options", [{"method": _C.TransformRsaSha1}, {"digest": _C.TransformSha1}], ids=["RSA-SHA1", "SHA-1 digest"]
)
def test_sha1_only_by_the_switch_that_reports_itself(options: dict[str, Any], xmlsec_signed: Any) -> None:
    """SHA-1 verifies only under the legacy switch, and then says so (What verifies must be what is read)."""
    packet = edxml.read(xmlsec_signed(**options))
    assert verify(packet).reason == "SIG-SHA1"
    verification = verify(packet, VerifyPolicy(legacy_sha1=True))
    assert verification.reason == "SIG-OK"
    assert "SIG-SHA1-ACCEPTED" in [finding.code for finding in verification.findings]


def test_a_policy_can_narrow_the_algorithms(signed: bytes) -> None:
    """An algorithm that the policy does not list is refused, though strong."""
    policy = VerifyPolicy(signature_algorithms=frozenset({"ecdsa-sha256"}))
    assert verify(edxml.read(signed), policy).reason == "SIG-ALGORITHM"
    assert verify(edxml.read(signed), VerifyPolicy(digest_algorithms=frozenset({"sha512"}))).reason == "SIG-ALGORITHM"
    assert verify(edxml.read(signed), VerifyPolicy(minimum_rsa_bits=3072)).reason == "SIG-KEY"
