"""Files on a share that other programs and machines read and write too."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._core import sync_folder

PART = ".edoc-part-"
"""Beginning of the names of what is not whole yet."""


@dataclass(frozen=True, slots=True)
class FileSign:
    """What tells whether a file was changed: never when, as clocks of other machines are not ours."""

    size: int
    changed_at: int


def list_files(folder: Path) -> dict[str, FileSign]:
    """List the files of a folder that may be taken, by name: neither hidden nor links, nor written at the moment."""
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_unfinished(entry.name):
                continue
            with suppress(FileNotFoundError):  # taken away since it was listed
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    found[entry.name] = FileSign(status.st_size, status.st_mtime_ns)
    return found


def list_folders(folder: Path) -> list[str]:
    """List the folders in a folder that are not hidden, in the order of their names."""
    with os.scandir(folder) as entries:
        names = [one.name for one in entries if not one.name.startswith(".") and one.is_dir(follow_symlinks=False)]
    return sorted(names)


_UNFINISHED_STARTS = (".", "~$")
_UNFINISHED_ENDS = ("~", ".tmp", ".temp", ".part", ".partial", ".crdownload", ".filepart", ".lock")


def is_unfinished(name: str) -> bool:
    """Whether a name is one that programs give to files that they are still writing, or to locks."""
    return name.startswith(_UNFINISHED_STARTS) or name.casefold().endswith(_UNFINISHED_ENDS)


MAX_NAME_BYTES = 160
"""Bytes of a name that others may be made of: file systems take 255, and more stands beside it."""


def is_usable_name(name: str) -> bool:
    """Whether other names may be made of a name, and programs everywhere read it: it is UTF-8, and not too long."""
    return len(os.fsencode(name)) <= MAX_NAME_BYTES and shorten_name(name) == name


def shorten_name(name: str) -> str:
    """Shorten a name to what others may be made of; bytes that are no UTF-8 are left out."""
    return os.fsencode(name)[:MAX_NAME_BYTES].decode(errors="ignore").lstrip(".")


def make_folder(folder: Path, *, like: Path) -> None:
    """Make a folder, with those above it that are missing, which those may use who may use another.

    Args:
        folder: path of the folder.
        like: the folder whose rights it gets.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent, like=like)
    with suppress(FileExistsError):  # another program made it a moment ago
        folder.mkdir()
        _share(folder, like, stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO | stat.S_ISGID)


def write_file(path: Path, content: bytes | str | Iterable[bytes], *, like: Path) -> None:
    """Write a file that is on the disk when this returns; it takes its name when it is whole.

    Args:
        path: path of the file.
        content: its bytes, at once or in pieces, or its text, written as UTF-8; what of a stranger's text is no
            letter (half of a surrogate pair) is written as JSON escapes it.
        like: a folder; who may read and write there, may the file.
    """
    part = path.with_name(f"{PART}{secrets.token_hex(8)}")
    whole = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    pieces = (whole,) if isinstance(whole, bytes) else whole
    try:
        with part.open("xb") as out:
            out.writelines(pieces)
            out.flush()
            os.fsync(out.fileno())
        _share(part, like, stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_json(path: Path, value: Any, *, like: Path) -> None:
    """Write a value as JSON, as `write_file` does."""
    write_file(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n", like=like)


def move(source: Path, target: Path) -> None:
    """Give a file or folder another name, in one step, and nobody else's.

    Raises:
        FileExistsError: something has that name.
        OSError: the system refuses, or both are not on one file system.
    """
    if os.path.lexists(target):
        raise FileExistsError(f"{target} is there already")
    source.rename(target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def remove_parts(folder: Path) -> None:
    """Remove what a program left that ended while it was writing."""
    for path in folder.iterdir():
        if path.name.startswith(PART):
            remove(path)


def remove(path: Path) -> None:
    """Remove a file, or a folder with what is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _share(path: Path, like: Path, mask: int) -> None:
    """Give a path the rights of a folder, where its file system knows any."""
    wished = stat.S_IMODE(like.stat().st_mode) & mask
    if stat.S_IMODE(path.stat().st_mode) & mask != wished:
        with suppress(PermissionError):  # a share whose server gives the rights
            path.chmod(wished)
