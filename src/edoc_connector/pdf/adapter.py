"""Our signers in the form that pyHanko asks for. Needs pyHanko; imported when it is used."""

from __future__ import annotations

from typing import Any

from asn1crypto import algos  # type: ignore[import-untyped]  # it ships no types
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.sign.signers.pdf_cms import Signer as CmsSigner
from pyhanko_certvalidator.registry import SimpleCertificateStore

from ..signing import Signer
from ..signing.algorithms import SIGNATURES, digest_size, signature_size
from ..signing.keys.keyring import select_signer
from ..signing.signer import require_certificate

_DER_OVERHEAD = 12
"""Octets that DER takes at most beside those of r and of s themselves, for the curves that we sign with."""


class PyhankoSigner(CmsSigner):
    """Signs CMS attributes with one of our signers: a key in a file, on a token, or behind a service.

    Args:
        signer: the signer.

    Raises:
        SigningError: it brings no certificate, or one whose key cannot sign.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer = select_signer(signer)
        self._certificate = require_certificate(signer)
        self._algorithm = SIGNATURES[signer.algorithm]
        store: Any = SimpleCertificateStore()  # type: ignore[no-untyped-call]  # not annotated in pyHanko
        store.register_multiple([_as_asn1(one) for one in signer.certificates[1:]])
        super().__init__(
            signing_cert=_as_asn1(self._certificate),
            cert_registry=store,
            signature_mechanism=_build_mechanism(self._algorithm.kind, self._algorithm.digest),
        )

    @property
    def digest(self) -> str:
        """The hash that the signer's algorithm has."""
        return self._algorithm.digest

    async def async_sign_raw(
        self,
        data: bytes,
        digest_algorithm: str,  # noqa: ARG002  always that of the signer's own algorithm
        dry_run: bool = False,
    ) -> bytes:
        """Sign; in a dry run give as many octets as a signature may have, so that no token is asked twice."""
        key: Any = self._certificate.public_key()
        if dry_run:
            return bytes(signature_size(key) + _DER_OVERHEAD)
        value = self._signer.sign(data)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return value
        # ours is r‖s, as in XML Signature; CMS has them as a DER sequence (RFC 5753, 2.1.1)
        half = len(value) // 2
        r, s = (int.from_bytes(part, "big") for part in (value[:half], value[half:]))
        return encode_dss_signature(r, s)


def _build_mechanism(kind: str, digest: str) -> Any:
    """The algorithm as CMS names it (RFC 5754; RSASSA-PSS with a salt as long as the hash, as our signers make it)."""
    if kind != "rsa-pss":
        return algos.SignedDigestAlgorithm({"algorithm": f"{digest}_{kind}"})
    same = algos.DigestAlgorithm({"algorithm": digest})
    parameters = algos.RSASSAPSSParams(
        {
            "hash_algorithm": same,
            "mask_gen_algorithm": algos.MaskGenAlgorithm({"algorithm": "mgf1", "parameters": same}),
            "salt_length": digest_size(digest),
        }
    )
    return algos.SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": parameters})


def _as_asn1(certificate: x509.Certificate) -> Any:
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
