"""Whose signature it is: path validation of the signer's certificate, at a stated moment, without any network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .certificates import ordered_from, read_certificate
from .policy import VerifyPolicy

if TYPE_CHECKING:
    from pyhanko_certvalidator import CertificateValidator
    from pyhanko_certvalidator.path import ValidationPath


@dataclass(frozen=True, slots=True)
class Trust:
    """What is known of a signer's certificate.

    Args:
        trusted: whether it leads to an anchor and is valid; None where there are no anchors to judge by.
        chain: the certificate, then those above it as far as known.
        problem: reason code of what is wrong, empty if nothing is.
        detail: what was seen.
    """

    trusted: bool | None
    chain: tuple[x509.Certificate, ...]
    problem: str = ""
    detail: str = ""


def judge(leaf: x509.Certificate, brought: Sequence[x509.Certificate], *, policy: VerifyPolicy, at: datetime) -> Trust:
    """Judge a signer's certificate.

    Args:
        leaf: the certificate.
        brought: certificates that came with the signature: they may be links of the path, never its anchor.
        policy: the anchors.
        at: the moment to judge at, aware.
    """
    judged = None if not policy.anchors else False
    chain = ordered_from(leaf, (*brought, *policy.intermediates))
    if at > leaf.not_valid_after_utc:
        return Trust(judged, chain, "SIG-EXPIRED", f"{leaf.not_valid_after_utc:%Y-%m-%d} < {at:%Y-%m-%d}")
    if at < leaf.not_valid_before_utc:
        return Trust(judged, chain, "SIG-NOT-YET-VALID", f"{leaf.not_valid_before_utc:%Y-%m-%d} > {at:%Y-%m-%d}")
    if not policy.anchors:
        return Trust(None, chain)
    if leaf in policy.anchors:
        return Trust(True, (leaf,))
    return _validate(leaf, brought, chain, policy, at)


def _validate(
    leaf: x509.Certificate,
    brought: Sequence[x509.Certificate],
    chain: tuple[x509.Certificate, ...],
    policy: VerifyPolicy,
    at: datetime,
) -> Trust:
    from pyhanko_certvalidator import CertificateValidator, ValidationContext
    from pyhanko_certvalidator.errors import ExpiredError, NotYetValidError, PathError, ValidationError

    others = (*brought, *policy.intermediates)
    weak = {"md2", "md5"} if policy.legacy_sha1 else {"md2", "md5", "sha1"}
    try:
        context = ValidationContext(
            trust_roots=_asn1(policy.anchors),
            other_certs=_asn1(other for other in others if other != leaf),
            moment=at,
            allow_fetching=False,
            weak_hash_algos=weak,
        )
        path = _run(CertificateValidator(_asn1([leaf])[0], validation_context=context))
    except ExpiredError as error:
        return Trust(False, chain, "SIG-EXPIRED", str(error))
    except NotYetValidError as error:
        return Trust(False, chain, "SIG-NOT-YET-VALID", str(error))
    except (PathError, ValidationError, ValueError) as error:
        return Trust(False, chain, "SIG-UNTRUSTED", str(error))
    return Trust(True, tuple(read_certificate(one.dump()) for one in path.iter_certs(include_root=True))[::-1])


def _run(validator: CertificateValidator) -> ValidationPath:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    # the validator is async only; a loop may be running in this thread, so it gets a thread and a loop of its own
    with ThreadPoolExecutor(max_workers=1) as pool:
        path: ValidationPath = pool.submit(lambda: asyncio.run(validator.async_validate_path())).result()
    return path


def _asn1(certificates: Iterable[x509.Certificate]) -> list[Any]:
    from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]  # it ships no types

    return [asn1_x509.Certificate.load(one.public_bytes(Encoding.DER)) for one in certificates]
