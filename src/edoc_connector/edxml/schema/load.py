"""Loading of the schemas that come with the package."""

from __future__ import annotations

from importlib.resources import files
from typing import Literal

from lxml import etree

from ..reader import parse_xml


def schema(kind: Literal["document", "status"]) -> etree.XMLSchema:
    """Load the schema of a kind of packet, for validation with lxml."""
    return etree.XMLSchema(parse_xml(read_source(kind)))


def read_source(kind: Literal["document", "status"]) -> bytes:
    """Read the text of the schema of a kind of packet."""
    return files(__package__).joinpath(f"{kind}.xsd").read_bytes()
