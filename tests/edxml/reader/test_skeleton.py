"""The canonical form with long texts streamed equals that of the whole tree (Canonical XML 1.0, Exclusive C14N 1.0)."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

import edoc_connector.edxml as edxml
from edoc_connector.edxml.reader import scan
from edoc_connector.edxml.source import Source
from edoc_connector.errors import PacketError

_PIECES = st.sampled_from(
    [
        "QUJD",
        "\r\n",
        "\r",
        "\n",
        " ",
        "\t",
        ">",
        "é",
        "😀",
        "&gt;",
        "&lt;",
        "&amp;",
        "&quot;",
        "&#13;",
        "&#xD;&#10;",
        "<![CDATA[a<b&c>]]>",
        "<![CDATA[]]>",
        "<!-- c > -->",
        "<?pi x > y?>",
        "QUJD" * 40,
        "]",
        "<x/>",
        "<x a='>'>y</x>",
        "<ContentTransferEncoded>QQ==</ContentTransferEncoded>",
        "&#65;",
    ]
)
_CDATA = re.compile(r"<!\[CDATA\[.*?\]\]>")


def _is_xml(text: str) -> bool:
    """Whether no ``]]>`` stands outside CDATA sections, where XML forbids it (XML 1.0, 2.4)."""
    return "]]>" not in _CDATA.sub("|", text)


_TEXTS = st.lists(_PIECES, max_size=8).map("".join).filter(_is_xml)
_AROUND = st.lists(st.sampled_from(["\n", "<!-- around -->", "<?around it?>", "\r\n"]), max_size=3).map("".join)
_SIGNATURES = st.sampled_from(
    [
        "",
        '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo/></Signature>',
        'a<!-- before --> b<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">x</ds:Signature> after\r\n',
        '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>tail > &#13;',
    ]
)


def _packet(texts: list[str], before: str, after: str, signature: str, bom: bool) -> bytes:
    odd = ("", 'z=">"')
    attachments = "".join(
        f"<Attachment b=\"x > 'y'\"\r\n a='&#10;>'><ContentTransferEncoded {odd[index % 2]}>{text}"
        f"</ContentTransferEncoded><!-- between --></Attachment>"
        for index, text in enumerate(texts)
    )
    return (b"\xef\xbb\xbf" if bom else b"") + (
        f'<?xml version="1.0"?>{before}<edXML xmlns="{edxml.NS}" xml:lang="vi">'
        f'<edXML:edXMLEnvelope xmlns:edXML="{edxml.NS}" xmlns:unused="urn:u">'
        f"<edXML:edXMLHeader><edXML:MessageHeader/>{signature}</edXML:edXMLHeader></edXML:edXMLEnvelope>"
        f"<AttachmentEncoded>{attachments}<Attachment><ContentTransferEncoded/></Attachment></AttachmentEncoded>"
        f"</edXML>{after}"
    ).encode()


def _skeleton(data: bytes) -> edxml.Skeleton:
    return edxml.Skeleton(Source.from_value(data), edxml.Limits())


@given(
    texts=st.lists(_TEXTS, max_size=3),
    before=_AROUND,
    after=_AROUND,
    signature=_SIGNATURES,
    bom=st.booleans(),
    exclusive=st.booleans(),
    without=st.booleans(),
    chunk=st.sampled_from([1, 2, 3, 7, 64, 1 << 20]),
)
@settings(max_examples=800, deadline=None)
def test_streamed_form_equals_the_whole(
    texts: list[str],
    before: str,
    after: str,
    signature: str,
    bom: bool,
    exclusive: bool,
    without: bool,
    chunk: int,
    whole_canonical: Callable[..., bytes],
) -> None:
    """Any text, comment, CDATA section, reference or instruction, cut anywhere, canonicalises like the whole tree."""
    data = _packet(texts, before, after, signature, bom)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "_FEED_SIZE", chunk)
        skeleton = _skeleton(data)
        removed = list(skeleton.root.iter(f"{{{edxml.DS}}}Signature")) if without else []
        streamed = b"".join(skeleton.iter_canonical(exclusive=exclusive, exclude=removed))
        again = b"".join(skeleton.iter_canonical(exclusive=exclusive))
    assert streamed == whole_canonical(data, exclusive=exclusive, without_signature=without)
    assert again == whole_canonical(data, exclusive=exclusive)


def test_a_long_text_over_many_chunks(whole_canonical: Callable[..., bytes]) -> None:
    """A text of several read sizes, with CRLF and '>' everywhere, behind a BOM, is found and canonicalised whole."""
    data = _packet(["QUJD\r\n" * 600_000, "é>" * 10], "", "\r\n", "", True)
    skeleton = _skeleton(data)
    assert len(b"".join(skeleton.iter_canonical(exclusive=True))) > 3_000_000
    assert b"".join(skeleton.iter_canonical(exclusive=True)) == whole_canonical(data, exclusive=True)
    encoded = skeleton.root.find(f".//{{{edxml.NS}}}ContentTransferEncoded")
    assert encoded is not None
    assert encoded.text is not None
    with skeleton.build_content(encoded.text, "a").open() as stream:
        assert stream.read() == b"ABC" * 600_000


@pytest.mark.parametrize("text", ["QUJD]]>QUJD", "]]>", "<![CDATA[]]>]]>", "QUJD" * 40 + "]]>"])
def test_an_end_of_cdata_without_a_beginning_is_refused(text: str) -> None:
    """A raw ``]]>`` in a text is not XML, for the streamed form as for the whole tree (XML 1.0, 2.4)."""
    data = _packet([text], "", "", "", False)
    with pytest.raises(PacketError):
        _skeleton(data)
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(data)


def test_long_texts_are_not_in_the_tree() -> None:
    """The tree holds a placeholder and messages show its length ("Streams, not strings")."""
    skeleton = _skeleton(_packet(["QUJD" * 1000], "", "", "", False))
    encoded = skeleton.root.find(f".//{{{edxml.NS}}}ContentTransferEncoded")
    assert encoded is not None
    assert encoded.text is not None
    assert len(encoded.text) < 60
    assert skeleton.format_excerpt(f"a {encoded.text}") == "a [4000 bytes]"
    assert skeleton.format_excerpt("x" * 10_001).endswith("x… (10001)")


def test_only_the_content_of_attachments_is_left_out() -> None:
    """An element of that name elsewhere stays readable: reading never loses what a sender wrote."""
    data = b"<edXML><ContentTransferEncoded>words</ContentTransferEncoded></edXML>"
    assert _skeleton(data).root[0].text == "words"


def test_undeclared_prefixes_are_declared_on_the_root() -> None:
    """A prefix that nobody declared is bound for reading, and there is no canonical form ("edoc.edxml" has one)."""
    data = b"<!-- <a --><?p <b?>\n<edXML edXML:a='1'><xlink:b/><edXML:c/><odd:d/></edXML>"
    skeleton = _skeleton(data)
    assert skeleton.has_namespace_errors
    assert [child.tag for child in skeleton.root] == [
        "{http://www.w3.org/1999/xlink}b",
        f"{{{edxml.NS}}}c",
        "{urn:edoc-connector:undeclared:odd}d",
    ]
    assert [(finding.code, finding.seen) for finding in skeleton.findings] == [
        ("EDX-PREFIX", "edXML"),
        ("EDX-PREFIX", "xlink"),
        ("EDX-PREFIX", "odd"),
    ]


def test_the_root_cannot_be_left_out() -> None:
    """Excluding the root is a mistake of the caller."""
    skeleton = _skeleton(b"<edXML/>")
    with pytest.raises(ValueError, match="root"):
        list(skeleton.iter_canonical(exclusive=True, exclude=[skeleton.root]))


def test_a_relative_namespace_has_no_canonical_form() -> None:
    """A namespace that is a relative reference has no canonical form, which is an error (Canonical XML 1.0, 1.3)."""
    skeleton = _skeleton(b'<edXML xmlns:a="relative"><a:b/></edXML>')
    with pytest.raises(etree.C14NError):
        list(skeleton.iter_canonical(exclusive=True))


def test_parse_xml_bounds_what_it_parses() -> None:
    """The package's one parser refuses a DOCTYPE and names without a namespace, and takes limits."""
    assert edxml.parse_xml(b"<a>x</a>").text == "x"
    for data, code in ((b"<!DOCTYPE a><a/>", "EDX-DOCTYPE"), (b"<p:a/>", "EDX-NOT-XML"), (b"", "EDX-EMPTY-FILE")):
        with pytest.raises(PacketError) as caught:
            edxml.parse_xml(data)
        assert caught.value.code == code
    with pytest.raises(PacketError) as caught:
        edxml.parse_xml(b"<a><b/></a>", limits=edxml.Limits(depth=1))
    assert caught.value.code == "EDX-LIMIT"
