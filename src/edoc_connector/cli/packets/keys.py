"""The commands keys: list the configured keys, ask for the certificate of a new one, and read who follows whom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..._core import Text, format_name, utc_now, write_private
from ..configuration import load_settings
from ..errors import WrongOption, refuse_options_before_command
from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag
from ..output import ExitCode, format_local_time, print_json, print_table, require_free, say

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.x509 import Name

    from ...config import Settings
    from ...joining import KeyDuty
    from ...signing import KeyStatus, RequestKey

_COLUMNS = (
    Text("key", "khóa"),
    Text("holder", "chủ thể"),
    Text("algorithm", "thuật toán"),
    Text("valid", "hiệu lực"),
    Text("days left", "còn (ngày)"),
    Text("usage", "mục đích"),
    Text("state", "tình trạng"),
)


key_commands = typer.Typer(
    name="keys",
    help="The keys of the configuration, what is due for them, and the certificate of a new one. / Các khóa ký trong "
    "cấu hình, việc cần làm, và chứng thư số của khóa mới.",
    invoke_without_command=True,
)

_NewKey = Annotated[str | None, typer.Option("--key", metavar="URI", help="The new key. / Khóa mới cần chứng thư số.")]


@key_commands.callback()
def show_keys(
    context: typer.Context, config: ConfigOption = CONFIG, agency: AgencyOption = None, as_json: JsonFlag = False
) -> None:
    """List the keys where no command follows: see `edoc keys list`. / Không kèm lệnh nào thì như `edoc keys list`."""
    if context.invoked_subcommand is None:
        list_(config, agency, as_json)
    else:
        refuse_options_before_command(context)


@key_commands.command("list")
def list_(config: ConfigOption = CONFIG, agency: AgencyOption = None, as_json: JsonFlag = False) -> None:
    """List the keys of the configuration, with expiry and usage. / Liệt kê các khóa ký, thời hạn và mục đích.

    Tokens are asked for their certificates, so they need their PIN. Exit code 0: a key can sign now, or none is
    configured; 1: none of them can. / Lệnh đọc chứng thư số trong thiết bị nên cần mã PIN. Mã kết thúc 0: có khóa ký
    được, hoặc chưa cấu hình khóa nào; 1: không khóa nào ký được.
    """
    keyring = load_settings(config, agency).signer()
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


@key_commands.command()
def status(config: ConfigOption = CONFIG, agency: AgencyOption = None, as_json: JsonFlag = False) -> None:
    """Show what waits for each key, and the next step of its renewal. / Xem văn bản do từng khóa ký và việc cần làm.

    That is, which documents that it signed are still on their way. The store is looked at, the hub is not called. Exit
    codes as of `list`. / Cho biết văn bản do từng khóa ký còn trên đường, và bước gia hạn tiếp theo. Lệnh đọc kho dữ
    liệu, không gọi trục. Mã kết thúc như lệnh `list`.
    """
    from ...connector import Connector
    from ...joining import read_key_duties

    with Connector(load_settings(config, agency)) as connector:
        duties = read_key_duties(connector)
    if as_json:
        print_json([_describe_duty(duty) for duty in duties])
    else:
        _print_duties(duties)
    raise typer.Exit(ExitCode.OK if not duties or any(duty.status.signs for duty in duties) else ExitCode.FAILED)


@key_commands.command()
def request(
    key: _NewKey = None,
    subject: Annotated[
        str | None,
        typer.Option("--subject", metavar="DN", help="Instead of the agency's name. / Tên chủ thể."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where it goes. / Tệp yêu cầu (PEM).")
    ] = None,
    succession: Annotated[
        Path | None,
        typer.Option(
            "--succession", metavar="FILE", help="Also the old key's word for the new one. / Bản xác nhận thay khóa."
        ),
    ] = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Write a request for a certificate. / Ghi yêu cầu cấp chứng thư số.

    It is a PKCS#10 request (PEM), signed by the key itself, on its token where it lives there; with --succession the
    key that signs today states too which key follows it. / Yêu cầu theo PKCS#10 (PEM) do chính khóa đó ký, ngay trong
    thiết bị nếu khóa nằm ở đó; thêm --succession thì khóa đang ký xác nhận khóa kế tiếp.
    """
    _write_request(load_settings(config, agency), key, subject=subject, out=out, succession=succession)


