"""Documents as a provincial eDoc hub builds them anew from its database, once its cache has lost them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from edoc_connector.mockhub.storage import Agency

_ORGAN_ID = re.compile(rb"(<(?:\w+:)?OrganId(?:\s[^>]*)?>)\s*([^<]*?)\s*(</(?:\w+:)?OrganId>)")
_GONE = ("SteeringType", "ResponseForTask", "TypeDetail")


def translate_codes(packet: bytes, translate: Callable[[str], str]) -> bytes:
    """Write the codes of a packet's agencies in another form, and leave all else as it is.

    Args:
        packet: the packet.
        translate: gives the other form of a code; the code itself where it has none.
    """
    return _ORGAN_ID.sub(lambda found: found[1] + translate(found[2].decode()).encode() + found[3], packet)


def rebuild_document(packet: bytes, *, number: int, find_agency: Callable[[str], Agency | None]) -> bytes:
    """Build a document anew: the hub's number for the DocumentId, names of its directory, and no signature.

    Args:
        packet: the packet as it came.
        number: the hub's.
        find_agency: finds an entry of the directory.
    """
    text = packet.decode()
    for name in _GONE:
        text = re.sub(rf"<(\w+:)?{name}(?:\s[^>]*)?>.*?</(?:\w+:)?{name}>", "", text, flags=re.DOTALL)
    text = re.sub(r"<((?:\w+:)?Signature)\b.*?</\1>", "", text, flags=re.DOTALL)
    text = re.sub(r"(<(?:\w+:)?DocumentId>)[^<]*(<)", rf"\g<1>{number}\2", text, count=1)

    def rename(found: re.Match[str]) -> str:
        agency = find_agency(found[2].strip())
        return found[0] if agency is None else f"{found[1]}{found[2]}{found[3]}{escape(agency.name)}{found[5]}"

    return re.sub(
        r"(<(?:\w+:)?OrganId>)([^<]*)(</(?:\w+:)?OrganId>(?:(?!OrganId>).)*?<(?:\w+:)?OrganName>)([^<]*)(<)",
        rename,
        text,
        flags=re.DOTALL,
    ).encode()
