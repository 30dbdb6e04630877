"""The seal, a signature over a packet's content that survives hubs which build packets anew: made, read and compared.

A small XML document, `edoc-seal.xml`, listed as the last attachment, names every field with meaning and every
attachment by the hash of its decoded content, and is signed (XAdES baseline B, or B-T with a time-stamp). Form 2 has
the names of organisations and the descriptions of attachments besides, which hubs rewrite: a difference there is a
finding. Form 1 is still read, and written where recipients know no other.

A status has no attachments that could carry a seal: its seal is a second Reference of the packet's own signature. Hubs
that rebuild packets copy the parts of a Signature into their own namespace: methods, References, digests, the value and
one certificate, and drop its Object. So the fields stand in an Object, which any verifier finds as long as the packet
is as it was written, and which is built anew of the status where a hub has dropped it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest

from lxml import etree

from ...edxml import (
    DS,
    HUB_DEFAULTS,
    NS,
    VIETNAM,
    Attachment,
    AttachmentDigest,
    Document,
    SealMaker,
    StatusMessage,
    complete,
    facts,
    list_unsealed_fields,
    list_unsealed_parts,
    normalise,
    parse_xml,
    refreshed_facts,
)
from ...errors import AttachmentError, PacketError, SigningError
from ..algorithms import EXC_C14N
from ..keys import select_signer
from ..pki import TimeStamping
from ..reasons import Refused
from ..signer import Signer, require_certificate
from .c14n import canonicalise
from .result import Difference
from .signature_profile import SIGNED_PROPERTIES, iter_outside
from .xades import add_timestamp, build_object, canonicalise_signature_value
from .xmldsig import EnvelopedSignature, NewReference, build_signature, build_signed_info, sign_signed_info

SEAL_NAMESPACES = {1: "urn:edoc-connector:seal:1", 2: "urn:edoc-connector:seal:2"}
"""The namespaces of the forms of a seal."""
NEWEST_FORM = 2
SEAL_NS = SEAL_NAMESPACES[NEWEST_FORM]
MAX_BYTES = 1 << 20
"""Largest seal that is read."""

STATUS_OBJECT_ID = "edoc-seal"
STATUS_URI = f"#{STATUS_OBJECT_ID}"
_SIGNATURE_NAMESPACES = (DS, NS)  # as it was written, and as hubs copy it
_Q = f"{{{DS}}}"
_FORMS = {f"{{{namespace}}}Seal": form for form, namespace in SEAL_NAMESPACES.items()}
_REFRESHED = re.compile(r"From\.OrganName|To\.[0-9]+\.OrganName")
_SHA256 = re.compile("[0-9a-f]{64}")
_SIGNATURE_ID, _PROPERTIES_ID, _CONTENT_ID = "seal-signature", "seal-properties", "seal-content"


def seal_maker(
    document: Document, *, signer: Signer, at: datetime, timestamp: TimeStamping | None = None, form: int = NEWEST_FORM
) -> SealMaker:
    """Build the function by which `edxml.write` seals a document.

    Args:
        document: the document, as it will be written.
        signer: the key.
        at: signing time, aware.
        timestamp: gets a time-stamp for the signing time, e.g. a `TimestampAuthority` (XAdES baseline B-T).
        form: form of the seal, 1 or 2; 1 leaves out names of organisations and descriptions of attachments.

    Raises:
        SigningError: `at` has no offset; or later, when the seal is made, the signer refuses or there is no time-stamp.
    """
    if at.tzinfo is None:
        raise SigningError(
            "the signing time has no time zone; give an offset, e.g. +07:00",
            vi="thời điểm ký thiếu múi giờ; hãy ghi rõ, ví dụ +07:00",
        )
    created = at.astimezone(VIETNAM).isoformat(timespec="seconds")

    def make_seal(attachments: Sequence[AttachmentDigest]) -> bytes:
        root = _build_content(complete(document), attachments, created, form)
        _sign_seal(root, select_signer(signer), created)
        if timestamp is not None:
            add_timestamp(root[-1], timestamp(canonicalise_signature_value(root[-1])))
        return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))

    return make_seal


def _build_content(
    document: Document, attachments: Sequence[AttachmentDigest], created: str, form: int
) -> etree._Element:
    namespace = SEAL_NAMESPACES[form]
    root = etree.Element(f"{{{namespace}}}Seal", created=created, nsmap={None: namespace})
    for name, value in (*facts(document), *(refreshed_facts(document) if form > 1 else ())):
        etree.SubElement(root, f"{{{namespace}}}Field", name=name).text = value
    for attachment in attachments:
        element = etree.SubElement(
            root,
            f"{{{namespace}}}Attachment",
            name=normalise(attachment.name),
            size=str(attachment.size),
            sha256=attachment.sha256,
        )
        description = normalise(attachment.description)
        if description and form > 1:
            element.set("description", description)
    return root


def _sign_seal(root: etree._Element, signer: Signer, created: str) -> None:
    holder = build_object(
        require_certificate(signer),
        at=created,
        signature_id=_SIGNATURE_ID,
        properties_id=_PROPERTIES_ID,
        content_id=_CONTENT_ID,
    )
    references = (
        NewReference(id=_CONTENT_ID, digest=hashlib.sha256(canonicalise(root, exclusive=True)).digest()),
        NewReference(
            uri=f"#{_PROPERTIES_ID}",
            type=SIGNED_PROPERTIES,
            transforms=(EXC_C14N,),
            digest=hashlib.sha256(canonicalise(holder[0][0], exclusive=True)).digest(),
        ),
    )
    info = build_signed_info(references, algorithm=signer.algorithm, prefix="ds")
    value = sign_signed_info(signer, info)
    signature = build_signature(info, value, signer.certificates, prefix="ds", id=_SIGNATURE_ID)
    signature.append(holder)
    root.append(signature)


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal as read; reading proves nothing of it.

    Args:
        created: the signing time that it states, ISO 8601.
        fields: names and values.
        attachments: name, size and hash of each file, in order.
        signature: its Signature element.
        form: 1 or 2, by its namespace.
    """

    created: str
    fields: tuple[tuple[str, str], ...]
    attachments: tuple[AttachmentDigest, ...]
    signature: etree._Element
    form: int = NEWEST_FORM

    @property
    def refreshed(self) -> tuple[tuple[str, str], ...]:
        """The names of organisations among the fields, which hubs rewrite."""
        return tuple(pair for pair in self.fields if self._is_refreshed(pair[0]))

    @property
    def lasting(self) -> tuple[tuple[str, str], ...]:
        """The other fields, which have to be in the packet as they are here."""
        return tuple(pair for pair in self.fields if not self._is_refreshed(pair[0]))

    def _is_refreshed(self, name: str) -> bool:
        return self.form > 1 and _REFRESHED.fullmatch(name) is not None


