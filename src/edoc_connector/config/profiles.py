"""Profiles: named sets of settings that must hold together, as data; and what a production hub is used with less of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel

from .._core import Text
from .checks import is_loopback

Profile = Literal["production"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What a profile asks of one setting.

    Args:
        setting: section and name, ``receive.policy``.
        wanted: what it must be, as the file would say it.
        is_met: tells whether a value is that.
        default: what the profile sets where the file does not; None where only the user can know.
        why: what it is good for.
    """

    setting: str
    wanted: str
    is_met: Callable[[Any], bool]
    default: object = None
    why: Text


def _has_revocation_source(revocation: Any) -> bool:
    return bool(revocation.crl_files or revocation.crl_urls or revocation.ocsp_url or revocation.hosts)


def _is_encrypted(endpoint: Any) -> bool:
    parts = urlsplit(str(endpoint or ""))
    return parts.scheme != "http" or is_loopback(parts.hostname or "")


def _require_value(setting: str, value: str | bool, why: Text) -> Requirement:
    """Build the requirement that a setting has one value, which it gets where the file does not say."""
    return Requirement(
        setting=setting, wanted=json.dumps(value), is_met=lambda given: given == value, default=value, why=why
    )


PRODUCTION: tuple[Requirement, ...] = (
    Requirement(
        setting="hub.endpoint",
        wanted="https://…",
        is_met=_is_encrypted,
        why=Text("documents are encrypted on their way", "văn bản được mã hóa trên đường truyền"),
    ),
    _require_value(
        "receive.policy",
        "trusted",
        Text(
            "only packets signed under an authority of yours come in",
            "chỉ nhận gói tin có chữ ký thuộc tổ chức chứng thực tin cậy",
        ),
    ),
    Requirement(
        setting="receive.trust",
        wanted='["ca/"]',
        is_met=bool,
        why=Text("somebody must say which authorities count", "phải nêu tổ chức chứng thực được tin cậy"),
    ),
    _require_value(
        "receive.organisations_others",
        "refuse",
        Text("a certificate signs for its own organisation only", "chứng thư số chỉ ký thay cho chính cơ quan của nó"),
    ),
    _require_value(
        "receive.legacy_sha1",
        False,
        Text("SHA-1 signatures can be forged", "chữ ký dùng SHA-1 có thể bị giả mạo"),
    ),
    Requirement(
        setting="receive.revocation.mode",
        wanted='"either", "crl" or "ocsp"',
        is_met=lambda value: value != "none",
        default="either",
        why=Text("a stolen key that was revoked signs nothing", "khóa bị lộ đã thu hồi không còn ký được"),
    ),
    _require_value(
        "receive.revocation.soft",
        False,
        Text(
            "whoever blocks the way to the lists must not switch the check off",
            "kẻ chặn đường tới danh sách thu hồi không được làm mất việc kiểm tra",
        ),
    ),
    Requirement(
        setting="receive.revocation",
        wanted="crl_files, crl_urls, ocsp_url or hosts",
        is_met=_has_revocation_source,
        why=Text(
            "without a source of revocation every packet would wait",
            "không có nguồn thông tin thu hồi thì mọi gói tin đều phải chờ",
        ),
    ),
    _require_value(
        "files.open_secrets",
        "refuse",
        Text("nobody else on the machine reads keys and secrets", "người dùng khác trên máy không đọc được khóa"),
    ),
)
"""What ``profile = "production"`` asks for; docs/security-model.md has the same table for people."""

PROFILES: Mapping[Profile, tuple[Requirement, ...]] = {"production": PRODUCTION}

_TEST_WORDS = frozenset(
    {
        *("test", "tests", "testing", "sandbox", "demo", "mock", "localhost"),
        *("dev", "develop", "development", "staging", "stage", "stg", "uat", "sit", "qa", "training"),
        *("thunghiem", "apithunghiem", "kiemthu", "daotao"),
    }
)
"""Words of a host or path that tell of a hub to try things out with."""
_TEST_DOMAINS = (".test", ".example", ".invalid", ".localhost", ".local", "example.com", "example.net", "example.org")


def is_production(endpoint: str) -> bool:
    """Tell whether an endpoint is taken for that of a production hub.

    It is, unless it is on this machine, in a domain for tests (RFC 2606, RFC 6762), or a word of its host or path says
    that it is for trying things out (``vxp-test.example.gov.vn``, ``/sandbox/1.0``). A hub on the state's private
    network may have a bare address: that alone makes it no test.

    Args:
        endpoint: URL of a hub.
    """
    parts = urlsplit(endpoint)
    host = (parts.hostname or "").rstrip(".")
    if not host or is_loopback(host) or host.endswith(_TEST_DOMAINS):
        return False
    words = {word.rstrip("0123456789") for word in re.split(r"[^a-z0-9]+", f"{host}{parts.path}".lower())}
    return not words & _TEST_WORDS


def fill_defaults(profile: object, values: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the settings of a profile under those that were given.

    Args:
        profile: its name, as given; of an unknown one nothing is laid.
        values: the settings by section and name.
    """
    filled = dict(values)
    for requirement in _find_requirements(profile):
        if requirement.default is not None:
            _set_missing(filled, requirement.setting.split("."), requirement.default)
    return filled


def list_unmet(profile: Profile, settings: BaseModel) -> Iterator[Requirement]:
    """Iterate over what a profile asks for and settings do not have."""
    return (
        one for one in PROFILES[profile] if not all(map(one.is_met, _list_values(settings, one.setting.split("."))))
    )


def _find_requirements(profile: object) -> tuple[Requirement, ...]:
    return next((requirements for name, requirements in PROFILES.items() if name == profile), ())


def _set_missing(values: dict[str, Any], path: list[str], default: object) -> None:
    """Set a value where there is none; sections on the way are copied, as they are the caller's."""
    name, *rest = path
    if not rest:
        values.setdefault(name, default)
        return
    section = values.get(name, {})
    if isinstance(section, BaseModel):
        section = section.model_dump(exclude_unset=True)
    if isinstance(section, Mapping):  # anything else is an error that is reported when the settings are made
        values[name] = dict(section)
        _set_missing(values[name], rest, default)


def _list_values(settings: BaseModel, path: list[str]) -> Iterator[Any]:
    """List the values of a setting: one, or that of each hub where it is a hub's."""
    sections: Mapping[str, BaseModel] = getattr(settings, "hub_sections", {})
    starts = [(one, path[1:]) for one in sections.values()] if path[0] == "hub" else [(settings, path)]
    for start, names in starts:
        value: Any = start
        for name in names:
            value = getattr(value, name, None)
        yield value
