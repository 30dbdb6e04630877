"""The form of a packet where a hub asks for more than the standard does: empty elements, another header."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lxml import etree

from ..message import Table
from ..names import NS


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketForm:
    """How a packet is written; the defaults are those of the standard.

    Args:
        needed_elements: paths of elements below the header's child that are written empty where they have no value,
            such as ``To/OrganAdd``. A path that a message of the kind does not have is passed over.
        status_header: the header's child of a status packet.
    """

    needed_elements: tuple[str, ...] = ()
    status_header: Literal["MessageHeader", "Status"] = "MessageHeader"


def add_needed_elements(parent: etree._Element, table: Table, paths: Sequence[str]) -> None:
    """Add the elements of paths that are not there, empty, each at its place in the table's order.

    Args:
        parent: the table's element.
        table: the table.
        paths: element names joined by ``/``.
    """
    for path in paths:
        _add_needed(parent, table, (), tuple(path.split("/")))


def _add_needed(element: etree._Element, table: Table, above: tuple[str, ...], path: tuple[str, ...]) -> None:
    order = list(dict.fromkeys(_list_children(table, above)))
    if not path or path[0] not in order:
        return
    found = [child for child in element if child.tag == f"{{{NS}}}{path[0]}"]
    inner_table, inner_above = _descend(table, (*above, path[0]))
    for child in found or [_insert(element, path[0], order)]:
        _add_needed(child, inner_table, inner_above, path[1:])


def _list_children(table: Table, above: tuple[str, ...]) -> Iterator[str]:
    """List the names of the elements in a group of a table, in the table's order."""
    depth = len(above)
    return (row.tags[depth] for row in table.rows if row.tags[:depth] == above and len(row.tags) > depth)


def _descend(table: Table, path: tuple[str, ...]) -> tuple[Table, tuple[str, ...]]:
    """Find the table, and the group in it, that an element's children belong to."""
    inner = next((row.kind for row in table.rows if row.tags == path and isinstance(row.kind, Table)), None)
    return (table, path) if inner is None else (inner, ())


def _insert(element: etree._Element, name: str, order: Sequence[str]) -> etree._Element:
    later = {f"{{{NS}}}{one}" for one in order[order.index(name) + 1 :]}
    place = next((number for number, child in enumerate(element) if child.tag in later), len(element))
    made = etree.Element(f"{{{NS}}}{name}")
    element.insert(place, made)
    return made