def read_seal(attachment: Attachment) -> Seal:
    """Read a seal.

    Raises:
        Refused: the seal is too big, not XML, or not of a seal's shape.
    """
    try:
        data = attachment.first(MAX_BYTES + 1)
    except AttachmentError as error:
        raise Refused("SEAL-UNREADABLE", error.message) from None
    if len(data) > MAX_BYTES:
        raise Refused("SEAL-TOO-BIG", "1 MiB")
    try:
        root = parse_xml(data)
    except PacketError as error:
        raise Refused("SEAL-UNREADABLE", error.message) from None
    return _parse_seal(root)


def _parse_seal(root: etree._Element) -> Seal:
    form = _FORMS.get(str(root.tag))
    if form is None:
        raise Refused("SEAL-VERSION", str(root.tag))
    field_tag, file_tag = (f"{{{SEAL_NAMESPACES[form]}}}{name}" for name in ("Field", "Attachment"))
    inside = root.iter(etree.Comment, etree.ProcessingInstruction, etree.Entity)
    if next(inside, None) is not None or next(iter_outside(root), None) is not None:
        raise Refused("SIG-COMMENT", "Seal")
    if list(root.attrib) != ["created"]:
        raise Refused("SEAL-SHAPE", "Seal")
    children = list(root)
    if any((text or "").strip() for text in (root.text, *(child.tail for child in children))):
        raise Refused("SEAL-SHAPE", "text")
    if not children or children[-1].tag != f"{{{DS}}}Signature":
        raise Refused("SEAL-SHAPE", "Signature")
    tags = [child.tag for child in children[:-1]]
    count = tags.count(field_tag)
    if tags != [field_tag] * count + [file_tag] * (len(tags) - count):
        raise Refused("SEAL-SHAPE", "Field, Attachment, Signature")
    return Seal(
        created=root.get("created", ""),
        fields=tuple(_parse_field(child) for child in children[:count]),
        attachments=tuple(_parse_attachment(child, form) for child in children[count:-1]),
        signature=children[-1],
        form=form,
    )


