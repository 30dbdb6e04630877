"""Reading elements by the table: values, and findings about everything that is not as the table has it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

from lxml import etree

from ..findings import Finding
from ..message.table import Row, Table
from ..message.values import Kind
from ..names import ALIASES, DS, NS, OLD_NAMESPACES, XLINK
from .fast_path import build, plain_values
from .positions import Position
from .xpath import Places

M = TypeVar("M")
_Path: TypeAlias = tuple[str, ...]
_PositionOf: TypeAlias = Callable[[etree._Element], Position]

MOST_FINDINGS = 10_000
"""Findings listed of one packet; a packet with more is not worth reading on."""

_OURS = {NS, *OLD_NAMESPACES, ""}
_PARTS = {"edXMLEnvelope": "edXML", "edXMLHeader": "edXML", "edXMLBody": "edXML", "AttachmentEncoded": None}
_KNOWN_ATTRIBUTES = {"version", f"{{{XLINK}}}href", f"{{{XLINK}}}role", f"{{{XLINK}}}type"}


def name_of(element: etree._Element) -> str:
    """An element's name without namespace in the standard's spelling; a foreign element's name in full."""
    tag = str(element.tag)
    return _spelt(tag) if len(tag) <= _KEPT_SIZE else _spelling(tag)


def _spelling(tag: str) -> str:
    namespace, _, local = tag.lstrip("{").rpartition("}")
    spelt = ALIASES.get(local, local)
    ours = namespace in _OURS or (namespace == DS and spelt == "Signature")
    return spelt if ours else tag


_spelt = lru_cache(512)(_spelling)
_KEPT_SIZE = 128  # characters; a stranger's endless names shall not fill the memory


