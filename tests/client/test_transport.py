"""TLS, proxies, settings, addresses and headers."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from edoc_connector.client import AsyncHubClient, ClientSettings, HubClient
from edoc_connector.client.bodies import Upload
from edoc_connector.client.messages import build_transport_error
from edoc_connector.client.transport import parse_address, parse_answer_headers
from edoc_connector.errors import ConfigError, NotSent, OutcomeUnknown
from edoc_connector.hubs import MessageType, Vxp, WireRequest

LIST = b'{"status":"OK","ErrorCode":"0","data":[]}'


@dataclass(frozen=True)
class Identity:
    """A self-signed certificate and its key, as PEM files."""

    certificate: Path
    key: Path
    locked_key: Path


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """A certificate for 127.0.0.1, good for a day."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "throwaway")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Identity(folder / "c.pem", folder / "k.pem", folder / "locked.pem")
    made.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    locked = BestAvailableEncryption(b"0pen")
    made.locked_key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    return made


@pytest.fixture
def server_tls(identity: Identity) -> ssl.SSLContext:
    """Make a server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    return context


def test_unknown_authority(hub_behind: Any, server_tls: ssl.SSLContext, call: Any, packet: Path) -> None:
    """A hub with a certificate of no known authority gets nothing (hubs, the connection)."""
    hub = hub_behind(server_tls)
    with pytest.raises(NotSent, match="ca_bundle") as caught:
        call(hub, "send", packet, message_type=MessageType.EDOC, sender="H29")
    assert hub.seen == []
    assert "ca_bundle" in caught.value.vi


def test_own_authority(
    hub_behind: Any, server_tls: ssl.SSLContext, call: Any, reply: Any, identity: Identity, packet: Path
) -> None:
    """With the authority in ca_bundle the same hub is trusted, for packets too (hubs, the connection)."""
    hub = hub_behind(server_tls)
    hub.script = [reply(b'{"status":"OK","ErrorCode":"0","DocId":"1"}')]
    settings = {"ca_bundle": identity.certificate}
    sent = call(hub, "send", packet, message_type=MessageType.EDOC, sender="H29", settings=settings)
    assert sent.doc_id == "1"


@pytest.mark.parametrize("key", ["key", "locked_key"])
def test_client_certificate(
    key: str, hub_behind: Any, server_tls: ssl.SSLContext, call: Any, reply: Any, identity: Identity
) -> None:
    """A hub that wants a certificate of ours gets it, from an open or a locked key (hubs, the connection)."""
    server_tls.verify_mode = ssl.CERT_REQUIRED
    server_tls.load_verify_locations(identity.certificate)
    hub = hub_behind(server_tls)
    hub.script = [reply(LIST)]
    settings = {
        "ca_bundle": identity.certificate,
        "client_certificate": identity.certificate,
        "client_key": getattr(identity, key),
        "client_key_password": "0pen",
    }
    assert call(hub, "list_waiting", settings=settings) == ()


def test_missing_client_certificate(hub_behind: Any, server_tls: ssl.SSLContext, call: Any, identity: Identity) -> None:
    """A hub that wants a certificate and gets none hears nothing; its alert may tell us (TLS 1.3)."""
    server_tls.verify_mode = ssl.CERT_REQUIRED
    server_tls.load_verify_locations(identity.certificate)
    hub = hub_behind(server_tls)
    with pytest.raises((NotSent, OutcomeUnknown)):  # a reset of the connection may overtake the alert
        call(hub, "delete_agency", "H29.01", settings={"ca_bundle": identity.certificate})
    assert hub.seen == []


@pytest.mark.parametrize("client", [HubClient, AsyncHubClient])
@pytest.mark.parametrize(
    "wrong",
    [
        lambda i: {"ca_bundle": i.key.with_name("gone.pem")},
        lambda i: {"ca_bundle": i.key},
        lambda i: {"client_certificate": i.certificate},
        lambda i: {"client_certificate": i.certificate, "client_key": i.locked_key},
        lambda i: {"client_certificate": i.certificate, "client_key": i.locked_key, "client_key_password": "s3cret"},
        lambda i: {"proxy": "socks5://127.0.0.1:1"},
        lambda i: {"proxy": "proxy.gov.vn:3128"},
        lambda i: {"proxy": "http://"},
        lambda i: {"proxy": "http://[s3cret"},
    ],
)
def test_settings_that_cannot_work(
    wrong: Callable[[Identity], dict[str, Any]], client: type[HubClient] | type[AsyncHubClient], identity: Identity
) -> None:
    """Unusable files and URLs fail when the client is made, never asking at a terminal (hubs, the connection)."""
    settings = ClientSettings(**wrong(identity))
    with pytest.raises(ConfigError) as caught:
        client(Vxp(endpoint="https://h", system_id="H29", secret="k"), settings)
    assert "s3cret" not in f"{caught.value.message}{caught.value.vi}{settings!r}"


def test_proxy(hub: Any, call: Any, reply: Any) -> None:
    """Requests go through the proxy of the settings, with its credentials (hubs, the connection)."""
    hub.script = [reply(LIST)]
    proxy = hub.url.removesuffix("/vxp").replace("http://", "http://us%40er:pa%3Ass@")
    assert call("http://hub.invalid/vxp", "list_waiting", settings={"proxy": proxy}) == ()
    assert hub.seen[0].line == "POST http://hub.invalid/vxp/getReceivedEdocList HTTP/1.1"
    assert hub.seen[0].headers["proxy-authorization"].startswith("Basic ")


def test_proxy_that_refuses(hub: Any, call: Any, reply: Any) -> None:
    """A proxy that wants a password lets nothing through, and the error says so (hubs, the connection)."""
    hub.script = [reply(status=407)]
    with pytest.raises(NotSent, match="proxy setting"):
        call("https://hub.invalid", "delete_agency", "a", settings={"proxy": hub.url.removesuffix("/vxp")})


def test_proxy_behind_tls(call: Any) -> None:
    """A proxy may be spoken to over TLS (hubs, the connection)."""
    with pytest.raises(NotSent):
        call("http://hub.invalid", "list_waiting", settings={"proxy": "https://127.0.0.1:9"})


def test_environment_is_not_consulted(hub: Any, call: Any, reply: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is no setting of ours (client settings)."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    hub.script = [reply(LIST)]
    assert call(hub, "list_waiting") == ()


def test_busy_pool(hub: Any, reply: Any) -> None:
    """Waiting in vain for a connection means that nothing left (faults, row 3)."""
    vxp = Vxp(endpoint=hub.url, system_id="H29", secret="k")
    with HubClient(vxp, ClientSettings(pool=0.1, connections=1, attempts=1)) as client:
        hub.script = [reply(LIST)]
        nested: list[Exception] = []

        def within(done: int, total: int | None) -> None:
            try:
                client.delete_agency("a")
            except NotSent as error:
                nested.append(error)

        path = Path(__file__)
        flow = vxp.send(path, message_type=MessageType.EDOC, sender="H29", on_progress=within)
        with pytest.raises(Exception, match="DocId"):
            client.run(flow)
    assert "connections" in str(nested[0])


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("http://hub.gov.vn:80/vxp/sendEdoc", b"hub.gov.vn", b"/vxp/sendEdoc"),
        ("https://hub.gov.vn:8443/a%20b", b"hub.gov.vn:8443", b"/a%20b"),
        ("http://[::1]:8480/x", b"[::1]:8480", b"/x"),
    ],
)
def test_addresses(url: str, host: bytes, target: bytes) -> None:
    """The Host header and the path are those of the URL, a usual port left out (facts about httpx)."""
    where = parse_address(url)
    assert (where.netloc, where.raw_path) == (host, target)


@pytest.mark.parametrize("url", ["http://", "ftp://h/x", "h/x", "http://h:port/"])
def test_addresses_that_are_none(url: str) -> None:
    """A URL that HTTP cannot use is an early failure: nothing left (faults, row 3)."""
    with pytest.raises(httpx.InvalidURL) as caught:
        parse_address(url)
    send = WireRequest("POST", url, {}, b"{}", sends=True)
    assert type(build_transport_error(caught.value, send, handed_over=Upload(send).handed_over)) is NotSent


def test_headers_of_an_answer() -> None:
    """Names are in lower case, the values of a repeated one together, whatever the bytes (facts about httpx)."""
    raw = [(b"Retry-After", b"5"), (b"VIA", b"a"), (b"Via", b"b\xff")]
    assert parse_answer_headers(raw) == {"retry-after": "5", "via": "a, b\xff"}
