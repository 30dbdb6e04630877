"""The command init: writes a configuration, tries the connection, and tells the next step."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.markup import escape

from ..._core import Text
from ...errors import LANGUAGE_VARIABLE, LANGUAGES, set_language
from ..errors import WrongOption, raise_wrong_option
from ..language import choose_language
from ..operations import print_check_results
from ..options import CONFIG
from ..output import ExitCode, say

if TYPE_CHECKING:
    from pydantic import SecretStr

    from ...config import Settings
    from ...errors import Language
    from ...joining import SetUp

_Ask = Callable[..., str]


def init(
    env: Annotated[
        str, typer.Option("--env", metavar="NAME", help="test, or production. / Môi trường: test hoặc production.")
    ] = "test",
    agency_id: Annotated[
        str | None, typer.Option("--id", metavar="CODE", help="Our code. / Mã định danh của đơn vị.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Our name. / Tên đơn vị.")] = None,
    dialect: Annotated[
        str | None, typer.Option(metavar="NAME", help="vxp, lgsp or edocservice. / Giao thức của trục.")
    ] = None,
    endpoint: Annotated[str | None, typer.Option(metavar="URL", help="The hub. / Địa chỉ trục.")] = None,
    system_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Our system id at the hub. / Mã hệ thống trên trục.")
    ] = None,
    secret: Annotated[
        str | None,
        typer.Option(
            metavar="REF", help="Where the hub's secret is: env:, file:, cmd:, or - to read it. / Nơi lấy mã bí mật."
        ),
    ] = None,
    hub_settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help=escape("A further setting of [hub]. / Mục khác của [hub].")),
    ] = None,
    key: Annotated[str | None, typer.Option(metavar="URI", help="The key: p12:…, pem:…, pkcs11:… / Khóa ký.")] = None,
    key_secret: Annotated[
        str | None, typer.Option(metavar="REF", help="Where its password or PIN is. / Nơi lấy mật khẩu của khóa.")
    ] = None,
    trust: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="Authorities to trust. / Chứng thư gốc tin cậy.")
    ] = None,
    revocation_host: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="Host that tells of revocation. / Máy chủ thông tin thu hồi."),
    ] = None,
    ca_bundle: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Authorities for TLS. / Chứng thư tin cậy cho TLS.")
    ] = None,
    proxy: Annotated[str, typer.Option(metavar="URL", help="A proxy. / Proxy.")] = "",
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang",
            metavar="vi|en|both",
            help="Language of the commands; vi if left out. / Ngôn ngữ của các lệnh; mặc định vi.",
        ),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not try the connection. / Không thử kết nối.")] = False,
    config: Annotated[
        Path, typer.Option("--config", "-c", metavar="FILE", envvar="EDOC_CONFIG", help="The file. / Tệp cấu hình.")
    ] = CONFIG,
) -> None:
    """Write edoc.toml for an environment, try the connection, tell the next step. / Tạo cấu hình và thử kết nối.

    On a terminal it asks for what the options leave out. A file that is there gets a further environment. Secrets go
    into files of their own, for their user alone, or stay where a reference says. / Trên cửa sổ dòng lệnh, lệnh hỏi
    những gì tùy chọn chưa nêu. Tệp đã có thì được thêm một môi trường. Mã bí mật được ghi vào tệp riêng chỉ người dùng
    này đọc được, hoặc để nguyên ở nơi được chỉ.

    Exit code 0: written, and the connection stands; 5: written, and something has to be looked at; 1: written, and
    something does not work yet; 2: an option is missing or wrong. / Mã kết thúc 0: đã ghi và kết nối được; 5: đã ghi,
    có điều cần xem; 1: đã ghi nhưng có phần chưa hoạt động; 2: thiếu tùy chọn hoặc tùy chọn sai.
    """
    from ...joining import SetUp, write_set_up

    _speak(lang, config)
    with raise_wrong_option():
        known = _read_agency(config)
        agency = {
            "id": known.get("id") or _want(agency_id, "--id", _AGENCY_ID),
            "name": known.get("name") or _want(name, "--name", _AGENCY_NAME),
        }
        chosen = _want(dialect, "--dialect", _DIALECT, default="vxp")
        given = {"endpoint": endpoint, "system_id": system_id, "secret": secret, **_parse_pairs(hub_settings)}
        set_up = SetUp(
            environment=env,
            agency=agency,
            dialect=chosen,
            hub=_ask_hub_settings(chosen, given),
            key=_ask_optional(key, _KEY),
            key_secret=None,
            trust=tuple(trust or ()),
            revocation_hosts=tuple(revocation_host or ()),
            ca_bundle=ca_bundle,
            proxy=proxy,
            language=lang or "vi",
        )
        set_up = _with_key_secret(set_up, key_secret)
        written = write_set_up(config, set_up)
    choose_language(config)  # as the file says now
    for path in written:
        say(f"written: {path}", f"đã ghi: {path}")
    raise typer.Exit(_try_out(config, env, offline=offline))


def _speak(lang: str | None, config: Path) -> None:
    """Speak the language that is asked for at once, unless the variable or a file that is there names one.

    Raises:
        WrongOption: there is none of that name.
    """
    if lang is None:
        return
    if lang not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise WrongOption(f"--lang: it is one of {known}.", vi=f"--lang: chỉ dùng {known}.")
    if not os.environ.get(LANGUAGE_VARIABLE) and not config.exists():
        set_language(cast("Language", lang))


_AGENCY_ID = Text("our code, as in H29.05", "mã định danh của đơn vị, ví dụ H29.05")
_AGENCY_NAME = Text("our official name", "tên chính thức của đơn vị")
_DIALECT = Text("the hub's dialect: vxp, lgsp, edocservice", "giao thức của trục: vxp, lgsp, edocservice")
_KEY = Text(
    "URI of the signing key, as in p12:agency.p12; empty for none yet",
    "URI khóa ký, ví dụ p12:agency.p12; để trống nếu chưa có",
)
_KEY_SECRET = Text("password or PIN of the key", "mật khẩu hoặc PIN của khóa ký")
_HUB_SETTINGS = {
    "endpoint": Text("address of the hub, https://…", "địa chỉ trục, https://…"),
    "system_id": Text("our system id at the hub", "mã hệ thống trên trục"),
    "secret": Text("secret of the hub account", "mã bí mật của tài khoản trên trục"),
    "username": Text("user of the platform; empty for none", "tên đăng nhập nền tảng; để trống nếu không có"),
    "password": Text("password of that user; empty for none", "mật khẩu đăng nhập; để trống nếu không có"),
    "application_code": Text("code of our application; empty for none", "mã ứng dụng; để trống nếu không có"),
}


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _prompt(words: Text, *, default: str | None = None, hide: bool = False) -> str:
    return str(typer.prompt(str(words), default=default, hide_input=hide, show_default=bool(default), err=True)).strip()


def _want(given: str | None, option: str, words: Text, *, default: str | None = None) -> str:
    """Take an option's value, or ask for it on a terminal.

    Raises:
        WrongOption: it is missing, and nobody can be asked.
    """
    if given:
        return given
    if _is_terminal():
        return _prompt(words, default=default)
    raise WrongOption(f"{option} is missing: {words.en}.", vi=f"Thiếu {option}: {words.vi}.")


def _ask_optional(given: str | None, words: Text) -> str:
    if given is not None or not _is_terminal():
        return given or ""
    return _prompt(words, default="")


def _read_agency(config: Path) -> dict[str, Any]:
    """Read the agency of a file that is there."""
    import tomllib

    try:
        found = tomllib.loads(config.read_text(encoding="utf-8-sig")).get("agency", {})
    except FileNotFoundError:
        return {}
    except (ValueError, UnicodeDecodeError) as error:
        raise WrongOption(
            f"{config} is no configuration: {error}. Correct it, or give another --config.",
            vi=f"{config} không phải tệp cấu hình: {error}. Hãy sửa hoặc dùng --config khác.",
        ) from error
    if not isinstance(found, dict):
        raise WrongOption(
            f"{config}: agency is no table: write it as [agency], with id and name.",
            vi=f"{config}: agency không phải bảng: hãy viết [agency] với id và name.",
        )
    return found


def _parse_pairs(pairs: Iterable[str] | None) -> dict[str, str]:
    listed = [pair.partition("=")[::2] for pair in pairs or ()]
    if not all(name and value for name, value in listed):
        raise WrongOption("--set: write NAME=VALUE.", vi="--set: hãy ghi TÊN=GIÁ_TRỊ.")
    found = dict(listed)
    if len(found) != len(listed):
        raise WrongOption("--set: a name stands twice.", vi="--set: có tên ghi hai lần.")
    return found


def _ask_hub_settings(dialect: str, given: dict[str, str | None]) -> dict[str, str | SecretStr]:
    """Take the settings of a dialect from the options, or ask for them."""
    from ...joining import list_hub_settings

    asked = {name: (is_needed, is_secret) for name, is_needed, is_secret in list_hub_settings(dialect)}
    found: dict[str, str | SecretStr] = {
        name: value for name, value in given.items() if value and not asked.get(name, (False, False))[1]
    }
    for name, (is_needed, is_secret) in asked.items():
        words = _HUB_SETTINGS.get(name, Text(name, name))
        option = f"--{name.replace('_', '-')}" if name in ("endpoint", "system_id", "secret") else f"--set {name}=…"
        value = (
            _take_secret(given.get(name), option, words, is_needed=is_needed)
            if is_secret
            else given.get(name) or (_want(None, option, words) if is_needed else _ask_optional(None, words))
        )
        if value:
            found[name] = value
    return found


def _take_secret(given: str | None, option: str, words: Text, *, is_needed: bool) -> str | SecretStr | None:
    """Take a secret: a reference, the standard input's line, or what a person types unseen."""
    from pydantic import SecretStr

    from ...joining import parse_secret

    if given == "-":
        line = sys.stdin.readline().rstrip("\r\n")
        return SecretStr(line) if line else None
    if given:
        return parse_secret(given, option)
    if _is_terminal():
        typed = _prompt(words, default=None if is_needed else "", hide=True)
        return SecretStr(typed) if typed else None
    if is_needed:
        raise WrongOption(f"{option} is missing: {words.en}.", vi=f"Thiếu {option}: {words.vi}.")
    return None