def _parse_field(element: etree._Element) -> tuple[str, str]:
    name = element.get("name")
    if not name or len(element.attrib) != 1 or len(element):
        raise Refused("SEAL-SHAPE", f"Field {name}")
    return name, element.text or ""


def _parse_attachment(element: etree._Element, form: int) -> AttachmentDigest:
    name, size, digest = (element.get(key, "") for key in ("name", "size", "sha256"))
    description = element.get("description") if form > 1 else None
    if len(element.attrib) != 3 + (description is not None) or len(element) or (element.text or "").strip() or not name:
        raise Refused("SEAL-SHAPE", f"Attachment {name}")
    if not _SHA256.fullmatch(digest):
        raise Refused("SEAL-SHAPE", f"Attachment {name}: sha256")
    if not (size.isascii() and size.isdigit() and len(size) <= 18):
        raise Refused("SEAL-SHAPE", f"Attachment {name}: size")
    return AttachmentDigest(name, int(size), digest, description or "")


@dataclass(frozen=True, slots=True)
class SealComparison:
    """The comparison of a seal with a packet.

    Args:
        differences: fields and attachments that are not as sealed.
        refreshed: names of organisations and descriptions of attachments that are not as sealed: hubs rewrite them.
        sealed: names of all that is in the packet as sealed.
        unsealed: names of all that is in the packet and not as sealed, or that no seal covers.
    """

    differences: tuple[Difference, ...]
    refreshed: tuple[Difference, ...]
    sealed: tuple[str, ...]
    unsealed: tuple[str, ...]


def compare_seal(seal: Seal, document: Document, attachments: Sequence[Attachment]) -> SealComparison:
    """Compare a seal with a packet as read, both ways.

    Args:
        seal: the seal.
        document: the packet's message.
        attachments: the packet's files, the seal left out.
    """
    differences, added_by_hubs = _compare_fields(seal.lasting, facts(document))
    digests = [_compute_digest(one) for one in attachments]
    differences += _compare_files(list(seal.attachments), digests)
    received = dict((*refreshed_facts(document), *_iter_descriptions(digests)))
    expected = dict((*seal.refreshed, *_iter_descriptions(seal.attachments)))
    changed = [name for name in dict.fromkeys((*expected, *received)) if expected.get(name) != received.get(name)]
    files = [f"Attachment.{number}" for number in range(1, len(digests) + 1)]
    parts = (
        f"{file}.{part}" for file, one in zip(files, attachments, strict=True) for part in list_unsealed_parts(one)
    )
    return SealComparison(
        differences=tuple(differences),
        refreshed=tuple(Difference(name, expected.get(name), received.get(name)) for name in changed)
        if seal.form > 1
        else (),
        sealed=(*dict(seal.lasting), *(name for name in received if name not in changed), *files),
        unsealed=(
            *added_by_hubs,
            *(name for name in received if name in changed),
            *list_unsealed_fields(document),
            *parts,
        ),
    )


def _iter_descriptions(files: Sequence[AttachmentDigest]) -> Iterator[tuple[str, str]]:
    named = ((f"Attachment.{number}.Description", one.description) for number, one in enumerate(files, 1))
    return ((name, description) for name, description in named if description)


def _compare_fields(
    sealed: Sequence[tuple[str, str]], received: Sequence[tuple[str, str]]
) -> tuple[list[Difference], list[str]]:
    differences: list[Difference] = []
    unsealed: list[str] = []
    if tuple(sealed) == tuple(received):
        return differences, unsealed
    sides = [_group_by_name(side) for side in (sealed, received)]
    for name in dict.fromkeys((*sides[0], *sides[1])):
        sealed_values, received_values = (side.get(name, Counter()) for side in sides)
        if not sealed_values and list(received_values.elements()) == [HUB_DEFAULTS.get(name)]:
            unsealed.append(name)
            continue
        missing, added = (
            list((sealed_values - received_values).elements()),
            list((received_values - sealed_values).elements()),
        )
        differences += [Difference(name, *pair) for pair in zip_longest(missing, added)]
    return differences, unsealed


def _group_by_name(pairs: Sequence[tuple[str, str]]) -> dict[str, Counter[str]]:
    named: dict[str, Counter[str]] = {}
    for name, value in pairs:
        named.setdefault(name, Counter())[value] += 1
    return named


def _compute_digest(attachment: Attachment) -> AttachmentDigest:
    name, description = normalise(attachment.name), normalise(attachment.description or "")
    try:
        return AttachmentDigest(name, attachment.size, attachment.sha256, description)
    except AttachmentError as error:
        # content that cannot be decoded is no content; the error's words are shown as the value received
        return AttachmentDigest(name, 0, error.message, description)


