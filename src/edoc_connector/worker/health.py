"""``/healthz``, ``/readyz`` and ``/metrics`` of a worker. No secret and nothing of a document is in them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, StoreError, system_words_vi
from .jobs import HUB
from .worker import Worker

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_TEXT = "text/plain; charset=utf-8"


@contextmanager
def served(worker: Worker, host: str, port: int) -> Iterator[int]:
    """Answer while the block runs.

    Args:
        worker: whom it is about.
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
        server = ThreadingHTTPServer((host, port), _handler(worker))
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}. Choose another port.",
            vi=f"Không mở được cổng {host}:{port}: {system_words_vi(error)}. Hãy chọn cổng khác.",
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="edoc-health", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(worker: Worker) -> type[BaseHTTPRequestHandler]:
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(worker))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                self._say(200, b"ok\n")
            elif self.path == "/readyz":
                ready = worker.ready()
                self._say(200 if ready else 503, b"ready\n" if ready else b"not ready\n")
            elif self.path == "/metrics":
                self._say(200, generate_latest(registry), CONTENT_TYPE_LATEST)
            else:
                self._say(404, b"/healthz /readyz /metrics\n")

        def _say(self, status: int, body: bytes, kind: str = _TEXT) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Requests of a monitor are no news."""

    return Handler


class _Collector:
    """Reads the figures when they are asked for."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def collect(self) -> Iterable[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        figures = self._worker.figures
        done = CounterMetricFamily("edoc_work", "Pieces of work done by this worker.", labels=["agency", "kind"])
        for (agency, kind), count in figures.done().items():
            done.add_metric([agency, kind], count)
        troubles = CounterMetricFamily("edoc_troubles", "Failures of the store or the worker.", labels=["agency"])
        for agency, count in figures.troubles().items():
            troubles.add_metric([agency], count)
        rows = GaugeMetricFamily("edoc_rows", "Rows of the store by state.", labels=["agency", "table", "state"])
        paused = GaugeMetricFamily("edoc_hub_failures", "Failures in a row of work with the hub.", labels=["agency"])
        polled = GaugeMetricFamily("edoc_job_succeeded", "Time of a job's last success.", labels=["agency", "job"])
        up = GaugeMetricFamily("edoc_store_up", "Whether the store answers.", labels=["agency"])
        for units in self._worker.units:
            agency = units.agency
            try:
                for (table, state), count in units.counts().items():
                    rows.add_metric([agency, table, state], count)
                known = units.jobs()
            except StoreError:
                up.add_metric([agency], 0)
                continue
            up.add_metric([agency], 1)
            paused.add_metric([agency], known[HUB].failures if HUB in known else 0)
            for job in known.values():
                if job.succeeded_at is not None:
                    polled.add_metric([agency, job.job], job.succeeded_at.timestamp())
        return [done, troubles, rows, paused, polled, up]
