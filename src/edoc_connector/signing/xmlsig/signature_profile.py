"""The one shape of signature that is looked at: everything else is refused before any cryptography sees it.

What verifies must be what is read. So the accepted shapes stand here as data, one `Profile` each, and `parse` turns a
Signature element into a plain value or refuses it with a reason code; nothing later goes back to the XML for it.
"""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lxml import etree

from ...edxml import DS
from ..algorithms import C14N, DIGEST_BY_URI, ENVELOPED, EXC_C14N, NEVER, SIGNATURE_BY_URI, digest_size
from ..reasons import Refused

_Q = f"{{{DS}}}"
SIGNED_PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"

_SIGNATURE_NAMES = {uri: one.name for uri, one in SIGNATURE_BY_URI.items()}

MOST_NODES = 400
"""Most nodes in a Signature element."""
MOST_CHARACTERS = 256 * 1024
"""Most characters of text in a Signature element."""
MOST_CERTIFICATES = 10


@dataclass(frozen=True, slots=True)
class ReferenceShape:
    """One Reference that must be there.

    Args:
        fits: whether a URI is this one's.
        transforms: the accepted sequences of transforms.
        type: the Reference's Type, None for any or none.
    """

    fits: Callable[[str], bool]
    transforms: frozenset[tuple[str, ...]]
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """An accepted shape.

    Args:
        parts: accepted sequences of the Signature's children.
        references: the References, each exactly once; empty for any number of any kind.
    """

    parts: frozenset[tuple[str, ...]]
    references: tuple[ReferenceShape, ...]


_WHOLE_TRANSFORMS = frozenset({(ENVELOPED,), (ENVELOPED, EXC_C14N), (ENVELOPED, C14N)})
_PART_TRANSFORMS = frozenset({(), (EXC_C14N,), (C14N,)})
_WHOLE = ReferenceShape(lambda uri: uri == "", _WHOLE_TRANSFORMS)
_PROPERTIES = ReferenceShape(lambda uri: uri.startswith("#"), _PART_TRANSFORMS, SIGNED_PROPERTIES)
_ANY = ReferenceShape(lambda uri: uri == "" or uri.startswith("#"), _WHOLE_TRANSFORMS | _PART_TRANSFORMS)

PACKET = Profile(frozenset({("SignedInfo", "SignatureValue", "KeyInfo")}), (_WHOLE,))
"""A packet's own signature."""
SEAL = Profile(frozenset({("SignedInfo", "SignatureValue", "KeyInfo", "Object")}), (_WHOLE, _PROPERTIES))
"""The signature in a seal: XAdES, so its signed properties are covered too."""
CORE = Profile(
    frozenset({("SignedInfo", "SignatureValue"), ("SignedInfo", "SignatureValue", "KeyInfo")}),
    (),
)
"""XML Signature's core with a key that is pinned beforehand: any number of References inside the document."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a Reference says.

    Args:
        uri: empty for the whole document, or ``#`` and an id.
        enveloped: whether the Signature itself is left out.
        exclusive: whether the canonical form is the exclusive one.
        digest: name of the hash.
        value: the digest.
        type: its Type, where given.
    """

    uri: str
    enveloped: bool
    exclusive: bool
    digest: str
    value: bytes
    type: str | None


@dataclass(frozen=True, slots=True)
class ParsedSignature:
    """What a Signature says, with nothing of it believed.

    Args:
        exclusive: whether SignedInfo is canonicalised exclusively.
        algorithm: name of the signature algorithm.
        references: its References, in the profile's order.
        value: the signature value.
        certificates: DER of the certificates, in the order given.
        key_values: the KeyValue elements beside them, as canonical XML.
    """

    exclusive: bool
    algorithm: str
    references: tuple[Reference, ...]
    value: bytes
    certificates: tuple[bytes, ...]
    key_values: tuple[etree._Element, ...]

    @property
    def said(self) -> tuple[object, ...]:
        """Everything that decides what verifies; equal for two readings of one signature."""
        return self.exclusive, self.algorithm, self.references, self.value, self.certificates


