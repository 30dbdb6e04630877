"""The element reader: values by the tables, with a finding for each deviation from them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

from lxml import etree

from ..._core import MAX_MARKS, has_too_many_marks
from ..findings import Finding, packet_error
from ..message import Kind, Row, Table
from ..names import ALIASES, DS, NAMES_WITHIN, NS, OLD_NAMESPACES, XLINK
from .fast_path import build_model, read_plain_values
from .positions import Position, XPathIndex

M = TypeVar("M")
_Path: TypeAlias = tuple[str, ...]
_FindPosition: TypeAlias = Callable[[etree._Element], Position]

MAX_FINDINGS = 10_000
"""Most findings of one packet; a packet with more is not worth reading on."""

_STANDARD_NAMESPACES = {NS, *OLD_NAMESPACES, ""}
_FRAME_PREFIXES = {"edXMLEnvelope": "edXML", "edXMLHeader": "edXML", "edXMLBody": "edXML", "AttachmentEncoded": None}
_FRAME_NAMES = {*_FRAME_PREFIXES, "edXML", "MessageHeader", "TraceHeaderList", "edXMLManifest"}
_KNOWN_ATTRIBUTES = {"version", f"{{{XLINK}}}href", f"{{{XLINK}}}role", f"{{{XLINK}}}type"}


def resolve_name(element: etree._Element) -> str:
    """Resolve an element's name to the standard's spelling, without namespace; a foreign name stays whole."""
    tag = str(element.tag)
    return _compute_name_cached(tag) if len(tag) <= _MAX_CACHED_SIZE else _compute_name(tag)


def _compute_name(tag: str) -> str:
    namespace, _, local = tag.lstrip("{").rpartition("}")
    spelt = ALIASES.get(local, local)
    ours = namespace in _STANDARD_NAMESPACES or (namespace == DS and spelt == "Signature")
    return spelt if ours else tag


_compute_name_cached = lru_cache(512)(_compute_name)
_MAX_CACHED_SIZE = 128  # characters; a stranger's endless names shall not fill the memory


def iter_children(parent: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    """Iterate over child elements with their names, as `resolve_name` gives them."""
    return ((resolve_name(child), child) for child in parent.iterchildren("*"))


def is_displaced(name: str, element: etree._Element) -> bool:
    """Tell whether an element is one of those that are read wherever some systems put them."""
    if name == "Bussiness":  # one without a type is somebody's own
        return any(one == "BussinessDocType" for one, _ in iter_children(element))
    return name == "TraceHeaderList"


class ElementReader:
    """A reader of one packet's elements that collects findings on the way.

    Args:
        findings: findings of earlier passes.
        format_excerpt: makes a text of the packet fit for a message.
        find_position: finds the line and column of an element.
    """

    def __init__(
        self, findings: Iterable[Finding], *, format_excerpt: Callable[[str], str], find_position: _FindPosition
    ) -> None:
        self.findings = list(findings)
        self.unknown_elements: list[etree._Element] = []
        self.ambiguous: dict[str, str] = {}
        """Elements that readers take differently: names as seals have them, and the text that was not taken."""
        self.find_position = find_position
        self._format_excerpt = format_excerpt
        self._namespaces: set[str] = set()
        self._has_odd_prefix = False
        self._xpaths = XPathIndex()
        self._prefixes: dict[etree._Element, str | None] = {}

    def report(self, code: str, element: etree._Element, seen: str = "", understood: str = "") -> None:
        """Add a finding about an element.

        Args:
            code: code of `FINDING_KINDS`.
            element: the element.
            seen: the text or name in the packet.
            understood: the reading of it.
        """
        if len(self.findings) < MAX_FINDINGS:
            place = self._xpaths.find_xpath(element)
            words = self._format_excerpt(seen), self._format_excerpt(understood)
            self.findings.append(Finding(code, place, *words, *self.find_position(element)))
        elif len(self.findings) == MAX_FINDINGS:
            self.findings.append(Finding("EDX-MANY", "/*", str(MAX_FINDINGS)))

    def check_name(self, element: etree._Element) -> None:
        """Report a spelling, namespace, prefix or attribute that is not the standard's."""
        namespace, _, name = str(element.tag).lstrip("{").rpartition("}")
        if namespace not in (NS, DS) and namespace not in self._namespaces:
            self._namespaces.add(namespace)
            self.report("EDX-NAMESPACE", element, namespace or "''")
        if namespace == NS and not self._has_odd_prefix and element.prefix != self._find_usual_prefix(element):
            self._has_odd_prefix = True
            self.report("EDX-PREFIX-FORM", element, name)
        if name in ALIASES:
            self.report("EDX-NAME", element, name, ALIASES[name])
        for attribute, value in element.attrib.items():
            if str(attribute) not in _KNOWN_ATTRIBUTES:
                self.report("EDX-ATTRIBUTE", element, f'{attribute}="{value}"')

    def _find_usual_prefix(self, element: etree._Element) -> str | None:
        """Find the prefix that the standard writes: edXML in the envelope, none around and behind it."""
        name = resolve_name(element)
        parent = element.getparent()
        if name in _FRAME_PREFIXES or parent is None:
            return _FRAME_PREFIXES.get(name)
        if parent not in self._prefixes:
            self._prefixes[parent] = self._find_usual_prefix(parent)
        return self._prefixes[parent]

    def report_unknown(self, element: etree._Element) -> None:
        """Keep and report an element that no table has, with all its text, while there is room for findings."""
        if len(self.findings) > MAX_FINDINGS:
            return
        self.unknown_elements.append(element)
        attributes = "".join(f' {name}="{value}"' for name, value in element.attrib.items())
        description = f"{etree.QName(element).localname}{attributes}: {_join_all_text(element)}".removesuffix(": ")
        self.report("EDX-UNKNOWN", element, description)

    def report_repeated(self, element: etree._Element) -> None:
        """Report a second element where only one may occur, with all its text."""
        self.note_ambiguous(element)
        self.report("EDX-REPEATED", element, _join_all_text(element))

    def note_ambiguous(self, element: etree._Element, name: str = "") -> None:
        """Note that readers differ on an element: which of several counts, or whether it counts.

        Args:
            element: the element.
            name: its name in a seal, where that is not its place in the packet.
        """
        name = name or _find_seal_name(element)
        # however many findings there are: nothing of such a packet counts as signed
        if name not in self.ambiguous and len(self.ambiguous) < MAX_FINDINGS:
            self.ambiguous[name] = self._format_excerpt(_join_all_text(element))

    def note_foreign(self, element: etree._Element, known_names: Collection[str]) -> None:
        """Note an element of another namespace that readers which go by local names take for one of the standard's."""
        local = etree.QName(element).localname
        if ALIASES.get(local, local) in known_names:
            self.note_ambiguous(element)

    def report_stray_text(self, parent: etree._Element) -> None:
        """Report text between elements."""
        text = " ".join(_join_own_text(parent).split())
        if text:
            self.report("EDX-TEXT", parent, text)

    def read_model(self, table: Table, parent: etree._Element, kind: type[M]) -> M:
        """Read a table into its model."""
        return build_model(kind, self.read_values(table, parent))

    def read_values(self, table: Table, parent: etree._Element) -> dict[str, Any]:
        """Read the children of an element, by attribute of the model; empty ones are left out."""
        plain = read_plain_values(table, parent, self._find_usual_prefix(parent))
        return self._read_closely(table, parent) if plain is None else plain

    def _read_closely(self, table: Table, parent: etree._Element) -> dict[str, Any]:
        """Read the children of an element with a look at every detail, and report deviations."""
        rows, groups = table.paths, table.groups
        found: dict[str, list[Any]] = {}
        empty_elements: dict[str, etree._Element] = {}
        seen_indexes: list[int] = []
        for path, element in self._walk(parent, (), rows.keys(), groups):
            index, row = rows[path]
            seen_indexes.append(index)
            value = self._read_value(row, element)
            if not row.many and (row.attr in found or (value is None and row.attr in empty_elements)):
                self.report_repeated(element)
            elif value is None:
                empty_elements.setdefault(row.attr, element)
            else:
                if not row.many and row.attr in empty_elements:
                    self.report_repeated(empty_elements[row.attr])
                found.setdefault(row.attr, []).append(value)
        if seen_indexes != sorted(seen_indexes):
            self.report("EDX-ORDER", parent, etree.QName(parent).localname)
        for row in table.rows:
            if row.required and row.attr not in found:
                self.report("EDX-MISSING", parent, row.path)
        return {attr: tuple(items) if attr in table.many else items[0] for attr, items in found.items()}

    def _walk(
        self, parent: etree._Element, above: _Path, paths: Collection[_Path], groups: Collection[_Path]
    ) -> Iterator[tuple[_Path, etree._Element]]:
        """Iterate over the elements of the table's rows, also in groups that hold only other elements."""
        self.report_stray_text(parent)
        seen_groups: set[str] = set()
        names_within = NAMES_WITHIN.get(resolve_name(parent), {})
        for name, child in iter_children(parent):
            path = (*above, name)
            if name in names_within and path not in paths:
                path = (*above, names_within[name])
                self.report("EDX-NAME", child, name, names_within[name])
            if path in paths:
                self.check_name(child)
                yield path, child
            elif path in groups:
                self._check_group(child, name, seen_groups)
                yield from self._walk(child, path, paths, groups)
            elif is_displaced(name, child):
                self.report("EDX-PLACE", child, name, etree.QName(parent).localname)
            else:
                self.note_foreign(child, [known[len(above)] for known in paths if known[: len(above)] == above])
                self.report_unknown(child)

    def _check_group(self, group: etree._Element, name: str, seen_groups: set[str]) -> None:
        self.check_name(group)
        if name in seen_groups:
            self.note_ambiguous(group)
        if not _join_all_text(group):
            self.report("EDX-EMPTY", group, name)
        elif name in seen_groups:
            self.report("EDX-GROUP", group, name)
        seen_groups.add(name)

    def _refuse_endless_marks(self, element: etree._Element, text: str) -> None:
        """Refuse a text that takes time beyond its length to normalise (UAX #15, stream-safe text).

        Raises:
            PacketError: more marks stand in a row than any language writes.
        """
        if has_too_many_marks(text):
            words = "combining marks in a row", "dấu kết hợp liên tiếp"
            raise packet_error("EDX-LIMIT", *words, understood=str(MAX_MARKS), position=self.find_position(element))

    def _read_value(self, row: Row, element: etree._Element) -> Any:
        if isinstance(row.kind, Table):
            values = self.read_values(row.kind, element) if _join_all_text(element) else {}
            if values:
                return build_model(row.kind.model, values)
            self.report("EDX-EMPTY", element, row.tags[-1])
            return None
        text = self._read_text(element)
        if text is None:
            return None
        self._refuse_endless_marks(element, text)
        return self._parse_value(row, row.kind, element, text)

    def _parse_value(self, row: Row, kind: Kind, element: etree._Element, text: str) -> Any:
        if row.limit is not None and len(text) > row.limit:
            self.report("EDX-LENGTH", element, str(len(text)), str(row.limit))
        value = kind.read(text)
        if value is None:
            self.report(kind.odd_finding, element, text)
            return text if kind.keeps_text else None
        if (written := kind.write(value)) != text:
            self.report(kind.form_finding, element, text, written)
        if kind.find_doubt is not None and (doubt := kind.find_doubt(text)):
            self.report(doubt, element, text)
        return value

    def _read_text(self, element: etree._Element) -> str | None:
        """Read the text of a leaf, None where it stands for no value; report anything else inside."""
        whole = _join_own_text(element)
        text = whole.strip()
        has_children = len(element) > 0
        if has_children and next(element.iterchildren("*"), None) is not None:
            self.report("EDX-NESTED", element, _join_all_text(element))
        elif has_children and text:
            self.report("EDX-COMMENT", element, understood=text)
        if not text:
            self.report("EDX-EMPTY", element, etree.QName(element).localname)
            return None
        if text == "null":
            self.report("EDX-NULL", element, text)
            return None
        if text != whole:
            self.report("EDX-SPACE", element)
        return text


def _find_seal_name(element: etree._Element) -> str:
    """Find the name that an element's place has in a seal: the path without the packet's frame."""
    names = (etree.QName(one).localname for one in (element, *element.iterancestors()))
    path = [ALIASES.get(name, name) for name in names]
    kept = [name for name in path if name not in _FRAME_NAMES]
    return ".".join(reversed(kept)) or path[0]


def _join_own_text(element: etree._Element) -> str:
    """Join an element's own characters across comments, instructions and children."""
    if not len(element):  # most hold nothing but their text
        return element.text or ""
    return (element.text or "") + "".join(child.tail or "" for child in element)


def _join_all_text(element: etree._Element) -> str:
    """Join all text of an element and its descendants in one line."""
    return " ".join("".join(_iter_texts(element)).split())


def _iter_texts(element: etree._Element) -> Iterator[str]:
    """Iterate over all text below an element, without comments and instructions, with a space between elements."""
    yield element.text or ""
    for child in element:
        if isinstance(child.tag, str):
            yield " "
            yield from _iter_texts(child)
            yield " "
        yield child.tail or ""
