"""Contents of attachments as streams: from files, from bytes, and from the base64 texts of a packet.

No content holds a whole file in memory or copies it to disk.
"""

from __future__ import annotations

import binascii
import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, BinaryIO, Protocol
from xml.parsers import expat

from ...errors import AttachmentError, describe_system_error_vi
from ..limits import Limits
from ..source import CHUNK_SIZE, Source, Span
from .base64_text import SPACES, decode_base64, is_unpadded, translate_url_safe
from .media_types import HEAD_SIZE, find_contradiction, guess_type
from .zip_directory import NotWrapping, require_single
from .zip_stream import (
    FORMAT_FIRST_ENTRIES,
    ZIP_HEADS,
    BoundExceeded,
    Bounds,
    FirstFile,
    UnpackingBudget,
    UnpackingMeter,
    ZipError,
    is_wrapping_zip,
)

_FIRST_SIZE = 1 << 14
_FILE_PIECE_SIZE = 3 << 18  # of a file; a multiple of three, so that each is base64 by itself
_BUFFER_SIZE = 1 << 16  # of streams that callers read; this package reads pieces


@dataclass(frozen=True, slots=True)
class Measure:
    """Size and hash of a content, found in one pass.

    Args:
        size: bytes.
        sha256: SHA-256 in lower-case hex.
    """

    size: int
    sha256: str


class Content(Protocol):
    """Bytes that can be read any number of times."""

    def open(self) -> BinaryIO:
        """Open a new stream at the first byte."""
        ...

    def pieces(self) -> Generator[bytes, None, None]:
        """Iterate over the bytes in pieces."""
        ...

    def head(self, max_size: int) -> bytes:
        """Read the first bytes, at most `max_size`."""
        ...

    @property
    def measure(self) -> Measure:
        """Size and hash; the first use reads everything."""
        ...


class _MeasuredContent(ABC):
    """Content whose size and hash are found by reading it once."""

    @abstractmethod
    def open(self) -> BinaryIO: ...

    def pieces(self) -> Generator[bytes, None, None]:
        with self.open() as stream:
            while piece := stream.read(CHUNK_SIZE):
                yield piece

    def head(self, max_size: int) -> bytes:
        with self.open() as stream:
            return stream.read(max_size)

    @cached_property
    def measure(self) -> Measure:
        return measure_pieces(self.pieces())


