"""The second verifier: xmlsec over the whole tree, limited to the algorithms that the profile let through."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from ..algorithms import C14N, DIGESTS, ENVELOPED, EXC_C14N, SIGNATURES
from .signature_profile import ParsedSignature
from .xml_libraries import load_xmlsec


def is_valid_by_xmlsec(
    signature: etree._Element,
    parsed: ParsedSignature,
    certificate: x509.Certificate,
    *,
    identified_element: etree._Element | None = None,
) -> bool:
    """Tell whether xmlsec finds that a signature holds.

    Args:
        signature: the element in its whole document; its shape has been checked.
        parsed: the parsed element: only its algorithms are enabled, for this call.
        certificate: the certificate with the key to check with; KeyInfo is ignored.
        identified_element: an element that a Reference names by its ``Id``.

    Raises:
        ConfigError: xmlsec is not there, or does not fit the lxml that is.
    """
    xmlsec = load_xmlsec()
    transforms = _load_transforms()
    context = xmlsec.SignatureContext()
    context.key = _load_key(certificate)  # a copy, says python-xmlsec
    used = {EXC_C14N if parsed.exclusive else C14N, SIGNATURES[parsed.algorithm].uri}
    # python-xmlsec names no RSA-PSS, so that cannot be enabled alone; the profile has let nothing else through
    for uri in used if used <= transforms.keys() else ():
        context.enable_signature_transform(transforms[uri])
    digest_uris = {DIGESTS[one.digest] for one in parsed.references}
    digest_uris |= {EXC_C14N if one.exclusive else C14N for one in parsed.references}
    digest_uris |= {ENVELOPED for one in parsed.references if one.enveloped}
    for uri in digest_uris:
        context.enable_reference_transform(transforms[uri])
    if identified_element is not None:
        context.register_id(identified_element, "Id")
    try:
        context.verify(signature)
    except xmlsec.Error:
        return False
    return True


@lru_cache(64)
def _load_key(certificate: x509.Certificate) -> Any:
    xmlsec = load_xmlsec()
    # of the key alone: copying one that brings its certificate costs as much as checking with it
    public = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return xmlsec.Key.from_memory(public, xmlsec.constants.KeyDataFormatPem)


@cache
def _load_transforms() -> dict[str, Any]:
    xmlsec = load_xmlsec()
    found = [getattr(xmlsec.constants, name) for name in dir(xmlsec.constants) if name.startswith("Transform")]
    return {one.href: one for one in found if getattr(one, "href", None)}
