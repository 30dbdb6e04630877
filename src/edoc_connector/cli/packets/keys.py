"""The command keys: lists the configured keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag
from ..output import ExitCode, format_local_time, print_json, print_table, say

if TYPE_CHECKING:
    from datetime import datetime

    from ...signing import KeyStatus

_COLUMNS = (
    "key / khóa",
    "holder / chủ thể",
    "algorithm / thuật toán",
    "valid / hiệu lực",
    "days left / còn (ngày)",
    "usage / mục đích",
    "state / tình trạng",
)


def keys(config: ConfigOption = CONFIG, agency: AgencyOption = None, as_json: JsonFlag = False) -> None:
    """List the keys of the configuration, with expiry and usage. / Liệt kê các khóa ký, thời hạn và mục đích.

    Tokens are asked for their certificates, so they need their PIN. Exit code 0: a key can sign now, or none is
    configured; 1: none of them can.
    """
    from ...config import Settings

    keyring = Settings.load(config, agency=agency).signer()
    statuses = () if keyring is None else keyring.statuses()
    if keyring is not None:
        keyring.close()
    if as_json:
        print_json([_describe_key(status) for status in statuses])
    elif not statuses:
        say(
            "no key is configured: packets go out unsigned; set [signing] key",
            "chưa cấu hình khóa: gói tin gửi đi không có chữ ký; hãy đặt [signing] key",
        )
    else:
        _print_statuses(statuses)
    raise typer.Exit(ExitCode.OK if not statuses or any(one.signs for one in statuses) else ExitCode.FAILED)


def _describe_key(status: KeyStatus) -> dict[str, Any]:
    from ...signing import fingerprint, human_name, read_serial_number

    certificate = status.certificate
    return {
        "key": status.name,
        "holder": certificate and human_name(certificate),
        "issuer": certificate and certificate.issuer.rfc4514_string(),
        "serial": certificate and f"{read_serial_number(certificate):x}",
        "sha256": certificate and fingerprint(certificate),
        "algorithm": status.algorithm,
        "not_before": certificate and certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate and certificate.not_valid_after_utc.isoformat(),
        "days_left": status.days_left,
        "usage": list(status.usage),
        "signs": status.signs,
        "succeeded": status.succeeded,
        "warn_days": status.warn,
        "problem": status.problem and status.problem.message,
        "problem_vi": status.problem and status.problem.vi,
    }


def _print_statuses(statuses: tuple[KeyStatus, ...]) -> None:
    print_table("keys / khóa ký", _COLUMNS, [_build_row(status) for status in statuses], unbroken_columns=(0, 5))
    for status in statuses:
        if status.problem is not None:
            say(f"{status.name}: {status.problem.message}", f"{status.name}: {status.problem.vi}", err=True)
        elif status.warn is not None:
            say(
                f"warning: {status.name} expires in {status.days_left} days (fewer than {status.warn}); renew it and "
                "add the new key to [signing] keys",
                f"cảnh báo: {status.name} còn {status.days_left} ngày là hết hạn (dưới {status.warn} ngày); hãy gia "
                "hạn và thêm khóa mới vào [signing] keys",
                err=True,
            )


def _build_row(status: KeyStatus) -> tuple[object, ...]:
    from ...signing import human_name

    certificate = status.certificate
    return (
        status.name,
        certificate and human_name(certificate),
        status.algorithm,
        certificate
        and f"{_format_day(certificate.not_valid_before_utc)} – {_format_day(certificate.not_valid_after_utc)}",
        status.days_left,
        "\n".join(status.usage),
        _format_state(status),
    )


def _format_day(moment: datetime) -> str:
    return format_local_time(moment).partition(" ")[0]


def _format_state(status: KeyStatus) -> str:
    if status.signs:
        return "signs / đang ký"
    if status.problem is not None:
        return "cannot sign / không ký"
    return "reserve / dự phòng"
