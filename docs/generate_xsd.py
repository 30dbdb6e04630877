"""Writes the XML Schema of what the library writes, from the tables that drive the code.

Run ``python docs/generate_xsd.py`` after a change of a table; a test fails while the schema is not current.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from xml.sax.saxutils import quoteattr

from edoc_connector.edxml import NS, TABLES, Kind, Row, Severity, Table

FOLDER = Path(str(resources.files("edoc_connector.edxml"))) / "schema"
_HEAD = f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- The {{kind}} packet as edoc_connector writes it (QCVN 102:2016/BTTTT, amendment 1:2022).
     Made of the tables that drive the code by docs/generate_xsd.py: change those, not this. -->
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="{NS}"
           targetNamespace="{NS}" elementFormDefault="qualified">
"""
_SIGNATURE = """\
  <xs:complexType name="edXMLHeader">
    <xs:sequence>
      <xs:element name="MessageHeader" type="MessageHeader"/>
{trace}      <!-- an XML Signature, which has its own schema -->
      <xs:any namespace="http://www.w3.org/2000/09/xmldsig#" processContents="skip" minOccurs="0"/>
    </xs:sequence>
  </xs:complexType>
"""
_STATUS = """
  <xs:element name="edXML">
    <xs:complexType>
      <xs:sequence>
        <xs:element name="edXMLEnvelope">
          <xs:complexType>
            <xs:sequence>
              <xs:element name="edXMLHeader" type="edXMLHeader"/>
            </xs:sequence>
          </xs:complexType>
        </xs:element>
      </xs:sequence>
    </xs:complexType>
  </xs:element>
"""
_DOCUMENT = """
  <xs:element name="edXML">
    <xs:complexType>
      <xs:sequence>
        <xs:element name="edXMLEnvelope">
          <xs:complexType>
            <xs:sequence>
              <xs:element name="edXMLHeader" type="edXMLHeader"/>
              <xs:element name="edXMLBody">
                <xs:complexType>
                  <xs:sequence>
                    <xs:element name="edXMLManifest">
                      <xs:complexType>
                        <xs:sequence>
                          <xs:element name="Reference" type="Reference" minOccurs="0" maxOccurs="unbounded"/>
                        </xs:sequence>
                        <xs:attribute name="version" use="required" fixed="1.0"/>
                      </xs:complexType>
                    </xs:element>
                  </xs:sequence>
                </xs:complexType>
              </xs:element>
            </xs:sequence>
          </xs:complexType>
        </xs:element>
        <xs:element name="AttachmentEncoded">
          <xs:complexType>
            <xs:sequence>
              <xs:element name="Attachment" type="Attachment" minOccurs="0" maxOccurs="unbounded"/>
            </xs:sequence>
          </xs:complexType>
        </xs:element>
      </xs:sequence>
    </xs:complexType>
    <!-- every Reference has exactly one Attachment with the same id, and the reverse -->
    <xs:key name="attachment" xmlns:e="{ns}">
      <xs:selector xpath="e:AttachmentEncoded/e:Attachment"/>
      <xs:field xpath="e:ContentId"/>
    </xs:key>
    <xs:key name="reference" xmlns:e="{ns}">
      <xs:selector xpath="e:edXMLEnvelope/e:edXMLBody/e:edXMLManifest/e:Reference"/>
      <xs:field xpath="e:ContentId"/>
    </xs:key>
    <xs:keyref name="reference-of-attachment" refer="reference" xmlns:e="{ns}">
      <xs:selector xpath="e:AttachmentEncoded/e:Attachment"/>
      <xs:field xpath="e:ContentId"/>
    </xs:keyref>
    <xs:keyref name="attachment-of-reference" refer="attachment" xmlns:e="{ns}">
      <xs:selector xpath="e:edXMLEnvelope/e:edXMLBody/e:edXMLManifest/e:Reference"/>
      <xs:field xpath="e:ContentId"/>
    </xs:keyref>
    <!-- the same recipient twice is an error -->
    <xs:unique name="recipient" xmlns:e="{ns}">
      <xs:selector xpath="e:edXMLEnvelope/e:edXMLHeader/e:MessageHeader/e:To"/>
      <xs:field xpath="e:OrganId"/>
    </xs:unique>
  </xs:element>
"""
_TRACE = '      <xs:element name="TraceHeaderList" type="TraceHeaderList"/>\n'
_DOCUMENT_TYPES = {
    "MessageHeader": TABLES["document-header"],
    "TraceHeaderList": TABLES["trace"],
    "Reference": TABLES["reference"],
    "Attachment": TABLES["attachment"],
}


