"""Checks of the connection to the hub and of our own entry there: they call the hub."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from ..._core import Text
from ...client import ConnectionStage
from ...errors import AuthenticationRejected, ClockRejected
from .check import Check, CheckSeverity, Values
from .subject import Subject
from .survey import HubSurvey

_CERTIFICATE_DAYS = 14
_CLOCK_TOLERANCE = timedelta(minutes=2)  # Decree 30/2020/NĐ-CP, Annex VI, III.2
_OLD_TLS = frozenset({"SSLv3", "TLSv1", "TLSv1.1"})


def _find_first(subject: Subject, find: Callable[[HubSurvey], Values | None]) -> Values | None:
    surveys = subject.surveys.read(subject.settings, subject.opened).values()
    return next((found for survey in surveys if (found := find(survey)) is not None), None)


def _find_failure(stage: ConnectionStage, subject: Subject) -> Values | None:
    def find(survey: HubSurvey) -> Values | None:
        connection = survey.connection
        return {"host": connection.host, "problem": connection.problem} if connection.failed_at is stage else None

    return _find_first(subject, find)


def _find_weak_tls(subject: Subject) -> Values | None:
    def find(survey: HubSurvey) -> Values | None:
        version = survey.connection.tls_version
        return {"host": survey.host, "version": version} if version in _OLD_TLS else None

    return _find_first(subject, find)


def _find_ending_certificate(subject: Subject) -> Values | None:
    def find(survey: HubSurvey) -> Values | None:
        ends = survey.connection.certificate_ends
        if ends is None or ends - datetime.now(UTC) >= timedelta(days=_CERTIFICATE_DAYS):
            return None
        return {"host": survey.host, "end": Text(f"{ends:%Y-%m-%d}", f"{ends:%d/%m/%Y}")}

    return _find_first(subject, find)


def _find_refused_login(subject: Subject) -> Values | None:
    return _find_first(subject, lambda survey: _describe_error(survey) if _is_login(survey) else None)


def _find_other_refusal(subject: Subject) -> Values | None:
    return _find_first(subject, lambda survey: None if _is_login(survey) else _describe_error(survey))


def _is_login(survey: HubSurvey) -> bool:
    return isinstance(survey.error, AuthenticationRejected) and not isinstance(survey.error, ClockRejected)


def _describe_error(survey: HubSurvey) -> Values | None:
    error = survey.error
    return None if error is None else {"problem": Text(error.message, error.vi)}


def _find_clock_drift(subject: Subject) -> Values | None:
    subject.surveys.read(subject.settings, subject.context)
    offset = max((context.hub.time.seen_offset for context in subject.context.by_hub.values()), key=abs)
    return {"seconds": f"{-offset.total_seconds():.0f}"} if abs(offset) > _CLOCK_TOLERANCE else None


def _find_missing_code(subject: Subject) -> Values | None:
    def find(survey: HubSurvey) -> Values | None:
        if survey.agencies is None:
            return None
        listed = {code for one in survey.agencies for code in (one.code, one.other_code)}
        return None if subject.agency in listed else {"code": subject.agency, "host": survey.host}

    return _find_first(subject, find)


def _find_other_name(subject: Subject) -> Values | None:
    ours = subject.settings.agency

    def find(survey: HubSurvey) -> Values | None:
        names = [one.name for one in survey.agencies or () if ours.id in (one.code, one.other_code)]
        listed = next((name for name in names if name and _fold(name) != _fold(ours.name)), None)
        return None if listed is None else {"ours": ours.name, "listed": listed}

    return _find_first(subject, find)


def _fold(name: str) -> str:
    return " ".join(name.split()).casefold()


def _build_stage_check(code: str, stage: ConnectionStage, title: Text, sentence: Text, cure: Text) -> Check:
    return Check(
        code=code,
        severity=CheckSeverity.FAIL,
        title=title,
        sentence=sentence,
        cure=cure,
        find=partial(_find_failure, stage),
        is_remote=True,
    )


CONNECTION_CHECKS = (
    _build_stage_check(
        "CHK-HUB-NAME",
        ConnectionStage.NAME,
        Text("the hub's name has an address (DNS)", "phân giải được tên máy chủ trục (DNS)"),
        Text("the name {host} has no address: {problem}", "không phân giải được tên {host}: {problem}"),
        Text(
            "correct endpoint of [hub] (or proxy of [http]), or ask who runs your network's DNS for this name",
            "hãy sửa endpoint trong [hub] (hoặc proxy trong [http]), hoặc đề nghị đơn vị quản trị mạng khai báo DNS",
        ),
    ),
    _build_stage_check(
        "CHK-HUB-PROXY",
        ConnectionStage.PROXY,
        Text("the proxy lets connections through", "proxy cho kết nối đi qua"),
        Text("no connection over the proxy {host}: {problem}", "không kết nối được qua proxy {host}: {problem}"),
        Text(
            "correct proxy and proxy_password of [http], and ask who runs the proxy to let the hub's address through",
            "hãy sửa proxy và proxy_password trong [http], đề nghị đơn vị quản trị proxy mở địa chỉ của trục",
        ),
    ),
    _build_stage_check(
        "CHK-HUB-REACH",
        ConnectionStage.REACH,
        Text("the hub can be reached", "kết nối được tới trục"),
        Text("{host} does not take a connection: {problem}", "{host} không nhận kết nối: {problem}"),
        Text(
            "check the port of endpoint in [hub], the firewall, and that this machine is in the hub's network "
            "(MSLCD, VPN or allow-list)",
            "hãy kiểm tra cổng trong endpoint của [hub], tường lửa, và máy này đã vào mạng của trục (MSLCD, VPN hoặc "
            "danh sách cho phép)",
        ),
    ),
    _build_stage_check(
        "CHK-HUB-TLS",
        ConnectionStage.TLS,
        Text("TLS with the hub stands", "kết nối TLS với trục đạt yêu cầu"),
        Text("no TLS with {host}: {problem}", "không thiết lập được TLS với {host}: {problem}"),
        Text(
            "do what the sentence says; the file of trusted authorities is ca_bundle of [http]",
            "hãy làm theo câu trên; tệp chứng thư tin cậy đặt ở ca_bundle trong [http]",
        ),
    ),
    Check(
        code="CHK-HUB-TLS-OLD",
        severity=CheckSeverity.WARN,
        title=Text("the hub speaks today's TLS", "trục dùng TLS hiện hành"),
        sentence=Text("{host} speaks {version} only", "{host} chỉ hỗ trợ {version}"),
        cure=Text(
            'ask the hub\'s operator for TLS 1.2 or newer, then take tls = "legacy" out of [http]',
            'hãy đề nghị đơn vị vận hành trục nâng lên TLS 1.2 trở lên, rồi bỏ tls = "legacy" trong [http]',
        ),
        find=_find_weak_tls,
        is_remote=True,
    ),
    Check(
        code="CHK-HUB-CERTIFICATE",
        severity=CheckSeverity.WARN,
        title=Text("the hub's TLS certificate is valid for a while", "chứng thư TLS của trục chưa sắp hết hạn"),
        sentence=Text("the TLS certificate of {host} ends on {end}", "chứng thư TLS của {host} hết hạn ngày {end}"),
        cure=Text(
            "tell the hub's operator; nothing goes out or comes in after that day",
            "hãy báo đơn vị vận hành trục; sau ngày đó không gửi, nhận được",
        ),
        find=_find_ending_certificate,
        is_remote=True,
    ),
    Check(
        code="CHK-HUB-LOGIN",
        severity=CheckSeverity.FAIL,
        title=Text("the hub takes our id and secret", "trục chấp nhận mã hệ thống và mã bí mật"),
        sentence=Text(
            "the hub refuses our id or secret: {problem}", "trục từ chối mã hệ thống hoặc mã bí mật: {problem}"
        ),
        cure=Text(
            "compare system_id and the secret with what the hub's operator gave for this environment; a test hub's "
            "are not those of production",
            "hãy đối chiếu system_id và mã bí mật với thông tin đơn vị vận hành trục cấp cho môi trường này; thông tin "
            "của trục thử nghiệm khác trục chính thức",
        ),
        find=_find_refused_login,
        is_remote=True,
    ),
    Check(
        code="CHK-HUB-CALL",
        severity=CheckSeverity.FAIL,
        title=Text("the hub answers a call", "trục trả lời lời gọi"),
        sentence=Text("the hub does not answer as it should: {problem}", "trục trả lời không đúng: {problem}"),
        cure=Text(
            "check dialect and the path in endpoint of [hub]; where they are right, send this line to its operator",
            "hãy kiểm tra dialect và đường dẫn trong endpoint của [hub]; nếu đã đúng, gửi dòng này cho đơn vị vận hành "
            "trục",
        ),
        find=_find_other_refusal,
        is_remote=True,
    ),
    Check(
        code="CHK-CLOCK-DRIFT",
        severity=CheckSeverity.WARN,
        title=Text("the clock is within 2 minutes of the hub's Date", "đồng hồ lệch không quá 2 phút so với trục"),
        sentence=Text(
            "this machine's clock is {seconds} seconds from the Date of the hub's answers",
            "đồng hồ máy này lệch {seconds} giây so với Date trong câu trả lời của trục",
        ),
        cure=Text(
            "set it with NTP from the state network's time server; where ours is right, tell the hub's operator",
            "hãy đồng bộ NTP với máy chủ thời gian của mạng; nếu máy này đúng giờ, hãy báo đơn vị vận hành trục",
        ),
        find=_find_clock_drift,
        is_remote=True,
    ),
    Check(
        code="CHK-OWN-CODE",
        severity=CheckSeverity.FAIL,
        title=Text("our code is in the hub's directory", "mã định danh của đơn vị có trong danh bạ của trục"),
        sentence=Text("{code} is not in the directory of {host}", "danh bạ của {host} không có {code}"),
        cure=Text(
            "correct id of [agency], or ask the hub's operator to enter the code: nobody can send to it before",
            "hãy sửa id trong [agency] hoặc đề nghị đơn vị vận hành trục khai báo mã; trước đó chưa ai gửi tới được",
        ),
        find=_find_missing_code,
        is_remote=True,
    ),
    Check(
        code="CHK-OWN-NAME",
        severity=CheckSeverity.WARN,
        title=Text("the hub's directory has our name", "danh bạ của trục ghi đúng tên đơn vị"),
        sentence=Text(
            "the directory calls us “{listed}”, our settings “{ours}”",
            "danh bạ ghi tên đơn vị là “{listed}”, cấu hình ghi “{ours}”",
        ),
        cure=Text(
            "write the official name into name of [agency], or ask the hub's operator to correct the entry",
            "hãy ghi tên chính thức vào name trong [agency], hoặc đề nghị đơn vị vận hành trục sửa danh bạ",
        ),
        find=_find_other_name,
        is_remote=True,
    ),
)
