"""Addresses in the settings of dialects and authenticators, and the values that HTTP headers carry."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from .._core import Text
from ..errors import ConfigError

UNUSABLE_ENDPOINT = Text(
    "The hub's endpoint must be a URL such as https://hub.example.gov.vn/path, "
    "without user, password, query or fragment.",
    "Địa chỉ trục (endpoint) phải là URL dạng https://truc.example.gov.vn/duong-dan, "
    "không có tên người dùng, mật khẩu, phần truy vấn (?) hoặc phần neo (#).",
)
UNUSABLE_USER_AGENT = Text(
    "user_agent can hold printable ASCII only; write it without accents.",
    "user_agent chỉ nhận ký tự ASCII in được; hãy viết không dấu.",
)


def is_usable_endpoint(endpoint: str) -> bool:
    """Tell whether a text is an http or https URL with a host, and without user, password, query or fragment."""
    return "?" not in endpoint and is_usable_url(endpoint)


def is_usable_url(url: str) -> bool:
    """Tell whether a text is an http or https URL with a host, and without user, password or fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # an unfinished [IPv6] address, a port that is no number
        return False
    plain = url.isascii() and url.isprintable() and " " not in url
    bare = not (parts.username or parts.password or parts.fragment)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0 and plain and bare


def is_header_value(value: str) -> bool:
    """Tell whether a header carries a text unchanged: printable ASCII without spaces at the ends."""
    return value.isascii() and value.isprintable() and value == value.strip()


def require_settings(checks: Iterable[tuple[bool, Text]]) -> None:
    """Refuse settings that cannot work.

    Args:
        checks: whether each holds, and what is wrong where it does not.

    Raises:
        ConfigError: the first check that does not hold.
    """
    for is_valid, problem in checks:
        if not is_valid:
            raise ConfigError(problem.en, vi=problem.vi)
