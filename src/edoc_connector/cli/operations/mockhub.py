"""The command mockhub: runs a hub to test against."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ..errors import WrongOption
from ..output import say
from .extras import require_mockhub


class HashForm(StrEnum):
    """The forms of hash-file that the mock hub takes."""

    ANY = "any"
    SDK = "sdk"
    EXACT = "exact"


class EdocTrap(StrEnum):
    """Switches of the eDoc hub."""

    SHARED_CACHE = "shared-cache"
    REBUILT = "rebuilt"
    LOST = "lost"
    POST = "post"
    LONG_CODES = "long-codes"
    ONE_BY_ONE = "one-by-one"
    OLD_CODES = "old-codes"


_EDOC_TRAPS: dict[EdocTrap, tuple[tuple[str, Any], ...]] = {
    EdocTrap.SHARED_CACHE: (("shares_cache", True),),
    EdocTrap.REBUILT: (("keeps_packets", False),),
    EdocTrap.LOST: (("forwards", False),),
    EdocTrap.POST: (("list_method", "POST"),),
    EdocTrap.LONG_CODES: (("min_code_length", 11),),
    EdocTrap.ONE_BY_ONE: (("confirms_all_statuses", False),),
    EdocTrap.OLD_CODES: (("old_codes", True),),
}


DataOption = Annotated[Path, typer.Option(metavar="DIR", help="Database and packets. / Thư mục dữ liệu.")]
AgenciesOption = Annotated[
    list[str],
    typer.Option(
        metavar="CODE:SECRET[:NAME]",
        help="An agency; repeat it. The secret may be a reference, CODE:env:NAME or CODE:file:PATH: other users of "
        "the machine can read a command line. / Một đơn vị; dùng nhiều lần.",
    ),
]
PortOption = Annotated[
    int, typer.Option(metavar="PORT", min=0, max=65535, help="TCP port, 0 for a free one. / Cổng TCP.")
]
HostOption = Annotated[str, typer.Option(metavar="HOST", help="Address to listen on. / Địa chỉ lắng nghe.")]
PasswordOption = Annotated[
    str | None,
    typer.Option(
        metavar="REF",
        help="Password of the page and /mock/*: env:NAME, file:PATH or cmd:…; needed where --host lets others in. "
        "/ Mật khẩu của trang và /mock/*.",
    ),
]
PassThroughOption = Annotated[
    bool,
    typer.Option(
        "--pass-through",
        help="Deliver the bytes that were sent, do not rebuild packets. / Chuyển nguyên gói tin, không đóng gói lại.",
    ),
]
HashOption = Annotated[
    HashForm,
    typer.Option(
        "--hash", metavar="any|sdk|exact", help="Form of hash-file to insist on. / Dạng hash-file được chấp nhận."
    ),
]
ToleranceOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="SECONDS",
        help="Refuse time stamps that are further off; any is taken by default. / "
        "Từ chối mốc thời gian lệch quá mức này; mặc định không kiểm tra.",
    ),
]
RefuseOption = Annotated[
    list[str] | None,
    typer.Option(metavar="CALL", help="Refuse a call, e.g. getSentEdocList; repeat it. / Từ chối một lệnh gọi."),
]
LoginOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME:REF",
        help="Login that the platform under /v1 wants, NAME:env:VARIABLE or NAME:file:PATH; none by default. / "
        "Đăng nhập của nền tảng LGSP ở /v1; mặc định không cần.",
    ),
]
FaultsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=escape("Fault plan: TOML with [[fault]] tables. / Kế hoạch lỗi giả lập, tệp TOML có các bảng [[fault]]."),
    ),
]
TlsOption = Annotated[
    bool,
    typer.Option(
        "--tls",
        help="Speak HTTPS, with a throwaway CA whose file is printed. / Dùng HTTPS với CA tạm, tệp CA được in ra.",
    ),
]
EdocTrapOption = Annotated[
    list[EdocTrap] | None,
    typer.Option(
        metavar="NAME",
        help="What the eDoc hub under /EdocService does that nobody expects; repeat it. / "
        "Hành vi bất thường của trục eDoc ở /EdocService; dùng nhiều lần.",
    ),
]


def mockhub(
    data: DataOption,
    agency: AgenciesOption,
    port: PortOption = 8480,
    host: HostOption = "127.0.0.1",
    password: PasswordOption = None,
    pass_through: PassThroughOption = False,
    hash_form: HashOption = HashForm.ANY,
    clock_tolerance: ToleranceOption = None,
    refuse: RefuseOption = None,
    lgsp_login: LoginOption = None,
    edoc_trap: EdocTrapOption = None,
    faults: FaultsOption = None,
    tls: TlsOption = False,
) -> None:
    """Run a hub to test against; its page is at the address it prints. / Chạy trục giả lập để kiểm thử."""
    require_mockhub()
    from ...mockhub import AgencySpec, EdocserviceTraps, LgspTraps, MockHubConfig, load_faults, serve
    from ...testing.inspection import inspect_packet

    username, _, reference = (lgsp_login or "").partition(":")
    if lgsp_login is not None and not reference:
        raise WrongOption(
            "--lgsp-login is NAME:REF, such as qlvb:env:LGSP_PASSWORD.",
            vi="--lgsp-login có dạng TÊN:THAM_CHIẾU, ví dụ qlvb:env:LGSP_PASSWORD.",
        )

    plan = None if faults is None else load_faults(faults)
    config = MockHubConfig(
        data=data,
        agencies=tuple(AgencySpec.parse(text) for text in agency),
        hash=hash_form.value,
        pass_through=pass_through,
        clock_tolerance=None if clock_tolerance is None else timedelta(seconds=clock_tolerance),
        refuse=frozenset(refuse or ()),
        password=_resolve_password(password, "--password"),
        inspector=inspect_packet,
        faults=() if plan is None else plan.faults,
        fault_seed=0 if plan is None else plan.seed,
        edocservice=EdocserviceTraps(**{name: value for one in edoc_trap or () for name, value in _EDOC_TRAPS[one]}),
        lgsp=LgspTraps(username=username, password=_resolve_password(reference or None, "--lgsp-login")),
    )

    def announce(url: str) -> None:
        _announce_url(url)
        if tls:
            authority = data / "tls" / "ca.pem"
            say(f"its throwaway CA: {authority}", f"CA tạm của trục: {authority}")

    serve(config, host=host, port=port, on_ready=announce, tls=tls)


def _resolve_password(reference: str | None, option: str) -> str:
    from ...config import REFERENCE_HINT, SecretRef

    if reference is None:
        return ""
    if not SecretRef.is_reference(reference):
        raise WrongOption(f"{option}: {REFERENCE_HINT.en}", vi=f"{option}: {REFERENCE_HINT.vi}")
    return SecretRef.parse(reference).resolve(Path.cwd()).get_secret_value()


def _announce_url(url: str) -> None:
    say(f"mock hub ready: {url}", f"trục giả lập đã sẵn sàng: {url}")
