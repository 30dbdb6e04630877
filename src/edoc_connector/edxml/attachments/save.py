"""Saving of all attachments of a packet to a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..._core import save_folder
from .attachment import Attachment
from .filenames import DistinctNames, safe_name


def save_all(attachments: Sequence[Attachment], folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Save attachments to a folder, under names made safe (`Attachment.safe_name`) and distinct.

    A new folder appears with all files in it, or not at all. In an existing folder each file appears whole or not at
    all; no file is replaced, a new one of the same name gets a number.

    Args:
        attachments: the attachments, for example all of a packet.
        folder: path of the folder; its parent must exist.

    Returns:
        The paths of the files, in the order of the attachments.

    Raises:
        AttachmentError: the bytes of an attachment cannot be read or decoded.
        OSError: a file cannot be written.
    """
    target = Path(folder)
    is_new = not os.path.lexists(target)
    used_names = DistinctNames(() if is_new else (path.name for path in target.iterdir()))
    names = [used_names.pick(safe_name(attachment.name)) for attachment in attachments]
    if is_new:
        save_folder(target, [(name, attachment.pieces()) for name, attachment in zip(names, attachments, strict=True)])
    files = tuple(target / name for name in names)
    if not is_new:
        for attachment, file in zip(attachments, files, strict=True):
            attachment.save(file)
    return files
