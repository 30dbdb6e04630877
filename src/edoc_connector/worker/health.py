"""HTTP endpoints of a worker, ``/healthz``, ``/readyz`` and ``/metrics``, without secrets or document data."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..connector import BreakerReading, BreakerState, find_last_end, measure_free_space, measure_queue_age
from ..errors import ConfigError, StoreError, describe_system_error_vi
from .jobs import AgencyJobs
from .metrics import METRICS, MetricKind
from .worker import Worker

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"
_DETAIL_PATH = "/readyz?detail"


@contextmanager
def serve_health(worker: Worker, host: str, port: int) -> Iterator[int]:
    """Serve the endpoints while the block runs.

    Args:
        worker: the worker to report on.
        host: address to listen on.
        port: TCP port; 0 for a free one.

    Yields:
        the port.

    Raises:
        ConfigError: the port is taken, or the extra ``worker`` is not installed.
    """
    if find_spec("prometheus_client") is None:
        raise ConfigError(
            "metrics need the extra 'worker'; install it: pip install 'edoc-connector[worker]'",
            vi="số liệu giám sát cần gói bổ sung 'worker'; hãy cài: pip install 'edoc-connector[worker]'",
        )
    try:
        server = ThreadingHTTPServer((host, port), _build_handler(worker))
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}. Choose another port.",
            vi=f"Không mở được cổng {host}:{port}: {describe_system_error_vi(error)}. Hãy chọn cổng khác.",
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="edoc-health", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _build_handler(worker: Worker) -> type[BaseHTTPRequestHandler]:
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_MetricsCollector(worker))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                self._respond(200, b"ok\n")
            elif self.path == "/readyz":
                ready = worker.is_ready()
                self._respond(200 if ready else 503, b"ready\n" if ready else b"not ready\n")
            elif self.path == _DETAIL_PATH:
                ready = worker.is_ready()
                self._respond(200 if ready else 503, _describe_readiness(worker, ready), _JSON)
            elif self.path == "/metrics":
                self._respond(200, generate_latest(registry), CONTENT_TYPE_LATEST)
            else:
                self._respond(404, b"/healthz /readyz /readyz?detail /metrics\n")

        def _respond(self, status: int, body: bytes, kind: str = _TEXT) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing: requests of a monitor are no news."""

    return Handler


def _describe_readiness(worker: Worker, ready: bool) -> bytes:
    """Describe what the last look found for each agency, as JSON."""
    agencies = {jobs.agency: [result.as_json() for result in jobs.checks.results] for jobs in worker.agency_jobs}
    return json.dumps({"ready": ready, "agencies": agencies}, ensure_ascii=False).encode()


class _MetricsCollector:
    """Reads the metrics when they are asked for."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def collect(self) -> Iterable[Metric]:
        families = _Families()
        figures = self._worker.metrics
        for (agency, kind), count in figures.read_job_counts().items():
            families.add("edoc_work_total", count, agency, kind)
        for agency, count in figures.read_failure_counts().items():
            families.add("edoc_troubles_total", count, agency)
        for agency_jobs in self._worker.agency_jobs:
            _collect_checks(families, agency_jobs)
            try:
                _collect_store(families, agency_jobs)
            except StoreError:
                families.add("edoc_store_up", 0, agency_jobs.agency)
            else:
                families.add("edoc_store_up", 1, agency_jobs.agency)
        return families.list_all()


class _Families:
    """The metrics of one reading, each with the values that were added to it."""

    def __init__(self) -> None:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        makers = {MetricKind.COUNTER: CounterMetricFamily, MetricKind.GAUGE: GaugeMetricFamily}
        self._families = {
            metric.name: makers[metric.kind](
                metric.name, f"{metric.help.en} / {metric.help.vi}", labels=list(metric.labels)
            )
            for metric in METRICS.values()
        }

    def add(self, name: str, value: float, *labels: str) -> None:
        """Add a value of a metric, with its labels in their order."""
        self._families[name].add_metric(list(labels), value)

    def list_all(self) -> list[Metric]:
        """List every metric."""
        return list(self._families.values())


def _collect_store(families: _Families, agency_jobs: AgencyJobs) -> None:
    agency, subject = agency_jobs.agency, agency_jobs.subject
    schedule = agency_jobs.read_schedule()
    for (table, state), count in agency_jobs.count_rows().items():
        families.add("edoc_rows", count, agency, table, state)
    for kind, count in agency_jobs.count_open().items():
        families.add("edoc_open", count, agency, kind)
    families.add("edoc_queue_age_seconds", measure_queue_age(subject).total_seconds(), agency)
    for hub, breaker in agency_jobs.read_breakers().items():
        _add_breaker(families, agency, hub, breaker)
    for job in schedule.values():
        if job.succeeded_at is not None:
            families.add("edoc_job_succeeded", job.succeeded_at.timestamp(), agency, job.job, job.job)
    families.add("edoc_free_bytes", measure_free_space(subject)[0], agency)


def _add_breaker(families: _Families, agency: str, hub: str, breaker: BreakerReading) -> None:
    families.add("edoc_hub_failures", breaker.failures, agency, hub)
    families.add("edoc_hub_paused", not breaker.state.allows_work, agency, hub)
    for state in BreakerState:
        families.add("edoc_hub_breaker", breaker.state is state, agency, hub, state)
    if breaker.next_try_at is not None:
        families.add("edoc_hub_next_try", breaker.next_try_at.timestamp(), agency, hub)


def _collect_checks(families: _Families, agency_jobs: AgencyJobs) -> None:
    """Tell what the worker's last look found; nothing is looked at for a monitor."""
    agency, checks = agency_jobs.agency, agency_jobs.checks
    for result in checks.results:
        families.add("edoc_check", result.is_raised, agency, result.code, result.severity)
    if checks.examined_at is not None:
        families.add("edoc_checked", checks.examined_at, agency)
    end = find_last_end(agency_jobs.subject)
    if end is not None:
        families.add("edoc_certificate_end", end.timestamp(), agency)
