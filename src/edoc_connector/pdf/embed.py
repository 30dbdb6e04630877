"""Putting a signature into a PDF file, as a revision after those that are there. Needs pyHanko."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter, enumerate_sig_fields
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner, PdfSigningSession

from ..signing import Signer
from ..signing.pki.certificates import human_name
from ..signing.signer import require_certificate
from .adapter import PyhankoSigner
from .bounds import PDF_PARSE_ERRORS
from .examine import format_error, open_reader
from .extra import run_coroutine
from .place import Page, find_place
from .reasons import PdfRefused
from .stamp import Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRequest:
    """What is to be signed how.

    Args:
        signer: signs.
        stamp: what is seen; None, and nothing is.
        reason: why it is signed.
        location: where.
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
        PdfRefused: the file is not one that can be signed.
        SigningError: the key must not or cannot sign now.
    """
    signer = PyhankoSigner(request.signer)
    try:
        writer = IncrementalPdfFileWriter.from_reader(open_reader(stream))
        pdf_signer = _build_pdf_signer(signer, writer, request)
        run_coroutine(lambda: pdf_signer.async_sign_pdf(writer, output=out))
    except (PdfError, *PDF_PARSE_ERRORS) as error:
        raise PdfRefused("PDF-BROKEN", format_error(error)) from error


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


def _draw_stamp(writer: IncrementalPdfFileWriter, request: SigningRequest, stamp: Stamp) -> tuple[Any, Any]:
    """The stamp's look and its box on the first page."""
    from .appearance import StampStyle, load_font  # the font packages are not needed without a stamp

    anywhere: Any = writer  # not annotated in pyHanko
    page = anywhere.find_page_for_modification(0)[0].get_object()
    font = load_font(stamp.font)
    lines = font.wrap_lines(stamp.lines(human_name(require_certificate(request.signer)), request.at))
    style = StampStyle(font=font, lines=lines, rotation=Page.from_dictionary(page).rotation)
    return style, find_place(page, style.size)


def _find_free_name(writer: IncrementalPdfFileWriter) -> str:
    """A name for the form field that no other field has."""
    used_names = {name for name, *_ in enumerate_sig_fields(writer)}
    return next(name for number in range(1, len(used_names) + 2) if (name := f"Signature{number}") not in used_names)
