"""Limits on packets and on the zips in them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the size and depth of a packet.

    Args:
        skeleton: most bytes outside attachment texts.
        tag: most bytes of one tag, comment or instruction.
        depth: most nested elements.
        elements: most elements, comments and processing instructions in all.
        attributes: most attributes on one element.
        namespaces: most different namespace declarations, prefixes without one among them; one may be repeated.
        uri: most characters of a namespace.
        recoded: most bytes of a packet in UTF-16, which is recoded in memory.
        unpacked: most bytes that the zipped attachments of a packet may unpack to, each zip inside another counted too.
        ratio: most times their packed size that they may unpack to, beyond the first 10 MiB.
        entries: most files and folders in a zip around an attachment.
        nesting: most zips around one attachment, one inside the other.
    """

    skeleton: int = 16 << 20
    tag: int = 1 << 20
    depth: int = 64
    elements: int = 100_000
    attributes: int = 64
    namespaces: int = 512
    uri: int = 256
    recoded: int = 64 << 20
    unpacked: int = 2 << 30
    ratio: int = 200
    entries: int = 1_000
    nesting: int = 2
