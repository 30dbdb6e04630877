"""Checking one signature and its signer: the part that packet signatures and seals share."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree

from ...edxml import DS, MAX_CODE_LENGTH
from ..algorithms import PublicKey
from ..pki import (
    CLOCK_TOLERANCE,
    Binding,
    Trust,
    VerifyMode,
    VerifyPolicy,
    can_sign,
    find_key_problem,
    find_leaf,
    human_name,
    is_for_other_use,
    is_valid_at,
    judge_certificate,
    read_certificate,
)
from ..reasons import Refused, SigningFinding
from .signature_profile import ParsedSignature, Reference
from .xmldsig import find_core_failure

_DSIG11 = "http://www.w3.org/2009/xmldsig11#"

SecondVerifier = Callable[[ParsedSignature, x509.Certificate], bool]
"""Another verifier's answer to whether a signature holds."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A signature that holds, whoever made it.

    Args:
        certificate: the signer's.
        embedded_certificates: all certificates that came with the signature.
        algorithms: names of the signature algorithm and the hashes.
        findings: remarks that change no status.
    """

    certificate: x509.Certificate
    embedded_certificates: tuple[x509.Certificate, ...]
    algorithms: tuple[str, ...]
    findings: tuple[SigningFinding, ...]


def prove(
    signature: etree._Element,
    parsed: ParsedSignature,
    *,
    policy: VerifyPolicy,
    compute_digest: Callable[[Reference], bytes],
    second_verifier: SecondVerifier | None,
) -> Proof:
    """Check algorithms, key, digests and value of a signature, with two verifiers that must agree.

    Args:
        signature: the element.
        parsed: the parsed element, its shape checked.
        policy: accepted algorithms and keys.
        compute_digest: computes the digest of the octets that a Reference covers.
        second_verifier: the second verifier; None leaves it out.

    Raises:
        Refused: the signature does not hold, or cannot be judged.
    """
    findings = _check_algorithms(parsed, policy)
    certificate, embedded_certificates = _find_signer(parsed, policy)
    failure = find_core_failure(parsed, signature, compute_digest, _read_key(certificate))
    if second_verifier is not None and second_verifier(parsed, certificate) != (failure is None):
        raise Refused("SIG-DISAGREE", failure or "SIG-OK")
    if failure:
        raise Refused(failure)
    if not can_sign(certificate) or is_for_other_use(certificate):
        raise Refused("SIG-KEY-USAGE", human_name(certificate))
    digests = sorted({reference.digest for reference in parsed.references})
    return Proof(certificate, embedded_certificates, (parsed.algorithm, *digests), findings)


def judge_signer(
    proof: Proof, *, policy: VerifyPolicy, at: datetime, organ_id: str
) -> tuple[Trust, tuple[SigningFinding, ...]]:
    """Judge the signer of a signature that holds.

    Args:
        proof: the signature.
        policy: the trusted authorities and the organisations' certificates.
        at: the moment to judge at, aware.
        organ_id: code of the organisation that the packet names as its sender.

    Returns:
        The judgement on the certificate, and findings.

    Raises:
        Refused: the certificate is another organisation's, the code is none, or the policy demands trust or a binding
            and there is none.
    """
    trust = judge_certificate(proof.certificate, proof.embedded_certificates, policy=policy, at=at)
    binding = policy.find_binding(organ_id, proof.certificate, trusted=trust.trusted is True)
    if binding is Binding.MALFORMED:
        raise Refused("SIG-ORGAN-ID", organ_id[:MAX_CODE_LENGTH].encode("unicode_escape").decode("ascii"))
    if binding is Binding.CONTRADICTED:
        raise Refused("SIG-ORGANISATION", organ_id)
    if policy.mode is VerifyMode.TRUSTED and not trust.trusted:
        raise Refused(trust.problem, trust.detail)
    if binding is Binding.UNBOUND and policy.refuses_others:
        raise Refused("SIG-UNBOUND", organ_id)
    findings = [SigningFinding(trust.problem, trust.detail)] if trust.problem else []
    if trust.trusted is None:
        findings.append(SigningFinding("SIG-NOT-JUDGED"))
    if binding is Binding.UNBOUND:
        findings.append(SigningFinding("SIG-UNBOUND", organ_id))
    return trust, tuple(findings)


def check_claimed_time(certificate: x509.Certificate, claimed: datetime, at: datetime) -> tuple[SigningFinding, ...]:
    """Report a claimed signing time that cannot be right.

    Args:
        certificate: the signer's.
        claimed: the claimed time, aware.
        at: the latest moment of signing, aware: now, or the time-stamp's moment.

    Returns:
        One finding, or none.
    """
    if is_valid_at(certificate, claimed) and claimed <= at + CLOCK_TOLERANCE:
        return ()
    return (SigningFinding("SIG-TIME", f"{claimed:%Y-%m-%d %H:%M} UTC"),)


def _check_algorithms(parsed: ParsedSignature, policy: VerifyPolicy) -> tuple[SigningFinding, ...]:
    used = {(parsed.algorithm, policy.signature_algorithms)}
    used |= {(reference.digest, policy.digest_algorithms) for reference in parsed.references}
    findings = []
    for name, accepted in sorted(used):
        if name in accepted:
            continue
        if not name.endswith("sha1"):
            raise Refused("SIG-ALGORITHM", name)
        if not policy.legacy_sha1:
            raise Refused("SIG-SHA1", name)
        findings.append(SigningFinding("SIG-SHA1-ACCEPTED", name))
    return tuple(findings)


def _find_signer(
    parsed: ParsedSignature, policy: VerifyPolicy
) -> tuple[x509.Certificate, tuple[x509.Certificate, ...]]:
    """Find the signer's certificate and all embedded ones; a KeyValue beside them must not contradict it."""
    if not parsed.certificates:
        raise Refused("SIG-NO-CERTIFICATE")
    try:
        embedded_certificates = tuple(read_certificate(der) for der in dict.fromkeys(parsed.certificates))
    except ValueError as error:
        raise Refused("SIG-CERTIFICATE", str(error)) from None
    certificate = find_leaf(embedded_certificates)
    if certificate is None:
        raise Refused("SIG-CERTIFICATES", str(len(embedded_certificates)))
    problem = find_key_problem(certificate.public_key(), minimum_rsa_bits=policy.minimum_rsa_bits, curves=policy.curves)
    if problem:
        raise Refused("SIG-KEY", problem)
    if any(not _is_same_key(element, _read_key(certificate)) for element in parsed.key_values):
        raise Refused("SIG-KEYVALUE")
    return certificate, embedded_certificates


def _read_key(certificate: x509.Certificate) -> PublicKey:
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)  # noqa: S101 - `find_key_problem` let no other pass
    return key


def _is_same_key(element: etree._Element, key: PublicKey) -> bool:
    """Tell whether a KeyValue's content is the key (XML Signature 1.1, 4.5.2)."""
    numbers = key.public_numbers()
    if isinstance(numbers, rsa.RSAPublicNumbers):
        stated_numbers = [_decode_number(element.findtext(f"{{{DS}}}{name}")) for name in ("Modulus", "Exponent")]
        return element.tag == f"{{{DS}}}RSAKeyValue" and stated_numbers == [numbers.n, numbers.e]
    point = _decode_number(element.findtext(f"{{{_DSIG11}}}PublicKey"))
    size = (numbers.curve.key_size + 7) // 8
    own = int.from_bytes(b"\x04" + numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big"), "big")
    return element.tag == f"{{{_DSIG11}}}ECKeyValue" and point == own


def _decode_number(text: str | None) -> int | None:
    try:
        return int.from_bytes(base64.b64decode("".join((text or "").split()), validate=True), "big")
    except (binascii.Error, ValueError):
        return None
