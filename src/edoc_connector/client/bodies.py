"""Bodies of requests with their exact length, and bodies of answers under a limit."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from .._core import cannot_write, create_private, get_path, measure_open_file, open_file
from ..hubs import FileBody, WireRequest, WireResponse
from .base64_json import MAX_REST, Base64Extractor, RestTooLongError
from .messages import build_compression_error, build_encoding_error, build_too_long_error, build_unsendable_error

CHUNK_BYTES = 256 * 1024

_WINDOW_BITS = {"gzip": 47, "x-gzip": 47, "deflate": 47}
"""Content-Encoding to zlib window bits; 47 reads gzip and zlib headers alike."""
_UNREADABLE_ENCODINGS = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip"})
"""Encodings of IANA's register that are not read here."""
_INFLATE_BYTES = 64 * 1024
_FREE_MEMBERS = 64
_MEMBER_BYTES = 1024
"""Least bytes of a compressed member on average, beyond the first few: twenty bytes are a member without content."""


class Upload:
    """The body of one request; a context manager that holds the file open.

    Args:
        request: the request whose body it is.

    Attributes:
        length: bytes in all, as they were when the file was opened.
        handed_over: whether the last of a file's bytes went to the transport. Before that the hub cannot have the whole
            packet, whatever happens; from then on it may. A body that is no file goes in one piece and counts from the
            start.
        may_block: whether iterating reads from a disk or calls the caller's `on_progress`.

    Raises:
        AttachmentError: the file is gone or cannot be read.
    """

    def __init__(self, request: WireRequest) -> None:
        body = request.body
        self._progress = request.on_progress
        self._file: IO[bytes] | None = None
        self._content = b""
        self.handed_over = not isinstance(body, FileBody)
        if not isinstance(body, FileBody):
            self._head, self._tail, self._size = b"", body, 0
        else:
            self._path, self._head, self._tail = get_path(body.path), body.head, body.tail
            if body.content is not None:
                self._content, self._size = body.content, len(body.content)
            else:
                with _translate_read_errors(self._path):
                    self._file = open_file(body.path)
                    self._size = measure_open_file(self._file)
        self.may_block = self._file is not None or self._progress is not None
        self.length = len(self._head) + self._size + len(self._tail)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the body: `length` bytes, never more and never fewer.

        Progress is reported from the thread that iterates.

        Raises:
            AttachmentError: the file became shorter or unreadable on the way; the hub got an incomplete request.
        """
        done = 0
        if self._head:
            yield self._head
        while done < self._size:
            chunk = (
                self._content
                if self._file is None
                else self._read_chunk(self._file, min(CHUNK_BYTES, self._size - done))
            )
            done += len(chunk)
            self.handed_over = done == self._size
            # the tail goes with the file's last piece: two bytes are not worth a packet of their own
            yield chunk + self._tail if self.handed_over else chunk
            if self._progress is not None:
                self._progress(done, self._size)
        self.handed_over = True
        if not self._size and self._tail:
            yield self._tail

    def _read_chunk(self, file: IO[bytes], size: int) -> bytes:
        with _translate_read_errors(self._path):
            chunk = file.read(size)
            if not chunk:
                raise OSError(None, "it became shorter while it was sent")
            return chunk


class AnswerSink:
    """The body of one answer, kept in memory or written to the file that the request names.

    A context manager: unless `finish` was called nothing stays on disk.

    Args:
        request: the request.
        status: HTTP status of the answer.
        headers: of the answer, names in lower case.

    Attributes:
        announced_length: the answer's Content-Length, where it has one; nothing but progress goes by it.

    Raises:
        ProtocolError: the answer is announced longer than the limit, or a file in an encoding that is not known.
        StoreError: the disk refuses the file.
    """

    def __init__(self, request: WireRequest, status: int, headers: Mapping[str, str]) -> None:
        self._request, self._status, self._headers = request, status, headers
        saves = request.save_to is not None and 200 <= status < 300
        self._decoder = _build_decoder(headers.get("content-encoding", ""), saves=saves)
        self._max_rest = MAX_REST if request.unwrap_rest is None else request.unwrap_rest
        self._extractor = self._build_extractor(request) if saves and request.unwrap else None
        # base64 is a third longer than what it encodes, and escapes and line ends come on top
        self._limit = request.limit if self._extractor is None else 2 * request.limit + self._max_rest
        length = headers.get("content-length", "")
        self.announced_length = int(length) if length.isascii() and length.isdigit() else None
        if self.announced_length is not None and self.announced_length > self._limit:
            raise build_too_long_error(request.limit)
        self._received_size = self._decoded_size = self._saved_size = 0
        self._digest = hashlib.sha256()
        self._kept = bytearray()  # a list of pieces would take forty times the memory where each is a byte
        self._file: IO[bytes] | None = None
        if saves and request.save_to is not None:
            self._target = request.save_to
            self._unfinished = request.save_to.with_name(f"{request.save_to.name}.tmp")
            with self._translate_write_errors():
                self._file = create_private(self._unfinished)
            self._write = self._file.write

    @property
    def on_disk(self) -> bool:
        """Whether the body goes to a file."""
        return self._file is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._file is not None:
            with suppress(OSError):  # closing flushes, and on a full disk fails as the write before it did
                self._file.close()
            self._unfinished.unlink(missing_ok=True)

    def write(self, raw: bytes) -> None:
        """Take bytes as they came over the wire.

        Raises:
            ProtocolError: the answer is longer than the limit, or its compression is broken.
            StoreError: the disk refuses them.
        """
        self._received_size += len(raw)
        if self._received_size > self._limit + CHUNK_BYTES + self._limit // 64:  # compression hardly ever makes longer
            raise build_too_long_error(self._request.limit)
        for chunk in self._decoder.decode(raw):
            self._decoded_size += len(chunk)
            if self._decoded_size > self._limit:
                raise build_too_long_error(self._request.limit)
            self._take_chunk(chunk)
        if self._file is not None and self._request.on_progress is not None:
            self._request.on_progress(self._received_size, self.announced_length)

    def finish(self) -> WireResponse:
        """Complete the answer; a file gets its name.

        Raises:
            ProtocolError: the compressed answer ended early.
            StoreError: the disk refuses the file.
        """
        self._decoder.require_end()
        if self._file is None:
            return WireResponse(self._status, self._headers, bytes(self._kept))
        body, damaged = b"", False
        if self._extractor is not None:
            self._extractor.finish()
            body, damaged = bytes(self._extractor.rest), self._extractor.damaged
            if damaged or not self._extractor.found:
                return WireResponse(self._status, self._headers, body, damaged=damaged)
        with self._translate_write_errors():
            self._file.close()
            self._unfinished.replace(self._target)
        return WireResponse(self._status, self._headers, body, saved=self._target, sha256=self._digest.hexdigest())

    def _build_extractor(self, request: WireRequest) -> Base64Extractor:
        keeps_text = request.unwrap_rest is not None
        return Base64Extractor(request.unwrap, self._write_content, max_rest=self._max_rest, keeps_text=keeps_text)

    def _take_chunk(self, chunk: bytes) -> None:
        if self._extractor is not None:
            try:
                self._extractor.feed(chunk)
            except RestTooLongError:
                raise build_too_long_error(self._max_rest) from None
        elif self._file is not None:
            self._write_content(chunk)
        else:
            self._kept += chunk

    def _write_content(self, content: bytes) -> None:
        self._saved_size += len(content)
        if self._saved_size > self._request.limit:
            raise build_too_long_error(self._request.limit)
        self._digest.update(content)
        with self._translate_write_errors():
            self._write(content)

    @contextmanager
    def _translate_write_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise cannot_write(self._target, error) from error


class _IdentityDecoder:
    def decode(self, raw: bytes) -> Iterator[bytes]:
        yield raw

    def require_end(self) -> None:
        pass


class _Inflater:
    """A decompressor in pieces of bounded size: an answer is measured before it can become large."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._zlib = zlib.decompressobj(window)
        self._members_left = float(_FREE_MEMBERS)

    def decode(self, raw: bytes) -> Iterator[bytes]:
        for start in range(0, len(raw), _INFLATE_BYTES):  # zlib copies what it leaves each time
            yield from self._decode_slice(raw[start : start + _INFLATE_BYTES])

    def _decode_slice(self, raw: bytes) -> Iterator[bytes]:
        self._members_left += len(raw) / _MEMBER_BYTES
        try:
            while True:
                if self._zlib.eof:
                    raw = self._zlib.unused_data or raw
                    if not raw:
                        return
                    self._members_left -= 1
                    if self._members_left < 0:
                        raise build_compression_error()
                    self._zlib = zlib.decompressobj(self._window)  # members simply follow each other (RFC 1952, 2.2)
                chunk = self._zlib.decompress(raw, CHUNK_BYTES)
                yield chunk
                raw = self._zlib.unconsumed_tail
                if not raw and len(chunk) < CHUNK_BYTES and not self._zlib.eof:
                    return  # a full piece may have more behind it that needs no more input
        except zlib.error:
            raise build_compression_error() from None

    def require_end(self) -> None:
        if not self._zlib.eof:
            raise build_compression_error()


def _build_decoder(encoding: str, *, saves: bool) -> _IdentityDecoder | _Inflater:
    """Build the decoder of a Content-Encoding. We ask for none; some proxies compress all the same.

    Hubs and proxies also name what is no encoding (``utf-8``, ``none``). A short answer is taken as it came then; a
    packet is not: the hub is told what becomes of that.
    """
    names = [name for part in encoding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if len(names) == 1 and names[0] in _WINDOW_BITS:
        return _Inflater(_WINDOW_BITS[names[0]])
    if names and (saves or len(names) > 1 or names[0] in _UNREADABLE_ENCODINGS):
        raise build_encoding_error(encoding)
    return _IdentityDecoder()


@contextmanager
def _translate_read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise build_unsendable_error(path, error) from error