def children(parent: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    """Child elements with their names as `name_of` gives them."""
    return ((name_of(child), child) for child in parent.iterchildren("*"))


class Reading:
    """The reading of one packet: collects findings on the way.

    Args:
        findings: those made before.
        shown: makes a text of the packet fit for a message.
        position: the line and column that an element stands at.
    """

    def __init__(self, findings: Iterable[Finding], *, shown: Callable[[str], str], position: _PositionOf) -> None:
        self.findings = list(findings)
        self.unknowns: list[etree._Element] = []
        self.position = position
        self._shown = shown
        self._namespaces: set[str] = set()
        self._odd_prefix = False
        self._places = Places()
        self._prefixes: dict[etree._Element, str | None] = {}

    def add(self, code: str, element: etree._Element, seen: str = "", understood: str = "") -> None:
        """Report something about an element."""
        if len(self.findings) < MOST_FINDINGS:
            place = self._places.xpath(element)
            words = self._shown(seen), self._shown(understood)
            self.findings.append(Finding(code, place, *words, *self.position(element)))
        elif len(self.findings) == MOST_FINDINGS:
            self.findings.append(Finding("EDX-MANY", "/*", str(MOST_FINDINGS)))

    def check_name(self, element: etree._Element) -> None:
        """Report a spelling or namespace that is not the standard's, and attributes it does not have."""
        namespace, _, name = str(element.tag).lstrip("{").rpartition("}")
        if namespace not in (NS, DS) and namespace not in self._namespaces:
            self._namespaces.add(namespace)
            self.add("EDX-NAMESPACE", element, namespace or "''")
        if namespace == NS and not self._odd_prefix and element.prefix != self._usual_prefix(element):
            self._odd_prefix = True
            self.add("EDX-PREFIX-FORM", element, name)
        if name in ALIASES:
            self.add("EDX-NAME", element, name, ALIASES[name])
        for attribute, value in element.attrib.items():
            if str(attribute) not in _KNOWN_ATTRIBUTES:
                self.add("EDX-ATTRIBUTE", element, f'{attribute}="{value}"')

    def _usual_prefix(self, element: etree._Element) -> str | None:
        """The prefix that the standard writes: edXML in the envelope, none around and behind it."""
        name = name_of(element)
        parent = element.getparent()
        if name in _PARTS or parent is None:
            return _PARTS.get(name)
        if parent not in self._prefixes:
            self._prefixes[parent] = self._usual_prefix(parent)
        return self._prefixes[parent]

    def unknown(self, element: etree._Element) -> None:
        """Keep and report an element that no table has, with everything it says, while there is room for findings."""
        if len(self.findings) > MOST_FINDINGS:
            return
        self.unknowns.append(element)
        attributes = "".join(f' {name}="{value}"' for name, value in element.attrib.items())
        said = f"{etree.QName(element).localname}{attributes}: {_joined(element)}".removesuffix(": ")
        self.add("EDX-UNKNOWN", element, said)

    def repeated(self, element: etree._Element) -> None:
        """Report an element that may occur once and was met before, with everything it says."""
        self.add("EDX-REPEATED", element, _joined(element))

    def stray_text(self, parent: etree._Element) -> None:
        """Report text between elements."""
        text = " ".join(_own_text(parent).split())
        if text:
            self.add("EDX-TEXT", parent, text)

    def model(self, table: Table, parent: etree._Element, kind: type[M]) -> M:
        """Read a table into its model."""
        return build(kind, self.values(table, parent))

    def values(self, table: Table, parent: etree._Element) -> dict[str, Any]:
        """Read the children of an element, by attribute of the model; what says nothing is left out."""
        plain = plain_values(table, parent, self._usual_prefix(parent))
        return self._closely(table, parent) if plain is None else plain

    def _closely(self, table: Table, parent: etree._Element) -> dict[str, Any]:
        """The same for an element in which something may have to be reported."""
        rows, groups = table.paths, table.groups
        found: dict[str, list[Any]] = {}
        met: list[int] = []
        for path, element in self._walk(parent, (), rows.keys(), groups):
            index, row = rows[path]
            met.append(index)
            value = self._value(row, element)
            if value is None:
                continue
            if row.attr in found and not row.many:
                self.repeated(element)
            else:
                found.setdefault(row.attr, []).append(value)
        if met != sorted(met):
            self.add("EDX-ORDER", parent, etree.QName(parent).localname)
        for row in table.rows:
            if row.required and row.attr not in found:
                self.add("EDX-MISSING", parent, row.path)
        return {attr: tuple(items) if attr in table.many else items[0] for attr, items in found.items()}

    def _walk(
        self, parent: etree._Element, above: _Path, paths: Collection[_Path], groups: Collection[_Path]
    ) -> Iterator[tuple[_Path, etree._Element]]:
        """The elements that rows stand for, through the groups that only hold others."""
        self.stray_text(parent)
        met: set[str] = set()
        for name, child in children(parent):
            path = (*above, name)
            if path in paths:
                self.check_name(child)
                yield path, child
            elif path in groups:
                self._check_group(child, name, met)
                yield from self._walk(child, path, paths, groups)
            else:
                self.unknown(child)

    def _check_group(self, group: etree._Element, name: str, met: set[str]) -> None:
        self.check_name(group)
        if not _joined(group):
            self.add("EDX-EMPTY", group, name)
        elif name in met:
            self.add("EDX-GROUP", group, name)
        met.add(name)

    def _value(self, row: Row, element: etree._Element) -> Any:
        if isinstance(row.kind, Table):
            values = self.values(row.kind, element) if _joined(element) else {}
            if values:
                return build(row.kind.model, values)
            self.add("EDX-EMPTY", element, row.tags[-1])
            return None
        text = self._text(element)
        return None if text is None else self._read(row, row.kind, element, text)

    def _read(self, row: Row, kind: Kind, element: etree._Element, text: str) -> Any:
        if row.limit is not None and len(text) > row.limit:
            self.add("EDX-LENGTH", element, str(len(text)), str(row.limit))
        value = kind.read(text)
        if value is None:
            self.add("EDX-VALUE", element, text)
            return text if kind.keep else None
        if (written := kind.write(value)) != text:
            self.add(kind.form, element, text, written)
        if doubt := kind.doubt(text):
            self.add(doubt, element, text)
        return value

    def _text(self, element: etree._Element) -> str | None:
        """The text of a leaf, None where it stands for no value; whatever else is inside is reported."""
        whole = _own_text(element)
        text = whole.strip()
        inside = list(element) if len(element) else ()
        if inside and any(isinstance(child.tag, str) for child in inside):
            self.add("EDX-NESTED", element, _joined(element))
        elif inside and text:
            self.add("EDX-COMMENT", element, understood=text)
        if not text:
            self.add("EDX-EMPTY", element, etree.QName(element).localname)
            return None
        if text == "null":
            self.add("EDX-NULL", element, text)
            return None
        if text != whole:
            self.add("EDX-SPACE", element)
        return text


def _own_text(element: etree._Element) -> str:
    """An element's own characters, joined across comments, instructions and children."""
    if not len(element):  # most hold nothing but their text
        return element.text or ""
    return (element.text or "") + "".join(child.tail or "" for child in element)


def _joined(element: etree._Element) -> str:
    """Everything an element and those in it say, in one line."""
    return " ".join("".join(_texts(element)).split())


def _texts(element: etree._Element) -> Iterator[str]:
    """All characters below an element, comments and instructions left out, a space between elements."""
    yield element.text or ""
    for child in element:
        if isinstance(child.tag, str):
            yield " "
            yield from _texts(child)
            yield " "
        yield child.tail or ""
