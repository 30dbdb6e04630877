"""The XML Schema of the packets that the library writes: ``document.xsd`` and ``status.xsd``, made of the tables.

They are strict, as writing is; packets of other systems may be right and yet not follow them (order, empty elements).
"""

from __future__ import annotations

from importlib.resources import files
from typing import Literal

from lxml import etree

from ..reader.parser import parse_xml


def schema(kind: Literal["document", "status"]) -> etree.XMLSchema:
    """The schema of one kind of packet, for lxml to validate with."""
    return etree.XMLSchema(parse_xml(source(kind)))


def source(kind: Literal["document", "status"]) -> bytes:
    """The text of the schema."""
    return files(__name__).joinpath(f"{kind}.xsd").read_bytes()
