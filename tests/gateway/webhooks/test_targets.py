"""Addresses that webhooks may go to."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from edoc_connector.config import WebhookSettings
from edoc_connector.errors import ConfigError
from edoc_connector.gateway.webhooks.targets import CheckedNetwork, TargetRefused, is_allowed, require_url

USUAL = WebhookSettings()
OFFICE = WebhookSettings(networks=(ip_network("10.1.0.0/16"),), plain_http=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://dms.example.vn/hook",
        "ftp://dms.example.vn",
        "https://user@dms.example.vn",
        "https://user:word@dms.example.vn",
        "https://dms.example.vn/#part",
        "https://dms.example.vn:none/",
        "https://",
        "//dms.example.vn",
        "https://dms.example.vn/a\nb",
    ],
)
def test_only_https_or_this_machine(url: str) -> None:
    """An endpoint is https, or http on this machine, and holds no password."""
    with pytest.raises(ConfigError):
        require_url(url, USUAL)


@pytest.mark.parametrize("url", ["https://dms.example.vn/hook", "http://127.0.0.1:8000/", "http://localhost/hook"])
def test_https_and_this_machine_are_taken(url: str) -> None:
    """What is safe on its way is taken."""
    require_url(url, USUAL)


@pytest.mark.parametrize(
    ("address", "host", "is_tls", "usual", "office"),
    [
        ("8.8.8.8", "dms.example.vn", True, True, True),
        ("8.8.8.8", "dms.example.vn", False, False, False),
        ("10.1.2.3", "dms.example.vn", True, False, True),
        ("10.1.2.3", "dms.example.vn", False, False, True),
        ("10.2.2.3", "dms.example.vn", True, False, False),
        ("192.168.1.1", "router.example.vn", True, False, False),
        ("169.254.169.254", "metadata.example.vn", True, False, False),
        ("127.0.0.1", "localhost", False, True, True),
        ("127.0.0.1", "rebound.example.vn", True, False, False),
        ("::1", "::1", False, True, True),
        ("::ffff:10.1.2.3", "dms.example.vn", True, False, True),
        ("::ffff:169.254.169.254", "dms.example.vn", True, False, False),
        ("64:ff9b::a9fe:a9fe", "dms.example.vn", True, False, False),
        ("2002:a9fe:a9fe::1", "dms.example.vn", True, False, False),
        ("fe80::1", "dms.example.vn", True, False, False),
        ("fd00::1", "dms.example.vn", True, False, False),
        ("0.0.0.0", "dms.example.vn", True, False, False),
        ("224.0.0.1", "dms.example.vn", True, False, False),
    ],
)
def test_which_addresses_are_allowed(address: str, host: str, is_tls: bool, usual: bool, office: bool) -> None:
    """Private, local and mapped addresses are refused, unless the settings name their network (SSRF)."""
    assert is_allowed(address, host=host, is_tls=is_tls, settings=USUAL) is usual
    assert is_allowed(address, host=host, is_tls=is_tls, settings=OFFICE) is office


def test_the_address_is_looked_at_when_the_connection_is_made() -> None:
    """A name that leads to a refused address is not connected to, whatever it led to before."""
    network = CheckedNetwork(USUAL, is_tls=True)
    with pytest.raises(TargetRefused) as caught:
        network.connect_tcp("0.0.0.0", 443, timeout=1)
    assert "networks" in caught.value.vi
