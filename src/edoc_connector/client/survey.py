"""A survey of the connection to a server: how far it gets, and what TLS it is."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import httpcore

from .._core import Text
from ..errors import ConfigError, describe_system_error, describe_system_error_vi
from ..hubs import UNUSABLE_ENDPOINT, as_printable
from .messages import TLS_FAILED, UNUSABLE_PROXY
from .tls_failures import explain_tls_failure, find_tls_error
from .transport import ClientSettings, build_verifying_pool, split_address

_SURVEY_SECONDS = 10.0


class ConnectionStage(StrEnum):
    """The stage at which a connection fails."""

    NAME = "name"
    """The name of the server, or of the proxy, has no address."""
    PROXY = "proxy"
    REACH = "reach"
    TLS = "tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSurvey:
    """How far a connection got.

    Args:
        host: the machine that was connected to: the server, or the proxy.
        failed_at: the stage at which it failed; None where it stands.
        problem: what is wrong there, in the words of the system or of the table of TLS failures.
        tls_version: such as ``TLSv1.3``; empty without TLS.
        certificate_ends: when the server's certificate ends.
    """

    host: str
    failed_at: ConnectionStage | None = None
    problem: Text | None = None
    tls_version: str = ""
    certificate_ends: datetime | None = None


class _Stands(Exception):
    """Ends a connection once it stands, before a request goes out."""


def survey_connection(url: str, settings: ClientSettings) -> ConnectionSurvey:
    """Connect to a server as a call would, and end that before anything is asked.

    Args:
        url: of the hub.
        settings: of the client.

    Raises:
        ConfigError: the address, or a certificate, key or proxy in the settings, cannot be used.
    """
    host, port = _find_first_hop(url, settings)
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return ConnectionSurvey(host=host, failed_at=ConnectionStage.NAME, problem=_describe(error))
    found: dict[str, Any] = {}
    try:
        _connect(url, settings, found)
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError) as error:
        stage, problem = _classify(error, url, settings)
        return ConnectionSurvey(host=host, failed_at=stage, problem=problem)
    return ConnectionSurvey(host=host, **found)


def _find_first_hop(url: str, settings: ClientSettings) -> tuple[str, int]:
    if not urlsplit(url).hostname:
        raise ConfigError(UNUSABLE_ENDPOINT.en, vi=UNUSABLE_ENDPOINT.vi)
    if settings.proxy is not None and not urlsplit(settings.proxy).hostname:
        raise ConfigError(UNUSABLE_PROXY.en, vi=UNUSABLE_PROXY.vi)
    parts = urlsplit(url if settings.proxy is None else settings.proxy)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _connect(url: str, settings: ClientSettings, found: dict[str, Any]) -> None:
    """Connect, and find what TLS it is."""
    has_tls = urlsplit(url).scheme == "https"
    before = "proxy" if settings.proxy is not None else "connection"
    wanted = f"{before}.start_tls.complete" if has_tls else "connection.connect_tcp.complete"

    def watch(event: str, info: dict[str, Any]) -> None:
        if event != wanted:
            return
        stream = info["return_value"]
        if has_tls:
            found.update(_describe_tls(stream.get_extra_info("ssl_object")))
        stream.close()
        raise _Stands

    limits = dict.fromkeys(("connect", "read", "write", "pool"), min(settings.connect, _SURVEY_SECONDS))
    with contextlib.suppress(_Stands), build_verifying_pool(settings) as pool:
        pool.request("HEAD", split_address(url), extensions={"trace": watch, "timeout": limits})


def _describe_tls(connection: Any) -> dict[str, Any]:
    ends = (connection.getpeercert() or {}).get("notAfter")
    moment = None if ends is None else datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC)
    return {"tls_version": connection.version() or "", "certificate_ends": moment}


def _classify(error: Exception, url: str, settings: ClientSettings) -> tuple[ConnectionStage, Text]:
    if find_tls_error(error) is not None:
        return ConnectionStage.TLS, explain_tls_failure(error, url, settings) or TLS_FAILED
    stage = ConnectionStage.REACH if settings.proxy is None else ConnectionStage.PROXY
    return stage, _describe(error)


def _describe(error: Exception) -> Text:
    cause: BaseException = error
    while not isinstance(cause, OSError) and (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    if isinstance(cause, OSError) and cause.strerror:
        return Text(describe_system_error(cause), describe_system_error_vi(cause))
    words = as_printable(f"{type(error).__name__} {error}".strip(), 200)
    return Text(words, words)
