"""The XML Schema of the packets that the library writes: ``document.xsd`` and ``status.xsd``, made of the tables.

The schemas are strict, as writing is; packets of other systems may be correct and yet not follow them (order, empty
elements).
"""

from .load import read_source, schema

__all__ = ["read_source", "schema"]
