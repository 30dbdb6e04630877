"""The mock hub with TLS, and clients that check it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from edoc_connector.mockhub import Fault, MockHubConfig
from edoc_connector.testing.hub import RunningHub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RunningHub]:
    """A hub that speaks HTTPS."""
    with RunningHub(MockHubConfig(data=tmp_path / "h"), tls=True) as hub:
        yield hub


def open_client(authority: Path | None) -> httpx.Client:
    """A client that checks certificates by an authority, or by the machine's own."""
    context = ssl.create_default_context(cafile=authority)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return httpx.Client(verify=context, trust_env=False)


def test_a_client_that_checks_is_served(hub: RunningHub) -> None:
    """With the throwaway authority a client with all checks on is served, under each of this machine's names."""
    with open_client(hub.authority) as client:
        assert client.get(hub.url).status_code == 200
        assert client.get(hub.url.replace("127.0.0.1", "localhost")).status_code == 200
    with open_client(None) as client, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        client.get(hub.url)


def test_tls_breaks_on_demand(hub: RunningHub) -> None:
    """The fault tls-failure is an error of TLS to a client, and the next call is served."""
    hub.faults.add(Fault(kind="tls-failure"))
    with open_client(hub.authority) as client:
        with pytest.raises(httpx.TransportError, match=r"SSL|ssl|record"):
            client.post(f"{hub.url}/getAgenciesList")
        assert client.post(f"{hub.url}/getAgenciesList").json()["status"] == "FAIL"


def test_a_hub_without_tls_has_no_authority(tmp_path: Path) -> None:
    """Asking for the authority of a plain hub is a mistake that says what to do."""
    with pytest.raises(RuntimeError, match="tls=True"):
        _ = RunningHub(MockHubConfig(data=tmp_path / "h")).authority
