"""Time-stamps (RFC 3161): getting one from an authority, and checking one.

A signing time that the signer writes is a claim. A time-stamp over the signature value is an authority's word that the
signature existed then: its certificate may be judged at that moment, although it has expired or was revoked since
(XAdES baseline B-T, ETSI EN 319 132-1, 5.3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509

from ...errors import SigningError
from ..reasons import Refused
from .certificates import PARSE_ERRORS, find_key_problem, human_name, order_chain, read_certificate, read_serial_number
from .path_validation import validate_path
from .pki_http import Fetch, FetchFailed, fetch_http
from .policy import VerifyPolicy

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

TimeStamping = Callable[[bytes], bytes]
"""Gives a time-stamp token (DER) over data; raises SigningError."""

ALLOWED_HASHES = frozenset({"sha256", "sha384", "sha512"})
"""Hashes that a time-stamp may be signed with."""
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far ahead of ours another's clock may be (Decision 28/2018/QĐ-TTg: clocks are kept)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampAuthority:
    """A time-stamp authority; an instance is called with the data to stamp.

    Args:
        url: the authority's ``http`` or ``https`` address.
        timeout: seconds for one time-stamp.
        fetch: the function that asks the authority.
    """

    url: str
    timeout: float = 10.0
    fetch: Fetch = field(default=fetch_http, repr=False, compare=False)

    def __call__(self, data: bytes) -> bytes:
        """Get a time-stamp token over data.

        Returns:
            The token, DER.

        Raises:
            SigningError: there was no answer in time, or not a time-stamp over this data.
        """
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

        request = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256).build()
        kind = "application/timestamp-query"
        try:
            answer = self.fetch(self.url, body=request.as_bytes(), content_type=kind, timeout=self.timeout)
            response = _decode_response(answer)
        except (FetchFailed, ValueError) as error:
            raise _no_timestamp_error(self.url, str(error)) from error
        if response.status not in (0, 1):
            raise _no_timestamp_error(self.url, f"status {response.status} {' '.join(response.status_string)}".strip())
        info = response.tst_info
        if info.nonce != request.nonce or info.message_imprint.message != request.message_imprint.message:
            raise _no_timestamp_error(self.url, "the time-stamp is not over what was sent")
        return bytes(response.time_stamp_token())


def check_timestamp(token: bytes, data: bytes, *, policy: VerifyPolicy, at: datetime) -> datetime:
    """Check a time-stamp over data.

    Args:
        token: the time-stamp token, DER.
        data: the octets that it must be over.
        policy: the trusted authorities, and how revocation is checked.
        at: now, aware: a later time-stamp is not believed.

    Returns:
        The moment that the authority states, UTC.

    Raises:
        Refused: ``SIG-TIMESTAMP``, with the fault.
    """
    from rfc3161_client import VerificationError, VerifierBuilder

    anchors = policy.timestamp_anchors or policy.anchors
    if not anchors:
        raise Refused("SIG-TIMESTAMP", "no trusted authorities")
    builder = VerifierBuilder(roots=list(anchors), intermediates=list(policy.intermediates))
    try:
        response = _decode_response(_wrap_token(token))
        if weak := _list_hashes(token) - ALLOWED_HASHES:
            raise Refused("SIG-TIMESTAMP", ", ".join(sorted(weak)))
        # it checks the imprint, the signature, the path and the extended key usage
        builder.build().verify_message(response, data)
        leaf, embedded_certificates = _find_authority(response)
    except (VerificationError, *PARSE_ERRORS) as error:
        raise Refused("SIG-TIMESTAMP", str(error) or type(error).__name__) from None
    moment = response.tst_info.gen_time
    if moment > at + CLOCK_TOLERANCE:
        raise Refused("SIG-TIMESTAMP", f"{moment:%Y-%m-%d %H:%M} UTC")
    _check_authority(leaf, embedded_certificates, anchors, policy, moment, at)
    return moment


def _check_authority(
    leaf: x509.Certificate,
    embedded_certificates: tuple[x509.Certificate, ...],
    anchors: tuple[x509.Certificate, ...],
    policy: VerifyPolicy,
    moment: datetime,
    at: datetime,
) -> None:
    """Check an authority by the rules that signers are held to: hashes, keys, path, revocation.

    An authority writes the moment itself, so whoever has its key can write any: once revoked it is believed no more.
    """
    problem = find_key_problem(leaf.public_key(), minimum_rsa_bits=policy.minimum_rsa_bits, curves=policy.curves)
    if problem:
        raise Refused("SIG-TIMESTAMP", f"{human_name(leaf)}: {problem}")
    others = (*embedded_certificates, *policy.intermediates)
    trust = validate_path(
        leaf, others, anchors, chain=order_chain(leaf, others), policy=policy, at=moment, unrevoked_at=at
    )
    if not trust.trusted:
        raise Refused("SIG-TIMESTAMP", f"{human_name(leaf)}: {trust.problem} {trust.detail}")


def _find_authority(response: TimeStampResponse) -> tuple[x509.Certificate, tuple[x509.Certificate, ...]]:
    signed = response.signed_data
    embedded_certificates = tuple(read_certificate(der) for der in sorted(signed.certificates))
    for info in signed.signer_infos:
        for certificate in embedded_certificates:
            if certificate.issuer == info.issuer and read_serial_number(certificate) == info.serial_number:
                return certificate, embedded_certificates
    raise ValueError("the authority's certificate is missing")


def _decode_response(answer: bytes) -> TimeStampResponse:
    """Read an answer, and every part that is used later, since a malformed part shows only then.

    Raises:
        ValueError: the octets are no answer.
    """
    from rfc3161_client import decode_timestamp_response

    response = decode_timestamp_response(answer)
    if response.status in (0, 1):
        _ = (response.tst_info.gen_time, response.signed_data, response.tst_info.message_imprint)
    return response


def _wrap_token(token: bytes) -> bytes:
    """Wrap a token in a granted answer (RFC 3161, 2.4.2); a signature keeps only the token of one.

    Raises:
        ValueError: the token is no ASN.1.
    """
    from asn1crypto import cms, tsp  # type: ignore[import-untyped]  # it ships no types

    info: Any = cms.ContentInfo.load(token, strict=True)
    response = tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": info})
    return bytes(response.dump())


def _list_hashes(token: bytes) -> set[str]:
    """List the hashes that the signers of a token, already read once, state."""
    from asn1crypto import cms

    signers: Any = cms.ContentInfo.load(token)["content"]["signer_infos"]
    return {str(one["digest_algorithm"]["algorithm"].native) for one in signers}


def _no_timestamp_error(url: str, why: str) -> SigningError:
    return SigningError(
        f"no time-stamp from {url}: {why}; try again later, or sign without one",
        vi=f"không lấy được dấu thời gian từ {url}: {why}; hãy thử lại sau hoặc ký không kèm dấu thời gian",
    )
