"""Path validation of a signer's certificate at a stated moment, and its revocation.

Without a revocation policy nothing is fetched; with one, only from the addresses that the policy names (`revocation`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..._core import format_name, make_lock
from ..reasons import as_one_line
from .asn1_names import bound_asn1_names
from .certificates import PARSE_ERRORS, human_name, is_authority, is_valid_at, order_chain, read_certificate
from .path_building import Path, PathBudget, PathWorkExceeded, iter_paths
from .policy import VerifyPolicy
from .revocation import Revocation, RevocationData, RevocationMode, gather_revocation_data

if TYPE_CHECKING:
    from pyhanko_certvalidator import ValidationContext
    from pyhanko_certvalidator.path import ValidationPath

_Result = TypeVar("_Result")
_Chain = tuple[x509.Certificate, ...]

_MAX_PATHS = 64
"""Validated paths that are kept: most packets come from few agencies."""


@dataclass(frozen=True, slots=True)
class Trust:
    """The judgement on a signer's certificate.

    Args:
        trusted: whether the certificate leads to an anchor and is valid; None where there are no anchors to judge by.
        chain: the certificate, then those above it as far as known.
        problem: reason code of the problem, or of a finding; empty if there is none.
        detail: the value that was seen.
    """

    trusted: bool | None
    chain: tuple[x509.Certificate, ...]
    problem: str = ""
    detail: str = ""


def judge_certificate(
    leaf: x509.Certificate,
    embedded_certificates: Sequence[x509.Certificate],
    *,
    policy: VerifyPolicy,
    at: datetime,
    budget: PathBudget | None = None,
) -> Trust:
    """Judge a signer's certificate.

    Args:
        leaf: the certificate.
        embedded_certificates: certificates that came with the signature: they may be links of the path, never its
            anchor.
        policy: the anchors, and how revocation is checked.
        at: the moment to judge at, aware.
        budget: the work that finding a path may take, shared by the signatures of one file; left out, one of its own.
    """
    trusted = None if not policy.anchors else False
    chain = order_chain(leaf, (*embedded_certificates, *policy.intermediates))
    if at > leaf.not_valid_after_utc:
        return Trust(trusted, chain, "SIG-EXPIRED", f"{leaf.not_valid_after_utc:%Y-%m-%d} < {at:%Y-%m-%d}")
    if at < leaf.not_valid_before_utc:
        return Trust(trusted, chain, "SIG-NOT-YET-VALID", f"{leaf.not_valid_before_utc:%Y-%m-%d} > {at:%Y-%m-%d}")
    if not policy.anchors:
        return Trust(None, chain)
    if leaf in policy.anchors:
        # pinned: whoever trusts this very certificate takes it out when it is revoked
        return Trust(True, (leaf,))
    if is_authority(leaf):
        return Trust(False, chain, "SIG-KEY-USAGE", f"{human_name(leaf)}, CA:TRUE")
    others = (*embedded_certificates, *policy.intermediates)
    return validate_path(leaf, others, policy.anchors, chain=chain, policy=policy, at=at, budget=budget)


def validate_path(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    *,
    chain: tuple[x509.Certificate, ...],
    policy: VerifyPolicy,
    at: datetime,
    unrevoked_at: datetime | None = None,
    budget: PathBudget | None = None,
) -> Trust:
    """Validate a certificate's path to an anchor (RFC 5280, 6.1), and its revocation where the policy asks.

    An anchor that is no authority's certificate is the end of no other one's path, and an anchor vouches for nobody at
    a moment when it is not valid itself.

    Args:
        leaf: the certificate.
        others: certificates that may be links.
        anchors: certificates that the path must end at.
        chain: the chain to report should there be no path.
        policy: accepted hashes, and how revocation is checked.
        at: the moment to judge at, aware.
        unrevoked_at: the moment that the certificate must not have been revoked at, aware; left out, `at`.
        budget: the work that finding a path may take.
    """
    path_key = (leaf, *others), tuple(anchors), policy.legacy_sha1
    skips_revocation = policy.revocation.mode is RevocationMode.NONE
    if skips_revocation and (known_path := _PATHS.find(path_key, at)):
        return Trust(True, known_path)
    found = _find_valid_path(leaf, others, anchors, chain=chain, policy=policy, at=at, budget=budget or PathBudget())
    if isinstance(found, Trust):
        return found
    path, validated = found
    if skips_revocation:
        _PATHS.remember(path_key, validated)
        return Trust(True, validated)
    revocation_data = gather_revocation_data(policy.revocation, validated)
    until = unrevoked_at or at
    links = (*validated[1:], *policy.intermediates)
    try:
        then, now = (_build_context(leaf, links, anchors, policy, moment, revocation_data) for moment in (until, None))
    except PARSE_ERRORS as error:
        return Trust(policy.revocation.soft, validated, "SIG-REVOCATION-UNKNOWN", str(error) or type(error).__name__)
    return _run_coroutine(
        _check_revocation(path, validated, _ValidationContexts(until, then, now), policy.revocation, revocation_data)
    )


def _find_valid_path(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    *,
    chain: tuple[x509.Certificate, ...],
    policy: VerifyPolicy,
    at: datetime,
    budget: PathBudget,
) -> tuple[ValidationPath, Path] | Trust:
    """Find the first path that is valid, as the validator has it and as certificates; else the last one's fault."""
    fault = Trust(False, chain, "SIG-UNTRUSTED", _describe_missing_path(leaf, anchors))
    ends = [anchor for anchor in anchors if anchor == leaf or is_authority(anchor)]
    try:
        for candidate in iter_paths(leaf, others, ends, budget):
            anchor = candidate[-1]
            if not is_valid_at(anchor, at):
                ends_at, starts_at = anchor.not_valid_after_utc, anchor.not_valid_before_utc
                code, limit = ("SIG-EXPIRED", ends_at) if at > ends_at else ("SIG-NOT-YET-VALID", starts_at)
                fault = Trust(False, chain, code, f"{human_name(anchor)}, {limit:%Y-%m-%d}")
            else:
                path = _validate_candidate(candidate, policy, at)
                if not isinstance(path, tuple):
                    return path, candidate
                fault = Trust(False, chain, *path)
    except PathWorkExceeded:
        return Trust(False, chain, "SIG-UNTRUSTED", "too many certificates of one name")
    return fault


