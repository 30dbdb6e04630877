"""Where a packet's own signature must stand, and what must not surround it.

The signature covers the whole packet but itself. So there must be one frame to read (each part of the skeleton once, in
its place), one signature in the header, and no text that comments cut in two.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from lxml import etree

from ...edxml import ALIASES, DS
from ..reasons import Refused

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
        Refused: there is none, more than one, or it stands where it proves nothing.
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


def _check_texts(root: etree._Element) -> None:
    for node in root.iter(etree.Comment, etree.ProcessingInstruction):
        parent = node.getparent()
        if parent is not None and next(parent.iterchildren("*"), None) is None:
            raise Refused("SIG-COMMENT", _resolve_name(parent))