def _compare_files(sealed: list[AttachmentDigest], received: list[AttachmentDigest]) -> list[Difference]:
    if sealed == received:
        return []
    missing = list((Counter(sealed) - Counter(received)).elements())
    added = list((Counter(received) - Counter(sealed)).elements())
    if not missing and not added:
        return [Difference("AttachmentEncoded", *(", ".join(one.name for one in side) for side in (sealed, received)))]
    differences = _take_matches(missing, added, lambda one: one.name, _format_content)
    differences += _take_matches(missing, added, lambda one: one.sha256, lambda one: one.name)
    differences += [Difference(one.name, _format_content(one), None) for one in missing]
    return differences + [Difference(one.name, None, _format_content(one)) for one in added]


def _take_matches(
    missing: list[AttachmentDigest],
    added: list[AttachmentDigest],
    key: Callable[[AttachmentDigest], str],
    format_value: Callable[[AttachmentDigest], str],
) -> list[Difference]:
    """Take the pairs out of both lists that agree by the key, and give their differences."""
    by_key = {key(added[index]): index for index in reversed(range(len(added)))}
    pairs = {index: by_key.pop(key(one)) for index, one in enumerate(missing) if key(one) in by_key}
    differences = [
        Difference(missing[one].name, format_value(missing[one]), format_value(added[other]))
        for one, other in pairs.items()
    ]
    found = set(pairs.values())
    missing[:] = [one for index, one in enumerate(missing) if index not in pairs]
    added[:] = [one for index, one in enumerate(added) if index not in found]
    return differences


def _format_content(digest: AttachmentDigest) -> str:
    return f"{digest.size} B, {digest.sha256[:64]}"


# -- the seal of a status: its fields in an Object of the packet's own signature


def build_status_object(status: StatusMessage) -> etree._Element:
    """Build the Object with the fields of a status, the same of the same fields."""
    element = etree.Element(f"{_Q}Object", Id=STATUS_OBJECT_ID, nsmap={None: DS})
    seal = etree.SubElement(element, f"{{{SEAL_NS}}}Seal", nsmap={None: SEAL_NS})
    for name, value in facts(status):
        etree.SubElement(seal, f"{{{SEAL_NS}}}Field", name=name).text = value
    return element


def enveloped(signer: Signer, *, status: StatusMessage | None = None) -> EnvelopedSignature:
    """Build the maker of a packet's own signature for `edxml.write` (QCVN 102:2016, Signature).

    Enveloped, one Reference to the whole packet, exclusive canonicalisation, SHA-256, X509Data with the signer's chain.

    Args:
        signer: the key.
        status: a status to seal: a second Reference to its fields outlives hubs that rebuild packets.
    """
    return EnvelopedSignature(signer, build_status_object(status) if status is not None else None)


def find_sealed_signature(root: etree._Element) -> etree._Element | None:
    """Find the signature of a status packet that seals its fields, as it was written or as a hub copied it."""
    found = list(root.iter(*(f"{{{namespace}}}Signature" for namespace in _SIGNATURE_NAMESPACES)))
    if len(found) != 1:
        return None
    references = found[0].iter(*(f"{{{namespace}}}Reference" for namespace in _SIGNATURE_NAMESPACES))
    return found[0] if any(one.get("URI") == STATUS_URI for one in references) else None


def restore_signature(signature: etree._Element, status: StatusMessage) -> etree._Element:
    """Restore a signature that a hub copied: XML Signature's namespace, no space between elements, and the Object."""
    restored = _copy_element(signature, None)
    for element in restored.findall(f"{_Q}Object"):
        restored.remove(element)
    restored.append(build_status_object(status))
    return restored


def _copy_element(source: etree._Element, parent: etree._Element | None) -> etree._Element:
    qualified = etree.QName(source)
    tag = f"{_Q}{qualified.localname}" if qualified.namespace in _SIGNATURE_NAMESPACES else source.tag
    attributes = {str(name): str(value) for name, value in source.attrib.items()}
    copied = (
        etree.Element(tag, attributes, nsmap={None: DS})
        if parent is None
        else etree.SubElement(parent, tag, attributes)
    )
    children = [child for child in source if isinstance(child.tag, str)]
    copied.text = (source.text or "").strip() or None
    for child in children:
        _copy_element(child, copied)
        copied[-1].tail = (child.tail or "").strip() or None
    return copied
