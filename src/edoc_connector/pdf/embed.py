"""Embedding a signature in a PDF file, as a revision after those that are there. Needs pyHanko."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from asn1crypto import algos  # type: ignore[import-untyped]  # it ships no types
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter, enumerate_sig_fields
from pyhanko.sign.signers.pdf_cms import Signer as CmsSigner
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner, PdfSigningSession
from pyhanko_certvalidator.registry import SimpleCertificateStore

from .._core import get_logger
from ..signing import SIGNATURES, Signer, digest_size, human_name, require_certificate, signature_size
from .bounds import PDF_PARSE_ERRORS
from .examine import allow_hybrid, format_error, open_reader
from .extra import run_coroutine
from .reasons import PdfRefused
from .stamp import Stamp

log = get_logger("edoc_connector.pdf")

_DER_OVERHEAD = 12
"""Octets that DER takes at most beside those of r and of s themselves, for the curves that we sign with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRequest:
    """The key, the stamp and the statements of a signature to make.

    Args:
        signer: the signer.
        stamp: the visible stamp; None for none.
        reason: the reason to state.
        location: the place to state.
        at: the time of signing to state, UTC.
    """

    signer: Signer
    stamp: Stamp | None
    reason: str | None
    location: str | None
    at: datetime


def embed_signature(stream: IO[bytes], out: IO[bytes], request: SigningRequest) -> None:
    """Write a signed copy of a file.

    Args:
        stream: the file, seekable.
        out: takes the copy.
        request: how to sign.

    Raises:
        PdfRefused: the file cannot be signed.
        SigningError: the key must not or cannot sign now.
    """
    signer = PyhankoSigner(request.signer)
    try:
        reader = open_reader(stream)
        writer = _MetadataKeepingWriter.from_reader(reader)
        with allow_hybrid(reader):
            pdf_signer = _build_pdf_signer(signer, writer, request)
            run_coroutine(lambda: pdf_signer.async_sign_pdf(writer, output=out))
    except (PdfError, *PDF_PARSE_ERRORS) as error:
        raise PdfRefused("PDF-BROKEN", format_error(error)) from error


class _MetadataKeepingWriter(IncrementalPdfFileWriter):
    """A writer that leaves metadata as they are where they cannot be read: a signature does not depend on them."""

    def _update_meta(self) -> None:
        try:
            super()._update_meta()  # type: ignore[no-untyped-call]  # not annotated in pyHanko
        except (PdfError, *PDF_PARSE_ERRORS) as error:
            log.info("the PDF file's metadata (XMP) are kept as they are; they cannot be read: %s", format_error(error))


class _DatedSigner(PdfSigner):
    # a session takes the computer's clock; stamp and signature must both state the caller's time
    def __init__(self, *args: Any, at: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._at = at

    def init_signing_session(self, *args: Any, **kwargs: Any) -> PdfSigningSession:
        session = super().init_signing_session(*args, **kwargs)
        session.system_time = self._at
        return session


def _build_pdf_signer(signer: PyhankoSigner, writer: IncrementalPdfFileWriter, request: SigningRequest) -> PdfSigner:
    metadata = PdfSignatureMetadata(
        field_name=_find_free_name(writer),
        md_algorithm=signer.digest,
        subfilter=SigSeedSubFilter.PADES,
        reason=request.reason,
        location=request.location,
    )
    style, box = _draw_stamp(writer, request, request.stamp) if request.stamp is not None else (None, None)
    field = SigFieldSpec(str(metadata.field_name), on_page=0, box=box)
    return _DatedSigner(metadata, signer, stamp_style=style, new_field_spec=field, at=request.at)


def _find_free_name(writer: IncrementalPdfFileWriter) -> str:
    """Find a name for the form field that no other field has."""
    used_names = {name for name, *_ in enumerate_sig_fields(writer)}
    return next(name for number in range(1, len(used_names) + 2) if (name := f"Signature{number}") not in used_names)


def _draw_stamp(writer: IncrementalPdfFileWriter, request: SigningRequest, stamp: Stamp) -> tuple[Any, Any]:
    """Draw the stamp, and find its box on the first page."""
    from .appearance import draw_stamp  # the font packages are not needed without a stamp

    untyped_writer: Any = writer  # not annotated in pyHanko
    page = untyped_writer.find_page_for_modification(0)[0].get_object()
    return draw_stamp(page, stamp, signer=human_name(require_certificate(request.signer)), at=request.at)


# -- one of our signers, as pyHanko takes signers


class PyhankoSigner(CmsSigner):
    """One of our signers as pyHanko's: signs CMS attributes by a key in a file, on a token, or behind a service.

    Args:
        signer: the signer.

    Raises:
        SigningError: the signer brings no certificate, or one whose key cannot sign.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
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
        """The hash of the signer's algorithm."""
        return self._algorithm.digest

    async def async_sign_raw(
        self,
        data: bytes,
        digest_algorithm: str,  # noqa: ARG002  always that of the signer's own algorithm
        dry_run: bool = False,
    ) -> bytes:
        """Sign data; in a dry run return as many octets as a signature may have, so that no token is asked twice."""
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
    """Build CMS's identifier of an algorithm (RFC 5754); the salt of RSASSA-PSS is as long as the hash."""
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
