"""Checks of what is queued, late, undecided, refused or set aside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

from ..._core import Text
from ...edxml import VIETNAM
from ...store import CONFIRM, Overview
from .._retry import Undecided
from .check import Check, CheckSeverity, Values, describe_count, describe_span
from .subject import Subject

UNDECIDED_CODE = Undecided.__name__
"""Error code of a row whose outcome only a person can tell."""

_MORNING_ENDS = 12  # hour in Vietnam
_REFUSED_FOR = timedelta(days=7)  # a refusal is no news after that; `edoc deliveries` has it for ever
_UNDELIVERED_FOR = timedelta(days=30)  # nor is a recipient's silence


def find_latest_start(now: datetime) -> datetime:
    """Find since when a document may have been waiting: it is to be sent on its day, or the next morning at the latest.

    Decree 30/2020/NĐ-CP, Annex VI; Decision 28/2018/QĐ-TTg.

    Args:
        now: the time, aware.

    Returns:
        the beginning of today in Vietnam, once its morning is over, else that of yesterday.
    """
    local = now.astimezone(VIETNAM)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if local.hour >= _MORNING_ENDS else midnight - timedelta(days=1)


def count_late(subject: Subject) -> int:
    """Count the documents that should have been sent by now."""
    with subject.context.store.snapshot() as tx:
        return Overview(tx).count_unsent(subject.agency, find_latest_start(tx.now))


def count_undelivered(subject: Subject) -> int:
    """Count the documents sent of which a recipient reports nothing for longer than the settings allow."""
    allowed = timedelta(seconds=subject.context.limits.arrival_within)
    with subject.context.store.snapshot() as tx:
        return Overview(tx).count_undelivered(
            subject.agency, sent_after=tx.now - allowed - _UNDELIVERED_FOR, sent_before=tx.now - allowed
        )


def count_unanswered(subject: Subject) -> int:
    """Count the documents that came in and that nobody accepted or rejected for longer than the settings allow."""
    allowed = timedelta(seconds=subject.context.limits.unanswered_after)
    with subject.context.store.snapshot() as tx:
        return Overview(tx).count_unanswered(subject.agency, received_before=tx.now - allowed)


def count_expired(subject: Subject) -> int:
    """Count the documents whose deadline ran out in the last days, and that a recipient still reports nothing of."""
    with subject.context.store.snapshot() as tx:
        return Overview(tx).count_expired(subject.agency, tx.now - _UNDELIVERED_FOR)


def count_refused_later(subject: Subject) -> int:
    """Count the recipients for whom the hub refused in the last days what it had taken."""
    with subject.context.store.snapshot() as tx:
        return Overview(tx).count_refused_later(subject.agency, tx.now - _REFUSED_FOR)


def count_undecided(subject: Subject) -> int:
    """Count the messages whose outcome only a person can tell."""
    with subject.context.store.snapshot() as tx:
        return Overview(tx).count_undecided(subject.agency, UNDECIDED_CODE)


def count_quarantined(subject: Subject) -> int:
    """Count the packets that were set aside and wait for a person."""
    with subject.context.store.snapshot() as tx:
        return Overview(tx).count_quarantined(subject.agency)


def count_failed(subject: Subject) -> int:
    """Count the documents that the hub refused for good in the last days."""
    with subject.context.store.snapshot() as tx:
        return Overview(tx).count_failed(subject.agency, tx.now - _REFUSED_FOR)


def count_refused(subject: Subject, *, confirmations: bool) -> int:
    """Count the confirmations, or the statuses, that the hub refused."""
    with subject.context.store.snapshot() as tx:
        counts = tx.outgoing.count_refused(subject.agency)
    return sum(count for kind, count in counts.items() if (kind == CONFIRM) is confirmations)


def measure_queue_age(subject: Subject) -> timedelta:
    """Measure how long the oldest message has waited to be sent; those that wait for a person are left out."""
    with subject.context.store.snapshot() as tx:
        oldest = Overview(tx).find_oldest_queued(subject.agency, exclude=UNDECIDED_CODE)
        return max(timedelta(0), tx.now - oldest) if oldest is not None else timedelta(0)


OPEN_COUNTS: Mapping[str, Callable[[Subject], int]] = {
    "undecided": count_undecided,
    "quarantined": count_quarantined,
    "refused_documents": count_failed,
    "refused_confirmations": partial(count_refused, confirmations=True),
    "refused_statuses": partial(count_refused, confirmations=False),
    "late_documents": count_late,
    "undelivered_documents": count_undelivered,
    "expired_documents": count_expired,
    "refused_later": count_refused_later,
    "unanswered_documents": count_unanswered,
}
"""What a person has to see, by the name that metrics give it."""


def _find_old_queue(subject: Subject) -> Values | None:
    age = measure_queue_age(subject)
    return {"age": describe_span(age)} if age.total_seconds() > subject.settings.checks.queue_age else None


EXCHANGE_CHECKS = (
    Check(
        code="CHK-QUEUE-AGE",
        severity=CheckSeverity.WARN,
        title=Text("nothing waits long to be sent", "không có gì chờ gửi quá lâu"),
        sentence=Text("the oldest message has waited {age} to be sent", "gói tin cũ nhất đã chờ gửi {age}"),
        cure=Text(
            "see edoc deliveries, and edoc explain with the id: it says what it waits for",
            "xem edoc deliveries, rồi edoc explain với mã văn bản để biết đang chờ gì",
        ),
        find=_find_old_queue,
    ),
    Check(
        code="CHK-LATE",
        severity=CheckSeverity.FAIL,
        title=Text(
            "no document is late (Decision 28/2018/QĐ-TTg)", "không có văn bản gửi chậm (Quyết định 28/2018/QĐ-TTg)"
        ),
        sentence=Text(
            "{count} documents are late: they were to be sent on their day, or the next morning",
            "{count} văn bản gửi chậm: phải gửi trong ngày hoặc chậm nhất sáng hôm sau",
        ),
        cure=Text(
            "see edoc deliveries, and edoc explain with the id; send them on paper if they cannot wait",
            "xem edoc deliveries, rồi edoc explain với mã văn bản; nếu không chờ được hãy gửi bản giấy",
        ),
        find=lambda subject: describe_count(count_late(subject)),
    ),
    Check(
        code="CHK-UNDELIVERED",
        severity=CheckSeverity.WARN,
        title=Text("recipients report what was sent", "nơi nhận báo đã đến"),
        sentence=Text(
            "a recipient of {count} documents has not reported 01 (arrived) in time",
            "{count} văn bản có nơi nhận chưa báo 01 (đã đến) đúng hạn",
        ),
        cure=Text(
            "ask the recipient; edoc deliveries names the documents",
            "hãy hỏi nơi nhận; edoc deliveries liệt kê các văn bản",
        ),
        find=lambda subject: describe_count(count_undelivered(subject)),
    ),
    Check(
        code="CHK-EXPIRED",
        severity=CheckSeverity.FAIL,
        title=Text("no deadline ran out", "không có văn bản quá hạn gửi"),
        sentence=Text(
            "the deadline of {count} documents is over, and a recipient reports nothing",
            "{count} văn bản đã quá hạn mà có nơi nhận chưa báo đến",
        ),
        cure=Text(
            "see edoc explain with the id: ask the recipient, or send it another way; nothing is sent again by itself",
            "xem edoc explain với mã văn bản: hãy hỏi nơi nhận hoặc gửi cách khác; hệ thống không tự gửi lại",
        ),
        find=lambda subject: describe_count(count_expired(subject)),
    ),
    Check(
        code="CHK-REFUSED-LATER",
        severity=CheckSeverity.FAIL,
        title=Text("the hub delivers what it takes", "trục chuyển được văn bản đã nhận"),
        sentence=Text(
            "the hub took documents, and did not bring them to {count} recipients in the last seven days",
            "trục đã nhận nhưng không chuyển được tới {count} nơi nhận trong bảy ngày qua",
        ),
        cure=Text(
            "edoc deliveries marks them; edoc explain with the id has the hub's words: ask its operator",
            "edoc deliveries có đánh dấu; edoc explain với mã văn bản cho biết lý do: hãy hỏi đơn vị vận hành trục",
        ),
        find=lambda subject: describe_count(count_refused_later(subject)),
    ),
    Check(
        code="CHK-UNANSWERED",
        severity=CheckSeverity.WARN,
        title=Text("what comes in is accepted or rejected", "văn bản đến được tiếp nhận hoặc từ chối"),
        sentence=Text(
            "nobody accepted or rejected {count} documents that came in long ago",
            "{count} văn bản đến đã lâu chưa được tiếp nhận hoặc từ chối",
        ),
        cure=Text(
            "see edoc receipts --unanswered, then edoc status with the id",
            "xem edoc receipts --unanswered rồi chạy edoc status với mã văn bản",
        ),
        find=lambda subject: describe_count(count_unanswered(subject)),
    ),
    Check(
        code="CHK-UNDECIDED",
        severity=CheckSeverity.FAIL,
        title=Text("no outcome waits for a person", "không có kết quả cần người quyết định"),
        sentence=Text(
            "the hub cannot tell whether it has {count} messages: a person has to find out",
            "trục không cho biết đã có {count} gói tin hay chưa: cần người phụ trách tra cứu",
        ),
        cure=Text(
            "run edoc reconcile, look at the hub, then edoc settle with the id",
            "hãy chạy edoc reconcile, tra trên trục rồi chạy edoc settle với mã văn bản",
        ),
        find=lambda subject: describe_count(count_undecided(subject)),
    ),
    Check(
        code="CHK-QUARANTINED",
        severity=CheckSeverity.WARN,
        title=Text("no packet is set aside", "không có gói tin bị cách ly"),
        sentence=Text(
            "{count} packets were set aside, and wait for a person", "{count} gói tin bị cách ly, chờ người phụ trách"
        ),
        cure=Text(
            "see edoc receipts --state quarantined; once mended, edoc recheck with the id",
            "xem edoc receipts --state quarantined; khắc phục xong, chạy edoc recheck với mã gói tin",
        ),
        find=lambda subject: describe_count(count_quarantined(subject)),
    ),
    Check(
        code="CHK-REFUSED-DOCUMENTS",
        severity=CheckSeverity.WARN,
        title=Text("no document was refused", "không có văn bản bị từ chối"),
        sentence=Text(
            "{count} documents were refused for good in the last seven days",
            "{count} văn bản bị từ chối hẳn trong bảy ngày qua",
        ),
        cure=Text(
            "see edoc explain with the id: correct the document, and send it again under the same id",
            "xem edoc explain với mã văn bản: sửa văn bản rồi gửi lại với cùng mã",
        ),
        find=lambda subject: describe_count(count_failed(subject)),
    ),
    Check(
        code="CHK-REFUSED-CONFIRMATIONS",
        severity=CheckSeverity.WARN,
        title=Text("the hub takes our confirmations", "trục nhận xác nhận của đơn vị"),
        sentence=Text(
            "the hub refused {count} confirmations of packets that came",
            "trục từ chối {count} xác nhận gói tin đến",
        ),
        cure=Text(
            "run edoc reconcile, which lists them, then edoc resend with the id",
            "hãy chạy edoc reconcile để xem danh sách rồi chạy edoc resend với mã văn bản",
        ),
        find=lambda subject: describe_count(OPEN_COUNTS["refused_confirmations"](subject)),
    ),
    Check(
        code="CHK-REFUSED-STATUSES",
        severity=CheckSeverity.WARN,
        title=Text("the hub takes our statuses", "trục nhận trạng thái của đơn vị"),
        sentence=Text("the hub refused {count} statuses", "trục từ chối {count} trạng thái"),
        cure=Text(
            "run edoc reconcile, which lists them, then edoc resend with the id",
            "hãy chạy edoc reconcile để xem danh sách rồi chạy edoc resend với mã văn bản",
        ),
        find=lambda subject: describe_count(OPEN_COUNTS["refused_statuses"](subject)),
    ),
)
