"""Signatures made here, read by verifiers of other families."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from signxml import InvalidSignature, SignatureConfiguration, XMLVerifier
from signxml.xades import XAdESVerifier

from edoc_connector import edxml, signing
from edoc_connector.signing import enveloped
from edoc_connector.signing.algorithms import SIGNATURES
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys, agency_keys, get_default_authority

DS = edxml.DS
SIGNED_PROPERTIES = "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"


@pytest.fixture(scope="module", params=["rsa", "p256", "p384"])
def keys(request: pytest.FixtureRequest) -> AgencyKeys:
    """Keys of every kind that signs."""
    return agency_keys("Sở Nội vụ", organ_id="H29.05", kind=request.param)


def _xmlsec1(packet: Path, root: Path, *options: str) -> bool:
    if shutil.which("xmlsec1") is None:
        pytest.skip("the xmlsec1 command is not installed")
    # x509 only: this build would otherwise trust a bare key that the packet brings along
    command = ["xmlsec1", "--verify", "--enabled-key-data", "x509", "--trusted-pem", str(root), *options, str(packet)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _tampered(data: bytes, old: str, new: str) -> bytes:
    assert old.encode() in data
    return data.replace(old.encode(), new.encode(), 1)


def test_xmlsec1_verifies_our_packets(keys: AgencyKeys, stranger: AgencyKeys, packet_of: Any, tmp_path: Path) -> None:
    """The signature we write verifies in xmlsec1, by its chain, and neither a changed packet nor another root does."""
    data = packet_of(keys=keys, sealing=keys)
    root, packet = keys.write_root(tmp_path / "root.pem"), tmp_path / "p.edxml"
    packet.write_bytes(data)
    assert _xmlsec1(packet, root, "--enabled-reference-uris", "empty")
    assert not _xmlsec1(packet, stranger.write_root(tmp_path / "other.pem"), "--enabled-reference-uris", "empty")
    packet.write_bytes(_tampered(data, "Giám đốc", "Bộ trưởng"))
    assert not _xmlsec1(packet, root, "--enabled-reference-uris", "empty")


def test_xmlsec1_verifies_our_seals(keys: AgencyKeys, packet_of: Any, tmp_path: Path) -> None:
    """The seal's signature verifies in xmlsec1, signed properties included (The seal)."""
    seal = tmp_path / "seal.xml"
    edxml.read(packet_of(keys=keys, sealing=keys)).attachments[-1].save(seal)
    root = keys.write_root(tmp_path / "root.pem")
    assert _xmlsec1(seal, root, "--id-attr:Id", SIGNED_PROPERTIES)
    seal.write_bytes(_tampered(seal.read_bytes(), "<xades:SigningTime>20", "<xades:SigningTime>19"))
    assert not _xmlsec1(seal, root, "--id-attr:Id", SIGNED_PROPERTIES)


def test_signxml_verifies_our_packets(keys: AgencyKeys, packet_of: Any, tmp_path: Path) -> None:
    """A verifier of another family reads our packet signature the same way, and refuses a changed packet."""
    data = packet_of(keys=keys, sealing=None)
    root = str(keys.write_root(tmp_path / "root.pem"))
    only = SignatureConfiguration(location=".//{*}edXMLHeader/", expect_references=1)
    result: Any = XMLVerifier().verify(data, ca_pem_file=root, expect_config=only)
    assert result.signed_xml.tag == f"{{{edxml.NS}}}edXML"
    with pytest.raises(InvalidSignature):
        XMLVerifier().verify(_tampered(data, "Giám đốc", "Bộ trưởng"), ca_pem_file=root, expect_config=only)


def test_signxml_reads_the_seal_as_xades(keys: AgencyKeys, packet_of: Any, tmp_path: Path) -> None:
    """A XAdES verifier of another family accepts the seal: baseline B with the certificate's digest (The seal)."""
    seal = edxml.read(packet_of(keys=keys, sealing=keys)).attachments[-1]
    root = str(keys.write_root(tmp_path / "root.pem"))
    with seal.open() as stream:
        results: Any = XAdESVerifier().verify(stream.read(), ca_pem_file=root, expect_references=2)
    assert results[0].signed_xml.tag == "{urn:edoc-connector:seal:2}Seal"


ALGORITHMS: list[tuple[Any, Any]] = [
    ("rsa", "rsa-sha256"),
    ("rsa", "rsa-sha384"),
    ("rsa", "rsa-sha512"),
    ("rsa", "rsa-pss-sha256"),
    ("rsa", "rsa-pss-sha384"),
    ("rsa", "rsa-pss-sha512"),
    ("p256", "ecdsa-sha256"),
    ("p256", "ecdsa-sha384"),
    ("p384", "ecdsa-sha384"),
    ("p384", "ecdsa-sha512"),
]


