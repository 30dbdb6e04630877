"""Addresses to listen on, as people write them, and the sockets that listen there."""

from __future__ import annotations

import ipaddress
import socket

from ..errors import ConfigError, describe_system_error, describe_system_error_vi
from .text import Text

_LARGEST_PORT = 65535


def parse_address(text: str) -> tuple[str, int]:
    """Parse ``[HOST:]PORT``; without a host it is this machine's own, 127.0.0.1.

    Raises:
        ConfigError: it is none.
    """
    host, _, port = text.rpartition(":")
    is_number = port.isascii() and port.isdigit() and len(port) <= len(str(_LARGEST_PORT))
    if not is_number or int(port) > _LARGEST_PORT:
        raise ConfigError(
            f"{text} is no address to listen on: write [HOST:]PORT, as in 8470 or 127.0.0.1:8470.",
            vi=f"{text} không phải địa chỉ để mở cổng: hãy ghi [MÁY:]CỔNG, ví dụ 8470 hoặc 127.0.0.1:8470.",
        )
    return host.strip("[]") or "127.0.0.1", int(port)


def open_listener(host: str, port: int, *, program: Text) -> socket.socket:
    """Open a listening socket.

    Args:
        host: address of this machine, or a name of one.
        port: TCP port, 0 for a free one.
        program: what listens, for the error.

    Raises:
        ConfigError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(
            f"{program.en} cannot listen on {host}, port {port}: {describe_system_error(error)}. "
            "Choose another port, or 0 for a free one.",
            vi=f"{program.vi} không mở được cổng {port} trên {host}: {describe_system_error_vi(error)}. "
            "Hãy chọn cổng khác, hoặc 0 để lấy một cổng trống.",
        ) from error
    # asyncio leaves connections of such a listener to Nagle's algorithm: an answer of two writes would wait 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def format_url(listener: socket.socket, *, tls: bool = False) -> str:
    """Format the URL of what serves this socket, with TLS or without; no slash at the end."""
    scheme = "https" if tls else "http"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Tell whether an address, or the name localhost, is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
