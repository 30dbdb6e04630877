"""The accepted shapes and places of a signature: any other is refused before any cryptography sees it.

Verification and reading must see the same. So the accepted shapes stand here as data, one `SignatureProfile` each, and
`parse_signature` turns a Signature element into a plain value or refuses it with a reason code; nothing later goes back
to the XML for it.

A packet's own signature covers the whole packet but itself. So there must be one frame to read (each part of the
skeleton once, in its place), one signature in the header, and no text that comments cut in two: `find_signature`.
"""

from __future__ import annotations

import base64
import binascii
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lxml import etree

from ...edxml import ALIASES, DS
from ..algorithms import C14N, DIGEST_BY_URI, ENVELOPED, EXC_C14N, FORBIDDEN_ALGORITHMS, SIGNATURE_BY_URI, digest_size
from ..reasons import Refused

_Q = f"{{{DS}}}"
SIGNED_PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"

_SIGNATURE_NAMES = {uri: one.name for uri, one in SIGNATURE_BY_URI.items()}

MAX_NODES = 400
"""Most nodes in a Signature element."""
MAX_CHARACTERS = 256 * 1024
"""Most characters of text in a Signature element."""
MAX_CERTIFICATES = 10
MAX_OUTSIDE = 64
"""Most processing instructions beside the root element: libxmlsec takes quadratic time in them."""


@dataclass(frozen=True, slots=True)
class ReferenceShape:
    """The shape of one Reference that must be there.

    Args:
        accepts_uri: tells whether a URI is this Reference's.
        transforms: the accepted sequences of transforms.
        type: the Reference's Type, None for any or none.
    """

    accepts_uri: Callable[[str], bool]
    transforms: frozenset[tuple[str, ...]]
    type: str | None = None


@dataclass(frozen=True, slots=True)
class SignatureProfile:
    """An accepted shape of a Signature.

    Args:
        parts: accepted sequences of the Signature's children.
        references: the References, each exactly once; empty for any number of any kind.
    """

    parts: frozenset[tuple[str, ...]]
    references: tuple[ReferenceShape, ...]


_WHOLE_TRANSFORMS = frozenset({(ENVELOPED,), (ENVELOPED, EXC_C14N), (ENVELOPED, C14N)})
_PART_TRANSFORMS = frozenset({(), (EXC_C14N,), (C14N,)})
_WHOLE_REFERENCE = ReferenceShape(lambda uri: uri == "", _WHOLE_TRANSFORMS)
_PROPERTIES_REFERENCE = ReferenceShape(lambda uri: uri.startswith("#"), _PART_TRANSFORMS, SIGNED_PROPERTIES)
_ANY_REFERENCE = ReferenceShape(lambda uri: uri == "" or uri.startswith("#"), _WHOLE_TRANSFORMS | _PART_TRANSFORMS)

PACKET = SignatureProfile(frozenset({("SignedInfo", "SignatureValue", "KeyInfo")}), (_WHOLE_REFERENCE,))
"""A packet's own signature."""
SEAL = SignatureProfile(
    frozenset({("SignedInfo", "SignatureValue", "KeyInfo", "Object")}), (_WHOLE_REFERENCE, _PROPERTIES_REFERENCE)
)
"""The signature in a seal: XAdES, so its signed properties are covered too."""
CORE = SignatureProfile(
    frozenset({("SignedInfo", "SignatureValue"), ("SignedInfo", "SignatureValue", "KeyInfo")}),
    (),
)
"""XML Signature's core with a key that is pinned beforehand: any number of References inside the document."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A Reference as read.

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
    """A Signature as read; nothing of it is believed yet.

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
    def comparison_key(self) -> tuple[object, ...]:
        """The values that decide the verification; equal for two readings of one signature."""
        return self.exclusive, self.algorithm, self.references, self.value, self.certificates


