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
from ..signing.signer import signing_certificate
from .adapter import AdaptedSigner
from .bounds import MALFORMED
from .examine import open_reader, shown
from .extra import run
from .place import Page, place_for
from .reasons import PdfRefused
from .stamp import Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
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


def embed(stream: IO[bytes], out: IO[bytes], wish: Wish) -> None:
    """Write a signed copy of a file.

    Args:
        stream: the file, seekable.
        out: takes the copy.
        wish: how to sign.

    Raises:
        PdfRefused: the file is not one that can be signed.
        SigningError: the key must not or cannot sign now.
    """
    signer = AdaptedSigner(wish.signer)
    try:
        writer = IncrementalPdfFileWriter.from_reader(open_reader(stream))
        pdf_signer = _pdf_signer(signer, writer, wish)
        run(lambda: pdf_signer.async_sign_pdf(writer, output=out))
    except (PdfError, *MALFORMED) as error:
        raise PdfRefused("PDF-BROKEN", shown(error)) from error


class _Dated(PdfSigner):
    # a session takes the computer's clock; stamp and signature must both state the caller's time
    def __init__(self, *args: Any, at: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._at = at

    def init_signing_session(self, *args: Any, **kwargs: Any) -> PdfSigningSession:
        session = super().init_signing_session(*args, **kwargs)
        session.system_time = self._at
        return session


def _pdf_signer(signer: AdaptedSigner, writer: IncrementalPdfFileWriter, wish: Wish) -> PdfSigner:
    metadata = PdfSignatureMetadata(
        field_name=_free_name(writer),
        md_algorithm=signer.digest,
        subfilter=SigSeedSubFilter.PADES,
        reason=wish.reason,
        location=wish.location,
    )
    style, box = _drawn(writer, wish, wish.stamp) if wish.stamp is not None else (None, None)
    field = SigFieldSpec(str(metadata.field_name), on_page=0, box=box)
    return _Dated(metadata, signer, stamp_style=style, new_field_spec=field, at=wish.at)


def _drawn(writer: IncrementalPdfFileWriter, wish: Wish, stamp: Stamp) -> tuple[Any, Any]:
    """The stamp's look and its box on the first page."""
    from .appearance import DrawnStyle, load_font  # the font packages are not needed without a stamp

    anywhere: Any = writer  # not annotated in pyHanko
    page = anywhere.find_page_for_modification(0)[0].get_object()
    font = load_font(stamp.font)
    lines = font.fitted(stamp.lines(human_name(signing_certificate(wish.signer)), wish.at))
    style = DrawnStyle(font=font, lines=lines, rotation=Page.of(page).rotation)
    return style, place_for(page, style.size)


def _free_name(writer: IncrementalPdfFileWriter) -> str:
    """A name for the form field that no other field has."""
    taken = {name for name, *_ in enumerate_sig_fields(writer)}
    return next(name for number in range(1, len(taken) + 2) if (name := f"Signature{number}") not in taken)
