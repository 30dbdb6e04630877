"""Canonicalisation of elements in memory, bounded in time and memory.

`lxml.etree.tostring(element, method="c14n")` on a part of a tree writes a false ``xmlns=""`` where the part stands in a
default namespace. So a part is made a document of its own first: serialised with the namespaces it inherits, parsed
again, and given the ``xml:`` attributes that inclusive canonicalisation inherits too (Canonical XML 1.0, 2.4).
"""

from __future__ import annotations

from lxml import etree

from ...edxml import Limits, parse_scanned
from ...errors import PacketError
from ..reasons import Refused

XML_NS = "{http://www.w3.org/XML/1998/namespace}"
MAX_NAMESPACES = 32
"""Most namespaces in scope at one element: inclusive canonicalisation takes quadratic time in them."""
MAX_NAMESPACE_LETTERS = 1024
"""Most characters of the namespaces in scope at one element: exclusive canonicalisation writes them at each sibling."""
_MAX_DEPTH = Limits().depth


def canonicalise(element: etree._Element, *, exclusive: bool, exclude: etree._Element | None = None) -> bytes:
    """Canonicalise an element, or the whole document where it is the root (Canonical XML 1.0, without comments).

    Args:
        element: the element; it is not changed.
        exclusive: Exclusive XML Canonicalization 1.0 instead of the inclusive one.
        exclude: an element inside it to leave out, as the enveloped-signature transform does.

    Returns:
        The canonical form, UTF-8.

    Raises:
        Refused: the element has no canonical form.
    """
    _check_depth(element)
    check_namespace_bounds(element)
    is_whole_document = exclude is None and element.getparent() is None
    own = element if is_whole_document else _copy_as_document(element, inherit_attributes=not exclusive)
    if exclude is not None:
        _remove_element(_find_counterpart(own, element, exclude))
    try:
        form: bytes = etree.tostring(own.getroottree(), method="c14n", exclusive=exclusive, with_comments=False)
    except etree.C14NError as error:
        raise Refused("SIG-CANONICAL", str(error)) from None
    return form


def check_namespace_bounds(element: etree._Element) -> None:
    """Refuse a tree with more namespaces in scope at once, or longer ones, than any packet needs.

    Raises:
        Refused: there are more, or longer ones.
    """
    parent = element.getparent()
    lengths = [] if parent is None else [len(uri) for uri in parent.nsmap.values()]
    most, letters, most_letters = len(lengths), sum(lengths), sum(lengths)
    for _, declared in etree.iterwalk(element, events=("start-ns", "end-ns")):
        if declared is not None:  # events of an end carry nothing
            lengths.append(len(declared[1]))
            letters += lengths[-1]
            most, most_letters = max(most, len(lengths)), max(most_letters, letters)
        else:
            letters -= lengths.pop()
    if most > MAX_NAMESPACES:
        raise Refused("SIG-NAMESPACES", str(MAX_NAMESPACES))
    if most_letters > MAX_NAMESPACE_LETTERS:
        raise Refused("SIG-CANONICAL", f"> {MAX_NAMESPACE_LETTERS} characters of namespaces")


def _check_depth(element: etree._Element) -> None:
    """Refuse a tree deeper than the reader lets through: a tree built in memory may be."""
    depth = 0
    for event, _ in etree.iterwalk(element, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > _MAX_DEPTH:
            raise Refused("SIG-CANONICAL", f"> {_MAX_DEPTH} nested elements")


def _copy_as_document(element: etree._Element, *, inherit_attributes: bool) -> etree._Element:
    parent = element.getparent()
    whole = etree.tostring(element.getroottree() if parent is None else element, with_tail=False)
    try:
        own = parse_scanned(whole)
    except PacketError as error:
        raise Refused("SIG-CANONICAL", error.message) from None
    # exclusive canonicalisation leaves the ancestors' xml: attributes out (Exclusive XML Canonicalization 1.0, 3)
    for ancestor in element.iterancestors() if inherit_attributes else ():
        for name, value in ancestor.attrib.items():
            if name.startswith(XML_NS) and name not in own.attrib:
                own.set(name, value)
    return own


def _find_counterpart(own: etree._Element, original: etree._Element, inside: etree._Element) -> etree._Element:
    steps = []
    while inside is not original:
        parent = require_parent(inside)
        steps.append(parent.index(inside))
        inside = parent
    for step in reversed(steps):
        own = own[step]
    return own


def _remove_element(element: etree._Element) -> None:
    """Remove an element and keep the text behind it."""
    parent, previous = require_parent(element), element.getprevious()
    if previous is not None:
        previous.tail = (previous.tail or "") + (element.tail or "")
    else:
        parent.text = (parent.text or "") + (element.tail or "")
    parent.remove(element)


def require_parent(element: etree._Element) -> etree._Element:
    """Return the element that holds another.

    Raises:
        ValueError: the element is a root.
    """
    parent = element.getparent()
    if parent is None:
        raise ValueError("a root has no parent")
    return parent