def parse_signature(signature: etree._Element, profile: SignatureProfile) -> ParsedSignature:
    """Parse a Signature element.

    Raises:
        Refused: the element is not of the profile's shape.
    """
    _check_size(signature)
    parts = _read_parts(signature, profile)
    method, algorithm_element, *references = _list_children(parts["SignedInfo"])
    if _local_name(method) != "CanonicalizationMethod" or _local_name(algorithm_element) != "SignatureMethod":
        raise Refused("SIG-SHAPE", "SignedInfo")
    certificates, key_values = _read_key_info(parts.get("KeyInfo"))
    return ParsedSignature(
        exclusive=_is_exclusive(method),
        algorithm=_read_algorithm(algorithm_element, _SIGNATURE_NAMES),
        references=_read_references(references, profile),
        value=_decode_base64(parts["SignatureValue"]),
        certificates=certificates,
        key_values=key_values,
    )


def _check_size(signature: etree._Element) -> None:
    if len(list(itertools.islice(signature.iter(), MAX_NODES + 1))) > MAX_NODES:
        raise Refused("SIG-TOO-BIG", f"> {MAX_NODES} nodes")
    if next(signature.iter(etree.Comment, etree.ProcessingInstruction, etree.Entity), None) is not None:
        raise Refused("SIG-COMMENT", "Signature")
    if sum(map(len, signature.itertext())) > MAX_CHARACTERS:
        raise Refused("SIG-TOO-BIG", f"> {MAX_CHARACTERS} characters")


def _read_parts(signature: etree._Element, profile: SignatureProfile) -> dict[str, etree._Element]:
    children = _list_children(signature)
    names = tuple(_local_name(child) for child in children)
    if names not in profile.parts:
        hides = "Object" in names and all("Object" not in accepted for accepted in profile.parts)
        raise Refused("SIG-OBJECT" if hides else "SIG-SHAPE", ", ".join(names))
    _check_attributes(signature, "Id")
    parts = dict(zip(names, children, strict=True))
    for name, least in (("SignedInfo", 3), ("SignatureValue", 0)):
        _check_attributes(parts[name], "Id")
        if len(parts[name]) < least:
            raise Refused("SIG-SHAPE", f"{name} is incomplete")
    return parts


def _list_children(element: etree._Element) -> list[etree._Element]:
    """List the child elements, and refuse stray text between them."""
    children = list(element)
    if "".join(filter(None, (element.text, *[child.tail for child in children]))).strip():
        raise Refused("SIG-SHAPE", f"text in {_local_name(element)}")
    return children


def _local_name(element: etree._Element) -> str:
    """Return an element's name without XML Signature's namespace; another namespace stays visible."""
    return str(element.tag).removeprefix(_Q)


def _check_attributes(element: etree._Element, *attributes: str) -> None:
    if extra := [name for name in element.keys() if name not in attributes]:  # noqa: SIM118 - of an element, not a dict
        raise Refused("SIG-SHAPE", f"attribute {extra[0]} of {_local_name(element)}")


def _read_algorithm(element: etree._Element, known: dict[str, str]) -> str:
    """Read the name of an element's Algorithm, and refuse parameters (HMACOutputLength and the like)."""
    _check_attributes(element, "Algorithm")
    uri = element.get("Algorithm", "")
    if uri in FORBIDDEN_ALGORITHMS:
        raise Refused(FORBIDDEN_ALGORITHMS[uri], uri)
    if uri not in known:
        raise Refused("SIG-ALGORITHM", uri)
    if len(element) or (element.text or "").strip():
        raise Refused("SIG-SHAPE", f"parameters in {_local_name(element)}")
    return known[uri]


def _is_exclusive(element: etree._Element) -> bool:
    """Tell whether a method is the exclusive one; an InclusiveNamespaces list and comment variants are refused."""
    _check_attributes(element, "Algorithm")
    uri = element.get("Algorithm", "")
    if uri not in (C14N, EXC_C14N):
        raise Refused("SIG-C14N", uri)
    if len(element) or (element.text or "").strip():
        raise Refused("SIG-C14N", "parameters")
    return bool(uri == EXC_C14N)


def _read_references(elements: list[etree._Element], profile: SignatureProfile) -> tuple[Reference, ...]:
    if any(_local_name(element) != "Reference" for element in elements):
        raise Refused("SIG-SHAPE", "SignedInfo")
    if not profile.references:
        return tuple(_read_reference(element, _ANY_REFERENCE) for element in elements)
    if len(elements) != len(profile.references):
        raise Refused("SIG-REFERENCES", f"{len(elements)} References")
    return tuple(_match_references(elements, profile))


