"""The seal of a status packet: a second Reference of the packet's own signature, to the status's fields.

A status has no attachments that could carry a seal. Hubs that rebuild packets copy the parts of a Signature into their
own namespace: methods, References, digests, the value and one certificate, and drop its Object. So the fields stand in
an Object, which any verifier finds as long as the packet is as it was written, and which is built anew of the status
where a hub has dropped it.
"""

from __future__ import annotations

from lxml import etree

from ...edxml import DS, NS, StatusMessage, facts
from ..signer import Signer
from .seal import SEAL_NS
from .xmldsig import EnvelopedSignature

OBJECT_ID = "edoc-seal"
REFERENCE_URI = f"#{OBJECT_ID}"
_Q = f"{{{DS}}}"
_NAMESPACES = (DS, NS)


def build_status_object(status: StatusMessage) -> etree._Element:
    """Build the Object with the fields of a status, the same of the same fields."""
    element = etree.Element(f"{_Q}Object", Id=OBJECT_ID, nsmap={None: DS})
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
    found = list(root.iter(*(f"{{{namespace}}}Signature" for namespace in _NAMESPACES)))
    if len(found) != 1:
        return None
    references = found[0].iter(*(f"{{{namespace}}}Reference" for namespace in _NAMESPACES))
    return found[0] if any(one.get("URI") == REFERENCE_URI for one in references) else None


def restore_signature(signature: etree._Element, status: StatusMessage) -> etree._Element:
    """Restore a signature that a hub copied: XML Signature's namespace, no space between elements, and the Object."""
    restored = _copy_element(signature, None)
    for element in restored.findall(f"{_Q}Object"):
        restored.remove(element)
    restored.append(build_status_object(status))
    return restored


def _copy_element(source: etree._Element, parent: etree._Element | None) -> etree._Element:
    qualified = etree.QName(source)
    tag = f"{_Q}{qualified.localname}" if qualified.namespace in _NAMESPACES else source.tag
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