@key_commands.command()
def join(
    key: _NewKey = None,
    certificate: Annotated[
        list[Path] | None,
        typer.Option(
            "--certificate",
            metavar="FILE",
            help="The certificate that came, and those above it; repeat it. / Chứng thư số được cấp và chứng thư số "
            "của tổ chức cấp; dùng nhiều lần.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The new .p12 file. / Tệp .p12 mới.")
    ] = None,
    password: Annotated[
        str | None,
        typer.Option(
            "--password",
            metavar="REF",
            help="Where the new file's password is; else that of secret in \\[signing]. / Nơi lấy mật khẩu của tệp "
            "mới; nếu không có thì là secret ở \\[signing].",
        ),
    ] = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Write a key in a file, and the certificate that came for it, as one PKCS#12 file. / Ghép khóa với chứng thư số.

    The result is for its user alone. / Kết quả là một tệp PKCS#12 chỉ người dùng đó đọc được.
    """
    _join(load_settings(config, agency), key, certificates=certificate, password=password, out=out)


@key_commands.command()
def check(
    succession: Annotated[
        Path | None,
        typer.Option("--succession", metavar="FILE", help="The partner's file. / Bản xác nhận thay khóa của đối tác."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Read a partner's statement of succession, and say whose it is. / Đọc bản xác nhận thay khóa của đối tác."""
    _show_succession(succession, as_json=as_json)


def _write_request(
    settings: Settings, key: str | None, *, subject: str | None, out: Path | None, succession: Path | None
) -> None:
    """Write a request for a certificate, and the statement of the key of before where that is wanted."""
    from ...signing import build_request, build_subject, fingerprint_key, parse_subject

    for path in filter(None, (out, succession)):
        require_free(path)
    agency = settings.agency
    name = (
        build_subject(name=agency.name, organ_id=agency.id, email=agency.email)
        if subject is None
        else parse_subject(subject)
    )
    with settings.request_key(key) as opened:
        statement = None if succession is None else _state_succession(settings, opened, name)
        request = build_request(opened, name)
        _write_or_print(out, request)
        if succession is not None and statement is not None:
            _write_or_print(succession, statement)
        say(
            f"public key SHA-256 {fingerprint_key(opened.public_key)}: read it out to the authority, and compare the "
            "certificate's with it",
            f"SHA-256 của khóa công khai: {fingerprint_key(opened.public_key)}; hãy đọc cho nơi cấp và đối chiếu khi "
            "nhận chứng thư số",
            err=True,
        )


def _join(
    settings: Settings, key: str | None, *, certificates: list[Path] | None, password: str | None, out: Path | None
) -> None:
    """Write a key and its certificate as one file, for its user alone."""
    if key is None or not certificates or out is None:
        raise WrongOption(
            "join needs --key (the key's file), --certificate (what the authority sent) and --out (the new .p12 file).",
            vi="join cần --key (tệp khóa), --certificate (tệp nơi cấp gửi) và --out (tệp .p12 mới).",
        )
    require_free(out)
    write_private(out, settings.join_key(key, [one.absolute() for one in certificates], password=password))
    say(
        f"written: {out}; put p12:{out} beside the old one in [signing] keys, and remove the key's own file once it "
        "signs",
        f"đã ghi: {out}; hãy thêm p12:{out} bên cạnh khóa cũ ở [signing] keys, và xóa tệp khóa rời khi khóa mới đã ký",
        err=True,
    )


def _state_succession(settings: Settings, key: RequestKey, subject: Name) -> bytes:
    from ...signing import state_succession

    keyring = settings.signer()
    if keyring is None:
        raise WrongOption(
            "--succession needs the key of before in [signing] key.",
            vi="--succession cần khóa cũ ở [signing] key.",
        )
    try:
        return state_succession(keyring, agency=settings.agency.id, key=key, subject=subject, at=utc_now())
    finally:
        keyring.close()


def _write_or_print(path: Path | None, data: bytes) -> None:
    if path is None:
        typer.echo(data.decode(), nl=False)
        return
    path.write_bytes(data)
    say(f"written: {path}", f"đã ghi: {path}", err=True)


def _show_succession(path: Path | None, *, as_json: bool) -> None:
    from ...signing import fingerprint, human_name, read_succession

    if path is None:
        raise WrongOption(
            "check needs --succession, the partner's file.", vi="check cần --succession là tệp của đối tác."
        )
    found = read_succession(path)
    old = found.old_certificate
    described = {
        "agency": found.agency,
        "old_holder": human_name(old),
        "old_sha256": fingerprint(old),
        "new_key_sha256": found.new_key,
        "subject": found.subject,
        "stated_at": found.stated_at.isoformat(),
    }
    if as_json:
        print_json(described)
        return
    shown = described | {"stated_at": format_local_time(found.stated_at)}
    rows = [(_SUCCESSION_WORDS[name], value) for name, value in shown.items()]
    print_table(Text("key that follows", "khóa kế tiếp"), (Text("field", "trường"), Text("value", "giá trị")), rows)
    say(
        "The signature holds. Compare the old certificate with the one that you know of this agency.",
        "Chữ ký hợp lệ. Hãy đối chiếu chứng thư số cũ với chứng thư số đã biết của cơ quan này.",
        err=True,
    )


_SUCCESSION_WORDS = {
    "agency": Text("agency", "đơn vị"),
    "old_holder": Text("holder of the old key", "chủ thể khóa cũ"),
    "old_sha256": Text("old certificate, SHA-256", "chứng thư số cũ, SHA-256"),
    "new_key_sha256": Text("new public key, SHA-256", "khóa công khai mới, SHA-256"),
    "subject": Text("subject asked for", "tên chủ thể đề nghị"),
    "stated_at": Text("stated at", "thời điểm xác nhận"),
}


def _describe_duty(duty: KeyDuty) -> dict[str, Any]:
    step = {"step": duty.step.en, "step_vi": duty.step.vi}
    return _describe_key(duty.status) | {"on_its_way": duty.on_its_way} | step


_DUTY_COLUMNS = (
    _COLUMNS[0],
    Text("state", "tình trạng"),
    Text("days left", "còn (ngày)"),
    Text("documents on their way", "văn bản đang trên đường"),
    Text("next step", "việc cần làm"),
)


def _print_duties(duties: Sequence[KeyDuty]) -> None:
    rows = [
        (duty.status.name, _format_state(duty.status), duty.status.days_left, duty.on_its_way, duty.step)
        for duty in duties
    ]
    print_table(Text("keys", "khóa ký"), _DUTY_COLUMNS, rows)


def _describe_key(status: KeyStatus) -> dict[str, Any]:
    from ...signing import fingerprint, human_name, read_serial_number

    certificate = status.certificate
    return {
        "key": status.name,
        "holder": certificate and human_name(certificate),
        "issuer": certificate and format_name(certificate.issuer),
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
    print_table(Text("keys", "khóa ký"), _COLUMNS, [_build_row(status) for status in statuses], unbroken_columns=(0, 5))
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
        return str(Text("signs", "đang ký"))
    if status.problem is not None:
        return str(Text("cannot sign", "không ký"))
    return str(Text("reserve", "dự phòng"))