def _describe_missing_path(leaf: x509.Certificate, anchors: Sequence[x509.Certificate]) -> str:
    no_authorities = [anchor for anchor in anchors if not is_authority(anchor)]
    if len(no_authorities) == len(anchors):
        return f"{human_name(no_authorities[0])} is trusted for itself only, not as an authority (CA:TRUE)"
    return f"no path from {human_name(leaf)}, issued by {as_one_line(format_name(leaf.issuer))}"


def _validate_candidate(candidate: Path, policy: VerifyPolicy, at: datetime) -> ValidationPath | tuple[str, str]:
    """Validate one path; the fault's code and what was seen where it is not valid."""
    from pyhanko_certvalidator.authority import CertTrustAnchor
    from pyhanko_certvalidator.errors import ExpiredError, NotYetValidError, PathError, ValidationError
    from pyhanko_certvalidator.path import ValidationPath
    from pyhanko_certvalidator.validate import async_validate_path

    leaf, *above = candidate
    try:
        context = _build_context(leaf, above, candidate[-1:], policy, at)
        anchor, *links = _as_asn1(candidate[::-1])
        path = ValidationPath(CertTrustAnchor(anchor), links[:-1], links[-1] if links else None)
        _run_coroutine(async_validate_path(context, path))
    except ExpiredError as error:
        return "SIG-EXPIRED", str(error)
    except NotYetValidError as error:
        return "SIG-NOT-YET-VALID", str(error)
    except (PathError, ValidationError, *PARSE_ERRORS) as error:
        return "SIG-UNTRUSTED", str(error) or type(error).__name__
    return path


class _ValidPaths:
    """The paths that were found good, by everything that decides it but the moment.

    Without revocation the moment counts only in the certificates' own validity, which is checked anew each time.
    """

    def __init__(self) -> None:
        self._chains: OrderedDict[tuple[_Chain, _Chain, bool], _Chain] = OrderedDict()
        self._lock = make_lock()

    def find(self, path_key: tuple[_Chain, _Chain, bool], at: datetime) -> _Chain | None:
        """Find a known path, from leaf to anchor, whose certificates are all valid at the moment."""
        with self._lock:
            chain = self._chains.get(path_key)
            if chain is None or not all(is_valid_at(one, at) for one in chain):
                return None
            self._chains.move_to_end(path_key)
            return chain

    def remember(self, path_key: tuple[_Chain, _Chain, bool], chain: _Chain) -> None:
        """Remember a path that was validated."""
        with self._lock:
            self._chains[path_key] = chain
            while len(self._chains) > _MAX_PATHS:
                self._chains.popitem(last=False)


_PATHS = _ValidPaths()


