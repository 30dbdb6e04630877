"""XML Signature: building SignedInfo and Signature elements, and the core of checking them.

SignedInfo is built here, so any signer of plain bytes (a token, a remote service) can sign packets.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from ...edxml import DS
from ...errors import SigningError
from ..algorithms import DIGESTS, ENVELOPED, EXC_C14N, SIGNATURES, PublicKey, is_valid_signature, signature_size
from ..keys import select_signer
from ..reasons import Refused
from ..signer import Signer, require_certificate
from .c14n import canonicalise
from .signature_profile import CORE, ParsedSignature, Reference, parse_signature

_Q = f"{{{DS}}}"
DIGEST = "sha256"
"""The hash of every digest written here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReference:
    """A Reference to write.

    Args:
        digest: the SHA-256 digest.
        uri: empty for the whole document, or ``#`` and an id.
        transforms: identifiers of the transforms.
        id: its own id, if it needs one.
        type: its Type, if it needs one.
    """

    digest: bytes
    uri: str = ""
    transforms: tuple[str, ...] = (ENVELOPED, EXC_C14N)
    id: str | None = None
    type: str | None = None


def build_signed_info(
    references: Sequence[NewReference], *, algorithm: str, prefix: str | None = None
) -> etree._Element:
    """Build a SignedInfo over references, to be canonicalised exclusively.

    Args:
        references: the References, with their digests.
        algorithm: name of the signature algorithm.
        prefix: namespace prefix of XML Signature, None for the default namespace.
    """
    info = etree.Element(_Q + "SignedInfo", nsmap={prefix: DS})
    etree.SubElement(info, _Q + "CanonicalizationMethod", Algorithm=EXC_C14N)
    etree.SubElement(info, _Q + "SignatureMethod", Algorithm=SIGNATURES[algorithm].uri)
    for reference in references:
        named = {"Id": reference.id, "Type": reference.type, "URI": reference.uri}
        element = etree.SubElement(info, _Q + "Reference", {k: v for k, v in named.items() if v is not None})
        transforms = etree.SubElement(element, _Q + "Transforms")
        for uri in reference.transforms:
            etree.SubElement(transforms, _Q + "Transform", Algorithm=uri)
        etree.SubElement(element, _Q + "DigestMethod", Algorithm=DIGESTS[DIGEST])
        etree.SubElement(element, _Q + "DigestValue").text = _encode_base64(reference.digest)
    return info


def build_signature(
    signed_info: etree._Element,
    value: bytes,
    certificates: Sequence[x509.Certificate],
    *,
    prefix: str | None = None,
    id: str | None = None,
) -> etree._Element:
    """Build a Signature element: SignedInfo, the value and X509Data with the chain, leaf first."""
    signature = etree.Element(_Q + "Signature", {"Id": id} if id else {}, nsmap={prefix: DS})
    signature.append(signed_info)
    etree.SubElement(signature, _Q + "SignatureValue").text = _encode_base64(value)
    data = etree.SubElement(etree.SubElement(signature, _Q + "KeyInfo"), _Q + "X509Data")
    for certificate in certificates:
        etree.SubElement(data, _Q + "X509Certificate").text = _encode_certificate(certificate)
    return signature


@lru_cache(64)
def _encode_certificate(certificate: x509.Certificate) -> str:
    return _encode_base64(certificate.public_bytes(Encoding.DER))


def sign_signed_info(signer: Signer, signed_info: etree._Element) -> bytes:
    """Sign a SignedInfo's exclusive canonical form, and check the value with the signer's certificate.

    Raises:
        SigningError: the signer refuses, or its value does not fit its own certificate.
    """
    data = canonicalise(signed_info, exclusive=True)
    value = signer.sign(data)
    certificate = require_certificate(signer)
    key = certificate.public_key()
    if not is_valid_signature(key, signer.algorithm, data, value):  # type: ignore[arg-type]  # `require_certificate` checked it
        raise SigningError(
            "the signature made does not belong to the signer's certificate; check which key the certificate is for",
            vi="chữ ký tạo ra không khớp với chứng thư số của người ký; kiểm tra lại khóa tương ứng với chứng thư",
        )
    return value


