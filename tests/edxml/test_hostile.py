"""Hostile input gives a packet or a `PacketError`, without delay."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

import edoc_connector.edxml as edxml
from edoc_connector.edxml.reader import elements, scan
from edoc_connector.errors import AttachmentError, EdocError, PacketError

EXAMPLES = int(os.environ.get("EDOC_FUZZ_EXAMPLES", "400"))
AT = datetime(2026, 11, 21, tzinfo=UTC)
_NS = 'xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"'


@contextmanager
def _without_hanging() -> Iterator[None]:
    """Guard against quadratic work, which would take minutes; exact times are measured elsewhere."""
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < 60


def _read_all(data: bytes) -> edxml.Packet | None:
    """Read everything a packet offers; None where it is refused."""
    try:
        packet = edxml.read(data)
    except PacketError as error:
        _check_words(error, error.code)
        return None
    packet.message.model_dump_json()
    edxml.facts(packet.message)
    assert all(one.message and one.message_vi and (one.clause or one.advice) for one in edxml.remarks(packet, at=AT))
    assert all(finding.message and finding.message_vi for finding in packet.findings)
    for attachment in packet.attachments:
        try:
            assert attachment.size >= 0
        except AttachmentError as error:
            _check_words(error)
    for form in (True, False):
        with suppress(etree.C14NError):
            b"".join(packet.skeleton.iter_canonical(exclusive=form))
    return packet


def _check_words(error: EdocError, code: str = "EDX-") -> None:
    assert code.startswith("EDX-")
    assert error.message
    assert error.vi


def _refused(data: bytes) -> PacketError:
    with _without_hanging(), pytest.raises(PacketError) as caught:
        edxml.read(data)
    return caught.value


@given(data=st.binary(max_size=300))
@settings(max_examples=EXAMPLES, deadline=None)
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a packet or a PacketError."""
    _read_all(data)


@given(data=st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_any_mutation_of_a_packet(data: st.DataObject, attached: Callable[..., str]) -> None:
    """A packet with bytes cut, doubled, overwritten or swapped is a packet or a PacketError."""
    mutated = bytearray(attached(b"PK\x03\x04 some content", kind="application/zip").encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(mutated)))
        size = data.draw(st.integers(0, 60))
        odd = data.draw(
            st.binary(max_size=8)
            | st.sampled_from([b"<", b">", b"&", b"<!--", b"]]>", b"<![CDATA[", b"<?x", b"null", b":", b"\xff", b"/"])
            | st.sampled_from([b"9999/12/31 23:59:59", b"0001-01-01T00:00:00+14:00", b"<edXML:From/>", b" xmlns=''"])
        )
        other = data.draw(st.integers(0, len(mutated)))
        mutated[place : place + size] = data.draw(st.sampled_from([odd, b"", bytes(mutated[other : other + size])]))
    _read_all(bytes(mutated))