def _build_context(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    policy: VerifyPolicy,
    at: datetime | None,
    revocation_data: RevocationData | None = None,
) -> ValidationContext:
    from pyhanko_certvalidator import ValidationContext
    from pyhanko_certvalidator.policy_decl import NO_REVOCATION, CertRevTrustPolicy

    return ValidationContext(
        trust_roots=_as_asn1(anchors),
        other_certs=_as_asn1(other for other in others if other != leaf),
        moment=at,
        allow_fetching=False,
        crls=revocation_data.crls if revocation_data else (),
        ocsps=revocation_data.ocsps if revocation_data else (),
        # `_check_revocation` asks; today's knowledge of a moment in the past is better than the knowledge of then
        revinfo_policy=CertRevTrustPolicy(NO_REVOCATION, retroactive_revinfo=True),
        weak_hash_algos={"md2", "md5"} if policy.legacy_sha1 else {"md2", "md5", "sha1"},
    )


@dataclass(frozen=True, slots=True)
class _ValidationContexts:
    """The moment to judge at, and the validator's contexts of then and of now."""

    at: datetime
    then: ValidationContext
    now: ValidationContext


async def _check_revocation(
    path: ValidationPath,
    chain: tuple[x509.Certificate, ...],
    moments: _ValidationContexts,
    revocation: Revocation,
    revocation_data: RevocationData,
) -> Trust:
    """Check every certificate below the anchor: one of unknown status does not hide that another was revoked.

    The validator's own rules leave an OCSP answer alone where the certificate names no responder, and believe a list
    that says good beside an answer that says revoked. Here a policy may name the responder, and any proof counts.
    """
    from pyhanko_certvalidator.errors import CRLValidationError, OCSPValidationError, RevokedError
    from pyhanko_certvalidator.revinfo.validate_crl import verify_crl
    from pyhanko_certvalidator.revinfo.validate_ocsp import verify_ocsp_response

    checks: dict[str, Any] = {"crl": verify_crl, "ocsp": verify_ocsp_response}
    unknown: Trust | None = None
    for certificate, wanted in _iter_wanted_proofs(path, revocation.mode):
        proofs, failures = set(), []
        for kind in ("crl", "ocsp") if revocation.mode is not RevocationMode.CRL else ("crl",):
            try:
                await _check_in_force(checks[kind], certificate, path, moments)
            except RevokedError as error:
                detail = f"{human_name(read_certificate(certificate.dump()))}, {error.revocation_dt:%Y-%m-%d %H:%M} UTC"
                return Trust(False, chain, "SIG-REVOKED", detail)
            except (CRLValidationError, OCSPValidationError, *PARSE_ERRORS) as error:
                failures.append(str(error.args[0] if error.args else type(error).__name__))
            else:
                proofs.add(kind)
        if unknown is None and not proofs & wanted:
            detail = "; ".join(revocation_data.failures or failures)
            unknown = Trust(revocation.soft, chain, "SIG-REVOCATION-UNKNOWN", detail)
    return unknown or Trust(True, chain)


async def _check_in_force(check: Any, certificate: Any, path: ValidationPath, moments: _ValidationContexts) -> None:
    """Check that a certificate was in force; an OCSP answer of a later revocation proves that it was."""
    from pyhanko_certvalidator.errors import OCSPValidationIndeterminateError, RevokedError

    try:
        await check(certificate, path, moments.then)
    except OCSPValidationIndeterminateError:
        try:
            await check(certificate, path, moments.now)
        except RevokedError as revoked:
            if revoked.revocation_dt > moments.at:
                return
        raise


def _iter_wanted_proofs(path: ValidationPath, mode: RevocationMode) -> Iterator[tuple[Any, set[str]]]:
    """List the certificates below the anchor, from the top, each with the proofs of which one is wanted."""
    below = list(path.iter_certs(include_root=False))
    for number, certificate in enumerate(below, 1):
        if mode is RevocationMode.CRL:
            yield certificate, {"crl"}
        else:
            yield certificate, {"ocsp"} if mode is RevocationMode.OCSP and number == len(below) else {"crl", "ocsp"}


def _run_coroutine(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    # the validator is async only; a loop may be running in this thread, so it gets a thread and a loop of its own
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(lambda: asyncio.run(coroutine)).result()


def _as_asn1(certificates: Iterable[x509.Certificate]) -> list[Any]:
    from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]  # it ships no types

    bound_asn1_names()
    return [asn1_x509.Certificate.load(one.public_bytes(Encoding.DER)) for one in certificates]
