"""The tolerant reader: packets of any origin as values, with a finding for each deviation."""

from .elements import iter_children
from .packet import Packet
from .parser import parse_scanned, parse_xml
from .positions import XPathIndex
from .read import read
from .skeleton import Skeleton

__all__ = [
    "Packet",
    "Skeleton",
    "XPathIndex",
    "iter_children",
    "parse_scanned",
    "parse_xml",
    "read",
]
