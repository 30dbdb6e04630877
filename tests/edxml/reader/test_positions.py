"""Lines and columns of elements, compared with a parser's own count over the whole file."""

from __future__ import annotations

from collections.abc import Callable
from xml.parsers import expat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edoc_connector.edxml as edxml
from edoc_connector.edxml.limits import Limits
from edoc_connector.edxml.reader.skeleton import Skeleton
from edoc_connector.edxml.source import Source
from edoc_connector.errors import PacketError

_BETWEEN = st.lists(
    st.sampled_from(["\n", "\r\n", "\r", " ", "Đề nghị", "<!-- ạ\n -->", "😀", "<odd\n a='ế'/>", "<x/>", "<?p\n?>"]),
    max_size=4,
).map("".join)
_TEXTS = st.lists(st.sampled_from(["QUJD", "\n", "\r\n", " ", "<!-- \n -->", "<![CDATA[QUJD]]>", "&#65;"]), max_size=5)


def _counted(data: bytes) -> list[tuple[int, int]]:
    """Find the start of every element by expat alone."""
    found = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda *_: found.append((parser.CurrentLineNumber, parser.CurrentColumnNumber + 1))
    parser.Parse(data, True)
    return found


def _known(data: bytes) -> list[tuple[int, int | None]]:
    skeleton = Skeleton(Source.from_value(data), Limits())
    return [skeleton.find_position(element) for element in skeleton.root.iter("*")]


@given(
    texts=st.lists(st.tuples(_BETWEEN, _TEXTS.map("".join), _BETWEEN), max_size=3),
    before=_BETWEEN,
    after=_BETWEEN,
    prefix=st.booleans(),
    bom=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_positions_are_those_of_the_file(
    texts: list[tuple[str, str, str]], before: str, after: str, prefix: bool, bom: bool
) -> None:
    """Every line and every known column is right; only columns behind texts that the tree leaves out may be unknown."""
    attachments = "".join(
        f"<Attachment>{one}<ContentTransferEncoded>{text}</ContentTransferEncoded>{two}<e/></Attachment>"
        for one, text, two in texts
    )
    inside = f"{before}<AttachmentEncoded>{attachments}</AttachmentEncoded>{after}<last/>"
    data = f"<edXML a='1'>{'<ế:b/>' if prefix else ''}{inside}</edXML>".encode()
    known, counted = _known(b"\xef\xbb\xbf" * bom + data), _counted(data)
    assert [line for line, _ in known] == [line for line, _ in counted]
    said = [(one, other) for one, other in zip(known, counted, strict=True) if one[1] is not None]
    assert all(one == other for one, other in said)
    hidden = {line for line, _ in counted[:1] if prefix}
    multiline = "\n" in attachments or "\r" in attachments
    assert multiline or {line for line, column in known if column is None} <= hidden


def test_lines_beyond_what_libxml2_counts(packet: Callable[..., str]) -> None:
    """A finding in line 200,000 has its line, although libxml2 counts up to 65,534 lines."""
    text = packet().replace("<AttachmentEncoded>", "\n" * 200_000 + "  <odd/><AttachmentEncoded>")
    found = next(one for one in edxml.read(text.encode()).findings if one.code == "EDX-UNKNOWN")
    assert (found.line, found.column) == (text[: text.index("<odd/>")].count("\n") + 1, 3)


def test_a_refused_element_has_its_column(packet: Callable[..., str]) -> None:
    """An error about an element has the line and column of its start."""
    text = packet().replace("<AttachmentEncoded>", "\n  ạ<edXMLEnvelope/><AttachmentEncoded>")
    with pytest.raises(PacketError) as caught:
        edxml.read(text.encode())
    assert caught.value.column == 4
    assert f"line {caught.value.line}, column 4" in caught.value.message