class FileContent(_MeasuredContent):
    """The bytes of a file on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pieces(self) -> Generator[bytes, None, None]:
        try:
            with self._path.open("rb", buffering=0) as file:
                while piece := file.read(_FILE_PIECE_SIZE):
                    yield piece
        except OSError as error:
            raise unreadable_file_error(self._path, error) from error

    def open(self) -> BinaryIO:
        try:
            return self._path.open("rb")
        except OSError as error:
            raise unreadable_file_error(self._path, error) from error


class BytesContent(_MeasuredContent):
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def open(self) -> BinaryIO:
        return io.BytesIO(self._data)


class Base64Content(_MeasuredContent):
    """A base64 text of a packet, decoded as it is read.

    Args:
        name: the attachment's name, for errors.
        text: the text.
        has_spaces: whether spaces or line ends may stand in the text.
        is_url_safe: whether the text is of the URL-safe alphabet.
    """

    def __init__(self, name: str, text: MemoryText | SpanText, *, has_spaces: bool, is_url_safe: bool = False) -> None:
        self._name = name
        self._text = text
        self._has_spaces = has_spaces
        self._is_url_safe = is_url_safe

    def find_deviations(self) -> tuple[str, ...]:
        """Find codes of findings for a text that is base64, though not as RFC 4648, 4 has it. It is read for that."""
        found = ("EDX-BASE64-URL",) * self._is_url_safe + ("EDX-BASE64-PADDING",) * self._is_unpadded()
        return found if found and self._is_decodable() else ()

    def _is_decodable(self) -> bool:
        try:
            for _ in self.pieces():
                pass
        except AttachmentError:
            return False
        return True

    def _is_unpadded(self) -> bool:
        """Tell whether the padding is missing at the end; a text with spaces in it is read to its end for that."""
        if not self._has_spaces and self._text.size % 4 == 0:
            return False
        size, last = 0, b""
        for piece in self._iter_letters(CHUNK_SIZE):
            size += len(piece)
            last = (last + piece)[-4:]
        return is_unpadded(last, size)

    @property
    def approximate_size(self) -> int:
        """Bytes that the text decodes to, if there are no spaces in it."""
        return self._text.size * 3 // 4

    def open(self) -> BinaryIO:
        return io.BufferedReader(_PieceStream(self._decode_stream(_FIRST_SIZE)), _BUFFER_SIZE)

    def pieces(self) -> Generator[bytes, None, None]:
        whole = self._decode_if_small(self._text.size)
        if whole is None:
            yield from self._decode_stream(CHUNK_SIZE)
        else:
            yield whole

    def head(self, max_size: int) -> bytes:
        found = self._decode_if_small(min(-(-max_size // 3) * 4, self._text.size))
        return super().head(max_size) if found is None else found[:max_size]

    def _decode_if_small(self, size: int) -> bytes | None:
        """Decode the first `size` bytes of the text at once; None where they are many, spaced or not base64."""
        if size > CHUNK_SIZE or self._has_spaces or self._is_url_safe:
            return None
        try:
            text = self._text.read_start(size)
            return decode_base64(text) if size == self._text.size else _decode_unpadded(text)
        except (OSError, binascii.Error):
            return None

    def _decode_stream(self, first_size: int) -> Generator[bytes, None, None]:
        letters = self._iter_letters(first_size)
        return _decode_pieces(self._name, map(translate_url_safe, letters) if self._is_url_safe else letters)

    def _iter_letters(self, first_size: int) -> Iterator[bytes]:
        text = self._text.iter_characters(first_size)
        return (piece.translate(None, SPACES) for piece in text) if self._has_spaces else text


class ZippedContent(_MeasuredContent):
    """The first file of a zip that wraps one file.

    Args:
        name: the attachment's name, for errors.
        zip_content: the zip.
        limits: bounds on its unpacked size and its entries.
        budget: what all zips of the packet may unpack to together.
    """

    def __init__(self, name: str, zip_content: Base64Content, limits: Limits, budget: UnpackingBudget) -> None:
        self._name = name
        self._zip = zip_content
        self._bounds = Bounds(limits.unpacked, limits.ratio, limits.entries)
        self._budget, self._number = budget, budget.add_zip(zip_content.approximate_size)
        self._nesting = limits.nesting
        self._is_single_at_depth: dict[int, bool] = {}

    def open(self) -> BinaryIO:
        return io.BufferedReader(_PieceStream(self._unpack()), _BUFFER_SIZE)

    def _unpack(self) -> Generator[bytes, None, None]:
        meter = self._start_reading()
        try:
            with self._zip.open() as packed:
                file = FirstFile(packed, self._bounds, meter)
                if not self._is_file_itself(file.name):
                    yield from self._read_file(file, 1, meter)
                    return
        except NotWrapping as fault:
            raise AttachmentError(
                f"the zip around attachment {self._name!r} is more than a wrapping of one file: {fault}; ask the "
                "sender to attach each file by itself",
                vi=f"zip bọc tệp đính kèm {self._name!r} không chỉ chứa đúng một tệp: {fault}; đề nghị nơi gửi đính "
                "kèm riêng từng tệp",
            ) from fault
        except ZipError as fault:
            raise AttachmentError.withholding(
                f"attachment '{{name}}' cannot be unzipped: {fault}; ask the sender for it again",
                vi=f"không giải nén được tệp đính kèm '{{name}}': {fault}; đề nghị nơi gửi gửi lại",
                hidden={"name": self._name},
            ) from fault
        with self._zip.open() as packed:
            yield from read_pieces(packed)

    def _read_file(self, file: FirstFile, depth: int, meter: UnpackingMeter) -> Generator[bytes, None, None]:
        """Read a file of the zip, or the file inside it where the file was wrapped once more.

        A zip of one file under the name of another format is such a wrapping. People also give such names to a zip of
        several files; that zip is the file itself.
        """
        with io.BufferedReader(_PieceStream(file.pieces()), _BUFFER_SIZE) as stream:
            if self._cannot_be_zip and is_wrapping_zip(stream.peek(HEAD_SIZE)) and self._holds_single_file(depth):
                if depth >= self._nesting:
                    raise ZipError(f"more than the limit of {self._nesting} zips lie one inside the other (nesting)")
                inner = FirstFile(stream, self._bounds, meter)
                yield from self._read_file(inner, depth + 1, meter)
            else:
                yield from read_pieces(stream)
        require_single(file)

    def _holds_single_file(self, depth: int) -> bool:
        """Tell whether the zip at a depth of zips holds one file, which takes reading it to its end."""
        if depth not in self._is_single_at_depth:
            meter = self._start_reading()
            with ExitStack() as opened:
                stream: BinaryIO = opened.enter_context(self._zip.open())
                for _ in range(depth):
                    file = FirstFile(stream, self._bounds, meter)
                    stream = opened.enter_context(io.BufferedReader(_PieceStream(file.pieces()), _BUFFER_SIZE))
                self._is_single_at_depth[depth] = self._is_single_file_zip(stream, meter)
        return self._is_single_at_depth[depth]

    def _start_reading(self) -> UnpackingMeter:
        return UnpackingMeter(self._budget, self._number)

    def _is_single_file_zip(self, stream: BinaryIO, meter: UnpackingMeter) -> bool:
        try:
            file = FirstFile(stream, self._bounds, meter)
            for _ in file.pieces():
                pass
            require_single(file)
        except BoundExceeded:
            raise
        except ZipError:  # cut off, encrypted, or of several files: not a wrapping that a hub made
            return False
        return True

    @property
    def _cannot_be_zip(self) -> bool:
        """Whether the name is that of a format that is no zip."""
        return bool(find_contradiction(ZIP_HEADS[0], guess_type(self._name)))

    def _is_file_itself(self, entry: str) -> bool:
        """Tell whether the zip is the file itself, as office files are, and not a wrapping, by its first entry."""
        _, dot, extension = self._name.rpartition(".")
        inner = "/" in entry and not entry.lower().endswith(f".{extension.lower()}")
        return entry in FORMAT_FIRST_ENTRIES or (bool(dot) and inner)


class MemoryText:
    """A base64 text in memory."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self.size = len(text)

    def iter_characters(self, _first_size: int) -> Iterator[bytes]:
        """Yield the text in one piece."""
        yield self._text

    def read_start(self, size: int) -> bytes:
        """Read the first bytes of the text."""
        return self._text[:size]