class EnvelopedSignature:
    """The maker of a packet's own signature, which is written after everything it covers: see `edxml.EnvelopedSigner`.

    Args:
        signer: the key; of a keyring the one that signs now, for this packet's whole signature.
        sealed_object: an Object to sign too, with an Id.

    Raises:
        EdocError: no key of the keyring can sign now.
    """

    digest_algorithm = DIGEST

    def __init__(self, signer: Signer, sealed_object: etree._Element | None = None) -> None:
        self._signer = select_signer(signer)
        self._object = sealed_object

    def blank(self) -> bytes:
        """Build a Signature of the final length, with zeros for digest and value."""
        size = signature_size(require_certificate(self._signer).public_key())  # type: ignore[arg-type]  # as above
        if self._object is not None:
            info = self._build_signed_info(bytes(hashlib.new(DIGEST).digest_size))
            return _serialise_signature(info, bytes(size), self._signer.certificates, self._object)
        return _build_blank(tuple(self._signer.certificates), self._signer.algorithm, size)

    def signature(self, digest: bytes) -> bytes:
        """Sign a packet.

        Args:
            digest: SHA-256 of the exclusive canonical form of the packet without its Signature.

        Returns:
            The Signature element, UTF-8, as long as the blank one.

        Raises:
            SigningError: the signer refuses.
        """
        info = self._build_signed_info(digest)
        value = sign_signed_info(self._signer, info)
        return _serialise_signature(info, value, self._signer.certificates, self._object)

    def _build_signed_info(self, digest: bytes) -> etree._Element:
        references = [NewReference(digest=digest)]
        if self._object is not None:
            form = canonicalise(self._object, exclusive=True)
            own_digest = hashlib.new(DIGEST, form).digest()
            uri = f"#{self._object.get('Id')}"
            references.append(NewReference(uri=uri, transforms=(EXC_C14N,), digest=own_digest))
        return build_signed_info(references, algorithm=self._signer.algorithm)


@lru_cache(64)
def _build_blank(certificates: tuple[x509.Certificate, ...], algorithm: str, size: int) -> bytes:
    info = build_signed_info([NewReference(digest=bytes(hashlib.new(DIGEST).digest_size))], algorithm=algorithm)
    return _serialise_signature(info, bytes(size), certificates)


def _serialise_signature(
    info: etree._Element,
    value: bytes,
    certificates: Sequence[x509.Certificate],
    sealed_object: etree._Element | None = None,
) -> bytes:
    element = build_signature(info, value, certificates)
    if sealed_object is not None:
        element.append(copy.deepcopy(sealed_object))
    return bytes(etree.tostring(element, encoding="UTF-8", xml_declaration=False))


def find_core_failure(
    parsed: ParsedSignature, signature: etree._Element, compute_digest: Callable[[Reference], bytes], key: PublicKey
) -> str | None:
    """Check digests and value of a parsed signature (XML Signature, 3.2).

    Args:
        parsed: the parsed Signature.
        signature: its element, for SignedInfo's canonical form.
        compute_digest: computes the digest of the octets that a Reference covers.
        key: the key to check with.

    Returns:
        None if the signature holds, else the reason code.

    Raises:
        Refused: an element has no canonical form.
    """
    for reference in parsed.references:
        if not hmac.compare_digest(compute_digest(reference), reference.value):
            return "SIG-DIGEST"
    data = canonicalise(signature[0], exclusive=parsed.exclusive)
    return None if is_valid_signature(key, parsed.algorithm, data, parsed.value) else "SIG-SIGNATURE"


def verify_signature_core(
    signature: etree._Element, key: PublicKey, *, id_attributes: Sequence[str] = ("Id", "ID", "id")
) -> None:
    """Check a Signature in a small document with a key known beforehand; the key's holder is not judged.

    Args:
        signature: the element, inside its document.
        key: the key.
        id_attributes: attributes that an ``#id`` may stand in.

    Raises:
        Refused: the signature does not hold, or is of no known shape.
    """
    parsed = parse_signature(signature, CORE)
    failure = find_core_failure(
        parsed, signature, lambda ref: compute_document_digest(ref, signature, id_attributes), key
    )
    if failure:
        raise Refused(failure)


def compute_document_digest(
    reference: Reference, signature: etree._Element, id_attributes: Sequence[str] = ("Id",)
) -> bytes:
    """Compute the digest of the part of a document in memory that a Reference covers.

    Raises:
        Refused: its id is not that of exactly one element, or there is no canonical form.
    """
    root = signature.getroottree().getroot()
    covered = _find_by_id(root, reference.uri[1:], id_attributes) if reference.uri else root
    inside = covered is signature or covered in signature.iterancestors()
    without = signature if reference.enveloped and inside and covered is not signature else None
    form = canonicalise(covered, exclusive=reference.exclusive, exclude=without)
    return hashlib.new(reference.digest, form, usedforsecurity=reference.digest != "sha1").digest()


def _find_by_id(root: etree._Element, wanted: str, attributes: Sequence[str]) -> etree._Element:
    found = [element for element in root.iter("*") for name in attributes if element.get(name) == wanted]
    if len(found) != 1:
        raise Refused("SIG-URI", f"#{wanted}")
    return found[0]


def _encode_base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