def _with_key_secret(set_up: SetUp, given: str | None) -> SetUp:
    from dataclasses import replace

    if not set_up.key:
        return set_up
    return replace(set_up, key_secret=_take_secret(given, "--key-secret", _KEY_SECRET, is_needed=False))


def _try_out(config: Path, env: str, *, offline: bool) -> ExitCode:
    """Look at every condition, the connection too, and tell the next step."""
    from ...config import Settings
    from ...connector import Connector

    settings = Settings.load(config, env=env)
    results = Connector.diagnose(settings, remote=not offline)
    code = print_check_results(settings.agency.id, results)
    _tell_next_step(settings, is_well=code is not ExitCode.FAILED)
    return code


def _tell_next_step(settings: Settings, *, is_well: bool) -> None:
    env = settings.environment
    if not is_well:
        say(
            f"next: correct what is marked FAIL, then run edoc doctor --env {env}",
            f"bước tiếp theo: khắc phục các mục LỖI rồi chạy edoc doctor --env {env}",
        )
        return
    say(
        f"next: edoc acceptance --env {env} runs the scenarios with the hub and writes the minutes (docs/joining.md)"
        if env != "production"
        else "next: docs/going-live.md leads through the pilot of one agency",
        f"bước tiếp theo: chạy edoc acceptance --env {env} để kiểm thử với trục và lập biên bản (docs/joining.vi.md)"
        if env != "production"
        else "bước tiếp theo: xem docs/going-live.vi.md để chạy thử một đơn vị",
    )
