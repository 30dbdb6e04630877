"""The core of XML Signature against the public interoperability vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from lxml import etree

from edoc_connector import edxml, signing
from edoc_connector.errors import PacketError
from edoc_connector.signing.reasons import Refused
from edoc_connector.signing.xmlsig.xmldsig import verify_signature_core

_MANIFEST = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "manifest.json"
VECTORS = json.loads(_MANIFEST.read_text()) if _MANIFEST.is_file() else []


def _signature(path: Path) -> etree._Element:
    return next(edxml.parse_xml(path.read_bytes()).iter(f"{{{edxml.DS}}}Signature"))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["file"])
def test_core_gets_the_public_vectors_right(shared: Path, vector: dict[str, Any]) -> None:
    """With its pinned key each vector verifies, and its twin with one changed bit does not (Public vectors)."""
    key: Any = load_pem_public_key((shared / "vectors" / vector["key"]).read_bytes())
    signature = _signature(shared / "vectors" / vector["file"])
    if vector["expect"].startswith("reject"):
        with pytest.raises(Refused) as refusal:
            verify_signature_core(signature, key)
        assert refusal.value.code == "SIG-SIGNATURE"
    else:
        verify_signature_core(signature, key)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["file"])
def test_core_notices_changed_content(shared: Path, vector: dict[str, Any]) -> None:
    """A text added to the signed content is noticed by the digest (XML Signature, 3.2.1)."""
    key: Any = load_pem_public_key((shared / "vectors" / vector["key"]).read_bytes())
    signature = _signature(shared / "vectors" / vector["file"])
    root = signature.getroottree().getroot()
    root.text = (root.text or "") + "x"
    with pytest.raises(Refused) as refusal:
        verify_signature_core(signature, key)
    assert refusal.value.code == "SIG-DIGEST"


_NO_CERTIFICATE = [
    f"santuario-{key}_{digest}_{c14n}.xml"
    for key in ("ecc_p256", "ecc_p384", "ecc_p521", "rsa2048")
    for digest in ("sha256", "sha384", "sha512")
    for c14n in ("c14n", "exc-c14n")
]
AT_PACKET_LEVEL: dict[str, str] = {
    # vector: what verify says of a packet with its Signature; the twin with one changed bit gets no further either
    "signxml-windows_store_signature.xml": "SIG-SHAPE",  # no KeyInfo
    "signxml-wsfederation_metadata.xml": "SIG-URI",  # a part by its ID
    **dict.fromkeys(_NO_CERTIFICATE, "SIG-NO-CERTIFICATE"),  # a KeyValue alone
}


def test_every_vector_has_its_reason_at_packet_level() -> None:
    """The table has each vector once (Public vectors: at packet level each has its expected reason code)."""
    names = {Path(vector["file"]).name.removesuffix(".sigflip.xml") for vector in VECTORS}
    assert names in ({*AT_PACKET_LEVEL}, set())
    assert len(AT_PACKET_LEVEL) == 26


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["file"])
def test_a_vector_at_packet_level(shared: Path, vector: dict[str, Any], signed: bytes) -> None:
    """A vector is no packet; its Signature in a packet is refused with its expected reason (Public vectors)."""
    path = shared / "vectors" / vector["file"]
    with pytest.raises(PacketError) as error:
        edxml.read(path)
    assert error.value.code == "EDX-STRUCTURE"
    root = etree.fromstring(signed)
    own = next(root.iter(f"{{{edxml.DS}}}Signature"))
    own.getparent().replace(own, _signature(path))
    verification = signing.verify(edxml.read(etree.tostring(root)))
    assert verification.reason == AT_PACKET_LEVEL[path.name.removesuffix(".sigflip.xml")]
    assert verification.status is signing.VerificationStatus.UNVERIFIABLE
    assert verification.message is None


def test_the_core_fetches_nothing(shared: Path) -> None:
    """A Reference outside the document is refused by the core too (building blocks, xmlsec defaults)."""
    folder = shared / "vectors" / "verify"
    key: Any = load_pem_public_key((folder / "santuario-rsa2048_sha256_c14n.xml.pub.pem").read_bytes())
    for uri in ("file:///etc/hostname", "http://127.0.0.1:9/"):
        signature = _signature(folder / "santuario-rsa2048_sha256_c14n.xml")
        next(signature.iter(f"{{{edxml.DS}}}Reference")).set("URI", uri)
        with pytest.raises(Refused) as refusal:
            verify_signature_core(signature, key)
        assert refusal.value.code == "SIG-URI"


def test_an_id_must_be_unique(shared: Path) -> None:
    """A Reference to an id that two elements carry is refused: nobody can tell which one is read (Parsing)."""
    folder = shared / "vectors" / "verify"
    key: Any = load_pem_public_key((folder / "signxml-wsfederation_metadata.xml.pub.pem").read_bytes())
    signature = _signature(folder / "signxml-wsfederation_metadata.xml")
    root = signature.getroottree().getroot()
    etree.SubElement(root, "copy", ID=root.get("ID", ""))
    with pytest.raises(Refused) as refusal:
        verify_signature_core(signature, key)
    assert refusal.value.code == "SIG-URI"
