"""What a file is, by its first bytes: the formats that travel with documents, in one table.

A container says only its family: which of the office formats an OLE file or a zip is may stand far behind its head.
"""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass

HEAD = 4096
"""Bytes that are looked at."""
ANYTHING = "application/octet-stream"
"""The type that says nothing."""

_OOXML = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument"
_SILENT = {"", ANYTHING, "application/unknown", "application/x-download", "application/force-download"}


@dataclass(frozen=True, slots=True)
class Format:
    """A format, or a family of formats with one head.

    Args:
        type: its media type.
        head: what it begins with, as a pattern.
        also: further media types, and beginnings of types (ending in ``*``), of files with this head.
        always: whether every file of these types has this head.
    """

    type: str
    head: re.Pattern[bytes]
    also: tuple[str, ...] = ()
    always: bool = True

    def goes_with(self, media_type: str) -> bool:
        """Whether a file with this head may be of a type."""
        return _listed(media_type, (self.type, *self.also))


def _listed(media_type: str, names: tuple[str, ...]) -> bool:
    return any(media_type.startswith(one[:-1]) if one.endswith("*") else media_type == one for one in names)


def _format(media_type: str, head: bytes, *also: str, always: bool = True) -> Format:
    return Format(media_type, re.compile(head, re.DOTALL), also, always)


_PDF, _BEFORE_PDF = b"%PDF-", 1024
_PK = rb"PK\x03\x04.{26}"
_OFFICE = _PK + rb"(?:\[Content_Types\]|_rels/|docProps/).*?"
_ZIPPED = (
    *(f"{_OOXML}*", f"{_ODF}*", "application/epub+zip", "application/java-archive", "application/vnd.etsi.asic*"),
    *("application/vnd.google-earth.kmz", "application/vnd.android.package-archive", "application/vnd.ms-*12"),
)

FORMATS = (
    _format("application/pdf", rb".{0,%d}?%b" % (_BEFORE_PDF, _PDF), "application/x-pdf"),
    _format(f"{_OOXML}.wordprocessingml.document", _OFFICE + rb"word/",
            f"{_OOXML}.wordprocessingml.*", "application/vnd.ms-word.*", "application/zip"),
    _format(f"{_OOXML}.spreadsheetml.sheet", _OFFICE + rb"xl/",
            f"{_OOXML}.spreadsheetml.*", "application/vnd.ms-excel.*", "application/zip"),
    _format(f"{_OOXML}.presentationml.presentation", _OFFICE + rb"ppt/",
            f"{_OOXML}.presentationml.*", "application/vnd.ms-powerpoint.*", "application/zip"),
    _format(f"{_ODF}.text", _PK + rb"mimetypeapplication/vnd\.oasis\.opendocument\.", f"{_ODF}*", "application/zip"),
    _format("application/zip", rb"PK(?:\x03\x04|\x05\x06)", "application/x-zip-compressed", "application/x-zip",
            "application/vnd.ms-word.*", "application/vnd.ms-excel.*", "application/vnd.ms-powerpoint.*", *_ZIPPED),
    # encrypted office files are wrapped in OLE whatever they are inside
    _format("application/x-ole-storage", rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword",
            "application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/vnd.ms-*", "application/x-ms*",
            "application/vnd.visio", f"{_OOXML}*"),
    _format("application/rtf", rb"\{\\rtf", "text/rtf", "application/msword"),
    _format("image/png", rb"\x89PNG\r\n\x1a\n"),
    _format("image/jpeg", rb"\xff\xd8\xff", "image/jpg", "image/pjpeg"),
    _format("image/gif", rb"GIF8[79]a"),
    _format("image/tiff", rb"II[*+]\x00|MM\x00[*+]", "image/tif", "image/x-*"),
    _format("image/bmp", rb"BM.{4}\x00{4}", "image/x-ms-bmp", "image/x-bmp"),
    _format("image/webp", rb"RIFF.{4}WEBP"),
    _format("application/x-7z-compressed", rb"7z\xbc\xaf\x27\x1c"),
    _format("application/vnd.rar", rb"Rar!\x1a\x07", "application/x-rar-compressed", "application/x-rar",
            "application/rar"),
    _format("application/gzip", rb"\x1f\x8b\x08", "application/x-gzip", "application/x-tar", always=False),
    _format("video/mp4", rb".{4}ftyp", "video/*", "audio/*", "image/heic", "image/avif", always=False),
    _format("audio/mpeg", rb"ID3[\x02-\x04]|\xff[\xfb\xf3\xf2]", "audio/*", always=False),
    _format("audio/wav", rb"RIFF.{4}WAVE", "audio/*", always=False),
    _format("application/vnd.microsoft.portable-executable", rb"MZ.{0,62}\x00\x00", "application/x-msdownload",
            "application/x-msdos-program", "application/x-dosexec", always=False),
    _format("application/x-executable", rb"\x7fELF", "application/x-elf", "application/x-sharedlib", always=False),
    _format("text/html", rb"\s*<(?i:!doctype html|html)", "application/xhtml+xml", "text/*", always=False),
    _format("application/xml", rb"(?:\xef\xbb\xbf)?\s*<\?xml\s", "text/*", "image/svg+xml", "application/*",
            always=False),
)  # fmt: skip
"""Tried in this order; the first whose head is there counts."""
# all but the first, which may stand further behind and is found sooner by itself
_HEADS = re.compile(b"|".join(b"(%b)" % one.head.pattern for one in FORMATS[1:]), re.DOTALL)

_WITH_HEAD = {name for one in FORMATS if one.always for name in (one.type, *one.also)}
_TEXTS = ("text/*", "application/json", "application/xml", "application/csv", "image/svg+xml")
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")

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


def type_of(name: str) -> str:
    """The media type a file name suggests."""
    return _TYPES.guess_type(name)[0] or ANYTHING


def detected(head: bytes) -> Format | None:
    """The format of a file, by its first `HEAD` bytes; None for a text and for what is not in the table."""
    if head.find(_PDF, 0, _BEFORE_PDF + len(_PDF)) >= 0:
        return FORMATS[0]
    found = _HEADS.match(head)
    return FORMATS[found.lastindex or 0] if found else None


def says_nothing(media_type: str) -> bool:
    """Whether a file of any format may be of a type."""
    return _bare(media_type) in _SILENT


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def contradiction(head: bytes, media_type: str) -> str:
    """What a file is, where that cannot be the type given; empty where it can.

    Args:
        head: its first `HEAD` bytes.
        media_type: the type, parameters allowed.
    """
    stated = _bare(media_type)
    if stated in _SILENT or not head:
        return ""
    found = detected(head)
    if found is not None:
        return "" if found.goes_with(stated) else found.type
    if stated not in _WITH_HEAD and not (_listed(stated, _TEXTS) and _is_binary(head)):
        return ""
    return ANYTHING if _is_binary(head) else "text/plain"


def _is_binary(head: bytes) -> bool:
    # UTF-16 is text with many zero bytes; it says so by its mark
    return not head.startswith((b"\xff\xfe", b"\xfe\xff")) and _NO_TEXT.search(head) is not None
