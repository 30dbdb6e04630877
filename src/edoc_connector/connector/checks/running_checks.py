"""Checks of what runs by itself: the worker, its polls, and the circuit breaker of the hub."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from ..._core import Text, qualify_for_hub
from ...store import HUB_BREAKER, POLL_JOB, JobRow, is_job_overdue
from .check import Check, CheckSeverity, Values, describe_span
from .subject import Subject

_FAILED_POLLS = 3  # in a row; one that failed is no news
_UNKNOWN_SILENCE = Text(
    "an unknown time (the next poll was set by a clock that was ahead)",
    "một thời gian không rõ (lần hỏi trục tiếp theo do đồng hồ chạy sai đặt)",
)


def _read_jobs(subject: Subject, name: str) -> Mapping[str, JobRow]:
    """Read a job of each hub, by the hub's name."""
    with subject.context.store.snapshot() as tx:
        found = {
            hub: tx.schedule.find_job(subject.agency, qualify_for_hub(name, hub)) for hub in subject.context.by_hub
        }
    return {hub: job for hub, job in found.items() if job is not None}


def _find_worst(subject: Subject, name: str, most: int) -> tuple[JobRow, str] | None:
    """Find the job that failed most often, and at least so often, and the hub's name where there are several."""
    jobs = _read_jobs(subject, name).items()
    hub, job = max(jobs, key=lambda item: item[1].failures, default=("", None))
    if job is None or job.failures < most:
        return None
    return job, f"{hub}: " if subject.context.has_several_hubs else ""


def _find_open_breaker(subject: Subject) -> Values | None:
    found = _find_worst(subject, HUB_BREAKER, 1)
    if found is None:
        return None
    breaker, hub = found
    en, vi = breaker.error_text or breaker.error_code or "?", breaker.error_vi or breaker.error_code or "?"
    return {"failures": breaker.failures, "error": Text(hub + en, hub + vi)}


def _find_failing_polls(subject: Subject) -> Values | None:
    found = _find_worst(subject, POLL_JOB, _FAILED_POLLS)
    if found is None:
        return None
    poll, hub = found
    return {"failures": poll.failures, "error": hub + (poll.error_code or "?")}


def _find_silent_worker(subject: Subject) -> Values | None:
    """Find for how long a poll that is due was taken by no worker; none ever was where there is no row.

    A worker that runs sets a time right at once that a clock ahead wrote: where one stands, none is there.
    """
    found = [_find_silence(subject, poll) for poll in _read_jobs(subject, POLL_JOB).values()]
    return next((silence for silence in found if silence is not None), None)


def _find_silence(subject: Subject, poll: JobRow) -> Values | None:
    now, limits = subject.context.store.clock(), subject.context.overdue_limits
    if is_job_overdue(poll, limits, limits.build_bounds(now)) or poll.updated_at > now + limits.written:
        return {"silence": _UNKNOWN_SILENCE}
    silence = now - max(poll.next_at, poll.lease_until or poll.next_at, poll.updated_at)
    allowed = timedelta(seconds=subject.settings.checks.worker_silence)
    return {"silence": describe_span(silence)} if silence > allowed else None


def _find_expired_leases(subject: Subject) -> Values | None:
    """Find what a worker held when it ended, and that none took since: any worker takes it at its next look."""
    store, allowed = subject.context.store, timedelta(seconds=subject.settings.checks.worker_silence)
    with store.snapshot() as tx:
        count, since = tx.leases.count_expired(subject.agency, before=tx.now - allowed)
    if since is None:
        return None
    return {"count": count, "span": describe_span(store.clock() - since)}


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
    Check(
        code="CHK-LEASES",
        severity=CheckSeverity.FAIL,
        title=Text("what a worker left is taken over", "việc dở dang được tiến trình khác tiếp nhận"),
        sentence=Text(
            "{count} messages were in a worker's hands when it ended, and for {span} no other took them over",
            "{count} gói tin đang được xử lý thì tiến trình dừng, đã {span} chưa tiến trình nào tiếp nhận",
        ),
        cure=Text(
            "start edoc worker for this agency, or restart one that hangs: it takes them over at once, and nothing is "
            "sent twice",
            "hãy chạy edoc worker cho đơn vị này, hoặc khởi động lại nếu bị treo: tiến trình tiếp nhận ngay và không "
            "gửi trùng",
        ),
        find=_find_expired_leases,
    ),
)
