"""What a rebuilding hub does to attachments: decode, unwrap, and write them plain or zipped."""

from __future__ import annotations

import base64
import binascii
import tempfile
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO, Self

from edoc_connector.mockhub.codes import ErrorCode, RefusedError

ZIP_TYPE = "application/zip"
KEPT_EXTENSIONS = frozenset({"pdf", "doc", "docx", "zip"})
_QUANTUM = 3 * (1 << 16)  # bytes encoded at a time; a multiple of 3, so that the pieces join
_IN_MEMORY = 1 << 20  # bytes of base64 text of one packet that are kept in memory


@dataclass(frozen=True, slots=True)
class PreparedAttachment:
    """An attachment on its way out.

    Args:
        content: bytes to write, or a file with them; as base64 text already where `encoded`.
        content_type: ContentType of the Attachment.
        listed_type: ContentType of the Reference.
        encoded: the text could not be decoded and travels as it came.
    """

    content: bytes | Path
    content_type: str
    listed_type: str
    encoded: bool = False

    def iterate_base64(self) -> Iterator[bytes]:
        """The base64 text, piece by piece, without line breaks."""
        if isinstance(self.content, bytes):
            yield self.content if self.encoded else base64.b64encode(self.content)
            return
        with self.content.open("rb") as file:
            while piece := file.read(_QUANTUM):
                yield piece if self.encoded else base64.b64encode(piece)


class AttachmentSpool:
    """Collects the base64 texts of a packet's attachments: in memory while they are small, the others in files.

    A context manager: what is in files is gone when it ends.

    Args:
        parent: directory in which one for the files is made when there are any.
    """

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._memory_left = _IN_MEMORY
        self._texts: dict[int, bytearray] = {}
        self._open: tuple[int, BinaryIO] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._close_file()
        if self._folder is not None:
            self._folder.cleanup()

    def __call__(self, number: int, text: str) -> None:
        """Take a piece of an attachment's text; white space is dropped."""
        piece = "".join(text.split()).encode()
        if self._open is not None and self._open[0] == number:
            self._open[1].write(piece)
            return
        self._memory_left -= len(piece)
        self._texts.setdefault(number, bytearray()).extend(piece)
        if self._memory_left < 0:
            self._move_to_file(number)

    def get_text(self, number: int) -> bytes | None:
        """The text of an attachment, or None where it lies in a file."""
        if self._open is not None or self._folder is not None:
            return None  # a large packet: all of it goes by files
        return bytes(self._texts.get(number, b""))

    def write_to_file(self, number: int) -> Path:
        """A file with the text of an attachment."""
        if number in self._texts:
            self._move_to_file(number)
        self._close_file()
        path = self._build_path(number)
        path.touch()
        return path

    def _move_to_file(self, number: int) -> None:
        self._close_file()  # attachments come one after another: one file open is enough
        file = self._build_path(number).open("ab")
        file.write(self._texts.pop(number))
        self._open = (number, file)

    def _build_path(self, number: int) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(dir=self._parent)
        return Path(self._folder.name) / f"{number}.b64"

    def _close_file(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None


def parse_extension(name: str) -> str:
    """Extension of a file name, lower case, without the dot."""
    return PurePosixPath(name.replace("\\", "/")).suffix[1:].lower()


def prepare_attachment(
    spool: AttachmentSpool, number: int, *, name: str, content_type: str, limit: int
) -> PreparedAttachment:
    """Make one attachment ready to leave.

    Args:
        spool: has its base64 text, without white space.
        number: which one.
        name: AttachmentName.
        content_type: ContentType as it came.
        limit: most bytes that a zipped attachment may unpack to.

    Raises:
        RefusedError: 21, the content cannot be processed.
    """
    is_kept = parse_extension(name) in KEPT_EXTENSIONS
    kept_type = f"application/{parse_extension(name)}"
    is_zipped = content_type == ZIP_TYPE and parse_extension(name) != "zip"
    text = spool.get_text(number) if is_kept and not is_zipped else None
    if text is not None:
        try:
            return PreparedAttachment(binascii.a2b_base64(text, strict_mode=True), kept_type, kept_type)
        except binascii.Error:
            return PreparedAttachment(text, kept_type, kept_type, encoded=True)
    path = spool.write_to_file(number)
    content = path.with_suffix(".bin")
    if not _decode_base64(path, content):
        if is_kept:
            return PreparedAttachment(path, kept_type, kept_type, encoded=True)
        raise RefusedError(ErrorCode.PROCESSING, f"the content of attachment {name} is not base64")
    if is_zipped:
        content = _unzip(content, limit)
    return (
        PreparedAttachment(content, kept_type, kept_type)
        if is_kept
        else PreparedAttachment(_zip_content(content), ZIP_TYPE, content_type)
    )


def _decode_base64(text: Path, content: Path) -> bool:
    with content.open("wb") as out, text.open("rb") as file:
        while piece := file.read(_QUANTUM // 3 * 4):
            try:
                out.write(binascii.a2b_base64(piece, strict_mode=True))
            except binascii.Error:
                return False
    return True


def _unzip(content: Path, limit: int) -> Path:
    """The first entry of a zip, or the file itself where it is no zip: some senders write the type and not the zip."""
    if not zipfile.is_zipfile(content):
        return content
    try:
        return _extract_first_entry(content, limit)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error) as error:
        # RuntimeError is what zipfile raises for an encrypted entry
        raise RefusedError(ErrorCode.PROCESSING, "a zipped attachment cannot be unpacked") from error


def _extract_first_entry(content: Path, limit: int) -> Path:
    target = content.with_suffix(".entry")
    with zipfile.ZipFile(content) as archive:
        entries = archive.infolist()
        if not entries:
            return content
        with archive.open(entries[0]) as source, target.open("wb") as out:
            size = 0
            while piece := source.read(_QUANTUM):
                size += len(piece)
                if size > limit:
                    raise RefusedError(ErrorCode.PROCESSING, "a zipped attachment unpacks to more than the hub takes")
                out.write(piece)
    return target


def _zip_content(content: Path) -> Path:
    target = content.with_suffix(".zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(content, arcname=f"{uuid.uuid4()}.edxml")
    return target
