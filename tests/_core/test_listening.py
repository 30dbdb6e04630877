"""Addresses to listen on."""

from __future__ import annotations

import pytest

from edoc_connector import gateway, worker
from edoc_connector._core import parse_address
from edoc_connector.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9464", ("127.0.0.1", 9464)),
        (":9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),
        ("[::1]:8470", ("::1", 8470)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    """A port alone is on this machine only; brackets of IPv6 go."""
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "host", "host:", "host:-1", "host:65536", "host:²", "host:٣", "9" * 5000])
def test_what_is_no_address(text: str) -> None:
    """Anything else is a typed error in both languages: digits of other scripts and thousands of digits, too."""
    with pytest.raises(ConfigError, match="is no address to listen on") as caught:
        parse_address(text)
    assert "không phải địa chỉ" in caught.value.vi


def test_one_function() -> None:
    """The worker's endpoints and the gateway read addresses by the same function."""
    assert worker.parse_address is gateway.parse_address is parse_address
