"""The results of a run for other programs: JUnit, and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lxml import etree

from .outcomes import LineOutcome
from .run import LineResult

_SKIPPED = (LineOutcome.NOT_POSSIBLE, LineOutcome.WAITING, LineOutcome.OPEN)


def summarise(results: Sequence[LineResult]) -> dict[str, int]:
    """Count the lines by their outcomes."""
    counts = Counter(one.outcome.value for one in results)
    return {outcome.value: counts[outcome.value] for outcome in LineOutcome}


def format_junit(results: Sequence[LineResult], *, name: str) -> bytes:
    """Format results as JUnit's XML, as test servers read it.

    Args:
        results: the lines.
        name: of the suite.
    """
    failures = sum(one.outcome is LineOutcome.FAIL for one in results)
    skipped = sum(one.outcome in _SKIPPED for one in results)
    suite = etree.Element(
        "testsuite", name=name, tests=str(len(results)), failures=str(failures), errors="0", skipped=str(skipped)
    )
    for one in results:
        case = etree.SubElement(
            suite,
            "testcase",
            classname=f"{name}.{one.scenario.id[0]}",
            name=f"{one.scenario.id} {one.scenario.title.vi}",
        )
        if one.outcome is LineOutcome.FAIL:
            etree.SubElement(case, "failure", message=_clean(one.text.vi)).text = _clean(one.text.en)
        elif one.outcome in _SKIPPED:
            etree.SubElement(case, "skipped", message=f"{one.outcome.vi}: {_clean(one.text.vi)}")
        if one.evidence:
            etree.SubElement(case, "system-out").text = _clean("\n".join(one.evidence))
    return etree.tostring(suite, xml_declaration=True, encoding="utf-8", pretty_print=True)


def _clean(text: str) -> str:
    """Leave out what XML cannot hold."""
    return "".join(char for char in text if char in "\n\t" or char.isprintable())
