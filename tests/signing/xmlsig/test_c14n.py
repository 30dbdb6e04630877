"""Canonical forms, compared with those of xmlsec."""

from __future__ import annotations

import base64
import hashlib

import pytest
import xmlsec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree

from edoc_connector import edxml
from edoc_connector.signing.reasons import Refused
from edoc_connector.signing.xmlsig.c14n import MAX_NAMESPACES, canonicalise, require_parent
from edoc_connector.testing.keys import AgencyKeys

DS = edxml.DS


def _by_xmlsec(root: etree._Element, part: etree._Element, *, exclusive: bool, agency: AgencyKeys) -> bytes:
    """The digest that xmlsec computes of a part, named by its Id."""
    method = xmlsec.constants.TransformExclC14N if exclusive else xmlsec.constants.TransformInclC14N
    signature = xmlsec.template.create(root, method, xmlsec.constants.TransformRsaSha256)
    root.append(signature)
    reference = xmlsec.template.add_reference(signature, xmlsec.constants.TransformSha256, uri="#part")
    xmlsec.template.add_transform(reference, method)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(_pem(agency), xmlsec.constants.KeyDataFormatPem)
    context.register_id(part, "Id")
    context.sign(signature)
    value = next(signature.iter(f"{{{DS}}}DigestValue")).text
    root.remove(signature)
    assert value is not None
    return base64.b64decode(value)


def _pem(agency: AgencyKeys) -> bytes:
    return agency.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


TREES = {
    "default namespace": '<a xmlns="urn:a"><b Id="part"><c/></b></a>',
    "signature's own shape": f'<a xmlns="urn:a"><b xmlns="{DS}" Id="part"><c x="1"/></b></a>',
    "undeclared default": '<a xmlns="urn:a"><b xmlns=""><c Id="part"><d/></c></b></a>',
    "inherited prefixes": '<p:a xmlns:p="urn:p" xmlns:q="urn:q"><p:b Id="part" q:x="1"><d/></p:b></p:a>',
    "two prefixes, one namespace": '<a xmlns="urn:p" xmlns:p="urn:p"><p:b Id="part"><b/><p:b/></p:b></a>',
    "xml attributes": '<a xml:lang="vi" xml:space="preserve"><b xml:lang="en"><c Id="part"> x </c></b></a>',
    "comments and instructions": '<a><b Id="part">x<!-- c -->y<?pi z?></b></a>',
    "odd characters": '<a><b Id="part" t="&#9;&#10;&#13;&quot;&lt;">&#13;ễ\U0001f600&amp;&lt;&gt;]]&gt;</b></a>',
    "tail": '<a>before<b Id="part">in</b>after</a>',
}


@pytest.mark.parametrize("exclusive", [True, False], ids=["exclusive", "inclusive"])
@pytest.mark.parametrize("name", TREES)
def test_parts_are_canonicalised_as_xmlsec_does(name: str, exclusive: bool, agency: AgencyKeys) -> None:
    """A part of a tree has the canonical form that xmlsec gives it (building blocks, lxml canonicalisation)."""
    root = edxml.parse_xml(TREES[name].encode())
    part = next(element for element in root.iter("*") if element.get("Id") == "part")
    before = etree.tostring(root)
    form = canonicalise(part, exclusive=exclusive)
    assert etree.tostring(root) == before
    assert hashlib.sha256(form).digest() == _by_xmlsec(root, part, exclusive=exclusive, agency=agency)


def test_lxml_alone_would_write_a_false_declaration() -> None:
    """The mistake that the detour avoids is still there; when lxml mends it, the detour can go."""
    root = etree.fromstring(f'<a xmlns="urn:a"><b xmlns="{DS}"><c><d/></c></b></a>')
    assert b'xmlns=""' in etree.tostring(root[0], method="c14n")
    assert b'xmlns=""' not in canonicalise(root[0], exclusive=False)


def test_an_element_can_be_left_out() -> None:
    """What the enveloped-signature transform leaves out goes, and the text behind it stays."""
    root = edxml.parse_xml(b"<a>1<b/>2<c/>3<d><e/>4</d></a>")
    assert canonicalise(root, exclusive=True, exclude=root[1]) == b"<a>1<b></b>23<d><e></e>4</d></a>"
    assert canonicalise(root, exclusive=True, exclude=root[2][0]) == b"<a>1<b></b>2<c></c>3<d>4</d></a>"
    assert canonicalise(root, exclusive=True, exclude=root[0]) == b"<a>12<c></c>3<d><e></e>4</d></a>"


def test_what_surrounds_the_root_counts() -> None:
    """Processing instructions beside the root are part of the document (Canonical XML 1.0, 2.3); comments are not."""
    root = edxml.parse_xml(b"<?x y?><!-- c --><a/><?z?>")
    assert canonicalise(root, exclusive=True) == b"<?x y?>\n<a></a>\n<?z?>"


def test_namespaces_are_bounded() -> None:
    """More namespaces in scope than any packet needs are refused before time is spent (building blocks)."""
    many = "".join(f' xmlns:n{n}="urn:{n}"' for n in range(MAX_NAMESPACES + 1))
    beside = "".join(f'<n{n}:b xmlns:n{n}="urn:{n}"/>' for n in range(MAX_NAMESPACES + 1))
    with pytest.raises(Refused) as refusal:
        canonicalise(edxml.parse_xml(f"<a{many}><b/></a>".encode()), exclusive=False)
    assert refusal.value.code == "SIG-NAMESPACES"
    with pytest.raises(Refused):
        canonicalise(edxml.parse_xml(f"<a{many}><b/></a>".encode())[0], exclusive=False)
    assert canonicalise(edxml.parse_xml(f"<a>{beside}</a>".encode()), exclusive=False)


def test_what_has_no_canonical_form_is_refused() -> None:
    """A relative namespace (Canonical XML 1.0, 1.3), or a tree deeper than is read: refused, no crash."""
    deep = root = etree.Element("a")
    for _ in range(100):
        deep = etree.SubElement(deep, "a")
    for tree in (edxml.parse_xml(b'<a xmlns:p="relative/uri"><p:b/></a>'), root):
        with pytest.raises(Refused) as refusal:
            canonicalise(tree, exclusive=False)
        assert refusal.value.code == "SIG-CANONICAL"


def test_a_root_has_no_parent() -> None:
    """Leaving out a root is a mistake of the caller's."""
    with pytest.raises(ValueError, match="no parent"):
        require_parent(edxml.parse_xml(b"<a/>"))
