"""TLS as old and badly installed servers speak it: real servers over sockets, one of them openssl's own."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from edoc_connector.client import HubClient, tls_failures
from edoc_connector.client.messages import UNTRUSTED_AUTHORITY
from edoc_connector.client.tls import build_tls_context
from edoc_connector.client.transport import ClientSettings
from edoc_connector.config import Settings
from edoc_connector.errors import NotSent
from edoc_connector.hubs import TokenLogin, Vxp

LIST = b'{"status":"OK","ErrorCode":"0","data":[]}'
OFFER = "http://pki.example.gov.vn/issuing.cer"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Chain:
    """Root, issuing authority and server, as files."""

    root: Path
    issuing: Path
    server: Path
    full: Path
    key: Path
    root_and_issuing: Path
    certificates: tuple[x509.Certificate, ...]


def _issue(name: str, key: Any, issuer: str, issuer_key: Any, *, ca: bool, days: int = 30) -> x509.Certificate:
    subject, above = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, issuer))
    now = datetime.now(UTC)
    access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(OFFER))
    return (
        x509.CertificateBuilder(above, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - 60 * _DAY)
        .not_valid_after(now + days * _DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        .add_extension(_build_key_usage(ca), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def _build_key_usage(ca: bool) -> x509.KeyUsage:
    """Build the key usage that Python 3.13 asks of an authority (RFC 5280, 4.2.1.3)."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Make a chain of three."""
    folder = tmp_path_factory.mktemp("chain")
    root_key, issuing_key, key = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3))
    root = _issue("Gốc thử nghiệm", root_key, "Gốc thử nghiệm", root_key, ca=True)
    issuing = _issue("CA trung gian thử nghiệm", issuing_key, "Gốc thử nghiệm", root_key, ca=True)
    server = _issue("127.0.0.1", key, "CA trung gian thử nghiệm", issuing_key, ca=False)

    def write(name: str, *certificates: x509.Certificate) -> Path:
        path = folder / name
        path.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in certificates))
        return path

    key_file = folder / "key.pem"
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Chain(
        root=write("root.pem", root),
        issuing=write("issuing.pem", issuing),
        server=write("server.pem", server),
        full=write("full.pem", server, issuing),
        key=key_file,
        root_and_issuing=write("both.pem", root, issuing),
        certificates=(server, issuing, root),
    )


def _serve(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.fixture
def fails(call: Any) -> Callable[..., NotSent]:
    """Calls a hub and gives the error."""

    def failed(hub: Any, **settings: Any) -> NotSent:
        with pytest.raises(NotSent) as caught:
            call(hub, "list_waiting", settings=settings)
        return caught.value

    return failed


# -- chains


def test_a_missing_intermediate_is_named_with_the_cure(
    hub_behind: Any, chain: Chain, fails: Any, call: Any, reply: Any
) -> None:
    """A server that sends its own certificate only: the error names the issuer's, where it is, and what to do."""
    hub = hub_behind(_serve(chain.server, chain.key))
    hub.script = [reply(LIST)]
    error = fails(hub, ca_bundle=chain.root)
    for text in (error.message, error.vi):
        assert "'CA trung gian thử nghiệm'" in text
        assert OFFER in text
        assert "ca_bundle" in text
    assert hub.seen == []  # the second look at the server sends no request
    for cure in (chain.root_and_issuing, chain.issuing):
        assert call(hub, "list_waiting", settings={"ca_bundle": cure}) == ()


def test_an_unknown_root_is_named_where_the_chain_is_whole(
    hub_behind: Any, chain: Chain, fails: Any, tmp_path: Path
) -> None:
    """A server that sends the issuing authority's too: the missing one is the root's, not the one that came."""
    hub = hub_behind(_serve(chain.full, chain.key))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "other.pem").write_bytes(_issue("other", key, "other", key, ca=True).public_bytes(Encoding.PEM))
    error = fails(hub, ca_bundle=tmp_path / "other.pem")
    assert "'Gốc thử nghiệm'" in error.message
    assert hub.seen == []