def generated(kind: str) -> str:
    """The schema of one kind of packet."""
    named = _DOCUMENT_TYPES if kind == "document" else {"MessageHeader": TABLES["status-header"]}
    root = _DOCUMENT.format(ns=NS) if kind == "document" else _STATUS
    header = _SIGNATURE.format(trace=_TRACE if kind == "document" else "")
    types = "\n".join(_complex(name, one) for name, one in (named | _inner(named.values())).items())
    return f"{_HEAD.format(kind=kind)}{root}\n{header}\n{types}</xs:schema>\n"


def _inner(tables: Iterable[Table]) -> dict[str, Table]:
    """The tables that rows refer to, by the name of their model."""
    found: dict[str, Table] = {}
    for one in tables:
        for row in one.rows:
            if isinstance(row.kind, Table):
                found |= {row.kind.model.__name__: row.kind} | _inner([row.kind])
    return found


def _complex(name: str, of: Table) -> str:
    body = "".join(_elements([(row.tags, row) for row in of.rows], "      "))
    return f'  <xs:complexType name="{name}">\n    <xs:sequence>\n{body}    </xs:sequence>\n  </xs:complexType>\n'


def _elements(rows: list[tuple[tuple[str, ...], Row]], indent: str) -> Iterator[str]:
    """The elements of rows, those with a common first tag in one group."""
    for name in dict.fromkeys(tags[0] for tags, _ in rows):
        inside = [(tags[1:], row) for tags, row in rows if tags[0] == name]
        if inside[0][0]:
            yield from _group(name, inside, indent)
        else:
            yield from _element(name, inside[0][1], indent, least=int(inside[0][1].required))


def _group(name: str, rows: list[tuple[tuple[str, ...], Row]], indent: str) -> Iterator[str]:
    needed = any(row.required for _, row in rows)
    yield f'{indent}<xs:element name="{name}"{"" if needed else _OPTIONAL}>\n'
    yield f"{indent}  <xs:complexType>\n{indent}    <xs:sequence>\n"
    if len(rows) == 1 and len(rows[0][0]) == 1:  # a group is not written empty
        yield from _element(rows[0][0][0], rows[0][1], indent + "      ", least=1)
    else:
        yield from _elements(rows, indent + "      ")
    yield f"{indent}    </xs:sequence>\n{indent}  </xs:complexType>\n{indent}</xs:element>\n"


_OPTIONAL = ' minOccurs="0"'


def _element(name: str, row: Row, indent: str, *, least: int) -> Iterator[str]:
    occurs = ("" if least else _OPTIONAL) + (' maxOccurs="unbounded"' if row.many else "")
    if isinstance(row.kind, Table):
        yield f'{indent}<xs:element name="{name}" type="{row.kind.model.__name__}"{occurs}/>\n'
        return
    base = "xs:base64Binary" if row.path == "ContentTransferEncoded" else "xs:string"
    yield f'{indent}<xs:element name="{name}"{occurs}>\n'
    yield f'{indent}  <xs:simpleType>\n{indent}    <xs:restriction base="{base}">\n'
    yield from (f"{indent}      {facet}\n" for facet in _facets(row, row.kind))
    yield f"{indent}    </xs:restriction>\n{indent}  </xs:simpleType>\n{indent}</xs:element>\n"


def _facets(row: Row, kind: Kind) -> Iterator[str]:
    yield from (f"<xs:enumeration value={quoteattr(text)}/>" for text in kind.allowed)
    if kind.pattern:
        yield f"<xs:pattern value={quoteattr(kind.pattern)}/>"
    if kind.name in ("text", "OrganId", "DocumentId"):
        yield '<xs:minLength value="1"/>'
    # going over the other limits is a warning, and written
    if row.limit is not None and row.excess_severity is Severity.ERROR:
        yield f'<xs:maxLength value="{row.limit}"/>'


if __name__ == "__main__":
    for one in ("document", "status"):
        (FOLDER / f"{one}.xsd").write_text(generated(one), encoding="utf-8")
