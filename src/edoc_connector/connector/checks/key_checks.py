"""Checks of our keys, their certificates, and the machine's clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from ..._core import Text
from .check import Check, CheckSeverity, Values
from .subject import Subject

_CLOCK_TOLERANCE = timedelta(minutes=2)


def _find_unusable_keys(subject: Subject) -> Values | None:
    keys = subject.read_keys()
    now = subject.context.store.clock()
    if not keys or any(key.signs for key in keys):
        return None
    problems = [
        key.problem for key in keys
        if key.problem is not None and (key.certificate is None or key.certificate.not_valid_after_utc >= now)
    ]  # fmt: skip
    return {"problem": Text(problems[0].message, problems[0].vi)} if problems else None


def find_last_end(subject: Subject) -> datetime | None:
    """Find when the certificate that is valid longest ends; None where there is none."""
    certificates = (key.certificate for key in subject.read_keys())
    return max((one.not_valid_after_utc for one in certificates if one is not None), default=None)


def _find_ending(subject: Subject) -> Values | None:
    end, now = find_last_end(subject), subject.context.store.clock()
    days = subject.settings.worker.certificate_days
    if end is None or not timedelta(0) <= end - now < timedelta(days=days):
        return None
    return {"days": (end - now).days, "end": _describe_day(end)}


def _find_ended(subject: Subject) -> Values | None:
    end, now = find_last_end(subject), subject.context.store.clock()
    return {"end": _describe_day(end)} if end is not None and end < now else None


def _describe_day(moment: datetime) -> Text:
    return Text(f"{moment:%Y-%m-%d}", f"{moment:%d/%m/%Y}")


def _find_wrong_clock(subject: Subject) -> Values | None:
    offset: timedelta = subject.context.hub.time.offset
    if abs(offset) <= _CLOCK_TOLERANCE:
        return None
    return {"seconds": f"{-offset.total_seconds():.0f}"}


KEY_CHECKS = (
    Check(
        code="CHK-KEY",
        severity=CheckSeverity.FAIL,
        title=Text("a key can sign", "có khóa ký được"),
        sentence=Text("no key can sign now: {problem}", "hiện không khóa nào ký được: {problem}"),
        cure=Text(
            "see edoc keys; documents wait, and nothing leaves unsigned",
            "xem edoc keys; văn bản vẫn chờ, không có gì được gửi khi chưa ký",
        ),
        find=_find_unusable_keys,
    ),
    Check(
        code="CHK-CERTIFICATE-ENDED",
        severity=CheckSeverity.FAIL,
        title=Text("our certificate is valid", "chứng thư số còn hiệu lực"),
        sentence=Text(
            "our certificate ended on {end}: documents are not signed until there is a new one",
            "chứng thư số của đơn vị đã hết hạn ngày {end}: văn bản không được ký cho đến khi có chứng thư số mới",
        ),
        cure=Text("add the new key to [signing] keys", "hãy thêm khóa mới vào [signing] keys"),
        find=_find_ended,
    ),
    Check(
        code="CHK-CERTIFICATE-ENDS",
        severity=CheckSeverity.WARN,
        title=Text("our certificate is valid for a while", "chứng thư số chưa sắp hết hạn"),
        sentence=Text(
            "our certificate ends in {days} days, on {end}",
            "chứng thư số của đơn vị còn {days} ngày, hết hạn ngày {end}",
        ),
        cure=Text(
            "ask for a new one, and add its key to [signing] keys before that day",
            "hãy xin cấp chứng thư số mới và thêm khóa vào [signing] keys trước ngày đó",
        ),
        find=_find_ending,
    ),
    Check(
        code="CHK-CLOCK",
        severity=CheckSeverity.FAIL,
        title=Text("the clock is the hub's", "đồng hồ khớp với trục"),
        sentence=Text(
            "this machine's clock is {seconds} seconds from the hub's",
            "đồng hồ máy này lệch {seconds} giây so với trục",
        ),
        cure=Text("set it (NTP)", "hãy chỉnh giờ máy (NTP)"),
        find=_find_wrong_clock,
    ),
)
