"""The schema of written packets: made of the tables, followed by every packet ("Document packet", "Status packet")."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from lxml import etree

import edoc_connector.edxml as edxml
from edoc_connector.edxml.schema import read_source, schema

_GENERATOR = Path(__file__).resolve().parents[2] / "docs" / "generate_xsd.py"


@pytest.mark.parametrize("kind", ["document", "status"])
def test_the_schema_is_current(kind: Literal["document", "status"]) -> None:
    """The schema shipped is that of the tables; else run ``python docs/generate_xsd.py``."""
    spec = importlib.util.spec_from_file_location("generate_xsd", _GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.generated(kind).encode() == read_source(kind)


def test_every_packet_of_the_tests_is_validated(
    document: Callable[..., edxml.Document],
    status: Callable[..., edxml.StatusMessage],
    written: Callable[..., bytes],
    validated: list[str],
) -> None:
    """Every packet that a test writes is validated by the schema."""
    before = len(validated)
    written(document())
    written(status())
    assert validated[before:] == ["document", "status"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<edXML:Subject>V/v kết nối, liên thông văn bản</edXML:Subject>", ""),
        ("<edXML:Subject>V/v kết nối", "<edXML:Subject>" + "x" * 500),
        ("<edXML:CodeNumber>7816<", "<edXML:CodeNumber>781678167816<"),
        ("<edXML:Type>2<", "<edXML:Type>two<"),
        ("2026/11/20</edXML:Prom", "20/11/2026</edXML:Prom"),
        ("<edXML:BussinessDocType>0<", "<edXML:BussinessDocType>4<"),
        ("<edXML:Paper>0<", "<edXML:Paper>false<"),
        ("</edXML:Code>", "</edXML:Code><edXML:Odd/>"),
        ("<edXML:ContentId>cid:attachment-1<", "<edXML:ContentId>cid:other<"),
        ("JVBERi0xLjQgY29udGVudA==", ""),
        ("<edXML:TraceHeaderList>", "<edXML:DigitalSignature/><edXML:TraceHeaderList>"),
    ],
)
def test_what_breaks_the_standard_breaks_the_schema(
    old: str, new: str, document: Callable[..., edxml.Document], written: Callable[..., bytes]
) -> None:
    """The schema is no rubber stamp: a change of any kind in a right packet is refused."""
    text = written(document()).decode()
    assert schema("document").validate(etree.fromstring(text.encode()))
    assert old in text
    assert not schema("document").validate(etree.fromstring(text.replace(old, new).encode()))


def test_the_same_recipient_twice_breaks_the_schema(
    document: Callable[..., edxml.Document], written: Callable[..., bytes]
) -> None:
    """ "The same OrganId twice is an error"."""
    text = written(document()).decode()
    start, end = text.index("<edXML:To>"), text.index("</edXML:To>") + len("</edXML:To>")
    twice = text[:end] + text[start:end] + text[end:]
    assert not schema("document").validate(etree.fromstring(twice.encode()))
