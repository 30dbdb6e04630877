"""The table of the meanings of httpx's exceptions."""

from __future__ import annotations

import ssl

import httpx
import pytest

from edoc_connector.client.bodies import Upload
from edoc_connector.client.messages import EXCHANGE_ERRORS, build_transport_error
from edoc_connector.errors import AnswerCut, NotSent, OutcomeUnknown
from edoc_connector.hubs import WireRequest

EARLY = (httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.ConnectError, httpx.InvalidURL)
LATE = (
    httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.WriteError, httpx.CloseError,
    httpx.RemoteProtocolError, httpx.LocalProtocolError, TimeoutError, ssl.SSLError,
)  # fmt: skip


@pytest.mark.parametrize("kind", [*EARLY, *LATE])
def test_what_a_failure_means(kind: type[Exception]) -> None:
    """Only a send that may have arrived whole is unknown; nothing quotes its headers (faults, rows 3 to 5)."""
    assert issubclass(kind, EXCHANGE_ERRORS)
    read = WireRequest("GET", "http://h/x", {})
    send = WireRequest("POST", "http://h/x", {}, b"{}", sends=True)
    error = kind("header 'sign' quoted")
    assert type(build_transport_error(error, read, handed_over=Upload(read).handed_over)) is (
        NotSent if kind in EARLY else AnswerCut
    )
    made = build_transport_error(error, send, handed_over=Upload(send).handed_over)
    assert type(made) is (NotSent if kind in EARLY else OutcomeUnknown)
    assert ("quoted" in str(made)) is (kind is not httpx.LocalProtocolError)
    assert (made.__cause__, made.__context__) == (None, None)


@pytest.mark.parametrize("reason", ["TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLSV1_ALERT_UNKNOWN_CA", "WRONG_VERSION"])
def test_late_alert(reason: str) -> None:
    """A late alert about certificates means that nothing was read; other TLS errors do not (TLS 1.3)."""
    cause = ssl.SSLError(1, reason)
    cause.reason = reason
    error = httpx.ReadError("alert")
    error.__cause__ = cause
    send = WireRequest("POST", "http://h/x", {}, b"{}", sends=True)
    expected = OutcomeUnknown if reason == "WRONG_VERSION" else NotSent
    assert type(build_transport_error(error, send, handed_over=Upload(send).handed_over)) is expected
