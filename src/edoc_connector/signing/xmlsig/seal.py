"""The seal, a signature over a packet's content that survives hubs which build packets anew: made, read and compared.

A small XML document, `edoc-seal.xml`, listed as the last attachment, names every field with meaning and every
attachment by the hash of its decoded content, and is signed (XAdES baseline B, or B-T with a time-stamp).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest

from lxml import etree

from ...edxml import (
    DS,
    HUB_DEFAULTS,
    VIETNAM,
    Attachment,
    AttachmentDigest,
    Document,
    SealMaker,
    facts,
    normalise,
    parse_xml,
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
from .xmldsig import NewReference, build_signature, build_signed_info, sign_signed_info

SEAL_NS = "urn:edoc-connector:seal:1"
MAX_BYTES = 1 << 20
"""Largest seal that is read."""

_S = f"{{{SEAL_NS}}}"
_SHA256 = re.compile("[0-9a-f]{64}")
_SIGNATURE_ID, _PROPERTIES_ID, _CONTENT_ID = "seal-signature", "seal-properties", "seal-content"


def seal_maker(document: Document, *, signer: Signer, at: datetime, timestamp: TimeStamping | None = None) -> SealMaker:
    """Build the function by which `edxml.write` seals a document.

    Args:
        document: the document, as it will be written.
        signer: the key.
        at: signing time, aware.
        timestamp: gets a time-stamp for the signing time, e.g. a `TimestampAuthority` (XAdES baseline B-T).

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
        root = _build_content(document, attachments, created)
        _sign_seal(root, select_signer(signer), created)
        if timestamp is not None:
            add_timestamp(root[-1], timestamp(canonicalise_signature_value(root[-1])))
        return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))

    return make_seal


def _build_content(document: Document, attachments: Sequence[AttachmentDigest], created: str) -> etree._Element:
    root = etree.Element(_S + "Seal", created=created, nsmap={None: SEAL_NS})
    for name, value in facts(document):
        etree.SubElement(root, _S + "Field", name=name).text = value
    for attachment in attachments:
        etree.SubElement(
            root,
            _S + "Attachment",
            name=normalise(attachment.name),
            size=str(attachment.size),
            sha256=attachment.sha256,
        )
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
    """

    created: str
    fields: tuple[tuple[str, str], ...]
    attachments: tuple[AttachmentDigest, ...]
    signature: etree._Element


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
    if root.tag != _S + "Seal":
        raise Refused("SEAL-VERSION", str(root.tag))
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
    count = tags.count(_S + "Field")
    if tags != [_S + "Field"] * count + [_S + "Attachment"] * (len(tags) - count):
        raise Refused("SEAL-SHAPE", "Field, Attachment, Signature")
    return Seal(
        created=root.get("created", ""),
        fields=tuple(_parse_field(child) for child in children[:count]),
        attachments=tuple(_parse_attachment(child) for child in children[count:-1]),
        signature=children[-1],
    )


def _parse_field(element: etree._Element) -> tuple[str, str]:
    name = element.get("name")
    if not name or len(element.attrib) != 1 or len(element):
        raise Refused("SEAL-SHAPE", f"Field {name}")
    return name, element.text or ""


def _parse_attachment(element: etree._Element) -> AttachmentDigest:
    name, size, digest = (element.get(key, "") for key in ("name", "size", "sha256"))
    if len(element.attrib) != 3 or len(element) or (element.text or "").strip() or not name:
        raise Refused("SEAL-SHAPE", f"Attachment {name}")
    if not _SHA256.fullmatch(digest):
        raise Refused("SEAL-SHAPE", f"Attachment {name}: sha256")
    if not (size.isascii() and size.isdigit() and len(size) <= 18):
        raise Refused("SEAL-SHAPE", f"Attachment {name}: size")
    return AttachmentDigest(name, int(size), digest)


@dataclass(frozen=True, slots=True)
class SealComparison:
    """The comparison of a seal with a packet.

    Args:
        differences: fields and attachments that are not as sealed.
        unsealed: names of fields that hubs add and the seal does not have.
    """

    differences: tuple[Difference, ...]
    unsealed: tuple[str, ...]


def compare_seal(seal: Seal, document: Document, attachments: Sequence[Attachment]) -> SealComparison:
    """Compare a seal with a packet as read, both ways.

    Args:
        seal: the seal.
        document: the packet's message.
        attachments: the packet's files, the seal left out.
    """
    differences, unsealed = _compare_fields(seal.fields, facts(document))
    differences += _compare_files(list(seal.attachments), [_compute_digest(one) for one in attachments])
    return SealComparison(tuple(differences), tuple(unsealed))


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
    try:
        return AttachmentDigest(normalise(attachment.name), attachment.size, attachment.sha256)
    except AttachmentError as error:
        # content that cannot be decoded is no content; the error's words are shown as the value received
        return AttachmentDigest(normalise(attachment.name), 0, error.message)


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
