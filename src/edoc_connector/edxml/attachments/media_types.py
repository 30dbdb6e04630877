"""Media types by file name and by first bytes: the formats that travel with documents, in one table.

A container shows only its family: which of the office formats an OLE file or a zip holds may stand far behind its head.
"""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass

HEAD_SIZE = 4096
"""Bytes that show the format of a file."""
UNKNOWN_TYPE = "application/octet-stream"
"""The media type of unknown content."""

_OOXML = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument"
_GENERIC_TYPES = {"", UNKNOWN_TYPE, "application/unknown", "application/x-download", "application/force-download"}


@dataclass(frozen=True, slots=True)
class Format:
    """A format, or a family of formats with one head.

    Args:
        type: its media type.
        head: its first bytes, as a pattern.
        aliases: further media types, and beginnings of types (ending in ``*``), of files with this head.
        has_fixed_head: whether every file of these types has this head.
    """

    type: str
    head: re.Pattern[bytes]
    aliases: tuple[str, ...] = ()
    has_fixed_head: bool = True

    def accepts_type(self, media_type: str) -> bool:
        """Tell whether a file with this head may be of a media type."""
        return _matches_any(media_type, (self.type, *self.aliases))


def _matches_any(media_type: str, names: tuple[str, ...]) -> bool:
    return any(media_type.startswith(one[:-1]) if one.endswith("*") else media_type == one for one in names)


def _row(media_type: str, head: bytes, *aliases: str, has_fixed_head: bool = True) -> Format:
    return Format(media_type, re.compile(head, re.DOTALL), aliases, has_fixed_head)


_PDF, _BEFORE_PDF = b"%PDF-", 1024
_PK = rb"PK\x03\x04.{26}"
_OFFICE = _PK + rb"(?:\[Content_Types\]|_rels/|docProps/).*?"
_ZIP_BASED_TYPES = (
    *(f"{_OOXML}*", f"{_ODF}*", "application/epub+zip", "application/java-archive", "application/vnd.etsi.asic*"),
    *("application/vnd.google-earth.kmz", "application/vnd.android.package-archive", "application/vnd.ms-*12"),
)

FILE_FORMATS = (
    _row("application/pdf", rb".{0,%d}?%b" % (_BEFORE_PDF, _PDF), "application/x-pdf"),
    _row(f"{_OOXML}.wordprocessingml.document", _OFFICE + rb"word/",
            f"{_OOXML}.wordprocessingml.*", "application/vnd.ms-word.*", "application/zip"),
    _row(f"{_OOXML}.spreadsheetml.sheet", _OFFICE + rb"xl/",
            f"{_OOXML}.spreadsheetml.*", "application/vnd.ms-excel.*", "application/zip"),
    _row(f"{_OOXML}.presentationml.presentation", _OFFICE + rb"ppt/",
            f"{_OOXML}.presentationml.*", "application/vnd.ms-powerpoint.*", "application/zip"),
    _row(f"{_ODF}.text", _PK + rb"mimetypeapplication/vnd\.oasis\.opendocument\.", f"{_ODF}*", "application/zip"),
    _row("application/zip", rb"PK(?:\x03\x04|\x05\x06)", "application/x-zip-compressed", "application/x-zip",
            "application/vnd.ms-word.*", "application/vnd.ms-excel.*", "application/vnd.ms-powerpoint.*",
            *_ZIP_BASED_TYPES),
    # encrypted office files are wrapped in OLE whatever they are inside
    _row("application/x-ole-storage", rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword",
            "application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/vnd.ms-*", "application/x-ms*",
            "application/vnd.visio", f"{_OOXML}*"),
    _row("application/rtf", rb"\{\\rtf", "text/rtf", "application/msword"),
    _row("image/png", rb"\x89PNG\r\n\x1a\n"),
    _row("image/jpeg", rb"\xff\xd8\xff", "image/jpg", "image/pjpeg"),
    _row("image/gif", rb"GIF8[79]a"),
    _row("image/tiff", rb"II[*+]\x00|MM\x00[*+]", "image/tif", "image/x-*"),
    _row("image/bmp", rb"BM.{4}\x00{4}", "image/x-ms-bmp", "image/x-bmp"),
    _row("image/webp", rb"RIFF.{4}WEBP"),
    _row("application/x-7z-compressed", rb"7z\xbc\xaf\x27\x1c"),
    _row("application/vnd.rar", rb"Rar!\x1a\x07", "application/x-rar-compressed", "application/x-rar",
            "application/rar"),
    _row("application/gzip", rb"\x1f\x8b\x08", "application/x-gzip", "application/x-tar", has_fixed_head=False),
    _row("video/mp4", rb".{4}ftyp", "video/*", "audio/*", "image/heic", "image/avif", has_fixed_head=False),
    _row("audio/mpeg", rb"ID3[\x02-\x04]|\xff[\xfb\xf3\xf2]", "audio/*", has_fixed_head=False),
    _row("audio/wav", rb"RIFF.{4}WAVE", "audio/*", has_fixed_head=False),
    _row("application/vnd.microsoft.portable-executable", rb"MZ.{0,62}\x00\x00", "application/x-msdownload",
            "application/x-msdos-program", "application/x-dosexec", has_fixed_head=False),
    _row("application/x-executable", rb"\x7fELF", "application/x-elf", "application/x-sharedlib", has_fixed_head=False),
    _row("text/html", rb"\s*<(?i:!doctype html|html)", "application/xhtml+xml", "text/*", has_fixed_head=False),
    _row("application/xml", rb"(?:\xef\xbb\xbf)?\s*<\?xml\s", "text/*", "image/svg+xml", "application/*",
            has_fixed_head=False),
)  # fmt: skip
"""Tried in this order; the first that matches counts."""
# all but the first, which may stand further behind and is found sooner by itself
_HEADS = re.compile(b"|".join(b"(%b)" % one.head.pattern for one in FILE_FORMATS[1:]), re.DOTALL)