def _match_references(elements: list[etree._Element], profile: SignatureProfile) -> Iterator[Reference]:
    remaining = list(elements)
    for shape in profile.references:
        fitting = [element for element in remaining if shape.accepts_uri(element.get("URI", "missing:"))]
        if not fitting:
            raise Refused("SIG-URI", remaining[0].get("URI", "no URI"))
        remaining.remove(fitting[0])
        yield _read_reference(fitting[0], shape)


def _read_reference(element: etree._Element, shape: ReferenceShape) -> Reference:
    _check_attributes(element, "URI", "Type", "Id")
    uri, kind = element.get("URI"), element.get("Type")
    if uri is None or not shape.accepts_uri(uri):
        raise Refused("SIG-URI", "no URI" if uri is None else uri)
    if shape.type and kind != shape.type:
        raise Refused("SIG-REFERENCES", f"Type {kind}")
    children = _list_children(element)
    names = [_local_name(child) for child in children]
    if names not in (["Transforms", "DigestMethod", "DigestValue"], ["DigestMethod", "DigestValue"]):
        raise Refused("SIG-SHAPE", f"Reference: {', '.join(names)}")
    transforms = _read_transforms(children[0]) if names[0] == "Transforms" else ()
    if transforms not in shape.transforms:
        raise Refused("SIG-TRANSFORMS", ", ".join(transforms) or "none")
    digest = _read_algorithm(children[-2], DIGEST_BY_URI)
    value = _decode_base64(children[-1])
    if len(value) != digest_size(digest):
        raise Refused("SIG-ENCODING", "DigestValue")
    return Reference(uri, ENVELOPED in transforms, EXC_C14N in transforms, digest, value, kind)


def _read_transforms(element: etree._Element) -> tuple[str, ...]:
    _check_attributes(element)
    found = []
    for child in _list_children(element):
        _check_attributes(child, "Algorithm")
        uri = child.get("Algorithm", "")
        if _local_name(child) != "Transform" or len(child) or (child.text or "").strip():
            raise Refused("SIG-TRANSFORMS", f"{uri} with parameters")
        found.append(uri)
    return tuple(found)


def _read_key_info(element: etree._Element | None) -> tuple[tuple[bytes, ...], tuple[etree._Element, ...]]:
    """Read the certificates, and the bare keys beside them."""
    if element is None:
        return (), ()
    _check_attributes(element, "Id")
    certificates: list[bytes] = []
    keys: list[etree._Element] = []
    for child in _list_children(element):
        if _local_name(child) == "X509Data":
            certificates.extend(_read_x509_data(child))
        elif _local_name(child) == "KeyValue" and len(child) == 1:
            keys.append(child[0])
        elif _local_name(child) != "KeyName":
            raise Refused("SIG-KEYINFO", _local_name(child))
    if len(certificates) > MAX_CERTIFICATES:
        raise Refused("SIG-TOO-BIG", f"{len(certificates)} certificates")
    return tuple(certificates), tuple(keys)


def _read_x509_data(element: etree._Element) -> Iterator[bytes]:
    hints = {"X509SubjectName", "X509IssuerSerial", "X509SKI", "X509CRL"}
    for child in _list_children(element):
        if _local_name(child) == "X509Certificate":
            yield _decode_base64(child, "SIG-CERTIFICATE")
        elif _local_name(child) not in hints:
            raise Refused("SIG-KEYINFO", _local_name(child))


def _decode_base64(element: etree._Element, code: str = "SIG-ENCODING") -> bytes:
    """Decode the base64 of an element's text; white space is allowed, nothing else is."""
    if len(element):
        raise Refused("SIG-SHAPE", f"elements in {_local_name(element)}")
    text = "".join((element.text or "").split())
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(code, str(error) if code == "SIG-CERTIFICATE" else _local_name(element)) from None
    if not octets:
        raise Refused(code, "empty" if code == "SIG-CERTIFICATE" else _local_name(element))
    return octets


# -- where the packet's own signature stands