class SpanText:
    """A text in the packet's source, as a parser would give it or as canonical XML writes it."""

    def __init__(self, source: Source, span: Span) -> None:
        self._source = source
        self._span = span
        self.size = span.end - span.start
        """Bytes of the text in the source."""

    def read_start(self, size: int) -> bytes:
        """Read the first bytes of the text, which must be plain."""
        return self._source.read_piece(self._span.start, self._span.start + size)

    def iter_characters(self, first_size: int = CHUNK_SIZE) -> Iterator[bytes]:
        """Iterate over the characters in UTF-8; the line ends of a plain text stay as they are in the source.

        Args:
            first_size: bytes of the first piece; each later one is twice the one before, up to `CHUNK_SIZE`.
        """
        raw = self._source.iter_chunks(self._span.start, self._span.end, first_size=first_size)
        return raw if self._span.is_plain else _resolve_references(raw)

    def iter_canonical(self) -> Iterator[bytes]:
        """Iterate over the text as Canonical XML 1.0 writes it (section 2.3, text nodes)."""
        if not self._span.is_plain:
            for piece in _resolve_references(self._source.iter_chunks(self._span.start, self._span.end)):
                yield _escape(piece)
            return
        if self.size <= CHUNK_SIZE:
            yield _normalise_line_ends(self.read_start(self.size)).replace(b">", b"&gt;")
            return
        carried = b""
        for piece in self._source.iter_chunks(self._span.start, self._span.end):
            whole = carried + piece
            # a CR at the end may be half of a CRLF
            carried = b"\r" if whole.endswith(b"\r") else b""
            body = whole[:-1] if carried else whole
            yield _normalise_line_ends(body).replace(b">", b"&gt;")
        if carried:
            yield b"\n"


