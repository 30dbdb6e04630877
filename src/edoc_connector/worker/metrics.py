"""The metrics and the alert rules: what a monitor can read, and what it should wake somebody for.

Every metric and every rule of the project stands here. `docs/generate.py` makes the tables of docs/monitoring.md and
the file of rules of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from .._core import Text
from ..connector import CHECKS, Check, CheckSeverity


class MetricKind(StrEnum):
    """Kinds of metrics, as Prometheus names them."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric.

    Args:
        name: its name in the output.
        kind: whether it only grows.
        labels: what each of its values is told apart by.
        help: what it says.
    """

    name: str
    kind: MetricKind
    labels: tuple[str, ...]
    help: Text


def _define(name: str, labels: str, en: str, vi: str, *, kind: MetricKind = MetricKind.GAUGE) -> Metric:
    return Metric(name=name, kind=kind, labels=tuple(labels.split()), help=Text(en, vi))


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _define(
            "edoc_work_total",
            "agency kind",
            "Pieces of work done by this worker.",
            "Số việc tiến trình này đã làm.",
            kind=MetricKind.COUNTER,
        ),
        _define(
            "edoc_troubles_total",
            "agency",
            "Failures of the store or the worker.",
            "Số lần kho dữ liệu hoặc tiến trình gặp lỗi.",
            kind=MetricKind.COUNTER,
        ),
        _define("edoc_rows", "agency table state", "Rows of the store by state.", "Số bản ghi theo trạng thái."),
        _define(
            "edoc_open",
            "agency kind",
            "What a person has to see, by kind: outcomes unknown and undecided, refused, set aside, late.",
            "Số việc cần người phụ trách xem, theo loại: chưa rõ, chưa quyết định, bị từ chối, cách ly, chậm.",
        ),
        _define(
            "edoc_queue_age_seconds",
            "agency",
            "How long the oldest message has waited to be sent, in seconds.",
            "Gói tin cũ nhất đã chờ gửi bao nhiêu giây.",
        ),
        _define(
            "edoc_hub_failures",
            "agency hub",
            "Failures in a row of work with the hub.",
            "Số lần lỗi liên tiếp với trục.",
        ),
        _define(
            "edoc_hub_paused",
            "agency hub",
            "Whether the circuit breaker of the hub is open: work with it pauses.",
            "Việc với trục có đang tạm dừng hay không.",
        ),
        _define(
            "edoc_hub_breaker",
            "agency hub state",
            "State of the hub's circuit breaker: 1 for one of closed, open, half-open, trial.",
            "Trạng thái bộ ngắt mạch của trục: 1 ở một trong closed, open, half-open, trial.",
        ),
        _define(
            "edoc_hub_next_try",
            "agency hub",
            "Unix time at which the hub is tried next, while it fails.",
            "Thời điểm Unix sẽ thử lại trục, khi trục đang lỗi.",
        ),
        _define(
            "edoc_job_succeeded",
            "agency job kind",  # Prometheus gives `job` to the worker itself, and calls ours `exported_job`
            "Time of the last success of a kind of work, in Unix seconds.",
            "Thời điểm thành công gần nhất của một loại việc (giây Unix).",
        ),
        _define("edoc_store_up", "agency", "Whether the store answers.", "Kho dữ liệu có hoạt động hay không."),
        _define(
            "edoc_certificate_end",
            "agency",
            "Time when our certificate that is valid longest ends, in Unix seconds.",
            "Thời điểm chứng thư số dài hạn nhất của đơn vị hết hạn (giây Unix).",
        ),
        _define(
            "edoc_free_bytes",
            "agency",
            "Bytes that are free for the spool or the database, whichever has fewer.",
            "Số byte còn trống cho kho tạm hoặc cơ sở dữ liệu, lấy nơi ít hơn.",
        ),
        _define(
            "edoc_check",
            "agency code severity",
            "Whether the condition of a check is there (1), or not (0).",
            "Tình trạng của phép kiểm tra có xảy ra (1) hay không (0).",
        ),
        _define(
            "edoc_checked",
            "agency",
            "Time of the last look at the conditions, in Unix seconds.",
            "Thời điểm kiểm tra các tình trạng gần nhất (giây Unix).",
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """A rule of when a monitor should tell somebody.

    Args:
        name: name of the alert.
        expression: when it is so, in PromQL.
        minutes: for how long it must be so.
        severity: ``warning`` or ``critical``.
        summary: what is the case.
        cure: what to do.
    """

    name: str
    expression: str
    minutes: int
    severity: str
    summary: Text
    cure: Text


_SEVERITIES = {CheckSeverity.WARN: "warning", CheckSeverity.FAIL: "critical"}
_MINUTES = {CheckSeverity.WARN: 15, CheckSeverity.FAIL: 5}
_PATIENT = {"CHK-HUB-PAUSED": 15, "CHK-POLL": 15}
"""Checks of what heals by itself, and after how many minutes nobody waits for that any more."""


def _build_check_rule(check: Check) -> AlertRule:
    name = "".join(word.capitalize() for word in check.code.removeprefix("CHK-").split("-"))
    return AlertRule(
        name=f"Edoc{name}",
        expression=f'edoc_check{{code="{check.code}"}} == 1',
        minutes=_PATIENT.get(check.code, _MINUTES[check.severity]),
        severity=_SEVERITIES[check.severity],
        summary=Text(leave_open(check.sentence.en), leave_open(check.sentence.vi)),
        cure=check.cure,
    )


def leave_open(words: str) -> str:
    """Leave open what a sentence is filled with."""
    return re.sub(r"\{[a-z_]+\}", "…", words)


_START_CURE = Text("start edoc worker, or see why it hangs", "hãy khởi động edoc worker hoặc xem vì sao bị treo")

ALERT_RULES: tuple[AlertRule, ...] = (
    AlertRule(
        name="EdocNoWorker",
        expression="absent(edoc_store_up)",
        minutes=5,
        severity="critical",
        summary=Text("no worker answers the monitor", "không tiến trình nào trả lời hệ thống giám sát"),
        cure=_START_CURE,
    ),
    AlertRule(
        name="EdocStoreUnreachable",
        expression="edoc_store_up == 0",
        minutes=5,
        severity="critical",
        summary=Text("the store does not answer the worker", "kho dữ liệu không trả lời tiến trình"),
        cure=Text(
            "start the database, or give the file back", "hãy khởi động lại cơ sở dữ liệu hoặc trả tệp về chỗ cũ"
        ),
    ),
    AlertRule(
        name="EdocNotPolled",
        expression='time() - edoc_job_succeeded{kind=~"poll(@.*)?"} > 3600',
        minutes=5,
        severity="critical",
        summary=Text("the hub has answered no poll for an hour", "một giờ qua trục không trả lời lần hỏi nào"),
        cure=Text(
            "try edoc receive, which prints what the hub says", "hãy chạy thử edoc receive để xem trục trả lời gì"
        ),
    ),
    AlertRule(
        name="EdocNotChecked",
        expression="time() - edoc_checked > 3600",
        minutes=5,
        severity="critical",
        summary=Text("the worker has looked at nothing for an hour", "một giờ qua tiến trình không kiểm tra gì"),
        cure=_START_CURE,
    ),
    AlertRule(
        name="EdocTroubles",
        expression="increase(edoc_troubles_total[15m]) > 5",
        minutes=0,
        severity="warning",
        summary=Text("the store or the worker fails again and again", "kho dữ liệu hoặc tiến trình lỗi liên tục"),
        cure=Text("see the log of the worker", "xem nhật ký của tiến trình"),
    ),
    # what only `edoc doctor` can find, a worker that runs does not tell of
    *(_build_check_rule(check) for check in CHECKS if check.code != "CHK-OPEN"),
)


def format_rules(rules: Iterable[AlertRule]) -> str:
    """Format rules as a file for Prometheus; texts of YAML written as JSON, which is YAML too."""
    lines = [
        "# Generated by docs/generate.py from edoc_connector/worker/metrics.py.",
        "groups:",
        "  - name: edoc",
        "    rules:",
    ]
    for rule in rules:
        lines += [
            f"      - alert: {rule.name}",
            f"        expr: {_quote(rule.expression)}",
            f"        for: {rule.minutes}m",
            "        labels:",
            f"          severity: {rule.severity}",
            "        annotations:",
            f"          summary: {_quote(_name_agency(rule.summary.en))}",
            f"          summary_vi: {_quote(_name_agency(rule.summary.vi))}",
            f"          cure: {_quote(rule.cure.en)}",
            f"          cure_vi: {_quote(rule.cure.vi)}",
        ]
    return "\n".join(lines) + "\n"


def _quote(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)


def _name_agency(words: str) -> str:
    return f"{{{{ $labels.agency }}}}: {words}"
