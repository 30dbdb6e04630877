"""Fetching over HTTP: only from web addresses, and bounded in time and size."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from edoc_connector.errors import ConfigError
from edoc_connector.signing import Revocation, RevocationMode
from edoc_connector.signing.pki.pki_http import MAX_BYTES, FetchFailed, fetch_http
from edoc_connector.testing.keys import get_default_authority
from edoc_connector.testing.responders import Responders


@pytest.fixture
def pki() -> Iterator[Responders]:
    """The servers of the sender's authority."""
    with Responders(get_default_authority()) as responders:
        yield responders


@pytest.mark.parametrize("url", ["file:///etc/hostname", "http://[", "gopher://x/", "http://"])
def test_only_web_addresses_are_fetched(url: str) -> None:
    """Whatever is no http or https address is not looked at."""
    with pytest.raises(FetchFailed):
        fetch_http(url)


def test_fetching_is_bounded(pki: Responders) -> None:
    """An answer larger than any list, and one that comes too late, are given up; so is a port where nobody listens."""
    pki.answer_overrides["/big"] = (200, bytes(MAX_BYTES + 1))
    with pytest.raises(FetchFailed, match="too large"):
        fetch_http(f"{pki.url}/big")
    pki.answer_overrides["/late"] = (200, bytes(1 << 20))
    with pytest.raises(FetchFailed, match="timed out"):
        fetch_http(f"{pki.url}/late", timeout=1e-9)
    with pytest.raises(FetchFailed):
        fetch_http("http://127.0.0.1:1/x")


def test_headers_that_drip_are_cut_off() -> None:
    """The time-out is for all of it: headers that come a byte at a time do not stretch it."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-A: ")
                while connection.send(b"a"):
                    time.sleep(0.05)

        served = pool.submit(drip)
        with pytest.raises(FetchFailed, match="timed out"):
            fetch_http(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=0.3)
        served.result(timeout=30)


@pytest.mark.parametrize("url", ["http://h.vn/thu-hồi.crl", "http://trục.vn/", "http://h.vn/a b"])
def test_addresses_that_no_request_carries(url: str) -> None:
    """An address that is not plain ASCII is a wrong setting, and never an error of another kind (RFC 3986, 2)."""
    with pytest.raises(ConfigError, match="no http or https address"):
        Revocation(mode=RevocationMode.CRL, crl_urls=(url,))
    with pytest.raises(FetchFailed, match="not an http or https address"):
        fetch_http(url)
