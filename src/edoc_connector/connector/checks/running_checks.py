"""Checks of what runs by itself: the worker, its polls, and the circuit breaker of the hub."""

from __future__ import annotations

from datetime import timedelta

from ..._core import Text
from ...store import HUB_BREAKER, POLL_JOB, JobRow
from .check import Check, CheckSeverity, Values, describe_span
from .subject import Subject

_FAILED_POLLS = 3  # in a row; one that failed is no news


def _read_job(subject: Subject, name: str) -> JobRow | None:
    with subject.context.store.snapshot() as tx:
        return tx.schedule.find_job(subject.agency, name)


def _find_open_breaker(subject: Subject) -> Values | None:
    breaker = _read_job(subject, HUB_BREAKER)
    if breaker is None or breaker.failures == 0:
        return None
    error = Text(breaker.error_text or breaker.error_code or "?", breaker.error_vi or breaker.error_code or "?")
    return {"failures": breaker.failures, "error": error}


def _find_failing_polls(subject: Subject) -> Values | None:
    poll = _read_job(subject, POLL_JOB)
    if poll is None or poll.failures < _FAILED_POLLS:
        return None
    return {"failures": poll.failures, "error": poll.error_code or "?"}


def _find_silent_worker(subject: Subject) -> Values | None:
    """Find for how long a poll that is due was taken by no worker; none ever was where there is no row."""
    poll = _read_job(subject, POLL_JOB)
    if poll is None:
        return None
    silence = subject.context.store.clock() - max(poll.next_at, poll.lease_until or poll.next_at, poll.updated_at)
    allowed = timedelta(seconds=subject.settings.checks.worker_silence)
    return {"silence": describe_span(silence)} if silence > allowed else None


RUNNING_CHECKS = (
    Check(
        code="CHK-HUB-PAUSED",
        severity=CheckSeverity.FAIL,
        title=Text("work with the hub goes on", "việc với trục không bị tạm dừng"),
        sentence=Text(
            "work with the hub pauses, everything stays queued; {failures} failures in a row, the last one: {error}",
            "việc với trục đang tạm dừng, mọi thứ vẫn trong hàng đợi; {failures} lần lỗi liên tiếp, lần cuối: {error}",
        ),
        cure=Text(
            "do what the error says; it goes on by itself afterwards. edoc explain with the id of something queued "
            "says more",
            "hãy làm theo thông báo lỗi; hết lỗi sẽ tự chạy tiếp. edoc explain với mã của văn bản đang chờ cho biết "
            "thêm",
        ),
        find=_find_open_breaker,
    ),
    Check(
        code="CHK-POLL",
        severity=CheckSeverity.FAIL,
        title=Text("the hub answers polls", "trục trả lời khi hỏi văn bản đến"),
        sentence=Text(
            "{failures} polls in a row have failed ({error}): nothing comes in",
            "{failures} lần hỏi trục liên tiếp bị lỗi ({error}): không nhận được văn bản đến",
        ),
        cure=Text(
            "try edoc receive, which prints what the hub says; polls go on by themselves afterwards",
            "hãy chạy thử edoc receive để xem trục trả lời gì; hết lỗi việc hỏi trục sẽ tự chạy tiếp",
        ),
        find=_find_failing_polls,
    ),
    Check(
        code="CHK-WORKER",
        severity=CheckSeverity.FAIL,
        title=Text("a worker is at work", "có tiến trình đang chạy"),
        sentence=Text(
            "no worker has polled for {silence} since that was due",
            "đã {silence} kể từ khi đến hạn mà không tiến trình nào hỏi trục",
        ),
        cure=Text("start edoc worker, or see why it hangs", "hãy khởi động edoc worker hoặc xem vì sao bị treo"),
        find=_find_silent_worker,
    ),
)
