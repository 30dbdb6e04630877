"""File names from packets, made safe for every file system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from ..._core import to_nfc

MAX_BYTES = 200
"""Most UTF-8 bytes of a safe name: under the 255 that file systems allow, with room for a suffix of the caller's."""

# Devices (Windows, "Naming Files, Paths, and Namespaces"; CLOCK$ is MS-DOS's), as `_is_device` folds their names.
_DEVICE = re.compile(r"con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9]")
_LONGEST_DEVICE = len("conout$")
# stays as it is, unless it is reserved
_SAFE_NAME = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9_. -]{0,98}[A-Za-z0-9_-])?")
_SEPARATORS = re.compile(r'[/\\:*?"<>|]')
# controls, bidirectional marks, unassigned code points, line ends
_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def safe_name(name: str, *, fallback: str = "attachment") -> str:
    """Make a name safe for any file system, so that it can only name a file in the folder it is put in.

    Separators, drive letters and wildcards become ``_``; control, bidirectional and unassigned characters go; names
    that Windows reserves get a ``_`` before them; the name is cut to `MAX_BYTES`, its extension kept.

    Args:
        name: the name as a packet gives it.
        fallback: the name that replaces an empty one.
    """
    if _SAFE_NAME.fullmatch(name) and not _is_device(name):
        return name
    text = to_nfc(name)
    text = "".join(
        " " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) not in _INVISIBLE_CATEGORIES
    )
    text = _SEPARATORS.sub("_", text).strip(". ")
    if not text:
        return fallback
    if _is_device(text):
        text = f"_{text}"
    return _shorten(text)


def _is_device(name: str) -> bool:
    """Tell whether Windows opens a device under this name, whatever extension or stream is behind it.

    Spaces before the first dot or colon do not count to Windows, and ¹, ² and ³ are digits to it. Other letters that
    are read as those of a device (full width, circled) count here too: a conversion on the way may make them so.
    """
    stem = re.split(r"[.:]", name, maxsplit=1)[0].rstrip()
    if len(stem) > _LONGEST_DEVICE:
        return False
    return _DEVICE.fullmatch(unicodedata.normalize("NFKC", stem).casefold()) is not None


class DistinctNames:
    """Names that differ from each other and from those in use; case makes no difference.

    Each number is tried once, so that ten thousand files of one name take ten thousand steps.

    Args:
        used_names: names in use, in any case.
    """

    def __init__(self, used_names: Iterable[str] = ()) -> None:
        self._used = {name.casefold() for name in used_names}
        self._numbers: dict[str, int] = {}

    def pick(self, name: str) -> str:
        """Pick the name, or where it is in use the name with a number before its extension; it is in use from then on.

        Args:
            name: a safe name.
        """
        key = name.casefold()
        candidate, self._numbers[key] = _find_free_name(name, self._used, self._numbers.get(key, 1))
        self._used.add(candidate.casefold())
        return candidate


def distinct(name: str, used_names: set[str]) -> str:
    """Make one name distinct from those used so far, by a number before its extension; `DistinctNames` is for many.

    Args:
        name: a safe name.
        used_names: names used so far, case-folded; the result is added.
    """
    candidate, _ = _find_free_name(name, used_names, 1)
    used_names.add(candidate.casefold())
    return candidate


def _find_free_name(name: str, used_names: set[str], number: int) -> tuple[str, int]:
    """Find a name that is not used, trying numbers from the given one on, where 1 is the name itself."""
    stem, dot, extension = name.rpartition(".")
    stem, extension = (stem, dot + extension) if stem else (name, "")
    while (candidate := name if number == 1 else f"{stem} ({number}){extension}").casefold() in used_names:
        number += 1
    return candidate, number


def _shorten(text: str) -> str:
    if len(text.encode()) <= MAX_BYTES:
        return text
    stem, dot, extension = text.rpartition(".")
    tail = dot + extension if stem and len(extension.encode()) <= 20 else ""
    stem_bytes = (stem if tail else text).encode()[: MAX_BYTES - len(tail.encode())]
    return stem_bytes.decode("utf-8", "ignore").rstrip(". ") + tail
