"""Attachments as values: a file that travels with a document, and its size and hash."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from ..._core import save_atomic
from ..names import ZIP_TYPE
from .content import BytesContent, Content, FileContent, unreadable_file_error
from .filenames import safe_name
from .media_types import HEAD_SIZE, UNKNOWN_TYPE, detect_format, guess_type


class Attachment:
    """A file that travels with a document; its bytes are read when they are needed.

    Args:
        name: file name, at most 500 characters, as it was given; `safe_name` is the one for use on disk.
        content: the source of the bytes.
        content_type: media type, e.g. ``application/pdf``; left out, it follows from the name. Where the name has no
            known ending, `from_path` and `from_bytes` look at the first bytes.
        description: text for a person.
        content_id: id inside the packet, without ``cid:``; left out, writing numbers it.
        field_name: FieldName of the packet it came in.
        mime_type: MimeType of the packet it came in.
    """

    __slots__ = ("_content", "content_id", "content_type", "description", "field_name", "mime_type", "name")

    name: str
    content_type: str
    description: str | None
    content_id: str | None
    field_name: str | None
    mime_type: str | None
    _content: Content

    def __init__(
        self,
        *,
        name: str,
        content: Content,
        content_type: str | None = None,
        description: str | None = None,
        content_id: str | None = None,
        field_name: str | None = None,
        mime_type: str | None = None,
    ) -> None:
        assign = object.__setattr__
        assign(self, "name", name)
        assign(self, "_content", content)
        assign(self, "content_type", content_type or guess_type(name))
        assign(self, "description", description)
        assign(self, "content_id", content_id)
        assign(self, "field_name", field_name)
        assign(self, "mime_type", mime_type)

    @classmethod
    def from_path(
        cls,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        content_type: str | None = None,
        description: str | None = None,
        content_id: str | None = None,
    ) -> Attachment:
        """Attach a file on disk.

        Args:
            path: path of the file, which must stay in place until the packet is written.
            name: file name in the packet; left out, that of the path.
            content_type: media type; left out, it follows from the name, else from the first bytes.
            description: text for a person.
            content_id: id inside the packet, without ``cid:``; left out, writing numbers it.

        Raises:
            AttachmentError: the file does not exist or is a folder.
        """
        file_path = Path(path)
        name = name or file_path.name
        try:
            with file_path.open("rb", buffering=0) as stream:
                content_type = content_type or _guess_type(name, stream)
        except OSError as error:
            raise unreadable_file_error(file_path, error) from error
        return cls(
            name=name,
            content=FileContent(file_path),
            content_type=content_type,
            description=description,
            content_id=content_id,
        )

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        *,
        name: str,
        content_type: str | None = None,
        description: str | None = None,
        content_id: str | None = None,
    ) -> Attachment:
        """Attach bytes in memory; for the other arguments see `from_path`."""
        return cls(
            name=name,
            content=BytesContent(data),
            content_type=content_type or _guess_type(name, io.BytesIO(data)),
            description=description,
            content_id=content_id,
        )

    def renamed(self, name: str) -> Attachment:
        """Copy the attachment under another name."""
        if name == self.name:
            return self
        fields = {field.lstrip("_"): getattr(self, field) for field in self.__slots__}
        return Attachment(**{**fields, "name": name})

    def open(self) -> BinaryIO:
        """Open a stream of the decoded file; the caller closes it.

        Raises:
            AttachmentError: here or while reading, if the bytes cannot be read or decoded.
        """
        return self._content.open()

    @property
    def safe_name(self) -> str:
        """The name made safe for every file system: one part of a path, without separators or control characters."""
        return safe_name(self.name)

    @property
    def detected_type(self) -> str | None:
        """The media type that the first bytes show; None for a format that is not known here, such as a text.

        Raises:
            AttachmentError: the bytes cannot be read or decoded.
        """
        found = detect_format(self.head())
        return found.type if found else None

    def head(self) -> bytes:
        """Read the first 4,096 bytes, which show the format; fewer of a smaller file.

        Raises:
            AttachmentError: the bytes cannot be read or decoded.
        """
        return self._content.head(HEAD_SIZE)

    def first(self, most: int) -> bytes:
        """Read the start of the file, all of a file that is not larger.

        Args:
            most: most bytes to read.

        Raises:
            AttachmentError: the bytes cannot be read or decoded.
        """
        found, size = [], 0
        with closing(self._content.pieces()) as pieces:
            for piece in pieces:
                found.append(piece)
                size += len(piece)
                if size >= most:
                    break
        return b"".join(found)[:most]

    def pieces(self) -> Iterator[bytes]:
        """Iterate over the decoded file in pieces.

        Raises:
            AttachmentError: while reading, if the bytes cannot be read or decoded.
        """
        return self._content.pieces()

    @property
    def size(self) -> int:
        """Bytes of the decoded file. The first use of `size` or `sha256` reads the file once."""
        return self._content.measure.size

    @property
    def sha256(self) -> str:
        """SHA-256 of the decoded file, lower-case hex."""
        return self._content.measure.sha256

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the decoded file to a path. The file appears whole or not at all.

        Args:
            path: path of the caller's choice; for a path that holds the packet's name, use `safe_name`.

        Raises:
            AttachmentError: the bytes cannot be read or decoded.
            OSError: the file cannot be written.
        """
        save_atomic(os.fspath(path), self.pieces)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Attachment is frozen; make a new one instead of setting {name}")

    def __reduce__(self) -> tuple[Any, ...]:
        # copying and pickling go through the constructor, since nothing can be set afterwards
        fields = {name.lstrip("_"): getattr(self, name) for name in self.__slots__}
        return partial(Attachment, **fields), ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Attachment):
            return NotImplemented
        return self._comparable_fields() == other._comparable_fields() and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self._comparable_fields())

    def __repr__(self) -> str:
        return f"Attachment(name={self.name!r}, content_type={self.content_type!r})"

    def _comparable_fields(self) -> tuple[str | None, ...]:
        return self.name, self.content_type, self.description, self.content_id


@dataclass(frozen=True, slots=True)
class AttachmentDigest:
    """Name, size and hash of an attachment, as a seal lists them.

    Args:
        name: file name.
        size: bytes of the decoded file.
        sha256: SHA-256 of the decoded file, lower-case hex.
    """

    name: str
    size: int
    sha256: str


def _guess_type(name: str, stream: BinaryIO) -> str:
    """Guess the media type of a file from its name, else from its first bytes."""
    by_name = guess_type(name)
    found = detect_format(stream.read(HEAD_SIZE)) if by_name == UNKNOWN_TYPE else None
    # the type of a zip would mean a zip around the file
    return found.type if found and found.type != ZIP_TYPE else by_name
