"""Bodies with documents: JSON, or multipart/form-data whose files go to the disk as they come.

A file is never in memory as a whole; its hash is taken on the way. What is too large is refused at the byte that is one
too many.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import python_multipart
from pydantic import ValidationError
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from .._core import create_private
from ..config import GatewaySettings
from ..edxml import FieldProblem, list_field_problems
from .errors import BodyTooLarge, InvalidRequest, UnsupportedBody
from .models import DocumentIn

JSON_TYPE, FORM_TYPE = "application/json", "multipart/form-data"
_MAX_HEADER_BYTES = 8192  # of a part
_DOCUMENT, _FILES = "document", "files"  # names of the parts

__all__ = ["FORM_TYPE", "JSON_TYPE", "StoredUpload", "Upload", "read_upload"]


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """A file that came with a body.

    Args:
        name: as the client gives it.
        content_type: as the client gives it; empty where it does not.
        path: where it lies.
        sha256: hash of its bytes, hex.
    """

    name: str
    content_type: str
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A document, and the files that came beside it."""

    document: DocumentIn
    files: tuple[StoredUpload, ...] = ()


async def read_upload(request: Request, folder: Path, limits: GatewaySettings, *, wanted: str) -> Upload:
    """Read the body of a request.

    Args:
        request: the request.
        folder: takes the files.
        limits: how large a body may be.
        wanted: the media type that the call takes, `JSON_TYPE` or `FORM_TYPE`.

    Raises:
        UnsupportedBody: it is of another media type.
        BodyTooLarge: it has too many bytes, or too many files.
        InvalidRequest: it cannot be read, or the document is none.
    """
    media_type, options = parse_options_header(request.headers.get("content-type", ""))
    if media_type.decode("latin-1") != wanted or (wanted == FORM_TYPE and b"boundary" not in options):
        raise UnsupportedBody(f"the body of this call is {wanted}.", vi=f"Nội dung của lệnh gọi này phải là {wanted}.")
    if wanted == FORM_TYPE:
        return await _read_form(request, options[b"boundary"], folder, limits)
    return Upload(parse_document(await _read_small_body(request, limits.max_json)))


def parse_document(data: bytes) -> DocumentIn:
    """Parse the JSON of a document.

    Raises:
        InvalidRequest: it is none; every field that is wrong is listed.
    """
    try:
        return DocumentIn.model_validate_json(data)
    except ValidationError as error:
        problems = list_field_problems(error.errors(include_url=False, include_input=False))
        raise build_invalid_request(problems) from None


def build_invalid_request(problems: list[FieldProblem]) -> InvalidRequest:
    """Build the error for values that cannot be."""
    return InvalidRequest(
        "; ".join(f"{one.field or 'body'}: {one.message}" for one in problems),
        vi="; ".join(f"{one.field or 'nội dung'}: {one.message_vi}" for one in problems),
        problems=problems,
    )


async def _read_small_body(request: Request, limit: int) -> bytes:
    return b"".join([chunk async for chunk in _limit_bytes(request, limit)])


async def _limit_bytes(request: Request, limit: int) -> AsyncIterator[bytes]:
    """Iterate over a body up to a limit, which its announced length is held to first."""
    announced = request.headers.get("content-length", "")
    size = 0
    if announced.isdigit() and int(announced) > limit:
        raise _build_size_error(limit)
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _build_size_error(limit)
        yield chunk


async def _read_form(request: Request, boundary: bytes, folder: Path, limits: GatewaySettings) -> Upload:
    collector = _PartCollector(folder, limits)
    try:
        parser = MultipartParser(boundary, collector.callbacks)  # type: ignore[arg-type]
        async for chunk in _limit_bytes(request, limits.max_upload):
            await run_in_threadpool(parser.write, chunk)
        parser.finalize()
    except (MultipartParseError, python_multipart.exceptions.FormParserError) as error:
        raise _build_form_error(str(error), f"không đọc được biểu mẫu ({error})") from error
    finally:
        collector.close()
    return collector.finish()


