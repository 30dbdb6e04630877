"""What else signs XML from Python, doing the same work: plain lxml with xmlsec, and signxml."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree

from edoc_connector.testing import agency_keys

_CONTENT = "ContentTransferEncoded"


def _built(folder: Path) -> etree._Element:
    # each process has throwaway keys of its own
    (folder / "peer.pem").write_bytes(agency_keys("Sở Nội vụ").certificate.public_bytes(Encoding.PEM))
    root = etree.Element("edXML")
    data = (folder / "data-0").read_bytes()
    etree.SubElement(root, _CONTENT).text = base64.b64encode(data).decode("ascii")
    return root


def _extracted(root: etree._Element, folder: Path) -> None:
    data = base64.b64decode(root.findtext(_CONTENT) or "")
    hashlib.sha256(data)  # what a seal asks for
    (folder / "peer.out").write_bytes(data)


def _parsed(folder: Path, name: str) -> etree._Element:
    return etree.parse(folder / name, etree.XMLParser(huge_tree=True, resolve_entities=False)).getroot()


def xmlsec_build(folder: Path) -> None:
    """Build and sign with lxml and xmlsec."""
    import xmlsec

    keys = agency_keys("Sở Nội vụ")
    root = _built(folder)
    constants = xmlsec.constants
    signature = xmlsec.template.create(root, constants.TransformExclC14N, constants.TransformRsaSha256)
    reference = xmlsec.template.add_reference(signature, constants.TransformSha256, uri="")
    xmlsec.template.add_transform(reference, constants.TransformEnveloped)
    xmlsec.template.add_transform(reference, constants.TransformExclC14N)
    root.insert(0, signature)
    pem = keys.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(pem, constants.KeyDataFormatPem)
    context.sign(signature)
    etree.ElementTree(root).write(folder / "xmlsec.xml")


def xmlsec_read(folder: Path) -> None:
    """Read, verify and extract with lxml and xmlsec."""
    import xmlsec

    root = _parsed(folder, "xmlsec.xml")
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_file(str(folder / "peer.pem"), xmlsec.constants.KeyDataFormatCertPem)
    context.verify(xmlsec.tree.find_node(root, xmlsec.constants.NodeSignature))
    _extracted(root, folder)


def signxml_build(folder: Path) -> None:
    """Build and sign with signxml."""
    import signxml

    keys = agency_keys("Sở Nội vụ")
    signer = signxml.XMLSigner(c14n_algorithm=signxml.CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0)
    root = signer.sign(_built(folder), key=keys.key, cert=[keys.certificate])
    etree.ElementTree(root).write(folder / "signxml.xml")


def signxml_read(folder: Path) -> None:
    """Read, verify and extract with signxml."""
    import signxml

    certificate = (folder / "peer.pem").read_text()
    root = signxml.XMLVerifier().verify(_parsed(folder, "signxml.xml"), x509_cert=certificate).signed_xml
    if root is None:
        raise SystemExit("signxml gave back nothing")
    _extracted(root, folder)


PEERS: dict[str, tuple[Callable[[Path], None], Callable[[Path], None]]] = {
    "lxml + xmlsec": (xmlsec_build, xmlsec_read),
    "signxml": (signxml_build, signxml_read),
}
"""How each builds and signs, and how it reads, verifies and extracts."""