@pytest.mark.parametrize("sent", [[], [b"no certificate"]], ids=["nothing", "what cannot be read"])
def test_a_server_that_says_nothing_of_its_issuer(
    sent: list[bytes], hub_behind: Any, chain: Chain, fails: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the second look at a server shows no certificate, the error says what to look for, and names nobody."""
    monkeypatch.setattr(tls_failures, "fetch_server_chain", lambda *_: sent)
    error = fails(hub_behind(_serve(chain.server, chain.key)), ca_bundle=chain.root)
    assert UNTRUSTED_AUTHORITY.en in error.message
    assert UNTRUSTED_AUTHORITY.vi in error.vi


def test_an_issuer_without_common_name_and_address(
    hub_behind: Any, chain: Chain, fails: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that names its issuer by other attributes, and offers no copy of it: all that is known is said."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, one)]) for one in ("Cơ quan", "Ban Cơ yếu")]
    builder = x509.CertificateBuilder(names[1], names[0], key.public_key(), x509.random_serial_number())
    now = datetime.now(UTC)
    bare = builder.not_valid_before(now).not_valid_after(now + _DAY).sign(key, hashes.SHA256())
    monkeypatch.setattr(tls_failures, "fetch_server_chain", lambda *_: [bare.public_bytes(Encoding.DER)])
    error = fails(hub_behind(_serve(chain.server, chain.key)), ca_bundle=chain.root)
    for text in (error.message, error.vi):
        assert "O=Ban Cơ yếu" in text
        assert "http://" not in text.replace("https://", "")


def test_a_server_that_is_gone_shows_no_chain(free_port: int) -> None:
    """A second look that fails is no error of its own; what is no failure of TLS is explained by others."""
    settings = ClientSettings(connect=0.5)
    address = f"https://127.0.0.1:{free_port}"
    assert tls_failures.fetch_server_chain(address, settings) == []
    assert tls_failures.explain_tls_failure(ValueError(), address, settings) is None
    assert tls_failures.explain_tls_failure(ssl.SSLError(1, "no reason given"), address, settings) is None


@pytest.fixture
def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_the_other_faults_of_a_certificate(hub_behind: Any, chain: Chain, fails: Any, tmp_path: Path) -> None:
    """Expired, for another name, and self-signed: each has its own advice in both languages."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "k.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "c.pem").write_bytes(_issue("old", key, "old", key, ca=True, days=-1).public_bytes(Encoding.PEM))
    expired = fails(hub_behind(_serve(tmp_path / "c.pem", tmp_path / "k.pem")), ca_bundle=tmp_path / "c.pem")
    assert "has expired" in expired.message
    assert "đã hết hạn" in expired.vi
    (tmp_path / "c.pem").write_bytes(_issue("self", key, "self", key, ca=True).public_bytes(Encoding.PEM))
    unknown = fails(hub_behind(_serve(tmp_path / "c.pem", tmp_path / "k.pem")), ca_bundle=chain.root)
    assert "not trusted here" in unknown.message
    hub = hub_behind(_serve(chain.full, chain.key))
    named = fails(hub.url.replace("127.0.0.1", "localhost"), ca_bundle=chain.root)
    assert "another name" in named.message
    assert "tên khác" in named.vi


def test_a_port_without_tls(hub: Any, fails: Any) -> None:
    """https to a port of plain HTTP is told as that."""
    hub.answers_at_once = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    assert "does not speak TLS" in fails(hub.url.replace("http://", "https://")).message


@pytest.mark.parametrize("form", ["p7b", "utf-16"])
def test_ca_bundle_in_the_forms_handed_out(
    form: str, hub_behind: Any, chain: Chain, call: Any, reply: Any, tmp_path: Path
) -> None:
    """ca_bundle takes the forms of trust stores (keys and trust in the forms that authorities hand out)."""
    pem = chain.root_and_issuing.read_bytes()
    data = {
        "p7b": pkcs7.serialize_certificates(list(chain.certificates[1:]), Encoding.DER),
        "utf-16": pem.decode().encode("utf-16"),
    }[form]
    (tmp_path / "ca").write_bytes(data)
    hub = hub_behind(_serve(chain.server, chain.key))
    hub.script = [reply(LIST)]
    assert call(hub, "list_waiting", settings={"ca_bundle": tmp_path / "ca"}) == ()


