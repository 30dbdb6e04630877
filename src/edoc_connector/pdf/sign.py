"""Signing a PDF file by PAdES baseline B (ETSI EN 319 142-1, 6.3), with a visible stamp or without."""

from __future__ import annotations

from datetime import UTC, datetime
from os import PathLike
from pathlib import Path

from .._core import open_atomic, utc_now
from ..errors import SigningError
from ..signing import Signer, select_signer
from .extra import require_packages
from .reasons import PdfRefused, find_reason
from .source import Source, as_attachment, open_seekable
from .stamp import Stamp

_DEFAULT = Stamp()


def sign_pdf(
    source: Source,
    target: str | PathLike[str],
    *,
    signer: Signer,
    stamp: Stamp | None = _DEFAULT,
    reason: str | None = None,
    location: str | None = None,
    at: datetime | None = None,
) -> None:
    """Sign a PDF file. Signatures that are in it already stay valid: the new one is added after them.

    Blocking; it may be called from any thread, also one in which an event loop runs.

    Args:
        source: an attachment, a path or the bytes.
        target: the file to write; it may be the source, and appears whole or not at all.
        signer: any signer of packets. A token's or a service's is called from another thread.
        stamp: the visible stamp on the first page; None for none.
        reason: the reason to state for signing.
        location: the place to state.
        at: the time of signing to state, aware; now, if left out. Only the signer vouches for it.

    Raises:
        SigningError: the file cannot be signed, or the key must not or cannot sign now.
        AttachmentError: the source cannot be read.
        ConfigError: the extra ``pdf`` is not installed.
        OSError: the target cannot be written.
    """
    require_packages("pyhanko", *(("fontTools", "uharfbuzz", "fontpkg_noto_serif") if stamp is not None else ()))
    from .embed import SigningRequest, embed_signature

    request = SigningRequest(
        signer=select_signer(signer),
        stamp=stamp,
        reason=reason,
        location=location,
        at=(at or utc_now()).astimezone(UTC),
    )
    try:
        with open_seekable(as_attachment(source)) as (stream, _), open_atomic(Path(target), durable=True) as out:
            embed_signature(stream, out, request)
    except PdfRefused as refusal:
        raise _unsignable_error(refusal) from None


def _unsignable_error(refusal: PdfRefused) -> SigningError:
    row = find_reason(refusal.code)
    words, words_vi = (text.replace("{detail}", refusal.detail) for text in (row.en, row.vi))
    return SigningError(
        f"the PDF file cannot be signed. {words} Make the PDF anew, for example by printing to PDF, and sign that.",
        vi=f"Không ký được tệp PDF. {words_vi} Hãy tạo lại tệp PDF, ví dụ in ra PDF, rồi ký lại.",
    )
