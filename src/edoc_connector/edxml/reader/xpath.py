"""XPaths of elements, for findings and remarks."""

from __future__ import annotations

from lxml import etree


class XPathIndex:
    """XPaths of the elements of one tree, with the names' namespaces left out.

    Positions are counted once per parent: a packet with many odd elements must not cost their square.
    """

    def __init__(self) -> None:
        self._positions: dict[etree._Element, dict[etree._Element, str]] = {}

    def find_xpath(self, element: etree._Element) -> str:
        """Find the XPath of an element, with a position where it has siblings of its name."""
        steps: list[str] = []
        while (parent := element.getparent()) is not None:
            steps.append(str(etree.QName(element).localname) + self._find_position(parent, element))
            element = parent
        return "/" + "/".join([str(etree.QName(element).localname), *reversed(steps)])

    def _find_position(self, parent: etree._Element, element: etree._Element) -> str:
        if parent not in self._positions:
            by_name: dict[str, list[etree._Element]] = {}
            for child in parent.iterchildren("*"):
                by_name.setdefault(str(etree.QName(child).localname), []).append(child)
            self._positions[parent] = {
                child: f"[{position}]" if len(group) > 1 else ""
                for group in by_name.values()
                for position, child in enumerate(group, 1)
            }
        return self._positions[parent][element]
