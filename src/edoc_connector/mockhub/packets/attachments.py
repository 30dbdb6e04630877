"""Attachments as a rebuilding hub handles them: decoded, unwrapped, and written plain or zipped."""

from __future__ import annotations

import base64
import binascii
import io
import tempfile
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO, Final, Self

from edoc_connector.mockhub.codes import ErrorCode, RefusedError
from edoc_connector.mockhub.packets.reader import CONTENT_ELEMENT, Node

ZIP_TYPE: Final = "application/zip"
UNKNOWN_FORMAT: Final = "unk"
# Formats that leave as they came, in any case; xls and xlsx are not among them, xslx (sic) is.
KEPT_FORMATS: Final = frozenset({"pdf", "doc", "docx", "zip", "xsl", "xslx"})
_QUANTUM = 3 * (1 << 16)  # bytes encoded at a time; a multiple of 3, so that the pieces join
_IN_MEMORY = 1 << 20  # bytes of base64 text of one packet that are kept in memory

# Base64 is read leniently: both alphabets, anything else between is dropped, the first padding ends it.
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_DROPPED = bytes(set(range(256)) - set(_ALPHABET + b"-_="))


@dataclass(frozen=True, slots=True)
class PreparedAttachment:
    """An attachment on its way out.

    Args:
        content: bytes to write, or a file with them.
        content_id: ContentId of Attachment and Reference.
        content_type: ContentType of the Attachment.
        listed_type: ContentType of the Reference.
    """

    content: bytes | Path
    content_id: str
    content_type: str
    listed_type: str

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.content if isinstance(self.content, bytes) else self.content.stat().st_size)

    def iterate_base64(self) -> Iterator[bytes]:
        """Iterate over the base64 text, piece by piece, without line breaks."""
        if isinstance(self.content, bytes):
            yield base64.b64encode(self.content)
            return
        with self.content.open("rb") as file:
            while piece := file.read(_QUANTUM):
                yield base64.b64encode(piece)


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
        self._ended: set[int] = set()
        self._open: tuple[int, BinaryIO] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._close_file()
        if self._folder is not None:
            self._folder.cleanup()

    def __call__(self, number: int, text: str) -> None:
        """Take a piece of an attachment's text, of which only base64 digits are kept."""
        if number in self._ended:
            return
        data = text.encode("ascii", "ignore").translate(_TO_STANDARD, _DROPPED)
        piece, padding, _ = data.partition(b"=")
        if padding:
            self._ended.add(number)
        if self._open is not None and self._open[0] == number:
            self._open[1].write(piece)
            return
        self._memory_left -= len(piece)
        self._texts.setdefault(number, bytearray()).extend(piece)
        if self._memory_left < 0:
            self._move_to_file(number)

    def get_text(self, number: int) -> bytes | None:
        """Get the digits of an attachment's base64, without padding, or None where they lie in a file."""
        if self._open is not None or self._folder is not None:
            return None  # a large packet: all of it goes by files
        return bytes(self._texts.get(number, b""))

    def write_to_file(self, number: int) -> Path:
        """Give a file with the digits of an attachment's base64."""
        if number in self._texts:
            self._move_to_file(number)
        self._close_file()
        path = self.get_path(f"{number}.b64")
        path.touch()
        return path

    def get_path(self, name: str) -> Path:
        """Give the path of a file that is gone when the spool ends."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(dir=self._parent)
        return Path(self._folder.name) / name

    def _move_to_file(self, number: int) -> None:
        self._close_file()  # attachments come one after another: one file open is enough
        file = self.get_path(f"{number}.b64").open("ab")
        file.write(self._texts.pop(number))
        self._open = (number, file)

    def _close_file(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None


def parse_format(name: str) -> str:
    """Parse the format of a file from its name: the extension as written, one ``>`` at its end dropped."""
    _, dot, extension = PurePosixPath(name).name.rpartition(".")
    return (extension.removesuffix(">") if dot else "") or UNKNOWN_FORMAT


def prepare_attachment(node: Node, spool: AttachmentSpool, *, limit: int) -> PreparedAttachment:
    """Make one attachment ready to leave.

    Args:
        node: the Attachment.
        spool: got its base64 text while the packet was read.
        limit: most bytes that a zipped attachment may unpack to.

    Raises:
        RefusedError: 21, the library fails on it.
    """
    file_format = _determine_format(node)
    number = node.find_descendant(CONTENT_ELEMENT).content
    if number is None:
        raise _build_attachment_error(f"an attachment has no {CONTENT_ELEMENT}")
    announced = node.find_descendant("ContentType").text if node.list_children("ContentType") else ZIP_TYPE
    content = _decode_content(spool, number)
    if announced == ZIP_TYPE and file_format != "zip":
        content = _unwrap(content, spool.get_path(f"{number}.entry"), limit)
    is_kept = file_format.lower() in KEPT_FORMATS
    return PreparedAttachment(
        content=content if is_kept else _wrap(content, spool.get_path(f"{number}.zip"), file_format),
        content_id=_build_content_id(node),
        content_type=f"application/{file_format.lower()}" if is_kept else ZIP_TYPE,
        listed_type=announced,
    )


def _determine_format(node: Node) -> str:
    """Determine the format of an attachment: its Format element, else its name's extension."""
    given = node.find_descendant("Format").text
    if given in ("", UNKNOWN_FORMAT):
        if not node.list_children("AttachmentName"):
            raise _build_attachment_error("an attachment has no AttachmentName")
        given = parse_format(node.find_descendant("AttachmentName").text)
    if "/" in given:  # the library makes a file's name of it
        raise _build_attachment_error("the Format of an attachment is not an extension")
    return given


