"""Addresses that messages may go to: the internet by TLS, this machine, and networks that the settings name.

A name may lead anywhere by the time that it is used. So the address is looked at when the connection is made, and it is
that address which is connected to.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

import httpcore

from ...config import WebhookSettings
from ...errors import ConfigError, EdocError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class TargetRefused(EdocError):
    """An endpoint is at an address that messages may not go to."""


def require_url(url: str, settings: WebhookSettings) -> None:
    """Require that a URL may be an endpoint's, as far as it can be told without asking where it leads.

    Raises:
        ConfigError: it may not.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise _build_url_error() from None
    is_plain = parts.scheme == "http"
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or not url.isprintable():
        raise _build_url_error()
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise _build_url_error()
    if is_plain and not settings.plain_http and parts.hostname not in _LOCAL_NAMES:
        raise _build_url_error()


def is_allowed(address: str, *, host: str, is_tls: bool, settings: WebhookSettings) -> bool:
    """Whether messages may go to an address.

    Args:
        address: the address that a host has.
        host: the host as the URL names it.
        is_tls: whether the connection will be TLS.
        settings: which private networks are allowed.
    """
    found = _unwrap(ipaddress.ip_address(address))
    if found.is_loopback:
        return host in _LOCAL_NAMES or _is_listed(found, settings)
    if _is_listed(found, settings):
        return is_tls or settings.plain_http
    return is_tls and found.is_global and not found.is_multicast


def _is_listed(address: _Address, settings: WebhookSettings) -> bool:
    return any(address.version == network.version and address in network for network in settings.networks)


def _unwrap(address: _Address) -> _Address:
    """Take the IPv4 address out of an IPv6 address that stands for one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


class CheckedNetwork(httpcore.SyncBackend):
    """Connections to allowed addresses only.

    Args:
        settings: which are allowed.
        is_tls: whether the connections will be TLS.
    """

    def __init__(self, settings: WebhookSettings, *, is_tls: bool) -> None:
        super().__init__()
        self._settings = settings
        self._is_tls = is_tls

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of a host that is allowed.

        Raises:
            TargetRefused: none is.
            httpcore.ConnectError: the host has no address, or that one does not answer.
        """
        addresses = _resolve(host, port)
        allowed = [one for one in addresses if self._is_allowed(one, host)]
        if not allowed:
            raise TargetRefused(
                f"{host} is at an address that webhooks may not go to: allow its network in [gateway.webhooks] "
                "networks.",
                vi=f"{host} có địa chỉ không được phép gửi webhook: hãy khai báo mạng đó ở [gateway.webhooks] "
                "networks.",
            )
        return super().connect_tcp(allowed[0], port, timeout, local_address, socket_options)

    def _is_allowed(self, address: str, host: str) -> bool:
        return is_allowed(address, host=host, is_tls=self._is_tls, settings=self._settings)


def _resolve(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(f"{host} has no address: {error}") from error
    return list(dict.fromkeys(str(one[4][0]).partition("%")[0] for one in found))


def _build_url_error() -> ConfigError:
    return ConfigError(
        "a webhook goes to https://…, or to http:// on this machine; without a user, a password and a fragment.",
        vi="Webhook phải gửi tới https://… hoặc http:// trên chính máy này; không kèm người dùng, mật khẩu hay phần #.",
    )
