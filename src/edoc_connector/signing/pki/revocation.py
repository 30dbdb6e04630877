"""Revocation of certificates: lists (CRL, RFC 5280) and answers (OCSP, RFC 6960), gathered as the policy says.

Nothing is fetched unless the policy names its address. Addresses that stand in certificates come from strangers; they
are used only where the policy allows their host.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from ..._core import Labelled, Text, get_logger, label_members
from ...errors import ConfigError
from .certificates import PARSE_ERRORS, READ_ERRORS
from .pki_http import CachedFetch, Fetch, FetchFailed, is_plain_url

log = get_logger("edoc_connector.signing.revocation")

_ISSUER_HASHES = frozenset({"sha1", "sha256"})
"""Hashes by which the validator knows the issuer that an OCSP answer speaks of."""
MAX_ADDRESSES = 4
"""Most addresses of one certificate that are tried."""


@label_members(
    {
        "none": Text("not checked", "không kiểm tra"),
        "crl": Text("by lists", "theo danh sách thu hồi (CRL)"),
        "ocsp": Text("by OCSP", "theo OCSP"),
        "either": Text("by a list or OCSP", "theo danh sách thu hồi hoặc OCSP"),
    }
)
class RevocationMode(Labelled, StrEnum):
    """The proof wanted that a signer's certificate is not revoked."""

    NONE = "none"
    """No proof: revocation is not checked, and nothing is fetched."""
    CRL = "crl"
    """Revocation lists, for every certificate of the chain below the anchor."""
    OCSP = "ocsp"
    """An OCSP answer for the signer's certificate; a list or an answer for the authorities above."""
    EITHER = "either"
    """A list or an answer, for every certificate of the chain below the anchor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """The check for revoked certificates: the proof wanted and its sources.

    Args:
        mode: the proof wanted.
        soft: whether missing or stale information is only reported. Otherwise it makes the signature UNVERIFIABLE. A
            certificate known to be revoked is trusted under neither.
        crl_files: revocation lists at hand, PEM or DER: files, or folders of them. They are read when a packet is
            verified, so they may be replaced at any time.
        crl_urls: addresses of further lists.
        ocsp_url: address of the OCSP responder to ask about every certificate of a chain.
        hosts: hosts whose addresses in certificates (CRL distribution points, OCSP access) may be fetched too.
        timeout: seconds for each fetch.
        fetch: the function that fetches. Left out, plain HTTP whose answers are kept for ten minutes.

    Raises:
        ConfigError: there is a mode and no source that could satisfy it; a file is missing; an address is not http or
            https.
    """

    mode: RevocationMode = RevocationMode.NONE
    soft: bool = False
    crl_files: tuple[Path, ...] = ()
    crl_urls: tuple[str, ...] = ()
    ocsp_url: str | None = None
    hosts: frozenset[str] = frozenset()
    timeout: float = 10.0
    fetch: Fetch = field(default_factory=CachedFetch, repr=False, compare=False)

    def __post_init__(self) -> None:
        sources = (self.crl_files, self.crl_urls, self.ocsp_url, self.hosts)
        if self.mode is not RevocationMode.NONE and not any(sources):
            raise ConfigError(
                f"revocation is to be checked by {self.mode.value}, but there is no list, no address of a list or of "
                "an OCSP responder, and no allowed host; name one",
                vi=f"yêu cầu kiểm tra thu hồi bằng {self.mode.value} nhưng chưa có danh sách thu hồi, địa chỉ danh "
                "sách, máy chủ OCSP hay máy chủ được phép; hãy khai báo",
            )
        for url in (*self.crl_urls, *([self.ocsp_url] if self.ocsp_url else [])):
            if _parse_host(url) is None or not is_plain_url(url):
                raise ConfigError(
                    f"'{url}' is no http or https address to fetch revocation information from",
                    vi=f"'{url}' không phải địa chỉ http hoặc https để lấy thông tin thu hồi",
                )
        for path in self.crl_files:
            if not path.exists():
                raise ConfigError(
                    f"there is no revocation list at {path}; correct the path",
                    vi=f"không có danh sách thu hồi tại {path}; hãy sửa đường dẫn",
                )


@dataclass(frozen=True, slots=True)
class RevocationData:
    """Revocation information for one chain; nothing of it is believed before path validation has checked it.

    Args:
        crls: lists, DER.
        ocsps: answers, DER.
        failures: the sources that could not be fetched or read, with the reason.
    """

    crls: tuple[bytes, ...]
    ocsps: tuple[bytes, ...]
    failures: tuple[str, ...]


def gather_revocation_data(revocation: Revocation, chain: Sequence[x509.Certificate]) -> RevocationData:
    """Gather the revocation information about a chain.

    Args:
        revocation: the sources at hand, and those that may be fetched.
        chain: the certificate, then those above it up to the anchor.
    """
    failures: list[str] = []
    crls: list[bytes] = []
    ocsps: list[bytes] = []
    # under OCSP the authorities above the signer, if any, may still be cleared by a list
    if revocation.mode is not RevocationMode.OCSP or len(chain) > 2:
        crls += _collect(_iter_crl_getters(revocation, chain), failures)
    if revocation.mode is not RevocationMode.CRL:
        ocsps += _collect(_iter_ocsp_getters(revocation, chain), failures)
    for failure in failures:
        log.warning("revocation information is missing: %s", failure)
    return RevocationData(tuple(crls), tuple(ocsps), tuple(failures))


_DataGetter = Callable[[], bytes]


def _collect(getters: Iterable[_DataGetter], failures: list[str]) -> Iterator[bytes]:
    for get in getters:
        try:
            yield get()
        except FetchFailed as failed:
            failures.append(str(failed))


def _iter_crl_getters(revocation: Revocation, chain: Sequence[x509.Certificate]) -> Iterator[_DataGetter]:
    for path in revocation.crl_files:
        for file in _list_files(path):
            yield partial(_read_crl_file, file)
    allowed = (url for one in chain[:-1] for url in _select_allowed(_list_crl_addresses(one), revocation))
    for url in dict.fromkeys((*revocation.crl_urls, *allowed)):
        yield partial(_fetch_crl, url, revocation)


def _list_files(path: Path) -> list[Path]:
    try:
        return sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
    except OSError:
        return [path]  # reading it gives the error


def _fetch_crl(url: str, revocation: Revocation) -> bytes:
    return _as_der(url, revocation.fetch(url, timeout=revocation.timeout))


def _read_crl_file(file: Path) -> bytes:
    try:
        return _as_der(str(file), file.read_bytes())
    except OSError as error:
        raise FetchFailed(f"{file}: {error.strerror or type(error).__name__}") from error


def _as_der(origin: str, data: bytes) -> bytes:
    """Convert a revocation list, PEM or DER, to DER."""
    load = x509.load_pem_x509_crl if data.lstrip().startswith(b"-----BEGIN") else x509.load_der_x509_crl
    try:
        return load(data).public_bytes(Encoding.DER)
    except READ_ERRORS:
        raise FetchFailed(f"{origin}: no revocation list") from None


def _iter_ocsp_getters(revocation: Revocation, chain: Sequence[x509.Certificate]) -> Iterator[_DataGetter]:
    for certificate, issuer in itertools.pairwise(chain):
        named = [revocation.ocsp_url] if revocation.ocsp_url else []
        for url in dict.fromkeys((*named, *_select_allowed(_list_ocsp_addresses(certificate), revocation))):
            yield partial(_fetch_ocsp, url, certificate, issuer, revocation)


def _fetch_ocsp(url: str, certificate: x509.Certificate, issuer: x509.Certificate, revocation: Revocation) -> bytes:
    # SHA-1 only names the issuer here; it is what responders know (RFC 5019, 2.1.1). No nonce: answers can be kept.
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA1()).build()  # noqa: S303 - see above
    body = request.public_bytes(Encoding.DER)
    data = revocation.fetch(url, body=body, content_type="application/ocsp-request", timeout=revocation.timeout)
    try:
        answer = ocsp.load_der_ocsp_response(data)
        status = answer.response_status
        if status is ocsp.OCSPResponseStatus.SUCCESSFUL:
            _check_readable(answer, data)
    except PARSE_ERRORS:
        raise FetchFailed(f"{url}: no OCSP answer") from None
    if status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise FetchFailed(f"{url}: OCSP {status.name.lower()}")
    return data


def _check_readable(answer: ocsp.OCSPResponse, data: bytes) -> None:
    """Read all of an answer as the validator will: a malformed one would keep it from reading the others."""
    from asn1crypto import ocsp as asn1_ocsp  # type: ignore[import-untyped]  # it ships no types

    for response in answer.responses:
        if response.hash_algorithm.name not in _ISSUER_HASHES:
            raise ValueError("issuers are named by a hash that is not known")
    _ = asn1_ocsp.OCSPResponse.load(data).native


def _select_allowed(urls: Iterable[str], revocation: Revocation) -> list[str]:
    hosts = {host.lower() for host in revocation.hosts}
    return [url for url in urls if _parse_host(url) in hosts][:MAX_ADDRESSES]


def _parse_host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.hostname if parts.scheme in ("http", "https") else None


def _read_extension(certificate: x509.Certificate, kind: type[Any]) -> Iterable[Any]:
    try:
        found: Iterable[Any] = certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return ()
    return found


def _list_crl_addresses(certificate: x509.Certificate) -> list[str]:
    points = _read_extension(certificate, x509.CRLDistributionPoints)
    names = [name for point in points for name in point.full_name or ()]
    return [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]


def _list_ocsp_addresses(certificate: x509.Certificate) -> list[str]:
    entries = _read_extension(certificate, x509.AuthorityInformationAccess)
    names = [one.access_location for one in entries if one.access_method == AuthorityInformationAccessOID.OCSP]
    return [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
