"""Workers: send, poll, confirm and report for one agency or many, without being called."""

from __future__ import annotations

from collections.abc import Sequence

from .._core import parse_address
from ..config import Settings
from ..connector import Handlers
from .health import serve_health
from .jobs import AgencyJobs
from .load_handlers import import_handlers
from .metrics import ALERT_RULES, METRICS, AlertRule, Metric, MetricKind, format_rules
from .supervisor import Supervisor
from .worker import Worker

__all__ = [
    "ALERT_RULES",
    "METRICS",
    "AgencyJobs",
    "AlertRule",
    "Metric",
    "MetricKind",
    "Supervisor",
    "Worker",
    "format_rules",
    "import_handlers",
    "open_worker",
    "parse_address",
    "serve_health",
]


def open_worker(agencies: Sequence[Settings], *, handlers: Handlers | None = None, engine: str | None = None) -> Worker:
    """Open a worker on the engine that the settings name.

    Args:
        agencies: the settings of each agency; the engine of the first counts for all.
        handlers: the application.
        engine: ``own`` or ``procrastinate``, instead of ``worker.engine``.

    Raises:
        ConfigError: settings cannot be used.
        StoreError: a store cannot be opened.
    """
    if engine is None and agencies:
        engine = agencies[0].worker.engine
    adjusted = [
        agency_settings.model_copy(update={"worker": agency_settings.worker.model_copy(update={"engine": engine})})
        for agency_settings in agencies
    ]
    if engine == "procrastinate":
        from .procrastinate import ProcrastinateWorker

        return ProcrastinateWorker(adjusted, handlers=handlers)
    return Worker(adjusted, handlers=handlers)