def parse(signature: etree._Element, profile: Profile) -> ParsedSignature:
    """Read a Signature element.

    Raises:
        Refused: it is not of the profile's shape.
    """
    _bound(signature)
    parts = _parts(signature, profile)
    method, algorithm_element, *references = _children(parts["SignedInfo"])
    if _local(method) != "CanonicalizationMethod" or _local(algorithm_element) != "SignatureMethod":
        raise Refused("SIG-SHAPE", "SignedInfo")
    certificates, key_values = _key_info(parts.get("KeyInfo"))
    return ParsedSignature(
        exclusive=_c14n(method),
        algorithm=_algorithm(algorithm_element, _SIGNATURE_NAMES),
        references=_references(references, profile),
        value=_base64(parts["SignatureValue"]),
        certificates=certificates,
        key_values=key_values,
    )


def _bound(signature: etree._Element) -> None:
    if len(list(itertools.islice(signature.iter(), MOST_NODES + 1))) > MOST_NODES:
        raise Refused("SIG-TOO-BIG", f"> {MOST_NODES} nodes")
    if next(signature.iter(etree.Comment, etree.ProcessingInstruction, etree.Entity), None) is not None:
        raise Refused("SIG-COMMENT", "Signature")
    if sum(map(len, signature.itertext())) > MOST_CHARACTERS:
        raise Refused("SIG-TOO-BIG", f"> {MOST_CHARACTERS} characters")


def _parts(signature: etree._Element, profile: Profile) -> dict[str, etree._Element]:
    children = _children(signature)
    names = tuple(_local(child) for child in children)
    if names not in profile.parts:
        hides = "Object" in names and all("Object" not in accepted for accepted in profile.parts)
        raise Refused("SIG-OBJECT" if hides else "SIG-SHAPE", ", ".join(names))
    _only(signature, "Id")
    parts = dict(zip(names, children, strict=True))
    for name, least in (("SignedInfo", 3), ("SignatureValue", 0)):
        _only(parts[name], "Id")
        if len(parts[name]) < least:
            raise Refused("SIG-SHAPE", f"{name} is incomplete")
    return parts


def _children(element: etree._Element) -> list[etree._Element]:
    """The child elements; stray text between them is refused."""
    children = list(element)
    if "".join(filter(None, (element.text, *[child.tail for child in children]))).strip():
        raise Refused("SIG-SHAPE", f"text in {_local(element)}")
    return children


def _local(element: etree._Element) -> str:
    """An element's name without XML Signature's namespace; with another namespace it stays visible."""
    return str(element.tag).removeprefix(_Q)


def _only(element: etree._Element, *attributes: str) -> None:
    if extra := [name for name in element.keys() if name not in attributes]:  # noqa: SIM118 - of an element, not a dict
        raise Refused("SIG-SHAPE", f"attribute {extra[0]} of {_local(element)}")


def _algorithm(element: etree._Element, known: dict[str, str]) -> str:
    """The name of an element's Algorithm; parameters (HMACOutputLength and the like) are refused."""
    _only(element, "Algorithm")
    uri = element.get("Algorithm", "")
    if uri in NEVER:
        raise Refused(NEVER[uri], uri)
    if uri not in known:
        raise Refused("SIG-ALGORITHM", uri)
    if len(element) or (element.text or "").strip():
        raise Refused("SIG-SHAPE", f"parameters in {_local(element)}")
    return known[uri]


def _c14n(element: etree._Element) -> bool:
    """Whether a method is the exclusive one; its InclusiveNamespaces list and the comment variants are refused."""
    _only(element, "Algorithm")
    uri = element.get("Algorithm", "")
    if uri not in (C14N, EXC_C14N):
        raise Refused("SIG-C14N", uri)
    if len(element) or (element.text or "").strip():
        raise Refused("SIG-C14N", "parameters")
    return bool(uri == EXC_C14N)


