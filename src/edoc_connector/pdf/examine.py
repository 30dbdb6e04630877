"""Examining a PDF file's signatures: form, value, coverage and later changes, but not the signers. Needs pyHanko."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from os import SEEK_END
from typing import IO, Any

from cryptography import x509
from pyhanko.pdf_utils.decode_limits import DecodeLimits, DocumentDecodeBudget, StreamDecodeLimits
from pyhanko.pdf_utils.generic import NumberObject
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import DiffResult, ModificationLevel
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from ..signing import VerifyPolicy, bound_asn1_names
from .bounds import PDF_PARSE_ERRORS, PdfBudget, limit_work
from .cms import prove
from .reasons import PdfRefused
from .result import Kind, PdfSignature

MAX_SIGNATURES = 64
_MIB = 1 << 20
LIMITS = DecodeLimits(
    per_stream=StreamDecodeLimits(max_output_size=64 * _MIB),
    document_budget=DocumentDecodeBudget(base_allowance=128 * _MIB, max_ratio=20),
)
"""Bounds on the unpacked streams of a file."""

_KINDS: dict[str, Kind] = {
    "/adbe.pkcs7.detached": "signature",
    "/ETSI.CAdES.detached": "signature",
    "/ETSI.RFC3161": "timestamp",
}
_MAX_SHOWN = 200
_MAX_VALUE_SIZE = 4 << 20
_TAIL_SIZE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedSignature:
    """A signature, and the certificates that came with it.

    Args:
        signature: the result of examining the signature.
        embedded_certificates: certificates in the signature beside the signer's.
    """

    signature: PdfSignature
    embedded_certificates: tuple[x509.Certificate, ...] = ()


def examine(
    stream: IO[bytes], size: int, policy: VerifyPolicy, budget: PdfBudget | None = None
) -> list[ExaminedSignature]:
    """Examine every signature of a file, in the order they were made.

    Args:
        stream: the file, seekable.
        size: the file's length in bytes.
        policy: accepted algorithms and keys.
        budget: the work that the packet's files may still take together.

    Raises:
        PdfRefused: the file as a whole cannot be examined.
    """
    bound_asn1_names()
    with limit_work(size, budget):
        try:
            return _examine_all(stream, size, policy)
        except (PdfError, *PDF_PARSE_ERRORS) as error:
            raise PdfRefused("PDF-BROKEN", format_error(error)) from None


def open_reader(stream: IO[bytes]) -> PdfFileReader:
    """Open a reader that keeps to the standard and to our limits.

    Raises:
        PdfRefused: the file is encrypted.
        PdfError: the file cannot be read.
    """
    reader = PdfFileReader(stream, strict=True, decode_limits=LIMITS)
    if reader.encrypted:
        raise PdfRefused("PDF-ENCRYPTED")
    return reader


def format_error(error: Exception) -> str:
    """Shorten the words of an error of the PDF code, which may repeat a stranger's text, and make them printable."""
    text = " ".join(str(error).split()) or type(error).__name__
    return "".join(c for c in text if c.isprintable())[:_MAX_SHOWN]


def _examine_all(stream: IO[bytes], size: int, policy: VerifyPolicy) -> list[ExaminedSignature]:
    reader = open_reader(stream)
    fields = []
    for name, _, field in enumerate_sig_fields(reader, filled_status=True):
        fields.append((str(name), field))
        if len(fields) > MAX_SIGNATURES:
            raise PdfRefused("PDF-TOO-MUCH", f"> {MAX_SIGNATURES} signatures")
    names = {name for name, _ in fields}
    found = [_examine_one(reader, name, field, size, names, policy) for name, field in fields]
    return [examined for _, examined in sorted(found, key=lambda pair: pair[0])]


def _examine_one(
    reader: PdfFileReader, name: str, field: Any, size: int, names: set[str], policy: VerifyPolicy
) -> tuple[int, ExaminedSignature]:
    """Examine a signature, and find the revision that it was made in; an unreadable one counts as the newest."""
    newest: int = reader.total_revisions
    result = PdfSignature(reason="PDF-CMS", field=name)
    try:
        result = replace(result, **_read_claims(field.get_object()))
        embedded = EmbeddedPdfSignature(reader, field, name)
        return embedded.signed_revision, _examine_value(embedded, result, size, names, policy)
    except PdfRefused as refusal:
        modified = True if refusal.code in ("PDF-DIGEST", "PDF-COVERAGE") else None
        return newest, ExaminedSignature(
            signature=replace(result, reason=refusal.code, detail=refusal.detail, modified=modified)
        )
    except (PdfError, *PDF_PARSE_ERRORS) as error:
        return newest, ExaminedSignature(signature=replace(result, detail=format_error(error)))