@given(inside=st.lists(st.sampled_from(["<a>", "</a>", "<edXML:To>", "</edXML:To>", "x", "<!--c-->"]), max_size=12))
@settings(max_examples=max(100, EXAMPLES // 4), deadline=None)
def test_any_tags_in_the_header(inside: list[str], packet: Callable[..., str]) -> None:
    """Any mixture of tags in MessageHeader is a packet or a PacketError."""
    _read_all(packet(header="".join(inside)).encode())


@pytest.mark.parametrize(
    "inside",
    [
        '<!DOCTYPE edXML [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE edXML [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE edXML SYSTEM "http://127.0.0.1:1/evil.dtd">',
        f'<!DOCTYPE edXML [<!ENTITY a "{"x" * 100_000}">]>',
        "<!DOCTYPE edXML>",
    ],
)
def test_every_doctype_is_refused(inside: str) -> None:
    """Billion laughs, quadratic blow-up, external entities and DTDs all need a DOCTYPE, and there is none."""
    error = _refused(f'<?xml version="1.0"?>\n{inside}<edXML {_NS}>&a;</edXML>'.encode())
    assert (error.code, error.line) == ("EDX-DOCTYPE", 2)


@pytest.mark.parametrize(
    "data",
    [
        b"<a>" * 100_000,
        b"<a " + b" ".join(b"a%d='x'" % number for number in range(1_000_000)) + b"/>",
        b"<a " + b" ".join(b"xmlns:a%d='x'" % number for number in range(100_000)) + b"/>",
        b"<a>" + b"".join(b"<b xmlns:a%d='x'/>" % number for number in range(100_000)) + b"</a>",
        b"<a>" + b"".join(b"<p%d:b/>" % number for number in range(100_000)) + b"</a>",
        b"<a xmlns:p='urn:" + b"x" * 253 + b"'><p:b/></a>",
        b"<a><b xmlns='urn:" + b"x" * 253 + b"'/></a>",
        b"<a>" + b"<b/>" * 300_000 + b"</a>",
        b"<a>" + b"x" * (17 << 20) + b"</a>",
        b"<a b='" + b"x" * (40 << 20) + b"'/>",
        b"<" + b"x" * (20 << 20) + b"/>",
        b"<!--" + b"x" * (40 << 20),
        b"<AttachmentEncoded><Attachment><ContentTransferEncoded>QQ==<!--" + b"x" * (60 << 20),
        b"<AttachmentEncoded><Attachment><ContentTransferEncoded>QQ==<?p?>"
        + b"QUJD" * (5 << 20)
        + b"</ContentTransferEncoded></Attachment></AttachmentEncoded>",
    ],
    ids=[
        "depth",
        "attributes",
        "namespaces",
        "scattered",
        "prefixes",
        "long namespace",
        "long default namespace",
        "elements",
        "text",
        "attribute",
        "name",
        "comment",
        "comment-in-content",
        "instruction-in-content",
    ],
)
def test_more_than_a_limit_is_refused(data: bytes) -> None:
    """100,000 levels, 1,000,000 attributes, 100,000 namespaces, huge texts and tags are refused soon."""
    error = _refused(data)
    assert error.code == "EDX-LIMIT"
    assert "raise the limit" in error.message


@pytest.mark.parametrize("count", [1_000, 90_000])
def test_a_packet_full_of_oddities_is_read(count: int, packet: Callable[..., str]) -> None:
    """Reading of many deviating elements costs time in proportion to their number, and the findings are bounded."""
    data = packet(header="<odd/>" * count).encode()
    with _without_hanging():
        found = edxml.read(data).findings
    assert len(found) <= elements.MAX_FINDINGS + 1
    assert len(edxml.read(data).unknown) <= elements.MAX_FINDINGS + 1
    assert (found[-1].code == "EDX-MANY") == (count > elements.MAX_FINDINGS)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_other_encodings_are_refused(encoding: str, packet: Callable[..., str]) -> None:
    """UTF-16 without a byte order mark, and UTF-32 with and without one, are refused by name."""
    assert _refused(packet().encode(encoding)).code == "EDX-ENCODING"


@pytest.mark.parametrize("declared", ["UTF-7", "utf-16", "ISO-8859-1", "windows-1258", "ebcdic-cp-us"])
def test_declared_encodings_are_refused(declared: str, packet: Callable[..., str]) -> None:
    """A declaration of another encoding is not followed: two readers could see two documents."""
    error = _refused(packet().replace("UTF-8", declared).encode())
    assert error.code == "EDX-ENCODING"
    assert declared in error.message


@pytest.mark.parametrize("declared", ["utf-8", "UTF8", "US-ASCII"])
def test_names_of_utf8_are_read(declared: str, packet: Callable[..., str], codes: Callable[..., list[str]]) -> None:
    """The declaration's spelling of UTF-8 does not matter."""
    assert codes(edxml.read(packet().replace("UTF-8", declared).encode())) == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "EDX-EMPTY-FILE"),
        (b" \r\n", "EDX-EMPTY-FILE"),
        (b"\xef\xbb\xbf", "EDX-EMPTY-FILE"),
        (b"%PDF-1.7", "EDX-NOT-XML"),
        (b"1212<edXML/>", "EDX-LEADING-BYTES"),
        (b"\r\n<?xml version='1.0'?><edXML/>", "EDX-LEADING-BYTES"),
        (b"<?xml version='1.1'?><edXML/>", "EDX-XML-VERSION"),
        (b"<edXML>\x00</edXML>", "EDX-NOT-XML"),
        (b"<edXML>\x01</edXML>", "EDX-NOT-XML"),
        (b"<edXML>\xff</edXML>", "EDX-NOT-XML"),
        (b"<edXML>\xed\xa0\x80</edXML>", "EDX-NOT-XML"),
        (b"<edXML>&unknown;</edXML>", "EDX-NOT-XML"),
        (b"<edXML>&#0;</edXML>", "EDX-NOT-XML"),
        (b"<edXML><a></edXML>", "EDX-NOT-XML"),
        (b"<edXML/><edXML/>", "EDX-NOT-XML"),
        (b"<edXML", "EDX-NOT-XML"),
        (b"<:edXML/>", "EDX-NOT-XML"),
        (b"<a:b:edXML/>", "EDX-NOT-XML"),
        (b"<edXML xmlns:xml='urn:x'/>", "EDX-NOT-XML"),
        (b"<edXML xmlns='urn:x}a/'/>", "EDX-NOT-XML"),  # lxml cannot name such elements; found by fuzzing
        (b"<edXML xmlns:a='urn:{x'/>", "EDX-NOT-XML"),
        (b"<html><body>502 Bad Gateway</body></html>", "EDX-STRUCTURE"),
        (b"<edXML/>", "EDX-STRUCTURE"),
        (b"<edXML xmlns='urn:other'/>", "EDX-STRUCTURE"),
        (b"\n<edXML xmlns='http://www.mic.gov.vn/TBT/QCVN_102_2016'/>", "EDX-STRUCTURE"),
        (b"<edXMLEnvelope/>", "EDX-STRUCTURE"),
        (b"<edXMLEnvelope><edXMLHeader/></edXMLEnvelope>", "EDX-STRUCTURE"),
    ],
)
def test_what_is_no_packet_is_refused(data: bytes, code: str) -> None:
    """Bytes that are not XML 1.0 in UTF-8, or have no header, are refused with code and place."""
    error = _refused(data)
    assert error.code == code
    assert error.line is not None