def _references(elements: list[etree._Element], profile: Profile) -> tuple[Reference, ...]:
    if any(_local(element) != "Reference" for element in elements):
        raise Refused("SIG-SHAPE", "SignedInfo")
    if not profile.references:
        return tuple(_reference(element, _ANY) for element in elements)
    if len(elements) != len(profile.references):
        raise Refused("SIG-REFERENCES", f"{len(elements)} References")
    return tuple(_pick(elements, profile))


def _pick(elements: list[etree._Element], profile: Profile) -> Iterator[Reference]:
    left = list(elements)
    for shape in profile.references:
        fitting = [element for element in left if shape.fits(element.get("URI", "missing:"))]
        if not fitting:
            raise Refused("SIG-URI", left[0].get("URI", "no URI"))
        left.remove(fitting[0])
        yield _reference(fitting[0], shape)


def _reference(element: etree._Element, shape: ReferenceShape) -> Reference:
    _only(element, "URI", "Type", "Id")
    uri, kind = element.get("URI"), element.get("Type")
    if uri is None or not shape.fits(uri):
        raise Refused("SIG-URI", "no URI" if uri is None else uri)
    if shape.type and kind != shape.type:
        raise Refused("SIG-REFERENCES", f"Type {kind}")
    children = _children(element)
    names = [_local(child) for child in children]
    if names not in (["Transforms", "DigestMethod", "DigestValue"], ["DigestMethod", "DigestValue"]):
        raise Refused("SIG-SHAPE", f"Reference: {', '.join(names)}")
    transforms = _transforms(children[0]) if names[0] == "Transforms" else ()
    if transforms not in shape.transforms:
        raise Refused("SIG-TRANSFORMS", ", ".join(transforms) or "none")
    digest = _algorithm(children[-2], DIGEST_BY_URI)
    value = _base64(children[-1])
    if len(value) != digest_size(digest):
        raise Refused("SIG-ENCODING", "DigestValue")
    return Reference(uri, ENVELOPED in transforms, EXC_C14N in transforms, digest, value, kind)


def _transforms(element: etree._Element) -> tuple[str, ...]:
    _only(element)
    found = []
    for child in _children(element):
        _only(child, "Algorithm")
        uri = child.get("Algorithm", "")
        if _local(child) != "Transform" or len(child) or (child.text or "").strip():
            raise Refused("SIG-TRANSFORMS", f"{uri} with parameters")
        found.append(uri)
    return tuple(found)


def _key_info(element: etree._Element | None) -> tuple[tuple[bytes, ...], tuple[etree._Element, ...]]:
    """The certificates, and the bare keys beside them."""
    if element is None:
        return (), ()
    _only(element, "Id")
    certificates: list[bytes] = []
    keys: list[etree._Element] = []
    for child in _children(element):
        if _local(child) == "X509Data":
            certificates.extend(_x509_data(child))
        elif _local(child) == "KeyValue" and len(child) == 1:
            keys.append(child[0])
        elif _local(child) != "KeyName":
            raise Refused("SIG-KEYINFO", _local(child))
    if len(certificates) > MOST_CERTIFICATES:
        raise Refused("SIG-TOO-BIG", f"{len(certificates)} certificates")
    return tuple(certificates), tuple(keys)


def _x509_data(element: etree._Element) -> Iterator[bytes]:
    hints = {"X509SubjectName", "X509IssuerSerial", "X509SKI", "X509CRL"}
    for child in _children(element):
        if _local(child) == "X509Certificate":
            yield _base64(child, "SIG-CERTIFICATE")
        elif _local(child) not in hints:
            raise Refused("SIG-KEYINFO", _local(child))


def _base64(element: etree._Element, code: str = "SIG-ENCODING") -> bytes:
    """The octets an element's text encodes; white space is allowed, nothing else is."""
    if len(element):
        raise Refused("SIG-SHAPE", f"elements in {_local(element)}")
    text = "".join((element.text or "").split())
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(code, str(error) if code == "SIG-CERTIFICATE" else _local(element)) from None
    if not octets:
        raise Refused(code, "empty" if code == "SIG-CERTIFICATE" else _local(element))
    return octets
