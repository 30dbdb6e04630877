"""Lint of a packet of any origin: findings and broken rules with their lines, in one list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from ..finding_kinds import FINDING_KINDS
from ..findings import Finding
from ..reader import Packet, XPathIndex, iter_children
from ..severity import Severity
from .rules import Problem
from .validate import problems

_WEIGHTS = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}
_RULE_OF_FINDING = {
    "EDX-MISSING": "EDR-REQUIRED",
    "EDX-LENGTH": "EDR-LENGTH",
    "EDX-VALUE": "EDR-VALUE",
    "EDX-NULL": "EDR-NULL",
    "EDX-ORGAN-ID": "EDR-ORGAN-ID",
    "EDX-ID-FORM": "EDR-ID-FORM",
    "EDX-ID-DATE": "EDR-ID-DATE",
    "EDX-YEAR": "EDR-YEAR",
    "EDX-KEPT": "EDR-VALUE",
    "EDX-CID-TWICE": "EDR-CONTENT-ID",
    "EDX-MARK": "EDR-MARK",
}
"""Codes of findings, each with the code of the rule about the same fault."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A remark on a packet, from a finding or a broken rule.

    Args:
        code: ``EDX-…`` for a finding of the reader, ``EDR-…`` for a rule of writing that the packet breaks.
        severity: weight of the remark.
        xpath: XPath of the element, with the names' namespaces left out.
        line: line of the file, from 1, where known; for a missing element, that of its parent.
        column: column in the line, in characters, from 1, where known.
        message: message in English.
        message_vi: message in Vietnamese.
        advice: remedy in English; empty where the message states it.
        advice_vi: remedy in Vietnamese.
        clause: clause of the rule; empty for findings.
    """

    code: str
    severity: Severity
    xpath: str
    line: int | None
    column: int | None
    message: str
    message_vi: str
    advice: str = ""
    advice_vi: str = ""
    clause: str = ""


def remarks(packet: Packet, *, at: datetime) -> tuple[Remark, ...]:
    """List the remarks on a packet, by line. All attachments are decoded.

    Args:
        packet: the packet.
        at: the time to compare its dates with, aware.
    """
    found = [_build_finding_remark(one) for one in (*packet.findings, *packet.content_findings())]
    tree = _ElementFinder(packet)
    # the seal's name is forbidden for files to send; in a packet it is the seal itself
    broken = [tree.build_remark(one) for one in problems(packet.message, at=at) if one.code != "EDR-NAME"]
    return tuple(
        sorted(_merge_remarks(found, broken), key=lambda one: (one.line or 0, one.column or 0, one.xpath, one.code))
    )


def _build_finding_remark(finding: Finding) -> Remark:
    kind = FINDING_KINDS[finding.code]
    xpath = f"{finding.xpath}/{finding.seen}" if finding.code == "EDX-MISSING" else finding.xpath
    texts = (finding.message, finding.message_vi, kind.advice, kind.advice_vi)
    return Remark(finding.code, kind.severity, xpath, finding.line, finding.column, *texts)


def _merge_remarks(finding_remarks: Iterable[Remark], rule_remarks: Iterable[Remark]) -> Iterator[Remark]:
    """Merge a finding and a broken rule about the same fault into the one of greater weight."""
    rules = {(remark.code, remark.xpath): remark for remark in rule_remarks}
    for remark in finding_remarks:
        same = (_RULE_OF_FINDING.get(remark.code, ""), remark.xpath)
        if same in rules and _WEIGHTS[rules[same].severity] <= _WEIGHTS[remark.severity]:
            del rules[same]
            yield remark
        elif same not in rules:
            yield remark
    yield from rules.values()


class _ElementFinder:
    """A finder of the elements of broken rules, by the standard's names."""

    def __init__(self, packet: Packet) -> None:
        self._skeleton = packet.skeleton
        self._xpaths = XPathIndex()
        root = packet.skeleton.root
        self._top_elements: dict[str, etree._Element] = {}
        for depth in range(4):
            for name, element in _iter_at_depth(root, depth):
                self._top_elements.setdefault(name, element)
        self._attachment_elements = packet.elements
        self._children_by_name: dict[etree._Element, dict[str, list[etree._Element]]] = {}

    def build_remark(self, problem: Problem) -> Remark:
        """Build the remark for a broken rule."""
        element, rest = self._find_element(problem.xpath.split("/"))
        xpath = "/".join([self._xpaths.find_xpath(element), *rest])
        texts = (f"{problem.field} {problem.message}", f"{problem.field} {problem.message_vi}")
        return Remark(
            problem.code, problem.severity, xpath, *self._skeleton.find_position(element), *texts, clause=problem.clause
        )

    def _find_element(self, steps: list[str]) -> tuple[etree._Element, list[str]]:
        """Find the element at the end of a path, or the last existing one and the missing steps."""
        if steps[0] == "AttachmentEncoded":
            element, steps = self._attachment_elements[_parse_step(steps[1])[1] - 1], steps[2:]
        else:
            top = self._top_elements.get(steps[0])
            element, steps = (self._skeleton.root, steps) if top is None else (top, steps[1:])
        while steps:
            name, position = _parse_step(steps[0])
            alike = self._group_children(element).get(name, [])
            if len(alike) < position:
                break
            element, steps = alike[position - 1], steps[1:]
        return element, steps

    def _group_children(self, parent: etree._Element) -> dict[str, list[etree._Element]]:
        """Group children by name, without empty ones, which are not in the message and do not count."""
        if parent not in self._children_by_name:
            by_name = self._children_by_name[parent] = {}
            for name, child in iter_children(parent):
                if any(text.strip() for text in child.itertext()):
                    by_name.setdefault(name, []).append(child)
        return self._children_by_name[parent]


def _iter_at_depth(element: etree._Element, depth: int) -> Iterator[tuple[str, etree._Element]]:
    for name, child in iter_children(element):
        if depth == 0:
            yield name, child
        else:
            yield from _iter_at_depth(child, depth - 1)


def _parse_step(step: str) -> tuple[str, int]:
    found = re.fullmatch(r"(.*?)(?:\[([0-9]+)\])?", step)
    return (found.group(1), int(found.group(2) or 1)) if found else (step, 1)
