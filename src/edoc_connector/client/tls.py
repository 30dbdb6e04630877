"""TLS of the connection to a hub: the context, and what an old server needs."""

from __future__ import annotations

import ssl
import weakref
from typing import TYPE_CHECKING

import httpx

from .._core import Text, get_logger, make_lock, split_certificates
from ..errors import describe_system_error, describe_system_error_vi
from .messages import INCOMPLETE_PEM, NO_AUTHORITY, build_tls_settings_error, describe_missing_file

if TYPE_CHECKING:
    from .transport import ClientSettings

log = get_logger("edoc_connector.client")

_LEGACY_CIPHERS = "DEFAULT:@SECLEVEL=0"
_OP_LEGACY_SERVER_CONNECT = 0x4
"""OpenSSL's SSL_OP_LEGACY_SERVER_CONNECT; the module `ssl` names it from Python 3.12 on."""


_usual_contexts: weakref.WeakValueDictionary[str, ssl.SSLContext] = weakref.WeakValueDictionary()
"""Contexts that trust what everybody trusts, by `ClientSettings.tls`, as long as a client has one."""
_usual_lock = make_lock()


def build_tls_context(settings: ClientSettings) -> ssl.SSLContext:
    """Build the context of the connections to a hub.

    Clients that name no authority and no certificate of their own share one: to read all authorities of the system
    takes longer than anything else of a client.

    Raises:
        ConfigError: a certificate or key in the settings cannot be used.
    """
    if settings.ca_bundle is not None or settings.client_certificate is not None:
        return _build_own_context(settings)
    with _usual_lock:
        context = _usual_contexts.get(settings.tls)
        if context is None:
            context = _usual_contexts[settings.tls] = _build_own_context(settings)
        return context


def _build_own_context(settings: ClientSettings) -> ssl.SSLContext:
    try:
        context = _build_verifying_context(settings)
        if settings.client_certificate is not None:
            # An empty password instead of None: OpenSSL would ask for one at the terminal.
            password = settings.client_key_password or ""
            context.load_cert_chain(settings.client_certificate, settings.client_key, password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise build_tls_settings_error(_explain_error(settings, error)) from error
    if settings.tls == "legacy":
        _weaken(context)
    return context


def _build_verifying_context(settings: ClientSettings) -> ssl.SSLContext:
    if settings.ca_bundle is None:
        context = httpx.create_ssl_context(trust_env=False)
        context.load_default_certs()  # agencies put the State's own authorities into the system's store
        return context
    authorities = b"".join(split_certificates(settings.ca_bundle.read_bytes()))
    try:
        context = ssl.create_default_context(cadata=authorities)
    except ssl.SSLError:
        # Python takes what another user of OpenSSL left in this thread's queue of errors, such as a token that was
        # given a wrong PIN, for an error of this call, and empties the queue.
        context = ssl.create_default_context(cadata=authorities)
    # What is named is trusted, be it a root or not: the default from Python 3.13 on.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _weaken(context: ssl.SSLContext) -> None:
    """Let a context speak to servers of the years before 2010; it verifies their certificates as before."""
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED  # TLS 1.0: SSL 3.0 is kept out by an option of its own
    context.options |= ssl.OP_NO_SSLv3 | _OP_LEGACY_SERVER_CONNECT
    context.set_ciphers(_LEGACY_CIPHERS)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # set by Python 3.13; authorities of that time lack extensions


def build_unverifying_context(settings: ClientSettings) -> ssl.SSLContext:
    """Build a context that verifies nothing, to see which certificates a server sends. No request may go over it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if settings.tls == "legacy":
        _weaken(context)
    return context


def warn_if_weakened(settings: ClientSettings) -> None:
    """Warn in the log of a connection that an old server needs."""
    if settings.tls != "legacy":
        return
    log.warning(
        'the connection to the hub is weakened by tls = "legacy" in [http] (TLS 1.0, short keys, SHA-1, old '
        "renegotiation); ask the hub's operator to renew the server, then take the setting out"
    )


def _explain_error(settings: ClientSettings, error: OSError | ValueError) -> Text:
    """Explain a failure: OpenSSL tells neither the file nor, of a PEM file, the part that it misses there."""
    for file in (settings.ca_bundle, settings.client_certificate, settings.client_key):
        if file is not None and not file.exists():
            return describe_missing_file(file)
    if not isinstance(error, OSError):
        return NO_AUTHORITY
    if isinstance(error, ssl.SSLError) and "PEM" in str(error):
        return INCOMPLETE_PEM
    return Text(describe_system_error(error), describe_system_error_vi(error))
