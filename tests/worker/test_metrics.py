"""The metrics and the alert rules are what a worker really tells, and what the page and the file say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import CHECKS
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import ALERT_RULES, METRICS, Worker, serve_health

if TYPE_CHECKING:
    from tests.worker.conftest import Office, WorkerOf

_ROOT = Path(__file__).parents[2]
_RULES = _ROOT / "examples" / "monitoring" / "edoc_alerts.yml"
_PAGE = _ROOT / "docs" / "monitoring.md"
_METRIC_NAME = re.compile(r"\bedoc_[a-z_]+\b")


def _get(worker: Worker, path: str) -> str:
    with (
        serve_health(worker, "127.0.0.1", 0) as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer,
    ):
        text: str = answer.read().decode()
    return text


@pytest.fixture
def tried(office: Office, worker: WorkerOf, hub: RunningHub, tmp_path: Path) -> Worker:
    """A worker that received, failed once, and found a secret that others can read."""
    office("H29.05").send(sample_document())
    one = worker("G22", worker={"watch": 0.01})  # so that it also looks at what calls the hub
    (tmp_path / "G22" / "secret").chmod(0o644)
    one.run_once(rounds=3)
    one.metrics.count_failure("G22")
    one.agency_jobs[0].checks.run()
    return one


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_every_metric_is_told_as_it_is_defined(tried: Worker) -> None:
    """/metrics has each metric of the table with its kind, its labels and its help in both languages, and no other."""
    text = _get(tried, "/metrics")
    samples = re.findall(r"^(\w+)\{([^}]*)\} ", text, re.MULTILINE)
    assert {name for name, _ in samples} == set(METRICS) - {"edoc_hub_next_try"}, "told while the hub fails only"
    for name, labels in samples:
        assert set(re.findall(r'(\w+)="', labels)) == set(METRICS[name].labels)
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    assert kinds == {name: metric.kind.value for name, metric in METRICS.items()}
    for metric in METRICS.values():
        assert f"# HELP {metric.name} {metric.help.en} / {metric.help.vi}\n" in text


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_checks_are_counted(tried: Worker) -> None:
    """A condition that is there is 1, any other 0; open things are told by kind (alarms, points 7 and 8)."""
    text = _get(tried, "/metrics")
    found = dict(re.findall(r'^edoc_check\{agency="G22",code="([A-Z-]+)",severity="\w+"\} (\S+)$', text, re.MULTILINE))
    assert set(found) == {check.code for check in CHECKS}
    assert {code for code, value in found.items() if float(value)} == {"CHK-SECRET-MODES"}
    kinds = set(re.findall(r'^edoc_open\{agency="G22",kind="(\w+)"\} 0\.0$', text, re.MULTILINE))
    assert kinds == {
        "unknown", "undecided", "quarantined", "refused_documents", "refused_confirmations", "refused_statuses",
        "late_documents", "undelivered_documents", "expired_documents", "unanswered_documents", "refused_later",
    }  # fmt: skip
    assert 'edoc_hub_paused{agency="G22",hub="hub"} 0.0' in text


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_readiness_in_detail(tried: Worker) -> None:
    """/readyz?detail lists each check with its sentence and cure in both languages, and no secret."""
    text = _get(tried, "/readyz?detail")
    found = json.loads(text)
    assert found["ready"] is True
    (raised,) = (one for one in found["agencies"]["G22"] if one["outcome"] != "pass")
    assert (raised["code"], raised["severity"]) == ("CHK-SECRET-MODES", "warn")
    assert raised["text"] != raised["text_vi"]
    assert raised["cure"] != raised["cure_vi"]
    assert "secret-G22" not in text


def test_rules_ask_for_what_is_told() -> None:
    """Each metric, label and code in an alert's expression is one of the tables."""
    codes = {check.code for check in CHECKS}
    for rule in ALERT_RULES:
        (name,) = set(_METRIC_NAME.findall(rule.expression))
        used = set(re.findall(r'(\w+)="', rule.expression))
        assert used <= set(METRICS[name].labels)
        assert set(re.findall(r'code="([^"]+)"', rule.expression)) <= codes
    assert len({rule.name for rule in ALERT_RULES}) == len(ALERT_RULES)
    told = {code for rule in ALERT_RULES for code in re.findall(r'code="([^"]+)"', rule.expression)}
    assert codes - told == {"CHK-OPEN"}  # a worker that could not be opened tells nothing


def test_prometheus_takes_the_rules() -> None:
    """Its own checker reads the file (Debian: ``apt-get install prometheus``)."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not on this machine")
    done = subprocess.run([program, "check", "rules", str(_RULES)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"{len(ALERT_RULES)} rules found" in done.stdout
