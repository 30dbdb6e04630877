"""Bodies on their way: a file going out with its exact length, an answer coming in under a limit."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from edoc_connector._core.files import cannot_write, create_private
from edoc_connector.client.base64_json import MAX_REST, RestTooLongError, Unwrapping
from edoc_connector.errors import AttachmentError, ProtocolError, system_words_vi
from edoc_connector.hubs.fields import printable
from edoc_connector.hubs.wire import FileBody, WireRequest, WireResponse

CHUNK = 256 * 1024

_COMPRESSED = {"gzip": 47, "x-gzip": 47, "deflate": 47}
"""Content-Encoding to zlib window bits; 47 reads gzip and zlib headers alike."""


class Upload:
    """The body of one request. A context manager: it holds the file open.

    Args:
        request: the request whose body it is.

    Attributes:
        length: bytes in all, as they were when the file was opened.
        handed_over: whether the last of a file's bytes went to the transport. Before that the hub cannot have the whole
            packet, whatever happens; from then on it may. A body that is no file goes in one piece and counts from the
            start.
        waits: whether iterating reads from a disk, or calls what somebody gave to be told the progress.

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
            self._rest, self._size = body, 0
        else:
            self._path, self._rest = body.path, body.tail
            if body.content is not None:
                self._content, self._size = body.content, len(body.content)
            else:
                with _reading(self._path):
                    self._file = self._path.open("rb", buffering=0)
                self._size = os.fstat(self._file.fileno()).st_size
        self.waits = self._file is not None or self._progress is not None
        self.length = self._size + len(self._rest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        """The body: `length` bytes, never more and never fewer. Progress is told from the thread that iterates.

        Raises:
            AttachmentError: the file became shorter or unreadable on the way; the hub got an incomplete request.
        """
        done = 0
        while done < self._size:
            chunk = self._content if self._file is None else self._read(self._file, min(CHUNK, self._size - done))
            done += len(chunk)
            self.handed_over = done == self._size
            # what comes behind the file goes with its last piece: two bytes are not worth a packet of their own
            yield chunk + self._rest if self.handed_over else chunk
            if self._progress is not None:
                self._progress(done, self._size)
        self.handed_over = True
        if not self._size and self._rest:
            yield self._rest

    def _read(self, file: IO[bytes], size: int) -> bytes:
        with _reading(self._path):
            chunk = file.read(size)
            if not chunk:
                raise OSError(None, "it became shorter while it was sent")
            return chunk


class Sink:
    """The body of one answer: kept in memory, or written to the file the request names.

    A context manager: unless `finish` was called nothing stays on disk.

    Args:
        request: the request it answers.
        status: HTTP status.
        headers: of the answer, names in lower case.

    Attributes:
        announced: the answer's Content-Length, where it has one.

    Raises:
        ProtocolError: the answer is announced longer than the limit, or in an encoding nobody asked for.
        StoreError: the disk refuses the file.
    """

    def __init__(self, request: WireRequest, status: int, headers: Mapping[str, str]) -> None:
        self._request, self._status, self._headers = request, status, headers
        self._inflate = _inflater(headers.get("content-encoding", ""))
        saves = request.save_to is not None and 200 <= status < 300
        self._unwrapping = Unwrapping(request.unwrap, self._save) if saves and request.unwrap else None
        # base64 is a third longer than what it encodes, and escapes and line ends come on top
        self._limit = request.limit if self._unwrapping is None else 2 * request.limit + MAX_REST
        length = headers.get("content-length", "")
        self.announced = int(length) if length.isascii() and length.isdigit() else None
        if self.announced is not None and self.announced > self._limit:
            raise _too_long(request.limit)
        self._seen = self._size = self._saved = 0
        self._digest = hashlib.sha256()
        self._memory: list[bytes] = []
        self._file: IO[bytes] | None = None
        if saves and request.save_to is not None:
            self._place = request.save_to
            self._part = request.save_to.with_name(f"{request.save_to.name}.tmp")
            with self._disk():
                self._file = create_private(self._part)
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
            self._part.unlink(missing_ok=True)

    def write(self, raw: bytes) -> None:
        """Take bytes as they came over the wire.

        Raises:
            ProtocolError: the answer is longer than the limit, or its compression is broken.
            StoreError: the disk refuses them.
        """
        self._seen += len(raw)
        for chunk in self._inflate.chunks(raw):
            self._size += len(chunk)
            if self._size > self._limit:
                raise _too_long(self._request.limit)
            self._keep(chunk)
        if self._file is not None and self._request.on_progress is not None:
            self._request.on_progress(self._seen, self.announced)

    def finish(self) -> WireResponse:
        """The answer, complete; a file stands in its place.

        Raises:
            ProtocolError: the compressed answer ended early.
            StoreError: the disk refuses the file.
        """
        self._inflate.end()
        if self._file is None:
            return WireResponse(self._status, self._headers, b"".join(self._memory))
        rest, damaged = b"", False
        if self._unwrapping is not None:
            self._unwrapping.finish()
            rest, damaged = bytes(self._unwrapping.rest), self._unwrapping.damaged
            if damaged or not self._unwrapping.found:
                return WireResponse(self._status, self._headers, rest, damaged=damaged)
        with self._disk():
            self._file.close()
            self._part.replace(self._place)
        return WireResponse(self._status, self._headers, rest, saved=self._place, sha256=self._digest.hexdigest())

    def _keep(self, chunk: bytes) -> None:
        if self._unwrapping is not None:
            try:
                self._unwrapping.feed(chunk)
            except RestTooLongError:
                raise _too_long(MAX_REST) from None
        elif self._file is not None:
            self._save(chunk)
        else:
            self._memory.append(chunk)

    def _save(self, content: bytes) -> None:
        self._saved += len(content)
        if self._saved > self._request.limit:
            raise _too_long(self._request.limit)
        self._digest.update(content)
        with self._disk():
            self._write(content)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise cannot_write(self._place, error) from error


class _Plain:
    def chunks(self, raw: bytes) -> Iterator[bytes]:
        yield raw

    def end(self) -> None:
        pass


class _Inflater:
    """Decompresses in pieces of bounded size: an answer is measured before it can become large."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._zlib = zlib.decompressobj(window)

    def chunks(self, raw: bytes) -> Iterator[bytes]:
        try:
            while True:
                if self._zlib.eof:
                    raw = self._zlib.unused_data or raw
                    if not raw:
                        return
                    self._zlib = zlib.decompressobj(self._window)  # members simply follow each other (RFC 1952, 2.2)
                chunk = self._zlib.decompress(raw, CHUNK)
                yield chunk
                raw = self._zlib.unconsumed_tail
                if not raw and len(chunk) < CHUNK and not self._zlib.eof:
                    return  # a full piece may have more behind it that needs no more input
        except zlib.error:
            raise _badly_compressed() from None

    def end(self) -> None:
        if not self._zlib.eof:
            raise _badly_compressed()


def _inflater(encoding: str) -> _Plain | _Inflater:
    """What undoes a Content-Encoding. We ask for none; some proxies compress all the same."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return _Plain()
    if name not in _COMPRESSED:
        raise ProtocolError(
            f"The answer is encoded as {printable(encoding, 40)!r}, which was not asked for. "
            "Have the proxy before the hub leave answers as they are.",
            vi=f"Câu trả lời được mã hóa kiểu {printable(encoding, 40)!r} dù không yêu cầu. "
            "Hãy cấu hình proxy phía trước trục để giữ nguyên câu trả lời.",
        )
    return _Inflater(_COMPRESSED[name])


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AttachmentError(
            f"The packet {path} cannot be sent: {error.strerror}. Put it back, or build it again, and send again.",
            vi=f"Không gửi được gói tin {path}: {system_words_vi(error)}. "
            "Hãy khôi phục hoặc tạo lại gói tin rồi gửi lại.",
        ) from error


def _too_long(limit: int) -> ProtocolError:
    return ProtocolError(
        f"The answer is longer than the {limit} bytes allowed. If the hub really sends that much, raise the limit.",
        vi=f"Câu trả lời dài hơn giới hạn {limit} byte. Nếu trục thực sự gửi dữ liệu lớn như vậy, hãy tăng giới hạn.",
    )


def _badly_compressed() -> ProtocolError:
    return ProtocolError(
        "The answer's compression is broken or ends early. Try again; have proxies before the hub not compress.",
        vi="Dữ liệu nén trong câu trả lời bị hỏng hoặc bị cắt. Hãy thử lại; cấu hình proxy phía trước trục không nén.",
    )
