"""Fields of log lines: what a line is about, for programs that read logs.

Whoever works on a packet binds its ids for as long as that takes; every line that is written meanwhile, at whatever
depth, has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

from .text import Text

LOG_FIELDS: Mapping[str, Text] = {
    "agency": Text("code of our agency", "mã đơn vị của mình"),
    "hub": Text("name of the hub, where work with one goes on", "tên trục đang làm việc cùng"),
    "job": Text("what the worker was doing", "việc tiến trình đang làm"),
    "doc_id": Text("the hub's docId of the packet", "docId của gói tin trên trục"),
    "document_id": Text("DocumentId", "mã định danh văn bản"),
    "error": Text("class of the error that the line tells of", "loại lỗi nêu trong dòng nhật ký"),
    "trace_id": Text("id of the trace, where OpenTelemetry is used", "mã vết (trace) khi dùng OpenTelemetry"),
    "span_id": Text("id of the span in it", "mã đoạn (span) trong vết đó"),
    "check": Text("code of a check", "mã phép kiểm tra"),
    "change": Text("`raised` or `cleared`, for a check", "`raised` hoặc `cleared` với phép kiểm tra"),
}
"""Every field beside those that each line has, with its meaning."""

_bound: ContextVar[Mapping[str, str]] = ContextVar("edoc_log_fields", default=MappingProxyType({}))


@contextmanager
def bind_log_fields(**fields: str | None) -> Iterator[None]:
    """Give each line that is written while the block runs some fields, beside those of the blocks around it.

    Args:
        fields: names of `LOG_FIELDS` and their values; one without a value is left out.
    """
    known = {name: value for name, value in fields.items() if value}
    token = _bound.set({**_bound.get(), **known})
    try:
        yield
    finally:
        _bound.reset(token)


def read_log_fields() -> Mapping[str, str]:
    """Read the fields of lines that are written now."""
    return _bound.get()
