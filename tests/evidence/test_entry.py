"""Entries of the log: canonical bytes, the few bytes that keep them, and hostile ones."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
import zlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edoc_connector.errors import EvidenceError
from edoc_connector.evidence import (
    MAX_ENTRY_BYTES,
    MAX_EVENTS,
    LogEntry,
    LogEvent,
    format_entry,
    group_events,
    open_log,
    pack_entry,
    parse_entry,
    read_dictionary,
    seal_chain,
    unpack_entry,
)

AT = datetime(2026, 11, 28, 21, 51, 42, 753122, UTC)
SHA256 = hashlib.sha256(b"packet").hexdigest()
HUB_DOC_ID = "3b5c260d-5b29-42c5-a99a-86d1e8ad7a4d"
ANSWER = LogEvent(
    "answer",
    "H29.05",
    {
        "asked_at": "2026-11-28T21:51:42.765+00:00",
        "body": {"DocId": HUB_DOC_ID, "ErrorCode": "0", "ErrorDesc": "", "status": "OK"},
        "body_sha256": hashlib.sha256(b"body").hexdigest(),
        "body_size": 93,
        "call": "sendEdoc",
        "date": "Sat, 28 Nov 2026 21:51:42 GMT",
        "method": "POST",
        "status": 200,
    },
)
SENT = LogEvent("change", "H29.05", {"detail": f"the hub took it: docId {HUB_DOC_ID}", "new": "sent", "old": "sending"})
ENTRY = LogEntry(
    agency="H29.05",
    at=AT,
    subject="delivery",
    subject_id=12,
    identity={"document_id": "H29.05,2026/11/29,1/SNV-VP", "hub_doc_id": HUB_DOC_ID, "sha256": SHA256},
    events=(ANSWER, SENT),
)
FIRST_FORM = {
    "actor": "H29.05",
    "agency": "H29.05",
    "at": "2026-11-28T21:51:42.785881+00:00",
    "detail": "the hub took it ‖ trục đã nhận",
    "document_id": "H29.05,2026/11/29,1/SNV-VP",
    "kind": "change",
    "new": "sent",
    "sequence": 4,
    "sha256": SHA256,
    "subject": "delivery",
    "subject_id": 1,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just(SHA256) | st.just(HUB_DOC_ID),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
EVENTS = st.lists(
    st.builds(LogEvent, st.text(), st.text(), st.dictionaries(st.text(), JSON, max_size=5)), min_size=1, max_size=5
)


def canonical(values: object) -> bytes:
    """Canonical JSON."""
    return json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


@given(EVENTS, st.dictionaries(st.text(), JSON, max_size=3), st.integers(1, 1 << 40))
def test_an_entry_is_read_as_it_was_written(events: list[LogEvent], identity: dict[str, Any], subject_id: int) -> None:
    """Formatted, packed, unpacked and parsed, an entry says what it said, whatever is in it."""
    entry = LogEntry(
        agency="G22", at=AT, subject="receipt", subject_id=subject_id, identity=identity, events=tuple(events)
    )
    text = format_entry(entry)
    assert unpack_entry(pack_entry(text)) == text
    assert parse_entry(text) == entry


def test_an_entry_says_what_the_first_form_said() -> None:
    """Each event with its row's values, time, actor and subject, by the names that explain and packs know."""
    answer, sent = parse_entry(format_entry(ENTRY)).list_facts()
    assert answer["call"] == "sendEdoc"
    assert answer["body"]["DocId"] == HUB_DOC_ID
    assert sent == {
        "actor": "H29.05",
        "agency": "H29.05",
        "at": AT.isoformat(),
        "detail": f"the hub took it: docId {HUB_DOC_ID}",
        "document_id": "H29.05,2026/11/29,1/SNV-VP",
        "hub_doc_id": HUB_DOC_ID,
        "kind": "change",
        "new": "sent",
        "old": "sending",
        "sha256": SHA256,
        "subject": "delivery",
        "subject_id": 12,
    }
    assert ENTRY.kinds == {"answer", "change"}


def test_an_entry_of_the_first_form_is_read_and_kept_byte_for_byte() -> None:
    """It is one event, says what it said, and packing changes none of the bytes that its digest is over."""
    text = canonical(FIRST_FORM)
    assert unpack_entry(pack_entry(text)) == text
    entry = parse_entry(text)
    assert entry.sequence == 4
    assert entry.list_facts() == [{name: value for name, value in FIRST_FORM.items() if name != "sequence"}]


def test_an_entry_takes_few_bytes() -> None:
    """Names and words cost next to nothing, and digests their own length (issue, "1.": digests as bytes)."""
    stored = pack_entry(format_entry(ENTRY))
    digests = 2 * 32 + 16
    assert len(stored) < digests + 130
    assert bytes.fromhex(SHA256) in stored


