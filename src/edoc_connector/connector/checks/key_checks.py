"""Checks of our keys, their certificates, and the machine's clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from ..._core import Text
from ...signing import KeyStatus, Revocation, RevocationMode, VerifyPolicy, judge_certificate
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


def _find_other_owner(subject: Subject) -> Values | None:
    """Find a certificate that names another organisation; one that names none is told by no check."""
    policy = subject.context.policy
    for key in _list_signing(subject):
        named = policy.find_organisation(subject.agency, key.certificate, trusted=True) if key.certificate else ""
        if named not in ("", subject.agency):
            return {"named": named, "agency": subject.agency}
    return None


def _list_signing(subject: Subject) -> list[KeyStatus]:
    return [key for key in subject.read_keys() if key.signs and key.certificate is not None]


def _find_broken_chain(subject: Subject) -> Values | None:
    return _judge_own(subject, replace(subject.context.policy, revocation=Revocation()))


def _find_revocation_trouble(subject: Subject) -> Values | None:
    policy = subject.context.policy
    if policy.revocation.mode is RevocationMode.NONE or _find_broken_chain(subject) is not None:
        return None
    return _judge_own(subject, replace(policy, revocation=replace(policy.revocation, soft=False)))


def _judge_own(subject: Subject, policy: VerifyPolicy) -> Values | None:
    """Judge our own certificate as a receiver with our own settings would; None where it is trusted, or not judged."""
    now = subject.context.store.clock()
    for key in _list_signing(subject):
        assert key.certificate is not None  # noqa: S101  those without are left out
        trust = judge_certificate(key.certificate, key.chain, policy=policy, at=now)
        if trust.trusted is False:
            return {"problem": f"{trust.problem} {trust.detail}".strip()}
    return None


def _describe_day(moment: datetime) -> Text:
    return Text(f"{moment:%Y-%m-%d}", f"{moment:%d/%m/%Y}")


def _find_wrong_clock(subject: Subject) -> Values | None:
    offsets = [context.hub.time.offset for context in subject.context.by_hub.values()]
    offset: timedelta = max(offsets, key=abs)
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
            "hãy đề nghị cấp chứng thư số mới và thêm khóa vào [signing] keys trước ngày đó",
        ),
        find=_find_ending,
    ),
    Check(
        code="CHK-CERTIFICATE-OWNER",
        severity=CheckSeverity.FAIL,
        title=Text("our certificate is ours", "chứng thư số đúng là của đơn vị"),
        sentence=Text(
            "the certificate that signs is of {named}, not of {agency}: recipients refuse what it signs",
            "chứng thư số đang ký là của {named}, không phải của {agency}: nơi nhận sẽ từ chối",
        ),
        cure=Text(
            "put this agency's own key into [signing] key, or correct id of [agency]",
            "hãy đặt đúng khóa của đơn vị vào [signing] key, hoặc sửa id trong [agency]",
        ),
        find=_find_other_owner,
    ),
    Check(
        code="CHK-CERTIFICATE-CHAIN",
        severity=CheckSeverity.WARN,
        title=Text("our certificate leads to a trusted authority", "chứng thư số của đơn vị thuộc tổ chức tin cậy"),
        sentence=Text(
            "our certificate does not lead to an authority of [receive] trust: {problem}",
            "chứng thư số của đơn vị không dẫn tới tổ chức nào trong [receive] trust: {problem}",
        ),
        cure=Text(
            "add the authorities between to the key's file, or the root that issued it to [receive] trust",
            "hãy bổ sung chứng thư trung gian vào tệp khóa, hoặc thêm chứng thư gốc đã cấp vào [receive] trust",
        ),
        find=_find_broken_chain,
    ),
    Check(
        code="CHK-REVOCATION",
        severity=CheckSeverity.WARN,
        title=Text("revocation can be asked about", "tra cứu được thông tin thu hồi"),
        sentence=Text(
            "whether our own certificate was revoked cannot be learnt, or it was: {problem}",
            "không tra được thông tin thu hồi của chứng thư số đơn vị, hoặc chứng thư đã bị thu hồi: {problem}",
        ),
        cure=Text(
            "open the way to the hosts of [receive.revocation], or correct its lists; packets of others wait meanwhile",
            "hãy mở đường tới các máy chủ trong [receive.revocation] hoặc sửa danh sách; gói tin của nơi khác phải chờ",
        ),
        find=_find_revocation_trouble,
        is_remote=True,
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
