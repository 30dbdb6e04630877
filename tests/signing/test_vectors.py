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
from edoc_connector.signing.xmldsig import verify_signature_core

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


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["file"])
def test_a_vector_is_no_packet(shared: Path, vector: dict[str, Any]) -> None:
    """Documents that are no packets never get as far as a verdict (building blocks, Public vectors)."""
    with pytest.raises(PacketError):
        edxml.read(shared / "vectors" / vector["file"])


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["file"].startswith("verify/")], ids=lambda v: v["file"])
def test_a_foreign_signature_in_a_packet_is_refused(shared: Path, vector: dict[str, Any], signed: bytes) -> None:
    """A vector's Signature put into a packet is refused with a reason, most for want of a certificate."""
    root = etree.fromstring(signed)
    own = next(root.iter(f"{{{edxml.DS}}}Signature"))
    own.getparent().replace(own, _signature(shared / "vectors" / vector["file"]))
    verification = signing.verify(edxml.read(etree.tostring(root)))
    assert verification.status in (signing.VerificationStatus.UNVERIFIABLE, signing.VerificationStatus.INVALID)
    assert verification.reason in {"SIG-NO-CERTIFICATE", "SIG-SHAPE", "SIG-URI", "SIG-CERTIFICATE", "SIG-KEY"}
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
    etree.SubElement(root, "copy", ID=root.get("ID"))
    with pytest.raises(Refused) as refusal:
        verify_signature_core(signature, key)
    assert refusal.value.code == "SIG-URI"
