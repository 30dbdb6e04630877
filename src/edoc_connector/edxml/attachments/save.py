"""Writing all attachments of a packet to a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..._core import save_folder
from .attachment import Attachment
from .filenames import distinct, safe_name


def save_all(attachments: Sequence[Attachment], folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Write attachments into a folder, under their names made safe (`Attachment.safe_name`) and distinct.

    A folder that is not there yet appears with all files in it, or not at all. In one that is there each file appears
    whole or not at all; no file is replaced, a new one of the same name gets a number.

    Args:
        attachments: those of a packet, say.
        folder: where to; the folder that holds it must be there.

    Returns:
        The files, in the order of the attachments.

    Raises:
        AttachmentError: the bytes of one cannot be read or decoded.
        OSError: a file cannot be written.
    """
    target = Path(folder)
    is_new = not os.path.lexists(target)
    used_names = set() if is_new else {path.name.casefold() for path in target.iterdir()}
    names = [distinct(safe_name(attachment.name), used_names) for attachment in attachments]
    if is_new:
        save_folder(target, [(name, attachment.pieces()) for name, attachment in zip(names, attachments, strict=True)])
    files = tuple(target / name for name in names)
    if not is_new:
        for attachment, file in zip(attachments, files, strict=True):
            attachment.save(file)
    return files