_FRAME_HOLDERS: dict[str, set[str | None]] = {
    "edXML": {None},
    "edXMLEnvelope": {None, "edXML"},
    "edXMLHeader": {"edXMLEnvelope"},
    "MessageHeader": {"edXMLHeader"},
    "TraceHeaderList": {"edXMLHeader"},
    "edXMLBody": {"edXMLEnvelope"},
    "edXMLManifest": {"edXMLBody"},
    "AttachmentEncoded": {"edXML", "edXMLEnvelope"},
}
"""Parts that occur at most once, and what may hold each."""

_SPELLINGS = (
    *_FRAME_HOLDERS,
    "Signature",
    *(other for other, name in ALIASES.items() if name in {*_FRAME_HOLDERS, "Signature"}),
)
_FRAME_TAGS = tuple(f"{{*}}{name}" for name in _SPELLINGS)  # of any namespace, and of none


def find_signature(root: etree._Element) -> etree._Element:
    """Find the packet's own signature.

    Args:
        root: the packet's tree.

    Raises:
        Refused: there is no signature, more than one, or one in a place where it proves nothing.
    """
    parts = [(element, _resolve_name(element)) for element in root.iter(*_FRAME_TAGS)]
    found = [element for element, name in parts if name == "Signature"]
    if not found:
        raise Refused("SIG-NONE")
    if all(_is_empty(element) for element in found):
        raise Refused("SIG-EMPTY")
    if len(found) > 1:
        raise Refused("SIG-MANY", str(len(found)))
    namespace = etree.QName(found[0]).namespace or ""
    if namespace != DS:
        raise Refused("SIG-NAMESPACE", namespace)
    _check_frame(parts)
    parent = found[0].getparent()
    if parent is None or _resolve_name(parent) != "edXMLHeader":
        raise Refused("SIG-PLACE", "the root" if parent is None else _resolve_name(parent))
    _check_texts(root)
    if len(list(itertools.islice(iter_outside(root, etree.ProcessingInstruction), MAX_OUTSIDE + 1))) > MAX_OUTSIDE:
        raise Refused("SIG-STRUCTURE", f"> {MAX_OUTSIDE} instructions outside {_resolve_name(root)}")
    return found[0]


def _resolve_name(element: etree._Element) -> str:
    tag = str(element.tag)
    return _compute_name_cached(tag) if len(tag) <= _MAX_CACHED_SIZE else _compute_name(tag)


def _compute_name(tag: str) -> str:
    local = tag.rpartition("}")[2]
    return ALIASES.get(local, local)


_compute_name_cached = lru_cache(512)(_compute_name)
_MAX_CACHED_SIZE = 128  # characters; a stranger's endless names shall not fill the memory


def _is_empty(element: etree._Element) -> bool:
    return next(element.iterchildren("*"), None) is None and not "".join(element.itertext("*")).strip()


def _check_frame(parts: list[tuple[etree._Element, str]]) -> None:
    counts = Counter(name for _, name in parts if name in _FRAME_HOLDERS)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise Refused("SIG-STRUCTURE", f"{counts[repeated[0]]} × {repeated[0]}")
    for element, name in parts:
        if name not in _FRAME_HOLDERS:
            continue
        parent = element.getparent()
        holder = None if parent is None else _resolve_name(parent)
        if holder not in _FRAME_HOLDERS[name]:
            raise Refused("SIG-STRUCTURE", f"{holder or '/'} > {name}")


def iter_outside(root: etree._Element, *kinds: Any) -> Iterator[etree._Element]:
    """Iterate over the comments and instructions beside the root element."""
    return itertools.chain(root.itersiblings(*kinds, preceding=True), root.itersiblings(*kinds))


def _check_texts(root: etree._Element) -> None:
    """Refuse a text that a comment cuts in two. A parent is looked at once, however many comments it holds."""
    with_elements: set[etree._Element] = set()
    for node in root.iter(etree.Comment, etree.ProcessingInstruction):
        parent = node.getparent()
        if parent is None or parent in with_elements:
            continue
        if next(parent.iterchildren("*"), None) is None:
            raise Refused("SIG-COMMENT", _resolve_name(parent))
        with_elements.add(parent)
