"""HTTP endpoints of a worker, ``/healthz``, ``/readyz`` and ``/metrics``, without secrets or document data."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, StoreError, describe_system_error_vi
from .jobs import HUB_BREAKER
from .worker import Worker

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_TEXT = "text/plain; charset=utf-8"


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
            elif self.path == "/metrics":
                self._respond(200, generate_latest(registry), CONTENT_TYPE_LATEST)
            else:
                self._respond(404, b"/healthz /readyz /metrics\n")

        def _respond(self, status: int, body: bytes, kind: str = _TEXT) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing: requests of a monitor are no news."""

    return Handler


class _MetricsCollector:
    """Reads the metrics when they are asked for."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def collect(self) -> Iterable[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        figures = self._worker.metrics
        job_counts = CounterMetricFamily("edoc_work", "Pieces of work done by this worker.", labels=["agency", "kind"])
        for (agency, kind), count in figures.read_job_counts().items():
            job_counts.add_metric([agency, kind], count)
        failure_counts = CounterMetricFamily("edoc_troubles", "Failures of the store or the worker.", labels=["agency"])
        for agency, count in figures.read_failure_counts().items():
            failure_counts.add_metric([agency], count)
        row_counts = GaugeMetricFamily("edoc_rows", "Rows of the store by state.", labels=["agency", "table", "state"])
        open_counts = GaugeMetricFamily("edoc_open", "What a person has to see, by kind.", labels=["agency", "kind"])
        hub_failures = GaugeMetricFamily(
            "edoc_hub_failures", "Failures in a row of work with the hub.", labels=["agency"]
        )
        last_successes = GaugeMetricFamily(
            "edoc_job_succeeded", "Time of a job's last success.", labels=["agency", "job"]
        )
        store_up = GaugeMetricFamily("edoc_store_up", "Whether the store answers.", labels=["agency"])
        for agency_jobs in self._worker.agency_jobs:
            agency = agency_jobs.agency
            try:
                for (table, state), count in agency_jobs.count_rows().items():
                    row_counts.add_metric([agency, table, state], count)
                for kind, count in agency_jobs.count_open().items():
                    open_counts.add_metric([agency, kind], count)
                schedule = agency_jobs.read_schedule()
            except StoreError:
                store_up.add_metric([agency], 0)
                continue
            store_up.add_metric([agency], 1)
            hub_failures.add_metric([agency], schedule[HUB_BREAKER].failures if HUB_BREAKER in schedule else 0)
            for job in schedule.values():
                if job.succeeded_at is not None:
                    last_successes.add_metric([agency, job.job], job.succeeded_at.timestamp())
        return [job_counts, failure_counts, row_counts, open_counts, hub_failures, last_successes, store_up]
