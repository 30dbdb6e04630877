"""Content of attachments as streams: from files, from bytes, and from the base64 texts of a packet.

Nothing here holds a whole file in memory or copies it to disk.
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

from ...errors import AttachmentError, system_words_vi
from ..reader.scan import Limits, Span
from ..source import CHUNK, Source
from .base64_text import SPACES, decode
from .media_types import HEAD, contradiction, type_of
from .zip_stream import PACKED_FORMATS, ZIP_HEADS, Bounds, FirstFile, OverBound, ZipError, wraps

_HEAD = 1 << 14
_PIECE = 3 << 18  # of a file; a multiple of three, so that each is base64 by itself
_BUFFER = 1 << 16  # of streams for others; what is read here goes by the piece


@dataclass(frozen=True, slots=True)
class Measure:
    """What one pass over a content tells.

    Args:
        size: bytes.
        sha256: SHA-256 in lower-case hex.
    """

    size: int
    sha256: str


class Content(Protocol):
    """Bytes that can be read as often as wanted."""

    def open(self) -> BinaryIO:
        """A new stream at the first byte."""
        ...

    def pieces(self) -> Generator[bytes, None, None]:
        """The same bytes in pieces."""
        ...

    def head(self, most: int) -> bytes:
        """The first bytes, at most so many."""
        ...

    @property
    def measure(self) -> Measure:
        """Size and hash; the first call reads everything."""
        ...


class _Measured(ABC):
    """Content whose size and hash are found by reading it once."""

    @abstractmethod
    def open(self) -> BinaryIO: ...

    def pieces(self) -> Generator[bytes, None, None]:
        with self.open() as stream:
            yield from pieces(stream)

    def head(self, most: int) -> bytes:
        with self.open() as stream:
            return stream.read(most)

    @cached_property
    def measure(self) -> Measure:
        return measure_of(self.pieces())


class FileContent(_Measured):
    """The bytes of a file on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pieces(self) -> Generator[bytes, None, None]:
        try:
            with self._path.open("rb", buffering=0) as file:
                while piece := file.read(_PIECE):
                    yield piece
        except OSError as error:
            raise vanished(self._path, error) from error

    def open(self) -> BinaryIO:
        try:
            return self._path.open("rb")
        except OSError as error:
            raise vanished(self._path, error) from error


class BytesContent(_Measured):
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def open(self) -> BinaryIO:
        return io.BytesIO(self._data)