@dataclass(slots=True)
class _Part:
    """A part that is being read: a file where it has a file's name, else a text."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: str = ""
    filename: str | None = None
    path: Path | None = None
    out: IO[bytes] | None = None
    text: bytearray = field(default_factory=bytearray)
    digest: Any = field(default_factory=hashlib.sha256)


class _PartCollector:
    """Takes what the parser finds: files to the disk, the document's text into memory.

    Args:
        folder: takes the files.
        limits: how many, and how large.
    """

    def __init__(self, folder: Path, limits: GatewaySettings) -> None:
        self._folder = folder
        self._limits = limits
        self._part = _Part()
        self._header_name, self._header_value = bytearray(), bytearray()
        self._files: list[StoredUpload] = []
        self._document: bytes | None = None
        self._is_complete = False

    @property
    def callbacks(self) -> dict[str, Callable[..., None]]:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": lambda data, start, end: self._extend_header(self._header_name, data[start:end]),
            "on_header_value": lambda data, start, end: self._extend_header(self._header_value, data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_content,
            "on_part_data": lambda data, start, end: self._take(data[start:end]),
            "on_part_end": self._end_part,
            "on_end": self._complete,
        }

    def close(self) -> None:
        """Close the file of a part that was not read to its end."""
        if self._part.out is not None:
            self._part.out.close()

    def finish(self) -> Upload:
        """Give what was read.

        Raises:
            InvalidRequest: the form broke off, or has no document.
        """
        if not self._is_complete:
            raise _build_form_error("the form breaks off", "biểu mẫu bị cắt giữa chừng")
        if self._document is None:
            raise _build_form_error("the part `document` is missing", "thiếu phần `document`")
        return Upload(parse_document(self._document), tuple(self._files))

    def _complete(self) -> None:
        self._is_complete = True

    def _begin_part(self) -> None:
        self._part = _Part()

    def _extend_header(self, header: bytearray, data: bytes) -> None:
        header += data
        if len(header) > _MAX_HEADER_BYTES:
            raise _build_form_error("a part has a header that is too long", "tiêu đề của một phần quá dài")

    def _end_header(self) -> None:
        self._part.headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _begin_content(self) -> None:
        part = self._part
        _, options = parse_options_header(part.headers.get(b"content-disposition", b""))
        part.name = _decode(options.get(b"name", b""))
        part.filename = _decode(options[b"filename"]) if b"filename" in options else None
        if part.name == _FILES:
            self._open_file(part)
        elif part.name != _DOCUMENT or self._document is not None:
            raise _build_form_error(
                "the parts are one `document` and any `files`", "biểu mẫu chỉ gồm một `document` và các `files`"
            )

    def _open_file(self, part: _Part) -> None:
        if len(self._files) >= self._limits.max_files:
            raise BodyTooLarge(
                f"a document has at most {self._limits.max_files} files here: send fewer.",
                vi=f"Mỗi văn bản chỉ được tối đa {self._limits.max_files} tệp: hãy gửi ít tệp hơn.",
            )
        if not part.filename:
            raise _build_form_error("a part `files` has no filename", "một phần `files` thiếu tên tệp (filename)")
        part.path = self._folder / f"{len(self._files)}.part"
        part.out = create_private(part.path)

    def _take(self, data: bytes) -> None:
        part = self._part
        if part.out is not None:
            part.out.write(data)
            part.digest.update(data)
            return
        part.text += data
        if len(part.text) > self._limits.max_json:
            raise _build_size_error(self._limits.max_json)

    def _end_part(self) -> None:
        part = self._part
        if part.out is None or part.path is None:
            self._document = bytes(part.text)
            return
        part.out.close()
        content_type = _decode(part.headers.get(b"content-type", b""))
        self._files.append(StoredUpload(part.filename or "", content_type, part.path, part.digest.hexdigest()))


def _decode(value: bytes) -> str:
    """Decode a header's value: UTF-8, as browsers and clients write it."""
    try:
        return value.decode().replace("\0", "")
    except UnicodeDecodeError:
        raise _build_form_error("a name is not UTF-8", "tên không phải UTF-8") from None


def _build_size_error(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"more than {limit} bytes are not taken here.", vi=f"Nội dung vượt quá {limit} byte nên không được nhận."
    )


def _build_form_error(en: str, vi: str) -> InvalidRequest:
    return build_invalid_request([FieldProblem("form", "", en, vi)])