def _read_claims(field: Any) -> dict[str, Any]:
    """Read the claims of the signature's dictionary (ISO 32000-2, table 255); nobody vouches for them yet."""
    signature_dictionary = field["/V"]
    kind = _KINDS.get(str(signature_dictionary.get("/SubFilter", "")))
    if kind is None or (signature_dictionary.get("/Type", "/Sig") == "/DocTimeStamp") != (kind == "timestamp"):
        raise PdfRefused("PDF-FORMAT", str(signature_dictionary.get("/SubFilter", "/SubFilter ∅"))[:_MAX_SHOWN])
    texts = {"stated_reason": signature_dictionary.get("/Reason"), "location": signature_dictionary.get("/Location")}
    return {"kind": kind} | {key: str(text)[:_MAX_SHOWN] if text is not None else None for key, text in texts.items()}


def _examine_value(
    embedded: EmbeddedPdfSignature, result: PdfSignature, size: int, names: set[str], policy: VerifyPolicy
) -> ExaminedSignature:
    _check_byte_range(embedded, size)
    proven = prove(embedded, kind=result.kind, policy=policy)
    result = replace(
        result,
        certificate=proven.certificate,
        algorithms=proven.algorithms,
        findings=proven.findings,
        signed_at=proven.timestamp or _read_claimed_time(embedded),
    )
    return ExaminedSignature(
        signature=replace(result, **_assess_integrity(embedded, names)),
        embedded_certificates=proven.embedded_certificates,
    )


def _check_byte_range(embedded: EmbeddedPdfSignature, size: int) -> None:
    """Check that a signature's ByteRange covers the file but for its own value (ISO 32000-2, 12.8.1).

    The hole between its two ranges must be the signature's own value and nothing else. Comparing lengths only, as
    verifiers do, can be cheated: a signature dictionary added later, whose value is longer or written in another way,
    makes the sum come out right though no signature covers the bytes at the end.

    Raises:
        PdfRefused: the range does not fit the file.
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


def _read_claimed_time(embedded: EmbeddedPdfSignature) -> datetime | None:
    try:
        claimed = embedded.self_reported_timestamp
    except (PdfError, *PDF_PARSE_ERRORS):
        return None
    # a date without a zone is not definite
    return claimed.astimezone(UTC) if claimed is not None and claimed.tzinfo is not None else None


def _assess_integrity(embedded: EmbeddedPdfSignature, names: set[str]) -> dict[str, Any]:
    """Compare the file as it is now with the revision that was signed."""
    embedded.compute_integrity_info()  # type: ignore[no-untyped-call]  # not annotated in pyHanko
    if embedded.coverage == SignatureCoverageLevel.ENTIRE_FILE:
        return {"reason": "PDF-OK", "whole_document": True, "modified": False}
    if embedded.coverage != SignatureCoverageLevel.ENTIRE_REVISION:
        return {"reason": "PDF-COVERAGE", "detail": "/ByteRange", "modified": True}
    problem = "; ".join(_iter_forbidden_changes(embedded, names))[:_MAX_SHOWN]
    return {"reason": "PDF-MODIFIED" if problem else "PDF-EXTENDED", "detail": problem, "modified": True}


def _iter_forbidden_changes(embedded: EmbeddedPdfSignature, names: set[str]) -> Iterator[str]:
    """Iterate over the later changes that a signature does not allow.

    This is stricter than PDF viewers, which let form fields be filled in after signing: only signatures, time stamps
    and validation data may follow, as nobody vouches for anything else.
    """
    found: Any = embedded.diff_result  # a SuspiciousModification, an exception that is not raised, if not a DiffResult
    if not isinstance(found, DiffResult):
        yield format_error(found)
        return
    allowed = embedded.docmdp_level
    if found.modification_level is ModificationLevel.OTHER or (
        allowed is not None and found.modification_level.value > allowed.value
    ):
        yield found.modification_level.name
    if _has_tail(embedded):
        yield "bytes after the last %%EOF"
    filled_in = sorted(found.changed_form_fields - names)
    if filled_in:
        yield ", ".join(filled_in)


def _has_tail(embedded: EmbeddedPdfSignature) -> bool:
    """Tell whether bytes follow the end that are no revision: another reader might take them for one."""
    stream = embedded.reader.stream
    signed_to = int(embedded.byte_range[2]) + int(embedded.byte_range[3])
    is_last = embedded.signed_revision == embedded.reader.total_revisions - 1
    stream.seek(0, SEEK_END)
    stream.seek(signed_to if is_last else max(signed_to, stream.tell() - _TAIL_SIZE))
    rest: bytes = stream.read(_TAIL_SIZE + 1)
    return len(rest) > _TAIL_SIZE or bool((rest if is_last else rest.rpartition(b"%%EOF")[2]).strip())
