"""XAdES baseline B (ETSI EN 319 132-1): the signed properties of a seal's signature."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from ..edxml import DS
from .algorithms import DIGEST_BY_URI, DIGESTS
from .reasons import Refused

XADES = "http://uri.etsi.org/01903/v1.3.2#"
_X = f"{{{XADES}}}"
_Q = f"{{{DS}}}"
_NS = {"x": XADES, "ds": DS}


def build_object(
    certificate: x509.Certificate, *, at: str, signature_id: str, properties_id: str, content_id: str
) -> etree._Element:
    """The Object with the signed properties: signing time, the certificate's digest, the format of what is signed.

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
    value = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    etree.SubElement(digest, _Q + "DigestValue").text = base64.b64encode(value).decode("ascii")
    about_content = etree.SubElement(signed, _X + "SignedDataObjectProperties")
    form = etree.SubElement(about_content, _X + "DataObjectFormat", ObjectReference=f"#{content_id}")
    etree.SubElement(form, _X + "MimeType").text = "application/xml"
    return holder


def signed_properties(signature: etree._Element) -> etree._Element:
    """The one SignedProperties of a Signature.

    Raises:
        Refused: there is not exactly one, in its place, with an Id.
    """
    found = signature.findall("ds:Object/x:QualifyingProperties/x:SignedProperties", _NS)
    anywhere = list(signature.iter(_X + "SignedProperties"))
    if len(found) != 1 or len(anywhere) != 1 or not found[0].get("Id"):
        raise Refused("SEAL-PROPERTIES", "SignedProperties")
    return found[0]


def signing_time(properties: etree._Element) -> datetime:
    """The signing time that the signer claims, UTC.

    Raises:
        Refused: there is none, or it has no offset.
    """
    text = properties.findtext("x:SignedSignatureProperties/x:SigningTime", "", _NS).strip()
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Refused("SEAL-PROPERTIES", f"SigningTime {text}") from None
    if time.tzinfo is None:
        raise Refused("SEAL-PROPERTIES", f"SigningTime {text}")
    return time.astimezone(UTC)


def check_certificate(properties: etree._Element, certificate: x509.Certificate) -> None:
    """Check that the signer meant this certificate: one with the same key could else be put in its place.

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
        said = base64.b64decode("".join(digests[0].findtext("ds:DigestValue", "", _NS).split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refused("SEAL-PROPERTIES", "CertDigest") from None
    if not hmac.compare_digest(said, hashlib.new(algorithm, certificate.public_bytes(Encoding.DER)).digest()):
        raise Refused("SEAL-CERTIFICATE")
