"""The connection to the hub and our entry there: each condition is made, found, mended and gone."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import CheckOutcome, Connector
from edoc_connector.connector.checks import connection_checks
from edoc_connector.mockhub import MockHubConfig
from edoc_connector.mockhub.tls import make_tls_files
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.checks.conftest import Find
    from tests.connector.conftest import Office, Register

PASS, WARN, FAIL = CheckOutcome.PASS, CheckOutcome.WARN, CheckOutcome.FAIL


@pytest.fixture
def find_remote() -> Find:
    """Gives the outcome of one check of those that call the hub."""

    def run(connector: Connector, code: str) -> CheckOutcome:
        (result,) = (one for one in connector.checks(remote=True) if one.code == code)
        assert "{" not in result.text.en + result.text.vi + result.cure.en + result.cure.vi
        assert not result.is_raised or (result.cure.en and result.cure.vi)
        return result.outcome

    return run


def _find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_name_without_an_address(office: Office, hub: RunningHub, find_remote: Find) -> None:
    """CHK-HUB-NAME is raised for a name that no resolver knows (RFC 6761: .invalid), and nothing is asked."""
    connector = office("G22", hub={"endpoint": "http://hub.invalid"})
    assert find_remote(connector, "CHK-HUB-NAME") is FAIL
    assert find_remote(connector, "CHK-HUB-REACH") is PASS
    connector.close()
    assert find_remote(office("G22"), "CHK-HUB-NAME") is PASS


def test_a_proxy_that_lets_nothing_through(office: Office, hub: RunningHub, find_remote: Find) -> None:
    """CHK-HUB-PROXY is raised where the proxy is not there; without one it is gone."""
    connector = office("G22", http={"proxy": f"http://127.0.0.1:{_find_free_port()}"})
    assert find_remote(connector, "CHK-HUB-PROXY") is FAIL
    connector.close()
    assert find_remote(office("G22"), "CHK-HUB-PROXY") is PASS


def test_a_hub_that_takes_no_connection(office: Office, hub: RunningHub, find_remote: Find) -> None:
    """CHK-HUB-REACH is raised while nothing listens at the endpoint's port."""
    connector = office("G22")
    hub.stop()
    assert find_remote(connector, "CHK-HUB-REACH") is FAIL
    hub.start()
    assert find_remote(connector, "CHK-HUB-REACH") is PASS


def test_an_authority_that_is_not_trusted(
    office: Office, register: Register, tmp_path: Path, find_remote: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CHK-HUB-TLS is raised without the hub's authority; with it TLS is told, and the end of the hub's certificate."""
    with RunningHub(MockHubConfig(data=tmp_path / "tls-hub"), tls=True) as tls_hub:
        register(tls_hub)
        connector = office("G22", hub={"endpoint": tls_hub.url})
        assert find_remote(connector, "CHK-HUB-TLS") is FAIL
        connector.close()
        connector = office("G22", hub={"endpoint": tls_hub.url}, http={"ca_bundle": str(tls_hub.authority)})
        assert find_remote(connector, "CHK-HUB-TLS") is PASS
        assert find_remote(connector, "CHK-HUB-CALL") is PASS
        assert find_remote(connector, "CHK-HUB-CERTIFICATE") is PASS
        monkeypatch.setattr(connection_checks, "_CERTIFICATE_DAYS", 10_000)
        assert find_remote(connector, "CHK-HUB-CERTIFICATE") is WARN
        connector.close()


@contextmanager
def _serve_tls(chain: Path, version: ssl.TLSVersion) -> Iterator[str]:
    """Serve handshakes of one version of TLS, and nothing more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(20)

    def shake_hands() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as stream:
                    stream.settimeout(2)
                    stream.recv(1)

    thread = threading.Thread(target=shake_hands)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(20)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(("version", "outcome"), [(ssl.TLSVersion.TLSv1_1, WARN), (ssl.TLSVersion.TLSv1_2, PASS)])
def test_a_hub_of_old_tls(
    office: Office, tmp_path: Path, find_remote: Find, version: ssl.TLSVersion, outcome: CheckOutcome
) -> None:
    """CHK-HUB-TLS-OLD is raised for what `tls = "legacy"` lets through, not for TLS 1.2."""
    files = make_tls_files(tmp_path / "tls", "127.0.0.1")
    with _serve_tls(files.chain, version) as url:
        connector = office(
            "G22", hub={"endpoint": url}, http={"tls": "legacy", "ca_bundle": str(files.authority), "attempts": 1}
        )
        assert find_remote(connector, "CHK-HUB-TLS-OLD") is outcome


@pytest.mark.parametrize(
    ("code", "hub_section", "agency"),
    [
        ("CHK-HUB-LOGIN", {"secret": "file:wrong.secret"}, {}),
        ("CHK-HUB-CALL", {"dialect": "edocservice"}, {}),
        ("CHK-OWN-CODE", {}, {"id": "H29.99"}),
        ("CHK-OWN-NAME", {}, {"name": "Tên khác"}),
    ],
)
def test_what_the_hub_says_about_us(
    office: Office,
    hub: RunningHub,
    tmp_path: Path,
    find_remote: Find,
    code: str,
    hub_section: dict[str, Any],
    agency: dict[str, Any],
) -> None:
    """A wrong secret, a wrong dialect, a code that is not listed, another name: each by its own check alone.

    With another code our certificate is another agency's, which is told besides.
    """
    (tmp_path / "G22").mkdir(exist_ok=True)
    (tmp_path / "G22" / "wrong.secret").write_text("c2FpIG3huq10IGto4bqpdQ==", encoding="ascii")
    connector = office("G22", hub=hub_section)
    settings = connector.settings
    connector.close()
    wrong = settings.model_copy(update={"agency": settings.agency.model_copy(update=agency)})
    with Connector(wrong) as connector:
        found = [one.code for one in connector.checks(remote=True) if one.is_raised]
    assert [one for one in found if one not in ("CHK-SECRET-MODES", "CHK-CERTIFICATE-OWNER")] == [code]
    assert ("CHK-CERTIFICATE-OWNER" in found) == ("id" in agency)
    assert find_remote(office("G22"), code) is PASS


def test_a_clock_that_drifts(office: Office, hub: RunningHub, find_remote: Find) -> None:
    """CHK-CLOCK-DRIFT is raised by the hub's Date alone, more than 2 minutes away (Annex VI, III.2)."""
    connector = office("G22")
    for offset, outcome in ((timedelta(seconds=100), PASS), (timedelta(minutes=-3), WARN)):
        hub.clock_offset = offset
        assert find_remote(connector, "CHK-CLOCK-DRIFT") is outcome


def test_what_cannot_be_opened_is_connected_to_all_the_same(office: Office, hub: RunningHub, tmp_path: Path) -> None:
    """Where the store does not open, the connection is looked at, and what needs the connector is unknown."""
    settings = office("G22").settings
    (tmp_path / "G22" / "edoc.db").write_bytes(b"no database at all, but a text of some length")
    found = {one.code: one.outcome for one in Connector.diagnose(settings, remote=True)}
    assert (found["CHK-HUB-REACH"], found["CHK-CLOCK-DRIFT"]) == (PASS, CheckOutcome.UNKNOWN)
