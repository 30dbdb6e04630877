"""Reading packets as the hub does (edXML packet)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.mockhub.codes import RefusedError
from edoc_connector.mockhub.packets import extract_facts, parse_packet

Make = Callable[..., Any]


@pytest.fixture
def parse(tmp_path: Path) -> Callable[[bytes], Any]:
    def run(data: bytes) -> Any:
        path = tmp_path / "packet.edxml"
        path.write_bytes(data)
        return parse_packet(path)

    return run


@pytest.mark.parametrize(
    "data",
    [
        b"", b"no xml", b"<a>", b"<a/>junk", b"1212<?xml version='1.0'?><a/>", b"<a>&b;</a>", b"<a x='1' x='2'/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<?xml version='1.0' encoding='x-unheard-of'?><a/>", b"<a>\xff</a>",
        b"<a>" * 100 + b"</a>" * 100, b"<a>" + b"<b/>" * 200_001 + b"</a>", b"<a>" + b"x" * 17_000_000 + b"</a>",
    ],
)  # fmt: skip
def test_what_is_not_xml_or_not_harmless_is_refused(parse: Make, data: bytes) -> None:
    """Building blocks, "Parsing": refuse every DOCTYPE, bound depth and size; not well formed is 22."""
    with pytest.raises(RefusedError, match="22: the packet is not edXML"):
        parse(data)


def test_undeclared_prefixes_are_read(parse: Make, packet: Make) -> None:
    """edXML packet, "Seen in the wild": packets with an `xlink:` nobody declared are on the national hub."""
    data = packet(attachments=(("cid:1", "a.pdf", "application/pdf", b"x"),))
    undeclared = data.replace(b' xmlns:xlink="http://www.w3.org/1999/xlink"', b"")
    assert extract_facts(parse(undeclared)) == extract_facts(parse(data))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"edXML:", b""),
        (b"Bussiness", b"Business"),
        (b"<?xml", b"\xef\xbb\xbf<?xml"),
        (b"</edXML>\n", b"</edXML>\r\n\r\n"),
        (b"http://www.mic.gov.vn/TBT/QCVN_102_2016", b"http://www.e-doc.vn/Schema/"),
        (b"edXMLBody", b"Body"),
        (b"G22", b" G22\n"),
    ],
)
def test_other_spellings_say_the_same(parse: Make, packet: Make, old: bytes, new: bytes) -> None:
    """edXML packet, "Seen in the wild": prefixes, one s, other namespaces, a BOM and white space make no difference."""
    data = packet(business="2")
    assert extract_facts(parse(data.replace(old, new))) == extract_facts(parse(data))


def test_an_envelope_may_be_the_root(parse: Make, status: Make) -> None:
    """edXML packet, "Seen in the wild": root edXMLEnvelope without the outer edXML."""
    data = status()
    start, end = data.index(b"<edXML:edXMLEnvelope"), data.index(b"</edXML>")
    assert extract_facts(parse(data[start:end])) == extract_facts(parse(data))


def test_a_status_says_what_it_answers(parse: Make, status: Make) -> None:
    """edXML packet, "Status packet": From, ResponseFor and StatusCode; the recipient is the document's sender."""
    found = extract_facts(parse(status()))
    assert (found.kind, found.recipients, found.status, found.code) == ("status", ("H29.05",), "03", "7816/SNV-VP")
    with pytest.raises(RefusedError, match="nowhere who is to receive"):
        extract_facts(parse(status(to="")))
