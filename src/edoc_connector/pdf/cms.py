"""Checking a PDF signature's value, a detached CMS SignedData (RFC 5652; PAdES baseline, ETSI EN 319 142-1, 6.3)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asn1crypto import core, tsp  # type: ignore[import-untyped]  # it ships no types
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.sign.validation.generic_cms import validate_sig_integrity
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from ..signing import (
    SigningFinding,
    VerifyPolicy,
    can_sign,
    find_key_problem,
    human_name,
    is_for_other_use,
    read_certificate,
)
from .reasons import PdfRefused
from .result import Kind

MAX_CERTIFICATES = 32
"""Most certificates in one signature, the signer's left out."""
_FAMILIES = {"rsassa_pkcs1v15": "rsa", "rsassa_pss": "rsa-pss", "ecdsa": "ecdsa"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfProof:
    """A signature that was made with its certificate's key over the bytes that it covers.

    Args:
        certificate: the signer's certificate.
        embedded_certificates: the other certificates in the signature.
        algorithms: names of the signature algorithm and the hash.
        timestamp: the time that a time-stamp authority states, UTC.
        findings: remarks that change no status.
    """

    certificate: x509.Certificate
    embedded_certificates: tuple[x509.Certificate, ...]
    algorithms: tuple[str, ...]
    timestamp: datetime | None
    findings: tuple[SigningFinding, ...]


def prove(embedded: EmbeddedPdfSignature, *, kind: Kind, policy: VerifyPolicy) -> PdfProof:
    """Check the value of a signature.

    Args:
        embedded: the signature.
        kind: an ordinary signature or a time stamp.
        policy: accepted algorithms and keys.

    Raises:
        PdfRefused: the value does not hold, or is not of the one accepted profile.
    """
    if isinstance(embedded.signer_info["signed_attrs"], core.Void):
        raise PdfRefused("PDF-CMS", "no signed attributes")
    algorithms = _read_algorithms(embedded)
    findings = _check_algorithms(algorithms, policy)
    certificate, embedded_certificates = _read_certificates(embedded)
    problem = find_key_problem(certificate.public_key(), minimum_rsa_bits=policy.minimum_rsa_bits, curves=policy.curves)
    if problem:
        raise PdfRefused("PDF-KEY", problem)
    timestamp = None
    if kind == "timestamp":
        timestamp = _check_timestamp(embedded)
    else:
        _check_value(embedded)
    if not _is_fit_for(kind, certificate):
        raise PdfRefused("PDF-KEY-USAGE", human_name(certificate))
    return PdfProof(
        certificate=certificate,
        embedded_certificates=embedded_certificates,
        algorithms=algorithms,
        timestamp=timestamp,
        findings=findings,
    )


def _is_fit_for(kind: Kind, certificate: x509.Certificate) -> bool:
    """Tell whether a certificate is fit for signing, or for time stamps (RFC 3161, 2.3)."""
    if kind == "signature":
        return can_sign(certificate) and not is_for_other_use(certificate)
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.TIME_STAMPING in uses


def _read_algorithms(embedded: EmbeddedPdfSignature) -> tuple[str, str]:
    """Read our names of the signature algorithm and the hash; all parts must use the same hash."""
    chosen: Any = embedded.signer_info["signature_algorithm"]
    digest: str = embedded.md_algorithm
    family = _FAMILIES.get(chosen.signature_algo)
    hashes = {digest, embedded.external_md_algorithm} | _list_own_hashes(chosen)
    if family is None or len(hashes) != 1:
        raise PdfRefused("PDF-ALGORITHM", ", ".join([str(chosen["algorithm"].native), *sorted(hashes)]))
    return f"{family}-{digest}", digest


def _list_own_hashes(chosen: Any) -> set[str]:
    """List the hashes that a signature algorithm's identifier names itself; plain ``rsaEncryption`` names none."""
    if chosen["algorithm"].native == "rsassa_pkcs1v15":
        return set()
    named = {str(chosen.hash_algo)}
    if chosen.signature_algo == "rsassa_pss":
        named.add(str(chosen["parameters"]["mask_gen_algorithm"]["parameters"]["algorithm"].native))
    return named


def _check_algorithms(algorithms: tuple[str, str], policy: VerifyPolicy) -> tuple[SigningFinding, ...]:
    findings = []
    for name, accepted in zip(algorithms, (policy.signature_algorithms, policy.digest_algorithms), strict=True):
        if name in accepted:
            continue
        if name not in ("rsa-sha1", "sha1") or not policy.legacy_sha1:
            raise PdfRefused("PDF-ALGORITHM", name)
        findings.append(SigningFinding("SIG-SHA1-ACCEPTED", name))
    return tuple(findings)


def _read_certificates(embedded: EmbeddedPdfSignature) -> tuple[x509.Certificate, tuple[x509.Certificate, ...]]:
    certificate = read_certificate(embedded.signer_cert.dump())
    others = embedded.other_embedded_certs
    if len(others) > MAX_CERTIFICATES:
        raise PdfRefused("PDF-TOO-MUCH", f"> {MAX_CERTIFICATES} certificates")
    return certificate, tuple(read_certificate(one.dump()) for one in others)


def _check_value(embedded: EmbeddedPdfSignature) -> None:
    content = embedded.signed_data["encap_content_info"]
    if content["content_type"].native != "data" or not isinstance(content["content"], core.Void):
        raise PdfRefused("PDF-CMS", "the signature is not detached")
    _check_integrity(embedded, "data", embedded.compute_digest())


def _check_timestamp(embedded: EmbeddedPdfSignature) -> datetime:
    """Check a document time stamp, and return its time (RFC 3161, 2.4.2; ISO 32000-2, 12.8.5)."""
    content = embedded.signed_data["encap_content_info"]
    if content["content_type"].native != "tst_info":
        raise PdfRefused("PDF-CMS", "no time stamp")
    stated = content["content"].parsed
    if not isinstance(stated, tsp.TSTInfo):
        raise PdfRefused("PDF-CMS", "no time stamp")
    _check_integrity(embedded, "tst_info", hashlib.new(embedded.md_algorithm, bytes(content["content"])).digest())
    if stated["message_imprint"]["hashed_message"].native != embedded.compute_digest():
        raise PdfRefused("PDF-DIGEST")
    at: datetime = stated["gen_time"].native
    return at.astimezone(UTC)


def _check_integrity(embedded: EmbeddedPdfSignature, content_type: str, digest: bytes) -> None:
    # pyHanko exports this and calls it no stable interface: pyproject.toml holds it to one minor version
    intact, valid = validate_sig_integrity(embedded.signer_info, embedded.signer_cert, content_type, digest)
    if not valid:
        raise PdfRefused("PDF-SIGNATURE")
    if not intact:
        raise PdfRefused("PDF-DIGEST")
