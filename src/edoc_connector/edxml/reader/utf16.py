"""Packets in UTF-16, recoded to UTF-8 before anything else looks at them."""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_LE

from ..findings import Finding, packet_error
from ..limits import Limits
from ..source import Source

_CODECS = {BOM_UTF16_LE: "utf-16-le", BOM_UTF16_BE: "utf-16-be"}
_DECLARED = re.compile(r"""(<\?xml[^>]{0,100}?\sencoding\s*=\s*)("|')(?:utf-16(?:le|be)?|ucs-2)\2""", re.IGNORECASE)
_UTF8 = "utf-8"


def recode_utf16(source: Source, limits: Limits) -> tuple[Source, list[Finding]]:
    """Recode a packet in UTF-16 with a byte order mark; give any other one back as it is.

    The declaration then names UTF-8, filled up with spaces, so that columns stay. The result lies in memory.

    Args:
        source: the packet.
        limits: the limit on its size.

    Returns:
        The packet in UTF-8, and the finding that it was recoded.

    Raises:
        PacketError: the packet is larger than the limit, or no UTF-16.
    """
    codec = _detect_codec(source.read_start(len(BOM_UTF32_LE)))
    if codec is None:
        return source, []
    if source.size > limits.recoded:
        raise packet_error("EDX-LIMIT", "bytes in UTF-16", "byte viết bằng UTF-16", understood=str(limits.recoded))
    with source.open() as stream:
        data = stream.read(limits.recoded)[len(BOM_UTF16_LE) :]
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        line = data[: error.start].decode(codec, "replace").count("\n") + 1
        raise packet_error(
            "EDX-NOT-XML", "its UTF-16 is damaged", "chữ UTF-16 bị hỏng", position=(line, None)
        ) from error
    return Source(data=_declare_utf8(text).encode()), [Finding("EDX-UTF16", "/*", codec.upper(), line=1)]


def _detect_codec(head: bytes) -> str | None:
    # the mark of UTF-32 begins with that of UTF-16
    return None if head == BOM_UTF32_LE else _CODECS.get(head[: len(BOM_UTF16_LE)])


def _declare_utf8(text: str) -> str:
    found = _DECLARED.match(text)
    if found is None:
        return text
    before, quote = found.groups()
    declared = f"{before}{quote}{_UTF8}{quote}"
    return declared.ljust(found.end()) + text[found.end() :]
