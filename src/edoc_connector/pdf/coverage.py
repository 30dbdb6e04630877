"""Which bytes of the file a signature covers: everything but the place of its own value (ISO 32000-2, 12.8.1)."""

from __future__ import annotations

from itertools import pairwise

from pyhanko.pdf_utils.generic import NumberObject
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from .reasons import PdfRefused

_MAX_VALUE_SIZE = 4 << 20


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
    start, hole_start, hole_end, length = (int(one) for one in numbers)
    points = (start, hole_start, hole_end, hole_end + length, size)
    if start != 0 or hole_start <= 0 or length <= 0 or any(one > other for one, other in pairwise(points)):
        raise PdfRefused("PDF-COVERAGE", f"/ByteRange [{start} {hole_start} {hole_end} {length}], {size} bytes")
    if hole_end - hole_start > _MAX_VALUE_SIZE or not _is_signature_value(embedded, hole_start, hole_end):
        raise PdfRefused("PDF-COVERAGE", f"bytes {hole_start} to {hole_end}")


def _is_signature_value(embedded: EmbeddedPdfSignature, hole_start: int, hole_end: int) -> bool:
    stream = embedded.reader.stream
    stream.seek(hole_start)
    hole: bytes = stream.read(hole_end - hole_start)
    if hole[:1] != b"<" or hole[-1:] != b">":
        return False
    try:
        return bytes.fromhex(hole[1:-1].decode("ascii")) == embedded.pkcs7_content
    except ValueError:  # other characters than hexadecimal digits
        return False