def read_pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """Iterate over a stream in pieces."""
    while piece := stream.read(CHUNK_SIZE):
        yield piece


def measure_pieces(data: Iterator[bytes]) -> Measure:
    """Compute size and SHA-256 of bytes in pieces."""
    digest, size = hashlib.sha256(), 0
    for piece in data:
        digest.update(piece)
        size += len(piece)
    return Measure(size, digest.hexdigest())


def unreadable_file_error(path: Path | str, error: OSError) -> AttachmentError:
    """Build the error for a file that cannot be read."""
    return AttachmentError.withholding(
        f"cannot read {{path}}: {error.strerror}; check that the file is there and readable, then try again",
        vi=f"không đọc được {{path}}: {describe_system_error_vi(error)}; kiểm tra tệp có tồn tại và đọc được "
        "không, rồi thử lại",
        hidden={"path": path},
    )


def _normalise_line_ends(text: bytes) -> bytes:
    """Normalise line ends to LF (XML 1.0, 2.11); most texts have none, or one kind."""
    if b"\r" not in text:
        return text
    if text.count(b"\r") == text.count(b"\r\n"):
        return text.translate(None, b"\r")  # in a third of the time
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _escape(text: bytes) -> bytes:
    return text.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;").replace(b"\r", b"&#xD;")


def _resolve_references(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Parse a text with references, comments or CDATA sections into its characters."""
    found: list[str] = []
    parser = expat.ParserCreate("UTF-8")
    parser.buffer_text = True
    parser.CharacterDataHandler = found.append
    parser.Parse(b"<t>", False)
    for piece in pieces:
        parser.Parse(piece, False)
        yield "".join(found).encode()
        found.clear()
    parser.Parse(b"</t>", True)
    yield "".join(found).encode()


def _decode_pieces(name: str, text: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Decode a base64 text without spaces, in pieces."""
    carried = b""
    try:
        for piece in text:
            # padding may only end the text, so the last characters are carried until the end is seen; the whole piece
            # where the one before can be decoded alone, which saves joining them
            if piece and len(carried) % 4 == 0:
                ready, carried = carried, piece
            else:
                whole = carried + piece
                cut = max(len(whole) - len(whole) % 4 - 4, 0)
                ready, carried = whole[:cut], whole[cut:]
            if ready:
                yield _decode_unpadded(ready)
        yield decode_base64(carried + b"=" * (-len(carried) % 4) if is_unpadded(carried, len(carried)) else carried)
    except OSError as error:
        raise AttachmentError.withholding(
            f"attachment '{{name}}' cannot be read from its packet: {error.strerror}; put the packet back where it was",
            vi=f"không đọc được tệp đính kèm '{{name}}' từ gói tin: {describe_system_error_vi(error)}; đặt gói "
            "tin lại chỗ cũ",
            hidden={"name": name},
        ) from error
    except (binascii.Error, expat.ExpatError) as error:
        raise AttachmentError.withholding(
            f"attachment '{{name}}' cannot be decoded: {error}; ask the sender for it again",
            vi=f"không giải mã được tệp đính kèm '{{name}}': {error}; đề nghị nơi gửi gửi lại",
            hidden={"name": name},
        ) from error


def _decode_unpadded(text: bytes) -> bytes:
    if b"=" in text:
        raise binascii.Error("text goes on after the padding")
    return decode_base64(text)


class _PieceStream(io.RawIOBase):
    """A raw stream over bytes that come in pieces."""

    def __init__(self, data: Generator[bytes, None, None]) -> None:
        super().__init__()
        self._data = data
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # Buffer is 3.12's
        while not self._rest:
            piece = next(self._data, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        self._data.close()
        super().close()