# -- old servers


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_server_of_tls_1_0_is_reached_by_a_named_setting_only(
    version: ssl.TLSVersion, hub_behind: Any, chain: Chain, call: Any, fails: Any, reply: Any, caplog: Any
) -> None:
    """TLS 1.0 and 1.1 fail with the advice to set ``tls``; with ``tls = "legacy"`` they work, and the log warns."""
    context = _serve(chain.full, chain.key)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = version
    context.maximum_version = version
    hub = hub_behind(context)
    hub.script = [reply(LIST)]
    error = fails(hub, ca_bundle=chain.root)
    assert 'tls = "legacy"' in error.message
    assert 'tls = "legacy"' in error.vi
    assert "weakened" not in caplog.text
    assert call(hub, "list_waiting", settings={"ca_bundle": chain.root, "tls": "legacy"}) == ()
    assert 'weakened by tls = "legacy"' in caplog.text


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_legacy_verifies_certificates_all_the_same(hub_behind: Any, chain: Chain, fails: Any) -> None:
    """Under ``legacy`` an unknown authority, a missing intermediate and a wrong name are refused as ever."""
    context = _serve(chain.server, chain.key)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    hub = hub_behind(context)
    assert "'CA trung gian thử nghiệm'" in fails(hub, ca_bundle=chain.root, tls="legacy").message
    url = hub.url.replace("127.0.0.1", "localhost")
    assert "another name" in fails(url, ca_bundle=chain.root_and_issuing, tls="legacy").message
    assert hub.seen == []
    legacy = build_tls_context(ClientSettings(tls="legacy"))
    assert (legacy.verify_mode, legacy.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert legacy.options & ssl.OP_NO_SSLv3


def test_a_short_key_of_an_old_server(hub_behind: Any, chain: Chain, call: Any, fails: Any, tmp_path: Path) -> None:
    """A server whose key has 1024 bits is told as an old one, and reached under ``legacy``."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    (tmp_path / "k.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "c.pem").write_bytes(_issue("short", key, "short", key, ca=True).public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(tmp_path / "c.pem", tmp_path / "k.pem")
    hub = hub_behind(context)
    hub.script = [lambda sock, _: sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n" + LIST)]
    assert 'tls = "legacy"' in fails(hub, ca_bundle=tmp_path / "c.pem").message
    assert call(hub, "list_waiting", settings={"ca_bundle": tmp_path / "c.pem", "tls": "legacy"}) == ()


@contextmanager
def _openssl_server(*options: str) -> Iterator[int]:
    """Start openssl's own server, which answers every request with a page."""
    if shutil.which("openssl") is None and "CI" not in os.environ:
        pytest.skip("the openssl command is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-www", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield port
        finally:
            server.terminate()


_SERVER_HELLO = bytes.fromhex("160303002a02000026 0303") + bytes(32) + bytes.fromhex("00 c02f 00")
"""The first answer of a TLS 1.2 server that does not know RFC 5746: no extension for renegotiation, nor any other."""


def test_a_server_without_secure_renegotiation(hub: Any, fails: Any) -> None:
    """A server without RFC 5746 is told as an old one; under ``legacy`` the handshake goes on."""
    hub.answers_at_once = _SERVER_HELLO
    url = hub.url.replace("http://", "https://")
    refused = fails(url)
    assert "UNSAFE_LEGACY_RENEGOTIATION_DISABLED" in refused.message
    assert 'tls = "legacy"' in refused.message
    assert "RENEGOTIATION" not in fails(url, tls="legacy").message


def test_openssl_s_server_of_tls_1_0(chain: Chain, call: Any, fails: Any) -> None:
    """openssl's own server at TLS 1.0 gets a request under ``legacy`` only."""
    options = ("-cert", str(chain.server), "-cert_chain", str(chain.issuing), "-key", str(chain.key))
    with _openssl_server(*options, "-tls1", "-cipher", "ALL:@SECLEVEL=0") as port:
        url = f"https://127.0.0.1:{port}"
        assert 'tls = "legacy"' in fails(url, ca_bundle=chain.root).message
        settings = {"ca_bundle": chain.root, "tls": "legacy", "read": 0.5}
        with pytest.raises(NotSent, match="ReadTimeout"):  # it leaves a POST without an answer
            call(url, "list_waiting", settings=settings)


def test_the_client_certificate_goes_with_the_login_too(
    hub_behind: Any, chain: Chain, reply: Callable[..., Any]
) -> None:
    """mTLS is the connection's: login and calls use the same private authority and client certificate."""
    context = _serve(chain.full, chain.key)
    context.load_verify_locations(chain.root)
    context.verify_mode = ssl.CERT_REQUIRED
    hub = hub_behind(context)
    hub.script = [reply(b'{"data":{"token":"t1"}}'), reply(LIST)]
    login = TokenLogin(login_url=f"{hub.url}/login", username="u", password="p")
    vxp = Vxp(endpoint=hub.url, system_id="H29", secret="s")
    settings = ClientSettings(
        ca_bundle=chain.root, client_certificate=chain.full, client_key=chain.key, attempts=1, connect=5
    )
    with HubClient(vxp, settings, authenticator=login) as client:
        assert client.list_waiting() == ()
    assert hub.seen[1].headers["authorization"] == "Bearer t1"
    without = TokenLogin(login_url=f"{hub.url}/login", username="other", password="p")
    bare = ClientSettings(ca_bundle=chain.root, attempts=1, connect=5)
    with pytest.raises(NotSent), HubClient(vxp, bare, authenticator=without) as client:
        client.list_waiting()
    assert len(hub.seen) == 2


def test_the_setting_reaches_the_client(tmp_path: Path) -> None:
    """``[http] tls`` is read from edoc.toml, and words other than the two are refused (configuration.md)."""
    path = tmp_path / "edoc.toml"
    head = '[agency]\nid = "H29.05"\nname = "Sở"\n[hub]\nendpoint = "https://h"\nsystem_id = "H29"\nsecret = "env:S"\n'
    path.write_text(head + '[http]\ntls = "legacy"\n')
    assert Settings.load(path).client_settings().tls == "legacy"
    path.write_text(head)
    assert Settings.load(path).client_settings().tls == "modern"
    path.write_text(head + '[http]\ntls = "old"\n')
    with pytest.raises(Exception, match=r"http\.tls"):
        Settings.load(path)


def test_clients_with_the_usual_authorities_share_a_context(tmp_path: Path) -> None:
    """What everybody trusts is read once for all clients; whoever names authorities has a context of their own."""
    usual = build_tls_context(ClientSettings())
    assert build_tls_context(ClientSettings(total=1.0)) is usual
    assert build_tls_context(ClientSettings(tls="legacy")) is not usual
    assert usual.verify_mode is ssl.CERT_REQUIRED
    assert usual.check_hostname
    key = ec.generate_private_key(ec.SECP256R1())
    root = tmp_path / "root.pem"
    root.write_bytes(_issue("Root", key, "Root", key, ca=True).public_bytes(Encoding.PEM))
    own = ClientSettings(ca_bundle=root)
    assert build_tls_context(own) is not usual
    assert build_tls_context(own) is not build_tls_context(own)


def test_an_error_of_another_user_of_openssl_is_none_of_ours(chain: Chain) -> None:
    """A token that was given a wrong PIN leaves one behind in its thread (faults, "each error is what happened")."""
    library = next(
        (line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libcrypto.so" in line), None
    )
    if library is None:
        pytest.skip("this Python brings its OpenSSL along")
    openssl = ctypes.CDLL(library)
    openssl.ERR_new()
    openssl.ERR_set_error(57, 100, None)  # of the library of ciphers: bad decrypt
    context = build_tls_context(ClientSettings(ca_bundle=chain.root))
    assert context.cert_store_stats()["x509_ca"] == 1