def _build_content_id(node: Node) -> str:
    """Build the ContentId: the library puts ``cid:`` before each id when it reads and again when it writes.

    Of several the last counts that is not empty; where there is none, an id is made up.
    """
    given = (child.text.removeprefix("cid:") for child in reversed(node.list_children("ContentId")))
    return f"cid:cid:{next(filter(None, given), '') or uuid.uuid4()}"


def _decode_content(spool: AttachmentSpool, number: int) -> bytes | Path:
    digits = spool.get_text(number)
    if digits is not None:
        return _decode_digits(digits)
    path = spool.write_to_file(number)
    target = spool.get_path(f"{number}.bin")
    with target.open("wb") as out, path.open("rb") as file:
        while piece := file.read(_QUANTUM // 3 * 4):
            out.write(_decode_digits(piece))
    return target


def _decode_digits(digits: bytes) -> bytes:
    if len(digits) % 4 == 1:
        digits = digits[:-1]  # six bits are no byte
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


def _unwrap(content: bytes | Path, target: Path, limit: int) -> Path:
    """Write the first entry of a zip to a file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content) if isinstance(content, bytes) else content) as archive:
            _extract_first_entry(archive, target, limit)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error) as error:
        # RuntimeError is what zipfile raises for an encrypted entry
        raise _build_attachment_error("an attachment announced as a zip cannot be unpacked") from error
    return target


def _extract_first_entry(archive: zipfile.ZipFile, target: Path, limit: int) -> None:
    entries = archive.infolist()
    if not entries or not set(PurePosixPath(entries[0].filename).parts[:-1]) <= {"/", ".."}:
        # the library writes the entry under its own name, and makes no folders
        raise _build_attachment_error("a zipped attachment has no first entry, or one in a folder")
    with archive.open(entries[0]) as source, target.open("wb") as out:
        size = 0
        while piece := source.read(_QUANTUM):
            size += len(piece)
            if size > limit:
                raise _build_attachment_error("a zipped attachment unpacks to more than the hub takes")
            out.write(piece)


def _wrap(content: bytes | Path, target: Path, file_format: str) -> Path:
    """Write a zip with one entry."""
    name = f"{uuid.uuid4()}.{file_format}"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        if isinstance(content, bytes):
            archive.writestr(name, content)
        else:
            archive.write(content, arcname=name)
    return target


def _build_attachment_error(reason: str) -> RefusedError:
    return RefusedError(ErrorCode.PROCESSING, f"error while processing the file: {reason}")
