"""The desk as a program: where it refuses to start."""

from __future__ import annotations

import pytest

from edoc_connector.config import WebSettings
from edoc_connector.desk.server import require_safe
from edoc_connector.errors import ConfigError

PROXY = {"proxies": ["10.0.0.1/32"], "url": "https://desk.example.gov.vn"}


@pytest.mark.parametrize(
    ("values", "host"),
    [
        ({}, "0.0.0.0"),
        ({}, "desk.example.gov.vn"),
        ({"proxies": ["10.0.0.1/32"]}, "10.0.0.2"),
        ({"proxies": ["10.0.0.1/32"], "url": "http://desk.example.gov.vn"}, "10.0.0.2"),
        ({"certificate": "server.pem", "key": "server.key"}, "10.0.0.2"),
        ({"user_header": "X-Remote-User"}, "127.0.0.1"),
        ({"user_header": "X-Remote-User", **PROXY}, "127.0.0.1"),
        ({"user_header": "X-Remote-User", "proxy_secret": "env:X"}, "127.0.0.1"),
    ],
)
def test_it_refuses_to_start_unsafely(values: dict[str, object], host: str) -> None:
    """Without TLS beyond this machine, and with a header that anybody could send, in words that say what to set."""
    with pytest.raises(ConfigError) as caught:
        require_safe(WebSettings.model_validate(values), host)
    assert "[web]" in caught.value.message
    assert "[web]" in caught.value.vi


@pytest.mark.parametrize(
    ("values", "host"),
    [
        ({}, "127.0.0.1"),
        ({}, "::1"),
        (PROXY, "10.0.0.2"),
        ({"certificate": "server.pem", "key": "server.key", "url": "https://desk.example.gov.vn"}, "0.0.0.0"),
        ({"user_header": "X-Remote-User", "proxy_secret": "env:X", **PROXY}, "127.0.0.1"),
    ],
)
def test_it_starts_where_nobody_reads_along(values: dict[str, object], host: str) -> None:
    """On this machine, with TLS of its own, or behind a proxy that has it."""
    require_safe(WebSettings.model_validate(values), host)
