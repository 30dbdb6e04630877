"""Which bytes of the file a signature covers: everything but the place of its own value (ISO 32000-2, 12.8.1)."""

from __future__ import annotations

from itertools import pairwise

from pyhanko.pdf_utils.generic import NumberObject
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from .reasons import PdfRefused

_LARGEST_VALUE = 4 << 20


def check_byte_range(embedded: EmbeddedPdfSignature, size: int) -> None:
    """Hold a signature's ByteRange against the file.

    The hole between its two ranges must be the signature's own value and nothing else. Comparing lengths only, as
    verifiers do, can be cheated: a signature dictionary added later, whose value is longer or written in another way,
    makes the sum come out right though bytes at the end are covered by nobody.

    Raises:
        PdfRefused: it does not fit the file.
    """
    numbers = list(embedded.byte_range)
    if len(numbers) != 4 or not all(isinstance(one, NumberObject) for one in numbers):
        raise PdfRefused("PDF-COVERAGE", f"/ByteRange {numbers!r}"[:100])
    start, before, after, length = (int(one) for one in numbers)
    points = (start, before, after, after + length, size)
    if start != 0 or before <= 0 or length <= 0 or any(one > other for one, other in pairwise(points)):
        raise PdfRefused("PDF-COVERAGE", f"/ByteRange [{start} {before} {after} {length}], {size} bytes")
    if after - before > _LARGEST_VALUE or not _is_value(embedded, before, after):
        raise PdfRefused("PDF-COVERAGE", f"bytes {before} to {after}")


def _is_value(embedded: EmbeddedPdfSignature, before: int, after: int) -> bool:
    stream = embedded.reader.stream
    stream.seek(before)
    hole: bytes = stream.read(after - before)
    if hole[:1] != b"<" or hole[-1:] != b">":
        return False
    try:
        return bytes.fromhex(hole[1:-1].decode("ascii")) == embedded.pkcs7_content
    except ValueError:  # other characters than hexadecimal digits
        return False