class Base64Content(_Measured):
    """A base64 text of a packet, decoded as it is read.

    Args:
        name: the attachment's name, for errors.
        text: the text.
        spaced: whether spaces or line ends may stand in it.
    """

    def __init__(self, name: str, text: GivenText | SpanText, *, spaced: bool) -> None:
        self._name = name
        self._text = text
        self._spaced = spaced

    def open(self) -> BinaryIO:
        return io.BufferedReader(_Pieces(self._decoded(_HEAD)), _BUFFER)

    def pieces(self) -> Generator[bytes, None, None]:
        whole = self._at_once(self._text.size)
        if whole is None:
            yield from self._decoded(CHUNK)
        else:
            yield whole

    def head(self, most: int) -> bytes:
        found = self._at_once(min(-(-most // 3) * 4, self._text.size))
        return super().head(most) if found is None else found[:most]

    def _at_once(self, size: int) -> bytes | None:
        """What so much of the text encodes, where it is little; None too where something is wrong with it."""
        if size > CHUNK or self._spaced:
            return None
        try:
            text = self._text.start(size)
            return decode(text) if size == self._text.size else _unpadded(text)
        except (OSError, binascii.Error):
            return None

    def _decoded(self, first: int) -> Generator[bytes, None, None]:
        text = self._text.characters(first)
        return _decoded(self._name, (piece.translate(None, SPACES) for piece in text) if self._spaced else text)


class ZippedContent(_Measured):
    """The first file of a zip that wraps one file.

    Args:
        name: the attachment's name, for errors.
        packed: the zip.
        limits: how much it may unpack to.
    """

    def __init__(self, name: str, packed: Base64Content, limits: Limits) -> None:
        self._name = name
        self._packed = packed
        self._bounds = Bounds(limits.unpacked, limits.ratio, limits.entries)
        self._nesting = limits.nesting
        self._wraps_one: dict[int, bool] = {}
        self.others = 0
        """Files in the zip behind the first; known once everything was read."""

    def open(self) -> BinaryIO:
        return io.BufferedReader(_Pieces(self._unpacked()), _BUFFER)

    def _unpacked(self) -> Generator[bytes, None, None]:
        try:
            with self._packed.open() as packed:
                file = FirstFile(packed, self._bounds)
                if not self._is_format(file.name):
                    yield from self._file(file, 1)
                    self.others = file.others()
                    return
        except ZipError as fault:
            raise AttachmentError(
                f"attachment {self._name!r} cannot be unzipped: {fault}; ask the sender for it again",
                vi=f"không giải nén được tệp đính kèm {self._name!r}: {fault}; đề nghị bên gửi gửi lại",
            ) from fault
        with self._packed.open() as packed:
            yield from pieces(packed)

    def _file(self, file: FirstFile, depth: int) -> Generator[bytes, None, None]:
        """The file's bytes; those of the file inside where it was wrapped once more.

        That is a zip of one file under a name that no zip has. People name a zip of several so too: that is the file.
        """
        with io.BufferedReader(_Pieces(file.pieces()), _BUFFER) as stream:
            if self._cannot_be_zip and wraps(stream.peek(HEAD)) and self._holds_one(depth):
                if depth >= self._nesting:
                    raise ZipError(f"more than the limit of {self._nesting} zips lie one inside the other (nesting)")
                inner = FirstFile(stream, self._bounds)
                yield from self._file(inner, depth + 1)
            else:
                yield from pieces(stream)

    def _holds_one(self, depth: int) -> bool:
        """Whether the zip inside so many zips holds one file; known only when it was read to its end."""
        if depth not in self._wraps_one:
            with ExitStack() as opened:
                stream: BinaryIO = opened.enter_context(self._packed.open())
                for _ in range(depth):
                    file = FirstFile(stream, self._bounds)
                    stream = opened.enter_context(io.BufferedReader(_Pieces(file.pieces()), _BUFFER))
                self._wraps_one[depth] = self._is_one(stream)
        return self._wraps_one[depth]

    def _is_one(self, stream: BinaryIO) -> bool:
        try:
            file = FirstFile(stream, self._bounds)
            for _ in file.pieces():
                pass
            return file.others() == 0
        except OverBound:
            raise
        except ZipError:  # cut off, encrypted: what it is, nobody wrapped it here
            return False

    @property
    def _cannot_be_zip(self) -> bool:
        """Whether the name promises a format that no zip is."""
        return bool(contradiction(ZIP_HEADS[0], type_of(self._name)))

    def _is_format(self, entry: str) -> bool:
        """Whether the zip is the file itself, as office files are, and not a wrapping of it."""
        _, dot, extension = self._name.rpartition(".")
        inner = "/" in entry and not entry.lower().endswith(f".{extension.lower()}")
        return entry in PACKED_FORMATS or (bool(dot) and inner)


class GivenText:
    """A text that is in memory."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self.size = len(text)

    def characters(self, _first: int) -> Iterator[bytes]:
        """The text."""
        yield self._text

    def start(self, size: int) -> bytes:
        """Its first bytes."""
        return self._text[:size]


class SpanText:
    """The characters of a span, as a parser would give them or as canonical XML writes them."""

    def __init__(self, source: Source, span: Span) -> None:
        self._source = source
        self._span = span
        self.size = span.end - span.start
        """Bytes in the file."""

    def start(self, size: int) -> bytes:
        """The first bytes of a text, which is a plain one."""
        return self._source.piece(self._span.start, self._span.start + size)

    def characters(self, first: int = CHUNK) -> Iterator[bytes]:
        """UTF-8 of the text; line ends of a plain span are left as they are in the file.

        Args:
            first: length of the first piece; the next ones grow from it.
        """
        raw = self._source.chunks(self._span.start, self._span.end, first=first)
        return raw if self._span.plain else _resolved(raw)

    def canonical(self) -> Iterator[bytes]:
        """The text as Canonical XML 1.0 writes it (section 2.3, text nodes)."""
        if not self._span.plain:
            for piece in _resolved(self._source.chunks(self._span.start, self._span.end)):
                yield _escape(piece)
            return
        if self.size <= CHUNK:
            yield _line_feeds(self.start(self.size)).replace(b">", b"&gt;")
            return
        carried = b""
        for piece in self._source.chunks(self._span.start, self._span.end):
            whole = carried + piece
            # a CR at the end may be half of a CRLF
            carried = b"\r" if whole.endswith(b"\r") else b""
            body = whole[:-1] if carried else whole
            yield _line_feeds(body).replace(b">", b"&gt;")
        if carried:
            yield b"\n"


def pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """A stream's bytes in pieces."""
    while piece := stream.read(CHUNK):
        yield piece


def measure_of(data: Iterator[bytes]) -> Measure:
    """Size and SHA-256 of bytes that come in pieces."""
    digest, size = hashlib.sha256(), 0
    for piece in data:
        digest.update(piece)
        size += len(piece)
    return Measure(size, digest.hexdigest())


def vanished(path: Path | str, error: OSError) -> AttachmentError:
    """The error for a file that cannot be read."""
    return AttachmentError(
        f"cannot read {path}: {error.strerror}; check that the file is there and readable, then try again",
        vi=f"không đọc được {path}: {system_words_vi(error)}; kiểm tra tệp có tồn tại và đọc được không, rồi thử lại",
    )


def _line_feeds(text: bytes) -> bytes:
    """A text with the line ends of XML (XML 1.0, 2.11); most texts have none, or one kind."""
    if b"\r" not in text:
        return text
    if text.count(b"\r") == text.count(b"\r\n"):
        return text.translate(None, b"\r")  # in a third of the time
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _escape(text: bytes) -> bytes:
    return text.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;").replace(b"\r", b"&#xD;")


def _resolved(raw: Iterator[bytes]) -> Iterator[bytes]:
    """Characters of a text with references, comments or CDATA sections, through a parser."""
    found: list[str] = []
    parser = expat.ParserCreate("UTF-8")
    parser.buffer_text = True
    parser.CharacterDataHandler = found.append
    parser.Parse(b"<t>", False)
    for piece in raw:
        parser.Parse(piece, False)
        yield "".join(found).encode()
        found.clear()
    parser.Parse(b"</t>", True)
    yield "".join(found).encode()


def _decoded(name: str, text: Iterator[bytes]) -> Generator[bytes, None, None]:
    """What a base64 text without spaces encodes, in pieces."""
    held = b""
    try:
        for piece in text:
            # padding may only end the text, so something is kept back until the end is seen; all of the piece before
            # where that can be decoded alone, which saves joining them
            if piece and len(held) % 4 == 0:
                ready, held = held, piece
            else:
                whole = held + piece
                cut = max(len(whole) - len(whole) % 4 - 4, 0)
                ready, held = whole[:cut], whole[cut:]
            if ready:
                yield _unpadded(ready)
        yield decode(held)
    except OSError as error:
        raise AttachmentError(
            f"attachment {name!r} cannot be read from its packet: {error.strerror}; put the packet back where it was",
            vi=f"không đọc được tệp đính kèm {name!r} từ gói tin: {system_words_vi(error)}; đặt gói tin lại chỗ cũ",
        ) from error
    except (binascii.Error, expat.ExpatError) as error:
        raise AttachmentError(
            f"attachment {name!r} cannot be decoded: {error}; ask the sender for it again",
            vi=f"không giải mã được tệp đính kèm {name!r}: {error}; đề nghị bên gửi gửi lại",
        ) from error


def _unpadded(text: bytes) -> bytes:
    if b"=" in text:
        raise binascii.Error("text goes on after the padding")
    return decode(text)


class _Pieces(io.RawIOBase):
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
