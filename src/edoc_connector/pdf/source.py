"""The sources of a PDF file's bytes, and a seekable copy of them of bounded size."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import IO, BinaryIO

from ..edxml import Attachment
from .mend import find_beginning, mend_pointer
from .reasons import PdfRefused

Source = Attachment | str | PathLike[str] | bytes
"""A PDF file: an attachment, a path or the bytes."""

MAX_SIZE = 256 << 20
_IN_MEMORY = 8 << 20
_CHUNK = 1 << 20
_HEAD_SIZE = 1024
_PDF_MAGIC = b"%PDF-"


def as_attachment(source: Source) -> Attachment:
    """Convert a source to an attachment.

    Raises:
        AttachmentError: the file is missing.
    """
    if isinstance(source, Attachment):
        return source
    if isinstance(source, bytes):
        return Attachment.from_bytes(source, name="document.pdf")
    return Attachment.from_path(source)


def is_pdf(attachment: Attachment) -> bool:
    """Tell whether a file is, or claims to be, a PDF: by its name, its media type or its first bytes.

    Raises:
        AttachmentError: the bytes cannot be read.
    """
    if attachment.name.lower().endswith(".pdf") or attachment.content_type.lower().startswith("application/pdf"):
        return True
    with attachment.open() as stream:
        return _PDF_MAGIC in stream.read(_HEAD_SIZE)  # readers accept a PDF with something before its first line


@contextmanager
def open_seekable(attachment: Attachment, *, limit: int = MAX_SIZE) -> Iterator[tuple[IO[bytes], int]]:
    """Open a seekable copy of an attachment's bytes, with small damage mended (`mend`).

    Args:
        attachment: the file.
        limit: most bytes to copy.

    Yields:
        The copy, and its length in bytes.

    Raises:
        PdfRefused: the bytes are more than the limit, no PDF file, or damaged in a way that is not mended.
        AttachmentError: the bytes cannot be read or decoded.
    """
    with attachment.open() as stream, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as copy:
        size = _copy_limited(stream, copy, limit)
        beginning = find_beginning(copy)
        if beginning:
            with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as rest:
                copy.seek(beginning)
                shutil.copyfileobj(copy, rest, _CHUNK)
                yield rest, _prepare(rest, size - beginning)
        else:
            yield copy, _prepare(copy, size)


def _prepare(copy: IO[bytes], size: int) -> int:
    size = mend_pointer(copy, size)
    copy.seek(0)
    return size


def _copy_limited(stream: BinaryIO, copy: IO[bytes], limit: int) -> int:
    size = 0
    while piece := stream.read(_CHUNK):
        size += len(piece)
        if size > limit:
            raise PdfRefused("PDF-TOO-BIG", str(limit))
        copy.write(piece)
    return size
