"""The set-up of an agency in one environment: its part of ``edoc.toml``, its folder, and the files of its secrets."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from .._core import Text, escape_line, make_private_folder, write_private
from ..config import PRODUCTION_ENVIRONMENT, SecretRef, Settings
from ..errors import ConfigError
from ..hubs import REGISTRY, is_secret, list_setting_fields

ENVIRONMENT_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_SETTING_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """What is to be written for an agency in one environment.

    Args:
        environment: its name, ``test`` or ``production``.
        agency: code and name of the agency; used where the file is not there yet.
        dialect: of the hub.
        hub: the dialect's settings; a secret one is a reference, or the secret itself, which goes into a file.
        key: URI of the key that signs; empty for none.
        key_secret: reference to its password, or the password itself; None for none.
        trust: files or folders of the authorities to trust.
        revocation_hosts: hosts whose revocation lists and responders may be asked.
        ca_bundle: file of the authorities to trust for TLS; None for the system's.
        proxy: URL of a proxy; empty for none.
        language: of what the commands print.
    """

    environment: str
    agency: Mapping[str, str]
    dialect: str
    hub: Mapping[str, str | SecretStr] = field(repr=False)
    key: str = ""
    key_secret: str | SecretStr | None = field(default=None, repr=False)
    trust: tuple[str, ...] = ()
    revocation_hosts: tuple[str, ...] = ()
    ca_bundle: Path | None = None
    proxy: str = ""
    language: str = "vi"


def list_hub_settings(dialect: str) -> tuple[tuple[str, bool, bool], ...]:
    """List the settings that a dialect is given by its hub's operator: name, whether it must be, whether it is secret.

    Raises:
        ConfigError: there is no such dialect.
    """
    if dialect not in REGISTRY:
        known = ", ".join(sorted(REGISTRY))
        raise ConfigError(
            f"there is no dialect {dialect}: use one of {known}.", vi=f"Không có giao thức {dialect}: hãy dùng {known}."
        )
    fields = list_setting_fields(REGISTRY[dialect])
    needed = {one.name for one in fields if one.default is one.default_factory}  # both are MISSING
    asked = [one for one in fields if one.name in needed or is_secret(one) or one.name in _ACCOUNT]
    return tuple((one.name, one.name in needed or one.name == "secret", is_secret(one)) for one in asked)


_ACCOUNT = frozenset({"username", "application_code"})


def write_set_up(path: Path, given: SetUp) -> list[Path]:
    """Write the file, or add the environment to one that is there; its folder, and the files of its secrets.

    Args:
        path: of the configuration.
        given: what to write.

    Returns:
        what was written, the configuration first.

    Raises:
        ConfigError: the file has that environment already, or holds what is no environment's; a value is no text of one
            line; a file of a secret is there already. Nothing was written.
    """
    _require_plain(given)
    before = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    _refuse_unusable(path, before, given)
    text = (before or _format_root(given)).rstrip("\n") + "\n\n" + _format_environment(given)
    _require_usable(path, text, given.environment)
    folder = path.absolute().parent / given.environment
    secrets = {folder / name: secret for name, secret in _list_secret_files(given)}
    _require_absent(secrets)
    _write_all(folder, {**secrets, path: text})
    return [path, folder, *secrets]


def _write_all(folder: Path, contents: Mapping[Path, str]) -> None:
    """Write files for their user alone, the last of them at the end: where one fails, those before it go again."""
    is_new, written = not folder.exists(), []
    make_private_folder(folder)
    try:
        for path, content in contents.items():
            write_private(path, content)
            written.append(path)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        if is_new:
            folder.rmdir()
        raise


def _require_absent(paths: Iterable[Path]) -> None:
    """Require that no file of a secret is there: it may be the only copy.

    Raises:
        ConfigError: one is.
    """
    for path in paths:
        if path.exists():
            raise ConfigError(
                f"{path} is there already, and may hold a secret that is in use: move it away, or name it with file:.",
                vi=f"{path} đã tồn tại và có thể chứa mã bí mật đang dùng: hãy chuyển đi chỗ khác hoặc chỉ bằng file:.",
            )


def _require_plain(given: SetUp) -> None:
    """Require texts of one line that a file can hold, and names of settings that are such.

    Raises:
        ConfigError: one is not; a secret is not repeated.
    """
    for name in given.hub:
        if not _SETTING_NAME.fullmatch(name):
            raise ConfigError(
                f"{escape_line(name)!r} is no name of a setting: write small letters, digits and underscores.",
                vi=f"{escape_line(name)!r} không phải tên mục cấu hình: chỉ dùng chữ thường không dấu, chữ số và dấu "
                "gạch dưới.",
            )
    for name, value in _list_texts(given):
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not text.isprintable():  # surrogates of names that are no UTF-8 are among what is not
            raise ConfigError(
                f"{name} holds a control character, a line end or what is no letter: write it anew, in one line.",
                vi=f"{name} có ký tự điều khiển, dấu xuống dòng hoặc ký tự không hợp lệ: hãy ghi lại trên một dòng.",
            )


def _list_texts(given: SetUp) -> Iterator[tuple[str, str | SecretStr]]:
    yield from ((f"[agency] {name}", str(value)) for name, value in given.agency.items())
    yield from ((f"[hub] {name}", value) for name, value in given.hub.items())
    yield from (("[receive] trust", value) for value in given.trust)
    yield from (("[receive.revocation] hosts", value) for value in given.revocation_hosts)
    yield from (("[signing] key", given.key), ("[signing] secret", given.key_secret or ""))
    yield from (
        ("[http] ca_bundle", str(given.ca_bundle or "")),
        ("[http] proxy", given.proxy),
        ("lang", given.language),
    )


def _refuse_unusable(path: Path, text: str, given: SetUp) -> None:
    if not ENVIRONMENT_NAME.fullmatch(given.environment):
        raise ConfigError(
            "an environment has a name of small letters, digits and hyphens, such as test or production.",
            vi="Tên môi trường gồm chữ thường không dấu, chữ số và dấu nối, ví dụ test hoặc production.",
        )
    before = tomllib.loads(text)
    environments = before.get("env", {})
    if isinstance(environments, dict) and given.environment in environments:
        raise ConfigError(
            f"{path} has the environment {given.environment} already: change it there, or take its tables out first.",
            vi=f"{path} đã có môi trường {given.environment}: hãy sửa trong tệp hoặc xóa các bảng của nó trước.",
        )
    if before.keys() & {"hub", "hubs", "store"}:
        raise ConfigError(
            f"{path} is of one environment: put its [hub], [signing], [receive] and [store] under [env.NAME] first, as "
            "[env.test.hub], or give another --config.",
            vi=f"{path} chỉ có một môi trường: hãy chuyển [hub], [signing], [receive], [store] vào [env.TÊN], ví dụ "
            "[env.test.hub], hoặc dùng --config khác.",
        )
    try:
        tomllib.loads(text.rstrip("\n") + "\n\n" + _format_environment(given))
    except ValueError as error:
        raise ConfigError(
            f"no environment can be added to {path} ({error}): write those that it has as tables [env.NAME.hub] first.",
            vi=f"không thêm được môi trường vào {path} ({error}): hãy viết các môi trường đang có thành bảng "
            "[env.TÊN.hub] trước.",
        ) from error


def _require_usable(path: Path, text: str, environment: str) -> None:
    """Require settings that can be used, before anything of them stands in a file that somebody else uses.

    Raises:
        ConfigError: a setting is missing or wrong.
    """
    draft = path.absolute().with_name(f".{path.name}.draft")
    write_private(draft, text)
    try:
        Settings.load(draft, env=environment)
    finally:
        draft.unlink()


def _list_secret_files(given: SetUp) -> Iterator[tuple[str, str]]:
    """List the secrets that were given themselves, by the names of their files."""
    for name, value in given.hub.items():
        if isinstance(value, SecretStr):
            yield f"hub.{name}", value.get_secret_value()
    if isinstance(given.key_secret, SecretStr):
        yield "key.password", given.key_secret.get_secret_value()


def _format_root(given: SetUp) -> str:
    lines = ["# " + str(_HEAD.vi), "# " + str(_HEAD.en), f"lang = {_quote(given.language)}", "", "[agency]"]
    return "\n".join([*lines, *(f"{name} = {_quote(value)}" for name, value in given.agency.items())]) + "\n"


_HEAD = Text(
    "no secret stands here: env:NAME, file:PATH and cmd:… say where each is",
    "không ghi mã bí mật ở đây, chỉ ghi nơi lấy: env:TÊN, file:ĐƯỜNG_DẪN, cmd:…",
)


def _format_environment(given: SetUp) -> str:
    name = given.environment
    sections: dict[str, dict[str, Any]] = {
        "hub": {"dialect": given.dialect}
        | {key: _refer(name, f"hub.{key}", value) for key, value in given.hub.items()},
        "http": {"ca_bundle": str(given.ca_bundle) if given.ca_bundle else "", "proxy": given.proxy},
        "signing": {"key": given.key},
        "receive": {"trust": list(given.trust), "policy": "trusted" if given.trust else ""},
        "receive.revocation": {
            "mode": "either" if given.revocation_hosts else "",
            "hosts": list(given.revocation_hosts),
        },
        "store": {"url": f"sqlite:///{name}/edoc.db", "spool": f"{name}/spool"},
        "evidence": {"checkpoints": f"{name}/checkpoints"} if given.key else {},
    }
    if given.key_secret is not None:
        sections["signing"]["secret"] = _refer(name, "key.password", given.key_secret)
    if given.trust:
        sections["receive"]["organisations_others"] = "refuse" if name == PRODUCTION_ENVIRONMENT else "report"
    return "\n".join(_format_sections(name, sections))


def _format_sections(environment: str, sections: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for section, values in sections.items():
        said = {key: value for key, value in values.items() if value not in ("", [])}
        if said:
            yield f"[env.{environment}.{section}]"
            yield from (f"{key} = {_quote(value)}" for key, value in said.items())
            yield ""


def _refer(environment: str, file: str, value: str | SecretStr) -> str:
    """Refer to a secret: as it was given, or to the file that holds it."""
    return f"file:{environment}/{file}" if isinstance(value, SecretStr) else value


def _quote(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)  # a JSON string or list of strings is TOML too


def parse_secret(value: str, option: str) -> str:
    """Take a reference to a secret as an option gives it.

    Raises:
        ConfigError: it is none; it may be the secret itself, and is not repeated.
    """
    if not SecretRef.is_reference(value):
        raise ConfigError(
            f"{option}: write env:NAME, file:PATH or cmd:…, never the secret itself: others see the command line. Left "
            "out, it is asked for, or read from the standard input with -.",
            vi=f"{option}: hãy ghi env:TÊN, file:ĐƯỜNG_DẪN hoặc cmd:…, không ghi thẳng mã bí mật: người khác xem được "
            "dòng lệnh. Nếu bỏ trống, lệnh sẽ hỏi; ghi - để đọc từ đầu vào chuẩn.",
        )
    return value
