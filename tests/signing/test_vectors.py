"""The core of XML Signature against vectors: the public ones for interoperability, and a few of our own."""

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

_NO_CERTIFICATE = [
    f"santuario-{key}_{digest}_{c14n}.xml"
    for key in ("ecc_p256", "ecc_p384", "ecc_p521", "rsa2048")
    for digest in ("sha256", "sha384", "sha512")
    for c14n in ("c14n", "exc-c14n")
]
AT_PACKET_LEVEL: dict[str, dict[str, str]] = {
    # collection, vector: what verify says of a packet with its Signature; the twin with one changed bit gets no further
    "data": {
        "no-key.xml": "SIG-SHAPE",  # no KeyInfo
        "by-id.xml": "SIG-URI",  # a part by its ID
        "p256_sha256_c14n.xml": "SIG-NO-CERTIFICATE",  # a KeyValue alone, as in the others
        "p256_sha256_exc-c14n.xml": "SIG-NO-CERTIFICATE",
        "p384_sha384_exc-c14n.xml": "SIG-NO-CERTIFICATE",
        "rsa2048_sha256_c14n.xml": "SIG-NO-CERTIFICATE",
        "rsa2048_sha512_exc-c14n.xml": "SIG-NO-CERTIFICATE",
    },
    "shared": {
        "signxml-windows_store_signature.xml": "SIG-SHAPE",  # no KeyInfo
        "signxml-wsfederation_metadata.xml": "SIG-URI",  # a part by its ID
        **dict.fromkeys(_NO_CERTIFICATE, "SIG-NO-CERTIFICATE"),  # a KeyValue alone
    },
}
VECTORS = [
    (collection, vector)
    for collection, names in AT_PACKET_LEVEL.items()
    for name in names
    for vector in (f"verify/{name}", f"reject/{name}.sigflip.xml")
]
each_vector = pytest.mark.parametrize(
    ("collection", "vector"), VECTORS, ids=["-".join(pair) for pair in VECTORS], indirect=["collection"]
)


def _name(vector: str) -> str:
    return Path(vector).name.removesuffix(".sigflip.xml")


def _key(collection: Path, vector: str) -> Any:
    return load_pem_public_key((collection / "vectors" / "verify" / f"{_name(vector)}.pub.pem").read_bytes())


def _signature(path: Path) -> etree._Element:
    return next(edxml.parse_xml(path.read_bytes()).iter(f"{{{edxml.DS}}}Signature"))


@each_vector
def test_core_gets_the_public_vectors_right(collection: Path, vector: str) -> None:
    """With its pinned key each vector verifies, and its twin with one changed bit does not (Public vectors)."""
    key = _key(collection, vector)
    signature = _signature(collection / "vectors" / vector)
    if vector.startswith("reject/"):
        with pytest.raises(Refused) as refusal:
            verify_signature_core(signature, key)
        assert refusal.value.code == "SIG-SIGNATURE"
    else:
        verify_signature_core(signature, key)


@each_vector
def test_core_notices_changed_content(collection: Path, vector: str) -> None:
    """A text added to the signed content is noticed by the digest (XML Signature, 3.2.1)."""
    key = _key(collection, vector)
    signature = _signature(collection / "vectors" / vector)
    root = signature.getroottree().getroot()
    root.text = (root.text or "") + "x"
    with pytest.raises(Refused) as refusal:
        verify_signature_core(signature, key)
    assert refusal.value.code == "SIG-DIGEST"


def test_every_vector_has_its_reason_at_packet_level(collection: Path) -> None:
    """The table has each vector once (Public vectors: at packet level each has its expected reason code)."""
    listed = json.loads((collection / "vectors" / "manifest.json").read_text(encoding="utf-8"))
    assert sorted(one["file"] for one in listed) == sorted(vector for of, vector in VECTORS if of == collection.name)
    assert all(one["key"] == f"verify/{_name(one['file'])}.pub.pem" for one in listed)
    assert all(one["expect"].startswith("reject") is one["file"].startswith("reject/") for one in listed)
    assert len(AT_PACKET_LEVEL["shared"]) == 26


@each_vector
def test_a_vector_at_packet_level(collection: Path, vector: str, signed: bytes) -> None:
    """A vector is no packet; its Signature in a packet is refused with its expected reason (Public vectors)."""
    path = collection / "vectors" / vector
    with pytest.raises(PacketError) as error:
        edxml.read(path)
    assert error.value.code == "EDX-STRUCTURE"
    root = etree.fromstring(signed)
    own = next(root.iter(f"{{{edxml.DS}}}Signature"))
    own.getparent().replace(own, _signature(path))
    verification = signing.verify(edxml.read(etree.tostring(root)))
    assert verification.reason == AT_PACKET_LEVEL[collection.name][_name(vector)]
    assert verification.status is signing.VerificationStatus.UNVERIFIABLE
    assert verification.message is None


@pytest.mark.parametrize(
    ("collection", "name"),
    [("data", "rsa2048_sha256_c14n.xml"), ("shared", "santuario-rsa2048_sha256_c14n.xml")],
    indirect=["collection"],
)
def test_the_core_fetches_nothing(collection: Path, name: str) -> None:
    """A Reference outside the document is refused by the core too (building blocks, xmlsec defaults)."""
    key = _key(collection, name)
    for uri in ("file:///etc/hostname", "http://127.0.0.1:9/"):
        signature = _signature(collection / "vectors" / "verify" / name)
        next(signature.iter(f"{{{edxml.DS}}}Reference")).set("URI", uri)
        with pytest.raises(Refused) as refusal:
            verify_signature_core(signature, key)
        assert refusal.value.code == "SIG-URI"


@pytest.mark.parametrize(
    ("collection", "name"),
    [("data", "by-id.xml"), ("shared", "signxml-wsfederation_metadata.xml")],
    indirect=["collection"],
)
def test_an_id_must_be_unique(collection: Path, name: str) -> None:
    """A Reference to an id that two elements carry is refused: nobody can tell which one is read (Parsing)."""
    key = _key(collection, name)
    signature = _signature(collection / "vectors" / "verify" / name)
    root = signature.getroottree().getroot()
    etree.SubElement(root, "copy", ID=root.get("ID", ""))
    with pytest.raises(Refused) as refusal:
        verify_signature_core(signature, key)
    assert refusal.value.code == "SIG-URI"
