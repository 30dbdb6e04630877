"""What a rebuilding hub does to attachments: decode, unwrap, and write them plain or zipped."""

from __future__ import annotations

import base64
import binascii
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from edoc_connector.mockhub.codes import ErrorCode, RefusedError

ZIP = "application/zip"
KEPT = frozenset({"pdf", "doc", "docx", "zip"})
_QUANTUM = 3 * (1 << 16)  # bytes encoded at a time; a multiple of 3, so that the pieces join


@dataclass(frozen=True, slots=True)
class Carried:
    """An attachment on its way out.

    Args:
        file: bytes to write; as base64 text already where `encoded`.
        content_type: ContentType of the Attachment.
        listed_type: ContentType of the Reference.
        encoded: the text could not be decoded and travels as it came.
    """

    file: Path
    content_type: str
    listed_type: str
    encoded: bool = False

    def text(self) -> Iterator[bytes]:
        """The base64 text, piece by piece, without line breaks."""
        with self.file.open("rb") as file:
            while piece := file.read(_QUANTUM):
                yield piece if self.encoded else base64.b64encode(piece)


class Spool:
    """Collects the base64 texts of a packet's attachments in files.

    Args:
        folder: an empty directory of this packet's own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[int, BinaryIO] = {}

    def __call__(self, number: int, text: str) -> None:
        """Take a piece of an attachment's text; white space is dropped."""
        if number not in self._files:
            self.close()  # attachments come one after another: one file open is enough
            self._files[number] = self.path(number).open("wb")
        self._files[number].write("".join(text.split()).encode())

    def path(self, number: int) -> Path:
        """Where the text of an attachment lies; there is no file where it was empty."""
        return self._folder / f"{number}.b64"

    def close(self) -> None:
        """Close the file that is open."""
        for file in self._files.values():
            file.close()
        self._files.clear()


def extension(name: str) -> str:
    """Extension of a file name, lower case, without the dot."""
    return PurePosixPath(name.replace("\\", "/")).suffix[1:].lower()


def carry(text: Path, *, name: str, content_type: str, limit: int) -> Carried:
    """Make one attachment ready to leave.

    Args:
        text: file with its base64 text, without white space.
        name: AttachmentName.
        content_type: ContentType as it came.
        limit: most bytes that a zipped attachment may unpack to.

    Raises:
        RefusedError: 21, the content cannot be processed.
    """
    content = text.with_suffix(".bin")
    kept = extension(name) in KEPT
    kept_type = f"application/{extension(name)}"
    if not _decode(text, content):
        if kept:
            return Carried(text, kept_type, kept_type, encoded=True)
        raise RefusedError(ErrorCode.PROCESSING, f"the content of attachment {name} is not base64")
    if content_type == ZIP and extension(name) != "zip":
        content = _unwrap(content, limit)
    return Carried(content, kept_type, kept_type) if kept else Carried(_wrap(content), ZIP, content_type)


def _decode(text: Path, content: Path) -> bool:
    with content.open("wb") as out:
        if not text.exists():
            return True
        with text.open("rb") as file:
            while piece := file.read(_QUANTUM // 3 * 4):
                try:
                    out.write(binascii.a2b_base64(piece, strict_mode=True))
                except binascii.Error:
                    return False
    return True


def _unwrap(content: Path, limit: int) -> Path:
    """The first entry of a zip, or the file itself where it is no zip: some senders write the type and not the zip."""
    if not zipfile.is_zipfile(content):
        return content
    try:
        return _first_entry(content, limit)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error) as error:
        # RuntimeError is what zipfile raises for an encrypted entry
        raise RefusedError(ErrorCode.PROCESSING, "a zipped attachment cannot be unpacked") from error


def _first_entry(content: Path, limit: int) -> Path:
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


def _wrap(content: Path) -> Path:
    target = content.with_suffix(".zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(content, arcname=f"{uuid.uuid4()}.edxml")
    return target