@pytest.mark.parametrize("part", ["edXMLEnvelope", "edXMLHeader", "MessageHeader"])
@pytest.mark.parametrize("namespace", ["http://www.mic.gov.vn/TBT/QCVN_102_2016", "http://www.go.vn/eDoc"])
def test_a_second_header_is_refused(part: str, namespace: str, packet: Callable[..., str]) -> None:
    """Two headers could be two documents to two readers, whatever their prefix or namespace."""
    text = packet()
    place = text.index(f"<edXML:{part}")
    error = _refused(f'{text[:place]}<{part} xmlns="{namespace}"/>{text[place:]}'.encode())
    assert error.code == "EDX-STRUCTURE"
    assert f"{part} occurs more than once" in error.message


def test_the_error_says_where() -> None:
    """The message names line and column, in both languages."""
    error = _refused(b"<edXML>\n  <a></b></edXML>")
    assert (error.line, error.column) == (2, 8)
    assert "line 2, column 8" in error.message
    assert "dòng 2, cột 8" in error.vi


def test_limits_can_be_raised() -> None:
    """A limit is a setting."""
    deep = b"<edXML>" + b"<a>" * 80 + b"</a>" * 80 + b"</edXML>"
    assert _refused(deep).code == "EDX-LIMIT"
    with pytest.raises(PacketError) as caught:
        edxml.read(deep, limits=edxml.Limits(depth=100))
    assert caught.value.code == "EDX-STRUCTURE"


@pytest.mark.parametrize("chunk", [1, 5, 1 << 20])
def test_findings_do_not_depend_on_read_sizes(chunk: int, attached: Callable[..., str]) -> None:
    """The packet and its findings are the same for every size of reads."""
    data = attached("<!--c-->QUJD\r\n<![CDATA[QUJD]]>&#81;UJD").encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "_FEED_SIZE", chunk)
        packet = edxml.read(data)
        with packet.attachments[0].open() as stream:
            assert stream.read() == b"ABC" * 3
    assert [finding.code for finding in packet.findings] == ["EDX-COMMENT", "EDX-BASE64-SPACE"]


def test_a_long_namespace_can_be_allowed() -> None:
    """The limit on a namespace's length can be raised like the others."""
    data = b"<a xmlns='urn:" + b"x" * 253 + b"'/>"
    with pytest.raises(PacketError) as raised:
        edxml.read(data, limits=edxml.Limits(uri=300))
    assert raised.value.code == "EDX-STRUCTURE"


@pytest.mark.parametrize("what", ["<edXML:Subject>V/v", "<edXML:OrganName>S"])
def test_endless_marks_are_refused_before_they_are_normalised(
    what: str, packet: Callable[..., str], read_text: Callable[[str], edxml.Packet]
) -> None:
    """A text whose marks take minutes to sort is refused while it is read (UAX #15, stream-safe text)."""
    text = packet()
    assert what in text
    read_text(text.replace(what, what + "\u0301" * 30))
    for marks in ("\u0301\u0323" * 16, "&#x301;&#x323;" * 16):
        with pytest.raises(PacketError) as refused:
            read_text(text.replace(what, what + marks))
        assert refused.value.code == "EDX-LIMIT"
        assert "30" in refused.value.message
        assert "30" in refused.value.vi


@pytest.mark.parametrize("node", ["<!--x-->", "<?x y?>", "<odd/>"])
def test_comments_and_instructions_count_as_elements(
    node: str, packet: Callable[..., str], read_text: Callable[[str], edxml.Packet]
) -> None:
    """A packet of nothing but comments is as large a tree as one of elements, and is bounded like it."""
    text = packet().replace("</edXML:MessageHeader>", node * 100_000 + "</edXML:MessageHeader>")
    with pytest.raises(PacketError) as refused:
        read_text(text)
    assert refused.value.code == "EDX-LIMIT"
    assert "100000" in refused.value.message