@pytest.mark.parametrize(
    ("at", "form"),
    [
        ("2026-11-28T21:51:42.753122+00:00", 3),
        ("1970-01-01T00:00:00.000000+00:00", 3),
        ("9999-12-31T23:59:59.999999+00:00", 2),  # has one byte more than there is room for
        ("1969-12-31T23:59:59.999999+00:00", 2),
        ("2026-11-28T21:51:42.753122+07:00", 2),
        ("2026-11-28T21:51:42+00:00", 2),
        ("2026-13-28T21:51:42.753122+00:00", 2),
        ("", 2),
    ],
)
def test_a_time_is_kept_as_a_number(at: str, form: int) -> None:
    """Where it is written as entries write it; another one stays as it is, and so does every other byte."""
    text = canonical(FIRST_FORM | {"at": at, "detail": {"at": AT.isoformat()}})
    assert pack_entry(text)[0] == form
    assert unpack_entry(pack_entry(text)) == text


def test_an_entry_with_many_digests_has_the_wider_form() -> None:
    """Four bits count fifteen of them."""
    for count, form in ((14, 3), (15, 2), (300, 2)):  # and one that the entry has besides
        digests = [hashlib.sha256(bytes([number % 256, number // 256])).hexdigest() for number in range(count)]
        text = canonical(FIRST_FORM | {"digests": digests})
        assert pack_entry(text)[0] == form
        assert unpack_entry(pack_entry(text)) == text


def test_an_entry_of_the_timed_form_is_read() -> None:
    """Bytes that were stored once are read for ever."""
    stored = bytes.fromhex(
        "032106615d2ea61562230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb57426afc489d0ee"
        "f99a0b438def226ad139f752350c25cf2c04900281afbb79e03b5c260d5b2942c5a99a86d1e8ad7a4dc3122ccc94540c"
        "f0e17b233d7333d3c1dad083b951c1dd374469f88d691a1aea1b59ea18ea07fb85e98605604d3b88806424764a1600"
    )
    assert parse_entry(unpack_entry(stored)) == ENTRY
    assert pack_entry(format_entry(ENTRY)) == stored
    for cut in range(len(stored)):
        with pytest.raises(EvidenceError):
            unpack_entry(stored[:cut])


def test_the_dictionary_is_as_it_was() -> None:
    """Every entry kept so far needs it to the byte; a better one gets another number."""
    assert (
        hashlib.sha256(read_dictionary(1)).hexdigest()
        == "b1448ab3ffbef30e4c97bce64c355f67b3e116fe069e353e1a918d16e00ad42b"
    )


def test_an_entry_stored_by_the_first_version_is_read() -> None:
    """Bytes that were stored once are read for ever."""
    stored = bytes.fromhex(
        "02010201230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb57426afc489d0eef99a0b438d"
        "ef226ad139f752350c25cf2c04900281afbb79e03b5c260d5b2942c5a99a86d1e8ad7a4d231c2cf00179233d73536343"
        "23aad41fc8869a990ed6f620cc8d0aeebe214ac36fe8d3d050dfc852c7503fd82f4c372c006b1243042423b133b700"
    )
    assert parse_entry(unpack_entry(stored)) == ENTRY


def test_events_are_grouped_by_row() -> None:
    """One entry for each row and transaction, in order; a row with very many events gets several."""
    events = [("delivery", 1, SENT), ("", 0, LogEvent("packed", "x")), ("delivery", 1, ANSWER), ("receipt", 1, SENT)]
    first, second, third = group_events(events, {("delivery", 1): {"sha256": SHA256}}, agency="G22", at=AT)
    assert (first.events, first.identity) == ((SENT, ANSWER), {"sha256": SHA256})
    assert (second.subject, second.subject_id, second.identity) == ("", 0, {})
    assert (third.subject, third.events) == ("receipt", (SENT,))
    many = group_events([("delivery", 1, SENT)] * (MAX_EVENTS + 1), {}, agency="G22", at=AT)
    assert [len(one.events) for one in many] == [MAX_EVENTS, 1]


def test_a_log_begins_with_its_name() -> None:
    """The first entry names the log; the one after an old chain also that chain's end."""
    opened = open_log(agency="G22", at=AT, actor="edoc", origin="edoc-evidence/G22/1")
    assert parse_entry(format_entry(opened)).list_facts()[0]["origin"] == "edoc-evidence/G22/1"
    sealed = seal_chain(agency="G22", at=AT, actor="edoc", origin="edoc-evidence/G22/1", sequence=9, head=SHA256)
    facts = parse_entry(format_entry(sealed)).list_facts()[0]
    assert (facts["kind"], facts["sealed_sequence"], facts["sealed_hash"]) == ("sealed", 9, SHA256)


def test_times_are_written_in_one_form() -> None:
    """Microseconds always, so that one moment is one text."""
    entry = LogEntry(agency="G22", at=AT.replace(microsecond=0), events=(SENT,))
    assert b'"at":"2026-11-28T21:51:42.000000+00:00"' in format_entry(entry)
    elsewhere = LogEntry(agency="G22", at=AT.astimezone(timezone(timedelta(hours=7))), events=(SENT,))
    assert format_entry(elsewhere) == format_entry(LogEntry(agency="G22", at=AT, events=(SENT,)))


def test_an_entry_that_is_too_large_is_refused() -> None:
    """Nothing is written that could not be read again."""
    entry = LogEntry(agency="G22", at=AT, events=(LogEvent("answer", "x", {"body": "x" * MAX_ENTRY_BYTES}),))
    with pytest.raises(EvidenceError, match="bytes"):
        format_entry(entry)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"form": 2}',
        canonical({"form": 3, "agency": "a"}),
        canonical(FIRST_FORM | {"at": "2026-11-28"}),
        canonical(FIRST_FORM | {"at": "yesterday"}),
        canonical(FIRST_FORM | {"at": 1}),
        canonical(FIRST_FORM | {"sequence": "1"}),
        canonical(FIRST_FORM | {"subject_id": True}),
        canonical(FIRST_FORM)[:-1] + b" }",
        canonical(FIRST_FORM).replace(b'"actor"', b'"actor":"H29.05","actor"'),
        format_entry(ENTRY).replace(b'"events":[', b'"events":[1,'),
        format_entry(ENTRY).replace(b'"details":{', b'"details":[],"x":{'),
        b'{"a":NaN}',
        b"x" * (MAX_ENTRY_BYTES + 1),
    ],
)
def test_text_that_is_no_entry(text: bytes) -> None:
    """Anything else than the canonical bytes of an entry is one typed error."""
    with pytest.raises(EvidenceError):
        parse_entry(text)


@given(st.binary(max_size=300))
def test_bytes_that_are_no_entry(stored: bytes) -> None:
    """Bytes of anybody are an entry or one typed error, behind any header too."""
    for data in (stored, b"\x02\x01" + stored, b"\x02\x01\x00\x00" + stored):
        try:
            unpack_entry(data)
        except EvidenceError:
            continue


@given(st.data())
def test_a_damaged_entry_is_a_text_or_a_typed_error(data: st.DataObject) -> None:
    """A bit that flips on the disk makes nothing fall over; the leaf's hash, over the text, tells whether it counts."""
    stored = bytearray(pack_entry(format_entry(ENTRY)))
    place = data.draw(st.integers(0, 8 * len(stored) - 1))
    stored[place // 8] ^= 1 << place % 8
    try:
        assert isinstance(unpack_entry(bytes(stored)), bytes)
    except EvidenceError:
        return


@pytest.mark.parametrize("digests", [b"", b"\x00" * 32])
def test_a_bomb_is_refused_in_little_memory(digests: bytes) -> None:
    """What inflates to more than the largest entry, or would once its digests are written out, is not made."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    text = b"\x01\x00" * (1 << 20) if digests else b"x" * (1 << 30)
    body = deflate.compress(text) + deflate.flush()
    tracemalloc.start()
    with pytest.raises(EvidenceError, match="too large"):
        unpack_entry(bytes([2, 1, len(digests) // 32, 0]) + digests + body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MAX_ENTRY_BYTES


@pytest.mark.parametrize(
    "stored",
    [
        b"\x01\x01\x00\x00",
        b"\x02\x09\x00\x00\x03\x00",
        b"\x02\x01\x01\x00",
        b"\x02\x01\x00\x00\x03\x00more",
        pack_entry(format_entry(ENTRY))[:-3],
    ],
)
def test_stored_bytes_of_another_kind(stored: bytes) -> None:
    """Another form, a dictionary that nobody knows, missing digests, bytes behind the end, a cut: a typed error."""
    with pytest.raises(EvidenceError):
        unpack_entry(stored)


def test_controls_are_in_no_entry() -> None:
    """They stand for digests in the stored form, and canonical JSON escapes them."""
    with pytest.raises(EvidenceError, match="control"):
        pack_entry(b'"\x01"')


def test_more_ids_than_a_byte_counts() -> None:
    """The 256th digest and those after it stay in the text."""
    text = canonical([hashlib.sha256(b"%d" % number).hexdigest() for number in range(300)] + [HUB_DOC_ID] * 300)
    assert unpack_entry(pack_entry(text)) == text
