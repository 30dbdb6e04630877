"""All there is to say about a packet of any origin: findings and broken rules, each with its line, in one list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from ..findings import KINDS, Finding, Severity
from ..reader.elements import children
from ..reader.packet import Packet
from ..reader.xpath import Places
from .rules import Problem
from .validate import problems

_WEIGHT = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}
_SAME = {
    "EDX-MISSING": "EDR-REQUIRED",
    "EDX-LENGTH": "EDR-LENGTH",
    "EDX-VALUE": "EDR-VALUE",
    "EDX-NULL": "EDR-NULL",
    "EDX-ORGAN-ID": "EDR-ORGAN-ID",
    "EDX-ID-FORM": "EDR-ID-FORM",
    "EDX-ID-DATE": "EDR-ID-DATE",
    "EDX-CID-TWICE": "EDR-CONTENT-ID",
}
"""Findings, and the rules that say the same of an element."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing about a packet.

    Args:
        code: ``EDX-…`` for what reading found, ``EDR-…`` for a rule of writing that the packet breaks.
        severity: how much it weighs.
        xpath: where, with the names' namespaces left out.
        line: line of the file, from 1, where known; for what is missing, that of the element it is missing in.
        column: column in the line, in characters, from 1, where known.
        message: what is wrong, in English.
        message_vi: the same in Vietnamese.
        advice: what to do about it, in English; empty where the message says it.
        advice_vi: the same in Vietnamese.
        clause: where the rule stands; empty for findings.
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
    """List what is to be said about a packet, by line. All attachments are decoded.

    Args:
        packet: the packet.
        at: the time to hold its dates against, aware.
    """
    found = [_of_finding(one) for one in (*packet.findings, *packet.content_findings())]
    tree = _Tree(packet)
    # a seal's name is taken for files to be sent; in a packet it is the seal
    broken = [tree.remark(one) for one in problems(packet.message, at=at) if one.code != "EDR-NAME"]
    return tuple(sorted(_once(found, broken), key=lambda one: (one.line or 0, one.column or 0, one.xpath, one.code)))


def _of_finding(one: Finding) -> Remark:
    kind = KINDS[one.code]
    xpath = f"{one.xpath}/{one.seen}" if one.code == "EDX-MISSING" else one.xpath
    said = (one.message, one.message_vi, kind.advice, kind.advice_vi)
    return Remark(one.code, kind.severity, xpath, one.line, one.column, *said)


def _once(found: Iterable[Remark], broken: Iterable[Remark]) -> Iterator[Remark]:
    """What a finding and a rule both say is said once, with the greater weight."""
    rules = {(one.code, one.xpath): one for one in broken}
    for one in found:
        same = (_SAME.get(one.code, ""), one.xpath)
        if same in rules and _WEIGHT[rules[same].severity] <= _WEIGHT[one.severity]:
            del rules[same]
            yield one
        elif same not in rules:
            yield one
    yield from rules.values()


class _Tree:
    """Finds the elements that rules speak of, by the standard's names for them."""

    def __init__(self, packet: Packet) -> None:
        self._skeleton = packet.skeleton
        self._places = Places()
        root = packet.skeleton.root
        self._tops: dict[str, etree._Element] = {}
        for depth in range(4):
            for name, element in _below(root, depth):
                self._tops.setdefault(name, element)
        self._encoded = packet.elements
        self._known: dict[etree._Element, dict[str, list[etree._Element]]] = {}

    def remark(self, one: Problem) -> Remark:
        """The remark for a broken rule."""
        element, rest = self._find(one.xpath.split("/"))
        xpath = "/".join([self._places.xpath(element), *rest])
        said = (f"{one.field} {one.message}", f"{one.field} {one.message_vi}")
        return Remark(one.code, one.severity, xpath, *self._skeleton.position(element), *said, clause=one.clause)

    def _find(self, steps: list[str]) -> tuple[etree._Element, list[str]]:
        """The element at the end of a path, or the last that is there, and what is missing."""
        if steps[0] == "AttachmentEncoded":
            element, steps = self._encoded[_position(steps[1])[1] - 1], steps[2:]
        else:
            top = self._tops.get(steps[0])
            element, steps = (self._skeleton.root, steps) if top is None else (top, steps[1:])
        while steps:
            name, position = _position(steps[0])
            alike = self._saying(element).get(name, [])
            if len(alike) < position:
                break
            element, steps = alike[position - 1], steps[1:]
        return element, steps

    def _saying(self, parent: etree._Element) -> dict[str, list[etree._Element]]:
        """Children by name; those that say nothing are not in the message, and do not count."""
        if parent not in self._known:
            known = self._known[parent] = {}
            for name, child in children(parent):
                if any(text.strip() for text in child.itertext()):
                    known.setdefault(name, []).append(child)
        return self._known[parent]


def _below(element: etree._Element, depth: int) -> Iterator[tuple[str, etree._Element]]:
    for name, child in children(element):
        if depth == 0:
            yield name, child
        else:
            yield from _below(child, depth - 1)


def _position(step: str) -> tuple[str, int]:
    found = re.fullmatch(r"(.*?)(?:\[([0-9]+)\])?", step)
    return (found.group(1), int(found.group(2) or 1)) if found else (step, 1)