_FIXED_HEAD_TYPES = {name for one in FILE_FORMATS if one.has_fixed_head for name in (one.type, *one.aliases)}
_TEXT_TYPES = ("text/*", "application/json", "application/xml", "application/csv", "image/svg+xml")
_CONTROL_BYTES = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")

_EXTENSIONS = {
    ".docx": f"{_OOXML}.wordprocessingml.document",
    ".xlsx": f"{_OOXML}.spreadsheetml.sheet",
    ".pptx": f"{_OOXML}.presentationml.presentation",
    ".odt": f"{_ODF}.text",
    ".ods": f"{_ODF}.spreadsheet",
    ".odp": f"{_ODF}.presentation",
    ".rtf": "application/rtf",
    ".7z": "application/x-7z-compressed",
    ".rar": "application/vnd.rar",
}
# the built-in table only, as the system's files differ between machines and a packet must not; completed with the
# endings that the table lacks or gives differently from version to version
_TYPES = mimetypes.MimeTypes()
for _ending, _type in _EXTENSIONS.items():
    _TYPES.add_type(_type, _ending)


def guess_type(name: str) -> str:
    """Guess the media type of a file from its name."""
    return _TYPES.guess_type(name)[0] or UNKNOWN_TYPE


def detect_format(head: bytes) -> Format | None:
    """Detect the format of a file by its first `HEAD_SIZE` bytes; None for a text or a format not in the table."""
    if head.find(_PDF, 0, _BEFORE_PDF + len(_PDF)) >= 0:
        return FILE_FORMATS[0]
    found = _HEADS.match(head)
    return FILE_FORMATS[found.lastindex or 0] if found else None


def is_generic_type(media_type: str) -> bool:
    """Tell whether a media type fits a file of any format."""
    return _without_parameters(media_type) in _GENERIC_TYPES


def _without_parameters(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def find_contradiction(head: bytes, media_type: str) -> str:
    """Find a contradiction between the first bytes of a file and its media type.

    Args:
        head: the first `HEAD_SIZE` bytes.
        media_type: the stated type, parameters allowed.

    Returns:
        The media type that the bytes show; empty where they fit the stated one.
    """
    stated_type = _without_parameters(media_type)
    if stated_type in _GENERIC_TYPES or not head:
        return ""
    found = detect_format(head)
    if found is not None:
        return "" if found.accepts_type(stated_type) else found.type
    if stated_type not in _FIXED_HEAD_TYPES and not (_matches_any(stated_type, _TEXT_TYPES) and _is_binary(head)):
        return ""
    return UNKNOWN_TYPE if _is_binary(head) else "text/plain"


def _is_binary(head: bytes) -> bool:
    # UTF-16 is text with many zero bytes; a byte order mark tells it apart
    return not head.startswith((b"\xff\xfe", b"\xfe\xff")) and _CONTROL_BYTES.search(head) is not None
