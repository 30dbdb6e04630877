"""Files of Django's storages as attachments, and attachments as such files."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from django.core.files import File

from ...edxml import Attachment


def build_attachment(file: Any, *, name: str = "", description: str | None = None) -> Attachment:
    """Build an attachment of a model's file field.

    A file on a local disk is streamed from there. One of another storage is read into memory.

    Args:
        file: the value of the field, a FieldFile.
        name: file name in the packet; left out, that in the storage.
        description: text for a person.

    Raises:
        AttachmentError: the file is not there.
    """
    name = name or PurePosixPath(file.name).name
    try:
        path = file.path
    except NotImplementedError:  # what a storage without paths says
        with file.open("rb") as stream:
            return Attachment.from_bytes(stream.read(), name=name, description=description)
    return Attachment.from_path(path, name=name, description=description)


def open_attachment(attachment: Attachment) -> File:
    """Open an attachment as a file to assign to a model's file field; it is copied when the model is saved.

    Its name is made safe for every storage.

    Raises:
        AttachmentError: the bytes cannot be decoded.
    """
    return File(attachment.open(), name=attachment.safe_name)
