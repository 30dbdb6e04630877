"""What is written is read back: the packet's whole model, "The edXML packet", all tables."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

import edoc_connector.edxml as edxml

EXAMPLES = int(os.environ.get("EDOC_FUZZ_EXAMPLES", "0"))


def _same_attachments(read: edxml.Packet, wrote: edxml.Document) -> None:
    def said(one: edxml.Attachment) -> tuple[object, ...]:
        return one.name, one.content_type, one.description, one.size, one.sha256

    assert [said(one) for one in read.attachments] == [said(one) for one in wrote.attachments]


@given(data=st.data())
@settings(max_examples=max(150, EXAMPLES), deadline=None)
def test_documents_read_back(
    data: st.DataObject,
    documents: st.SearchStrategy[edxml.Document],
    written: Callable[..., bytes],
    at: object,
) -> None:
    """A document reads back equal, without findings but remarks on ids, with its trace as written (all tables)."""
    document = data.draw(documents)
    packet = edxml.read(written(document))
    trace = document.trace or (edxml.TraceHeader(organ_id=document.sender.id, timestamp=at),)
    assert packet.message.model_dump() == document.model_copy(update={"trace": trace}).model_dump()
    assert edxml.facts(packet.message) == edxml.facts(document)
    assert {finding.code for finding in packet.findings} <= {"EDX-ID-FORM", "EDX-CONTENT-BYTES"}
    _same_attachments(packet, document)


@given(data=st.data())
@settings(max_examples=max(80, EXAMPLES), deadline=None)
def test_statuses_read_back(
    data: st.DataObject, statuses: st.SearchStrategy[edxml.StatusMessage], written: Callable[..., bytes]
) -> None:
    """A status reads back equal and without findings ("Status packet")."""
    status = data.draw(statuses)
    packet = edxml.read(written(status))
    assert packet.kind == "status"
    assert packet.message == status
    assert packet.findings == ()
    assert edxml.facts(packet.message) == edxml.facts(status)


@given(data=st.data())
@settings(max_examples=max(60, EXAMPLES), deadline=None)
def test_order_does_not_matter(
    data: st.DataObject, documents: st.SearchStrategy[edxml.Document], written: Callable[..., bytes]
) -> None:
    """Elements in any order read equal, and the order is a finding ("Seen in the wild", children in any order)."""
    document = data.draw(documents)
    sent = written(document)
    root = etree.fromstring(sent)
    random = data.draw(st.randoms(use_true_random=False))
    moved = False
    for parent in root.iter("*"):
        names = [etree.QName(child).localname for child in parent]
        if len(set(names)) < 2:
            continue
        order = list(dict.fromkeys(names))
        random.shuffle(order)
        moved |= sorted(names, key=order.index) != names
        parent[:] = sorted(parent, key=lambda child: order.index(etree.QName(child).localname))
    shuffled = edxml.read(etree.tostring(root))
    assert shuffled.message.model_dump() == edxml.read(sent).message.model_dump()
    _same_attachments(shuffled, document)
    assert {finding.code for finding in shuffled.findings} <= {
        "EDX-ORDER",
        "EDX-ID-FORM",
        "EDX-CONTENT-BYTES",
        "EDX-PREFIX-FORM",
    }


@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_writing_is_deterministic(
    data: st.DataObject, documents: st.SearchStrategy[edxml.Document], written: Callable[..., bytes]
) -> None:
    """The same document and time give the same bytes."""
    document = data.draw(documents)
    assert written(document) == written(document)


@pytest.mark.parametrize("prefixed", [True, False])
def test_prefixes_and_line_ends_do_not_matter(
    document: Callable[..., edxml.Document], written: Callable[..., bytes], prefixed: bool
) -> None:
    """Either prefix form and CRLF files with a BOM read equal ("Seen in the wild")."""
    sent = written(document())
    text = sent.decode()
    if prefixed:
        for name in ("AttachmentEncoded", "Attachment", "ContentId", "AttachmentName", "ContentTransferEncoded"):
            text = text.replace(f"<{name}>", f"<p:{name}>").replace(f"</{name}>", f"</p:{name}>")
        text = text.replace("<edXML ", f'<edXML xmlns:p="{edxml.NS}" ')
    else:
        text = text.replace("<edXML:", "<").replace("</edXML:", "</")
    odd = b"\xef\xbb\xbf" + text.replace("><", ">\r\n<").encode() + b"\r\n\r\n"
    packet = edxml.read(odd)
    assert packet.message == edxml.read(sent).message
    expected = ["EDX-BOM", "EDX-LINE-ENDS", "EDX-AFTER-ROOT", "EDX-PREFIX-FORM"]
    assert [finding.code for finding in packet.findings] == expected
