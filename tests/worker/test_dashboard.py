"""The dashboard for Grafana asks for what a worker really tells, and Prometheus answers each of its queries."""

from __future__ import annotations

import json
import re
import shutil
import socket
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import ALERT_RULES, METRICS, serve_health

if TYPE_CHECKING:
    from tests.conftest import StartProgram
    from tests.worker.conftest import Office, WorkerOf

_BOARD = json.loads((Path(__file__).parents[2] / "deploy" / "grafana" / "edoc.json").read_text(encoding="utf-8"))
_QUERIES = {
    (panel["title"], target["refId"]): str(target["expr"]) for panel in _BOARD["panels"] for target in panel["targets"]
}
_ONE_METRIC = re.compile(r"\b(edoc_[a-z_]+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
_PATIENCE = 60.0  # seconds


@pytest.fixture
def port(office: Office, worker: WorkerOf, hub: RunningHub) -> Iterator[int]:
    """The port of a worker that sent, received, looked at everything, failed once, and has lost its hub since."""
    office("H29.05").send(sample_document())
    one = worker("G22", limits={"backoff": 3600.0}, worker={"watch": 0.01})
    one.run_once(rounds=3)
    one.metrics.count_failure("G22")
    hub.stop()
    one.run_once(rounds=1)
    one.agency_jobs[0].checks.run()
    with serve_health(one, "127.0.0.1", 0) as number:
        yield number


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        text: str = answer.read().decode()
    return text


def _read_samples(port: int) -> dict[str, list[dict[str, str]]]:
    """Read the labels of each sample, by its metric."""
    samples: dict[str, list[dict[str, str]]] = {}
    for name, labels in re.findall(r"^(\w+)\{([^}]*)\} ", _read(f"http://127.0.0.1:{port}/metrics"), re.MULTILINE):
        samples.setdefault(name, []).append(dict(re.findall(r'(\w+)="([^"]*)"', labels)))
    return samples


def _fill_in(query: str) -> str:
    """Put in what Grafana puts in for its variables."""
    return query.replace("$agency", ".*").replace("$__rate_interval", "1m")


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_queries_ask_for_what_is_told(port: int) -> None:
    """Each metric, label and value in a query is one that /metrics has after a real round; no metric is left out."""
    samples = _read_samples(port)
    asked: set[str] = set()
    for query in map(_fill_in, _QUERIES.values()):
        selectors = _ONE_METRIC.findall(query)
        assert selectors, query
        for name, matchers in selectors:
            asked.add(name)
            found = [sample for sample in samples[name] if _matches(sample, matchers)]
            assert found, query
            grouping = re.findall(r"\bby \(([^)]*)\)", query)
            assert {label for group in grouping for label in group.split(", ")} <= set(found[0]), query
    assert asked == set(METRICS)


def _matches(sample: dict[str, str], matchers: str) -> bool:
    parsed = _MATCHER.findall(matchers)
    assert ",".join(f'{label}{sign}"{value}"' for label, sign, value in parsed) == matchers
    assert {label for label, _, _ in parsed} <= set(sample)
    assert {sign for _, sign, _ in parsed} <= {"=", "=~"}
    return all(re.fullmatch(value, sample[label]) for label, _, value in parsed)


def test_legends_name_labels_that_are_there() -> None:
    """A legend names labels that its query leaves, and a variable is one of the dashboard's own."""
    for panel in _BOARD["panels"]:
        for target in panel["targets"]:
            used = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            names = {name for name, _ in _ONE_METRIC.findall(target["expr"])}
            assert used <= {label for name in names for label in METRICS[name].labels}
    variables = {one["name"] for one in _BOARD["templating"]["list"]}
    assert set(re.findall(r"\$\{?([a-z]+)\b", json.dumps(_BOARD))) == variables


def test_panels_lie_beside_each_other() -> None:
    """No panel covers another, none is wider than the page, and each has an id of its own."""
    panels = _BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert all(one["title"].count(" · ") == 1 for one in panels), "each title in English and Vietnamese"
    rows = sorted({y for _, y in cells})
    assert all(after - before == 1 for before, after in pairwise(rows))


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_prometheus_answers_each_query(port: int, tmp_path: Path, start_program: StartProgram) -> None:
    """A real Prometheus reads the worker's metrics and has a value for each query (`apt-get install prometheus`)."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not on this machine")
    address = f"127.0.0.1:{_find_free_port()}"
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        f'scrape_configs: [{{job_name: edoc, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]\n'
    )
    with (tmp_path / "log").open("w") as log:
        start_program(
            [program, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
             f"--web.listen-address={address}"], stdout=log, stderr=log,
        )  # fmt: skip
        _wait_for(address, "min(count_over_time(edoc_work_total[1m])) >= 2")  # a rate needs two looks
    for title, query in _QUERIES.items():
        assert _ask(address, _fill_in(query)), title
    for rule in ALERT_RULES:  # what a rule compares is there, under the name by which Prometheus knows it
        assert _ask(address, _find_selector(rule.expression)), rule.name


def _find_selector(expression: str) -> str:
    found = _ONE_METRIC.search(expression)
    assert found is not None
    return found.group()


def _find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def _ask(address: str, query: str) -> list[Any]:
    answer = json.loads(_read(f"http://{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"))
    assert answer["status"] == "success"
    result: list[Any] = answer["data"]["result"]
    return result


def _wait_for(address: str, query: str) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            if _ask(address, query):
                return
        except OSError:
            pass
        time.sleep(0.2)
    pytest.fail(f"Prometheus has no answer to {query} within {_PATIENCE:g} s")