@pytest.mark.parametrize(("kind", "algorithm"), ALGORITHMS)
def test_every_verifier_reads_every_algorithm(kind: Any, algorithm: str, tmp_path: Path) -> None:
    """Ours, xmlsec, xmlsec1 and signxml agree on each algorithm we sign with, and on a changed packet (Signers).

    The command xmlsec1 knows RSA-PSS from release 1.3 on; an older one cannot be asked about it.
    """
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind=kind)
    signer = signing.load_signer(f"{keys.write_pem(tmp_path / 'key.pem')}?algorithm={algorithm}")
    packet, root, at = tmp_path / "p.edxml", keys.write_root(tmp_path / "root.pem"), datetime.now(UTC)
    edxml.write(sample_document(), packet, at=at, signature=enveloped(signer))
    data = packet.read_bytes()
    method = next(etree.fromstring(data).iter(f"{{{DS}}}SignatureMethod"))
    assert method.get("Algorithm") == SIGNATURES[algorithm].uri
    only = SignatureConfiguration(location=".//{*}edXMLHeader/", expect_references=1)
    for octets, holds in ((data, True), (_tampered(data, "Giám đốc", "Bộ trưởng"), False)):
        packet.write_bytes(octets)
        verification = signing.verify(edxml.read(packet), signing.VerifyPolicy(anchors=(keys.root,)))
        assert (verification.reason, verification.trusted) == (("SIG-OK", True) if holds else ("SIG-DIGEST", None))
        assert "SIG-ONE-VERIFIER" not in {finding.code for finding in verification.findings}
        with nullcontext() if holds else pytest.raises(InvalidSignature):
            XMLVerifier().verify(octets, ca_pem_file=str(root), expect_config=only)
        if "pss" not in algorithm or _xmlsec1_knows("rsa-pss-sha256"):
            assert _xmlsec1(packet, root, "--enabled-reference-uris", "empty") is holds


def _xmlsec1_knows(transform: str) -> bool:
    if shutil.which("xmlsec1") is None:
        return False
    listed = subprocess.run(["xmlsec1", "--list-transforms"], capture_output=True, text=True, check=True)
    return f'"{transform}"' in listed.stdout


@pytest.mark.parametrize(("kind", "algorithm"), ALGORITHMS)
def test_a_blank_signature_has_the_final_length(kind: Any, algorithm: Any) -> None:
    """The space left in the packet fits, whatever the digest and however often it is signed (Design, edxml)."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind=kind)
    made = enveloped(signing.LocalSigner(key=keys.key, certificates=keys.certificates, algorithm=algorithm))
    assert {len(made.signature(bytes([octet]) * 32)) for octet in range(12)} == {len(made.blank())}


def test_the_signature_is_written_as_the_standard_shows_it(signed: bytes) -> None:
    """Default namespace, after TraceHeaderList, one Reference to the whole, X509Data (The edXML packet, Signature)."""
    header = next(etree.fromstring(signed).iter("{*}edXMLHeader"))
    assert [etree.QName(child).localname for child in header] == ["MessageHeader", "TraceHeaderList", "Signature"]
    signature = header[-1]
    assert (signature.prefix, etree.QName(signature).namespace) == (None, DS)
    algorithms = [element.get("Algorithm") for element in signature.iter() if element.get("Algorithm")]
    assert algorithms == [
        "http://www.w3.org/2001/10/xml-exc-c14n#",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
        "http://www.w3.org/2001/10/xml-exc-c14n#",
        "http://www.w3.org/2001/04/xmlenc#sha256",
    ]
    assert [element.get("URI") for element in signature.iter(f"{{{DS}}}Reference")] == [""]
    assert len(list(signature.iter(f"{{{DS}}}X509Certificate"))) == 2


@pytest.mark.parametrize("kind", ["rsa", "rsa3072", "p256", "p384"])
def test_blank_and_signature_are_of_one_length(kind: Any) -> None:
    """The space left blank is exactly filled, whatever the key and the digest (Design, Streams)."""
    signer = enveloped(get_default_authority().agency("Sở Nội vụ", kind=kind, key_name="lengths").signer())
    lengths = {len(signer.signature(hashlib.sha256(bytes([n])).digest())) for n in range(12)}
    assert lengths == {len(signer.blank())}
    assert signer.digest_algorithm == "sha256"


_WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn"), include_characters="\n\tễ"),
    min_size=1,
    max_size=60,
).filter(lambda text: text.strip() not in ("", "null"))


@settings(max_examples=25, deadline=None)
@given(subject=_WORDS, place=_WORDS.filter(lambda text: len(text) <= 50), content=st.binary(min_size=1, max_size=400))
def test_both_verifiers_agree_on_whatever_we_write(subject: str, place: str, content: bytes) -> None:
    """Any text and any file we sign verifies in the streaming verifier and in xmlsec, which must agree (Design)."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256")
    attachment = edxml.Attachment.from_bytes(content, name="văn bản.bin")
    document = sample_document(subject=subject, place=place, attachments=(attachment,))
    now = datetime.now(UTC)
    with TemporaryDirectory() as folder:
        packet = Path(folder, "p.edxml")
        seal = signing.seal_maker(document, signer=keys.signer(), at=now)
        edxml.write(document, packet, at=now, signature=enveloped(keys.signer()), seal=seal)
        verification = signing.verify(edxml.read(packet), signing.VerifyPolicy(anchors=(keys.root,)))
    assert (verification.reason, verification.trusted) == ("SIG-OK", True)
    assert verification.differences == ()
