"""A written message reads back equal: the whole model, "The edXML packet", all tables."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from random import Random

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from lxml import etree

import edoc_connector.edxml as edxml

EXAMPLES = int(os.environ.get("EDOC_FUZZ_EXAMPLES", "0"))
SHARDS = 8 if EXAMPLES else 1

OTHER_INFO = (
    "sphere", "typer_notation", "copies", "pages", "reply_for", "steering_document", "reference_codes", "appendixes",
)  # fmt: skip

shards = pytest.mark.parametrize("shard", range(SHARDS))
"""A property's examples in parts, so that processes can share them; each part has examples of its own."""


def _for_all(strategy: st.SearchStrategy[object], holds: Callable[..., None], *, shard: int, least: int) -> None:
    """Try a property on this shard's part of the examples, at least so many."""
    examples = settings(max_examples=max(least, -(-EXAMPLES // SHARDS)), deadline=None, database=None)
    tried = examples(given(strategy)(holds))
    # derandomised examples are chosen by the test's text, which is the same for every shard
    (seed(shard)(tried) if settings().derandomize else tried)()


def _expected(document: edxml.Document, at: datetime) -> dict[str, object]:
    trace = document.trace or (edxml.TraceHeader(organ_id=document.sender.id, timestamp=at),)
    expected: dict[str, object] = document.model_copy(update={"trace": trace}).model_dump()
    # SteeringType is always written, and Priority wherever OtherInfo is
    expected["steering"] = bool(document.steering)
    if expected["priority"] is None and any(expected[name] not in (None, ()) for name in OTHER_INFO):
        expected["priority"] = edxml.Priority.NORMAL
    return expected


def _same_attachments(read: edxml.Packet, wrote: edxml.Document) -> None:
    def said(one: edxml.Attachment) -> tuple[object, ...]:
        return one.name, one.content_type, one.description, one.size, one.sha256

    assert [said(one) for one in read.attachments] == [said(one) for one in wrote.attachments]


@shards
def test_documents_read_back(
    documents: st.SearchStrategy[edxml.Document], written: Callable[..., bytes], at: datetime, shard: int
) -> None:
    """A document reads back equal, without findings but remarks on ids, with its trace as written (all tables)."""

    def holds(document: edxml.Document) -> None:
        packet = edxml.read(written(document))
        assert packet.message.model_dump() == _expected(document, at)
        assert edxml.facts(packet.message) == edxml.facts(edxml.complete(document))
        assert {finding.code for finding in packet.findings} <= {"EDX-ID-FORM", "EDX-CONTENT-BYTES"}
        _same_attachments(packet, document)

    _for_all(documents, holds, shard=shard, least=150)


@shards
def test_statuses_read_back(
    statuses: st.SearchStrategy[edxml.StatusMessage], written: Callable[..., bytes], shard: int
) -> None:
    """A status reads back equal and without findings ("Status packet")."""

    def holds(status: edxml.StatusMessage) -> None:
        packet = edxml.read(written(status))
        assert packet.kind == "status"
        assert packet.message == status
        assert packet.findings == ()
        assert edxml.facts(packet.message) == edxml.facts(status)

    _for_all(statuses, holds, shard=shard, least=80)


def _shuffled(sent: bytes, random: Random) -> bytes:
    """Shuffle the children of every element; those of one name keep their order, which counts."""
    root = etree.fromstring(sent)
    for parent in root.iter("*"):
        names = list(dict.fromkeys(child.tag for child in parent))
        random.shuffle(names)
        parent[:] = [child for name in names for child in parent if child.tag == name]
    return etree.tostring(root)


@shards
def test_order_does_not_matter(
    documents: st.SearchStrategy[edxml.Document], written: Callable[..., bytes], at: datetime, shard: int
) -> None:
    """Elements in any order read as what was written ("Seen in the wild", children in any order)."""

    def holds(drawn: tuple[edxml.Document, int]) -> None:
        document, number = drawn
        packet = edxml.read(_shuffled(written(document), Random(number)))
        assert packet.message.model_dump() == _expected(document, at)
        _same_attachments(packet, document)
        expected = {"EDX-ORDER", "EDX-ID-FORM", "EDX-CONTENT-BYTES", "EDX-PREFIX-FORM"}
        assert {finding.code for finding in packet.findings} <= expected

    _for_all(st.tuples(documents, st.integers(0, 2**20)), holds, shard=shard, least=60)


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
