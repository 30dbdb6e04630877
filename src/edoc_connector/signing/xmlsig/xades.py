"""XAdES baseline B and B-T (ETSI EN 319 132-1): the signed properties of a seal's signature, and its time-stamps."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography import x509
from lxml import etree

from ...edxml import DS
from ..algorithms import C14N, DIGEST_BY_URI, DIGESTS, EXC_C14N
from ..pki import certificate_digest
from ..reasons import Refused
from .c14n import canonicalise, require_parent

XADES = "http://uri.etsi.org/01903/v1.3.2#"
MAX_TIMESTAMPS = 3
"""Most time-stamps of one signature that are looked at."""
_X = f"{{{XADES}}}"
_Q = f"{{{DS}}}"
_NS = {"x": XADES, "ds": DS}


def build_object(
    certificate: x509.Certificate, *, at: str, signature_id: str, properties_id: str, content_id: str
) -> etree._Element:
    """Build the Object of the signed properties: signing time, certificate's digest, format of the signed content.

    Args:
        certificate: the signer's.
        at: signing time, ISO 8601 with an offset.
        signature_id: Id of the Signature.
        properties_id: Id of the properties.
        content_id: Id of the Reference to the content.
    """
    holder = etree.Element(_Q + "Object", nsmap={"ds": DS})
    qualifying = etree.SubElement(
        holder, _X + "QualifyingProperties", Target=f"#{signature_id}", nsmap={"xades": XADES}
    )
    signed = etree.SubElement(qualifying, _X + "SignedProperties", Id=properties_id)
    about_signature = etree.SubElement(signed, _X + "SignedSignatureProperties")
    etree.SubElement(about_signature, _X + "SigningTime").text = at
    v2 = etree.SubElement(about_signature, _X + "SigningCertificateV2")
    digest = etree.SubElement(etree.SubElement(v2, _X + "Cert"), _X + "CertDigest")
    etree.SubElement(digest, _Q + "DigestMethod", Algorithm=DIGESTS["sha256"])
    value = certificate_digest(certificate, "sha256")
    etree.SubElement(digest, _Q + "DigestValue").text = base64.b64encode(value).decode("ascii")
    about_content = etree.SubElement(signed, _X + "SignedDataObjectProperties")
    form = etree.SubElement(about_content, _X + "DataObjectFormat", ObjectReference=f"#{content_id}")
    etree.SubElement(form, _X + "MimeType").text = "application/xml"
    return holder


def find_signed_properties(signature: etree._Element) -> etree._Element:
    """Find the one SignedProperties of a Signature.

    Raises:
        Refused: there is not exactly one, in its place, with an Id.
    """
    found = signature.findall("ds:Object/x:QualifyingProperties/x:SignedProperties", _NS)
    anywhere = list(signature.iter(_X + "SignedProperties"))
    if len(found) != 1 or len(anywhere) != 1 or not found[0].get("Id"):
        raise Refused("SEAL-PROPERTIES", "SignedProperties")
    _check_holders(found[0], signature)
    return found[0]


def _check_holders(properties: etree._Element, signature: etree._Element) -> None:
    """Check that the Object holds the qualifying properties of this very Signature and nothing else."""
    qualifying = require_parent(properties)
    names = [child.tag for child in qualifying]
    if names not in ([_X + "SignedProperties"], [_X + "SignedProperties", _X + "UnsignedProperties"]):
        raise Refused("SEAL-PROPERTIES", "QualifyingProperties")
    if len(require_parent(qualifying)) != 1:
        raise Refused("SEAL-PROPERTIES", "Object")
    target = qualifying.get("Target", "")
    if len(target) < 2 or target != f"#{signature.get('Id')}":
        raise Refused("SEAL-PROPERTIES", f"Target {target}")


def add_timestamp(signature: etree._Element, token: bytes) -> None:
    """Add a time-stamp over the signature value to a Signature that has signed properties.

    Args:
        signature: the element.
        token: the time-stamp token over its `canonicalise_signature_value`, DER.
    """
    qualifying = signature.find("ds:Object/x:QualifyingProperties", _NS)
    assert qualifying is not None  # noqa: S101 - `build_object` made it
    unsigned = etree.SubElement(qualifying, _X + "UnsignedProperties")
    stamp = etree.SubElement(etree.SubElement(unsigned, _X + "UnsignedSignatureProperties"), _X + "SignatureTimeStamp")
    etree.SubElement(stamp, _Q + "CanonicalizationMethod", Algorithm=EXC_C14N)
    etree.SubElement(stamp, _X + "EncapsulatedTimeStamp").text = base64.b64encode(token).decode("ascii")


def canonicalise_signature_value(signature: etree._Element, *, exclusive: bool = True) -> bytes:
    """Canonicalise SignatureValue, the octets that a time-stamp is over (ETSI EN 319 132-1, 5.3)."""
    return canonicalise(signature[1], exclusive=exclusive)


def iter_timestamps(signature: etree._Element) -> Iterator[tuple[bool, bytes]]:
    """Iterate over the time-stamps of a Signature, at most `MAX_TIMESTAMPS`.

    Yields:
        Whether the time-stamp is over the exclusive canonical form, and its token, DER.

    Raises:
        Refused: ``SIG-TIMESTAMP``, one is not of the standard's shape.
    """
    path = "ds:Object/x:QualifyingProperties/x:UnsignedProperties/x:UnsignedSignatureProperties/x:SignatureTimeStamp"
    for stamp in signature.findall(path, _NS)[:MAX_TIMESTAMPS]:
        method = stamp.find("ds:CanonicalizationMethod", _NS)
        uri = C14N if method is None else method.get("Algorithm")
        token = stamp.findtext("x:EncapsulatedTimeStamp", "", _NS)
        try:
            octets = base64.b64decode("".join(token.split()), validate=True)
        except (binascii.Error, ValueError):
            octets = b""
        if uri not in (C14N, EXC_C14N) or not octets:
            raise Refused("SIG-TIMESTAMP", "SignatureTimeStamp")
        yield uri == EXC_C14N, octets


def read_claimed_time(properties: etree._Element) -> datetime:
    """Read the signing time that the signer claims, UTC.

    Raises:
        Refused: there is no signing time, or it has no offset.
    """
    text = properties.findtext("x:SignedSignatureProperties/x:SigningTime", "", _NS).strip()
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Refused("SEAL-PROPERTIES", f"SigningTime {text}") from None
    if time.tzinfo is None:
        raise Refused("SEAL-PROPERTIES", f"SigningTime {text}")
    try:
        return time.astimezone(UTC)
    except OverflowError:  # the year 1 before its offset, the year 9999 after it
        raise Refused("SEAL-PROPERTIES", f"SigningTime {text}") from None


def check_certificate(properties: etree._Element, certificate: x509.Certificate) -> None:
    """Check that the signer meant this certificate: another with the same key could else take its place.

    Raises:
        Refused: the digest is missing, of another algorithm, or another certificate's.
    """
    digests = properties.findall("x:SignedSignatureProperties/x:SigningCertificateV2/x:Cert/x:CertDigest", _NS)
    if not digests:
        raise Refused("SEAL-PROPERTIES", "SigningCertificateV2")
    method = digests[0].find("ds:DigestMethod", _NS)
    algorithm = DIGEST_BY_URI.get("" if method is None else method.get("Algorithm", ""))
    if algorithm is None or algorithm == "sha1":
        raise Refused("SEAL-PROPERTIES", "CertDigest")
    try:
        stated_digest = base64.b64decode("".join(digests[0].findtext("ds:DigestValue", "", _NS).split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refused("SEAL-PROPERTIES", "CertDigest") from None
    if not hmac.compare_digest(stated_digest, certificate_digest(certificate, algorithm)):
        raise Refused("SEAL-CERTIFICATE")
