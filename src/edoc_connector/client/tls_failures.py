"""The meaning of a failed handshake and its cure, from OpenSSL's words and from the server's own certificates."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import httpcore

from .._core import Text, format_name
from .messages import (
    CERTIFICATE_EXPIRED,
    CERTIFICATE_NOT_YET_VALID,
    NO_TLS_THERE,
    OLD_SERVER,
    OLD_SERVER_REFUSED,
    UNTRUSTED_AUTHORITY,
    WRONG_NAME,
    describe_missing_issuer,
)
from .transport import ClientSettings, build_probing_pool, split_address

if TYPE_CHECKING:
    from cryptography import x509

_BY_VERIFY_CODE = {
    9: CERTIFICATE_NOT_YET_VALID,
    10: CERTIFICATE_EXPIRED,
    18: UNTRUSTED_AUTHORITY,
    19: UNTRUSTED_AUTHORITY,
    62: WRONG_NAME,
    64: WRONG_NAME,
    66: OLD_SERVER,
    67: OLD_SERVER,
    68: OLD_SERVER,
}
"""By OpenSSL's X509_V_ERR_… codes, which are stable."""
_NO_ISSUER = frozenset({2, 20, 21})
_OLD_SERVER = (
    "UNSUPPORTED_PROTOCOL",
    "ALERT_PROTOCOL_VERSION",
    "LEGACY_RENEGOTIATION",
    "KEY_TOO_SMALL",
    "MD_TOO_WEAK",
    "LEGACY_SIGALG",
    "WRONG_SIGNATURE_TYPE",
    "ALERT_HANDSHAKE_FAILURE",
    "ALERT_INSUFFICIENT_SECURITY",
    "NO_PROTOCOLS_AVAILABLE",
)
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER")
_PROBE_SECONDS = 5.0


def explain_tls_failure(error: BaseException, url: str, settings: ClientSettings) -> Text | None:
    """Explain a failed handshake; None where there is nothing better to say than that it failed.

    Where the issuer of the server's certificate is not known, the server is connected to once more, to see which
    certificates it sends: nothing is sent to it but the beginning of that handshake. It blocks meanwhile.

    Args:
        error: the error of the exchange.
        url: the address that was called.
        settings: of the client.
    """
    cause = find_tls_error(error)
    if cause is None:
        return None
    if isinstance(cause, ssl.SSLCertVerificationError):
        if cause.verify_code in _NO_ISSUER:
            return _explain_missing_issuer(url, settings)
        found = _BY_VERIFY_CODE.get(cause.verify_code)
    else:
        found = _explain_reason(getattr(cause, "reason", None) or "")
    return OLD_SERVER_REFUSED if found is OLD_SERVER and settings.tls == "legacy" else found


def find_tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """Find the error of TLS below another."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _explain_reason(reason: str) -> Text | None:
    if any(part in reason for part in _OLD_SERVER):
        return OLD_SERVER
    return NO_TLS_THERE if any(part in reason for part in _NO_TLS) else None


def _explain_missing_issuer(url: str, settings: ClientSettings) -> Text:
    chain = fetch_server_chain(url, settings)
    if not chain:
        return UNTRUSTED_AUTHORITY
    last = _find_last(chain)
    if last is None:
        return UNTRUSTED_AUTHORITY
    return describe_missing_issuer(_name_issuer(last), _find_issuer_address(last))


def _find_last(chain: list[bytes]) -> x509.Certificate | None:
    """Find the last certificate of a chain that leads from the first one upwards."""
    from cryptography import x509

    try:
        certificates = [x509.load_der_x509_certificate(der) for der in chain]
        last, rest = certificates[0], certificates[1:]
        while issuer := next((one for one in rest if one.subject == last.issuer), None):
            rest.remove(issuer)
            last = issuer
    except ValueError:
        return None  # a certificate of the server's that cannot be read names nobody
    return last


def _name_issuer(certificate: x509.Certificate) -> str:
    from cryptography.x509.oid import NameOID

    names = certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else format_name(certificate.issuer)


def _find_issuer_address(certificate: x509.Certificate) -> str | None:
    """Find the address where an authority offers its own certificate (RFC 5280, 4.2.2.1)."""
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID

    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return None
    locations = [one.access_location for one in access if one.access_method == AuthorityInformationAccessOID.CA_ISSUERS]
    return next((str(one.value) for one in locations if isinstance(one, x509.UniformResourceIdentifier)), None)


# --- The certificates that a server sends. ---


class _Seen(Exception):
    """Ends a connection once the server's certificates were seen, before a request goes out."""


def fetch_server_chain(url: str, settings: ClientSettings) -> list[bytes]:
    """Fetch the certificates that a server sends, its own first, DER each; none if it cannot be asked.

    They are verified by nobody: they are good for telling people what is missing, and for nothing else.
    """
    chain: list[bytes] = []
    wanted = "proxy.start_tls.complete" if settings.proxy is not None else "connection.start_tls.complete"

    def watch(event: str, info: dict[str, Any]) -> None:
        if event != wanted:
            return
        stream = info["return_value"]
        chain.extend(_list_sent(stream.get_extra_info("ssl_object")))
        stream.close()
        raise _Seen

    limits = dict.fromkeys(("connect", "read", "write", "pool"), min(settings.connect, _PROBE_SECONDS))
    try:
        with build_probing_pool(settings) as pool:
            pool.request("HEAD", split_address(url), extensions={"trace": watch, "timeout": limits})
    except _Seen:
        return chain
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError, OSError):
        return []  # it was there a moment ago; the failure that is told stays the first one
    return chain  # pragma: no cover - a connection by TLS is always seen


def _list_sent(connection: Any) -> Iterable[bytes]:
    """List the certificates that came over a connection; Python 3.13 is the first to name the method in public."""
    source: Any = connection if hasattr(connection, "get_unverified_chain") else getattr(connection, "_sslobj", None)
    sent = source.get_unverified_chain() if hasattr(source, "get_unverified_chain") else None
    if not sent:
        return [connection.getpeercert(binary_form=True)]
    return [one if isinstance(one, bytes) else ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in sent]
