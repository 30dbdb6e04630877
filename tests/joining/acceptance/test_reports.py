"""Results for other programs."""

from __future__ import annotations

from lxml import etree

from edoc_connector._core import Text
from edoc_connector.joining import SCENARIOS, LineOutcome, LineResult, format_junit, summarise


def _list_results() -> list[LineResult]:
    outcomes = [LineOutcome.FAIL, LineOutcome.NOT_POSSIBLE, LineOutcome.WAITING, LineOutcome.OPEN]
    outcomes += [LineOutcome.PASS] * (len(SCENARIOS) - 4)
    return [
        LineResult(scenario=scenario, outcome=outcome, text=Text("why\x1b", "vì sao"), evidence=("docId <1>",), at="")
        for scenario, outcome in zip(SCENARIOS, outcomes, strict=True)
    ]


def test_junit() -> None:
    """A line is a test case; what is not possible or waits is skipped, with the reason."""
    suite = etree.fromstring(format_junit(_list_results(), name="edoc-acceptance"))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == (str(len(SCENARIOS)), "1", "3")
    cases = suite.findall("testcase")
    assert [case.get("name", "").split()[0] for case in cases] == [scenario.id for scenario in SCENARIOS]
    assert cases[0].findtext("failure") == "why"
    assert cases[0].find("failure").get("message") == "vì sao"
    assert len(suite.findall("testcase/skipped")) == 3
    assert cases[5].findtext("system-out") == "docId <1>"


def test_counts() -> None:
    """Every outcome is counted, those that are none too."""
    passed = len(SCENARIOS) - 4
    assert summarise(_list_results()) == {"pass": passed, "fail": 1, "not-possible": 1, "waiting": 1, "open": 1}
    assert summarise([])["fail"] == 0
